//! The least that must be done to know that files are as they should be: each is opened, looked at, read and compared with what it should
//! hold, which is read from a copy first, as every tool must read what is wanted from somewhere. A program of its own, without a crate.
//!
//!   floor LIST      with a line for each file: path, mode, size, copy, parted by tabs

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

fn read(path: &str, buffer: &mut Vec<u8>, size: usize) -> io::Result<(u32, u32)> {
    let mut file = File::open(path)?;
    let seen = file.metadata()?;
    buffer.resize(size + 1, 0);
    let length = file.read(buffer)?;
    buffer.truncate(length);
    Ok((seen.mode() & 0o7777, seen.uid()))
}

fn is_so(line: &str, wanted: &mut Vec<u8>, now: &mut Vec<u8>) -> Option<bool> {
    let mut fields = line.split('\t');
    let (path, mode) = (fields.next()?, u32::from_str_radix(fields.next()?, 8).ok()?);
    let size = fields.next()?.parse().ok()?;
    read(fields.next()?, wanted, size).ok()?;
    Some(read(path, now, size).ok()? == (mode, 0) && wanted == now)
}

fn main() -> ExitCode {
    let (mut wanted, mut now) = (Vec::new(), Vec::new());
    let list = std::env::args().nth(1).and_then(|list| std::fs::read_to_string(list).ok()).unwrap_or_default();
    let all = !list.is_empty() && list.lines().all(|line| is_so(line, &mut wanted, &mut now) == Some(true));
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
