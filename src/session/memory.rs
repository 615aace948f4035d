//! What is remembered of a run, and what a manifest that changed no longer asks for.

use super::work::{Scope, Work};
use crate::apply::{Outcome, Report};
use crate::graph::Node;
use crate::model::{ResourceId, TargetPath};
use crate::plan::Plan;
use crate::resource::{ENABLED, MAKES_ROOM, MASKED, OF_A_PATH, OFF, PRESENT, Released, Spec};
use crate::step::{Change, Op, Step, UnitVerb, package_name};
use crate::target::{Claims, OnRemoval, Probe, ProbeError, Record, Records};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What the manifest asked for once and does so no longer: what stays is named, what is to be deleted is work.
pub(super) fn released(specs: &[Spec], records: &Records) -> (Vec<String>, Vec<Spec>) {
    let wanted: HashMap<ResourceId, &Spec> = specs.iter().map(|spec| (spec.id(), spec)).collect();
    let packages: BTreeSet<String> =
        specs.iter().filter(|spec| matches!(spec, Spec::Apt(_))).flat_map(|spec| spec.claims().into_keys()).collect();
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    // A path that is to be something else now, or nothing, is named as well.
    let paths: BTreeSet<&str> = specs.iter().filter_map(Spec::path).map(TargetPath::as_str).collect();
    let taken = |id: &ResourceId| TargetPath::parse(&id.name).is_ok_and(|path| specs.iter().any(|spec| spec.removes(&path)));
    let unnamed = records.resources.iter().filter(|(id, _)| wanted.contains_key(id) || !paths.contains(id.name.as_str()) && !taken(id));
    // Of most records there is nothing to be said: what they are about is still wanted, and as a whole.
    let settled = |id: &ResourceId, record: &Record| wanted.contains_key(id) && id.kind != APT && record.on_removal == OnRemoval::Release;
    for (id, record) in unnamed.filter(|(id, record)| !settled(id, record)) {
        let claims = wanted.get(id).map(|spec| spec.claims()).unwrap_or_default();
        let still = |name: &String| claims.contains_key(switch(name)) || (id.kind == APT && packages.contains(name));
        let made = record.made.iter().map(|name| (name.clone(), String::new()));
        let gone: Claims = made.chain(record.claims.clone()).filter(|(name, _)| !still(name) && !name.starts_with(FOLDER)).collect();
        // A guard is a setting of Fitout's own.
        let deletable = id.kind == GUARD && !wanted.contains_key(id)
            || record.on_removal == OnRemoval::Delete && gone.keys().any(|name| record.made.contains(name));
        if deletable {
            let things = gone.into_iter().filter(|(name, _)| record.made.contains(name)).collect();
            go.push(Released { of: id.clone(), things, inside: Vec::new() });
            let folders = record.made.iter().filter(|_| record.on_removal == OnRemoval::Delete);
            go.extend(folders.filter_map(|name| folder(name.strip_prefix(FOLDER)?, specs, records)));
        } else if id.kind == APT {
            stay.extend(gone.keys().map(|name| format!("package {name}")));
        } else if !wanted.contains_key(id) {
            stay.push(id.to_string());
        }
    }
    go.sort_by(|a, b| a.of.cmp(&b.of).then(b.things.len().cmp(&a.things.len())));
    go.dedup_by(|a, b| a.of == b.of);
    (stay, with_contents(&go).into_iter().map(Spec::Released).collect())
}

/// The claim that a thing belongs to.
fn switch(name: &str) -> &str {
    name.strip_prefix(OFF).unwrap_or(name)
}

/// What the things begin with that are directories which were made on the way to something.
const FOLDER: &str = "folder ";

/// A directory that was made on the way to something that goes, where nothing else that is asked for or remembered lies in it.
fn folder(path: &str, specs: &[Spec], records: &Records) -> Option<Released> {
    // Those of the root are the system's, whoever made them.
    let at = TargetPath::parse(path).ok().filter(|at| at.parent().is_some_and(|above| above != TargetPath::root()))?;
    let of = ResourceId::new("directory", &at);
    let needed = records.resources.contains_key(&of) || specs.iter().filter_map(Spec::path).any(|path| path.is_within(&at));
    (!needed).then(|| Released { of, things: Claims::new(), inside: Vec::new() })
}

/// Directories go after what is in them.
fn with_contents(all: &[Released]) -> Vec<Released> {
    let of = |one: &Released| -> Vec<Released> {
        let inside = |other: &&Released| one.of.kind == "directory" && other.of.name.starts_with(&format!("{}/", one.of.name));
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

/// The kind of a guard.
const GUARD: &str = "guard";

/// The kind of a request for packages, whose things have names of their own.
const APT: &str = "apt";

/// Whether a run left nothing to be remembered anew, as most do.
pub(super) fn is_settled(work: &Work, reports: &[Report]) -> bool {
    let same = |(node, report): (&Node, &Report)| {
        let known =
            node.spec.ownership().is_none_or(|ownership| *ownership.earlier == node.spec.claims() || work.program.contains(&report.id));
        report.steps.is_empty() && (known || !is_whole(report))
    };
    work.is_settled && work.graph.nodes.iter().zip(reports).all(same)
}

/// Whether a resource is as it should be, in all.
fn is_whole(report: &Report) -> bool {
    is_done(report) && report.deferred.is_empty()
}

/// Whether all that could be done for a resource was done.
fn is_done(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Unchanged | Outcome::Changed)
}

/// Whether every resource is remembered with what becomes of it, and nothing else is.
pub(super) fn is_current(work: &Work, records: &Records) -> bool {
    if work.scope == Scope::Beside {
        return true;
    }
    let present: HashSet<&ResourceId> = work.graph.nodes.iter().map(|node| &node.id).collect();
    records.resources.iter().all(|(id, record)| present.contains(id) && record.on_removal == work.on_removal.of(id))
}

/// What is to be remembered before a run that may be cut short: what it is going to make.
pub(super) fn before(mut records: Records, work: &Work, plan: &Plan, on: &dyn Probe) -> Result<Records, ProbeError> {
    for planned in plan.resources.iter().filter(|planned| !work.program.contains(&planned.id)) {
        let mut made: Vec<String> = planned.steps.iter().flat_map(made).collect();
        for step in planned.steps.iter().filter(|step| step.change == Change::Add) {
            made.extend(folders(&step.op, on)?);
        }
        let replaces = planned.steps.iter().any(|step| step.change == Change::Replace);
        if replaces && of_path(&planned.id).any(|id| records.resources.get(&id).is_some_and(|record| record.made.contains(PRESENT))) {
            made.push(PRESENT.to_owned());
        }
        if replaces || !made.is_empty() {
            let record = records.resources.entry(planned.id.clone()).or_default();
            record.made.extend(made);
            if replaces {
                record.claims.insert(PRESENT.to_owned(), MAKES_ROOM.to_owned());
            }
            work.settle(&planned.id, record);
        }
    }
    Ok(records)
}

/// The directories that come with a path.
fn folders(op: &Op, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    let (Op::WriteFile { path, .. } | Op::MakeSymlink { path, .. } | Op::MakeDirectory { path, .. }) = op else { return Ok(Vec::new()) };
    let mut made = Vec::new();
    for above in path.ancestors() {
        if on.stat(&above)?.is_some() {
            break;
        }
        made.push(format!("{FOLDER}{above}"));
    }
    Ok(made)
}

/// All that may be remembered of the path of a resource.
fn of_path(id: &ResourceId) -> impl Iterator<Item = ResourceId> {
    OF_A_PATH.iter().map(|kind| ResourceId::new(kind, &id.name))
}

/// What is to be remembered after a run: resources that were left alone or failed keep their past.
pub(super) fn after(mut records: Records, work: &Work, reports: &[Report]) -> Records {
    let present: HashSet<&ResourceId> = work.graph.nodes.iter().map(|node| &node.id).collect();
    let left: BTreeSet<&ResourceId> = reports.iter().filter(|report| !is_done(report)).map(|report| &report.id).collect();
    let beside = work.scope == Scope::Beside;
    let is_left = |id: &ResourceId| left.contains(&Released::name(id)) || of_path(id).any(|id| left.contains(&id));
    records.resources.retain(|id, _| beside || present.contains(id) || is_left(id));
    for (node, report) in work.graph.nodes.iter().zip(reports) {
        remember(&mut records, node, report, work);
    }
    records
}

fn remember(records: &mut Records, node: &Node, report: &Report, work: &Work) {
    let (id, claims) = (&node.id, node.spec.claims());
    if claims.is_empty() || work.program.contains(id) {
        return;
    }
    if is_whole(report) {
        let record = records.resources.entry(id.clone()).or_default();
        record.claims = claims;
        record.made.retain(|name| record.claims.contains_key(switch(name)) || name.starts_with(FOLDER));
    }
    if let Some(record) = records.resources.get_mut(id) {
        work.settle(id, record);
    }
}

impl Work {
    /// Notes what becomes of a thing when its line is gone. What is applied beside the manifest of the machine goes with no line of it.
    fn settle(&self, id: &ResourceId, record: &mut Record) {
        if self.scope == Scope::Machine {
            record.on_removal = self.on_removal.of(id);
        }
    }
}

/// The things that a step made where there was nothing.
fn made(step: &Step) -> Vec<String> {
    match (&step.op, step.change) {
        (Op::AptInstall { packages }, _) => packages.iter().map(|request| package_name(request).to_owned()).collect(),
        (Op::AptHold { packages }, _) => packages.clone(),
        (Op::Unit { verb: UnitVerb::Enable, .. }, _) => vec![ENABLED.to_owned()],
        (Op::Unit { verb: UnitVerb::Disable, .. }, _) => vec![format!("{OFF}{ENABLED}")],
        (Op::Unit { verb: UnitVerb::Mask, .. }, _) => vec![MASKED.to_owned()],
        (Op::Unit { verb: UnitVerb::Unmask, .. }, _) => vec![format!("{OFF}{MASKED}")],
        (_, Change::Add) => vec![PRESENT.to_owned()],
        _ => Vec::new(),
    }
}
