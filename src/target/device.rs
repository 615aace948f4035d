//! Block devices of this machine, opened for reading: where seeds of a datasource are found.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A block device, open for reading.
#[derive(Debug)]
pub struct Device {
    /// Its name below `/dev`.
    pub name: String,
    /// What it holds.
    pub medium: File,
}

/// Where the kernel lists block devices.
const BLOCK: &str = "/sys/class/block";

/// Devices that hold what this machine itself made.
const OWN: [&str; 3] = ["loop", "ram", "zram"];

/// Block devices that can be opened, by name. An empty drive cannot be, and is left out.
///
/// # Errors
/// The kernel's list cannot be read. A machine without one (a container) has no devices.
pub fn devices() -> io::Result<Vec<Device>> {
    let entries = match std::fs::read_dir(BLOCK) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !OWN.iter().any(|own| name.starts_with(own)) {
            names.push(name);
        }
    }
    names.sort();
    let open = |name: String| {
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
        let medium = File::options().read(true).custom_flags(flags).open(Path::new("/dev").join(&name)).ok()?;
        Some(Device { name, medium })
    };
    Ok(names.into_iter().filter_map(open).collect())
}
