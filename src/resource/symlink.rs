//! `symlink`: a symbolic link; another link in its place is replaced at once, anything else is refused.

use super::{Ownership, PRESENT, Resource, in_the_way, kind_name};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Change, FileKind, Op, Step};
use crate::target::{Claims, Probe, ProbeError};

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

impl Resource for Symlink {
    /// Where it points.
    type State = Option<String>;

    fn id(&self) -> ResourceId {
        ResourceId::new("symlink", &self.path)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        Claims::from([(PRESENT.to_owned(), self.to.clone())])
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        match on.stat(&self.path)? {
            Some(stat) if stat.kind != FileKind::Symlink => Err(in_the_way(&self.path, kind_name(stat.kind))),
            stat => Ok(stat.and_then(|stat| stat.link)),
        }
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        let link = |change, why: String| {
            let drift = format!("{} was changed or removed; it stays so", self.path);
            vec![Step::new(change, Op::MakeSymlink { path: self.path.clone(), to: self.to.clone() }, why).claim(PRESENT, drift)]
        };
        match now {
            None => link(Change::Add, "absent".into()),
            Some(to) if *to == self.to || Some(to) == self.also.as_ref() => Vec::new(),
            Some(other) => link(Change::Modify, format!("points at {other}")),
        }
    }
}
