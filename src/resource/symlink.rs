//! `symlink`: a symbolic link; another link in its place is replaced at once, anything else is refused.

use super::{Resource, kind_name};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Change, FileKind, Op, Stat, Step};
use crate::target::{Probe, ProbeError};

/// A link as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symlink {
    /// Where.
    pub path: TargetPath,
    /// The text of the link.
    pub to: String,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

impl Resource for Symlink {
    type State = Option<Stat>;

    fn id(&self) -> ResourceId {
        ResourceId::new("symlink", &self.path)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        on.stat(&self.path)
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        let link = |change, why: String| vec![Step::new(change, Op::MakeSymlink { path: self.path.clone(), to: self.to.clone() }, why)];
        match now {
            None => link(Change::Add, "absent".into()),
            Some(stat) if stat.link.as_ref() == Some(&self.to) => Vec::new(),
            Some(Stat { kind: FileKind::Symlink, link: Some(other), .. }) => link(Change::Modify, format!("points at {other}")),
            Some(stat) => link(Change::Replace, format!("is {}", kind_name(stat.kind))),
        }
    }
}
