//! What work takes out of the store, verified before anything is done.

use super::SessionError;
use crate::model::Sha256;
use crate::step::Blob;
use crate::store::{Held, Store};
use crate::target::OpError;
use std::collections::BTreeMap;
use std::io;

/// A download that the store cannot give.
#[derive(Debug)]
pub struct Lack<'b> {
    /// Which.
    pub blob: &'b Blob,
    /// What was there instead.
    pub damage: Option<String>,
}

/// The downloads that the store cannot give, each once. All others are verified; what is damaged is removed.
///
/// # Errors
/// The store cannot be read.
pub fn lacking<'b>(store: &Store, blobs: impl IntoIterator<Item = &'b Blob>) -> io::Result<Vec<Lack<'b>>> {
    let each: BTreeMap<Sha256, &Blob> = blobs.into_iter().map(|blob| (blob.sha256, blob)).collect();
    let look = |blob: &'b Blob| {
        Ok(match store.look(&blob.sha256)? {
            Held::Whole(_) => None,
            Held::Absent => Some(Lack { blob, damage: None }),
            Held::Damaged(damaged) => Some(Lack { blob, damage: Some(damaged.to_string()) }),
        })
    };
    each.into_values().filter_map(|blob| look(blob).transpose()).collect()
}

/// The same, as a reason not to go on.
///
/// # Errors
/// The store cannot be read.
pub(super) fn looked_for<'b>(store: &Store, blobs: impl IntoIterator<Item = &'b Blob>) -> Result<Vec<Lack<'b>>, OpError> {
    lacking(store, blobs).map_err(|e| OpError::new(format!("look for downloads in {}", store.folder().display()), e))
}

/// What is lacking, where no network may be asked for it.
pub(super) fn missing(lacks: &[Lack<'_>]) -> SessionError {
    let said = |lack: &Lack<'_>| match &lack.damage {
        Some(damage) => format!("{}: {damage}", lack.blob.url),
        None => lack.blob.url.clone(),
    };
    let mut missing: Vec<String> = lacks.iter().map(said).collect();
    missing.sort();
    SessionError::Missing(missing)
}
