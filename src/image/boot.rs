//! How an image starts: UEFI, systemd-boot, one entry for each kernel, laid out as `kernel-install` does it, so that the machine's
//! own kernel updates go on where the bake ended.

use super::identities::Identities;
use crate::model::TargetPath;
use crate::target::{OpError, Probe};

/// A file of the EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EspFile {
    /// Copied from the root.
    Copy {
        /// Its place in the root, relative.
        from: String,
        /// Its place in the partition, relative.
        to: String,
    },
    /// Written by Fitout.
    Text {
        /// Its place in the partition, relative.
        to: String,
        /// What it holds.
        text: String,
    },
}

impl EspFile {
    /// Its place in the partition.
    #[must_use]
    pub fn to(&self) -> &str {
        match self {
            Self::Copy { to, .. } | Self::Text { to, .. } => to,
        }
    }
}

/// Names the entries, as `/etc/kernel/entry-token` tells `kernel-install`; a machine ID, its default, an image has not.
pub const TOKEN: &str = "linux";

/// Where systemd-boot's package keeps the loader.
const LOADER: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// Where a firmware looks that knows nothing of the disk, and where `bootctl` updates the loader.
const LOADER_PLACES: [&str; 2] = ["EFI/BOOT/BOOTX64.EFI", "EFI/systemd/systemd-bootx64.efi"];
/// No menu; a key held at start shows it (loader.conf(5)).
const LOADER_SETTINGS: &str = "timeout 0\n";

/// What the kernel is told.
#[must_use]
pub fn command_line(ids: &Identities, console: &str) -> String {
    let speed = if console.starts_with("ttyS") { ",115200" } else { "" };
    format!("root=PARTUUID={} ro console=tty0 console={console}{speed}", ids.root)
}

/// Kernels of a root, by the names of their files in `/boot`.
fn kernels(on: &dyn Probe) -> Result<Vec<String>, OpError> {
    let boot = TargetPath::parse("/boot").map_err(|e| OpError::new("use a path", e))?;
    let names = on.list(&boot)?.unwrap_or_default();
    let versions: Vec<String> = names.iter().filter_map(|name| name.strip_prefix("vmlinuz-")).map(str::to_owned).collect();
    for version in &versions {
        if !names.contains(&format!("initrd.img-{version}")) {
            return Err(OpError::new("make the image bootable", format!("kernel {version} has no initial RAM disk in /boot"))
                .hint("add initramfs-tools to the manifest's packages"));
        }
    }
    if versions.is_empty() { Err(OpError::new("make the image bootable", "there is no kernel in /boot")) } else { Ok(versions) }
}

/// The files of the EFI system partition.
///
/// # Errors
/// The root holds no kernel that can be started, or cannot be read.
pub fn layout(on: &dyn Probe, title: &str, options: &str) -> Result<Vec<EspFile>, OpError> {
    let loaders = LOADER_PLACES.map(|to| EspFile::Copy { from: LOADER.into(), to: to.into() });
    let mut files = loaders.to_vec();
    files.push(EspFile::Text { to: "loader/loader.conf".into(), text: LOADER_SETTINGS.into() });
    // The kind of entries, which `bootctl` writes and later updates look for.
    files.push(EspFile::Text { to: "loader/entries.srel".into(), text: "type1\n".into() });
    for version in kernels(on)? {
        let folder = format!("{TOKEN}/{version}");
        let initrd = format!("initrd.img-{version}");
        files.push(EspFile::Text {
            to: format!("loader/entries/{TOKEN}-{version}.conf"),
            text: format!(
                "title {title}\nversion {version}\nsort-key {TOKEN}\noptions {options}\nlinux /{folder}/linux\ninitrd /{folder}/{initrd}\n"
            ),
        });
        files.push(EspFile::Copy { from: format!("boot/vmlinuz-{version}"), to: format!("{folder}/linux") });
        files.push(EspFile::Copy { from: format!("boot/{initrd}"), to: format!("{folder}/{initrd}") });
    }
    Ok(files)
}
