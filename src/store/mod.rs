//! Downloads on the host, by their SHA-256: a file is at its final name only once it was verified.

use crate::model::Sha256;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The store of one host.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// Where the store is unless a setting says otherwise.
pub const DEFAULT: &str = "/var/cache/fitout";

impl Store {
    /// The store in a folder of the host, made when first written to.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder itself, for caches that libraries keep beside the blobs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Sha256) -> PathBuf {
        self.folder.join("blobs").join(digest.to_string())
    }

    /// Opens a blob; `None` if it is not there. What is there was verified when it came.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub fn open(&self, digest: &Sha256) -> io::Result<Option<File>> {
        match File::open(self.path(digest)) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A fresh file in the store's own folder, to be filled and then [published](Self::publish).
    ///
    /// What killed runs left there is removed: a file on its way is locked by whoever fills it.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn incoming(&self) -> io::Result<tempfile::NamedTempFile> {
        let folder = self.folder.join("incoming");
        fs::create_dir_all(&folder)?;
        // Held until the fresh file is locked, so that no other run takes it for a leftover.
        let alone = File::open(&folder)?;
        alone.lock()?;
        for entry in fs::read_dir(&folder)? {
            remove_if_abandoned(&entry?.path())?;
        }
        let file = tempfile::NamedTempFile::new_in(&folder)?;
        file.as_file().lock()?;
        Ok(file)
    }

    /// Gives a filled and verified file its final name.
    ///
    /// # Errors
    /// It could not be synced or renamed.
    pub fn publish(&self, file: tempfile::NamedTempFile, digest: &Sha256) -> io::Result<PathBuf> {
        let path = self.path(digest);
        fs::create_dir_all(self.folder.join("blobs"))?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(path)
    }
}

/// Removes a file that nobody fills any more.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Ok(file) if file.try_lock().is_ok() => fs::remove_file(path),
        Ok(_) => Ok(()),
        // Published or given up meanwhile.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_fills_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let filled = store.incoming().unwrap();
        let (left, path) = store.incoming().unwrap().keep().unwrap();
        drop(store.incoming().unwrap());
        assert!(filled.path().exists() && path.exists());
        drop(left);
        drop(store.incoming().unwrap());
        assert!(filled.path().exists() && !path.exists());
        store.publish(filled, &Sha256::of(b"")).unwrap();
        assert!(store.open(&Sha256::of(b"")).unwrap().is_some());
    }
}
