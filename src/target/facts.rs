//! Facts of a target, read from it.

use super::{Probe, ProbeError};
use crate::model::{Architecture, Distribution, Facts, Gpu, TargetPath};
use crate::step::Ability;

/// os-release(5), in the order of its manual page.
const RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// Programs of which every Debian has one; their ELF header names the processor.
const PROGRAMS: [&str; 2] = ["/usr/bin/dash", "/usr/bin/bash"];
/// Where sysfs has the devices on PCI.
const DEVICES: &str = "/sys/bus/pci/devices";
/// NVIDIA among the makers of devices, and the class of displays and their like, by pci.ids.
const NVIDIA: &str = "0x10de";
const DISPLAY: &str = "0x03";
/// `e_machine` of elf(5).
const MACHINE_AT: usize = 18;

fn first(on: &dyn Probe, paths: &[&str], what: &str) -> Result<Vec<u8>, ProbeError> {
    for path in paths {
        let path = TargetPath::parse(path).map_err(|e| ProbeError::new("use a path", e))?;
        if let Some(bytes) = on.read(&path)? {
            return Ok(bytes);
        }
    }
    Err(ProbeError::new(
        format!("tell the target's {what}"),
        format!("it has none of {}; is this the root of a Linux system?", paths.join(", ")),
    ))
}

/// Reads the facts.
///
/// # Errors
/// The target is no Linux system that Fitout knows.
pub fn read_facts(on: &dyn Probe) -> Result<Facts, ProbeError> {
    let release = first(on, &RELEASE, "distribution")?;
    let distribution = parse_release(&String::from_utf8_lossy(&release));
    let program = first(on, &PROGRAMS, "processor")?;
    let architecture = match program.get(MACHINE_AT..MACHINE_AT + 2) {
        Some([0x3e, 0]) => Architecture::Amd64,
        Some([0xb7, 0]) => Architecture::Arm64,
        other => {
            return Err(ProbeError::new("tell the target's processor", format!("ELF machine {other:?} is neither x86-64 nor AArch64")));
        }
    };
    Ok(Facts { distribution, architecture, gpu: gpu(on)?, driver: super::driver_that_runs(on)? })
}

/// Whether the target has a GPU. What is not up has no devices: whatever it shows of them is its host's.
fn gpu(on: &dyn Probe) -> Result<Gpu, ProbeError> {
    let path = |text: &str| TargetPath::parse(text).map_err(|e| ProbeError::new("use a path", e));
    if !on.has(Ability::RunningSystem) {
        return Ok(Gpu::Absent);
    }
    for device in on.list(&path(DEVICES)?)?.unwrap_or_default() {
        let starts = |field: &str, with: &str| -> Result<bool, ProbeError> {
            Ok(on.read(&path(&format!("{DEVICES}/{device}/{field}"))?)?.is_some_and(|bytes| bytes.starts_with(with.as_bytes())))
        };
        if starts("vendor", NVIDIA)? && starts("class", DISPLAY)? {
            return Ok(Gpu::Present);
        }
    }
    Ok(Gpu::Absent)
}

fn parse_release(text: &str) -> Distribution {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    Distribution { id: field("ID"), version: field("VERSION_ID"), codename: field("VERSION_CODENAME") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{Behaviour, Fake, Node};

    #[test]
    fn a_gpu_is_a_display_of_nvidias_on_a_machine_that_is_up() {
        let up = [Ability::Files, Ability::RunningSystem];
        let cases: [(&[Ability], &str, &str, Gpu); 4] = [
            (&up, "0x10de", "0x030200", Gpu::Present),
            (&up, "0x10de", "0x0c0330", Gpu::Absent),
            (&up, "0x1002", "0x030000", Gpu::Absent),
            (&[Ability::Files], "0x10de", "0x030200", Gpu::Absent),
        ];
        for (abilities, vendor, class, expected) in cases {
            let machine = Fake::debian(abilities, Behaviour::default()).unwrap();
            for (field, text) in [("vendor", vendor), ("class", class)] {
                let path = TargetPath::parse(&format!("{DEVICES}/0000:01:00.0/{field}")).unwrap();
                machine
                    .arrange(|tree| {
                        tree.make_directories(&TargetPath::parse(&format!("{DEVICES}/0000:01:00.0")).unwrap(), 0o755)?;
                        tree.put(&path, Node::file(format!("{text}\n"), 0o444, (0, 0)))
                    })
                    .unwrap();
            }
            assert_eq!(read_facts(&machine).unwrap().gpu, expected, "{vendor} {class}");
        }
    }

    #[test]
    fn reads_os_release() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(parse_release(text), Distribution { id: "debian".into(), version: "12".into(), codename: "bookworm".into() });
    }
}
