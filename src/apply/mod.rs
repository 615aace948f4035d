//! The engine: for each resource in order, look, perform what can be performed, look again.
//!
//! What is still to be done after a second look is a failure, whatever a tool's exit status said. What requires a failed resource is
//! skipped with its cause; what requires a deferred one is deferred. Everything that happens is an [`Event`].

mod event;
#[cfg(debug_assertions)]
mod fault;

use crate::graph::{Graph, Node};
use crate::model::ResourceId;
use crate::plan::split;
use crate::step::{Op, Step};
use crate::target::{OpError, Progress, Target, asked_to_end, go_on};
use std::time::Instant;

pub use event::{Counts, Event, Observer, Observers, Outcome, Report, RunReport};
#[cfg(debug_assertions)]
pub use fault::Fault;

/// Brings what steps need from a network into the store.
pub trait Supply {
    /// Makes the downloads of a step available.
    ///
    /// # Errors
    /// One could not be had.
    fn supply(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError>;
}

/// Performs what a graph asks for.
pub fn apply(graph: &Graph, on: &dyn Target, supply: &dyn Supply, observers: &Observers) -> RunReport {
    let began = Instant::now();
    observers.tell(&Event::RunStarted { resources: graph.nodes.len() });
    let engine = Engine { on, supply, observers };
    let mut reports: Vec<Report> = Vec::new();
    for node in &graph.nodes {
        observers.tell(&Event::ResourceStarted { id: node.spec.id() });
        let report = engine.resource(node, &reports);
        observers.tell(&Event::ResourceFinished { report: report.clone() });
        reports.push(report);
    }
    let mut report = RunReport::new(reports, began.elapsed());
    report.ended_by = asked_to_end().filter(|_| report.counts.failed + report.counts.skipped > 0).map(|signal| signal.to_string());
    observers.tell(&Event::RunFinished { counts: report.counts });
    report
}

struct Engine<'a> {
    on: &'a dyn Target,
    supply: &'a dyn Supply,
    observers: &'a Observers,
}

impl Engine<'_> {
    fn resource(&self, node: &Node, earlier: &[Report]) -> Report {
        let began = Instant::now();
        let mut report = Report::new(node.spec.id());
        if let Err(ended) = go_on() {
            report.outcome = Outcome::Skipped;
            report.reason = Some(format!("{ended} before its turn"));
            return report;
        }
        let required = || node.requires.iter().map(|n| &earlier[*n]);
        if let Some(cause) = required().find(|other| matches!(other.outcome, Outcome::Failed | Outcome::Skipped)) {
            report.outcome = Outcome::Skipped;
            report.reason = Some(format!("{} {}", cause.id, if cause.outcome == Outcome::Failed { "failed" } else { "was skipped" }));
            return report;
        }
        let waits = required().find(|other| !other.deferred.is_empty()).map(|other| other.id.clone());
        if let Err(error) = self.converge(node, waits.as_ref(), &mut report) {
            report.outcome = Outcome::Failed;
            report.reason = Some(format!("cannot {}: {}", error.act, error.cause));
            report.hint = error.hint;
        }
        report.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        report
    }

    fn converge(&self, node: &Node, waits: Option<&ResourceId>, report: &mut Report) -> Result<(), OpError> {
        let look = node.spec.look(self.on)?;
        report.drift = look.drift;
        let (steps, deferred) = split(look.steps, self.on, waits);
        report.deferred = deferred.iter().map(|deferred| format!("{}: {}", deferred.step.op.summary(), deferred.reason)).collect();
        if steps.is_empty() {
            report.outcome = if deferred.is_empty() { Outcome::Unchanged } else { Outcome::Deferred };
            return Ok(());
        }
        for step in &steps {
            self.perform(&report.id, step)?;
            report.steps.push(step.clone());
            report.outcome = Outcome::Changed;
        }
        let (left, _) = split(node.spec.look(self.on)?.steps, self.on, waits);
        match left.first() {
            None => Ok(()),
            Some(step) => Err(OpError::new(
                "converge",
                format!("every step was performed, but there is still to do: {} ({})", step.op.summary(), step.why),
            )
            .hint("a tool reported success without doing its job, or something else changes this machine at the same time")),
        }
    }

    fn perform(&self, id: &ResourceId, step: &Step) -> Result<(), OpError> {
        let progress = Telling { observers: self.observers, id };
        self.observers.tell(&Event::StepStarted { id: id.clone(), summary: step.op.summary(), why: step.why.clone() });
        let began = Instant::now();
        go_on().map_err(|ended| OpError::new(step.op.summary(), ended))?;
        self.supply.supply(&step.op, &progress)?;
        self.on.perform(&step.op, &progress)?;
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.observers.tell(&Event::StepFinished { id: id.clone(), summary: step.op.summary(), milliseconds });
        Ok(())
    }
}

/// Tells observers what a step reports.
struct Telling<'a> {
    observers: &'a Observers,
    id: &'a ResourceId,
}

impl Progress for Telling<'_> {
    fn line(&self, text: &str) {
        self.observers.tell(&Event::Line { id: self.id.clone(), text: text.to_owned() });
    }

    fn advance(&self, done: u64, total: u64) {
        self.observers.tell(&Event::Advanced { id: self.id.clone(), done, total });
    }
}
