//! Room, and places that do not last: the floor of the OS disk, and Azure's temporary disk, which is empty after each deallocation.

use super::setting::{Setting, YES};
use super::{Finding, Level, concerned};
use crate::model::{ByteSize, ResourceId, TargetPath};
use crate::resource::Guard;
use crate::step::Ability;
use crate::target::look::{path, text};
use crate::target::{Probe, ProbeError};

/// Azure ML stops no compute instance whose OS disk has less.
const FLOOR: ByteSize = ByteSize(5_000_000_000);

/// What cloud-init writes beside its lines of `/etc/fstab`.
const CLOUD_LINE: &str = "comment=cloudconfig";

pub fn findings(on: &dyn Probe, named: &[ResourceId]) -> Result<Vec<Finding>, ProbeError> {
    let mut found = room(on)?;
    for mount in temporary(on)? {
        let says = format!("{mount} is Azure's temporary disk: it is empty after each deallocation, and mounted late at boot");
        let below = format!("{mount}/*");
        let concerns = concerned(named, &[("file", &below), ("directory", &below), ("symlink", &below), ("conda", &below)]);
        let hint = "keep caches there, nothing else; what the manifest puts there is made anew by the agent at each boot";
        found.push(Finding::new("places", Level::Note, says).hint(hint).concerning(concerns));
    }
    Ok(found)
}

fn room(on: &dyn Probe) -> Result<Vec<Finding>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(Vec::new());
    }
    let mut floors: Vec<(TargetPath, ByteSize)> = Guard::all(on)?.into_iter().map(|guard| (guard.mount, guard.minimum_free)).collect();
    if floors.is_empty() {
        floors.push((path("/")?, FLOOR));
    }
    let one = |(mount, floor): (TargetPath, ByteSize)| {
        let space = on.space(&mount)?;
        let says = format!("{mount} has {} free of {}", space.free, space.total);
        Ok(if space.free >= floor {
            Finding::new("disk", Level::Fine, says)
        } else {
            Finding::new("disk", Level::Warning, format!("{says}, and {floor} should stay free")).hint(
                "`apt-get clean`, `conda clean --all` and `journalctl --vacuum-size=200M` make room; a restart may not come up without",
            )
        })
    };
    floors.into_iter().map(one).collect()
}

/// Where Azure's temporary disk is, or will be.
fn temporary(on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    let of_waagent = |key| Setting { files: &["/etc/waagent.conf"], key, values: YES };
    let fstab = text(on, "/etc/fstab")?.unwrap_or_default();
    let lines = fstab.lines().filter(|line| line.contains(CLOUD_LINE) && !line.trim_start().starts_with('#'));
    let mut mounts: Vec<String> = lines.filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect();
    if of_waagent("ResourceDisk.Format").holds(on)? {
        mounts.extend(of_waagent("ResourceDisk.MountPoint").value(on)?);
    }
    mounts.retain(|mount| mount != "/" && mount.starts_with('/'));
    mounts.dedup();
    Ok(mounts)
}
