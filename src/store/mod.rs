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
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn incoming(&self) -> io::Result<tempfile::NamedTempFile> {
        let folder = self.folder.join("incoming");
        fs::create_dir_all(&folder)?;
        tempfile::NamedTempFile::new_in(folder)
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
