//! A download on its way: a file of the store without its final name, hashed while it grows.

use super::error::Cause;
use crate::model::{ByteSize, Sha256};
use crate::step::Blob;
use crate::store::{Arrival, Store};
use crate::target::Progress;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// No download of unknown size may be larger: the largest packages of this field take a few GB.
const LARGEST: u64 = 64 << 30;
/// How much of a file is read at a time.
const CHUNK: usize = 256 * 1024;
/// Less than this is not worth a note: it is fetched again in a moment.
const WORTH_A_NOTE: u64 = 4 << 20;

/// What is noted of a part of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// What the server calls this version of the file.
    version: String,
    /// How much of the file came without a gap; all of it where nothing is said.
    gapless: Option<u64>,
}

/// A download on its way.
pub(super) struct Incoming<'a> {
    store: &'a Store,
    pub blob: &'a Blob,
    pub file: NamedTempFile,
    hash: sha2::Sha256,
    /// Who reads it while it grows.
    arrival: Arc<Arrival>,
    /// How much came without a gap, and was hashed.
    pub length: u64,
    /// What the server calls this version of the file; without it a download cannot be gone on with.
    pub version: Option<String>,
    /// Whether it is put together from several answers.
    pub joined: bool,
    /// Whether it comes over one connection, whatever that takes.
    pub alone: bool,
    /// Whether the server says that it sends a page.
    page: bool,
}

/// The range that an answer holds: its first byte, its last, and the size of the whole.
pub(super) fn range(response: &Response) -> Option<(u64, u64, Option<u64>)> {
    let (range, whole) = header(response, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, whole.parse().ok()))
}

/// What an answer calls the version of its file, where the name holds for every byte of it.
pub(super) fn version(response: &Response) -> Option<&str> {
    header(response, ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| header(response, LAST_MODIFIED))
}

fn header(response: &Response, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

impl<'a> Incoming<'a> {
    /// A download, with what an earlier run brought of it.
    pub fn new(store: &'a Store, blob: &'a Blob) -> io::Result<Self> {
        let (file, arrival) = (store.partial(&blob.sha256)?, store.arrival(&blob.sha256));
        let hash = sha2::Sha256::default();
        let mut new = Self { store, blob, file, hash, arrival, length: 0, version: None, joined: false, alone: false, page: false };
        new.arrival.begin(new.file.as_file())?;
        new.recall()?;
        Ok(new)
    }

    /// Takes up what an earlier run brought.
    fn recall(&mut self) -> io::Result<()> {
        let there = self.file.as_file().metadata()?.len();
        let note: Option<Note> = self.store.noted(&self.blob.sha256).and_then(|text| serde_json::from_str(&text).ok());
        let Some(note) = note.filter(|_| there > 0) else { return self.restart() };
        let usable = note.gapless.unwrap_or(there).min(there);
        if usable == 0 || usable > self.limit() {
            return self.restart();
        }
        self.file.as_file().set_len(usable)?;
        self.version = Some(note.version);
        self.joined = true;
        self.hash_up_to(usable)
    }

    pub fn restart(&mut self) -> io::Result<()> {
        self.file.as_file().set_len(0)?;
        self.file.rewind()?;
        if self.length > 0 {
            self.arrival.begin(self.file.as_file())?;
        }
        (self.hash, self.length, self.version, self.joined) = (sha2::Sha256::default(), 0, None, false);
        Ok(())
    }

    /// Hashes what is in the file from where hashing stopped.
    pub fn hash_up_to(&mut self, end: u64) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(self.length))?;
        let mut chunk = vec![0; CHUNK];
        while self.length < end {
            let most = chunk.len().min(usize::try_from(end - self.length).unwrap_or(usize::MAX));
            match self.file.read(&mut chunk[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    self.hash.update(&chunk[..n]);
                    self.length += n as u64;
                }
            }
        }
        self.arrival.grow(self.length);
        Ok(())
    }

    /// Begins with an answer: with its bytes after those that came, or with all of it from the start.
    pub fn begin(&mut self, response: &Response) -> Result<(), Cause> {
        self.page = header(response, CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let fits = range(response).is_some_and(|(first, ..)| first == self.length && self.length > 0);
            if !fits || version(response).is_some_and(|version| Some(version) != self.version.as_deref()) {
                self.restart()?;
                return Err(Cause::Network("the server sent another part than was asked for".into()));
            }
            self.joined = true;
            return Ok(());
        }
        self.restart()?;
        self.version = version(response).map(Into::into);
        let announced = response.content_length().zip(self.blob.size);
        if self.page && announced.is_some_and(|(length, size)| length != size.0) {
            return Err(Cause::Page);
        }
        match response.content_length() {
            Some(length) if length > self.limit() => Err(Cause::TooLarge(ByteSize(self.limit()))),
            Some(length) if length >= WORTH_A_NOTE => Ok(self.keep_note(None)?),
            _ => Ok(()),
        }
    }

    /// Notes how far this came, for a run that goes on with it should this one be killed.
    pub fn keep_note(&self, gapless: Option<u64>) -> io::Result<()> {
        let Some(version) = &self.version else { return Ok(()) };
        self.store.note(&self.blob.sha256, &serde_json::to_string(&Note { version: version.clone(), gapless })?)
    }

    pub fn limit(&self) -> u64 {
        self.blob.size.map_or(LARGEST, |size| size.0)
    }

    pub fn take(&mut self, bytes: &[u8], progress: &dyn Progress) -> Result<(), Cause> {
        if self.length + bytes.len() as u64 > self.limit() {
            return Err(Cause::TooLarge(ByteSize(self.limit())));
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        self.arrival.grow(self.length);
        progress.advance(self.length, self.blob.size.map_or(0, |size| size.0));
        Ok(())
    }

    pub fn copy(&mut self, mut source: impl Read, progress: &dyn Progress) -> Result<(), Cause> {
        self.restart()?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match source.read(&mut chunk)? {
                0 => return self.must_be_whole(),
                n => {
                    crate::target::go_on()?;
                    self.take(&chunk[..n], progress)?;
                }
            }
        }
    }

    pub fn must_be_whole(&self) -> Result<(), Cause> {
        match self.blob.size {
            Some(size) if self.length < size.0 => Err(Cause::Short(ByteSize(self.length))),
            _ => Ok(()),
        }
    }

    pub fn digest(&self) -> Sha256 {
        Sha256::from_bytes(self.hash.clone().finalize().into())
    }

    /// Whether nothing is left to fetch.
    pub fn is_whole(&self) -> bool {
        self.length > 0 && self.digest() == self.blob.sha256
    }

    pub fn publish(self) -> Result<(), Cause> {
        self.file.as_file().set_len(self.length)?;
        self.store.publish(self.file, &self.blob.sha256)?;
        self.arrival.arrive();
        Ok(())
    }

    /// Refuses what is not what was pinned, and says what it seems to be.
    pub fn must_match(&self) -> Result<(), Cause> {
        let (wanted, got) = (self.blob.sha256, self.digest());
        if got == wanted { Ok(()) } else { Err(Cause::Digest { wanted, got }) }
    }

    /// A cause, in the words that fit a page in place of a download.
    pub fn explained(&self, cause: Cause) -> Cause {
        let other = cause.is_other_file() || matches!(cause, Cause::Short(_));
        if self.page && other { Cause::Page } else { cause }
    }

    /// Leaves what came for a run that goes on with it, where that is worth it.
    pub fn leave(self) -> io::Result<()> {
        // A file that comes in parts has little without a gap for long: what counts is how large it is to be.
        let large = self.blob.size.map_or(self.length, |size| size.0) >= WORTH_A_NOTE;
        if self.version.is_none() || self.length == 0 || !large {
            return self.store.forget(&self.blob.sha256);
        }
        self.file.as_file().set_len(self.length)?;
        self.keep_note(None)?;
        self.file.keep()?;
        Ok(())
    }
}
