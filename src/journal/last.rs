//! How the last run ended, and what everyone on the machine is told of it: numbers and names, nothing that was printed.

use super::{numbers, report};
use crate::apply::{Counts, Outcome, RunReport};
use crate::model::TargetPath;
use crate::target::{OpError, Probe, ProbeError, Target};
use serde::{Deserialize, Serialize};

/// Where it is told; runs and what is remembered are root's to read.
const PATH: &str = "/run/fitout/told.json";

/// Format of the file.
const VERSION: u32 = 1;

/// The last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Its number.
    pub run: u64,
    /// What became of its resources; `None` where it was cut short before its report.
    pub counts: Option<Counts>,
    /// What failed in it.
    pub failed: Vec<String>,
}

/// What everyone is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    version: u32,
    /// How the last run ended.
    pub last: Option<Last>,
    /// What people changed, as the last look found it.
    pub drift: Vec<String>,
}

impl Last {
    fn of(run: u64, report: Option<&RunReport>) -> Self {
        let failed = report.iter().flat_map(|report| &report.resources).filter(|one| one.outcome == Outcome::Failed);
        let failed = failed.map(|one| one.id.to_string()).collect();
        Self { run, counts: report.map(|report| report.counts), failed }
    }
}

fn path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(PATH).map_err(|e| ProbeError::new("use a path", e))
}

/// The last run; `None` where there was none.
///
/// # Errors
/// The runs cannot be read.
pub fn last(on: &dyn Probe) -> Result<Option<Last>, ProbeError> {
    let Some(run) = numbers(on)?.last().copied() else { return Ok(None) };
    Ok(Some(Last::of(run, report(on, run)?.as_ref())))
}

/// What everyone is told; `None` where nobody said anything since the machine started.
///
/// # Errors
/// It cannot be read.
pub fn told(on: &dyn Probe) -> Result<Option<Told>, ProbeError> {
    let bytes = on.read(&path()?)?;
    // One of another version says nothing that could be trusted.
    Ok(bytes.and_then(|bytes| serde_json::from_slice::<Told>(&bytes).ok()).filter(|told| told.version == VERSION))
}

/// Tells everyone of a run that is new, if one is, and of what people changed.
///
/// # Errors
/// They were not told.
pub fn tell(on: &dyn Target, new: Option<(u64, &RunReport)>, drift: Vec<String>) -> Result<(), OpError> {
    let before = told(on)?;
    let last = match (new, &before) {
        (Some((run, report)), _) => Some(Last::of(run, Some(report))),
        (None, Some(told)) => told.last.clone(),
        // Work goes on where a report was damaged, or is another release's: `status` tells of it.
        (None, None) => last(on).unwrap_or_default(),
    };
    let now = Told { version: VERSION, last, drift };
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&now).map_err(|e| OpError::new(format!("write {PATH}"), e))?;
    on.publish(&path()?, &bytes)
}
