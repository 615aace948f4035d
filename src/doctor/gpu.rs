//! The GPU and its driver: what files of the kernel tell, which works where the driver does not; then what the driver says itself, and what this
//! machine can run by the table of what works together.

use super::{Finding, Level};
use crate::model::{ByteSize, Gpu, ResourceId};
use crate::recipe::table;
use crate::step::{Ability, Query};
use crate::target::{DriverSays, GpuDevice, Probe, ProbeError, SecureBoot, driver_libraries, nouveau_is_loaded, read_facts, secure_boot};

pub fn findings(on: &dyn Probe, _: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(Vec::new());
    }
    let facts = read_facts(on)?;
    let library = driver_libraries(on, facts.architecture)?;
    let mut found = vec![match (facts.gpu, &facts.driver, &library) {
        (Gpu::Absent, None, _) => Finding::new("gpu", Level::Fine, "no NVIDIA GPU"),
        (_, Some(kernel), Some(user)) if kernel != user => {
            Finding::new("gpu", Level::Warning, format!("the kernel runs the driver {kernel}, and the libraries are of {user}"))
                .hint("restart: an upgrade replaced the libraries under the running module")
        }
        (_, Some(kernel), _) => Finding::new("gpu", Level::Fine, format!("NVIDIA's driver {kernel} runs")),
        (Gpu::Present, None, None) => Finding::new("gpu", Level::Warning, "there is an NVIDIA GPU and no driver")
            .hint("install the driver of the distribution, or of NVIDIA's repository"),
        (Gpu::Present, None, Some(user)) => {
            Finding::new("gpu", Level::Warning, format!("NVIDIA's libraries of {user} are here, and the kernel has no driver loaded"))
                .hint("look at `dkms status` and `modprobe nvidia`; after a new kernel the module must be built for it")
        }
    }];
    if facts.gpu == Gpu::Present && nouveau_is_loaded(on)? {
        found.push(
            Finding::new("gpu", Level::Warning, "the kernel has loaded nouveau, which keeps NVIDIA's driver from the GPU")
                .hint("write `blacklist nouveau` into /etc/modprobe.d/blacklist-nouveau.conf, run `update-initramfs -u`, restart"),
        );
    }
    found.extend(if facts.gpu == Gpu::Present { signing(on)? } else { None });
    found.extend(if facts.driver.is_some() { devices(on)? } else { Vec::new() });
    Ok(found)
}

/// What Secure Boot makes of the driver.
fn signing(on: &dyn Probe) -> Result<Option<Finding>, ProbeError> {
    let refused = "Secure Boot is on, and the kernel takes only modules that are signed with a key it knows";
    Ok(match secure_boot(on)? {
        SecureBoot::Off => None,
        SecureBoot::Enrolled => Some(Finding::new("gpu", Level::Fine, "Secure Boot is on, and DKMS's key is enrolled")),
        SecureBoot::Unknown(Some(key)) => Some(
            Finding::new("gpu", Level::Warning, format!("{refused}; {key}, with which DKMS signs them, is none"))
                .hint(format!("run `mokutil --import {key}`, restart, and choose `Enroll MOK` at the console")),
        ),
        SecureBoot::Unknown(None) => Some(
            Finding::new("gpu", Level::Note, format!("{refused}; DKMS has none yet"))
                .hint("use the distribution's signed modules, or enrol DKMS's key with `mokutil --import` once it has one"),
        ),
    })
}

/// What the driver says of its devices.
fn devices(on: &dyn Probe) -> Result<Vec<Finding>, ProbeError> {
    let said = on.query(&Query::Gpus)?;
    Ok(match (said.status, serde_json::from_str::<DriverSays>(&said.stdout)) {
        (0, Ok(says)) => told(&says),
        (127, _) => vec![Finding::new("gpu", Level::Note, format!("{}: nobody can be asked about the devices", said.stderr))],
        _ => vec![
            Finding::new("gpu", Level::Warning, format!("the driver does not answer: {}", said.stderr))
                .hint("restart where the driver was upgraded; else look at `dmesg`"),
        ],
    })
}

/// What is told of what the driver says.
#[must_use]
pub fn told(says: &DriverSays) -> Vec<Finding> {
    let fine = |text| Finding::new("gpu", Level::Fine, text);
    let mut found: Vec<Finding> = says.devices.iter().map(|device| fine(described(device))).collect();
    found.extend(runs(says).map(fine));
    let not_kept = says.devices.iter().any(|device| device.persistence == Some(false));
    found.extend(not_kept.then(|| {
        Finding::new("gpu", Level::Note, "the driver lets go of a GPU that nobody uses, and the next use waits for it")
            .hint("enable nvidia-persistenced.service")
    }));
    let outside = says.devices.iter().filter_map(|device| device.architecture).find_map(|known| too_old(known, &says.driver));
    found.extend(outside.map(|text| Finding::new("gpu", Level::Warning, text)));
    found
}

fn described(device: &GpuDevice) -> String {
    let word = |what: &str, on: Option<bool>| on.map(|on| format!("{what} {}", if on { "on" } else { "off" }));
    let memory = device.memory.map(|bytes| ByteSize(bytes).to_string());
    let architecture = device.architecture.map(|number| format!("sm_{number}"));
    let known = [architecture, memory, word("persistence", device.persistence), word("ECC", device.ecc), word("MIG", device.mig)];
    std::iter::once(device.name.clone()).chain(known.into_iter().flatten()).collect::<Vec<_>>().join(", ")
}

/// What runs with this driver: CUDA as it was made for it, and every release of the majors that it knows.
fn runs(says: &DriverSays) -> Option<String> {
    let driver = table::driver(&says.driver)?;
    let (major, minor) = table::newest_for(driver).max(says.cuda)?;
    let majors = table::DRIVERS.iter().filter(|row| row.first <= driver).map(|row| row.of);
    let majors: Vec<u32> = majors.filter(|of| says.devices.iter().all(|device| is_known(device.architecture, *of))).collect();
    let newest = |cudas: &[(table::Version, (u32, u32))]| {
        let fits = cudas.iter().filter(|(_, cuda)| majors.contains(&cuda.0)).map(|(release, _)| *release).max();
        fits.map(|[major, minor, _]| format!("{major}.{minor}"))
    };
    let torch = newest(&table::TORCHES.map(|(release, cuda, _)| (release, cuda)));
    let tensorflow = newest(&table::TENSORFLOWS.map(|(release, cuda, ..)| (release, cuda)));
    let frameworks = [("PyTorch", torch), ("TensorFlow", tensorflow)].into_iter().filter_map(|(name, to)| Some(format!("{name} {}", to?)));
    let frameworks: Vec<String> = frameworks.collect();
    let majors: Vec<String> = majors.iter().map(u32::to_string).collect();
    let up_to = if frameworks.is_empty() { String::new() } else { format!("; wheels to {}", frameworks.join(" and ")) };
    Some(format!(
        "it runs CUDA {major}.{minor} and earlier with all of their features, and of CUDA {} every release that knows these devices{up_to}",
        majors.join(" and ")
    ))
}

/// Whether some release of a major knows an architecture; what the table does not know is taken to be known.
fn is_known(architecture: Option<u32>, major: u32) -> bool {
    let row = architecture.and_then(|number| table::ARCHITECTURES.iter().find(|row| row.of == number));
    row.is_none_or(|row| row.first[0] <= major && row.last.is_none_or(|last| last[0] >= major))
}

fn too_old(architecture: u32, driver: &str) -> Option<String> {
    let row = table::DRIVEN.iter().find(|row| row.of == architecture)?;
    let branch = table::driver(driver)?[0];
    let last = row.last?[0];
    (branch >= last).then(|| format!("branch {last} is the last that knows sm_{architecture} ({}): hold the driver at it", row.source))
}
