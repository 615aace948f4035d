//! What a manifest that changed no longer asks for.

use super::conflicts::Unmanaged;
use crate::model::{ResourceId, TargetPath};
use crate::recipe::POWER_PARTS;
use crate::resource::{OF_A_PATH, OFF, PRESENT, Released, SYSTEM, Spec};
use crate::target::{Claims, OnRemoval, Probe, ProbeError, Record, Records};
use std::collections::{BTreeSet, HashMap};

/// The kind of a guard.
const GUARD: &str = "guard";

/// Whether a thing is a setting of Fitout's own, which nobody else reads: where it stayed, what the manifest no longer says would go on.
fn is_own(id: &ResourceId) -> bool {
    id.kind == GUARD || POWER_PARTS.contains(&id.name.as_str())
}

/// The kind of a request for packages, whose things have names of their own.
const APT: &str = "apt";

/// Why a thing stays although the manifest says `delete` by now.
const LATE: &str = " (`on_removal: delete` came in the edit that took its line; it reaches what goes after an apply with it)";

/// Whether a thing that nobody asks for any more is there: what never came cannot stay.
fn is_there(of: &ResourceId, on: &dyn Probe) -> Result<bool, ProbeError> {
    let path = TargetPath::parse(&of.name).ok().filter(|_| OF_A_PATH.contains(&of.kind.as_str()));
    path.map_or(Ok(true), |path| Ok(on.stat(&path)?.is_some()))
}

/// What the manifest asked for once and does so no longer: what stays is named, what is to be deleted is work.
///
/// What is to become of a thing is remembered from before its line went: `says` tells what the manifest says of such things by now.
pub(super) fn released(
    specs: &[Spec],
    records: &Records,
    says: &dyn Fn(&ResourceId) -> OnRemoval,
    unmanaged: &Unmanaged<'_>,
    on: &dyn Probe,
) -> Result<(Vec<String>, Vec<Spec>), ProbeError> {
    let wanted: HashMap<ResourceId, &Spec> = specs.iter().map(|spec| (spec.id(), spec)).collect();
    let packages: BTreeSet<String> =
        specs.iter().filter(|spec| matches!(spec, Spec::Apt(_))).flat_map(Spec::claims).map(|(name, _)| name).collect();
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    // A path that is to be something else now, or nothing, is named as well.
    let paths: BTreeSet<&str> = specs.iter().filter_map(Spec::path).map(TargetPath::as_str).collect();
    let taken = |id: &ResourceId| TargetPath::parse(&id.name).is_ok_and(|path| specs.iter().any(|spec| spec.decides_on(&path)));
    let unnamed = records.resources.iter().filter(|(id, _)| wanted.contains_key(id) || !paths.contains(id.name.as_str()) && !taken(id));
    // Of most records there is nothing to be said: what they are about is still wanted, and as a whole.
    let settled = |id: &ResourceId, record: &Record| wanted.contains_key(id) && id.kind != APT && record.on_removal == OnRemoval::Release;
    for (id, record) in unnamed.filter(|(id, record)| !settled(id, record)) {
        let claims = wanted.get(id).map(|spec| spec.claims()).unwrap_or_default();
        let still = |name: &String| claims.contains_key(switch(name)) || (id.kind == APT && packages.contains(name));
        let made = record.made.iter().map(|name| (name.clone(), String::new()));
        let gone: Claims = made.chain(record.claims.clone()).filter(|(name, _)| !still(name) && !name.starts_with(FOLDER)).collect();
        let deletable = is_own(id) && !wanted.contains_key(id) && !record.beside
            || record.on_removal == OnRemoval::Delete && gone.keys().any(|name| record.has_made(name));
        if deletable && !places(id, &gone).any(|place| unmanaged.holds(&place)) {
            let things = gone.into_iter().filter(|(name, _)| record.has_made(name)).collect();
            go.push(Released { of: id.clone(), things, inside: Vec::new() });
            let folders = record.made.iter().filter(|_| record.on_removal == OnRemoval::Delete);
            let folders = folders.filter_map(|name| name.strip_prefix(FOLDER)).filter(|path| !unmanaged.holds(path));
            go.extend(folders.filter_map(|path| folder(path, specs, records)));
        } else {
            let made = gone.keys().any(|name| record.has_made(name));
            let late = if made && record.on_removal == OnRemoval::Release && says(id) == OnRemoval::Delete { LATE } else { "" };
            if id.kind == APT {
                let known = on.packages()?;
                stay.extend(gone.keys().filter(|name| known.installed.contains_key(*name)).map(|name| format!("package {name}{late}")));
            } else if !wanted.contains_key(id) && is_there(id, on)? {
                stay.push(format!("{id}{late}"));
            }
        }
    }
    go.sort_by(|a, b| a.of.cmp(&b.of).then(b.things.len().cmp(&a.things.len())));
    go.dedup_by(|a, b| a.of == b.of);
    Ok((stay, with_contents(&go).into_iter().map(Spec::Released).collect()))
}

/// Where a thing is that may be deleted, as far as it is somewhere.
fn places(id: &ResourceId, things: &Claims) -> impl Iterator<Item = String> {
    let own = if id.kind == "unit" { format!("{SYSTEM}/{}", id.name) } else { id.name.clone() };
    std::iter::once(own).chain(things.get(PRESENT).cloned())
}

/// The claim that a thing belongs to.
pub(super) fn switch(name: &str) -> &str {
    name.strip_prefix(OFF).unwrap_or(name)
}

/// What the things begin with that are directories which were made on the way to something.
pub(super) const FOLDER: &str = "folder ";

/// A directory that was made on the way to something that goes, where nothing else that is asked for or remembered lies in it.
fn folder(path: &str, specs: &[Spec], records: &Records) -> Option<Released> {
    // Those of the root are the system's, whoever made them.
    let at = TargetPath::parse(path).ok().filter(|at| at.parent().is_some_and(|above| above != TargetPath::root()))?;
    let of = ResourceId::new("directory", &at);
    let needed = records.resources.contains_key(&of) || specs.iter().filter_map(Spec::path).any(|path| path.is_within(&at));
    (!needed).then(|| Released { of, things: Claims::new(), inside: Vec::new() })
}

/// Directories go after what is in them, and the text of a unit after what it is switched to.
fn with_contents(all: &[Released]) -> Vec<Released> {
    let of = |one: &Released| -> Vec<Released> {
        let inside = |other: &&Released| match one.of.kind.as_str() {
            "directory" => other.of.name.starts_with(&format!("{}/", one.of.name)),
            "file" => other.of.kind == "unit" && one.of.name.rsplit('/').next() == Some(&other.of.name),
            _ => false,
        };
        all.iter().filter(inside).cloned().collect()
    };
    let mut whole: Vec<Released> = all.iter().map(|one| Released { inside: of(one), ..one.clone() }).collect();
    // The deepest first, so that what a directory holds knows what it holds itself.
    whole.sort_by_key(|one| std::cmp::Reverse(one.of.name.len()));
    for n in 0..whole.len() {
        let known: Vec<Released> =
            whole[n].inside.iter().map(|inner| whole[..n].iter().find(|one| one.of == inner.of).unwrap_or(inner).clone()).collect();
        whole[n].inside = known;
    }
    whole
}
