//! The beginning of a machine in memory: a small Debian 12, as debootstrap leaves it.

use super::{Behaviour, Fake, Node, State, path};
use crate::step::Ability;
use crate::target::ProbeError;
use std::sync::Mutex;

/// Path and text of the files that every machine has.
const FILES: [(&str, &str); 6] = [
    ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"),
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    ("/etc/group", "root:x:0:\nsudo:x:27:\n"),
    ("/etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n"),
    ("/var/lib/dpkg/status", ""),
    (BOOT, "boot-1\n"),
];

/// The kernel's name of this boot.
pub(super) const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Directories that every machine has, beside those of its files.
const FOLDERS: [&str; 6] = ["/root", "/home", "/run", "/tmp", "/usr/lib/systemd/system", "/var/lib/apt/lists"];

/// The beginning of an ELF file for x86-64, up to the field that names the processor.
const PROGRAM: [u8; 20] = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0x3e, 0];

/// Programs that are looked for.
const PROGRAMS: [&str; 3] = ["/usr/bin/dash", "/usr/bin/systemctl", "/usr/bin/sudo"];

impl Fake {
    /// A small Debian 12 that has these abilities and behaves like this.
    ///
    /// # Errors
    /// Never; paths have no other way to say so.
    pub fn debian(abilities: &[Ability], behaviour: Behaviour) -> Result<Self, ProbeError> {
        let mut state = State::default();
        let mut put = |at: &str, node: Node| state.tree.put(&path(at)?, node).map_err(|e| ProbeError::new(format!("make {at}"), e));
        for folder in FOLDERS {
            put(folder, Node::directory(0o755, (0, 0)))?;
        }
        for (at, text) in FILES {
            put(at, Node::file(text, 0o644, (0, 0)))?;
        }
        for at in PROGRAMS {
            put(at, Node::file(PROGRAM, 0o755, (0, 0)))?;
        }
        Ok(Self { state: Mutex::new(state), abilities: abilities.to_vec(), behaviour })
    }

    /// Starts it anew: another boot, an empty `/run`, and running what is enabled.
    ///
    /// # Errors
    /// Never; paths have no other way to say so.
    pub fn reboot(&self) -> Result<(), ProbeError> {
        let (boot, run) = (path(BOOT)?, path("/run")?);
        let enabled = self.enabled()?;
        self.with(|state| {
            let number: u32 = state.tree.text(&boot).trim().trim_start_matches("boot-").parse().unwrap_or_default();
            state.tree.remove(&run);
            let put = state
                .tree
                .put(&run, Node::directory(0o755, (0, 0)))
                .and_then(|()| state.tree.put(&boot, Node::file(format!("boot-{}\n", number + 1), 0o644, (0, 0))));
            state.active = enabled;
            put.map_err(|e| ProbeError::new("start again", e))
        })
    }
}
