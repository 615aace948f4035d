//! The folder in which one bake works: its own, on the file system of the results, swept when the bake has ended, however it ended.

use crate::model::TargetPath;
use crate::target::{OpError, Rooted};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder of work, and the lock that keeps two bakes of one image apart.
#[derive(Debug)]
pub struct Workshop {
    folder: TempDir,
    _lock: Flock<File>,
    out: PathBuf,
}

impl Workshop {
    /// Opens a fresh folder for the image `name` in `out`, and sweeps those that killed bakes left.
    ///
    /// # Errors
    /// Another bake of this image is at work, or the folder cannot be made.
    pub fn open(out: &Path, name: &str) -> Result<Self, OpError> {
        let act = || format!("work in {}", out.display());
        let broken = |e: io::Error| OpError::new(act(), e);
        fs::create_dir_all(out).map_err(broken)?;
        let out = fs::canonicalize(out).map_err(broken)?;
        let lock = File::create(out.join(format!(".{name}.lock"))).map_err(broken)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, e)| OpError::new(act(), e).hint(format!("another bake of {name} is at work there")))?;
        // Each bake has a name of its own: a tool that outlived a killed bake cannot write into the next one's folder.
        let prefix = format!(".{name}.bake-");
        for entry in fs::read_dir(&out).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(broken)? {
            let entry = entry.file_name().to_string_lossy().into_owned();
            if entry.starts_with(&prefix) {
                sweep(&out, &entry)?;
            }
        }
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&out).map_err(broken)?;
        Ok(Self { folder, _lock: lock, out })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root of the image.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder().join("root")
    }

    /// Gives a finished file of the folder its final name.
    ///
    /// # Errors
    /// It is not there.
    pub fn publish(&self, name: &str) -> io::Result<PathBuf> {
        let (from, to) = (self.folder().join(name), self.out.join(name));
        File::open(&from)?.sync_all()?;
        fs::rename(from, &to)?;
        File::open(&self.out)?.sync_all()?;
        Ok(to)
    }
}

/// Removes what a killed bake left. A mount in it is left alone, with all that it hides, and told.
fn sweep(out: &Path, name: &str) -> Result<(), OpError> {
    let files = Rooted::open(out).map_err(|e| OpError::new(format!("open {}", out.display()), e))?;
    let path = TargetPath::parse(&format!("/{name}")).map_err(|e| OpError::new("use a path", e))?;
    let hint = format!("if something is mounted below {}, unmount it", out.join(name).display());
    files.remove_tree(&path).map_err(|error| OpError::from(error).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_what_was_left_and_admits_one() {
        let out = tempfile::tempdir().unwrap();
        let left = out.path().join(".a.bake-old/root");
        fs::create_dir_all(&left).unwrap();
        let first = Workshop::open(out.path(), "a").unwrap();
        assert!(!left.exists());
        assert!(Workshop::open(out.path(), "a").is_err());
        Workshop::open(out.path(), "b").unwrap();
        fs::write(first.folder().join("a.raw"), "x").unwrap();
        assert!(first.publish("a.raw").unwrap().ends_with("a.raw"));
        drop(first);
        let names: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().contains("bake-")), "{names:?}");
    }
}
