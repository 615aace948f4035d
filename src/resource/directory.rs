//! `directory`: a directory with its mode and owner; what is in it is not its business.

use super::{Resource, kind_name, meta_gap, owner_ids};
use crate::model::{Meta, ResourceId, TargetPath};
use crate::step::{Change, FileKind, Op, Stat, Step};
use crate::target::{Probe, ProbeError};

/// A directory as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where.
    pub path: TargetPath,
    /// Mode and owner.
    pub meta: Meta,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

impl Resource for Directory {
    type State = (Option<Stat>, Option<(u32, u32)>);

    fn id(&self) -> ResourceId {
        ResourceId::new("directory", &self.path)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        Ok((on.stat(&self.path)?, owner_ids(on, &self.meta.owner)?))
    }

    fn diff(&self, (stat, owner): &Self::State) -> Vec<Step> {
        let make = |change, why: &str| vec![Step::new(change, Op::MakeDirectory { path: self.path.clone(), meta: self.meta.clone() }, why)];
        match stat {
            None => make(Change::Add, "absent"),
            // The target refuses: what a path holds is somebody's.
            Some(stat) if stat.kind != FileKind::Directory => make(Change::Replace, &format!("is {}", kind_name(stat.kind))),
            Some(stat) => {
                let gap = meta_gap(stat, &self.meta, *owner);
                gap.map(|why| Step::new(Change::Modify, Op::SetMeta { path: self.path.clone(), meta: self.meta.clone() }, why))
                    .into_iter()
                    .collect()
            }
        }
    }
}
