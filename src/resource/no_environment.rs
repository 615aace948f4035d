//! An environment that is not to be: the link to it and its generations go. What Fitout did not make at its place stays.

use super::Resource;
use crate::model::{ResourceId, TargetPath};
use crate::step::{Change, Op, Stat, Step};
use crate::target::{Claims, Probe, ProbeError, generations};
use serde::Serialize;

/// An environment that is not to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoEnvironment {
    /// Where it would be reached.
    pub prefix: TargetPath,
    /// Its name, that of the environment that it would be.
    pub id: ResourceId,
}

/// What is at its place.
#[derive(Debug, Serialize)]
pub enum State {
    /// Nothing.
    Nothing,
    /// What Fitout made.
    Ours,
    /// Something else.
    Theirs,
}

impl Resource for NoEnvironment {
    type State = State;

    fn id(&self) -> ResourceId {
        self.id.clone()
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([("absent".to_owned(), "yes".to_owned())])
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.prefix)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let left = !generations(&self.prefix, on)?.is_empty();
        Ok(match on.stat(&self.prefix)? {
            Some(Stat { link: Some(to), .. }) if to.starts_with(".generations/") => State::Ours,
            Some(_) => State::Theirs,
            None if left => State::Ours,
            None => State::Nothing,
        })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        match now {
            State::Ours => {
                let op = Op::RemoveEnvironment { prefix: self.prefix.clone() };
                vec![Step::new(Change::Remove, op, "not to be, with all that people installed into it")]
            }
            State::Nothing | State::Theirs => Vec::new(),
        }
    }

    fn drift(&self, now: &State) -> Vec<String> {
        match now {
            State::Theirs => vec![format!("{} is not to be, but Fitout did not make it; it stays as it is", self.prefix)],
            State::Nothing | State::Ours => Vec::new(),
        }
    }
}
