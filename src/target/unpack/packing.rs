//! What an archive is packed with, told by its first bytes: names and types that servers give prove nothing.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

/// Memory that a decoder may take: as much as `xz -9` and `zstd --long` ask for, and no more.
const WINDOW_LOG: u32 = 27;
const MEMORY_KIB: u32 = 1 << (WINDOW_LOG - 10);

/// A zip archive, which is read from its end, or a stream of tar.
pub enum Packed<'a> {
    /// Zip.
    Zip(File),
    /// Tar, unpacked.
    Tar(Box<dyn Read + 'a>),
}

/// How much of an archive tells what it is: tar says so after its first name.
const TOLD_BY: u64 = 262;

/// Opens an archive; what `watch` makes of it is told of every byte that is read from it.
pub fn open<'a, R: Read + 'a>(mut file: File, watch: impl FnOnce(File) -> R) -> io::Result<Packed<'a>> {
    let mut first = Vec::new();
    (&mut file).take(TOLD_BY).read_to_end(&mut first)?;
    file.rewind()?;
    let starts = |magic: &[u8]| first.starts_with(magic);
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return Ok(Packed::Zip(file));
    }
    let stream = BufReader::new(watch(file));
    Ok(Packed::Tar(if starts(b"\x1f\x8b") {
        Box::new(flate2::bufread::MultiGzDecoder::new(stream))
    } else if starts(b"\xfd7zXZ\0") {
        Box::new(lzma_rust2::XzReader::new_mem_limit(stream, true, MEMORY_KIB))
    } else if starts(b"\x28\xb5\x2f\xfd") {
        let mut decoder = zstd::Decoder::with_buffer(stream)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Box::new(decoder)
    } else if starts(b"BZh") {
        Box::new(bzip2::bufread::MultiBzDecoder::new(stream))
    } else if first.get(257..).is_some_and(|magic| magic.starts_with(b"ustar")) {
        Box::new(stream)
    } else {
        return Err(io::Error::other("it is no archive that Fitout knows: zip, or tar alone or packed with gzip, xz, zstd or bzip2"));
    }))
}
