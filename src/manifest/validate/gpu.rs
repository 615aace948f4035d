//! `gpu` and `mpi`: the driver, toolkits and what is laid into them, what containers need; message passing.

use super::desk::Desk;
use super::network::{index, nvidia_mirror};
use super::software::{armoured_key, present_repositories};
use crate::manifest::at::At;
use crate::manifest::v1::{self, CudaComponent, CudaSource, Gpu, Manifest};
use crate::problem::Code;
use crate::recipe::{
    ContainerToolkit, Cuda, DriverSource, Flavour, GpuDriver, GpuPresence, Mpi, MpiImplementation, NvidiaPackages, PARTS, Toolkit,
    ToolkitSource, WHOLE, Want,
};

/// The first CUDA whose wheels hold a compiler.
const FIRST_ON_PYPI: u32 = 13;

/// `gpu`.
pub fn gpu(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let Some(gpu) = &manifest.gpu else { return Vec::new() };
    let packages = packages(gpu, manifest, desk);
    let presence = (gpu.presence == Some(v1::Presence::Required)).then_some(Want::GpuPresence(GpuPresence));
    let repositories = present_repositories(manifest);
    let driver = driver(gpu, &packages, repositories, desk).map(Want::GpuDriver);
    let after_packages = manifest.packages.as_ref().is_some_and(|packages| !packages.install.is_empty());
    let toolkit = ContainerToolkit { packages: packages.clone(), after_packages };
    let toolkit = (gpu.container_toolkit == Some(true)).then_some(Want::ContainerToolkit(toolkit));
    presence.into_iter().chain(driver).chain(cuda(gpu, packages, manifest, desk)).chain(toolkit).collect()
}

/// Where NVIDIA's packages come from.
fn packages(gpu: &Gpu, manifest: &Manifest, desk: &mut Desk<'_>) -> NvidiaPackages {
    let instead = gpu.repository.as_ref().and_then(|repository| {
        let key = armoured_key(&repository.signed_by, desk)?;
        Some((repository.uri.value.as_str().to_owned(), key))
    });
    NvidiaPackages { mirror: nvidia_mirror(manifest), instead }
}

/// `gpu.driver`, where it is to be installed.
fn driver(gpu: &Gpu, packages: &NvidiaPackages, repositories: Vec<String>, desk: &mut Desk<'_>) -> Option<GpuDriver> {
    let driver = gpu.driver.as_ref()?;
    if let (None, Some(source)) = (&driver.flavour, &driver.source) {
        let message = "a driver without a `flavour` is there already, and comes from nowhere";
        desk.say(Code::MissingKey, &source.place, message, "add `flavour: open` to have it installed, or remove `source`");
    }
    let branch = driver.branch.value.as_str();
    if let Some(version) = driver.version.as_ref().filter(|version| version.value.as_str().split('.').next() != Some(branch)) {
        let message = format!("{} is not of branch {branch}", version.value.as_str());
        desk.say(Code::Conflict, &version.place, message, "let both begin with the same number");
    }
    let flavour = match driver.flavour.as_ref()?.value {
        v1::Flavour::Open => Flavour::Open,
        v1::Flavour::Proprietary => Flavour::Proprietary,
        v1::Flavour::OpenServer => Flavour::OpenServer,
        v1::Flavour::Server => Flavour::Server,
    };
    let source = match driver.source.as_ref().map(|source| source.value) {
        Some(v1::DriverSource::Nvidia) => DriverSource::Nvidia,
        Some(v1::DriverSource::Distribution) | None => DriverSource::Distribution,
    };
    let version = driver.version.as_ref().map(|version| version.value.as_str().to_owned());
    Some(GpuDriver { branch: branch.to_owned(), version, flavour, source, packages: packages.clone(), repositories })
}

/// `mpi`.
pub fn mpi(manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Want> {
    let mpi = manifest.mpi.as_ref()?;
    let implementation = match (mpi.implementation.value, &mpi.version) {
        (v1::MpiImplementation::Intel, Some(version)) => MpiImplementation::Intel(version.value.as_str().to_owned()),
        (v1::MpiImplementation::Intel, None) => {
            desk.say(Code::MissingKey, &mpi.implementation.place, "Intel MPI lacks `version`", "add `version: \"2021.12\"` beside it");
            return None;
        }
        (v1::MpiImplementation::Openmpi, Some(version)) => {
            let message = "Open MPI is the distribution's, in the one version that it has";
            desk.say(Code::Conflict, &version.place, message, "remove `version`");
            return None;
        }
        (v1::MpiImplementation::Openmpi, None) => MpiImplementation::Open,
    };
    Some(Want::Mpi(Mpi { implementation, index: index(manifest) }))
}

/// `gpu.cuda`, `gpu.cudnn`, `gpu.nccl`.
fn cuda(gpu: &Gpu, packages: NvidiaPackages, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Want> {
    let Some(cuda) = &gpu.cuda else {
        for (library, name) in [(&gpu.cudnn, "cuDNN"), (&gpu.nccl, "NCCL")] {
            if let Some(library) = library {
                let message = format!("{name} is laid into a toolkit, and `gpu.cuda` names none");
                desk.say(Code::MissingKey, &library.place, message, "add `cuda: {version: …, source: …}` beside it");
            }
        }
        return None;
    };
    let main = toolkit(&cuda.version, cuda.source, &cuda.components, desk);
    let also: Vec<Toolkit> =
        cuda.also.iter().map(|one| toolkit(&one.value.version, one.value.source, &one.value.components, desk)).collect();
    let versions = std::iter::once(&cuda.version).chain(cuda.also.iter().map(|one| &one.value.version));
    let directory = |version: &At<v1::CudaVersion>| version.value.as_str().split('.').take(2).collect::<Vec<_>>().join(".");
    desk.distinct("a toolkit in the directory of CUDA", versions.map(|version| (directory(version), &version.place)));
    let release = |library: &Option<At<v1::Library>>| library.as_ref().map(|library| library.value.version.value.as_str().to_owned());
    Some(Want::Cuda(Cuda {
        toolkit: main,
        also,
        cudnn: release(&gpu.cudnn),
        nccl: release(&gpu.nccl),
        index: index(manifest),
        mirror: nvidia_mirror(manifest),
        packages,
    }))
}

fn toolkit(version: &At<v1::CudaVersion>, source: CudaSource, components: &[At<CudaComponent>], desk: &mut Desk<'_>) -> Toolkit {
    let text = version.value.as_str();
    let source = match source {
        CudaSource::Pypi => ToolkitSource::Pypi,
        CudaSource::Redist => ToolkitSource::Redist,
        CudaSource::Apt => ToolkitSource::Apt,
    };
    let names = components.iter().map(|component| component.value.as_str().to_owned()).collect();
    let toolkit = Toolkit { source, version: text.to_owned(), components: names };
    match source {
        ToolkitSource::Pypi if toolkit.major() < FIRST_ON_PYPI => {
            let message = format!("CUDA {text} has no compiler on a Python index; the first that has one is {FIRST_ON_PYPI}.0");
            desk.say(Code::BadValue, &version.place, message, format!("write \"{FIRST_ON_PYPI}.0\" or later, or `source: redist`"));
        }
        ToolkitSource::Pypi if text.split('.').count() > 2 => {
            let line = text.split('.').take(2).collect::<Vec<_>>().join(".");
            let message = format!("the wheels of CUDA have patch levels of their own, part by part, so `{text}` names none of them");
            desk.say(Code::BadValue, &version.place, message, format!("write \"{line}\": of each part the newest of that line is taken"));
        }
        ToolkitSource::Redist if text.split('.').count() < 3 => {
            let message = format!("NVIDIA lists archives by whole releases, and `{text}` is none");
            desk.say(Code::BadValue, &version.place, message, format!("write all three numbers, such as \"{text}.1\""));
        }
        ToolkitSource::Pypi | ToolkitSource::Redist | ToolkitSource::Apt => {}
    }
    if let Some(all) = components.iter().find(|component| component.value.as_str() == WHOLE && source != ToolkitSource::Apt) {
        desk.say(Code::BadValue, &all.place, "only apt has all of a toolkit in one", "name its components, or write `source: apt`");
    } else if source == ToolkitSource::Pypi {
        let has_wheel = |component: CudaComponent| PARTS.iter().any(|part| part.name == component.as_str() && part.wheel.is_some());
        for component in components.iter().filter(|component| !has_wheel(component.value)) {
            let message = format!("{} has no wheel that is numbered as CUDA is", component.value.as_str());
            desk.say(Code::BadValue, &component.place, message, "remove it, or write `source: redist`");
        }
    }
    toolkit
}
