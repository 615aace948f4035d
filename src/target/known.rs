//! What was made of a machine's databases, for as long as their files stay the same: a thousand files of one owner ask for passwd a thousand
//! times.
//!
//! A file counts as the same while its inode, size and times are. Times have the grain of the kernel's clock, so whoever changes the machine
//! says so besides, with [`Known::forget`].

use super::ProbeError;
use super::fs::{Rooted, Stamp};
use crate::model::TargetPath;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stamps of files, and what was made of them.
type Kept<T> = Option<(Vec<Option<Stamp>>, Arc<T>)>;

/// Something made of some files.
#[derive(Debug)]
pub struct Known<T>(Mutex<Kept<T>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Known<T> {
    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was made of `paths` as they are now; made by `read` where they are not what they were.
    ///
    /// # Errors
    /// They cannot be looked at, and what `read` says.
    pub fn get(&self, files: &Rooted, paths: &[&str], read: impl FnOnce() -> Result<T, ProbeError>) -> Result<Arc<T>, ProbeError> {
        let stamp = |path: &&str| files.stamp(&TargetPath::parse(path).map_err(|e| ProbeError::new("use a path", e))?);
        // Taken before reading: a change in between makes the next look read again.
        let stamps: Vec<Option<Stamp>> = paths.iter().map(stamp).collect::<Result<_, _>>()?;
        if let Some((before, known)) = &*self.kept()
            && *before == stamps
        {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(read()?);
        *self.kept() = Some((stamps, Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// The files may have changed.
    pub fn forget(&self) {
        *self.kept() = None;
    }
}
