//! Sparse files: where their data is, and copies that keep the holes.

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

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
}
