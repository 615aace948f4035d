//! What every image has beside its manifest, as plain resources of the same engine: what boots it, its network, room to grow, and
//! Fitout itself, whose agent ends the work at first boot.

use super::boot::command_line;
use super::identities::Identities;
use crate::manifest::ImageDefinition;
use crate::model::{Invalid, Meta, Mode, Span, TargetPath, UnitName};
use crate::recipe::{Check, Service, Subject, Want};
use crate::resource::{Apt, Directory, File, Policy, Spec, Switch, Unit};
use crate::step::{Blob, Content, PROGRAM};
use std::sync::Arc;

/// Packages without which an image does not start, reach a network, or know the time.
pub const PACKAGES: [&str; 12] = [
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "systemd-boot",
    "systemd-sysv",
    "systemd-resolved",
    "systemd-timesyncd",
    "libnss-resolve",
    "libpam-systemd",
    "dbus",
    "udev",
    "e2fsprogs",
    "ca-certificates",
];

/// A file that is always the same: path and content.
const FILES: [(&str, &str); 6] = [
    (
        "/etc/systemd/network/80-fitout-dhcp.network",
        "# Wired interfaces that are real, not made by software.\n[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=yes\n",
    ),
    (
        "/etc/systemd/system/systemd-networkd-wait-online.service.d/50-fitout.conf",
        "# One interface that is up is enough: a second socket without a cable must not hold up a boot.\n[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60\n",
    ),
    // A first boot applies presets, and Debian's enable everything: what the manifest disabled must stay disabled.
    ("/etc/systemd/system-preset/00-fitout.preset", "# What is enabled was decided when the image was made.\ndisable *\n"),
    // kernel-install(8): where kernel updates put new kernels, and how they name them.
    ("/etc/kernel/install.conf", "layout=bls\n"),
    ("/etc/kernel/entry-token", "linux\n"),
    // systemd-repart(8): the root takes whatever a larger disk offers; its file system follows by an option in fstab.
    ("/etc/repart.d/50-fitout-root.conf", "[Partition]\nType=root\n"),
];

/// Units that start at boot.
const UNITS: [&str; 3] = ["systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service"];

/// How long the program may take to say its version.
const QUICK: Span = Span::seconds(30);

fn file(path: &str, text: impl Into<Arc<str>>) -> Result<File, Invalid> {
    let file = File::new(TargetPath::parse(path)?, Content::Inline(text.into()), Meta::root(Mode::FILE));
    // A base may bring its own; the image's counts.
    Ok(File { policy: Policy::Enforce, ..file })
}

/// The resources.
///
/// # Errors
/// Never; the types of names have no other way to say so.
pub fn parts(definition: &ImageDefinition, ids: &Identities) -> Result<Vec<Spec>, Invalid> {
    let packages = PACKAGES.map(str::to_owned).to_vec();
    let mut specs = vec![Spec::Apt(Apt::new("image", packages, Vec::new()))];
    let mount = Directory::new(TargetPath::parse("/efi")?, Meta::root(Mode::PRIVATE_DIRECTORY), Vec::new());
    specs.push(Spec::Directory(mount));
    for (path, text) in FILES {
        specs.push(Spec::File(file(path, text)?));
    }
    specs.push(Spec::File(file("/etc/kernel/cmdline", format!("{}\n", command_line(ids, &definition.console)))?));
    specs.push(Spec::File(file("/etc/fstab", fstab(ids))?));
    for name in UNITS {
        specs.push(Spec::Unit(Unit { enabled: Some(Switch::On), ..Unit::new(UnitName::parse(name)?) }));
    }
    Ok(specs)
}

/// What is wanted beside the manifest's own: Fitout as a service, and proof that it runs.
#[must_use]
pub fn wants(program: Blob) -> [Want; 2] {
    // The program was built against some C library; whether it runs on the image's is best asked of itself.
    let subject = Subject::Command(vec![PROGRAM.into(), "--version".into()]);
    let check = Check { name: "fitout-runs".into(), subject, stdout_contains: Some("fitout".into()), timeout: QUICK };
    [Want::Service(Service::new(program)), Want::Check(check)]
}

fn fstab(ids: &Identities) -> String {
    format!("PARTUUID={} / ext4 errors=remount-ro,x-systemd.growfs 0 1\nPARTUUID={} /efi vfat umask=0077,nofail 0 2\n", ids.root, ids.esp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::boot::TOKEN;

    #[test]
    fn kernel_updates_use_the_token_of_the_bake() {
        assert!(FILES.contains(&("/etc/kernel/entry-token", &format!("{TOKEN}\n"))));
    }
}
