//! Whose files root takes orders from: its own, and those of the person who asked by sudo; never what somebody else may have written.
//!
//! Whoever writes a manifest, or replaces it by another file, is root on the machine that it is applied to. `sudo` and `sshd` judge their own
//! files the same way.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who may have written what is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Writers {
    /// Anybody: it is only looked at.
    #[default]
    Anybody,
    /// Root and these users: what it says is done.
    Root(Vec<u32>),
}

/// What programs that make a person root tell of that person.
const ASKED_BY: [&str; 2] = ["SUDO_UID", "PKEXEC_UID"];
/// Write permission of a group and of all others.
const GROUP: u32 = 0o020;
const OTHERS: u32 = 0o002;
/// Names in a folder with this bit are removed and replaced by their owners only.
const STICKY: u32 = 0o1000;

/// Why a file gives no orders.
#[derive(Debug, thiserror::Error)]
#[error("{0}, and what is in it is done as root")]
pub struct Doubt(String);

impl Doubt {
    /// Whether this is why a file was not read.
    #[must_use]
    pub fn is_why(error: &io::Error) -> bool {
        matches!(error.get_ref(), Some(why) if why.is::<Self>())
    }
}

impl Writers {
    /// Those who may give orders to the user that this process runs as. A user who is not root only takes orders from themselves.
    #[must_use]
    pub fn of_orders() -> Self {
        if !nix::unistd::geteuid().is_root() {
            return Self::Anybody;
        }
        Self::Root(ASKED_BY.iter().filter_map(|name| std::env::var(name).ok()?.parse().ok()).collect())
    }

    /// Refuses an open file that somebody else may have written.
    ///
    /// # Errors
    /// They may; or it cannot be looked at.
    pub fn check(&self, file: &File) -> io::Result<()> {
        let seen = file.metadata()?;
        // A pipe belongs to whoever reads from it.
        if seen.is_file() { self.judge(&seen, "it") } else { Ok(()) }
    }

    /// Refuses a folder that somebody else may write to, or one above it: they may put another file in the place of one.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_folder(&self, folder: &Path) -> io::Result<()> {
        if *self == Self::Anybody {
            return Ok(());
        }
        folder
            .canonicalize()?
            .ancestors()
            .try_for_each(|folder| self.judge(&folder.metadata()?, &format!("its folder {}", folder.display())))
    }

    fn judge(&self, seen: &Metadata, what: &str) -> io::Result<()> {
        let Self::Root(others) = self else { return Ok(()) };
        let doubt = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, Doubt(why)));
        let (uid, gid, mode) = (seen.uid(), seen.gid(), seen.mode());
        if uid != 0 && !others.contains(&uid) {
            return doubt(format!("{what} belongs to user {uid}"));
        }
        // A group with the number of its user is that user's alone, on distributions that let it write.
        let group = if gid == 0 || gid == uid { 0 } else { GROUP };
        if mode & (group | OTHERS) != 0 && !(seen.is_dir() && mode & STICKY != 0) {
            return doubt(format!("others than its owner may write to {what} (mode {:04o})", mode & 0o7777));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn orders_come_from_root_and_who_asked() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (inner, path) = (folder.path().join("inner"), folder.path().join("inner/lab.yaml"));
        fs::create_dir(&inner).unwrap();
        fs::write(&path, "").unwrap();
        let roots = Writers::Root(vec![1000]);
        let said = |file: (u32, u32, u32), above: (u32, u32, u32)| {
            for (at, (uid, gid, mode)) in [(&path, file), (&inner, above)] {
                chown(at, Some(uid), Some(gid)).unwrap();
                fs::set_permissions(at, Permissions::from_mode(mode)).unwrap();
            }
            let file = File::open(&path).unwrap();
            Writers::Anybody.check(&file).and_then(|()| Writers::Anybody.check_folder(&inner)).unwrap();
            let judged = roots.check(&file).and_then(|()| roots.check_folder(&inner));
            judged.map_or_else(|error| error.to_string(), |()| String::new()).replace(inner.to_str().unwrap(), "DIR")
        };
        let (root, mine) = ((0, 0, 0o755), (1000, 1000, 0o775));
        for good in [(0, 0, 0o644), (0, 0, 0o664), (1000, 1000, 0o664), (1000, 50, 0o640), (0, 50, 0o644)] {
            assert_eq!((said(good, root), said(good, mine)), (String::new(), String::new()), "{good:?}");
        }
        assert_eq!(said((0, 0, 0o644), (0, 0, 0o1777)), "");
        assert_eq!(said((1001, 0, 0o600), root), "it belongs to user 1001, and what is in it is done as root");
        assert_eq!(said((0, 50, 0o664), root), "others than its owner may write to it (mode 0664), and what is in it is done as root");
        assert_eq!(said((1000, 1000, 0o646), root), "others than its owner may write to it (mode 0646), and what is in it is done as root");
        assert_eq!(said((0, 0, 0o644), (1001, 0, 0o755)), "its folder DIR belongs to user 1001, and what is in it is done as root");
        assert!(said((0, 0, 0o644), (0, 50, 0o775)).starts_with("others than its owner may write to its folder DIR (mode 0775)"));
    }
}
