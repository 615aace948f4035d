//! The tree in which archives are laid over each other. It is the root of all that is written: no link in it leads out of it, not even
//! one that somebody puts there meanwhile.

use super::entry::{Entry, Judge, Kind};
use crate::model::{ByteSize, Sha256, TargetPath};
use crate::step::Strip;
use crate::target::Rooted;
use sha2::Digest;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// What any archive may unpack to: compiled code grows threefold, this allows more, and stops bombs.
const GROWTH: u64 = 20;
/// Small archives may grow more; in tests less, so that bombs need not be large.
const ALWAYS_ALLOWED: u64 = if cfg!(test) { 4 << 20 } else { 512 << 20 };

/// What headers take at most: a block each.
const HEADERS: u64 = super::entry::MOST_ENTRIES as u64 * 512;

/// A tree in the making.
pub struct Tree<'a> {
    files: Rooted,
    judge: Judge,
    executable: &'a [String],
    left: u64,
    written: BTreeMap<String, Sha256>,
}

impl<'a> Tree<'a> {
    /// An empty one; files in the folders `executable` become so whatever their archive says.
    pub fn new(files: Rooted, executable: &'a [String]) -> Self {
        Self { files, judge: Judge::default(), executable, left: 0, written: BTreeMap::new() }
    }

    /// Begins with an archive of this size.
    pub fn next_archive(&mut self, packed: u64) {
        self.judge.next_archive();
        self.left = ALWAYS_ALLOWED.max(packed.saturating_mul(GROWTH));
    }

    /// Lays one entry.
    pub fn lay(&mut self, name: &[u8], kind: Kind, strip: &Strip, content: &mut dyn Read) -> io::Result<()> {
        let mut content = Bounded { source: content, left: self.left };
        let laid = match self.judge.accept(name, kind, strip)? {
            Some(entry) => self.write(entry, &mut content),
            // What is not wanted counts too: a stream must be read to what comes after it.
            None => io::copy(&mut content, &mut io::sink()).map(drop),
        };
        self.left = content.left;
        laid
    }

    /// The digests of the files that were written, so that none is read again for its own.
    pub fn into_digests(self) -> BTreeMap<String, Sha256> {
        self.written
    }

    fn write(&mut self, Entry { name, kind }: Entry, content: &mut dyn Read) -> io::Result<()> {
        let path = |name: &str| TargetPath::root().join(name).map_err(io::Error::other);
        let at = path(&name)?;
        match kind {
            Kind::Directory => self.files.make_directories(&at, nix::sys::stat::Mode::from_bits_truncate(0o755)),
            Kind::File(mode) => {
                let mode = if mode & 0o111 != 0 || self.is_executable(&name) { 0o755 } else { 0o644 };
                let mut content = Hashed { source: content, hash: sha2::Sha256::default() };
                let laid = self.files.write_unsynced(&at, &mut content, mode, (0, 0));
                self.written.insert(name, Sha256::from_bytes(content.hash.finalize().into()));
                laid
            }
            Kind::Symlink(to) => self.files.symlink_unsynced(&at, &to),
            Kind::Hardlink(to) => {
                self.written.extend(self.written.get(&to).copied().map(|digest| (name, digest)));
                self.files.hard_link(&path(&to)?, &at)
            }
        }
        .map_err(io::Error::other)
    }

    /// A stream of tar, no longer than what the archive may unpack to and the headers of its entries.
    pub fn bounded<R: Read>(&self, stream: R) -> Bounded<R> {
        Bounded { source: stream, left: self.left + HEADERS }
    }

    fn is_executable(&self, name: &str) -> bool {
        self.executable.iter().any(|folder| name.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// Hashes what is read.
struct Hashed<'a> {
    source: &'a mut dyn Read,
    hash: sha2::Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        self.hash.update(&into[..n]);
        Ok(n)
    }
}

/// Reads no more than is left.
pub struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::other(format!(
                "the archive is refused: it unpacks to more than {GROWTH} times its size and {}",
                ByteSize(ALWAYS_ALLOWED)
            ))
        })?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_are_stopped() {
        let mut bomb = Bounded { source: io::repeat(0), left: 10 };
        assert!(io::copy(&mut bomb, &mut io::sink()).unwrap_err().to_string().contains("unpacks to more than"));
    }
}
