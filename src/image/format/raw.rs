//! `raw`: the disk itself, byte for byte, as a sparse file.

use super::Format;
use crate::image::disk::RawDisk;
use std::io;
use std::path::Path;

/// The disk itself.
#[derive(Debug)]
pub struct Raw;

impl Format for Raw {
    fn extension(&self) -> &'static str {
        "raw"
    }

    fn write(&self, disk: &RawDisk, out: &Path) -> io::Result<()> {
        // Another name for the same file: nothing writes to the disk any more.
        std::fs::hard_link(&disk.path, out)
    }
}
