//! The GPU and its driver, as files of the kernel tell: no library is loaded, so that this works where the driver does not.

use super::{Finding, Level};
use crate::model::{Architecture, Gpu, ResourceId};
use crate::step::Ability;
use crate::target::look::{names, path, stat, text};
use crate::target::{Probe, ProbeError, read_facts};

/// The variable of UEFI that says whether Secure Boot is on; four bytes of attributes, then one.
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const DRIVER: &str = "/proc/driver/nvidia/version";
const LIBRARY: &str = "libnvidia-ml.so.";

pub fn findings(on: &dyn Probe, _: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(Vec::new());
    }
    let facts = read_facts(on)?;
    let driver = text(on, DRIVER)?.as_deref().and_then(version).map(str::to_owned);
    let library = library(on, facts.architecture)?;
    let mut found = vec![match (facts.gpu, &driver, &library) {
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
    if facts.gpu == Gpu::Present && stat(on, "/sys/module/nouveau")?.is_some() {
        found.push(
            Finding::new("gpu", Level::Warning, "the kernel has loaded nouveau, which keeps NVIDIA's driver from the GPU")
                .hint("write `blacklist nouveau` into /etc/modprobe.d/blacklist-nouveau.conf, run `update-initramfs -u`, restart"),
        );
    }
    if facts.gpu == Gpu::Present && on.read(&path(SECURE_BOOT)?)?.is_some_and(|bytes| bytes.get(4) == Some(&1)) {
        found.push(
            Finding::new("gpu", Level::Note, "Secure Boot is on: the kernel takes only modules that are signed with a key it knows")
                .hint("use the distribution's signed modules, or enrol DKMS's key with `mokutil --import`"),
        );
    }
    Ok(found)
}

/// The version in the first line of the kernel's file: the first word of digits and points after `Module`.
fn version(text: &str) -> Option<&str> {
    let line = text.lines().next()?.split_once("Module")?.1;
    line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}

/// The version of the driver's libraries.
fn library(on: &dyn Probe, architecture: Architecture) -> Result<Option<String>, ProbeError> {
    let triplet = match architecture {
        Architecture::Amd64 => "x86_64-linux-gnu",
        Architecture::Arm64 => "aarch64-linux-gnu",
    };
    for folder in [format!("/usr/lib/{triplet}"), format!("/usr/lib/{triplet}/nvidia/current")] {
        let files = names(on, &folder)?;
        // libnvidia-ml.so.1 is the link, libnvidia-ml.so.550.54.15 the file.
        if let Some(found) = files.iter().filter_map(|name| name.strip_prefix(LIBRARY)).find(|version| version.contains('.')) {
            return Ok(Some(found.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn reads_the_version_of_both_kinds_of_modules() {
        let cases = [
            (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12\n",
                Some("550.54.15"),
            ),
            ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build\n", Some("560.35.03")),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
