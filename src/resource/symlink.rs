//! `symlink`: a symbolic link; another link in its place is replaced at once.

use super::{Occupant, Ownership, PRESENT, Resource};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Change, Op, Stat, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;

/// A link as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symlink {
    /// Where.
    pub path: TargetPath,
    /// The text of the link.
    pub to: String,
    /// Another text that is as good, where other programs make the same link.
    pub also: Option<String>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// Its past.
    pub ownership: Ownership,
}

impl Symlink {
    /// A link.
    pub fn new(path: TargetPath, to: impl Into<String>, requires: Vec<ResourceId>) -> Self {
        Self { path, to: to.into(), also: None, requires, ownership: Ownership::default() }
    }
}

/// What is there.
#[derive(Debug, Serialize)]
pub enum State {
    /// Nothing.
    Nothing,
    /// A link that points here.
    Link(String),
    /// Something else.
    Occupied(Occupant),
}

impl Resource for Symlink {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("symlink", &self.path)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([(PRESENT.to_owned(), self.to.clone())])
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.path)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        match on.stat(&self.path)? {
            None => Ok(State::Nothing),
            Some(Stat { link: Some(to), .. }) => Ok(State::Link(to)),
            Some(stat) => Ok(State::Occupied(Occupant::of(&self.path, &stat, &self.ownership, on)?)),
        }
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let link = |change, why: String| {
            let drift = format!("{} was changed or removed; it stays so", self.path);
            Step::new(change, Op::MakeSymlink { path: self.path.clone(), to: self.to.clone() }, why).claim(PRESENT, drift)
        };
        match now {
            State::Nothing => vec![link(Change::Add, "absent".into())],
            State::Link(to) if *to == self.to || Some(to) == self.also.as_ref() => Vec::new(),
            State::Link(other) => vec![link(Change::Modify, format!("points at {other}"))],
            State::Occupied(occupant) => {
                let link = link(Change::Add, "in its place".into());
                occupant.give_way(&self.path, &self.id(), &self.ownership, &self.claims(), link)
            }
        }
    }
}
