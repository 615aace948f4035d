//! What is remembered of a run.

use super::gone::{FOLDER, switch};
use super::work::{Scope, Work};
use crate::apply::{Outcome, Report};
use crate::graph::Node;
use crate::model::ResourceId;
use crate::plan::Plan;
use crate::resource::{ENABLED, MASKED, OF_A_PATH, OFF, PRESENT, Released};
use crate::step::{Change, Op, Step, UnitVerb, package_name};
use crate::target::{Claims, OpError, Probe, ProbeError, Record, Records, Target};
use std::collections::{BTreeSet, HashMap, HashSet};

impl Work {
    /// Remembers what a run brought about.
    ///
    /// # Errors
    /// It was not written.
    pub fn keep(&self, reports: &[Report], on: &dyn Target) -> Result<(), OpError> {
        if is_settled(self, reports) {
            return Ok(());
        }
        let before = Records::read(on)?;
        let after = after(before.clone(), self, reports);
        replace(&before, &after, on)
    }

    /// Remembers what a plan is going to make, so that a run that is cut short leaves nothing of which nobody knows whose it is.
    ///
    /// # Errors
    /// It was not written; the work must not begin.
    pub fn intend(&self, plan: &Plan, on: &dyn Target) -> Result<(), OpError> {
        if plan.resources.iter().all(|planned| planned.steps.is_empty()) {
            return Ok(());
        }
        let records = Records::read(on)?;
        replace(&records, &before(records.clone(), self, plan, on)?, on)
    }
}

fn replace(before: &Records, after: &Records, on: &dyn Target) -> Result<(), OpError> {
    if after == before { Ok(()) } else { on.keep(&Records::path()?, &after.to_bytes()?) }
}

/// Whether a run left nothing to be remembered anew, as most do.
fn is_settled(work: &Work, reports: &[Report]) -> bool {
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

/// Notes what a run sets out to change of what was asked for before: until it is seen to be done, whatever is there is nobody else's doing.
fn doubt(records: &mut Records, work: &Work) {
    let wanted: HashMap<&ResourceId, Claims> = work.graph.nodes.iter().map(|node| (&node.id, node.spec.claims())).collect();
    for (id, record) in records.resources.iter_mut().filter(|(id, _)| !work.program.contains(id)) {
        let wanted = wanted.get(id);
        let differs = |(name, was): &(&String, &String)| match wanted.and_then(|wanted| wanted.get(*name)) {
            Some(now) => now != *was,
            // What is applied beside the machine's manifest takes nothing away.
            None => work.scope == Scope::Machine,
        };
        let changed: Vec<String> = record.claims.iter().filter(differs).map(|(name, _)| name.clone()).collect();
        record.doubtful.extend(changed);
    }
    // Nor is what lies below a path that leads elsewhere what was made there.
    for node in work.graph.moved() {
        if let Some(record) = records.resources.get_mut(&node.id) {
            record.doubtful.extend(record.claims.keys().cloned());
            record.made.retain(|name| name != PRESENT);
        }
    }
}

/// What is to be remembered before a run that may be cut short: what it is going to make and to change.
fn before(mut records: Records, work: &Work, plan: &Plan, on: &dyn Probe) -> Result<Records, ProbeError> {
    doubt(&mut records, work);
    let changes = plan.resources.iter().zip(&work.graph.nodes).filter(|(planned, _)| !planned.steps.is_empty());
    let mine: Vec<_> = changes.filter(|(planned, _)| work.may_remember(&planned.id, &records)).collect();
    for (planned, node) in mine {
        let (known, wanted) = (records.resources.get(&planned.id), node.spec.claims());
        let comes_back = |name: &String| known.is_some_and(|record| was_found(record, name, &wanted));
        let mut made: Vec<String> = Vec::new();
        for step in &planned.steps {
            made.extend(makes(step, on)?.into_iter().filter(|name| !comes_back(name)));
        }
        for step in planned.steps.iter().filter(|step| step.change == Change::Add) {
            made.extend(folders(&step.op, on)?);
        }
        let replaces = planned.steps.iter().any(|step| step.change == Change::Replace);
        if replaces && of_path(&planned.id).any(|id| records.resources.get(&id).is_some_and(|record| record.has_made(PRESENT))) {
            made.push(PRESENT.to_owned());
        }
        if replaces || !made.is_empty() {
            let record = records.resources.entry(planned.id.clone()).or_default();
            record.make(made);
            if replaces {
                record.doubtful.insert(PRESENT.to_owned());
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
fn after(mut records: Records, work: &Work, reports: &[Report]) -> Records {
    let present: HashSet<&ResourceId> = work.graph.nodes.iter().map(|node| &node.id).collect();
    let left: BTreeSet<&ResourceId> = reports.iter().filter(|report| !is_done(report)).map(|report| &report.id).collect();
    let beside = work.scope == Scope::Beside;
    let is_left = |id: &ResourceId| left.contains(&Released::name(id)) || of_path(id).any(|id| left.contains(&id));
    // What this run removed itself is not missed by the next one, whichever manifest asked for it.
    let removed: HashSet<ResourceId> = reports.iter().flat_map(|report| &report.steps).flat_map(removed).collect();
    records.resources.retain(|id, _| present.contains(id) || is_left(id) || (beside && !removed.contains(id)));
    for (node, report) in work.graph.nodes.iter().zip(reports) {
        remember(&mut records, node, report, work);
    }
    records
}

/// What a step removed.
fn removed(step: &Step) -> Vec<ResourceId> {
    let path = if let Op::Remove { path, .. } = &step.op { Some(path) } else { None };
    path.into_iter().flat_map(|path| OF_A_PATH.iter().map(move |kind| ResourceId::new(kind, path))).collect()
}

fn remember(records: &mut Records, node: &Node, report: &Report, work: &Work) {
    let (id, claims) = (&node.id, node.spec.claims());
    if claims.is_empty() || !work.may_remember(id, records) {
        return;
    }
    if is_whole(report) {
        let record = records.resources.entry(id.clone()).or_default();
        record.claims = claims;
        record.doubtful.clear();
        record.made.retain(|name| record.claims.contains_key(switch(name)) || name.starts_with(FOLDER));
    }
    if let Some(record) = records.resources.get_mut(id) {
        work.settle(id, record);
    }
}

impl Work {
    /// Whether this run has a say in what is remembered of a resource: of Fitout's own pieces none has, and what the machine's manifest asks
    /// for is not what one beside it says.
    fn may_remember(&self, id: &ResourceId, records: &Records) -> bool {
        let is_the_machines = records.resources.get(id).is_some_and(|record| !record.beside);
        !self.program.contains(id) && (self.scope == Scope::Machine || !is_the_machines)
    }

    /// Notes what becomes of a thing when its line is gone. What is applied beside the manifest of the machine goes with no line of it.
    fn settle(&self, id: &ResourceId, record: &mut Record) {
        record.beside = self.scope == Scope::Beside;
        if self.scope == Scope::Machine {
            record.on_removal = self.on_removal.of(id);
        }
    }
}

/// Whether a thing was there before Fitout came, and a step only brings it back: a switch, as it was; anything else, in whatever shape.
fn was_found(record: &Record, name: &str, wanted: &Claims) -> bool {
    let claim = switch(name);
    let is_switch = [ENABLED, MASKED].contains(&claim);
    let same = |was: &String| !is_switch || wanted.get(claim) == Some(was);
    record.claims.get(claim).is_some_and(same) && !record.has_made(name)
}

/// The things that a step makes where there is nothing.
fn makes(step: &Step, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    let Op::AptInstall { packages } = &step.op else { return Ok(made(step)) };
    // One that is there in another version was somebody's before.
    let there = &on.packages()?.installed;
    Ok(packages.iter().map(|request| package_name(request).to_owned()).filter(|name| !there.contains_key(name)).collect())
}

fn made(step: &Step) -> Vec<String> {
    match (&step.op, step.change) {
        (Op::AptHold { packages }, _) => packages.clone(),
        (Op::Unit { verb: UnitVerb::Enable, .. }, _) => vec![ENABLED.to_owned()],
        (Op::Unit { verb: UnitVerb::Disable, .. }, _) => vec![format!("{OFF}{ENABLED}")],
        (Op::Unit { verb: UnitVerb::Mask, .. }, _) => vec![MASKED.to_owned()],
        (Op::Unit { verb: UnitVerb::Unmask, .. }, _) => vec![format!("{OFF}{MASKED}")],
        (_, Change::Add) => vec![PRESENT.to_owned()],
        _ => Vec::new(),
    }
}
