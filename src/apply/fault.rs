//! Crashes on demand, in debug builds only: `FITOUT_FAULT=kill@N` ends the process without warning at its N-th event, so that tests can
//! prove that a plain re-run reaches the same end from every one of them; `end@N` asks it to end there, by SIGTERM. What programs print in
//! between is not counted: it differs from run to run.

use super::{Event, Observer, asked_to_end};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that asks for a crash; any other value than `kill@N` or `end@N` only keeps the order of work.
const VARIABLE: &str = "FITOUT_FAULT";

/// Counts events and crashes at one of them.
#[derive(Debug)]
pub struct Fault {
    left: u64,
    signal: Signal,
}

impl Fault {
    /// Whether a test brings some fault about, by this or by other means.
    #[must_use]
    pub fn is_asked_for() -> bool {
        std::env::var_os(VARIABLE).is_some()
    }

    /// The crash that the environment asks for, if it does.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let value = std::env::var(VARIABLE).ok()?;
        let (fault, left) = value.split_once('@')?;
        let signal = [("kill", Signal::SIGKILL), ("end", Signal::SIGTERM)].into_iter().find(|(name, _)| *name == fault)?.1;
        Some(Self { left: left.parse().ok()?, signal })
    }
}

impl Observer for Fault {
    fn on(&mut self, event: &Event) {
        if matches!(event, Event::Line { .. } | Event::Advanced { .. }) {
            return;
        }
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        if left == 0 && kill(Pid::this(), self.signal).is_ok() {
            // The next event comes when the signal has arrived; nothing comes after the one that kills.
            while asked_to_end().is_none() {
                std::thread::yield_now();
            }
        }
    }
}
