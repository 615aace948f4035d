//! Downloads into the store: hashed while they are written, published when they are what was pinned.

use super::client::{Http, Place, Trials, place};
use super::error::{Cause, FetchError, shown};
use super::incoming::Incoming;
use super::ranges::Probe;
use super::route::places;
use crate::model::Sha256;
use crate::step::Blob;
use crate::store::{Held, Store};
use crate::target::Progress;
use reqwest::header::{IF_RANGE, RANGE};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;
use url::Url;

/// Downloads at a time: enough to hide the latency of small files, polite to servers.
const AT_A_TIME: usize = 4;

impl Http {
    /// Sees to it that the store holds this download.
    ///
    /// # Errors
    /// It cannot be had, or is not what was pinned.
    pub fn download(&self, store: &Store, blob: &Blob, progress: &dyn Progress) -> Result<(), FetchError> {
        let _claim = Claim::on(blob.sha256);
        let bring = || {
            match store.look(&blob.sha256)? {
                Held::Whole(_) => return Ok(()),
                Held::Damaged(damaged) => progress.line(&format!("{damaged}; it is fetched again")),
                Held::Absent => {}
            }
            let mut incoming = Incoming::new(store, blob)?;
            match self.bring_from_any(&mut incoming, progress) {
                Ok(()) => incoming.publish(),
                // What is another file is of no use to any later run.
                Err(cause) if cause.is_other_file() => {
                    store.forget(&blob.sha256)?;
                    Err(cause)
                }
                Err(cause) => {
                    incoming.leave()?;
                    Err(cause)
                }
            }
        };
        bring().map_err(|cause: Cause| cause.at(&blob.url))
    }

    /// Sees to it that the store holds all these downloads, several at a time.
    ///
    /// # Errors
    /// The first that cannot be had, or is not what was pinned; what came before stays in the store.
    pub fn download_all(&self, store: &Store, blobs: &[&Blob], progress: &dyn Progress) -> Result<(), FetchError> {
        let total = blobs.iter().filter_map(|blob| blob.size).map(|size| size.0).sum();
        let (next, sum) = (AtomicUsize::new(0), Sum::new(progress, total));
        let failed = Mutex::new(None);
        let work = || {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.download(store, blob, &Part { sum: &sum, seen: AtomicU64::new(0) }) {
                    next.store(blobs.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME.min(blobs.len()) {
                scope.spawn(work);
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Brings a download, and where a mirror has another file, asks what it is a mirror of, once.
    fn bring_from_any(&self, incoming: &mut Incoming<'_>, progress: &dyn Progress) -> Result<(), Cause> {
        let places = places(&incoming.blob.url, &self.network);
        let Some((last, first)) = places.split_last() else { return Err(Cause::Address) };
        for url in first {
            match self.bring(url, incoming, progress) {
                Err(cause) if cause.is_other_file() => progress.line(&format!("{}; asking {}", cause.at(url), shown(last))),
                done => return done,
            }
            incoming.restart()?;
        }
        self.bring(last, incoming, progress)
    }

    fn bring(&self, url: &str, incoming: &mut Incoming<'_>, progress: &dyn Progress) -> Result<(), Cause> {
        let brought = match place(url)? {
            Place::File(path) => std::fs::File::open(path).map_err(Cause::from).and_then(|file| incoming.copy(file, progress)),
            Place::Server(url) => self.wait(self.persist_with(&url, incoming, progress)),
        };
        brought.and_then(|()| incoming.must_match()).map_err(|cause| incoming.explained(cause))
    }

    /// Tries until all bytes came; a try that brought many does not count against the number of tries.
    async fn persist_with(&self, url: &Url, incoming: &mut Incoming<'_>, progress: &dyn Progress) -> Result<(), Cause> {
        let mut trials = Trials::new(&self.limits, progress);
        while !incoming.is_whole() {
            let before = incoming.length;
            let cause = match self.bring_once(url, incoming, &trials).await {
                Ok(()) if incoming.joined && !incoming.is_whole() => {
                    incoming.restart()?;
                    Cause::Network("the file changed while it was fetched".into())
                }
                Ok(()) => return Ok(()),
                Err(cause) => cause,
            };
            trials.brought(incoming.length.saturating_sub(before));
            trials.pause_after(cause).await?;
        }
        Ok(())
    }

    async fn bring_once(&self, url: &Url, incoming: &mut Incoming<'_>, trials: &Trials<'_>) -> Result<(), Cause> {
        let mut request = self.client.get(url.clone());
        if let (true, Some(version)) = (incoming.length > 0, &incoming.version) {
            request = request.header(RANGE, format!("bytes={}-", incoming.length)).header(IF_RANGE, version.clone());
        }
        let mut response = match trials.head(request).await {
            // There is no such part: the file is another, or shorter.
            Err(Cause::Status { status: 416, .. }) if incoming.length > 0 => {
                incoming.restart()?;
                return Err(Cause::Network("the server has no such part of the file".into()));
            }
            answer => answer?,
        };
        incoming.begin(&response)?;
        let (mut pace, mut probe) = (trials.pace(), Probe::new(incoming));
        while let Some(chunk) = pace.chunk(&mut response).await? {
            incoming.take(&chunk, trials.progress)?;
            if probe.is_slow(incoming, &response, &self.limits) {
                drop(response);
                self.spread(url, incoming, trials).await?;
                break;
            }
        }
        if incoming.is_whole() { Ok(()) } else { incoming.must_be_whole() }
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

/// The progress of several downloads as one.
struct Sum<'a> {
    progress: &'a dyn Progress,
    done: AtomicU64,
    total: u64,
    began: Instant,
    /// When progress was told last, in milliseconds.
    told: AtomicU64,
}

/// Progress is told this often at most: nobody reads faster.
const TELLING: u64 = 100;

impl<'a> Sum<'a> {
    fn new(progress: &'a dyn Progress, total: u64) -> Self {
        Self { progress, done: AtomicU64::new(0), total, began: Instant::now(), told: AtomicU64::new(0) }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let told = self.told.load(Ordering::Relaxed);
        let due = done == self.total || now >= told + TELLING;
        if due && self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.progress.advance(done, self.total);
        }
    }
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
        self.sum.add(new);
    }
}
