//! Who does what next, where several work on one graph: a node's turn comes when what it requires is done with, everything before its barrier
//! too, and nobody works in its lane. Of what is ready the first in the order of work goes first, so one worker alone keeps to that order.

use super::{Outcome, Report};
use crate::graph::Graph;
use crate::model::ResourceId;
use crate::resource::Spec;
use crate::step::Lane;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What is left to do of a graph.
pub(super) struct Crew<'a> {
    graph: &'a Graph,
    required_by: Vec<Vec<usize>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// How many requirements of each node are not done with.
    waiting: Vec<usize>,
    /// Nodes that wait for their barrier and their lane only, by both.
    ready: BTreeMap<(Lane, usize), BTreeSet<usize>>,
    busy: Vec<Lane>,
    reports: Vec<Option<Report>>,
    /// The first node that is not done with.
    next: usize,
    /// A worker fell: nothing more is begun.
    broken: bool,
}

/// Nodes whose turn it is, to be worked on as one.
pub(super) struct Turn {
    pub nodes: Vec<Ready>,
    lane: Lane,
}

/// A node that is ready.
pub(super) struct Ready {
    pub position: usize,
    /// What it requires and does not get, and how that ended.
    pub fallen: Option<(ResourceId, Outcome)>,
    /// What it requires and waits for.
    pub waits: Option<ResourceId>,
    /// Packages that were to come before it and did not: where it fails, it may be for want of them.
    pub lacks: Option<ResourceId>,
}

impl<'a> Crew<'a> {
    /// All that is left when the first nodes are done with.
    pub fn new(graph: &'a Graph, done: Vec<Report>) -> Self {
        let count = graph.nodes.len();
        let mut state = State {
            waiting: graph.nodes.iter().map(|node| node.requires.iter().filter(|other| **other >= done.len()).count()).collect(),
            ready: BTreeMap::new(),
            busy: Vec::new(),
            next: done.len(),
            reports: done.into_iter().map(Some).collect(),
            broken: false,
        };
        state.reports.resize(count, None);
        for position in state.next..count {
            state.ready_if_free(graph, position);
        }
        Self { graph, required_by: graph.required_by(), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next turn, waited for; `None` where everything is done with.
    pub fn take(&self) -> Option<Turn> {
        let mut state = self.state();
        while !state.broken && state.next < self.graph.nodes.len() {
            if let Some(turn) = state.start(self.graph) {
                return Some(turn);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Takes the reports of a turn.
    pub fn finish(&self, turn: &Turn, reports: Vec<Report>) {
        let mut state = self.state();
        if let Some(at) = state.busy.iter().position(|lane| *lane == turn.lane) {
            state.busy.swap_remove(at);
        }
        for (ready, report) in turn.nodes.iter().zip(reports) {
            state.reports[ready.position] = Some(report);
            for other in &self.required_by[ready.position] {
                state.waiting[*other] -= 1;
                state.ready_if_free(self.graph, *other);
            }
        }
        while state.reports.get(state.next).is_some_and(Option::is_some) {
            state.next += 1;
        }
        self.changed.notify_all();
    }

    /// How much is left.
    pub fn left(&self) -> usize {
        self.graph.nodes.len() - self.state().next
    }

    /// Held by a worker: should it fall, the others do not wait for its turn to end.
    pub fn fall(&self) -> Fall<'_, 'a> {
        Fall(self)
    }

    /// All reports, in the order of work.
    pub fn reports(self) -> Vec<Report> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).reports.into_iter().flatten().collect()
    }
}

/// See [`Crew::fall`].
pub(super) struct Fall<'c, 'a>(&'c Crew<'a>);

impl Drop for Fall<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl State {
    fn ready_if_free(&mut self, graph: &Graph, position: usize) {
        let node = &graph.nodes[position];
        if self.waiting[position] == 0 {
            self.ready.entry((node.spec.lane(), node.after)).or_default().insert(position);
        }
    }

    fn start(&mut self, graph: &Graph) -> Option<Turn> {
        let may = |(lane, after): &(Lane, usize)| *after <= self.next && !self.busy.iter().any(|busy| busy.keeps_off(*lane));
        let first = self.ready.iter().filter(|(key, _)| may(key)).filter_map(|(key, nodes)| Some((*nodes.first()?, *key))).min();
        let (first, key) = first?;
        let waiting = self.ready.get_mut(&key)?;
        // One transaction for all packages that are ready; one by one otherwise.
        let nodes = if key.0 == Lane::Packages { std::mem::take(waiting) } else { waiting.take(&first).into_iter().collect() };
        if waiting.is_empty() {
            self.ready.remove(&key);
        }
        self.busy.push(key.0);
        Some(Turn { nodes: nodes.into_iter().map(|position| self.judged(graph, position)).collect(), lane: key.0 })
    }

    fn judged(&self, graph: &Graph, position: usize) -> Ready {
        let required = || graph.nodes[position].requires.iter().filter_map(|other| self.reports[*other].as_ref());
        let fallen = required().find(|other| matches!(other.outcome, Outcome::Failed | Outcome::Skipped));
        let waits = required().find(|other| !other.deferred.is_empty());
        let id = |other: &Report| other.id.clone();
        Ready { position, fallen: fallen.map(|other| (id(other), other.outcome)), waits: waits.map(id), lacks: self.lacks(graph, position) }
    }

    /// The first request for packages that failed before a node that leans on packages.
    fn lacks(&self, graph: &Graph, position: usize) -> Option<ResourceId> {
        if !graph.nodes[position].spec.leans_on_packages() {
            return None;
        }
        let before = graph.nodes.iter().zip(&self.reports).take(position);
        let mut failed = before.filter(|(other, _)| matches!(other.spec, Spec::Apt(_))).filter_map(|(_, report)| report.as_ref());
        failed.find(|report| report.outcome == Outcome::Failed).map(|report| report.id.clone())
    }
}
