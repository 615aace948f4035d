//! `qcow2`: QEMU's format, version 3, without compression or snapshots; only clusters that hold data are stored.
//!
//! Layout (`docs/interop/qcow2.txt` of QEMU): header, data in the order of the disk, second-level tables, first-level table, refcount
//! blocks, refcount table. Everything but the header stands after the data, so one pass over the disk is enough.

use super::Format;
use crate::image::disk::RawDisk;
use crate::target::sparse::{self, BLOCK};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// QEMU's format.
#[derive(Debug)]
pub struct Qcow2;

const CLUSTER: u64 = BLOCK as u64;
const CLUSTER_BITS: u32 = 16;
/// Entries of 8 bytes in a cluster.
const ENTRIES: u64 = CLUSTER / 8;
/// Counts of 2 bytes in a cluster.
const COUNTS: u64 = CLUSTER / 2;
/// In a table's entry: what it points at is used once, here.
const COPIED: u64 = 1 << 63;

impl Format for Qcow2 {
    fn extension(&self) -> &'static str {
        "qcow2"
    }

    fn write(&self, disk: &RawDisk, out: &Path) -> io::Result<()> {
        let mut writer = Writer { file: File::create_new(out)?, next: 1, tables: BTreeMap::new() };
        sparse::each_block(&File::open(&disk.path)?, |at, block| writer.data(at, block))?;
        writer.finish(disk.size.0)
    }
}

struct Writer {
    file: File,
    /// The next free cluster of the file; the first holds the header.
    next: u64,
    /// Second-level tables that are needed: where each data cluster is.
    tables: BTreeMap<u64, Vec<u64>>,
}

impl Writer {
    fn data(&mut self, at: u64, block: &[u8]) -> io::Result<()> {
        let guest = at / CLUSTER;
        let place = self.next;
        self.file.write_all_at(block, place * CLUSTER)?;
        self.next += 1;
        let table = self.tables.entry(guest / ENTRIES).or_insert_with(|| vec![0; BLOCK / 8]);
        let slot = usize::try_from(guest % ENTRIES).map_err(io::Error::other)?;
        table[slot] = (place * CLUSTER) | COPIED;
        Ok(())
    }

    /// Writes numbers into clusters of their own; tells the first.
    fn numbers(&mut self, numbers: &[u64]) -> io::Result<u64> {
        let place = self.next;
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.file.write_all_at(&bytes, place * CLUSTER)?;
        self.next += (bytes.len() as u64).div_ceil(CLUSTER).max(1);
        Ok(place)
    }

    fn finish(mut self, size: u64) -> io::Result<()> {
        let mut first = vec![0; usize::try_from(size.div_ceil(CLUSTER * ENTRIES)).map_err(io::Error::other)?];
        for (number, table) in std::mem::take(&mut self.tables) {
            let place = self.numbers(&table)?;
            first[usize::try_from(number).map_err(io::Error::other)?] = (place * CLUSTER) | COPIED;
        }
        let first_at = self.numbers(&first)?;
        let (blocks, table_clusters) = refcounts(self.next);
        let block_at = self.next;
        let total = self.next + blocks + table_clusters;
        let counts = vec![1_u16.to_be_bytes(); usize::try_from(total).map_err(io::Error::other)?].concat();
        self.file.write_all_at(&counts, block_at * CLUSTER)?;
        self.next += blocks;
        let places: Vec<u64> = (block_at..self.next).map(|place| place * CLUSTER).collect();
        let table_at = self.numbers(&places)?;
        let length = u32::try_from(first.len()).map_err(io::Error::other)?;
        let header = header(size, (length, first_at), (table_at, u32::try_from(table_clusters).map_err(io::Error::other)?));
        self.file.write_all_at(&header, 0)?;
        // The file ends with a whole cluster.
        self.file.set_len(total * CLUSTER)?;
        self.file.sync_all()
    }
}

/// How many refcount blocks, and clusters of their table, count a file of this many other clusters and themselves.
fn refcounts(others: u64) -> (u64, u64) {
    let (mut blocks, mut table) = (1, 1);
    loop {
        let needed = (others + blocks + table).div_ceil(COUNTS);
        let table_needed = needed.div_ceil(ENTRIES);
        if (needed, table_needed) == (blocks, table) {
            return (blocks, table);
        }
        (blocks, table) = (needed, table_needed);
    }
}

fn header(size: u64, (first_length, first_at): (u32, u64), (table_at, table_clusters): (u64, u32)) -> Vec<u8> {
    let parts: [&[u8]; 19] = [
        b"QFI\xfb",
        &3_u32.to_be_bytes(),
        &0_u64.to_be_bytes(), // backing file: none
        &0_u32.to_be_bytes(),
        &CLUSTER_BITS.to_be_bytes(),
        &size.to_be_bytes(),
        &0_u32.to_be_bytes(), // encryption: none
        &first_length.to_be_bytes(),
        &(first_at * CLUSTER).to_be_bytes(),
        &(table_at * CLUSTER).to_be_bytes(),
        &table_clusters.to_be_bytes(),
        &0_u32.to_be_bytes(), // snapshots: none
        &0_u64.to_be_bytes(),
        &0_u64.to_be_bytes(), // incompatible features: none
        &0_u64.to_be_bytes(), // compatible features: none
        &0_u64.to_be_bytes(), // features to clear: none
        &4_u32.to_be_bytes(), // refcounts of 2^4 bits
        &104_u32.to_be_bytes(),
        &0_u64.to_be_bytes(), // extensions: none
    ];
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ByteSize;
    use crate::step::Output;
    use crate::target::quick_host;

    fn qemu_img(argv: &[&str]) -> Option<Output> {
        quick_host(&[&["qemu-img"], argv].concat()).ok()
    }

    #[test]
    fn qemu_reads_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let (raw, out) = (folder.path().join("disk"), folder.path().join("disk.qcow2"));
        let disk = RawDisk { path: raw.clone(), size: ByteSize(3 << 30), id: "disk".into() };
        let file = File::create(&raw).unwrap();
        file.set_len(disk.size.0).unwrap();
        for (at, text) in [(0, "start"), (700 << 20, "second table"), ((3 << 30) - 3, "end")] {
            file.write_all_at(text.as_bytes(), at).unwrap();
        }
        Qcow2.write(&disk, &out).unwrap();
        let (raw, out) = (raw.to_str().unwrap(), out.to_str().unwrap());
        let Some(check) = qemu_img(&["check", out]) else { return };
        assert_eq!((check.status, check.stdout.contains("No errors were found")), (0, true), "{check:?}");
        let compared = qemu_img(&["compare", "-f", "raw", "-F", "qcow2", raw, out]).unwrap();
        assert_eq!(compared.status, 0, "{compared:?}");
    }

    #[test]
    fn refcounts_count_themselves() {
        assert_eq!(refcounts(10), (1, 1));
        assert_eq!(refcounts(COUNTS - 2), (1, 1));
        assert_eq!(refcounts(COUNTS - 1), (2, 1));
    }
}
