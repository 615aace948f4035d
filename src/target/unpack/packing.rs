//! What an archive is packed with, told by its first bytes: names and types that servers give prove nothing.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Memory that a decoder may take: as much as `xz -9` and `zstd --long` ask for, and no more.
const WINDOW_LOG: u32 = 27;
const MEMORY_KIB: u32 = 1 << (WINDOW_LOG - 10);

/// A zip archive, which is read from its end, or a stream of tar.
pub enum Packed<'a, F> {
    /// Zip.
    Zip(F),
    /// Tar, unpacked.
    Tar(Box<dyn Read + 'a>),
}

/// How much of an archive tells what it is: tar says so after its first name.
const TOLD_BY: u64 = 262;

/// Opens an archive; what `watch` makes of it is told of every byte that is read from it.
pub fn open<'a, F: Read + Seek, R: Read + 'a>(mut file: F, watch: impl FnOnce(F) -> R) -> io::Result<Packed<'a, F>> {
    let first = first_bytes(&mut file)?;
    let starts = |magic: &[u8]| first.starts_with(magic);
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return Ok(Packed::Zip(file));
    }
    if !starts(AR) {
        return stream(&first, watch(file)).map(Packed::Tar);
    }
    let length = part_of_package(&mut file, "data.tar")?;
    let first = first_bytes(&mut file)?;
    stream(&first, watch(file).take(length)).map(Packed::Tar)
}

/// What tells what follows, which is read again.
fn first_bytes(file: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
    let (at, mut first) = (file.stream_position()?, Vec::new());
    file.by_ref().take(TOLD_BY).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(first)
}

/// How an archive of ar(1) begins, which deb(5) is.
const AR: &[u8] = b"!<arch>\n";
/// What stands before each of its members: name, times and owners, length, and two bytes that end it.
const MEMBER: usize = 60;
/// More members than any package has: three.
const MOST_MEMBERS: usize = 16;

/// What a Debian package says of itself, as it stands in the index of a repository.
pub fn control_of_package(file: &mut (impl Read + Seek)) -> io::Result<String> {
    /// Longer than any.
    const LONGEST: u64 = 1 << 20;
    let length = part_of_package(file, "control.tar")?;
    let first = first_bytes(file)?;
    let mut parts = ::tar::Archive::new(stream(&first, file.take(length))?);
    for entry in parts.entries()? {
        let entry = entry?;
        if entry.path()?.file_name().is_some_and(|name| name == "control") {
            let mut text = String::new();
            entry.take(LONGEST).read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(io::Error::other("the package says nothing of itself"))
}

/// Goes to where a part of a Debian package begins, and says how long that is.
fn part_of_package(file: &mut (impl Read + Seek), part: &str) -> io::Result<u64> {
    let refused = || io::Error::other("the archive is refused: it is no package of Debian's");
    let mut at = AR.len() as u64;
    for _ in 0..MOST_MEMBERS {
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; MEMBER];
        file.read_exact(&mut header).map_err(|_| refused())?;
        let text = std::str::from_utf8(&header).ok().filter(|text| text.ends_with("`\n")).ok_or_else(refused)?;
        let length: u64 = text.get(48..58).and_then(|number| number.trim_end().parse().ok()).ok_or_else(refused)?;
        if text.starts_with(part) {
            return Ok(length);
        }
        // Members begin at even places.
        at = at.checked_add(MEMBER as u64 + length.next_multiple_of(2)).ok_or_else(refused)?;
    }
    Err(refused())
}

/// What is read at a time.
const PIECE: usize = 64 * 1024;

/// A tar, unpacked.
fn stream<'a>(first: &[u8], source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let starts = |magic: &[u8]| first.starts_with(magic);
    let source = BufReader::with_capacity(PIECE, source);
    Ok(if starts(b"\x1f\x8b") {
        Box::new(flate2::bufread::MultiGzDecoder::new(source))
    } else if starts(b"\xfd7zXZ\0") {
        Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, MEMORY_KIB))
    } else if starts(b"\x28\xb5\x2f\xfd") {
        let mut decoder = zstd::Decoder::with_buffer(source)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Box::new(decoder)
    } else if starts(b"BZh") {
        Box::new(bzip2::bufread::MultiBzDecoder::new(source))
    } else if first.get(257..).is_some_and(|magic| magic.starts_with(b"ustar")) {
        Box::new(source)
    } else {
        let known = "zip, a Debian package, or tar alone or packed with gzip, xz, zstd or bzip2";
        return Err(io::Error::other(format!("it is no archive that Fitout knows: {known}")));
    })
}
