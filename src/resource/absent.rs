//! `absent`: a file that Fitout wrote and that is no longer to be. What somebody else wrote, or edited since, stays and is reported.

use super::Resource;
use crate::model::{ResourceId, Sha256, TargetPath};
use crate::step::{Change, Op, Step};
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// A file that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Where.
    pub path: TargetPath,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// Nothing.
    Nothing,
    /// What Fitout wrote.
    Ours,
    /// Something of somebody's.
    Theirs,
}

impl Resource for Absent {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("absent", &self.path)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let Some(bytes) = on.read(&self.path)? else { return Ok(State::Nothing) };
        let ours = on.written(&self.path)?.is_some_and(|written| written.after == Sha256::of(&bytes));
        Ok(if ours { State::Ours } else { State::Theirs })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        match now {
            State::Ours => vec![Step::new(Change::Remove, Op::Remove { path: self.path.clone() }, "no longer wanted")],
            State::Nothing | State::Theirs => Vec::new(),
        }
    }

    fn drift(&self, now: &State) -> Vec<String> {
        let theirs = *now == State::Theirs;
        theirs.then(|| format!("{} is not to be, but somebody wrote or edited it; it stays as it is", self.path)).into_iter().collect()
    }
}
