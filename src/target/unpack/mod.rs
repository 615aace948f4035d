//! Trees of archives: laid over each other beside the place where they belong, and moved there when they are whole.
//!
//! `entry` judges what an archive may hold, `tar` and `zip` read the two kinds, `packing` tells what they are packed with, `tree` writes,
//! `theirs` sees to what people put into a tree that is made anew.

mod entry;
mod packing;
mod tar;
#[cfg(test)]
mod tests;
mod theirs;
mod tree;
mod zip;

use super::machine::Machine;
use super::{Inventory, OpError, Progress, go_on};
use crate::model::{Sha256, TargetPath};
use crate::step::{Blob, FileKind, Layer, Unpack};
use crate::store::Held;
use packing::Packed;
pub(super) use packing::control_of_package;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use tree::Tree;

pub use zip::{is_program_in_wheel, program_in_wheel};

/// The name of the file that says from what a tree or a generation was made; written last.
pub(super) const MARKER: &str = ".fitout.json";

/// The path of a tree's marker.
pub(super) fn marker(tree: &TargetPath) -> Result<TargetPath, OpError> {
    below(tree, MARKER)
}

pub(super) fn below(tree: &TargetPath, name: &str) -> Result<TargetPath, OpError> {
    tree.join(name).map_err(|e| OpError::new(format!("use path {tree}/{name}"), e))
}

/// A path beside this one.
fn beside(path: &TargetPath, ending: &str) -> Result<TargetPath, OpError> {
    let above = path.parent().ok_or_else(|| OpError::new(format!("unpack into {path}"), "it is the root directory"))?;
    below(&above, &format!(".{}.fitout-{ending}", path.name()))
}

/// Refuses a place where something is that no tree of Fitout's is.
fn must_be_ours(machine: &Machine, place: &TargetPath) -> Result<(), OpError> {
    let files = &machine.files;
    let Some(stat) = files.stat(place)? else { return Ok(()) };
    if stat.kind == FileKind::Directory && files.stat(&marker(place)?)?.is_some() {
        return Ok(());
    }
    let error = OpError::new(format!("unpack into {place}"), "something that Fitout did not make is there");
    Err(error.hint("move it away, or name another path"))
}

pub(super) fn perform(machine: &Machine, unpack: &Unpack, progress: &dyn Progress) -> Result<(), OpError> {
    let files = &machine.files;
    let (fresh, old) = (beside(&unpack.into, "new")?, beside(&unpack.into, "old")?);
    must_be_ours(machine, &unpack.into)?;
    let waits = unpack.layers.iter().any(|layer| !machine.store.path(&layer.archive.sha256).exists());
    let digests = match fill(machine, unpack, &fresh, progress) {
        // What was read while it came may have begun anew, or be what nobody pinned: what counts is what is in the store in the end.
        Err(_) if waits && unpack.layers.iter().all(|layer| whole(machine, &layer.archive)) => fill(machine, unpack, &fresh, progress),
        done => done,
    };
    let digests = match digests {
        Ok(digests) => digests,
        Err(error) => {
            // Nobody needs half of it, and its room may be what is short.
            files.remove_tree(&fresh)?;
            return Err(error);
        }
    };
    for (name, to) in &unpack.links {
        files.symlink(&below(&fresh, name)?, to)?;
    }
    for folder in &unpack.unversioned {
        name_without_version(files, &below(&fresh, folder)?)?;
    }
    let made = Inventory::take(&fresh, &digests, files)?;
    theirs::carry(machine, &unpack.into, (&fresh, &made), progress)?;
    let text = serde_json::json!({"version": 1, "digest": unpack.digest}).to_string();
    files.write(&marker(&fresh)?, &mut text.as_bytes(), 0o644, (0, 0))?;
    files.sync_tree(&fresh)?;
    // A kill between the two moves leaves the new tree whole beside the place; it is made again.
    files.remove_tree(&old)?;
    if files.stat(&unpack.into)?.is_some() {
        files.rename(&unpack.into, &old)?;
    }
    files.rename(&fresh, &unpack.into)?;
    Ok(files.remove_tree(&old)?)
}

/// Lays all archives into a tree of their own, and tells the digests of its files.
fn fill(machine: &Machine, unpack: &Unpack, fresh: &TargetPath, progress: &dyn Progress) -> Result<BTreeMap<String, Sha256>, OpError> {
    let files = &machine.files;
    files.remove_tree(fresh)?;
    files.make_directories(fresh, nix::sys::stat::Mode::from_bits_truncate(0o755))?;
    let mut tree = Tree::new(files.below(fresh)?, &unpack.executable);
    let total = unpack.layers.iter().filter_map(|layer| layer.archive.size).map(|size| size.0).sum();
    let read = Meter { read: AtomicU64::default(), total, progress };
    for layer in &unpack.layers {
        lay(machine, layer, &mut tree, &read).map_err(|e| OpError::new(format!("unpack {}", layer.archive.url), e))?;
    }
    Ok(tree.into_digests())
}

/// Gives the libraries of a folder the names by which linkers find them: `libx.so` for `libx.so.1`.
fn name_without_version(files: &super::Rooted, folder: &TargetPath) -> Result<(), OpError> {
    let names = files.list(folder)?.unwrap_or_default();
    for name in &names {
        let plain = name.rsplit_once(".so.").filter(|(_, version)| version.chars().all(|c| c.is_ascii_digit()));
        let Some(plain) = plain.map(|(stem, _)| format!("{stem}.so")).filter(|plain| !names.contains(plain)) else { continue };
        files.symlink(&below(folder, &plain)?, name)?;
    }
    Ok(())
}

/// Removes a tree that was made here: it is moved aside first, so that no half of it is ever in its place. What people put into it stays
/// theirs.
pub(super) fn remove(machine: &Machine, place: &TargetPath, progress: &dyn Progress) -> Result<(), OpError> {
    let (files, old) = (&machine.files, beside(place, "old")?);
    must_be_ours(machine, place)?;
    theirs::save(machine, place, progress)?;
    files.remove_tree(&old)?;
    if files.stat(place)?.is_some() {
        files.rename(place, &old)?;
    }
    Ok(files.remove_tree(&old)?)
}

/// Lays one archive into the tree: from the store, or while it comes there.
fn lay(machine: &Machine, layer: &Layer, tree: &mut Tree<'_>, read: &Meter<'_>) -> io::Result<()> {
    let (blob, store) = (&layer.archive, &machine.store);
    if let (Held::Absent, Some(size)) = (store.look(&blob.sha256)?, blob.size)
        && let Some(growing) = store.arrival(&blob.sha256).follow()
        && let Packed::Tar(stream) = packing::open(growing, |source| Metered { source, read })?
    {
        tree.next_archive(size.0);
        tar::lay(stream, &layer.strip, tree)?;
        return if whole(machine, blob) { Ok(()) } else { Err(io::Error::other("it did not come")) };
    }
    whole(machine, blob);
    let file = store.take(&blob.sha256)?;
    tree.next_archive(file.metadata()?.len());
    match packing::open(file, |source| Metered { source, read })? {
        Packed::Zip(file) => {
            zip::lay(file.try_clone()?, &layer.strip, tree)?;
            read.count(file.metadata()?.len())
        }
        Packed::Tar(stream) => tar::lay(stream, &layer.strip, tree),
    }
}

/// Waits while an archive is on its way; whether it is in the store.
fn whole(machine: &Machine, blob: &Blob) -> bool {
    machine.store.arrival(&blob.sha256).is_whole_in_the_end() || machine.store.path(&blob.sha256).exists()
}

/// How much of the archives was read.
struct Meter<'a> {
    read: AtomicU64,
    total: u64,
    progress: &'a dyn Progress,
}

impl Meter<'_> {
    fn count(&self, bytes: u64) -> io::Result<()> {
        go_on()?;
        if let Some(why) = self.progress.must_end() {
            return Err(io::Error::other(why));
        }
        let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.progress.advance(read, self.total);
        Ok(())
    }
}

/// An archive whose reading is counted.
struct Metered<'a, R> {
    source: R,
    read: &'a Meter<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        self.read.count(n as u64)?;
        Ok(n)
    }
}
