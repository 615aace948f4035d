//! What became of a root in a [rehearsal](super::rehearsal), found by looking: where the overlay was written to, the root as it is and as it
//! became are compared. No plan, report or ledger is asked.

use super::rehearsal::{Layer, Rehearsal};
use super::sparse::room_of;
use crate::step::FileKind;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One path that is not as it was. One of `before` and `after` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Absolute in the root.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// What was there.
    pub before: Option<Node>,
    /// What is there now.
    pub after: Option<Node>,
    /// Whether what it holds differs: bytes, the text of a link, a device's number.
    pub content: bool,
    /// Whether its extended attributes differ: access control lists, capabilities, users' own.
    pub attributes: bool,
    /// What its content takes, before and after: less than its size where it has holes.
    #[serde(skip)]
    takes: [u64; 2],
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Of which kind.
    pub kind: FileKind,
    /// Permission bits.
    #[serde(serialize_with = "octal")]
    pub mode: u32,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Bytes of a file.
    pub size: u64,
    /// Text of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn octal<S: Serializer>(mode: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{mode:04o}"))
}

impl Change {
    /// Bytes that are written to make it.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.takes[1]
    }

    /// Bytes that it takes more than before; negative where it takes less.
    #[must_use]
    pub fn growth(&self) -> i64 {
        let [before, after] = self.takes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        after.saturating_sub(before)
    }
}

impl Node {
    fn of(path: &Path, meta: &Metadata) -> io::Result<Self> {
        let kind = match meta.file_type() {
            kind if kind.is_dir() => FileKind::Directory,
            kind if kind.is_symlink() => FileKind::Symlink,
            kind if kind.is_file() => FileKind::File,
            _ => FileKind::Other,
        };
        let link = if kind == FileKind::Symlink { Some(fs::read_link(path)?.display().to_string()) } else { None };
        let size = if kind == FileKind::File { meta.len() } else { 0 };
        Ok(Self { kind, mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), size, link })
    }
}

impl Rehearsal {
    /// Everything that is not as it was, folders before what they hold.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn changes(&self) -> io::Result<Vec<Change>> {
        let mut found = Found { root: self.root(), changes: Vec::new() };
        for layer in self.layers() {
            found.written(layer, Path::new(""))?;
        }
        found.changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found.changes)
    }
}

struct Found {
    root: PathBuf,
    changes: Vec<Change>,
}

impl Found {
    /// Goes through what was written over a layer below `folder`.
    fn written(&mut self, layer: &Layer, folder: &Path) -> io::Result<()> {
        for name in names(&layer.upper.join(folder))? {
            let (below, upper) = (folder.join(&name), layer.upper.join(folder).join(&name));
            let (lower, merged) = (layer.lower.join(&below), self.root.join(&layer.at).join(&below));
            if is_plain_folder(&upper, &lower)? {
                self.compare(&layer.at.join(&below), &lower, &merged)?;
                self.written(layer, &below)?;
            } else {
                self.compare_trees(&layer.at.join(&below), &lower, &merged)?;
            }
        }
        Ok(())
    }

    /// Compares a path, and everything below it.
    fn compare_trees(&mut self, path: &Path, lower: &Path, merged: &Path) -> io::Result<()> {
        let folders = self.compare(path, lower, merged)?;
        let mut below = BTreeSet::new();
        for (is_folder, at) in [(folders.0, lower), (folders.1, merged)] {
            if is_folder {
                below.extend(names(at)?);
            }
        }
        below.iter().try_for_each(|name| self.compare_trees(&path.join(name), &lower.join(name), &merged.join(name)))
    }

    /// Compares what is at a path; whether it was a folder, and whether it is one.
    fn compare(&mut self, path: &Path, lower: &Path, merged: &Path) -> io::Result<(bool, bool)> {
        let (old, new) = (meta(lower)?, meta(merged)?);
        let node = |at: &Path, meta: &Option<Metadata>| meta.as_ref().map(|meta| Node::of(at, meta)).transpose();
        let (before, after) = (node(lower, &old)?, node(merged, &new)?);
        let folder = |node: &Option<Node>| node.as_ref().is_some_and(|node| node.kind == FileKind::Directory);
        let folders = (folder(&before), folder(&after));
        let (content, attributes) = match (&old, &new) {
            (Some(old), Some(new)) => (!holds_the_same((lower, old), (merged, new))?, attributes(lower)? != attributes(merged)?),
            (None, None) => return Ok(folders),
            _ => (true, false),
        };
        if content || attributes || before != after {
            let takes = [&old, &new].map(|meta| meta.as_ref().filter(|meta| meta.is_file()).map_or(0, room_of));
            self.changes.push(Change { path: Path::new("/").join(path), before, after, content, attributes, takes });
        }
        Ok(folders)
    }
}

/// What is known of a path, a link not followed; `None` where nothing is.
fn meta(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(named(path, &e)),
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Extended attributes of a path, but not the overlay's own; none where its file system knows of none.
pub(super) fn attributes(of: &Path) -> io::Result<BTreeMap<OsString, Vec<u8>>> {
    let names = match xattr::list(of) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        names => names.map_err(|e| named(of, &e))?.filter(|name| !name.as_bytes().starts_with(b"trusted.overlay.")),
    };
    names.filter_map(|name| Some(xattr::get(of, &name).transpose()?.map(|value| (name, value)))).collect()
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(folder).map_err(|e| named(folder, &e))?;
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

/// Whether a folder of the upper layer merely holds what was written, over one that shows through; else (a new folder, one that hides
/// what was there, one that was renamed, a whiteout) both trees are compared.
fn is_plain_folder(upper: &Path, lower: &Path) -> io::Result<bool> {
    let is_folder = |meta: Option<Metadata>| meta.is_some_and(|meta| meta.is_dir());
    if !is_folder(meta(upper)?) || !is_folder(meta(lower)?) {
        return Ok(false);
    }
    for mark in ["trusted.overlay.opaque", "trusted.overlay.redirect"] {
        if xattr::get(upper, mark).map_err(|e| named(upper, &e))?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_the_same((a, old): (&Path, &Metadata), (b, new): (&Path, &Metadata)) -> io::Result<bool> {
    let (was, is) = (old.file_type(), new.file_type());
    if was != is {
        return Ok(false);
    }
    if was.is_file() {
        return Ok(old.len() == new.len() && same_bytes(a, b)?);
    }
    if was.is_symlink() {
        return Ok(fs::read_link(a)? == fs::read_link(b)?);
    }
    let device = was.is_char_device() || was.is_block_device();
    Ok(!device || old.rdev() == new.rdev())
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    /// Read at a time.
    const CHUNK: usize = 64 * 1024;
    let (mut one, mut other) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        match other.read_exact(&mut right[..read]) {
            Ok(()) if left[..read] == right[..read] => {}
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(e),
        }
    }
}
