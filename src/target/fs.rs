//! All file I/O on targets, relative to an open root directory and resolved inside it (`openat2` with `RESOLVE_IN_ROOT`): a link of
//! the target can never lead to the host.
//!
//! Files are written whole or not at all: a temporary name beside them, `fsync`, `rename`, `fsync` of the directory.

use crate::model::TargetPath;
use crate::step::{FileKind, Space, Stat};
use crate::target::ProbeError;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode as Bits, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An open root directory, and what can be done below it.
#[derive(Debug)]
pub struct Rooted {
    root: OwnedFd,
    /// One directory is made at a time: two makers of one would sweep each other's beginnings away.
    making: Mutex<()>,
}

/// Tells one state of a file from another: device, inode, size, and both times to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([i128; 5]);

/// Numbers of an owner and group.
pub type Ids = (u32, u32);

/// How often a lookup is tried again when a rename elsewhere disturbed it (openat2(2), `EAGAIN`).
const LOOKUPS: usize = 100;

fn absent<T>(error: Errno) -> Result<Option<T>, Errno> {
    if matches!(error, Errno::ENOENT | Errno::ENOTDIR) { Ok(None) } else { Err(error) }
}

fn failed(act: &str, path: &TargetPath, error: impl ToString) -> ProbeError {
    ProbeError::new(format!("{act} {path}"), error)
}

impl Rooted {
    /// Opens a root directory of the host.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { root: openat(AT_FDCWD, root, flags, Bits::empty())?, making: Mutex::default() })
    }

    /// The root itself, for calls that are relative to it.
    pub(super) const fn handle(&self) -> &OwnedFd {
        &self.root
    }

    fn lookup(&self, path: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let mut last = Errno::EAGAIN;
        for _ in 0..LOOKUPS {
            match openat2(&self.root, path, how) {
                Err(Errno::EAGAIN) => last = Errno::EAGAIN,
                other => return other,
            }
        }
        Err(last)
    }

    /// Opens a file for reading, links followed within the root.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn open_file(&self, path: &TargetPath) -> Result<Option<File>, ProbeError> {
        match self.lookup(path.relative(), OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(e) => absent(e).map_err(|e| failed("open", path, e)),
        }
    }

    /// Content of a file; `None` if absent.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, ProbeError> {
        let Some(mut file) = self.open_file(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| failed("read", path, e))?;
        Ok(Some(bytes))
    }

    /// The open directory above a path, and the path's last part; `None` if the directory is absent.
    fn parent(&self, path: &TargetPath) -> Result<Option<(OwnedFd, String)>, ProbeError> {
        let above = path.parent().unwrap_or_else(TargetPath::root);
        let name = if path.name().is_empty() { "." } else { path.name() };
        match self.lookup(above.relative(), OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(fd) => Ok(Some((fd, name.to_owned()))),
            Err(e) => absent(e).map_err(|e| failed("open the directory of", path, e)),
        }
    }

    fn parent_made(&self, path: &TargetPath) -> Result<(OwnedFd, String), ProbeError> {
        if let Some(above) = path.parent() {
            self.make_directories(&above, Bits::from_bits_truncate(0o755))?;
        }
        self.parent(path)?.ok_or_else(|| failed("open the directory of", path, "it vanished"))
    }

    /// What is at a path, a final link not followed.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError> {
        let Some((above, name)) = self.parent(path)? else { return Ok(None) };
        let raw = match fstatat(&above, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(raw) => raw,
            Err(e) => return absent(e).map_err(|e| failed("look at", path, e)),
        };
        let kind = kind_of(&raw);
        let link = match kind {
            FileKind::Symlink => {
                Some(readlinkat(&above, name.as_str()).map_err(|e| failed("read the link", path, e))?.to_string_lossy().into_owned())
            }
            FileKind::File | FileKind::Directory | FileKind::Other => None,
        };
        let size = u64::try_from(raw.st_size).unwrap_or_default();
        Ok(Some(Stat { kind, mode: raw.st_mode & 0o7777, uid: raw.st_uid, gid: raw.st_gid, size, link }))
    }

    /// What tells whether a file, links followed, is still the same; `None` where nothing is.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn stamp(&self, path: &TargetPath) -> Result<Option<Stamp>, ProbeError> {
        let stamp = |fd: OwnedFd| {
            let raw = fstat(&fd)?;
            let time = |seconds: i64, more: i64| i128::from(seconds) * 1_000_000_000 + i128::from(more);
            let (changed, written) = (time(raw.st_ctime, raw.st_ctime_nsec), time(raw.st_mtime, raw.st_mtime_nsec));
            Ok(Some(Stamp([raw.st_dev.into(), raw.st_ino.into(), raw.st_size.into(), changed, written])))
        };
        self.lookup(path.relative(), OFlag::O_PATH).and_then(stamp).or_else(absent).map_err(|e| failed("look at", path, e))
    }

    /// Names in a directory, sorted; `None` if it is absent.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self, path: &TargetPath) -> Result<Option<Vec<String>>, ProbeError> {
        let fd = match self.lookup(path.relative(), OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(fd) => fd,
            Err(e) => return absent(e).map_err(|e| failed("list", path, e)),
        };
        let names = names(fd).map_err(|e| failed("list", path, e))?;
        Ok(Some(names))
    }

    /// Room on the file system of a path, or of its nearest parent that exists.
    ///
    /// # Errors
    /// The file system does not answer.
    pub fn space(&self, path: &TargetPath) -> Result<Space, ProbeError> {
        let mut at = path.clone();
        loop {
            match self.lookup(at.relative(), OFlag::O_PATH) {
                Ok(fd) => return space_of(&fd).map_err(|e| failed("ask for the room on", path, e)),
                Err(Errno::ENOENT | Errno::ENOTDIR) => at = at.parent().unwrap_or_else(TargetPath::root),
                Err(e) => return Err(failed("open", path, e)),
            }
        }
    }

    /// Makes a directory and those above it, each of the owner of the one that it is made in: what is made on the way to a file in
    /// someone's home is not root's. Existing ones stay as they are.
    ///
    /// # Errors
    /// One cannot be made, or something else is in its place.
    pub fn make_directories(&self, path: &TargetPath, mode: Bits) -> Result<(), ProbeError> {
        if self.lookup(path.relative(), OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok() {
            return Ok(());
        }
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_absent(path, mode)
    }

    fn make_absent(&self, path: &TargetPath, mode: Bits) -> Result<(), ProbeError> {
        if self.lookup(path.relative(), OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok() {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.make_absent(&above, mode)?;
        }
        let (above, name) = self.parent(path)?.ok_or_else(|| failed("make directory", path, "its parent vanished"))?;
        match make_directory(&above, &name, mode) {
            Ok(()) => Ok(()),
            // Somebody else was quicker. Any other error is told, even where the directory is there: it may not be there after a crash.
            Err(Errno::EEXIST | Errno::ENOTEMPTY) if self.lookup(path.relative(), OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok() => Ok(()),
            Err(Errno::EEXIST | Errno::ENOTDIR) => {
                Err(failed("make directory", path, "something else is there; move it away, or name another path"))
            }
            Err(e) => Err(failed("make directory", path, e)),
        }
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
        let (above, name) = self.parent_made(path)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&above, name.as_str(), flags, Bits::from_bits_truncate(0o600)).map_err(|e| failed("open", path, e))?;
        Ok(File::from(fd))
    }

    /// Writes a new file of a tree that is not in use yet and [synced](Self::sync_tree) as a whole, making the directories above it.
    ///
    /// # Errors
    /// The file was not written.
    pub fn write_unsynced(&self, path: &TargetPath, source: &mut dyn Read, mode: u32, ids: Ids) -> Result<(), ProbeError> {
        let (above, name) = self.parent_made(path)?;
        write_new(&above, &name, source, mode, ids).map(drop).map_err(|e| failed("write", path, e))
    }

    /// Sees everything on the file system of a path onto the disk.
    ///
    /// # Errors
    /// Some of it may not be there.
    pub fn sync_tree(&self, path: &TargetPath) -> Result<(), ProbeError> {
        let fd = self.lookup(path.relative(), OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(|e| failed("open", path, e))?;
        nix::unistd::syncfs(&fd).map_err(|e| failed("sync", path, e))
    }

    /// Where a directory is on the host, no link in the path: for libraries that write by path.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn on_host(&self, path: &TargetPath) -> Result<PathBuf, ProbeError> {
        let fd = self.lookup(path.relative(), OFlag::O_PATH | OFlag::O_DIRECTORY).map_err(|e| failed("open", path, e))?;
        std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|e| failed("find", path, e))
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
}

fn kind_of(raw: &FileStat) -> FileKind {
    match SFlag::from_bits_truncate(raw.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => FileKind::File,
        SFlag::S_IFDIR => FileKind::Directory,
        SFlag::S_IFLNK => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

fn space_of(fd: &OwnedFd) -> Result<Space, Errno> {
    let raw = fstatvfs(fd)?;
    let block = raw.fragment_size();
    let bytes = |blocks| crate::model::ByteSize(blocks * block);
    Ok(Space { free: bytes(raw.blocks_available()), total: bytes(raw.blocks()), device: fstat(fd)?.st_dev })
}

fn names(fd: OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(fd)?.iter() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// `fsync` of a directory that is open as a path only.
fn sync(directory: &OwnedFd) -> Result<(), Errno> {
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

fn write_new(above: &OwnedFd, name: &str, source: &mut dyn Read, mode: u32, (uid, gid): Ids) -> io::Result<File> {
    // The name is fixed, so that what a kill left behind is swept by the next try.
    remove_at(above, name)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(above, name, flags, Bits::from_bits_truncate(0o600))?);
    io::copy(source, &mut file)?;
    fchown(file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fchmod(file.as_fd(), Bits::from_bits_truncate(mode))?;
    Ok(file)
}

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

fn remove_at(above: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(above, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

fn open_directory(above: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    openat(above, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Bits::empty())
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
