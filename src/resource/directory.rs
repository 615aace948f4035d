//! `directory`: a directory with its mode and owner; what is in it is not its business.

use super::{Resource, in_the_way, kind_name, meta_gap, owner_ids};
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
        match on.stat(&self.path)? {
            Some(stat) if stat.kind != FileKind::Directory => Err(in_the_way(&self.path, kind_name(stat.kind))),
            stat => Ok((stat, owner_ids(on, &self.meta.owner)?)),
        }
    }

    fn diff(&self, (stat, owner): &Self::State) -> Vec<Step> {
        match stat {
            None => vec![Step::new(Change::Add, Op::MakeDirectory { path: self.path.clone(), meta: self.meta.clone() }, "absent")],
            Some(stat) => {
                let gap = meta_gap(stat, &self.meta, *owner);
                gap.map(|why| Step::new(Change::Modify, Op::SetMeta { path: self.path.clone(), meta: self.meta.clone() }, why))
                    .into_iter()
                    .collect()
            }
        }
    }
}
