//! The status page: what anyone on the machine may know, as a versioned JSON document.
//!
//! It holds no manifest, no output of a program and no path of a secret: states, names of resources, first lines of reasons, sizes.

use super::guard::{Disk, Room};
use super::state::{Phase, State};
use super::stops::StopsLine;
use crate::apply::Counts;
use crate::model::{ByteSize, TargetPath};
use crate::target::{Probe, ProbeError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the page is.
pub const PAGE: &str = "/run/fitout/status.json";

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Format of this document.
    pub version: u32,
    /// The agent's process.
    pub pid: u32,
    /// The agent's version.
    pub agent: String,
    /// The machine's name.
    pub name: Option<String>,
    /// The machine's identity, by its datasource.
    pub instance: Option<String>,
    /// Where the machine is in its life.
    pub state: Phase,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// What is the matter although the machine runs.
    pub degraded: Vec<String>,
    /// Guarded file systems.
    pub disks: Vec<DiskLine>,
    /// How the last setting up ended.
    pub setup: Option<Counts>,
    /// What people should know and nobody has to act on.
    pub warnings: Vec<String>,
    /// Packages that ask for a restart of the machine; `None` where none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<Vec<String>>,
    /// When the machine stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<StopsLine>,
    /// Scripts that are at work, or whose last run did not succeed: what nothing waits for is told here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, String>,
    /// What failed, as Azure ML names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PageError>,
}

/// What failed, by the code that Azure ML has for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageError {
    /// Azure ML's code.
    pub code: String,
    /// What happened.
    pub message: String,
}

/// Azure ML's code for a script of the owner's that failed.
const SCRIPTS: &str = "SetupScriptsError";

fn error_of(state: &State) -> Option<PageError> {
    let name = state.name.as_deref().unwrap_or("this machine");
    let why = state.reason.as_deref().filter(|_| state.phase == Phase::UserSetupFailed)?;
    Some(PageError { code: SCRIPTS.into(), message: format!("{name}: user script setup failed with error \"{why}\"") })
}

/// One guarded file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLine {
    /// Where it is mounted.
    pub mount: TargetPath,
    /// Whether it has room.
    pub room: Room,
    /// Bytes that an ordinary user can still write.
    pub free: ByteSize,
    /// What must stay free.
    pub minimum_free: ByteSize,
}

impl Page {
    /// The page of what this agent knows.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let line = |disk: &Disk| DiskLine {
            mount: disk.sample.mount.clone(),
            room: disk.room(),
            free: disk.sample.free,
            minimum_free: disk.sample.minimum_free,
        };
        Self {
            version: 1,
            pid: std::process::id(),
            agent: env!("CARGO_PKG_VERSION").into(),
            name: state.name.clone(),
            instance: state.instance.clone(),
            state: state.phase,
            reason: state.reason.clone(),
            degraded: state.complaints(),
            disks: state.disks.values().map(line).collect(),
            setup: state.counts,
            warnings: state.warnings.clone(),
            reboot_required: None,
            stops: state.stops.line(),
            scripts: BTreeMap::new(),
            error: error_of(state),
        }
    }

    /// The page of the agent that runs on a machine; `None` where none does.
    ///
    /// # Errors
    /// The page is there and cannot be read or understood.
    pub fn read(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let Some(bytes) = on.read(&path()?)? else { return Ok(None) };
        let page: Self = serde_json::from_slice(&bytes).map_err(|e| ProbeError::new(format!("read {PAGE}"), e))?;
        let comm = TargetPath::parse(&format!("/proc/{}/comm", page.pid)).map_err(|e| ProbeError::new("use a path", e))?;
        // A page outlives an agent that was killed.
        let alive = on.read(&comm)?.is_some_and(|name| name.trim_ascii() == b"fitout");
        Ok(alive.then_some(page))
    }

    /// Whether all is well.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.state == Phase::Running && self.degraded.is_empty()
    }

    /// Where the machine is in its life, in a line: `lab is Running`, and what is the matter.
    #[must_use]
    pub fn line(&self) -> String {
        let name = self.name.as_deref().unwrap_or("this machine");
        let matter: Vec<&str> = self.reason.iter().chain(&self.degraded).map(String::as_str).collect();
        let matter = if matter.is_empty() { String::new() } else { format!(": {}", matter.join("; ")) };
        format!("{name} is {}{matter}", self.state)
    }
}

/// Where the page is, as a path.
///
/// # Errors
/// Never for this path; the path type has no other way to say so.
pub fn path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(PAGE).map_err(|e| ProbeError::new("use a path", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_script_has_azures_code() {
        let mut state = State::default();
        (state.phase, state.reason, state.name) =
            (Phase::UserSetupFailed, Some("script:startup: exit status 3".into()), Some("lab".into()));
        let error = error_of(&state).unwrap();
        let message = "lab: user script setup failed with error \"script:startup: exit status 3\"";
        assert_eq!((error.code.as_str(), error.message.as_str()), ("SetupScriptsError", message));
        state.phase = Phase::SetupFailed;
        assert_eq!(error_of(&state), None);
    }
}
