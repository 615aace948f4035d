//! Tar archives as a stream: whatever packed them, entries are judged one by one while they are read.
//!
//! Long names (GNU's and PAX's) are read here, not by the library, which would take as much memory as an archive says.

use super::entry::{Kind, refused};
use super::tree::Tree;
use crate::step::Strip;
use std::io::{self, Read};
use tar::{Archive, EntryType, PaxExtensions};

/// Longest extension of a header: names are shorter, and nothing else of it is used.
const LONGEST_EXTENSION: u64 = 64 * 1024;
/// The unit of tar.
const BLOCK: u64 = 512;

/// Lays a tar archive into the tree, and sees to it that it is whole and that nothing follows it.
pub fn lay(source: impl Read, strip: &Strip, tree: &mut Tree<'_>) -> io::Result<()> {
    let mut archive = Archive::new(Counted { source: tree.bounded(source), read: 0 });
    let (mut end, mut more) = (0, Extensions::default());
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK);
        if !more.take(&mut entry)? {
            let Extensions { name, to } = std::mem::take(&mut more);
            let name = name.unwrap_or_else(|| entry.path_bytes().into_owned());
            let to = to.or_else(|| entry.link_name_bytes().map(Into::into)).unwrap_or_default();
            let kind = kind(entry.header(), &name, to)?;
            tree.lay(&name, kind, strip, &mut entry)?;
        }
    }
    let mut rest = archive.into_inner();
    if rest.read < end + BLOCK {
        return Err(io::Error::other("the archive is refused: it is cut off"));
    }
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match rest.read(&mut chunk)? {
            0 => return Ok(()),
            n if chunk[..n].iter().all(|byte| *byte == 0) => {}
            _ => return Err(io::Error::other("the archive is refused: something follows its end")),
        }
    }
}

fn kind(header: &tar::Header, name: &[u8], to: Vec<u8>) -> io::Result<Kind> {
    let shown = String::from_utf8_lossy(name);
    let to = String::from_utf8(to).map_err(|_| refused(&shown, "is a link whose target is not UTF-8"));
    let kind = header.entry_type();
    let is_file = kind.is_file() || kind.is_contiguous();
    if kind.is_dir() || is_file && name.ends_with(b"/") {
        Ok(Kind::Directory)
    } else if is_file {
        Ok(Kind::File(header.mode()?))
    } else if kind.is_symlink() {
        Ok(Kind::Symlink(to?))
    } else if kind.is_hard_link() {
        Ok(Kind::Hardlink(to?))
    } else if kind.is_gnu_sparse() {
        Err(refused(&shown, "is a sparse file"))
    } else {
        Err(refused(&shown, "is neither a file, a directory nor a link"))
    }
}

/// What entries of their own say about the one after them.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

impl Extensions {
    /// Whether this is such an entry; if so, what it says is kept.
    fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
        let kind = entry.header().entry_type();
        let known = [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader];
        if !known.contains(&kind) {
            return Ok(false);
        }
        if entry.size() > LONGEST_EXTENSION {
            return Err(refused("extension of a header", "is too long"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        // What holds for all entries (XGlobalHeader) is a comment, as git writes it.
        if kind == EntryType::GNULongName {
            self.name = Some(until_nul(bytes));
        } else if kind == EntryType::GNULongLink {
            self.to = Some(until_nul(bytes));
        } else if kind == EntryType::XHeader {
            self.take_pax(&bytes)?;
        }
        Ok(true)
    }

    fn take_pax(&mut self, bytes: &[u8]) -> io::Result<()> {
        for one in PaxExtensions::new(bytes) {
            let one = one?;
            match one.key_bytes() {
                b"path" => self.name = Some(one.value_bytes().to_vec()),
                b"linkpath" => self.to = Some(one.value_bytes().to_vec()),
                // Readers disagree on which size counts where there are two, and so on what the next entry is.
                b"size" => return Err(refused("extension of a header", "gives a second size")),
                key if key.starts_with(b"GNU.sparse") => return Err(refused("extension of a header", "speaks of a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        self.read += n as u64;
        Ok(n)
    }
}
