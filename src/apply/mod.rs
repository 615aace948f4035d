//! The engine: for each resource, look, perform what can be performed, look again; side by side where nothing speaks against it.
//!
//! What is still to be done after a second look is a failure, whatever a tool's exit status said. What requires a failed resource is
//! skipped with its cause; what requires a deferred one is deferred. Everything that happens is an [`Event`].

mod crew;
mod event;
#[cfg(debug_assertions)]
mod fault;

use crate::graph::{Graph, Node};
use crate::model::{ByteSize, ResourceId, redacted};
use crate::plan::{Deferred, Plan, Planned, split};
use crate::resource::Guard;
use crate::step::{DiskForecast, Op, Step};
use crate::target::{CheckVerdict, OpError, Progress, Target, asked_to_end, go_on};
use crew::{Crew, Ready};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

pub use event::{Counts, Event, Observer, Observers, Outcome, Report, RunReport, is_for_room};
#[cfg(debug_assertions)]
pub use fault::Fault;

/// Brings what steps need from a network into the store.
pub trait Supply: Sync {
    /// Makes the downloads of a step available.
    ///
    /// # Errors
    /// One could not be had.
    fn supply(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError>;

    /// The same, while work is done that waits for each download by itself, if there is a way; else before it.
    ///
    /// # Errors
    /// One could not be had, or the work failed.
    fn supply_during(&self, op: &Op, progress: &dyn Progress, work: &(dyn Fn() -> Result<(), OpError> + Sync)) -> Result<(), OpError> {
        self.supply(op, progress)?;
        work()
    }
}

/// How many work at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers(usize);

impl Workers {
    /// One: in the order of work, nothing side by side.
    pub const ONE: Self = Self(1);
    /// One for packages, the others for environments: more would only share the disk.
    pub const USUAL: Self = Self(4);

    /// The usual number; one where a fault is asked for, which must come at the same place each time.
    #[must_use]
    pub fn usual() -> Self {
        #[cfg(debug_assertions)]
        if Fault::is_asked_for() {
            return Self::ONE;
        }
        Self::USUAL
    }
}

/// Performs what a graph asks for, of which `plan` was made just now.
pub fn apply(graph: &Graph, plan: &Plan, on: &dyn Target, supply: &dyn Supply, observers: &Observers, workers: Workers) -> RunReport {
    let began = Instant::now();
    observers.tell(&Event::RunStarted { resources: graph.nodes.len() });
    let engine = Engine { on, supply, observers, guards: graph.guards().collect(), noted: Mutex::default() };
    forget_checks(plan, on);
    // Nothing was changed since the plan looked at what comes before the first step.
    let idle = plan.resources.iter().take_while(|planned| planned.steps.is_empty() && planned.problem.is_none());
    let crew = Crew::new(graph, idle.map(|planned| engine.unchanged(planned)).collect());
    thread::scope(|scope| {
        if workers != Workers::ONE && crew.left() > 0 {
            scope.spawn(|| engine.fetch_ahead(plan, &crew));
        }
        for _ in 1..workers.0.min(crew.left()) {
            scope.spawn(|| engine.join(&crew, graph));
        }
        engine.join(&crew, graph);
    });
    let mut report = RunReport::new(crew.reports(), began.elapsed());
    report.ended_by = asked_to_end().filter(|_| !report.is_whole()).map(|signal| signal.to_string());
    observers.tell(&Event::RunFinished { counts: report.counts });
    report
}

/// What passed before is no verdict on what is about to change, even if this run is cut short.
fn forget_checks(plan: &Plan, on: &dyn Target) {
    for step in plan.steps() {
        if let Op::RunCheck(run) = &step.op
            && let Err(error) = CheckVerdict::path(&run.name).map_err(OpError::from).and_then(|path| on.discard(&path))
        {
            tracing::warn!(%error, name = run.name, "the verdict on an earlier state cannot be forgotten");
        }
    }
}

struct Engine<'a> {
    on: &'a dyn Target,
    supply: &'a dyn Supply,
    observers: &'a Observers,
    guards: Vec<&'a Guard>,
    /// What steps noted, each for its resource.
    noted: Mutex<Vec<(ResourceId, String)>>,
}

/// A resource in hand.
struct Job<'a> {
    node: &'a Node,
    waits: Option<ResourceId>,
    lacks: Option<ResourceId>,
    began: Instant,
    report: Report,
    /// What is to be done; nothing any more once it was done or failed.
    steps: Vec<Step>,
}

impl Job<'_> {
    /// What fails after packages that it may need did has them as its cause; what to do about these is said there.
    fn fail(&mut self, error: OpError) {
        let cause = format!("cannot {}: {}", error.act, error.cause);
        (self.report.outcome, self.report.reason, self.report.hint) = match &self.lacks {
            Some(packages) => (Outcome::Skipped, Some(format!("{packages} failed, and this may need it: {cause}")), None),
            None => (Outcome::Failed, Some(cause), error.hint),
        };
    }
}

impl Engine<'_> {
    /// Works until nothing is left.
    fn join(&self, crew: &Crew<'_>, graph: &Graph) {
        let _fall = crew.fall();
        while let Some(turn) = crew.take() {
            let mut jobs: Vec<Job<'_>> = turn.nodes.iter().map(|ready| self.open(&graph.nodes[ready.position], ready)).collect();
            let (mut together, alone): (Vec<_>, Vec<_>) =
                jobs.iter_mut().filter(|job| !job.steps.is_empty()).partition(|job| Op::joined(&ops(&job.steps)).is_some());
            for job in alone {
                self.alone(job);
            }
            self.together(&mut together);
            crew.finish(&turn, jobs.into_iter().map(|job| self.close(job)).collect());
        }
    }

    /// Brings what later steps need while earlier ones are performed. What cannot be had is told by the step that needs it.
    fn fetch_ahead(&self, plan: &Plan, crew: &Crew<'_>) {
        for (id, step) in plan.resources.iter().flat_map(|planned| planned.steps.iter().map(move |step| (&planned.id, step))) {
            let ahead = Ahead { progress: self.progress(id), crew };
            if ahead.must_end().is_some() {
                return;
            }
            self.supply.supply(&step.op, &ahead).unwrap_or_else(|error| tracing::debug!(%error, "could not be fetched ahead"));
        }
    }

    /// What the plan saw.
    fn unchanged(&self, planned: &Planned) -> Report {
        let mut report = Report::new(planned.id.clone());
        report.outcome = if planned.deferred.is_empty() { Outcome::Unchanged } else { Outcome::Deferred };
        report.deferred = waiting(&planned.deferred);
        report.drift.clone_from(&planned.drift);
        report.notes.clone_from(&planned.notes);
        self.observers.tell(&Event::ResourceStarted { id: planned.id.clone() });
        self.observers.tell(&Event::ResourceFinished { report: report.clone() });
        report
    }

    /// Looks what there is to do.
    fn open<'a>(&self, node: &'a Node, ready: &Ready) -> Job<'a> {
        let report = Report::new(node.id.clone());
        self.observers.tell(&Event::ResourceStarted { id: report.id.clone() });
        let mut job =
            Job { node, waits: ready.waits.clone(), lacks: ready.lacks.clone(), began: Instant::now(), report, steps: Vec::new() };
        let skipped = match (go_on(), &ready.fallen) {
            (Err(ended), _) => Some(format!("{ended} before its turn")),
            (Ok(()), Some((id, outcome))) => Some(format!("{id} {}", if *outcome == Outcome::Failed { "failed" } else { "was skipped" })),
            (Ok(()), None) => None,
        };
        if skipped.is_some() {
            job.report.outcome = Outcome::Skipped;
            job.report.reason = skipped;
            return job;
        }
        match node.spec.look(self.on) {
            Ok(look) => {
                let (steps, deferred) = split(look.steps, self.on, job.waits.as_ref());
                (job.report.drift, job.report.notes) = (look.drift, look.notes);
                job.report.outcome = if deferred.is_empty() { Outcome::Unchanged } else { Outcome::Deferred };
                job.report.deferred = waiting(&deferred);
                job.steps = steps;
            }
            Err(error) => job.fail(error.into()),
        }
        job
    }

    /// Performs the steps of one resource.
    fn alone(&self, job: &mut Job<'_>) {
        for step in std::mem::take(&mut job.steps) {
            match self.perform(&job.report.id, &step.op, &[(&job.report.id, &step)]) {
                Ok(()) => done(job, step),
                Err(error) => return job.fail(error),
            }
        }
    }

    /// Performs the steps of several resources as one; where that fails, of each half, so that one bad request takes no other with it.
    fn together(&self, jobs: &mut [&mut Job<'_>]) {
        let steps: Vec<(&ResourceId, &Step)> = jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.report.id, step))).collect();
        let Some((op, (first, _))) = Op::joined(&steps.iter().map(|(_, step)| &step.op).collect::<Vec<_>>()).zip(steps.first()) else {
            return jobs.iter_mut().for_each(|job| self.alone(job));
        };
        match (self.perform(first, &op, &steps), jobs) {
            (Ok(()), jobs) => {
                for job in jobs {
                    let steps = std::mem::take(&mut job.steps);
                    for step in steps {
                        done(job, step);
                    }
                }
            }
            (Err(error), [one]) => one.fail(error),
            (Err(error), jobs) => {
                self.progress(&jobs[0].report.id).line(&format!("{}; trying fewer at a time", error.act));
                let (some, others) = jobs.split_at_mut(jobs.len() / 2);
                self.together(some);
                self.together(others);
            }
        }
    }

    /// Looks again.
    fn close(&self, mut job: Job<'_>) -> Report {
        if job.report.outcome == Outcome::Changed {
            match job.node.spec.look(self.on) {
                Ok(look) => {
                    job.report.notes = look.notes;
                    let left = split(look.steps, self.on, job.waits.as_ref()).0;
                    left.first().into_iter().for_each(|step| job.fail(unconverged(step)));
                }
                Err(error) => job.fail(error.into()),
            }
        }
        job.report.notes.extend(self.noted_of(&job.report.id));
        job.report.milliseconds = milliseconds(job.began);
        self.observers.tell(&Event::ResourceFinished { report: job.report.clone() });
        job.report
    }

    /// What the steps of a resource noted.
    fn noted_of(&self, id: &ResourceId) -> Vec<String> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.extract_if(.., |(of, _)| of == id).map(|(_, text)| text).collect()
    }

    fn progress<'a>(&'a self, id: &'a ResourceId) -> Telling<'a> {
        Telling { engine: self, id, began_with: Vec::new() }
    }

    /// That of steps which take no room, as far as anybody can tell: they may make some.
    fn unhurried<'a>(&'a self, id: &'a ResourceId) -> Telling<'a> {
        let free = self.guards.iter().map(|guard| self.on.space(&guard.mount).ok().map(|space| space.free));
        Telling { began_with: free.collect(), ..self.progress(id) }
    }

    /// Performs what these steps come to.
    fn perform(&self, first: &ResourceId, op: &Op, steps: &[(&ResourceId, &Step)]) -> Result<(), OpError> {
        for (id, step) in steps {
            let event = Event::StepStarted { id: (*id).clone(), summary: step.op.summary(), why: step.why.clone() };
            self.observers.tell(&event);
        }
        let began = Instant::now();
        go_on().map_err(|ended| OpError::new(op.summary(), ended))?;
        let takes_room = steps.iter().any(|(_, step)| step.disk != DiskForecast::NONE);
        let work = || self.on.perform(op, &if takes_room { self.progress(first) } else { self.unhurried(first) });
        if let [(id, step)] = steps {
            self.supply.supply_during(&step.op, &self.progress(id), &work)?;
        } else {
            for (id, step) in steps {
                self.supply.supply(&step.op, &self.progress(id))?;
            }
            work()?;
        }
        for (id, step) in steps {
            let event = Event::StepFinished { id: (*id).clone(), summary: step.op.summary(), milliseconds: milliseconds(began) };
            self.observers.tell(&event);
        }
        Ok(())
    }
}

fn ops(steps: &[Step]) -> Vec<&Op> {
    steps.iter().map(|step| &step.op).collect()
}

fn done(job: &mut Job<'_>, step: Step) {
    job.report.steps.push(step);
    job.report.outcome = Outcome::Changed;
}

fn waiting(deferred: &[Deferred]) -> Vec<String> {
    deferred.iter().map(|deferred| format!("{}: {}", deferred.step.op.summary(), deferred.reason)).collect()
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn unconverged(step: &Step) -> OpError {
    OpError::new("converge", format!("every step was performed, but there is still to do: {} ({})", step.op.summary(), step.why))
        .hint("a tool reported success without doing its job, or something else changes this machine at the same time")
}

/// Tells nobody what is fetched ahead, and ends it where nothing waits for it any more.
struct Ahead<'a> {
    progress: Telling<'a>,
    crew: &'a Crew<'a>,
}

impl Progress for Ahead<'_> {
    fn line(&self, _: &str) {}

    fn advance(&self, _: u64, _: u64) {}

    fn must_end(&self) -> Option<String> {
        let over = (self.crew.left() == 0).then(|| "nothing waits for it any more".to_owned());
        over.or_else(|| self.progress.must_end())
    }
}

/// Tells observers what a step reports.
struct Telling<'a> {
    engine: &'a Engine<'a>,
    id: &'a ResourceId,
    /// What each guarded file system had free when a step began that takes no room, where it can be told.
    began_with: Vec<Option<ByteSize>>,
}

impl Progress for Telling<'_> {
    fn line(&self, text: &str) {
        self.engine.observers.tell(&Event::Line { id: self.id.clone(), text: redacted(text).into_owned() });
    }

    fn note(&self, text: &str) {
        self.line(text);
        let noted = (self.id.clone(), redacted(text).into_owned());
        self.engine.noted.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
    }

    fn advance(&self, done: u64, total: u64) {
        self.engine.observers.tell(&Event::Advanced { id: self.id.clone(), done, total });
    }

    /// No forecast is sure: whatever a step takes, the floors hold. One that makes room where there is too little goes on.
    fn must_end(&self) -> Option<String> {
        let began_with = self.began_with.iter().copied().chain(std::iter::repeat(None));
        self.engine.guards.iter().zip(began_with).find_map(|(guard, began)| guard.broken(self.engine.on, began))
    }
}
