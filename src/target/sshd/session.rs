//! Whether somebody who came in by SSH runs this: then a change of SSH touches the branch that they sit on.

use crate::model::TargetPath;
use crate::target::{Probe, ProbeError};
use serde::{Deserialize, Serialize};

/// A login by SSH that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The process of sshd that serves it.
    process: u32,
    /// When that began, in ticks since boot: numbers are used again.
    began: u64,
}

/// Names of the processes that serve sessions (from OpenSSH 9.8 on the second).
const SERVERS: [&str; 2] = ["sshd", "sshd-session"];

/// Programs that people leave running and come back to: what runs in them is nobody's child, and somebody's work.
const KEEPERS: [&str; 3] = ["tmux: server", "screen", "zellij"];

/// A line of `/proc/PID/stat`, as far as it matters here (proc(5)).
struct Process {
    name: String,
    parent: u32,
    terminal: i64,
    began: u64,
}

impl Process {
    fn parse(stat: &str) -> Option<Self> {
        let (before, after) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i64>().ok();
        Some(Self {
            name: before.split_once('(')?.1.to_owned(),
            parent: u32::try_from(number(1)?).ok()?,
            terminal: number(4)?,
            began: u64::try_from(number(19)?).ok()?,
        })
    }

    fn of(process: &str, on: &dyn Probe) -> Option<Self> {
        let at = TargetPath::parse(&format!("/proc/{process}/stat")).ok()?;
        // One that has ended since is as good as none.
        let stat = on.read(&at).ok()??;
        Self::parse(&String::from_utf8_lossy(&stat))
    }
}

impl Session {
    /// The session in which this runs, if it is one of sshd; in what people leave running, any that goes on.
    pub(super) fn here(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let mut next = std::process::id();
        let mut kept = false;
        while next > 1 {
            let Some(process) = Process::of(&next.to_string(), on) else { break };
            if SERVERS.contains(&process.name.as_str()) {
                return Ok(Some(Self { process: next, began: process.began }));
            }
            kept |= KEEPERS.contains(&process.name.as_str());
            next = process.parent;
        }
        if kept { Self::any(on) } else { Ok(None) }
    }

    fn any(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let all = TargetPath::parse("/proc").map_err(|e| ProbeError::new("use path /proc", e))?;
        for name in on.list(&all)?.unwrap_or_default() {
            let Ok(number) = name.parse::<u32>() else { continue };
            // The first sshd serves nobody; those that do are its children.
            let Some(process) = Process::of(&name, on).filter(|one| SERVERS.contains(&one.name.as_str()) && one.parent > 1) else {
                continue;
            };
            return Ok(Some(Self { process: number, began: process.began }));
        }
        Ok(None)
    }
}

/// Whether somebody at a terminal runs this, not a service.
pub(super) fn at_a_terminal() -> bool {
    let own = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| Process::parse(&stat));
    own.is_some_and(|own| own.terminal != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process() {
        let line = "412 (tmux: server) S 1 412 412 34816 -1 4194368 100 0 0 0 1 2 0 0 20 0 1 0 98765 100 10 18446744073709551615 1 1";
        let process = Process::parse(line).unwrap();
        assert_eq!((process.name.as_str(), process.parent, process.terminal, process.began), ("tmux: server", 1, 34816, 98765));
        assert!(Process::parse("412 (cut").is_none());
    }
}
