//! What this process verified already: a blob is hashed once, and again when its file is another or was changed.

use crate::model::Sha256;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;

/// What tells a file, and a file that was changed: device, inode, length and the time of its last change, which no program can set.
type Stamp = (u64, u64, u64, i64, i64);

/// The digests of files, as they were when they were read or written.
static SEEN: Mutex<BTreeMap<Stamp, Sha256>> = Mutex::new(BTreeMap::new());

fn seen() -> MutexGuard<'static, BTreeMap<Stamp, Sha256>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stamp(data: &fs::Metadata) -> Stamp {
    (data.dev(), data.ino(), data.len(), data.ctime(), data.ctime_nsec())
}

/// The digest of a file, which is then at its beginning; one that is what it should be is not read twice.
pub fn found(mut file: &File, wanted: &Sha256) -> io::Result<Sha256> {
    let stamp = stamp(&file.metadata()?);
    if seen().get(&stamp) == Some(wanted) {
        return Ok(*wanted);
    }
    let found = Sha256::of_reader(file)?;
    file.rewind()?;
    if found == *wanted {
        seen().insert(stamp, found);
    }
    Ok(found)
}

/// Gives a verified file its name. Nobody removes it for what was there before.
pub fn publish(file: NamedTempFile, path: &Path, digest: &Sha256) -> io::Result<()> {
    let mut seen = seen();
    let file = file.persist(path).map_err(|e| e.error)?;
    seen.insert(stamp(&file.metadata()?), *digest);
    Ok(())
}

/// Removes a file, unless another has taken its name.
pub fn remove(path: &Path, file: &File) -> io::Result<()> {
    let _alone = seen();
    match fs::metadata(path) {
        Ok(there) if stamp(&there) == stamp(&file.metadata()?) => fs::remove_file(path),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(_) | Err(_) => Ok(()),
    }
}
