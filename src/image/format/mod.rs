//! Formats of disk images: each takes the raw disk and writes a file that a hypervisor or cloud takes.
//!
//! To add one: a file here with its [`Format`], a variant of the definition's `outputs`, and its line in [`writer`].

mod qcow2;
mod raw;
mod vhd;

use super::disk::RawDisk;
use crate::manifest::ImageFormat;
use std::io;
use std::path::Path;

/// A way to write a disk.
pub trait Format {
    /// What file names of this format end in.
    fn extension(&self) -> &'static str;

    /// Writes the disk to a new file.
    ///
    /// # Errors
    /// The disk cannot be read, or the file not written.
    fn write(&self, disk: &RawDisk, out: &Path) -> io::Result<()>;
}

/// The writer of a format.
#[must_use]
pub fn writer(format: ImageFormat) -> &'static dyn Format {
    match format {
        ImageFormat::Raw => &raw::Raw,
        ImageFormat::Qcow2 => &qcow2::Qcow2,
        ImageFormat::Vhd => &vhd::Vhd,
    }
}
