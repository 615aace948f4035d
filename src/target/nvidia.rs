//! NVIDIA's driver, as files of the kernel and of the libraries tell: nothing is loaded, so that this works where the driver does not.

use super::look::{names, stat, text};
use super::{Probe, ProbeError};
use crate::model::{Architecture, Gpu};
use crate::step::Ability;

const MODULE: &str = "/proc/driver/nvidia/version";
const LIBRARY: &str = "libnvidia-ml.so.";

/// The version of the driver that the kernel runs; `None` where it runs none, or nothing runs.
///
/// # Errors
/// It cannot be looked at.
pub fn driver_that_runs(on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(None);
    }
    Ok(text(on, MODULE)?.as_deref().and_then(version).map(str::to_owned))
}

/// The version of the driver's libraries.
///
/// # Errors
/// It cannot be looked at.
pub fn driver_libraries(on: &dyn Probe, architecture: Architecture) -> Result<Option<String>, ProbeError> {
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

/// Whether the kernel has loaded the module that keeps NVIDIA's from the GPU.
///
/// # Errors
/// It cannot be looked at.
pub fn nouveau_is_loaded(on: &dyn Probe) -> Result<bool, ProbeError> {
    Ok(on.has(Ability::RunningSystem) && stat(on, "/sys/module/nouveau")?.is_some())
}

/// The variable of UEFI that says whether Secure Boot is on; four bytes of attributes, then one.
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// The keys that were enrolled beside those of the firmware, as shim shows them.
const ENROLLED: &str = "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23";
/// Where DKMS keeps the key with which it signs modules: Debian's, Ubuntu's.
const KEYS: [&str; 2] = ["/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der"];

/// What Secure Boot makes of modules that DKMS builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecureBoot {
    /// It is off, or there is none: every module is loaded.
    Off,
    /// It is on, and DKMS's key is known to it.
    Enrolled,
    /// It is on, and the key, if there is one yet, is not known: what DKMS builds is not loaded.
    Unknown(Option<&'static str>),
}

/// Looks at Secure Boot.
///
/// # Errors
/// It cannot be looked at.
pub fn secure_boot(on: &dyn Probe) -> Result<SecureBoot, ProbeError> {
    let read = |at: &str| on.read(&super::look::path(at)?);
    if !on.has(Ability::RunningSystem) || read(SECURE_BOOT)?.is_none_or(|bytes| bytes.get(4) != Some(&1)) {
        return Ok(SecureBoot::Off);
    }
    let enrolled = read(ENROLLED)?.unwrap_or_default();
    for at in KEYS {
        let Some(key) = read(at)?.filter(|key| !key.is_empty()) else { continue };
        let known = enrolled.windows(key.len()).any(|part| part == key);
        return Ok(if known { SecureBoot::Enrolled } else { SecureBoot::Unknown(Some(at)) });
    }
    Ok(SecureBoot::Unknown(None))
}

/// Why the machine must be restarted before the driver that is installed works; `None` where it need not.
///
/// # Errors
/// It cannot be looked at.
pub fn driver_needs_restart(on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(None);
    }
    let facts = super::read_facts(on)?;
    let Some(installed) = driver_libraries(on, facts.architecture)?.filter(|_| facts.gpu == Gpu::Present) else { return Ok(None) };
    Ok(match facts.driver {
        Some(runs) if runs == installed => None,
        Some(runs) => Some(format!("NVIDIA's driver: {runs} runs, {installed} is installed")),
        None if nouveau_is_loaded(on)? => Some(format!("NVIDIA's driver {installed}: nouveau has the GPU")),
        None => Some(format!("NVIDIA's driver {installed}: it is not loaded")),
    })
}

/// The version in the first line of the kernel's file: the first word of digits and points after `Module`.
fn version(text: &str) -> Option<&str> {
    let line = text.lines().next()?.split_once("Module")?.1;
    line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{Behaviour, Fake, Node};

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

    type Files<'a> = &'a [(&'a str, &'a [u8])];

    #[test]
    fn secure_boot_knows_the_key_or_does_not() {
        let on = [6, 0, 0, 0, 1];
        let cases: [(Files<'_>, SecureBoot); 5] = [
            (&[], SecureBoot::Off),
            (&[(SECURE_BOOT, &[6, 0, 0, 0, 0])], SecureBoot::Off),
            (&[(SECURE_BOOT, &on)], SecureBoot::Unknown(None)),
            (&[(SECURE_BOOT, &on), (KEYS[0], b"our key"), (ENROLLED, b"another")], SecureBoot::Unknown(Some(KEYS[0]))),
            (&[(SECURE_BOOT, &on), (KEYS[1], b"our key"), (ENROLLED, b"..our key..")], SecureBoot::Enrolled),
        ];
        for (files, expected) in cases {
            let machine = Fake::debian(&[Ability::Files, Ability::RunningSystem], Behaviour::default()).unwrap();
            let put = |(at, bytes): &(&str, &[u8])| (crate::target::look::path(at).unwrap(), Node::file(*bytes, 0o644, (0, 0)));
            machine.arrange(|tree| files.iter().map(put).try_for_each(|(path, node)| tree.put(&path, node))).unwrap();
            assert_eq!(secure_boot(&machine).unwrap(), expected, "{files:?}");
        }
    }
}
