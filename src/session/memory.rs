//! What is remembered of a run, and what a manifest that changed no longer asks for.

use super::work::{Removal, Scope, Work};
use crate::apply::{Outcome, Report};
use crate::graph::{Graph, Node};
use crate::model::ResourceId;
use crate::plan::Plan;
use crate::resource::{Released, Spec};
use crate::step::{Change, Op, Step, UnitVerb, package_name};
use crate::target::{Claims, OnRemoval, Records};
use std::collections::{BTreeMap, BTreeSet};

/// What the manifest asked for once and does so no longer: what stays is named, what is to be deleted is work.
pub(super) fn released(specs: &[Spec], records: &Records) -> (Vec<String>, Vec<Spec>) {
    let wanted: BTreeMap<ResourceId, &Spec> = specs.iter().map(|spec| (spec.id(), spec)).collect();
    let packages: BTreeSet<String> =
        specs.iter().filter(|spec| matches!(spec, Spec::Apt(_))).flat_map(|spec| spec.claims().into_keys()).collect();
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    // What is named as absent is named.
    let unnamed = records.resources.iter().filter(|(id, _)| !wanted.contains_key(&ResourceId::new("absent", &id.name)));
    for (id, record) in unnamed {
        let claims = wanted.get(id).map(|spec| spec.claims()).unwrap_or_default();
        let still = |name: &String| claims.contains_key(name) || (id.kind == APT && packages.contains(name));
        let made = record.made.iter().map(|name| (name.clone(), String::new()));
        let gone: Claims = made.chain(record.claims.clone()).filter(|(name, _)| !still(name)).collect();
        let deletable = record.on_removal == OnRemoval::Delete && gone.keys().any(|name| record.made.contains(name));
        if deletable {
            let things = gone.into_iter().filter(|(name, _)| record.made.contains(name)).collect();
            go.push(Spec::Released(Released { of: id.clone(), things }));
        } else if id.kind == APT {
            stay.extend(gone.keys().map(|name| format!("package {name}")));
        } else if !wanted.contains_key(id) {
            stay.push(id.to_string());
        }
    }
    (stay, go)
}

/// The kind of a request for packages, whose things have names of their own.
const APT: &str = "apt";

/// Whether a run left nothing to be remembered anew, as most do.
pub(super) fn is_settled(work: &Work, reports: &[Report]) -> bool {
    let same = |(node, report): (&Node, &Report)| {
        let known = node.spec.ownership().is_none_or(|ownership| ownership.earlier == node.spec.claims());
        report.steps.is_empty() && (known || !is_whole(report))
    };
    work.is_settled && work.graph.nodes.iter().zip(reports).all(same)
}

/// Whether a resource is as it should be, in all.
fn is_whole(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Unchanged | Outcome::Changed) && report.deferred.is_empty()
}

/// Whether every resource is remembered with what becomes of it, and nothing else is.
pub(super) fn is_current(graph: &Graph, scope: Scope, records: &Records, on_removal: &Removal) -> bool {
    let remembered = |id: &ResourceId| records.resources.get(id).is_none_or(|record| record.on_removal == on_removal.of(id));
    let present: BTreeSet<ResourceId> = graph.nodes.iter().map(|node| node.spec.id()).collect();
    let gone = || scope == Scope::Machine && records.resources.keys().any(|id| !present.contains(id));
    present.iter().all(remembered) && !gone()
}

/// What is to be remembered before a run that may be cut short: what it is going to make.
pub(super) fn before(mut records: Records, plan: &Plan, on_removal: &Removal) -> Records {
    for planned in &plan.resources {
        let made: Vec<String> = planned.steps.iter().flat_map(made).collect();
        if !made.is_empty() {
            let record = records.resources.entry(planned.id.clone()).or_default();
            record.made.extend(made);
            record.on_removal = on_removal.of(&planned.id);
        }
    }
    records
}

/// What is to be remembered after a run: resources that were left alone or failed keep their past.
pub(super) fn after(mut records: Records, work: &Work, reports: &[Report]) -> Records {
    let present: BTreeSet<ResourceId> = work.graph.nodes.iter().map(|node| node.spec.id()).collect();
    let failed: BTreeSet<&ResourceId> =
        reports.iter().filter(|report| !matches!(report.outcome, Outcome::Unchanged | Outcome::Changed)).map(|report| &report.id).collect();
    let beside = work.scope == Scope::Beside;
    records.resources.retain(|id, _| beside || present.contains(id) || failed.contains(&Released::name(id)));
    for (node, report) in work.graph.nodes.iter().zip(reports) {
        remember(&mut records, node, report, &work.on_removal);
    }
    records
}

fn remember(records: &mut Records, node: &Node, report: &Report, on_removal: &Removal) {
    let (id, claims) = (node.spec.id(), node.spec.claims());
    if claims.is_empty() {
        return;
    }
    if is_whole(report) {
        let record = records.resources.entry(id.clone()).or_default();
        record.claims = claims;
        record.made.retain(|name| record.claims.contains_key(name));
    }
    if let Some(record) = records.resources.get_mut(&id) {
        record.on_removal = on_removal.of(&id);
    }
}

/// The things that a step made where there was nothing.
fn made(step: &Step) -> Vec<String> {
    match (&step.op, step.change) {
        (Op::AptInstall { packages }, _) => packages.iter().map(|request| package_name(request).to_owned()).collect(),
        (Op::Unit { verb: UnitVerb::Enable, .. }, _) => vec![crate::resource::ENABLED.to_owned()],
        (_, Change::Add) => vec![crate::resource::PRESENT.to_owned()],
        _ => Vec::new(),
    }
}
