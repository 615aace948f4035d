//! All file I/O on targets, relative to an open root directory and resolved inside it (`openat2` with `RESOLVE_IN_ROOT`): a link of
//! the target can never lead to the host. Looking is here; `write` changes single things, `tree` whole trees.

mod tree;
mod way;
mod write;

use crate::model::TargetPath;
use crate::step::{FileKind, Space, Stat};
use crate::target::ProbeError;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode as Bits, SFlag, fstat, fstatat};
use nix::sys::statvfs::fstatvfs;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use way::NoWay;

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

    /// A directory of it as a root of its own: what is done there stays there.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn below(&self, path: &TargetPath) -> Result<Self, ProbeError> {
        let root = self.directory(path.relative()).map_err(|e| failed("open", path, e))?;
        Ok(Self { root, making: Mutex::default() })
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
        match self.directory(above.relative()) {
            Ok(fd) => Ok(Some((fd, name.to_owned()))),
            Err(NoWay::Errno(e)) => absent(e).map_err(|e| failed("open the directory of", path, e)),
            Err(astray) => Err(failed("open the directory of", path, astray)),
        }
    }

    /// What is at a path, a final link not followed.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError> {
        let Some((above, name)) = self.parent(path)? else { return Ok(None) };
        stat_at(&above, &name).map_err(|e| failed("look at", path, e))
    }

    /// What is at each of some names in a directory.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn stats(&self, folder: &TargetPath, names: &[&str]) -> Result<Vec<Option<Stat>>, ProbeError> {
        let above = match self.directory(folder.relative()) {
            Ok(above) => above,
            Err(NoWay::Errno(e)) => return absent(e).map(|_: Option<()>| vec![None; names.len()]).map_err(|e| failed("open", folder, e)),
            Err(astray) => return Err(failed("open", folder, astray)),
        };
        names.iter().map(|name| stat_at(&above, name).map_err(|e| failed("look into", folder, e))).collect()
    }

    /// What tells whether a file, links followed, is still the same; `None` where nothing is.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn stamp(&self, path: &TargetPath) -> Result<Option<Stamp>, ProbeError> {
        let stamp = |fd: OwnedFd| {
            let raw = fstat(&fd)?;
            let (changed, written) = (nanoseconds(raw.st_ctime, raw.st_ctime_nsec), nanoseconds(raw.st_mtime, raw.st_mtime_nsec));
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

    /// Where a directory is on the host, no link in the path: for libraries that write by path.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn on_host(&self, path: &TargetPath) -> Result<PathBuf, ProbeError> {
        let fd = self.directory(path.relative()).map_err(|e| failed("open", path, e))?;
        std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|e| failed("find", path, e))
    }
}

/// What is at a name in an open directory.
fn stat_at(above: &OwnedFd, name: &str) -> Result<Option<Stat>, Errno> {
    let raw = match fstatat(above, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(raw) => raw,
        Err(e) => return absent(e),
    };
    let kind = kind_of(&raw);
    let link = match kind {
        FileKind::Symlink => Some(readlinkat(above, name)?.to_string_lossy().into_owned()),
        FileKind::File | FileKind::Directory | FileKind::Other => None,
    };
    let (size, written) = (u64::try_from(raw.st_size).unwrap_or_default(), nanoseconds(raw.st_mtime, raw.st_mtime_nsec));
    Ok(Some(Stat { kind, mode: raw.st_mode & 0o7777, uid: raw.st_uid, gid: raw.st_gid, size, written, link }))
}

fn nanoseconds(seconds: i64, more: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(more)
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
