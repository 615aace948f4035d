//! ISO 9660 with Rock Ridge or Joliet names, as much of it as a seed needs: the label, and files of the root directory.
//!
//! Read without mounting, so that a hostile image meets this parser and not the kernel's. ECMA-119 has the layout; Rock Ridge keeps
//! a file's real name in `NM` entries (RRIP 1.12), Joliet in a second directory tree in UCS-2.

use super::Volume;
use super::medium::{Medium, broken, byte, read_at, slice, u32_le};
use std::collections::BTreeMap;
use std::io;

const SECTOR: u64 = 2048;
/// Volume descriptors start here.
const FIRST: u64 = 16;
/// Descriptors that are looked at before giving up; real images have two to four.
const DESCRIPTORS: u64 = 32;

/// How names of a directory tree are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// ISO's own, with Rock Ridge's beside them.
    Primary,
    /// UCS-2, big-endian.
    Joliet,
}

/// The volume on a medium; `None` if it is not ISO 9660.
///
/// # Errors
/// It is, and cannot be read.
pub fn read(medium: &mut dyn Medium, wanted: &[&str]) -> io::Result<Option<Volume>> {
    let (mut label, mut files) = (None, BTreeMap::new());
    for sector in FIRST..FIRST + DESCRIPTORS {
        let Ok(descriptor) = read_at(medium, sector * SECTOR, 2048) else { break };
        if slice(&descriptor, 1, 5) != b"CD001" {
            break;
        }
        let names = match byte(&descriptor, 0) {
            1 => Names::Primary,
            2 if matches!(slice(&descriptor, 88, 3), b"%/@" | b"%/C" | b"%/E") => Names::Joliet,
            255 => break,
            _ => continue,
        };
        if names == Names::Primary {
            label = Some(String::from_utf8_lossy(slice(&descriptor, 40, 32)).trim_end().to_owned());
        }
        for entry in entries(medium, slice(&descriptor, 156, 34), names)? {
            if wanted.contains(&entry.name.as_str()) && !files.contains_key(&entry.name) {
                files.insert(entry.name, read_at(medium, entry.offset, entry.size)?);
            }
        }
    }
    Ok(label.map(|label| Volume { label, files }))
}

struct Entry {
    name: String,
    offset: u64,
    size: usize,
}

impl Entry {
    fn parse(record: &[u8], names: Names) -> Self {
        let length = usize::from(byte(record, 32));
        let plain = slice(record, 33, length);
        let name = match names {
            Names::Joliet => {
                let units: Vec<u16> = plain.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                String::from_utf16_lossy(&units)
            }
            // The system use area starts on an even byte.
            Names::Primary => rock_ridge(slice(record, 33 + length + usize::from(length % 2 == 0), record.len()))
                .unwrap_or_else(|| String::from_utf8_lossy(plain).to_ascii_lowercase()),
        };
        let name = name.split(';').next().unwrap_or_default().trim_end_matches('.').to_owned();
        let size = usize::try_from(u32_le(record, 10)).unwrap_or(usize::MAX);
        Self { name, offset: u64::from(u32_le(record, 2)) * SECTOR, size }
    }
}

/// Entries of the directory that a record speaks of. Records never cross sectors; a length of 0 leads to the next.
fn entries(medium: &mut dyn Medium, directory: &[u8], names: Names) -> io::Result<Vec<Entry>> {
    let Entry { offset, size, .. } = Entry::parse(directory, names);
    let bytes = read_at(medium, offset, size)?;
    let mut found = Vec::new();
    for sector in bytes.chunks(2048) {
        let mut at = 0;
        while byte(sector, at) != 0 {
            let length = usize::from(byte(sector, at));
            let record = slice(sector, at, length);
            if record.len() < 34 {
                return Err(broken("a directory record is cut off"));
            }
            found.push(Entry::parse(record, names));
            at += length;
        }
    }
    Ok(found)
}

/// The name in the `NM` entries of a system use area, if it has any.
fn rock_ridge(area: &[u8]) -> Option<String> {
    let (mut at, mut name) = (0, None);
    while at + 4 <= area.len() {
        let length = usize::from(byte(area, at + 2));
        if length < 4 {
            break;
        }
        if slice(area, at, 2) == b"NM" {
            let part = String::from_utf8_lossy(slice(area, at + 5, length.saturating_sub(5))).into_owned();
            name = Some(name.unwrap_or_default() + part.as_str());
        }
        at += length;
    }
    name
}
