//! Bounded reads from a medium that nobody vouches for: every length is checked before memory is taken.

use std::io::{self, Read, Seek, SeekFrom};

/// Something that can be read at any place: a block device, an image file.
pub trait Medium: Read + Seek {}

impl<T: Read + Seek> Medium for T {}

/// The longest file or directory that is read: many times any real user data (cloud providers allow 16 to 64 kB).
pub const LONGEST: usize = 1024 * 1024;

/// Reads `length` bytes at `offset`.
///
/// # Errors
/// The medium is shorter, does not answer, or more than [`LONGEST`] is asked for.
pub fn read_at(medium: &mut dyn Medium, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    if length > LONGEST {
        return Err(broken(format!("{length} bytes are more than the {LONGEST} that are read")));
    }
    medium.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length];
    medium.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// An error that says what is wrong with what was read.
pub fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// The byte at `at`; 0 past the end.
pub fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

/// The little-endian number at `at`; 0 past the end.
pub fn u16_le(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([byte(bytes, at), byte(bytes, at + 1)])
}

/// The little-endian number at `at`; 0 past the end.
pub fn u32_le(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_le(bytes, at)) | u32::from(u16_le(bytes, at + 2)) << 16
}

/// The bytes from `at` on, at most `length` of them.
pub fn slice(bytes: &[u8], at: usize, length: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    &rest[..rest.len().min(length)]
}
