//! What happened, for people: each run that changed something leaves a numbered folder with its events and its report.
//!
//! The engine never reads any of it. Runs are numbered, not timed: at first boot a clock may say anything.

mod last;
mod reset;
mod snapshot;

use crate::apply::{Event, Observer, RunReport};
use crate::model::TargetPath;
use crate::target::{OpError, Probe, ProbeError, Target};
use std::sync::Arc;

pub use last::{Last, Told, last, tell, told};
pub use reset::{KEPT, Memory, forget, memories};
pub use snapshot::{Difference, NOISE, OWN, Snapshot, files_of};

/// Folder of the runs on a machine.
const RUNS: &str = "/var/lib/fitout/runs";
/// Runs that are kept; older ones are pruned when a new one begins. The first run of a small workstation takes some 20 kB, later ones less: all
/// stay below 1 MB, and a run a day reaches back over a month.
const KEPT_RUNS: usize = 50;

fn runs() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(RUNS).map_err(|e| ProbeError::new("use a path", e))
}

fn file(run: u64, name: &str) -> Result<TargetPath, ProbeError> {
    runs()?.join(&format!("{run}/{name}")).map_err(|e| ProbeError::new("use a path", e))
}

/// Numbers of the runs on a machine, oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn numbers(on: &dyn Probe) -> Result<Vec<u64>, ProbeError> {
    let mut numbers: Vec<u64> = on.list(&runs()?)?.unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The report of a run; `None` where the run was cut short before it had one.
///
/// # Errors
/// It cannot be read or understood.
pub fn report(on: &dyn Probe, run: u64) -> Result<Option<RunReport>, ProbeError> {
    let path = file(run, "report.json")?;
    let read = on.read(&path)?.map(|bytes| serde_json::from_slice(&bytes).map_err(|e| ProbeError::new(format!("read {path}"), e)));
    read.transpose()
}

/// Writes events of a run as they happen, from the first step on: a run that performs none leaves no trace.
pub struct Journal {
    on: Arc<dyn Target>,
    run: Option<u64>,
}

impl Journal {
    /// A journal on this machine.
    #[must_use]
    pub fn new(on: Arc<dyn Target>) -> Self {
        Self { on, run: None }
    }

    fn write(&mut self, event: &Event) -> Result<(), OpError> {
        let run = match self.run {
            Some(run) => run,
            None => *self.run.insert(begin(self.on.as_ref())?),
        };
        let line = serde_json::to_string(event).map_err(|e| OpError::new("write the journal", e))?;
        self.on.note(&file(run, "journal.jsonl")?, &format!("{line}\n"))
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("run", &self.run).finish_non_exhaustive()
    }
}

/// The number of a new run; old runs make room.
fn begin(on: &dyn Target) -> Result<u64, OpError> {
    let known = numbers(on)?;
    for old in known.iter().take(known.len().saturating_sub(KEPT_RUNS - 1)) {
        on.discard(&runs()?.join(&old.to_string()).map_err(|e| OpError::new("use a path", e))?)?;
    }
    Ok(known.last().map_or(1, |last| last + 1))
}

/// Keeps the report of a run that changed or failed something, or that ends one which was cut short; returns its number.
///
/// # Errors
/// It was not written.
pub fn keep_report(on: &dyn Target, report: &RunReport) -> Result<Option<u64>, OpError> {
    let known = numbers(on)?;
    let unreported = |run: &&u64| file(**run, "report.json").is_ok_and(|path| matches!(on.stat(&path), Ok(None)));
    let run = match known.last().filter(unreported) {
        Some(run) => *run,
        None if report.counts.changed == 0 && report.counts.failed == 0 => return Ok(None),
        None => begin(on)?,
    };
    let bytes = serde_json::to_vec_pretty(report).map_err(|e| OpError::new("write the report", e))?;
    on.keep(&file(run, "report.json")?, &bytes)?;
    Ok(Some(run))
}

impl Observer for Journal {
    fn on(&mut self, event: &Event) {
        let worth = match event {
            Event::StepStarted { .. } | Event::StepFinished { .. } => true,
            Event::ResourceFinished { .. } | Event::RunFinished { .. } => self.run.is_some(),
            Event::Waiting { .. }
            | Event::Resolving { .. }
            | Event::Damaged { .. }
            | Event::RunStarted { .. }
            | Event::ResourceStarted { .. }
            | Event::Advanced { .. }
            | Event::Line { .. } => false,
        };
        if worth && let Err(error) = self.write(event) {
            // A journal that cannot be written must not stop the work that it tells of.
            tracing::warn!(%error, "the journal is incomplete");
        }
    }
}
