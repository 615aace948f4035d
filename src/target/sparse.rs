//! Sparse files: where their data is, and copies that keep the holes.

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

/// What is looked at at once: the cluster of qcow2, and a whole number of blocks of every file system.
pub const BLOCK: usize = 64 * 1024;

/// Where data begins at or after a place, and where it ends; `None` where only a hole follows.
fn next(file: &File, from: u64) -> io::Result<Option<Range<u64>>> {
    let offset = |at: u64| i64::try_from(at).map_err(io::Error::other);
    let place = |at: i64| u64::try_from(at).map_err(io::Error::other);
    let start = match lseek(file, offset(from)?, Whence::SeekData) {
        Ok(start) => start,
        Err(Errno::ENXIO) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let end = lseek(file, start, Whence::SeekHole)?;
    Ok(Some(place(start)?..place(end)?))
}

/// Calls `with` for each block that holds anything but zeros, in order, with its place. The last one may be shorter.
///
/// # Errors
/// The file cannot be read, or `with` failed.
pub fn each_block(file: &File, mut with: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let size = file.metadata()?.len();
    let step = BLOCK as u64;
    let mut buffer = vec![0; BLOCK];
    let mut at = 0;
    while let Some(data) = next(file, at)? {
        at = data.start / step * step;
        while at < data.end {
            let length = usize::try_from(step.min(size - at)).map_err(io::Error::other)?;
            let block = &mut buffer[..length];
            file.read_exact_at(block, at)?;
            if block.iter().any(|byte| *byte != 0) {
                with(at, block)?;
            }
            at += step;
        }
    }
    Ok(())
}

/// Copies the data of one file into another, from `to_offset` on; what is a hole or zero is not written.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy(from: &File, to: &File, to_offset: u64) -> io::Result<()> {
    each_block(from, |at, block| to.write_all_at(block, to_offset + at))
}

/// Copies all of a file to the beginning of an empty one. One that takes less room than it is long keeps its holes; of another every byte is
/// written, for what was given its room (a swap file) is to have it.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_whole(from: &mut File, to: &mut File) -> io::Result<()> {
    let meta = from.metadata()?;
    if room_of(&meta) == meta.len() {
        return io::copy(from, to).map(drop);
    }
    let mut at = 0;
    while let Some(data) = next(from, at)? {
        from.seek(SeekFrom::Start(data.start))?;
        to.seek(SeekFrom::Start(data.start))?;
        io::copy(&mut from.take(data.end - data.start), to)?;
        at = data.end;
    }
    to.set_len(meta.len())
}

/// What the content of a file takes, at most its length.
#[must_use]
pub fn room_of(meta: &Metadata) -> u64 {
    /// What `st_blocks` counts in (stat(3type)).
    const UNIT: u64 = 512;
    meta.len().min(meta.blocks() * UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_data_among_holes() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10 * BLOCK as u64 + 7).unwrap();
        file.write_all_at(b"x", 3 * BLOCK as u64 + 5).unwrap();
        file.write_all_at(&[0; 9], 5 * BLOCK as u64).unwrap();
        file.write_all_at(b"end", 10 * BLOCK as u64 + 4).unwrap();
        let mut found = Vec::new();
        each_block(&file, |at, block| {
            found.push((at / BLOCK as u64, block.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [(3, BLOCK), (10, 7)]);
    }
    #[test]
    fn a_copy_keeps_holes_and_length() {
        const LENGTH: u64 = 100 * BLOCK as u64 + 7;
        let (mut file, mut copy) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        file.set_len(LENGTH).unwrap();
        file.write_all_at(b"x", 3 * BLOCK as u64 + 5).unwrap();
        copy_whole(&mut file, &mut copy).unwrap();
        let meta = copy.metadata().unwrap();
        assert!(meta.len() == LENGTH && room_of(&meta) <= BLOCK as u64, "{meta:?}");
        let mut read = [0; 3];
        copy.read_exact_at(&mut read, 3 * BLOCK as u64 + 4).unwrap();
        assert_eq!(&read, b"\0x\0");
    }
}
