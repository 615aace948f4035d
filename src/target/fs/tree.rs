//! Whole trees: seen onto the disk, removed, given away, moved.

use super::write::{open_directory, remove_at, sync};
use super::{Ids, Rooted, failed, kind_of, names};
use crate::model::TargetPath;
use crate::step::FileKind;
use crate::target::ProbeError;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode as Bits, fchmod, fstatat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, syncfs, unlinkat};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use xattr::FileExt;

impl Rooted {
    /// Sees everything on the file system of a path onto the disk.
    ///
    /// # Errors
    /// Some of it may not be there.
    pub fn sync_tree(&self, path: &TargetPath) -> Result<(), ProbeError> {
        let fd = self.lookup(path.relative(), OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(|e| failed("open", path, e))?;
        nix::unistd::syncfs(&fd).map_err(|e| failed("sync", path, e))
    }

    /// Removes a directory and all in it, never following a link and never leaving its file system; absence is fine.
    ///
    /// # Errors
    /// Something of it is still there.
    pub fn remove_tree(&self, path: &TargetPath) -> Result<(), ProbeError> {
        let Some((above, name)) = self.parent(path)? else { return Ok(()) };
        remove_tree_at(&above, &name).map_err(|e| failed("remove", path, e))
    }

    /// Gives a whole tree to an owner, links themselves included.
    ///
    /// # Errors
    /// Some of it may not be given.
    pub fn own_tree(&self, path: &TargetPath, ids: Ids) -> Result<(), ProbeError> {
        let Some((above, name)) = self.parent(path)? else { return Ok(()) };
        own_at(&above, &name, ids).map_err(|e| failed("give away", path, e))
    }

    /// Moves a file, a link or a whole tree to a place where nothing is. Where the two are on different file systems (to which a directory
    /// of an overlay's lower layer counts) it is copied, and removed when the copy is whole.
    ///
    /// # Errors
    /// It is where it was; or whole in its new place, and a part of it still in the old one.
    pub fn move_tree(&self, from: &TargetPath, to: &TargetPath) -> Result<(), ProbeError> {
        let (source, old) = self.parent(from)?.ok_or_else(|| failed("move", from, "it is absent"))?;
        let (above, new) = self.parent_made(to)?;
        let moved = match renameat(&source, old.as_str(), &above, new.as_str()) {
            Err(Errno::EXDEV) => copy_across((&source, &old), (&above, &new)),
            other => other.map_err(io::Error::from),
        };
        moved.and_then(|()| Ok(sync(&above).and_then(|()| sync(&source))?)).map_err(|e| failed(&format!("move {from} to"), to, e))
    }
}

fn remove_tree_at(above: &OwnedFd, name: &str) -> Result<(), Errno> {
    let directory = match open_directory(above, name) {
        Ok(directory) => directory,
        Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::ENOTDIR | Errno::ELOOP) => return remove_at(above, name),
        Err(e) => return Err(e),
    };
    if fstatat(&directory, "", AtFlags::AT_EMPTY_PATH)?.st_dev != fstatat(above, "", AtFlags::AT_EMPTY_PATH)?.st_dev {
        return Err(Errno::EXDEV);
    }
    for entry in names(directory.try_clone().map_err(|_| Errno::EMFILE)?)? {
        match unlinkat(&directory, entry.as_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR | Errno::EPERM) => remove_tree_at(&directory, &entry)?,
            Err(Errno::ENOENT) | Ok(()) => {}
            Err(e) => return Err(e),
        }
    }
    unlinkat(above, name, UnlinkatFlags::RemoveDir)
}

fn own_at(above: &OwnedFd, name: &str, ids: Ids) -> Result<(), Errno> {
    let (uid, gid) = (Some(Uid::from_raw(ids.0)), Some(Gid::from_raw(ids.1)));
    fchownat(above, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    match open_directory(above, name) {
        Ok(directory) => {
            let entries = names(directory.try_clone().map_err(|_| Errno::EMFILE)?)?;
            entries.iter().try_for_each(|entry| own_at(&directory, entry, ids))
        }
        Err(Errno::ENOTDIR | Errno::ELOOP) => Ok(()),
        Err(e) => Err(e),
    }
}

/// A name in an open directory.
type At<'a> = (&'a OwnedFd, &'a str);

/// Moves to another file system: what is in the new place is whole from the moment in which it is there.
fn copy_across((source, old): At<'_>, (above, new): At<'_>) -> io::Result<()> {
    let fresh = format!(".{new}.fitout-new");
    remove_tree_at(above, &fresh)?;
    copy_at((source, old), (above, &fresh))?;
    syncfs(&open_directory(above, ".")?)?;
    renameat(above, fresh.as_str(), above, new)?;
    Ok(remove_tree_at(source, old)?)
}

/// Copies what is there, with owners, modes, times and attributes; no link is followed, and no other file system entered.
fn copy_at((source, old): At<'_>, (above, new): At<'_>) -> io::Result<()> {
    let raw = fstatat(source, old, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let (uid, gid) = (Some(Uid::from_raw(raw.st_uid)), Some(Gid::from_raw(raw.st_gid)));
    match kind_of(&raw) {
        FileKind::Symlink => {
            symlinkat(readlinkat(source, old)?.as_os_str(), above, new)?;
            Ok(fchownat(above, new, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?)
        }
        FileKind::File => {
            let mut from = File::from(openat(source, old, OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Bits::empty())?);
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mut to = File::from(openat(above, new, flags, Bits::from_bits_truncate(0o600))?);
            io::copy(&mut from, &mut to)?;
            dress_as(&from, &to, &raw)
        }
        FileKind::Directory => {
            let from = open_directory(source, old)?;
            if fstatat(source, "", AtFlags::AT_EMPTY_PATH)?.st_dev != raw.st_dev {
                return Err(io::Error::other(format!("another file system is mounted at its {old}")));
            }
            mkdirat(above, new, Bits::S_IRWXU)?;
            let to = open_directory(above, new)?;
            for name in names(from.try_clone()?)? {
                copy_at((&from, &name), (&to, &name))?;
            }
            dress_as(&File::from(from), &File::from(to), &raw)
        }
        FileKind::Other => {
            Err(io::Error::other(format!("{old} is a device, socket or pipe, which cannot be moved to another file system")))
        }
    }
}

/// Gives a copy what belongs to its original; the mode last, for a change of owner takes some of it away.
fn dress_as(original: &File, copy: &File, raw: &FileStat) -> io::Result<()> {
    for name in original.list_xattr()?.filter(|name| !name.as_encoded_bytes().starts_with(b"trusted.overlay.")) {
        if let Some(value) = original.get_xattr(&name)? {
            copy.set_xattr(&name, &value)?;
        }
    }
    fchown(copy.as_fd(), Some(Uid::from_raw(raw.st_uid)), Some(Gid::from_raw(raw.st_gid)))?;
    fchmod(copy.as_fd(), Bits::from_bits_truncate(raw.st_mode & 0o7777))?;
    let time = |seconds, more| TimeSpec::new(seconds, more);
    Ok(futimens(copy.as_fd(), &time(raw.st_atime, raw.st_atime_nsec), &time(raw.st_mtime, raw.st_mtime_nsec))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    fn path(text: &str) -> TargetPath {
        TargetPath::parse(text).unwrap()
    }

    #[test]
    fn a_tree_is_copied_whole_and_then_gone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b/empty")).unwrap();
        std::fs::write(at("a/b/f"), "f").unwrap();
        std::fs::set_permissions(at("a/b/f"), std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("nowhere", at("a/l")).unwrap();
        let written = std::fs::metadata(at("a/b/f")).unwrap().mtime_nsec();
        let files = Rooted::open(folder.path()).unwrap();
        let (above, _) = files.parent(&path("/a")).unwrap().unwrap();
        copy_across((&above, "a"), (&above, "z")).unwrap();
        let copy = std::fs::metadata(at("z/b/f")).unwrap();
        assert_eq!((copy.mode() & 0o7777, copy.mtime_nsec()), (0o640, written));
        assert_eq!(std::fs::read_link(at("z/l")).unwrap(), Path::new("nowhere"));
        assert!(at("z/b/empty").is_dir() && !at("a").exists());
        files.move_tree(&path("/z"), &path("/x/y/z")).unwrap();
        assert_eq!(std::fs::read(at("x/y/z/b/f")).unwrap(), b"f");
    }
}
