//! Downloads on the host, by their SHA-256: a file is at its final name only once it was verified, and is verified again when it is taken
//! out for use, for disks and people change files.

mod seen;

mod arrival;

use crate::model::Sha256;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::{NamedTempFile, TempPath};

pub use arrival::{Arrival, Growing, Promise};

/// The store of one host.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// What a look for a blob finds.
#[derive(Debug)]
pub enum Held {
    /// It is there, and is what its name says.
    Whole(File),
    /// It is not there.
    Absent,
    /// It was there, and was something else.
    Damaged(Damaged),
}

/// A blob that was not what its name says.
#[derive(Debug, thiserror::Error)]
#[error("{} in the cache was damaged or replaced, and is removed: its sha256 is {found}, but {expected} was pinned", .path.display())]
pub struct Damaged {
    path: PathBuf,
    expected: Sha256,
    found: Sha256,
}

/// What is to be done about a blob that is damaged, where no network may be asked.
pub const FETCH_AGAIN: &str = "let `fitout fetch` bring it into the cache again where there is a network, or apply without --offline";

/// Where the store is unless a setting says otherwise.
pub const DEFAULT: &str = "/var/cache/fitout";

/// What stands at the end of the name of a note.
const NOTE: &str = ".note";
/// How long a part of a download waits for the run that goes on with it.
const KEPT: Duration = Duration::from_hours(7 * 24);

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

    /// Looks for a blob and verifies it, once a process while nobody changes it; one that is damaged is removed.
    ///
    /// # Errors
    /// It is there and cannot be read, or cannot be removed.
    pub fn look(&self, digest: &Sha256) -> io::Result<Held> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Held::Absent),
            Err(e) => return Err(e),
        };
        match seen::found(&file, digest)? {
            found if found == *digest => Ok(Held::Whole(file)),
            found => {
                seen::remove(&path, &file)?;
                Ok(Held::Damaged(Damaged { path, expected: *digest, found }))
            }
        }
    }

    /// Takes a blob out for use.
    ///
    /// # Errors
    /// It is not there, is damaged, or cannot be read.
    pub fn take(&self, digest: &Sha256) -> io::Result<File> {
        match self.look(digest)? {
            Held::Whole(file) => Ok(file),
            Held::Absent => Err(io::Error::new(io::ErrorKind::NotFound, "it is not in the store")),
            Held::Damaged(damaged) => Err(io::Error::other(format!("{damaged}: {FETCH_AGAIN}"))),
        }
    }

    /// The number of the device that this is on, or will be; `None` where that cannot be told.
    #[must_use]
    pub fn device(&self) -> Option<u64> {
        let folder = std::path::absolute(&self.folder).ok()?;
        folder.ancestors().find_map(|folder| fs::metadata(folder).ok()).map(|data| data.dev())
    }

    /// The way of a blob here, as far as this process brings it.
    #[must_use]
    pub fn arrival(&self, digest: &Sha256) -> Arc<Arrival> {
        arrival::at(self.path(digest))
    }

    /// A fresh file in the store's own folder, to be filled and then [published](Self::publish).
    ///
    /// What killed runs left there is removed: a file on its way is locked by whoever fills it.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn incoming(&self) -> io::Result<NamedTempFile> {
        let (folder, _alone) = self.enter()?;
        fresh_in(&folder)
    }

    /// The file of a download, with what an earlier run left in it; an empty one where another process fills that.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn partial(&self, digest: &Sha256) -> io::Result<NamedTempFile> {
        let (folder, _alone) = self.enter()?;
        let path = folder.join(digest.to_string());
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) if is_at(&path, &file)? => Ok(NamedTempFile::from_parts(file, TempPath::try_from_path(path)?)),
            Ok(()) | Err(TryLockError::WouldBlock) => fresh_in(&folder),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Keeps a word about a download that is not whole; it goes when the download is.
    ///
    /// # Errors
    /// It was not written.
    pub fn note(&self, digest: &Sha256, text: &str) -> io::Result<()> {
        fs::write(self.note_path(digest), text)
    }

    /// What was noted of a download that is not whole.
    #[must_use]
    pub fn noted(&self, digest: &Sha256) -> Option<String> {
        fs::read_to_string(self.note_path(digest)).ok()
    }

    fn note_path(&self, digest: &Sha256) -> PathBuf {
        self.folder.join("incoming").join(format!("{digest}{NOTE}"))
    }

    /// The folder of what is on its way, and the right to be alone in it: held until a fresh file is locked, so that no other run
    /// takes it for a leftover.
    fn enter(&self) -> io::Result<(PathBuf, File)> {
        let folder = self.folder.join("incoming");
        fs::create_dir_all(&folder)?;
        let alone = File::open(&folder)?;
        alone.lock()?;
        for entry in fs::read_dir(&folder)? {
            remove_if_abandoned(&entry?.path())?;
        }
        Ok((folder, alone))
    }

    /// Gives a filled and verified file its final name.
    ///
    /// # Errors
    /// It could not be synced or renamed.
    pub fn publish(&self, file: NamedTempFile, digest: &Sha256) -> io::Result<PathBuf> {
        let path = self.path(digest);
        fs::create_dir_all(self.folder.join("blobs"))?;
        file.as_file().sync_all()?;
        seen::publish(file, &path, digest)?;
        self.forget(digest)?;
        Ok(path)
    }

    /// Forgets what was noted of a download.
    ///
    /// # Errors
    /// It is still there.
    pub fn forget(&self, digest: &Sha256) -> io::Result<()> {
        match fs::remove_file(self.note_path(digest)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

fn fresh_in(folder: &Path) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::new_in(folder)?;
    file.as_file().lock()?;
    Ok(file)
}

/// Removes a file that nobody fills any more, and that nobody may go on with.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let remove = |file: File| if file.try_lock().is_ok() && !may_go_on(path, &file) { fs::remove_file(path) } else { Ok(()) };
    match File::open(path).and_then(remove) {
        // Published or given up meanwhile: at the first look, or between it and the lock.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether an open file still has this name. Whoever filled it may have published it before it was locked here: it is a blob then, and to
/// be written by nobody.
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a file is a part of a download, or what was noted of one, and not too old to be gone on with.
fn may_go_on(path: &Path, file: &File) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_part = Sha256::parse(name.strip_suffix(NOTE).unwrap_or(name)).is_ok();
    let age = || file.metadata()?.modified()?.elapsed().map_err(io::Error::other);
    is_part && age().is_ok_and(|age| age < KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_download_is_gone_on_with_unless_another_fills_it() {
        use std::io::{Seek, Write};
        let folder = tempfile::tempdir().unwrap();
        let (store, digest) = (Store::at(folder.path()), Sha256::of(b"whole"));
        let mut part = store.partial(&digest).unwrap();
        part.write_all(b"who").unwrap();
        assert_eq!(store.partial(&digest).unwrap().as_file().metadata().unwrap().len(), 0);
        drop(part.keep().unwrap());
        store.note(&digest, "tag").unwrap();
        drop(store.incoming().unwrap());
        let mut part = store.partial(&digest).unwrap();
        assert_eq!(
            (std::io::read_to_string(part.reopen().unwrap()).unwrap().as_str(), store.noted(&digest).as_deref()),
            ("who", Some("tag"))
        );
        part.seek(std::io::SeekFrom::End(0)).unwrap();
        part.write_all(b"le").unwrap();
        store.publish(part, &digest).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        assert_eq!(fs::read(store.path(&digest)).unwrap(), b"whole");
    }

    #[test]
    fn a_download_that_was_published_meanwhile_is_written_by_nobody() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let (store, digest) = (Store::at(folder.path()), Sha256::of(b"whole"));
        let mut part = store.partial(&digest).unwrap();
        part.write_all(b"whole").unwrap();
        let late = File::open(part.path()).unwrap();
        let name = part.path().to_owned();
        assert!(is_at(&name, &late).unwrap());
        store.publish(part, &digest).unwrap();
        assert!(late.try_lock().is_ok() && !is_at(&name, &late).unwrap());
    }

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
        assert!(matches!(store.look(&Sha256::of(b"")).unwrap(), Held::Whole(_)));
    }

    #[test]
    fn what_was_damaged_is_found_out_and_removed() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let (store, digest) = (Store::at(folder.path()), Sha256::of(b"good"));
        let put = || {
            let mut file = store.incoming().unwrap();
            file.write_all(b"good").unwrap();
            store.publish(file, &digest).unwrap()
        };
        let path = put();
        assert_eq!(io::read_to_string(store.take(&digest).unwrap()).unwrap(), "good");
        // Written over, and replaced by another of the same length.
        fs::write(&path, "longer").unwrap();
        let said = store.take(&digest).unwrap_err().to_string();
        assert!(said.contains(&Sha256::of(b"longer").to_string()) && said.contains(&digest.to_string()), "{said}");
        assert!(!path.exists() && matches!(store.look(&digest).unwrap(), Held::Absent));
        put();
        let other = folder.path().join("other");
        fs::write(&other, "evil").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(matches!(store.look(&digest).unwrap(), Held::Damaged(_)) && !path.exists());
    }
}
