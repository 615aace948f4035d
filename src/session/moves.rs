//! Links that a run makes lead elsewhere or takes away: that what lies below one is not where it was is no change by people.

use crate::graph::{Graph, Node};
use crate::model::TargetPath;
use crate::resource::{Ownership, Spec};
use crate::step::Op;
use crate::target::{Move, Moved, Probe};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Finds what a run will move, and has what lies below it judged anew.
pub(super) fn follow(graph: &mut Graph, on: &dyn Probe) {
    for n in over(graph) {
        let Some(one) = moved(graph, n, on) else { continue };
        let below = graph.nodes.iter_mut().skip(n + 1).filter(|node| node.spec.lies_below(one.path.as_str()));
        below.for_each(|node| doubt(&mut node.spec));
        graph.moves.push((n, one));
    }
}

/// What others lie below, in the order of work.
fn over(graph: &Graph) -> BTreeSet<usize> {
    let is_above = |above: &usize, node: &Node| graph.nodes[*above].spec.place().is_some_and(|folder| node.spec.lies_below(folder));
    graph.nodes.iter().flat_map(|node| node.requires.iter().copied().filter(move |above| is_above(above, node))).collect()
}

/// Where a node makes its path lead, if that is not where it leads. What cannot be looked at is told by the plan.
fn moved(graph: &Graph, n: usize, on: &dyn Probe) -> Option<Move> {
    let (spec, path) = (&graph.nodes[n].spec, TargetPath::parse(graph.nodes[n].spec.place()?).ok()?);
    let on = Moved::new(on, graph.moves_before(n));
    let is_link = || on.stat(&path).ok().flatten().is_some_and(|stat| stat.link.is_some());
    if !matches!(spec, Spec::Symlink(_)) && !is_link() {
        return None;
    }
    spec.look(&on).ok()?.steps.iter().filter_map(|step| moved_by(&step.op, &path)).next_back()
}

/// Where a step makes a path lead: nowhere, where what is there goes or is made anew.
fn moved_by(op: &Op, path: &TargetPath) -> Option<Move> {
    let is_gone = |at: &TargetPath| (at == path).then(|| Move { path: path.clone(), to: None });
    if let Op::MakeSymlink { path: at, to } = op {
        return (at == path).then(|| Move { path: path.clone(), to: path.leads_to(to) });
    }
    if let Op::Remove { path: at, .. } | Op::SetAside { path: at } = op {
        return is_gone(at);
    }
    let site = if let Op::BuildPython(build) = op { Some(&build.site) } else { None };
    let site = if let Op::BuildConda(build) = op { Some(&build.site) } else { site };
    site.and_then(|site| is_gone(&site.prefix))
}

/// What was there is not remembered of what is there now.
fn doubt(spec: &mut Spec) {
    if let Some(past) = spec.ownership().cloned() {
        let doubtful = Arc::new(past.earlier.keys().cloned().collect());
        let past = Ownership { doubtful, ..past };
        spec.own(&|_| past.clone());
    }
}
