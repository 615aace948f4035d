//! Downloads into the store: hashed while they are written, published when they are what was pinned.

use super::client::{Http, Place, checked, pause_after, place};
use super::error::{Cause, FetchError};
use crate::model::{ByteSize, Sha256};
use crate::step::Blob;
use crate::store::Store;
use crate::target::{Progress, go_on};
use reqwest::header::{ETAG, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use sha2::Digest;
use std::collections::BTreeSet;
use std::io::{self, Read, Seek, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use tempfile::NamedTempFile;
use url::Url;

/// No download of unknown size may be larger: the largest packages of this field take a few GB.
const LARGEST: u64 = 64 << 30;
/// Downloads at a time: enough to hide the latency of small files, polite to servers.
const AT_A_TIME: usize = 4;
/// How much of a local file is read at a time.
const CHUNK: usize = 256 * 1024;

impl Http {
    /// Sees to it that the store holds this download.
    ///
    /// # Errors
    /// It cannot be had, or is not what was pinned.
    pub fn download(&self, store: &Store, blob: &Blob, progress: &dyn Progress) -> Result<(), FetchError> {
        let _claim = Claim::on(blob.sha256);
        let bring = || {
            if store.open(&blob.sha256)?.is_some() {
                return Ok(());
            }
            let mut incoming = Incoming::new(store, blob)?;
            match place(&blob.url)? {
                Place::File(path) => incoming.copy(std::fs::File::open(path)?, progress)?,
                Place::Server(url) => self.wait(self.bring(&url, &mut incoming, progress))?,
            }
            incoming.publish(store)
        };
        bring().map_err(|cause: Cause| cause.at(&blob.url))
    }

    /// Sees to it that the store holds all these downloads, several at a time.
    ///
    /// # Errors
    /// The first that cannot be had, or is not what was pinned; what came before stays in the store.
    pub fn download_all(&self, store: &Store, blobs: &[&Blob], progress: &dyn Progress) -> Result<(), FetchError> {
        let total = blobs.iter().filter_map(|blob| blob.size).map(|size| size.0).sum();
        let (next, sum) = (AtomicUsize::new(0), Sum { progress, done: AtomicU64::new(0), total });
        let failed = Mutex::new(None);
        let work = || {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.download(store, blob, &Part { sum: &sum, seen: AtomicU64::new(0) }) {
                    next.store(blobs.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME.min(blobs.len()) {
                scope.spawn(work);
            }
        });
        failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Tries until all bytes came; a try that brought new ones does not count against the number of tries.
    async fn bring(&self, url: &Url, incoming: &mut Incoming<'_>, progress: &dyn Progress) -> Result<(), Cause> {
        let (mut failures, mut furthest) = (0, 0);
        loop {
            let cause = match self.bring_once(url, incoming, progress).await {
                Ok(()) if incoming.joined && incoming.digest() != incoming.blob.sha256 => {
                    incoming.restart()?;
                    Cause::Network("the file changed while it was fetched".into())
                }
                Ok(()) => return Ok(()),
                Err(cause) => cause,
            };
            if incoming.length > furthest {
                (failures, furthest) = (0, incoming.length);
            }
            match self.pauses.get(failures) {
                Some(pause) if cause.is_passing() => pause_after(&cause, *pause, progress).await,
                _ => return Err(cause),
            }
            failures += 1;
        }
    }

    async fn bring_once(&self, url: &Url, incoming: &mut Incoming<'_>, progress: &dyn Progress) -> Result<(), Cause> {
        let mut request = self.client.get(url.clone());
        if let (true, Some(tag)) = (incoming.length > 0, &incoming.tag) {
            request = request.header(RANGE, format!("bytes={}-", incoming.length)).header(IF_RANGE, tag.clone());
        }
        let mut response = request.send().await?;
        checked(&response)?;
        if continues(&response, incoming.length) {
            incoming.joined = true;
        } else {
            incoming.restart()?;
        }
        incoming.tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/")).map(Into::into);
        while let Some(chunk) = response.chunk().await? {
            incoming.take(&chunk, progress)?;
        }
        incoming.must_be_whole()
    }
}

/// Downloads of this process that are on their way: who asks for one of them waits for it rather than fetch it a second time.
static ON_THEIR_WAY: Mutex<BTreeSet<Sha256>> = Mutex::new(BTreeSet::new());
static ARRIVED: Condvar = Condvar::new();

/// The right to bring a download, until it is dropped.
struct Claim(Sha256);

impl Claim {
    fn on(digest: Sha256) -> Self {
        let all = ON_THEIR_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = ARRIVED.wait_while(all, |all| all.contains(&digest)).unwrap_or_else(PoisonError::into_inner);
        all.insert(digest);
        Self(digest)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        ON_THEIR_WAY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        ARRIVED.notify_all();
    }
}

/// Whether an answer holds what comes after the first `length` bytes, and only that.
fn continues(response: &Response, length: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
    response.status() == StatusCode::PARTIAL_CONTENT && range.is_some_and(|range| range.starts_with(&format!("bytes {length}-")))
}

/// A download on its way: a file of the store without its final name.
struct Incoming<'a> {
    blob: &'a Blob,
    file: NamedTempFile,
    hash: sha2::Sha256,
    length: u64,
    /// What the server calls this version of the file; without it a download cannot be gone on with.
    tag: Option<String>,
    /// Whether it is put together from several answers.
    joined: bool,
}

impl<'a> Incoming<'a> {
    fn new(store: &Store, blob: &'a Blob) -> io::Result<Self> {
        Ok(Self { blob, file: store.incoming()?, hash: sha2::Sha256::default(), length: 0, tag: None, joined: false })
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.as_file().set_len(0)?;
        self.file.rewind()?;
        (self.hash, self.length, self.tag, self.joined) = (sha2::Sha256::default(), 0, None, false);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], progress: &dyn Progress) -> Result<(), Cause> {
        go_on()?;
        if let Some(why) = progress.must_end() {
            return Err(io::Error::other(why).into());
        }
        let limit = self.blob.size.map_or(LARGEST, |size| size.0);
        if self.length + bytes.len() as u64 > limit {
            return Err(Cause::TooLarge(ByteSize(limit)));
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        progress.advance(self.length, self.blob.size.map_or(0, |size| size.0));
        Ok(())
    }

    fn copy(&mut self, mut source: impl Read, progress: &dyn Progress) -> Result<(), Cause> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match source.read(&mut chunk)? {
                0 => return self.must_be_whole(),
                n => self.take(&chunk[..n], progress)?,
            }
        }
    }

    fn must_be_whole(&self) -> Result<(), Cause> {
        match self.blob.size {
            Some(size) if self.length < size.0 => Err(Cause::Short(ByteSize(self.length))),
            _ => Ok(()),
        }
    }

    fn digest(&self) -> Sha256 {
        Sha256::from_bytes(self.hash.clone().finalize().into())
    }

    fn publish(self, store: &Store) -> Result<(), Cause> {
        let (wanted, got) = (self.blob.sha256, self.digest());
        if got != wanted {
            return Err(Cause::Digest { wanted, got });
        }
        store.publish(self.file, &wanted)?;
        Ok(())
    }
}

/// The progress of several downloads as one.
struct Sum<'a> {
    progress: &'a dyn Progress,
    done: AtomicU64,
    total: u64,
}

/// One download's part in a [`Sum`].
struct Part<'a> {
    sum: &'a Sum<'a>,
    seen: AtomicU64,
}

impl Progress for Part<'_> {
    fn line(&self, text: &str) {
        self.sum.progress.line(text);
    }

    fn must_end(&self) -> Option<String> {
        self.sum.progress.must_end()
    }

    fn advance(&self, done: u64, _: u64) {
        // A download that began again has less than it had; what it had stays counted, and is not counted twice.
        let new = done.saturating_sub(self.seen.fetch_max(done, Ordering::Relaxed));
        let sum = self.sum.done.fetch_add(new, Ordering::Relaxed) + new;
        self.sum.progress.advance(sum, self.sum.total);
    }
}
