//! What Fitout remembers of a machine, and forgets when it is asked to. What it made stays, and so does all that is somebody's: the
//! manifest, what was found at a path or edited before Fitout wrote there, the identity that seeds are judged by.

use crate::model::TargetPath;
use crate::target::{OpError, Probe, ProbeError, Target};
use serde::Serialize;

/// Something that can be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Where it is.
    pub path: &'static str,
    /// What it is.
    pub what: &'static str,
}

const fn memory(path: &'static str, what: &'static str) -> Memory {
    Memory { path, what }
}

/// All that can be forgotten.
const MEMORIES: [Memory; 10] = [
    memory("/var/lib/fitout/state/ledger.jsonl", "what Fitout wrote where: an edit can no longer be told from what was found"),
    memory("/var/lib/fitout/state/resources.json", "what it brought about: nothing is deleted or repaired on its account any more"),
    memory("/var/lib/fitout/state/resolved.json", "which versions and files it chose: they are chosen anew"),
    memory("/var/lib/fitout/state/apt-sources.sha256", "of which sources apt's lists are: they are fetched anew"),
    memory("/var/lib/fitout/state/scripts", "verdicts on setup scripts: the creation script RUNS AGAIN with the next apply"),
    memory("/var/lib/fitout/state/checks", "verdicts on checks: they are run again"),
    memory("/var/lib/fitout/state/drift.json", "what people changed, as the last look found it"),
    memory("/var/lib/fitout/scripts", "copies of setup scripts"),
    memory("/var/lib/fitout/runs", "history"),
    memory("/var/log/fitout", "what setup scripts printed"),
];

/// What stays, for people to know.
pub const KEPT: &str =
    "/etc/fitout, /var/lib/fitout/replaced, /var/lib/fitout/edited and the cache stay, and so does everything that was made.";

fn path(memory: Memory) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(memory.path).map_err(|e| ProbeError::new("use a path", e))
}

/// What there is to forget on a machine.
///
/// # Errors
/// It cannot be looked at.
pub fn memories(on: &dyn Probe) -> Result<Vec<Memory>, ProbeError> {
    let mut found = Vec::new();
    for memory in MEMORIES {
        if on.stat(&path(memory)?)?.is_some() {
            found.push(memory);
        }
    }
    Ok(found)
}

/// Forgets it. Whoever calls this holds the lock.
///
/// # Errors
/// One is still there.
pub fn forget(on: &dyn Target, memories: &[Memory]) -> Result<(), OpError> {
    memories.iter().try_for_each(|memory| on.discard(&path(*memory)?))
}
