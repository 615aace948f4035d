//! A rehearsal made real, whole or not at all: what changed is laid ready beside Fitout's own files, an index of it is written, and then
//! everything moves to its place. A kill before the index is a root that nothing happened to; after it, whoever next takes the lock goes on
//! from where it stopped, for a thing that has moved is no longer ready to be moved.

use super::changes::{Change, attributes};
use super::fs::Rooted;
use super::rehearsal::Rehearsal;
use super::sparse::copy_whole;
use super::{Document, Machine, ProbeError, seal, unseal};
use crate::model::TargetPath;
use crate::step::FileKind;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode as Bits, SFlag, mknod};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

/// Where everything is laid ready.
const READY: &str = "/var/lib/fitout/promotion";
/// What says that all of it is, and where it belongs.
const INDEX: &str = "/var/lib/fitout/promotion.json";
/// Fitout's own lock, held while a root is promoted to.
const LOCK: &str = "/var/lib/fitout/lock";

/// What a root looked like, so that one which moved can be told.
#[derive(Debug)]
pub struct Stillness(BTreeMap<PathBuf, [i64; 7]>);

impl Rehearsal {
    /// Looks at all of the root.
    ///
    /// # Errors
    /// Something cannot be looked at.
    pub fn stillness(&self) -> io::Result<Stillness> {
        let mut seen = BTreeMap::new();
        for layer in self.layers() {
            let mut folders = vec![PathBuf::new()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(layer.lower.join(&folder))? {
                    let entry = entry?;
                    let (meta, path) = (entry.metadata()?, folder.join(entry.file_name()));
                    if meta.is_dir() {
                        folders.push(path.clone());
                    }
                    seen.insert(Path::new("/").join(&layer.at).join(path), look(&meta));
                }
            }
        }
        seen.remove(Path::new(LOCK));
        Ok(Stillness(seen))
    }
}

#[expect(clippy::cast_possible_wrap, reason = "these are compared, not counted with")]
fn look(meta: &Metadata) -> [i64; 7] {
    let owner = i64::from(meta.uid()) << 32 | i64::from(meta.gid());
    [meta.ino() as i64, i64::from(meta.mode()), owner, meta.size() as i64, meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()]
}

impl Stillness {
    /// A path that is not as it was; `None` where nothing moved.
    #[must_use]
    pub fn moved(&self, now: &Self) -> Option<PathBuf> {
        let paths: BTreeSet<&PathBuf> = self.0.keys().chain(now.0.keys()).collect();
        paths.into_iter().find(|path| self.0.get(*path) != now.0.get(*path)).cloned()
    }
}

/// What is to become of one path. Doing it twice is doing it once.
#[derive(Debug, Serialize, Deserialize)]
enum Move {
    /// A folder is there, with this mode and owner.
    Folder { mode: u32, uid: u32, gid: u32, attributes: Vec<(String, String)> },
    /// What lies ready by this number gets its place.
    Ready(usize),
    /// Nothing is there.
    Gone,
}

/// The moves of a promotion, in their order.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    version: u32,
    /// Paths as hexadecimal bytes: not every name of a file is text.
    moves: Vec<(String, Move)>,
}

impl Document for Index {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

/// Makes these changes of a rehearsal on its root.
///
/// # Errors
/// Nothing was made; or, once all was laid ready, a part: whoever next takes the root's lock goes on.
pub fn promote(rehearsal: &Rehearsal, changes: &[Change]) -> io::Result<()> {
    let files = Rooted::open(rehearsal.real())?;
    let promotion = Promotion { files: &files };
    promotion.sweep()?;
    files.make_directories(&own(READY)?, Bits::from_bits_truncate(0o700)).map_err(io::Error::other)?;
    let folder = promotion.place(Path::new(READY))?;
    let mut ready = Ready { into: folder.path(), linked: BTreeMap::new(), count: 0 };
    let mut moves = Vec::new();
    let of_ours = |path: &Path| path == Path::new(LOCK) || path.starts_with(READY);
    for change in changes.iter().filter(|change| !of_ours(&change.path)) {
        let from = rehearsal.root().join(change.path.strip_prefix("/").unwrap_or(&change.path));
        let made = ready.lay(change, &from).map_err(|e| named(&change.path, &e))?;
        moves.extend(made.map(|made| (hex::encode(change.path.as_os_str().as_bytes()), made)));
    }
    files.sync_tree(&own(READY)?).map_err(io::Error::other)?;
    let index = seal(&Index { version: Index::VERSION, moves })?;
    files.write(&own(INDEX)?, &mut index.as_slice(), 0o600, (0, 0)).map_err(io::Error::other)?;
    promotion.go_on()
}

impl Machine {
    /// Finishes a promotion that was cut short. Whoever calls this holds the lock.
    pub(super) fn finish_promotion(&self) -> Result<(), ProbeError> {
        let failed = |e: io::Error| ProbeError::new("finish the promotion of a rehearsal that was cut short", e);
        Promotion { files: &self.files }.go_on().map_err(failed)?;
        self.forget();
        self.ledger.forget();
        Ok(())
    }
}

fn own(path: &str) -> io::Result<TargetPath> {
    TargetPath::parse(path).map_err(io::Error::other)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Lays things ready, by number.
struct Ready {
    into: PathBuf,
    /// Files with several names, by their numbers: where the first lies.
    linked: BTreeMap<(u64, u64), PathBuf>,
    count: usize,
}

impl Ready {
    /// Lays ready what a change needs; `None` where nothing is to be done.
    fn lay(&mut self, change: &Change, from: &Path) -> io::Result<Option<Move>> {
        let Some(after) = &change.after else { return Ok(Some(Move::Gone)) };
        let meta = fs::symlink_metadata(from)?;
        let at = self.into.join(self.count.to_string());
        match after.kind {
            FileKind::Directory => {
                let attributes = attributes(from)?.into_iter().map(|(name, value)| (hex::encode(name.as_bytes()), hex::encode(value)));
                return Ok(Some(Move::Folder { mode: after.mode, uid: after.uid, gid: after.gid, attributes: attributes.collect() }));
            }
            FileKind::File => self.file(from, &at, &meta)?,
            FileKind::Symlink => {
                symlink(fs::read_link(from)?, &at)?;
                lchown(&at, Some(meta.uid()), Some(meta.gid()))?;
            }
            FileKind::Other => {
                let kind = SFlag::from_bits_truncate(meta.mode() & SFlag::S_IFMT.bits());
                if kind == SFlag::S_IFSOCK {
                    return Ok(None); // its program makes it
                }
                mknod(&at, kind, Bits::empty(), meta.rdev())?;
                chown(&at, Some(meta.uid()), Some(meta.gid()))?;
                fs::set_permissions(&at, fs::Permissions::from_mode(meta.mode()))?;
            }
        }
        self.count += 1;
        Ok(Some(Move::Ready(self.count - 1)))
    }

    fn file(&mut self, from: &Path, at: &Path, meta: &Metadata) -> io::Result<()> {
        if let Some(first) = self.linked.get(&(meta.dev(), meta.ino())) {
            return fs::hard_link(first, at);
        }
        if meta.nlink() > 1 {
            self.linked.insert((meta.dev(), meta.ino()), at.to_owned());
        }
        copy(from, at, meta)
    }
}

/// Copies a file with all that belongs to it.
fn copy(from: &Path, to: &Path, meta: &Metadata) -> io::Result<()> {
    let mut copy = File::options().write(true).create_new(true).open(to)?;
    copy_whole(&mut File::open(from)?, &mut copy)?;
    std::os::unix::fs::fchown(&copy, Some(meta.uid()), Some(meta.gid()))?;
    dress(to, meta.mode(), &attributes(from)?)?;
    copy.set_times(FileTimes::new().set_modified(meta.modified()?))
}

/// Gives a path its mode and its extended attributes, and no others: a folder hands its own down to what is made in it.
fn dress(at: &Path, mode: u32, wanted: &BTreeMap<OsString, Vec<u8>>) -> io::Result<()> {
    for name in attributes(at)?.keys().filter(|name| !wanted.contains_key(*name)) {
        xattr::remove(at, name)?;
    }
    fs::set_permissions(at, fs::Permissions::from_mode(mode))?;
    wanted.iter().try_for_each(|(name, value)| xattr::set(at, name, value))
}

/// A place in the root: its folder held open, so that no link leads out of the root.
struct Place {
    folder: OwnedFd,
    name: OsString,
}

impl Place {
    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.folder.as_raw_fd().to_string()).join(&self.name)
    }
}

/// A root that is promoted to.
struct Promotion<'a> {
    files: &'a Rooted,
}

impl Promotion<'_> {
    /// Makes every move of the index that is not made yet, and takes the index away; without one, what was laid ready goes.
    fn go_on(&self) -> io::Result<()> {
        let Some(bytes) = self.files.read(&own(INDEX)?).map_err(io::Error::other)? else { return self.sweep() };
        let index: Index = unseal(&own(INDEX)?, &bytes).map_err(io::Error::other)?;
        let mut moves = Vec::new();
        for (path, made) in index.moves {
            moves.push((PathBuf::from(OsString::from_vec(hex::decode(path).map_err(io::Error::other)?)), made));
        }
        let is_gone = |made: &Move| matches!(made, Move::Gone);
        // Folders come before what they hold, and go after it.
        let (gone, made): (Vec<_>, Vec<_>) = moves.iter().partition(|(_, made)| is_gone(made));
        for (path, made) in gone.into_iter().rev().chain(made) {
            self.make(path, made).map_err(|e| named(path, &e))?;
        }
        self.files.sync_tree(&TargetPath::root()).map_err(io::Error::other)?;
        self.files.remove(&own(INDEX)?).map_err(io::Error::other)?;
        self.sweep()
    }

    /// Removes what was laid ready.
    fn sweep(&self) -> io::Result<()> {
        if self.files.stat(&own(READY)?).map_err(io::Error::other)?.is_none() {
            return Ok(());
        }
        self.files.remove_tree(&own(READY)?).map_err(io::Error::other)
    }

    fn place(&self, path: &Path) -> nix::Result<Place> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let folder = openat2(self.files.handle(), above, how)?;
        Ok(Place { folder, name: path.file_name().map(Into::into).unwrap_or_default() })
    }

    fn make(&self, path: &Path, made: &Move) -> io::Result<()> {
        let place = match self.place(path) {
            // Its folder is gone, or something else by now.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) if matches!(made, Move::Gone) => return Ok(()),
            other => other?,
        };
        match made {
            Move::Gone => gone(&place.path()),
            Move::Folder { mode, uid, gid, attributes } => {
                let at = place.path();
                if !fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_dir()) {
                    gone(&at)?;
                    fs::create_dir(&at)?;
                }
                chown(&at, Some(*uid), Some(*gid))?;
                let decoded = |text: &str| hex::decode(text).map_err(io::Error::other);
                let named = |(name, value): &(String, String)| Ok((OsString::from_vec(decoded(name)?), decoded(value)?));
                dress(&at, *mode, &attributes.iter().map(named).collect::<io::Result<_>>()?)
            }
            Move::Ready(number) => bring(&self.place(&Path::new(READY).join(number.to_string()))?.path(), &place),
        }
    }
}

/// Moves what lies ready to its place, unless that happened before.
fn bring(ready: &Path, place: &Place) -> io::Result<()> {
    let meta = match fs::symlink_metadata(ready) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let at = place.path();
    if fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir_all(&at)?;
    }
    match fs::rename(ready, &at) {
        Err(e) if e.raw_os_error() == Some(Errno::EXDEV as i32) => elsewhere(ready, &at, &meta),
        other => other,
    }
}

/// Moves a file or link to another file system.
fn elsewhere(from: &Path, to: &Path, meta: &Metadata) -> io::Result<()> {
    let fresh = to.with_file_name(format!(".{}.fitout-new", to.file_name().unwrap_or_default().display()));
    gone(&fresh)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from)?, &fresh)?;
        lchown(&fresh, Some(meta.uid()), Some(meta.gid()))?;
    } else {
        copy(from, &fresh, meta)?;
    }
    fs::rename(&fresh, to)?;
    fs::remove_file(from)
}

/// Removes what is at a path, with all that is in it; nothing may be there.
fn gone(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
