//! What is remembered of a run, and what a manifest that changed no longer asks for.

use super::work::{Removal, Scope, Work};
use crate::apply::{Outcome, Report};
use crate::graph::Node;
use crate::model::ResourceId;
use crate::plan::Plan;
use crate::resource::{Released, Spec};
use crate::step::{Change, Op, Step, UnitVerb, package_name};
use crate::target::{Claims, OnRemoval, Records};
use std::collections::{BTreeMap, BTreeSet};

/// What the manifest asked for once and does so no longer: what stays is named, what is to be deleted is work.
pub(super) fn released(specs: &[Spec], records: &Records) -> (Vec<String>, Vec<Spec>) {
    let wanted: BTreeMap<ResourceId, Claims> = specs.iter().map(|spec| (spec.id(), spec.claims())).collect();
    let packages: BTreeSet<&String> = wanted.iter().filter(|(id, _)| id.kind == APT).flat_map(|(_, claims)| claims.keys()).collect();
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    // What is named as absent is named.
    let unnamed = records.resources.iter().filter(|(id, _)| !wanted.contains_key(&ResourceId::new("absent", &id.name)));
    for (id, record) in unnamed {
        let still =
            |name: &String| wanted.get(id).is_some_and(|claims| claims.contains_key(name)) || (id.kind == APT && packages.contains(name));
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
    let record = records.resources.entry(id).or_default();
    record.on_removal = on_removal.of(&report.id);
    if matches!(report.outcome, Outcome::Unchanged | Outcome::Changed) && report.deferred.is_empty() {
        record.claims = claims;
        record.made.retain(|name| record.claims.contains_key(name));
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
