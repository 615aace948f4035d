//! `vhd`: a fixed VHD, the format that Azure takes: the disk's bytes, then a footer of 512 bytes.
//!
//! Azure wants fixed disks whose size is a multiple of a mebibyte; the definition allows no other. Layout: "Virtual Hard Disk Image
//! Format Specification", version 1.0, Microsoft. The file stays sparse where the disk is.

use super::Format;
use crate::image::disk::RawDisk;
use crate::model::Sha256;
use crate::target::sparse;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A fixed VHD.
#[derive(Debug)]
pub struct Vhd;

impl Format for Vhd {
    fn extension(&self) -> &'static str {
        "vhd"
    }

    fn write(&self, disk: &RawDisk, out: &Path) -> io::Result<()> {
        let file = File::create_new(out)?;
        sparse::copy(&File::open(&disk.path)?, &file, 0)?;
        file.write_all_at(&footer(disk.size.0, &identity(disk)), disk.size.0)?;
        file.sync_all()
    }
}

const FOOTER: usize = 512;
const CHECKSUM_AT: usize = 64;
const SECTOR: u64 = 512;

/// Who made it. QEMU believes the size that a footer states only of makers that it knows, and else computes a rounded one from the
/// disk's geometry (`block/vpc.c`); this is its name for itself.
const MAKER: &[u8; 4] = b"qem2";

/// A name for the disk, as the format wants one.
fn identity(disk: &RawDisk) -> [u8; 16] {
    let digest = Sha256::of_parts(["vhd", &disk.id]).to_string();
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_bytes()[..16]);
    id
}

fn footer(size: u64, identity: &[u8; 16]) -> [u8; FOOTER] {
    let (cylinders, heads, sectors) = geometry(size / SECTOR);
    let mut bytes = [0; FOOTER];
    let mut at = 0;
    let parts: [&[u8]; 14] = [
        b"conectix",
        &2_u32.to_be_bytes(),           // features: none but the bit that is always set
        &0x0001_0000_u32.to_be_bytes(), // version of the format
        &u64::MAX.to_be_bytes(),        // offset of a dynamic header: none
        &0_u32.to_be_bytes(),           // when: untold, so that two bakes are alike
        MAKER,
        &0_u32.to_be_bytes(), // the maker's version
        b"Wi2k",              // the maker's system: one of the two that the format knows
        &size.to_be_bytes(),  // size when made
        &size.to_be_bytes(),  // size now
        &cylinders.to_be_bytes(),
        &[heads, sectors],
        &2_u32.to_be_bytes(), // kind: fixed
        &0_u32.to_be_bytes(), // checksum, below
    ];
    for part in parts.into_iter().chain([identity.as_slice()]) {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&(!sum).to_be_bytes());
    bytes
}

/// Cylinders, heads and sectors per track, by the appendix of the specification.
fn geometry(sectors: u64) -> (u16, u8, u8) {
    const LARGEST: u64 = 65_535 * 16 * 255;
    let total = sectors.min(LARGEST);
    let (per_track, heads, rest) = if total >= 65_535 * 16 * 63 {
        (255, 16, total / 255)
    } else {
        let rest = total / 17;
        let heads = rest.div_ceil(1024).max(4);
        if rest < heads * 1024 && heads <= 16 {
            (17, heads, rest)
        } else if total / 31 < 16 * 1024 {
            (31, 16, total / 31)
        } else {
            (63, 16, total / 63)
        }
    };
    let narrow = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    (u16::try_from(rest / heads).unwrap_or(u16::MAX), narrow(heads), narrow(per_track))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ByteSize;

    #[test]
    fn the_footer_adds_up() {
        let bytes = footer(4 << 30, &[7; 16]);
        let sum: u32 = bytes.iter().enumerate().filter(|(at, _)| !(64..68).contains(at)).map(|(_, byte)| u32::from(*byte)).sum();
        assert_eq!(bytes[64..68], (!sum).to_be_bytes());
        assert_eq!(bytes[48..56], (4_u64 << 30).to_be_bytes());
        assert_eq!(bytes[60..64], [0, 0, 0, 2]);
    }

    #[test]
    fn a_disk_comes_to_the_same_file_wherever_it_is_made() {
        let bake = || {
            let folder = tempfile::tempdir().unwrap();
            let disk = RawDisk { path: folder.path().join("disk"), size: ByteSize(3 << 20), id: "disk".into() };
            std::fs::write(&disk.path, vec![7; 3 << 20]).unwrap();
            Vhd.write(&disk, &folder.path().join("disk.vhd")).unwrap();
            std::fs::read(folder.path().join("disk.vhd")).unwrap()
        };
        assert!(bake() == bake());
    }

    #[test]
    fn geometry_follows_the_specification() {
        // As `qemu-img create -f vpc` computes them.
        assert_eq!(geometry((4 << 30) / 512), (8322, 16, 63));
        assert_eq!(geometry((32 << 30) / 512), (16_448, 16, 255));
        assert_eq!(geometry(u64::MAX), (65_535, 16, 255));
    }
}
