//! FAT12, FAT16 and FAT32 with long names, as much of it as a seed needs: the label, and files of the root directory.
//!
//! Read without mounting, so that a hostile image meets this parser and not the kernel's. Microsoft's FAT specification 1.03 has
//! the layout.

use super::Volume;
use super::medium::{LONGEST, Medium, broken, byte, read_at, slice, u16_le, u32_le};
use std::collections::BTreeMap;
use std::io;

/// What the boot sector says about the rest.
struct Layout {
    /// Bytes of a cluster.
    cluster: usize,
    /// Where the first table is.
    table: u64,
    /// The width of its entries in bits.
    width: u32,
    /// Where cluster 2 is.
    data: u64,
    /// Where the root directory is.
    root: Root,
}

enum Root {
    /// FAT12 and FAT16: at an offset, so long.
    Fixed(u64, usize),
    /// FAT32: from this cluster on.
    Chain(u32),
}

impl Layout {
    /// `None` where the sector is not FAT's.
    fn parse(boot: &[u8]) -> Option<Self> {
        let sector = u64::from(u16_le(boot, 11));
        let per_cluster = u64::from(byte(boot, 13));
        let tables = u64::from(byte(boot, 16));
        let plausible = matches!(sector, 512 | 1024 | 2048 | 4096) && per_cluster.is_power_of_two() && matches!(tables, 1 | 2);
        if !plausible || slice(boot, 510, 2) != [0x55, 0xaa] {
            return None;
        }
        let or = |small: u16, large: u32| if small == 0 { u64::from(large) } else { u64::from(small) };
        let table_sectors = or(u16_le(boot, 22), u32_le(boot, 36));
        let sectors = or(u16_le(boot, 19), u32_le(boot, 32));
        let reserved = u64::from(u16_le(boot, 14));
        let root_bytes = u64::from(u16_le(boot, 17)) * 32;
        let root_at = reserved + tables * table_sectors;
        let data = root_at + root_bytes.div_ceil(sector);
        let clusters = sectors.checked_sub(data)? / per_cluster;
        // The count of clusters alone decides which FAT it is.
        let width = if clusters < 4085 {
            12
        } else if clusters < 65_525 {
            16
        } else {
            32
        };
        let root = match width {
            32 => Root::Chain(u32_le(boot, 44)),
            _ => Root::Fixed(root_at * sector, usize::try_from(root_bytes).ok()?),
        };
        let cluster = usize::try_from(per_cluster * sector).ok()?;
        Some(Self { cluster, table: reserved * sector, width, data: data * sector, root })
    }

    /// The cluster after this one; `None` at the end of a chain.
    fn next(&self, medium: &mut dyn Medium, cluster: u32) -> io::Result<Option<u32>> {
        let entry = read_at(medium, self.table + u64::from(cluster) * u64::from(self.width) / 8, 4)?;
        let (number, end) = match self.width {
            12 if cluster % 2 == 1 => (u32::from(u16_le(&entry, 0) >> 4), 0xff8),
            12 => (u32::from(u16_le(&entry, 0) & 0xfff), 0xff8),
            16 => (u32::from(u16_le(&entry, 0)), 0xfff8),
            _ => (u32_le(&entry, 0) & 0x0fff_ffff, 0x0fff_fff8),
        };
        Ok((number >= 2 && number < end).then_some(number))
    }

    /// What a chain of clusters holds, at most `longest` bytes of it.
    fn chain(&self, medium: &mut dyn Medium, first: u32, longest: usize) -> io::Result<Vec<u8>> {
        let (mut bytes, mut cluster) = (Vec::new(), (first >= 2).then_some(first));
        while let Some(now) = cluster {
            if bytes.len() >= longest {
                break;
            }
            let at = self.data + u64::from(now - 2) * self.cluster as u64;
            bytes.extend(read_at(medium, at, self.cluster)?);
            cluster = self.next(medium, now)?;
        }
        bytes.truncate(longest);
        Ok(bytes)
    }

    fn root(&self, medium: &mut dyn Medium) -> io::Result<Vec<u8>> {
        match self.root {
            Root::Fixed(at, length) => read_at(medium, at, length),
            Root::Chain(first) => self.chain(medium, first, LONGEST),
        }
    }
}

/// Attributes of directory entries.
const LABEL: u8 = 0x08;
const LONG_NAME: u8 = 0x0f;
const DIRECTORY: u8 = 0x10;

/// The volume on a medium; `None` if it is not FAT.
///
/// # Errors
/// It is, and cannot be read.
pub fn read(medium: &mut dyn Medium, wanted: &[&str]) -> io::Result<Option<Volume>> {
    let Ok(boot) = read_at(medium, 0, 512) else { return Ok(None) };
    let Some(layout) = Layout::parse(&boot) else { return Ok(None) };
    let boot_label = slice(&boot, if layout.width == 32 { 71 } else { 43 }, 11);
    let mut volume = Volume { label: text(boot_label), files: BTreeMap::new() };
    let mut long = String::new();
    for entry in layout.root(medium)?.chunks_exact(32) {
        match (entry[0], entry[11]) {
            (0, _) => break,
            (0xe5, _) => long.clear(),
            (_, LONG_NAME) => long = long_part(entry) + &long,
            (_, attributes) if attributes & LABEL != 0 => volume.label = text(&entry[..11]),
            (_, attributes) if attributes & DIRECTORY != 0 => long.clear(),
            _ => {
                let name = if long.is_empty() { short_name(entry) } else { std::mem::take(&mut long) };
                // A name that is there again, as none may be, costs no second read: a directory has room for thousands.
                if wanted.contains(&name.as_str()) && !volume.files.contains_key(&name) {
                    volume.files.insert(name, file(medium, &layout, entry)?);
                }
            }
        }
    }
    Ok(Some(volume))
}

fn file(medium: &mut dyn Medium, layout: &Layout, entry: &[u8]) -> io::Result<Vec<u8>> {
    let size = usize::try_from(u32_le(entry, 28)).unwrap_or(usize::MAX);
    if size > LONGEST {
        return Err(broken(format!("a file of {size} bytes is longer than the {LONGEST} that are read")));
    }
    let first = u32::from(u16_le(entry, 26)) | u32::from(u16_le(entry, 20)) << 16;
    layout.chain(medium, first, size)
}

fn text(padded: &[u8]) -> String {
    String::from_utf8_lossy(padded).trim_end().to_owned()
}

/// The name of an entry without a long one, as `ls` shows it.
fn short_name(entry: &[u8]) -> String {
    let (stem, extension) = (text(&entry[..8]).to_lowercase(), text(&entry[8..11]).to_lowercase());
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

/// The thirteen characters of a long name that one entry holds.
fn long_part(entry: &[u8]) -> String {
    let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
    let units: Vec<u16> = places.map(|at| u16_le(entry, at)).take_while(|unit| !matches!(unit, 0 | 0xffff)).collect();
    String::from_utf16_lossy(&units)
}
