//! From what was written to what is meant: cross-checks, defaults of the machine's type, and the files that the manifest names.
//!
//! One file per part of the manifest. Every check reports and goes on; what cannot be made is left out, because a manifest with
//! problems yields no machine anyway.

mod access;
mod applications;
mod azure;
mod desk;
mod environments;
mod gpu;
mod keys;
mod network;
mod pep508;
mod power;
mod protected;
mod pylock;
mod requirements;
mod scripts;
mod software;
mod storage;
mod together;

use super::machine::{Machine, MachineKind, Places};
use super::v1::{MachineType, Manifest};
use crate::problem::{Code, Problem};
use crate::recipe::{AzureImage, Hostname, Want};
use crate::resource::End;

pub use desk::Desk;

/// The version of the format that this program reads.
const FORMAT: u32 = 1;

/// The machine that a manifest describes. It may be used only where no problem was found, here or before.
pub fn validate(manifest: &Manifest, mut desk: Desk<'_>) -> Machine {
    let kind = match manifest.kind {
        Some(MachineType::ComputeInstance) => MachineKind::ComputeInstance,
        Some(MachineType::Workstation) | None => MachineKind::Workstation,
    };
    format(manifest, &mut desk);
    let owner = access::owner(manifest, kind, &mut desk);
    let end = access::end(manifest, kind, owner.as_ref(), &mut desk);
    let lacks = access::lacks(manifest, kind, owner.as_ref());
    desk.owner = owner.as_ref().filter(|_| end != Some(End::Absent)).map(|account| account.name.clone());
    azure::check(manifest, kind, &mut desk);
    let name = manifest.name.as_ref().map(|name| name.value.clone());
    let wants = [
        name.iter().map(|name| Want::Hostname(Hostname { name: name.clone() })).collect(),
        software::packages(manifest, &mut desk),
        access::accounts(manifest, owner, end, &mut desk),
        software::files(manifest, &mut desk),
        access::ssh(manifest, kind, lacks, &mut desk),
        software::system(manifest),
        software::units(manifest, &mut desk),
        gpu::gpu(manifest, &mut desk),
        gpu::mpi(manifest, &mut desk).into_iter().collect(),
        environments::environments(manifest, &mut desk),
        software::jupyter(manifest, &mut desk),
        storage::shares(manifest, &mut desk),
        storage::guards(manifest, kind, &mut desk),
        applications::applications(manifest, &mut desk),
        power::power(manifest, kind, &mut desk),
        scripts::scripts(manifest, &mut desk),
        scripts::checks(manifest, &mut desk),
    ];
    let wants: Vec<Want> = wants.into_iter().flatten().collect();
    let image = (kind == MachineKind::ComputeInstance).then(|| AzureImage::of(&wants)).flatten();
    let wants: Vec<Want> = image.map(Want::AzureImage).into_iter().chain(wants).collect();
    together::check(manifest, &wants, &mut desk);
    Machine {
        name,
        kind,
        network: network::network(manifest, &mut desk),
        owner: desk.owner.take(),
        wants,
        warnings: desk.warnings,
        unmanaged: manifest.unmanaged.iter().map(|pattern| (pattern.value.as_str().to_owned(), pattern.place.clone())).collect(),
        places: Places::default(),
        requires: Vec::new(),
        policies: Vec::new(),
        on_drift: manifest.on_drift.map(Into::into).unwrap_or_default(),
        on_removal: manifest.on_removal.map(Into::into).unwrap_or_default(),
    }
}

fn format(manifest: &Manifest, desk: &mut Desk<'_>) {
    if let Some(version) = manifest.schema.as_ref().filter(|version| version.value != FORMAT) {
        let problem = Problem::at(Code::BadValue, &version.place, format!("this version reads format {FORMAT}, not {}", version.value));
        desk.report(problem.suggest(format!("write `schema: {FORMAT}`, or use a newer Fitout")));
    }
}
