//! `disk.guards`: room that must stay free, kept in a file that the agent and `fitout disk` read.

use super::{Context, Item, Recipe};
use crate::model::{ByteSize, TargetPath};
use crate::problem::Problem;
use crate::resource::{Guard, Spec};

/// One item of `disk.guards`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskGuard {
    /// A directory of the file system that is meant.
    pub mount: TargetPath,
    /// What must stay free on it.
    pub minimum_free: ByteSize,
}

impl Recipe for DiskGuard {
    fn item(&self) -> Item {
        Item::of("disk.guards", &self.mount)
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        Ok(vec![Spec::Guard(Guard { mount: self.mount.clone(), minimum_free: self.minimum_free })])
    }
}
