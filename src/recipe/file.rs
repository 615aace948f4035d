//! `files`: single files with given content.

use super::{Context, Recipe};
use crate::model::{HomePath, Meta, Mode, Owner};
use crate::problem::Problem;
use crate::resource::{File, Policy, Spec};
use crate::step::Content;

/// One item of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedFile {
    /// Where.
    pub path: HomePath,
    /// What it holds.
    pub content: Content,
    /// Permission bits.
    pub mode: Mode,
    /// Whose; by default the owner's below `~`, else root's.
    pub owner: Option<Owner>,
    /// Whether it is kept up to date or only made once.
    pub policy: Policy,
}

impl Recipe for ManagedFile {
    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let natural = match (self.path.is_home(), context.owner) {
            (true, Some(name)) => Owner::User(name.clone()),
            _ => Owner::Root,
        };
        let owner = self.owner.clone().unwrap_or(natural);
        let path = self.path.within(context.home);
        Ok(vec![Spec::File(File { policy: self.policy, ..File::new(path, self.content.clone(), Meta::of(owner, self.mode)) })])
    }
}
