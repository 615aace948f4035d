//! `directory`: a directory with its mode and owner; what is in it is not its business.

use super::{Occupant, Ownership, PRESENT, Resource, meta_claims, meta_step, owner_ids};
use crate::model::{Meta, Owner, ResourceId, TargetPath};
use crate::step::{Change, FileKind, Op, Stat, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;

/// A directory as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where.
    pub path: TargetPath,
    /// Mode and owner.
    pub meta: Meta,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// Its past.
    pub ownership: Ownership,
}

impl Directory {
    /// A directory.
    #[must_use]
    pub fn new(path: TargetPath, meta: Meta, requires: Vec<ResourceId>) -> Self {
        Self { path, meta, requires, ownership: Ownership::default() }
    }
}

/// What is there.
#[derive(Debug, Serialize)]
pub enum State {
    /// Nothing.
    Nothing,
    /// A directory, and the numbers of the owner that it should have.
    Directory(Stat, Option<(u32, u32)>),
    /// Something else.
    Occupied(Occupant),
}

impl Resource for Directory {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("directory", &self.path)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        meta_claims(&self.meta)
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.path)
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.meta.owner)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        match on.stat(&self.path)? {
            None => Ok(State::Nothing),
            Some(stat) if stat.kind == FileKind::Directory => Ok(State::Directory(stat, owner_ids(on, &self.meta.owner)?)),
            Some(stat) => Ok(State::Occupied(Occupant::of(&self.path, &stat, &self.ownership, on)?)),
        }
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let make = |why: &str| {
            let op = Op::MakeDirectory { path: self.path.clone(), meta: self.meta.clone() };
            Step::new(Change::Add, op, why).claim(PRESENT, format!("{} was removed; it stays so", self.path))
        };
        match now {
            State::Nothing => vec![make("absent")],
            State::Directory(stat, owner) => meta_step(&self.path, stat, &self.meta, *owner).into_iter().collect(),
            State::Occupied(occupant) => occupant.give_way(&self.path, &self.id(), &self.ownership, &self.claims(), make("in its place")),
        }
    }
}
