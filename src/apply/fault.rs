//! Crashes on demand, in debug builds only: `FITOUT_FAULT=kill@N` ends the process without warning at its N-th event, so that tests can
//! prove that a plain re-run reaches the same end from every one of them. What programs print in between is not counted: it differs from
//! run to run.

use super::{Event, Observer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that asks for a crash; any other value than `kill@N` only keeps the order of work.
const VARIABLE: &str = "FITOUT_FAULT";

/// Counts events and crashes at one of them.
#[derive(Debug)]
pub struct Fault {
    left: u64,
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
        let left = std::env::var(VARIABLE).ok()?.strip_prefix("kill@")?.parse().ok()?;
        Some(Self { left })
    }
}

impl Observer for Fault {
    fn on(&mut self, event: &Event) {
        if matches!(event, Event::Line { .. } | Event::Advanced { .. }) {
            return;
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            // Nothing after this line runs.
            kill(Pid::this(), Signal::SIGKILL).ok();
        }
    }
}
