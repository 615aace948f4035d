//! Single files, links and directories, changed. A file is written whole or not at all: a temporary name beside it, `fsync`, `rename`,
//! `fsync` of the directory.

use super::{Ids, Rooted, failed};
use crate::model::TargetPath;
use crate::step::FileKind;
use crate::target::ProbeError;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode as Bits, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, linkat, symlinkat, unlinkat};
use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;

impl Rooted {
    pub(super) fn parent_made(&self, path: &TargetPath) -> Result<(OwnedFd, String), ProbeError> {
        if let Some(above) = path.parent() {
            self.make_directories(&above, Bits::from_bits_truncate(0o755))?;
        }
        self.parent(path)?.ok_or_else(|| failed("open the directory of", path, "it vanished"))
    }

    /// Makes a directory and those above it, each of the owner of the one that it is made in: what is made on the way to a file in
    /// someone's home is not root's. Existing ones stay as they are.
    ///
    /// # Errors
    /// One cannot be made, or something else is in its place.
    pub fn make_directories(&self, path: &TargetPath, mode: Bits) -> Result<(), ProbeError> {
        if self.directory(path.relative()).is_ok() {
            return Ok(());
        }
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_absent(path, mode)
    }

    /// Another process that makes the same directory takes this one's beginning for what a kill left and sweeps it away, or puts its own in the
    /// place of what is there and empty: then once more, until one of them is done.
    fn make_absent(&self, path: &TargetPath, mode: Bits) -> Result<(), ProbeError> {
        let mut disturbed = Errno::ENOENT;
        for _ in 0..TRIES {
            if self.directory(path.relative()).is_ok() {
                return Ok(());
            }
            if let Some(above) = path.parent() {
                self.make_absent(&above, mode)?;
            }
            let Some((above, name)) = self.parent(path)? else { continue };
            match make_directory(&above, &name, mode) {
                Err(error @ (Errno::ENOENT | Errno::EEXIST | Errno::ENOTEMPTY)) => disturbed = error,
                Err(Errno::ENOTDIR) => return Err(in_the_way(path)),
                // Any other error is told, even where the directory is there: it may not be there after a crash.
                other => return other.map_err(|e| failed("make directory", path, e)),
            }
        }
        Err(if disturbed == Errno::EEXIST { in_the_way(path) } else { failed("make directory", path, disturbed) })
    }

    /// Writes a file, whole or not at all, making the directories above it.
    ///
    /// # Errors
    /// The file was not written; what was there is untouched.
    pub fn write(&self, path: &TargetPath, source: &mut dyn Read, mode: u32, ids: Ids) -> Result<(), ProbeError> {
        let (above, name) = self.parent_made(path)?;
        let fresh = format!(".{name}.fitout-new");
        let act = |act: &'static str| move |e: io::Error| failed(act, path, e);
        write_fresh(&above, &fresh, source, mode, ids).map_err(act("write"))?;
        renameat(&above, fresh.as_str(), &above, name.as_str()).map_err(io::Error::from).map_err(act("replace"))?;
        sync(&above).map_err(io::Error::from).map_err(act("sync the directory of"))
    }

    /// Opens one of Fitout's own files for reading and writing, making it (0600) where it is absent.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_own(&self, path: &TargetPath) -> Result<File, ProbeError> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut tries = 0;
        loop {
            let (above, name) = self.parent_made(path)?;
            match openat(&above, name.as_str(), flags, Bits::from_bits_truncate(0o600)) {
                // Another process put its own directory, as new as this one, in the place of the one that was just made.
                Err(Errno::ENOENT) if tries < TRIES => tries += 1,
                opened => return opened.map(File::from).map_err(|e| failed("open", path, e)),
            }
        }
    }

    /// Makes a symbolic link of a tree that is not in use yet, in the place of any other file.
    ///
    /// # Errors
    /// The link was not made.
    pub fn symlink_unsynced(&self, path: &TargetPath, to: &str) -> Result<(), ProbeError> {
        let (above, name) = self.parent_made(path)?;
        remove_at(&above, &name).and_then(|()| symlinkat(to, &above, name.as_str())).map_err(|e| failed("link", path, e))
    }

    /// Gives a file of such a tree another name, in the place of any other file.
    ///
    /// # Errors
    /// It has no other name.
    pub fn hard_link(&self, file: &TargetPath, path: &TargetPath) -> Result<(), ProbeError> {
        let (source, old) = self.parent(file)?.ok_or_else(|| failed("link", file, "it is absent"))?;
        let (above, name) = self.parent_made(path)?;
        let link = || linkat(&source, old.as_str(), &above, name.as_str(), AtFlags::empty());
        remove_at(&above, &name).and_then(|()| link()).map_err(|e| failed("link", path, e))
    }

    /// Writes a new file of a tree that is not in use yet and [synced](Self::sync_tree) as a whole, making the directories above it.
    ///
    /// # Errors
    /// The file was not written.
    pub fn write_unsynced(&self, path: &TargetPath, source: &mut dyn Read, mode: u32, ids: Ids) -> Result<(), ProbeError> {
        let (above, name) = self.parent_made(path)?;
        write_new(&above, &name, source, mode, ids).map(drop).map_err(|e| failed("write", path, e))
    }

    /// Adds a line to a file of root's, 0600, and sees it onto the disk.
    ///
    /// # Errors
    /// The line may not be there.
    pub fn append(&self, path: &TargetPath, line: &str) -> Result<(), ProbeError> {
        let (above, name) = self.parent_made(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&above, name.as_str(), flags, Bits::from_bits_truncate(0o600)).map_err(|e| failed("open", path, e))?;
        let mut file = File::from(fd);
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|e| failed("write to", path, e))
    }

    /// Sets mode and owner of what is at a path; a final link is refused.
    ///
    /// # Errors
    /// They were not set.
    pub fn set_meta(&self, path: &TargetPath, mode: u32, (uid, gid): Ids) -> Result<(), ProbeError> {
        let (above, name) = self.parent(path)?.ok_or_else(|| failed("set the mode of", path, "it is absent"))?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = openat(&above, name.as_str(), flags, Bits::empty()).map_err(|e| failed("open", path, e))?;
        fchown(&fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(|e| failed("set the owner of", path, e))?;
        fchmod(&fd, Bits::from_bits_truncate(mode)).map_err(|e| failed("set the mode of", path, e))
    }

    /// Makes a symbolic link; another link there is replaced at once, anything else refused.
    ///
    /// # Errors
    /// The link was not made.
    pub fn symlink(&self, path: &TargetPath, to: &str) -> Result<(), ProbeError> {
        if let Some(stat) = self.stat(path)?
            && stat.kind != FileKind::Symlink
        {
            return Err(failed("link", path, "something that is no link is there; move it away, or name another path"));
        }
        let (above, name) = self.parent_made(path)?;
        let fresh = format!(".{name}.fitout-new");
        let result = remove_at(&above, &fresh)
            .and_then(|()| symlinkat(to, &above, fresh.as_str()))
            .and_then(|()| renameat(&above, fresh.as_str(), &above, name.as_str()))
            .and_then(|()| sync(&above));
        result.map_err(|e| failed("link", path, e))
    }

    /// Moves what is at `from` to `to`, which must be absent or, for a file, is replaced.
    ///
    /// # Errors
    /// Nothing was moved.
    pub fn rename(&self, from: &TargetPath, to: &TargetPath) -> Result<(), ProbeError> {
        let (source, old) = self.parent(from)?.ok_or_else(|| failed("move", from, "it is absent"))?;
        let (above, new) = self.parent_made(to)?;
        renameat(&source, old.as_str(), &above, new.as_str())
            .and_then(|()| sync(&above))
            .map_err(|e| failed(&format!("move {from} to"), to, e))
    }

    /// Removes a file or link; absence is fine.
    ///
    /// # Errors
    /// It is still there.
    pub fn remove(&self, path: &TargetPath) -> Result<(), ProbeError> {
        let Some((above, name)) = self.parent(path)? else { return Ok(()) };
        remove_at(&above, &name).and_then(|()| sync(&above)).map_err(|e| failed("remove", path, e))
    }

    /// Removes an empty directory; absence is fine.
    ///
    /// # Errors
    /// It is not empty, or may not be removed.
    pub fn remove_directory(&self, path: &TargetPath) -> Result<(), ProbeError> {
        let Some((above, name)) = self.parent(path)? else { return Ok(()) };
        match unlinkat(&above, name.as_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => sync(&above).map_err(|e| failed("remove", path, e)),
            Err(e) => Err(failed("remove", path, e)),
        }
    }
}

/// `fsync` of a directory that is open as a path only.
pub(super) fn sync(directory: &OwnedFd) -> Result<(), Errno> {
    let readable = openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Bits::empty())?;
    nix::unistd::fsync(&readable)
}

fn write_fresh(above: &OwnedFd, name: &str, source: &mut dyn Read, mode: u32, ids: Ids) -> io::Result<()> {
    let written = write_new(above, name, source, mode, ids).and_then(|file| file.sync_all());
    if written.is_err() {
        // Best effort: the first error is the one to tell.
        unlinkat(above, name, UnlinkatFlags::NoRemoveDir).ok();
    }
    written
}

/// What is written at a time: of less, a large file is mostly calls of the kernel; more gains nothing.
const PIECE: usize = 64 * 1024;

pub(super) fn write_new(above: &OwnedFd, name: &str, source: &mut dyn Read, mode: u32, (uid, gid): Ids) -> io::Result<File> {
    // The name is fixed, so that what a kill left behind is swept by the next try.
    remove_at(above, name)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut to = BufWriter::with_capacity(PIECE, File::from(openat(above, name, flags, Bits::from_bits_truncate(0o600))?));
    io::copy(source, &mut to)?;
    let file = to.into_inner().map_err(IntoInnerError::into_error)?;
    fchown(file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fchmod(file.as_fd(), Bits::from_bits_truncate(mode))?;
    Ok(file)
}

fn in_the_way(path: &TargetPath) -> ProbeError {
    failed("make directory", path, "something else is there; move it away, or name another path")
}

/// How often processes that sweep each other's beginnings away try: one of them is done after a few.
const TRIES: usize = 200;

/// Makes a directory that has its mode and owner from the moment in which it is there.
fn make_directory(above: &OwnedFd, name: &str, mode: Bits) -> Result<(), Errno> {
    let fresh = format!(".{name}.fitout-new");
    match unlinkat(above, fresh.as_str(), UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(e) => return Err(e),
    }
    mkdirat(above, fresh.as_str(), Bits::from_bits_truncate(0o700))?;
    dress(above, &fresh, mode).and_then(|()| renameat(above, fresh.as_str(), above, name)).inspect_err(|_| {
        // Best effort: the first error is the one to tell.
        unlinkat(above, fresh.as_str(), UnlinkatFlags::RemoveDir).ok();
    })?;
    sync(above)
}

/// Gives a directory a mode, and the owner of the one that it is in.
fn dress(above: &OwnedFd, name: &str, mode: Bits) -> Result<(), Errno> {
    let own = fstat(above)?;
    // Through an open directory: whoever owns the one above may put a link in its place.
    let fd = open_directory(above, name)?;
    fchown(&fd, Some(Uid::from_raw(own.st_uid)), Some(Gid::from_raw(own.st_gid)))?;
    // The umask of whoever started Fitout has no say.
    fchmod(&fd, mode)
}

pub(super) fn remove_at(above: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(above, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

pub(super) fn open_directory(above: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    openat(above, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Bits::empty())
}
