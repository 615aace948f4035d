//! Images: one definition becomes disks that boot, through named stages that are data.
//!
//! The root of an image is a target like any other: its boot parts and its manifest go through the same engine as a living
//! machine's. What needs the machine itself is deferred, and the agent in the image ends it at first boot.
//!
//! Everything is made in one folder beside the results, on the same file system, and each result is renamed into its place when it
//! is whole: a kill leaves nothing half at a final name, and the next bake sweeps the folder.

mod base;
mod boot;
mod disk;
mod format;
mod identities;
mod parts;
mod seal;
mod stage;
mod tools;
mod workshop;

use crate::apply::Observers;
use crate::manifest::{ImageDefinition, Manifest};
use crate::model::ByteSize;
use crate::session::{Installable, SessionError};
use crate::store::Store;
use crate::target::OpError;
use std::path::{Path, PathBuf};

pub use disk::RawDisk;
pub use format::{Format, writer};
pub use stage::{STAGES, Stage};

/// What a bake is made from.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The image.
    pub definition: &'a ImageDefinition,
    /// Its manifest, loaded.
    pub manifest: &'a Manifest,
    /// Its manifest, as it travels.
    pub bundle: &'a Installable,
    /// Where the results go.
    pub out: &'a Path,
    /// Downloads.
    pub store: &'a Store,
}

/// A finished image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Artifact {
    /// Where it is.
    pub path: PathBuf,
    /// What it takes of the disk here.
    pub stored: ByteSize,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// A stage failed.
    #[error(transparent)]
    Stage(#[from] OpError),
    /// The manifest does not fit the image.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Resources of the image failed; the first is named, events told of all.
    #[error(transparent)]
    Failed(OpError),
}

/// Makes an image in all its formats.
///
/// # Errors
/// The first stage that failed; nothing new is at a final name.
pub fn bake(recipe: &Recipe<'_>, observers: &Observers) -> Result<Vec<Artifact>, BakeError> {
    tools::require()?;
    let workshop = workshop::Workshop::open(recipe.out, &recipe.definition.name)?;
    stage::run_all(recipe, &workshop, observers)
}
