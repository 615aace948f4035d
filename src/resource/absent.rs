//! `absent`: a path where nothing is to be.

use super::{Ownership, Resource, kind_name};
use crate::model::{ResourceId, Sha256, TargetPath};
use crate::step::{Change, FileKind, Op, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;

/// A path where nothing is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Where.
    pub path: TargetPath,
    /// What may be removed.
    pub reach: Reach,
    /// Its past.
    pub ownership: Ownership,
}

/// What may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What Fitout wrote and nobody edited since.
    Ours,
    /// Any file or link: the manifest says so in words.
    Any,
}

impl Absent {
    /// A file that Fitout wrote and that is no longer to be. What somebody else wrote, or edited since, stays and is reported.
    #[must_use]
    pub fn if_ours(path: TargetPath) -> Self {
        Self { path, reach: Reach::Ours, ownership: Ownership::default() }
    }

    /// A file or link that is not to be.
    #[must_use]
    pub fn whoever_wrote_it(path: TargetPath) -> Self {
        Self { path, reach: Reach::Any, ownership: Ownership::default() }
    }
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

/// The name of the claim that nothing is there.
const ABSENT: &str = "absent";

impl Resource for Absent {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("absent", &self.path)
    }

    fn claims(&self) -> Claims {
        Claims::from([(ABSENT.to_owned(), "yes".to_owned())])
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        match on.stat(&self.path)?.map(|stat| stat.kind) {
            None => return Ok(State::Nothing),
            Some(FileKind::File) => {}
            Some(FileKind::Symlink) => return Ok(State::Theirs),
            Some(kind @ (FileKind::Directory | FileKind::Other)) => {
                let cause = format!("{} is there; only files and links are removed by a line", kind_name(kind));
                return Err(ProbeError::new(format!("remove {}", self.path), cause));
            }
        }
        let bytes = on.read(&self.path)?.unwrap_or_default();
        let ours = on.written(&self.path)?.is_some_and(|written| written.after == Sha256::of(&bytes));
        Ok(if ours { State::Ours } else { State::Theirs })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let remove = |why: &str| Step::new(Change::Remove, Op::Remove { path: self.path.clone() }, why);
        match (now, self.reach) {
            (State::Ours, _) => vec![remove("no longer wanted")],
            (State::Theirs, Reach::Any) => {
                vec![remove("not to be").claim(ABSENT, format!("somebody put something at {} after it was removed; it stays", self.path))]
            }
            (State::Theirs, Reach::Ours) | (State::Nothing, _) => Vec::new(),
        }
    }

    fn drift(&self, now: &State) -> Vec<String> {
        let theirs = *now == State::Theirs && self.reach == Reach::Ours;
        theirs.then(|| format!("{} is not to be, but somebody wrote or edited it; it stays as it is", self.path)).into_iter().collect()
    }
}
