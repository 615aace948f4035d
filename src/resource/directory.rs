//! `directory`: a directory with its mode and owner; what is in it is not its business.

use super::{Ownership, PRESENT, Resource, in_the_way, kind_name, meta_claims, meta_step, owner_ids};
use crate::model::{Meta, ResourceId, TargetPath};
use crate::step::{Change, FileKind, Op, Stat, Step};
use crate::target::{Claims, Probe, ProbeError};

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

impl Resource for Directory {
    type State = (Option<Stat>, Option<(u32, u32)>);

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

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        match on.stat(&self.path)? {
            Some(stat) if stat.kind != FileKind::Directory => Err(in_the_way(&self.path, kind_name(stat.kind))),
            stat => Ok((stat, owner_ids(on, &self.meta.owner)?)),
        }
    }

    fn diff(&self, (stat, owner): &Self::State) -> Vec<Step> {
        match stat {
            None => {
                let op = Op::MakeDirectory { path: self.path.clone(), meta: self.meta.clone() };
                vec![Step::new(Change::Add, op, "absent").claim(PRESENT, format!("{} was removed; it stays so", self.path))]
            }
            Some(stat) => meta_step(&self.path, stat, &self.meta, *owner).into_iter().collect(),
        }
    }
}
