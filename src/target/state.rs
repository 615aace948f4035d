//! What Fitout keeps on a machine beside its ledger: verdicts on scripts and checks, and the marks of restarts that are owed.

use super::look::{names, text};
use super::{Document, Probe, ProbeError};
use crate::model::{Sha256, TargetPath, UnitName};
use crate::step::Ability;
use serde::{Deserialize, Serialize};

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// Where what scripts printed is kept.
const LOGS: &str = "/var/log/fitout/scripts";

/// This boot, by the kernel; `None` where nothing runs.
///
/// # Errors
/// The kernel cannot be asked.
pub fn boot(on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(None);
    }
    Ok(text(on, "/proc/sys/kernel/random/boot_id")?.map(|id| id.trim().to_owned()))
}

/// How a run ended; kept on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Format of this file.
    pub version: u32,
    /// Content, arguments and trigger of the run.
    pub digest: Sha256,
    /// The boot in which it ran; `None` where nothing was booted.
    pub boot: Option<String>,
    /// Exit status; 128 + signal where one ended it.
    pub status: i32,
    /// How it ended, as a person would say it.
    pub outcome: String,
    /// Which of its runs this was; its log has the same number.
    #[serde(default)]
    pub run: u64,
    /// How long it took, in seconds.
    #[serde(default)]
    pub seconds: u64,
    /// The control group in which it runs, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
}

impl Document for Verdict {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Verdict {
    /// What is said of a run that did not end.
    pub(super) const OPEN: &'static str = "not ended";

    /// Whether the run did not end: it is at work, or Fitout or the machine stopped while it was.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.outcome == Self::OPEN
    }

    /// Where what a run of a script printed is kept.
    ///
    /// # Errors
    /// The name makes no path.
    pub fn log(name: &str, run: u64) -> Result<TargetPath, ProbeError> {
        path(&format!("{LOGS}/{name}/{run}.log"))
    }

    /// Numbers of the runs of a script whose output is kept, the first one first.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn runs(on: &dyn Probe, name: &str) -> Result<Vec<u64>, ProbeError> {
        let files = names(on, &format!("{LOGS}/{name}"))?;
        let mut numbers: Vec<u64> = files.iter().filter_map(|file| file.strip_suffix(".log")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Where the verdict on a script is kept.
    ///
    /// # Errors
    /// The name makes no path.
    pub fn path(name: &str) -> Result<TargetPath, ProbeError> {
        path(&format!("/var/lib/fitout/state/scripts/{name}.json"))
    }
}

/// The last verdict on a check; kept on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckVerdict {
    /// Format of this file.
    pub version: u32,
    /// What was checked.
    pub digest: Sha256,
}

impl Document for CheckVerdict {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

impl CheckVerdict {
    /// Where the verdict of a check is kept.
    ///
    /// # Errors
    /// The name makes no path.
    pub fn path(name: &str) -> Result<TargetPath, ProbeError> {
        path(&format!("/var/lib/fitout/state/checks/{name}.json"))
    }
}

/// The mark that a unit has not yet read what was written.
///
/// # Errors
/// Never for a checked unit name; the path type has no other way to say so.
pub fn stale_path(unit: &UnitName) -> Result<TargetPath, ProbeError> {
    path(&format!("/run/fitout/stale/{unit}"))
}
