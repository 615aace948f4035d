//! What Fitout keeps on a machine beside its ledger: verdicts on scripts and checks, and the marks of restarts that are owed.

use super::look::{names, text};
use super::{Document, Probe, ProbeError, unseal};
use crate::model::{Sha256, TargetPath, UnitName};
use crate::step::Ability;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// Where verdicts on scripts are kept.
const VERDICTS: &str = "/var/lib/fitout/state/scripts";

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
    /// How it ended, in a word for programs; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The control group in which it runs, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The process of Fitout's that runs it, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// How a run of a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With exit status 0.
    Succeeded,
    /// It did not run, for what its `unless` asks said that there is nothing to do.
    Needless,
    /// With another exit status.
    Failed,
    /// At its deadline.
    TimedOut,
    /// By a signal.
    Killed,
    /// By the kernel, for there was no memory left.
    OutOfMemory,
    /// With Fitout, or because the disk filled.
    Interrupted,
    /// It left something running outside its control group, which its manifest forbids.
    Escaped,
}

/// A process, told from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it began, in the kernel's ticks since the start of the machine.
    pub since: String,
}

impl Process {
    /// This one.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn own() -> std::io::Result<Self> {
        let pid = std::process::id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Ok(Self { pid, since: since(&stat).unwrap_or_default().to_owned() })
    }

    fn is_alive(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        let at = format!("/proc/{}/stat", self.pid);
        let is_it = |stat: String| since(&stat) == Some(self.since.as_str());
        // An offline root shows no processes: what works on it is a process of this machine.
        Ok(text(on, &at)?.is_some_and(is_it) || std::fs::read_to_string(at).is_ok_and(is_it))
    }
}

/// When a process began: the 22nd field of its line (proc(5)), the 20th after its name, which may hold anything.
fn since(stat: &str) -> Option<&str> {
    stat.rsplit(')').next()?.split_whitespace().nth(19)
}

/// Where a run stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It ended, and has a verdict.
    Ended,
    /// It goes on.
    AtWork,
    /// Fitout was ended while it ran.
    Interrupted,
    /// The machine restarted while it ran.
    Rebooted,
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

    /// Where the run stands now.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn standing(&self, on: &dyn Probe) -> Result<Standing, ProbeError> {
        let boot = boot(on)?;
        Ok(match &self.process {
            _ if !self.is_open() => Standing::Ended,
            _ if self.boot.is_some() && boot.is_some() && self.boot != boot => Standing::Rebooted,
            Some(process) if process.is_alive(on)? => Standing::AtWork,
            Some(_) | None => Standing::Interrupted,
        })
    }

    /// How it ended, or where it stands, as a person would say it.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn told(&self, on: &dyn Probe) -> Result<String, ProbeError> {
        Ok(match self.standing(on)? {
            Standing::Ended => self.outcome.clone(),
            Standing::AtWork => "at work".into(),
            Standing::Interrupted => "interrupted: Fitout was ended while it ran".into(),
            Standing::Rebooted => "interrupted: the machine restarted while it ran".into(),
        })
    }

    /// The last verdict on a script; `None` where it never ran.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(on: &dyn Probe, name: &str) -> Result<Option<Self>, ProbeError> {
        let path = Self::path(name)?;
        on.read(&path)?.map(|bytes| unseal(&path, &bytes)).transpose()
    }

    /// The last verdict on every script, by name.
    ///
    /// # Errors
    /// One is there and cannot be read.
    pub fn all(on: &dyn Probe) -> Result<Vec<(String, Self)>, ProbeError> {
        let files = names(on, VERDICTS)?;
        let read = |name: &str| Ok(Self::read(on, name)?.map(|verdict| (name.to_owned(), verdict)));
        files.iter().filter_map(|file| read(file.strip_suffix(".json")?).transpose()).collect()
    }

    /// Scripts that are at work, or whose last run did not succeed, each with how it ended or where it stands.
    ///
    /// # Errors
    /// A verdict is there and cannot be read.
    pub fn worth_a_word(on: &dyn Probe) -> Result<BTreeMap<String, String>, ProbeError> {
        let unfinished = Self::all(on)?.into_iter().filter(|(_, verdict)| verdict.status != 0);
        unfinished.map(|(name, verdict)| Ok((name, verdict.told(on)?))).collect()
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
        path(&format!("{VERDICTS}/{name}.json"))
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

    /// Where it is kept what a tool's work was made from.
    ///
    /// # Errors
    /// The name makes no path.
    pub fn of_tool(name: &str) -> Result<TargetPath, ProbeError> {
        path(&format!("/var/lib/fitout/state/tools/{name}.json"))
    }
}

/// The mark that a unit has not yet read what was written.
///
/// # Errors
/// Never for a checked unit name; the path type has no other way to say so.
pub fn stale_path(unit: &UnitName) -> Result<TargetPath, ProbeError> {
    path(&format!("/run/fitout/stale/{unit}"))
}
