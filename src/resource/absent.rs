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
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// Its past.
    pub ownership: Ownership,
}

/// What may be removed. A directory goes only with what Fitout wrote in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What Fitout wrote and nobody edited since.
    Ours,
    /// Any file or link, and any directory that holds nothing of anybody's: the manifest says so in words.
    Any,
}

impl Absent {
    /// What Fitout wrote and is no longer to be. What somebody else wrote, or edited since, stays and is reported.
    #[must_use]
    pub fn if_ours(path: TargetPath) -> Self {
        Self { path, reach: Reach::Ours, requires: Vec::new(), ownership: Ownership::default() }
    }

    /// What is not to be.
    #[must_use]
    pub fn whoever_wrote_it(path: TargetPath) -> Self {
        Self { reach: Reach::Any, ..Self::if_ours(path) }
    }
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum State {
    /// Nothing.
    Nothing,
    /// What Fitout wrote.
    Ours,
    /// Something of somebody's.
    Theirs,
    /// A directory, with what Fitout wrote in it, in the order in which it can go.
    Tree(Vec<TargetPath>),
    /// A directory, with some of what others put into it.
    Holds(Vec<String>),
}

/// So many things of others in a directory are named.
const SHOWN: usize = 3;

/// What a directory holds.
#[derive(Default)]
struct Contents {
    /// Fitout's, what is inside before what it is in.
    ours: Vec<TargetPath>,
    theirs: Vec<String>,
}

impl Contents {
    /// Looks until it is clear that the directory stays.
    fn of(on: &dyn Probe, directory: &TargetPath) -> Result<Self, ProbeError> {
        let mut found = Self::default();
        found.look(on, directory)?;
        Ok(found)
    }

    fn look(&mut self, on: &dyn Probe, directory: &TargetPath) -> Result<(), ProbeError> {
        for name in on.list(directory)?.unwrap_or_default() {
            if self.theirs.len() >= SHOWN {
                break;
            }
            let path = directory.join(&name).map_err(|e| ProbeError::new(format!("look into {directory}"), e))?;
            match on.stat(&path)?.map(|stat| stat.kind) {
                Some(FileKind::Directory) => self.look(on, &path)?,
                Some(FileKind::File) if is_ours(on, &path)? => self.ours.push(path),
                // Of links there is no ledger: one that is removed is kept aside.
                Some(FileKind::Symlink) => self.ours.push(path),
                Some(FileKind::File | FileKind::Other) => self.theirs.push(path.to_string()),
                None => {}
            }
        }
        self.ours.push(directory.clone());
        Ok(())
    }
}

fn is_ours(on: &dyn Probe, path: &TargetPath) -> Result<bool, ProbeError> {
    let Some(written) = on.written(path)? else { return Ok(false) };
    Ok(written.after == Sha256::of(&on.read(path)?.unwrap_or_default()))
}

/// The name of the claim that nothing is there.
const ABSENT: &str = "absent";

impl Resource for Absent {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("absent", &self.path)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([(ABSENT.to_owned(), "yes".to_owned())])
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.path)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let cannot = |cause: String| ProbeError::new(format!("remove {}", self.path), cause);
        let contents = match on.stat(&self.path)?.map(|stat| stat.kind) {
            None => return Ok(State::Nothing),
            Some(FileKind::File) => return Ok(if is_ours(on, &self.path)? { State::Ours } else { State::Theirs }),
            Some(FileKind::Symlink) => return Ok(State::Theirs),
            Some(kind @ FileKind::Other) => return Err(cannot(format!("{} is there", kind_name(kind)))),
            Some(FileKind::Directory) => Contents::of(on, &self.path)?,
        };
        match (contents.theirs.as_slice(), self.reach) {
            ([], _) => Ok(State::Tree(contents.ours)),
            (theirs, Reach::Any) => {
                Err(cannot(format!("Fitout did not write all that is in it: {}; remove that yourself, or move it away", theirs.join(", "))))
            }
            (theirs, Reach::Ours) => Ok(State::Holds(theirs.to_vec())),
        }
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let gone = |path: &TargetPath, why: &str| Step::new(Change::Remove, Op::Remove { path: path.clone(), proof: None }, why);
        let back = |step: Step| step.claim(ABSENT, format!("somebody put something at {} after it was removed; it stays", self.path));
        match (now, self.reach) {
            (State::Ours, _) => vec![gone(&self.path, "no longer wanted")],
            (State::Theirs, Reach::Any) => vec![back(gone(&self.path, "not to be"))],
            (State::Tree(paths), _) => paths.iter().map(|path| back(gone(path, "not to be"))).collect(),
            (State::Theirs, Reach::Ours) | (State::Nothing | State::Holds(_), _) => Vec::new(),
        }
    }

    fn drift(&self, now: &State) -> Vec<String> {
        match (now, self.reach) {
            (State::Theirs, Reach::Ours) => {
                vec![format!("{} is not to be, but somebody wrote or edited it; it stays as it is", self.path)]
            }
            (State::Holds(theirs), _) => {
                vec![format!("{} is not to be, but somebody wrote or edited {}; it stays as it is", self.path, theirs.join(", "))]
            }
            (State::Nothing | State::Ours | State::Theirs | State::Tree(_), _) => Vec::new(),
        }
    }
}
