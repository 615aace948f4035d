//! Zip archives: wheels.

use super::entry::{Kind, MOST_ENTRIES, refused};
use super::tree::Tree;
use crate::step::Strip;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use zip::ZipArchive;
use zip::read::ZipFile;

/// Longest target of a link that is read; longer ones are refused.
const LONGEST_LINK: u64 = 4096;

/// The end of an archive and its comment, at most.
const LONGEST_END: u64 = 22 + 65_535;

/// Lays a zip archive into the tree.
pub fn lay(mut file: File, strip: &Strip, tree: &mut Tree<'_>) -> io::Result<()> {
    let said = said_entries(&mut file)?;
    let mut archive = ZipArchive::new(file).map_err(io::Error::other)?;
    if archive.len() > MOST_ENTRIES {
        return Err(io::Error::other(format!("the archive is refused: it holds more than {MOST_ENTRIES} entries")));
    }
    if said.is_some_and(|said| said != archive.len()) {
        return Err(io::Error::other("the archive is refused: an entry is there twice"));
    }
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(io::Error::other)?;
        let name = entry.name_raw().to_vec();
        let kind = kind(&mut entry, &String::from_utf8_lossy(&name))?;
        tree.lay(&name, kind, strip, &mut entry)?;
    }
    Ok(())
}

/// How many entries the end of an archive speaks of; `None` where it does not say (more than it has room for). The library keeps one
/// of several with the same name.
fn said_entries(file: &mut File) -> io::Result<Option<usize>> {
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(end.saturating_sub(LONGEST_END)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.rewind()?;
    let at = bytes.windows(4).rposition(|window| window == b"PK\x05\x06");
    let count = at.and_then(|at| Some(u16::from_le_bytes(bytes.get(at + 10..at + 12)?.try_into().ok()?)));
    Ok(count.filter(|count| *count != u16::MAX).map(usize::from))
}

fn kind<R: Read + ?Sized>(entry: &mut ZipFile<'_, R>, name: &str) -> io::Result<Kind> {
    let mode = entry.unix_mode().unwrap_or_default();
    match mode & 0o170_000 {
        0 | 0o040_000 if name.ends_with('/') => Ok(Kind::Directory),
        0 | 0o100_000 => Ok(Kind::File(mode)),
        0o120_000 => {
            let mut to = String::new();
            entry.take(LONGEST_LINK).read_to_string(&mut to).map_err(|_| refused(name, "is a link whose target is not UTF-8"))?;
            Ok(Kind::Symlink(to))
        }
        _ => Err(refused(name, "is neither a file, a directory nor a link")),
    }
}

/// Writes the program `name` of a wheel (`NAME-VERSION.data/scripts/NAME`).
///
/// # Errors
/// The wheel cannot be read or holds no such program.
pub fn program_in_wheel(wheel: File, name: &str, into: &mut impl Write) -> io::Result<()> {
    let mut archive = ZipArchive::new(wheel).map_err(io::Error::other)?;
    let ending = format!(".data/scripts/{name}");
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(io::Error::other)?;
        if entry.name().is_ok_and(|path| path.ends_with(&ending)) {
            io::copy(&mut entry, into)?;
            return Ok(());
        }
    }
    Err(io::Error::other(format!("the wheel holds no program {name}")))
}

/// Whether a file is the program `name` of a wheel, byte for byte: what lies unpacked may have been damaged since.
///
/// # Errors
/// The wheel or the file cannot be read, or the wheel holds no such program.
pub fn is_program_in_wheel(wheel: File, name: &str, file: File) -> io::Result<bool> {
    let mut compared = Compared { with: BufReader::new(file), is_same: true };
    program_in_wheel(wheel, name, &mut compared)?;
    Ok(compared.is_same && compared.with.fill_buf()?.is_empty())
}

/// Takes bytes, and holds them against those of a file.
struct Compared {
    with: BufReader<File>,
    is_same: bool,
}

impl Write for Compared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut other = vec![0; bytes.len()];
        self.is_same = self.is_same && self.with.read_exact(&mut other).is_ok() && other == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
