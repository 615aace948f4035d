//! The GPU and its driver, as files of the kernel tell: no library is loaded, so that this works where the driver does not.

use super::{Finding, Level};
use crate::model::{Gpu, ResourceId};
use crate::step::Ability;
use crate::target::{Probe, ProbeError, SecureBoot, driver_libraries, nouveau_is_loaded, read_facts, secure_boot};

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
