//! `gpu`: toolkits and what is laid into them.

use super::desk::Desk;
use super::network::{index, nvidia_mirror};
use crate::manifest::at::At;
use crate::manifest::v1::{self, CudaComponent, CudaSource, Manifest};
use crate::problem::Code;
use crate::recipe::{Cuda, PARTS, Toolkit, ToolkitSource, Want};

/// The first CUDA whose wheels hold a compiler.
const FIRST_ON_PYPI: u32 = 13;

/// `gpu.cuda`, `gpu.cudnn`, `gpu.nccl`.
pub fn cuda(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let Some(gpu) = &manifest.gpu else { return Vec::new() };
    let Some(cuda) = &gpu.cuda else {
        for (library, name) in [(&gpu.cudnn, "cuDNN"), (&gpu.nccl, "NCCL")] {
            if let Some(library) = library {
                let message = format!("{name} is laid into a toolkit, and `gpu.cuda` names none");
                desk.say(Code::MissingKey, &library.place, message, "add `cuda: {version: …, source: …}` beside it");
            }
        }
        return Vec::new();
    };
    let main = toolkit(&cuda.version, cuda.source, &cuda.components, desk);
    let also: Vec<Toolkit> =
        cuda.also.iter().map(|one| toolkit(&one.value.version, one.value.source, &one.value.components, desk)).collect();
    let versions = std::iter::once(&cuda.version).chain(cuda.also.iter().map(|one| &one.value.version));
    let directory = |version: &At<v1::CudaVersion>| version.value.as_str().split('.').take(2).collect::<Vec<_>>().join(".");
    desk.distinct("a toolkit in the directory of CUDA", versions.map(|version| (directory(version), &version.place)));
    let release = |library: &Option<At<v1::Library>>| library.as_ref().map(|library| library.value.version.value.as_str().to_owned());
    vec![Want::Cuda(Cuda {
        toolkit: main,
        also,
        cudnn: release(&gpu.cudnn),
        nccl: release(&gpu.nccl),
        index: index(manifest),
        mirror: nvidia_mirror(manifest),
    })]
}

fn toolkit(version: &At<v1::CudaVersion>, source: CudaSource, components: &[At<CudaComponent>], desk: &mut Desk<'_>) -> Toolkit {
    let text = version.value.as_str();
    let source = match source {
        CudaSource::Pypi => ToolkitSource::Pypi,
        CudaSource::Redist => ToolkitSource::Redist,
    };
    let names = components.iter().map(|component| component.value.as_str().to_owned()).collect();
    let toolkit = Toolkit { source, version: text.to_owned(), components: names };
    match source {
        ToolkitSource::Pypi if toolkit.major() < FIRST_ON_PYPI => {
            let message = format!("CUDA {text} has no compiler on a Python index; the first that has one is {FIRST_ON_PYPI}.0");
            desk.say(Code::BadValue, &version.place, message, format!("write \"{FIRST_ON_PYPI}.0\" or later, or `source: redist`"));
        }
        ToolkitSource::Redist if text.split('.').count() < 3 => {
            let message = format!("NVIDIA lists archives by whole releases, and `{text}` is none");
            desk.say(Code::BadValue, &version.place, message, format!("write all three numbers, such as \"{text}.1\""));
        }
        ToolkitSource::Pypi | ToolkitSource::Redist => {}
    }
    if source == ToolkitSource::Pypi {
        let has_wheel = |component: CudaComponent| PARTS.iter().any(|part| part.name == component.as_str() && part.wheel.is_some());
        for component in components.iter().filter(|component| !has_wheel(component.value)) {
            let message = format!("{} has no wheel that is numbered as CUDA is", component.value.as_str());
            desk.say(Code::BadValue, &component.place, message, "remove it, or write `source: redist`");
        }
    }
    toolkit
}
