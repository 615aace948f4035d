//! The rest of a large file in parts, side by side: for servers that give each connection only so much.
//!
//! The file is hashed as far as it has no gap, so what a run leaves behind is as good as if it had come in order.

use super::client::{Http, Trials};
use super::error::Cause;
use super::incoming::{Incoming, range, version};
use super::limits::Limits;
use crate::target::Silent;
use reqwest::header::{ACCEPT_RANGES, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

/// Parts at a time: more gain little and look like an attack.
const AT_A_TIME: usize = 4;
/// How many parts the fastest may be ahead of the slowest: what is ahead is lost if the run is killed.
const AHEAD: u64 = 16;

/// How fast one connection is.
pub(super) struct Probe {
    since: Instant,
    from: u64,
}

impl Probe {
    pub fn new(incoming: &Incoming<'_>) -> Self {
        Self { since: Instant::now(), from: incoming.length }
    }

    /// Whether more connections are worth a try: this one was watched long enough, is slower than any processor hashes, and has much left
    /// of a file that the server gives in parts.
    pub fn is_slow(&mut self, incoming: &Incoming<'_>, response: &Response, limits: &Limits) -> bool {
        let took = self.since.elapsed();
        if took < limits.sample {
            return false;
        }
        let bytes = incoming.length - self.from;
        (self.since, self.from) = (Instant::now(), incoming.length);
        let in_parts = response.status() == StatusCode::PARTIAL_CONTENT
            || response.headers().get(ACCEPT_RANGES).is_some_and(|unit| unit.as_bytes() == b"bytes");
        let left = incoming.blob.size.map_or(0, |size| size.0.saturating_sub(incoming.length));
        in_parts
            && !incoming.alone
            && incoming.version.is_some()
            && left >= limits.part * AHEAD / 2
            && u128::from(bytes) * 1_000_000_000 < u128::from(limits.fast) * took.as_nanos()
    }
}

impl Http {
    /// Brings the rest of a file in parts.
    pub(super) async fn spread(&self, url: &Url, incoming: &mut Incoming<'_>, trials: &Trials<'_>) -> Result<(), Cause> {
        // One try: where parts fail, the next try is as plain as can be.
        incoming.alone = true;
        let Some((size, version)) = incoming.blob.size.zip(incoming.version.clone()) else { return Ok(()) };
        let source = Source { client: self.client.clone(), url: url.clone(), version, limits: self.limits.clone() };
        let (source, file) = (Arc::new(source), Arc::new(incoming.file.as_file().try_clone()?));
        let (mut next, mut ahead, mut parts) = (incoming.length, BTreeMap::new(), JoinSet::new());
        incoming.keep_note(Some(incoming.length))?;
        loop {
            while parts.len() < AT_A_TIME && next < size.0.min(incoming.length + self.limits.part * AHEAD) {
                let part = next..size.0.min(next + self.limits.part);
                next = part.end;
                parts.spawn(bring(Arc::clone(&source), part, Arc::clone(&file)));
            }
            let Some(done) = trials.attend(parts.join_next()).await? else { return Ok(()) };
            let part: Range<u64> = done.map_err(|e| Cause::Network(e.to_string()))??;
            ahead.insert(part.start, part.end);
            while let Some(end) = ahead.remove(&incoming.length) {
                incoming.hash_up_to(end)?;
            }
            incoming.keep_note(Some(incoming.length))?;
            trials.progress.advance(incoming.length, size.0);
        }
    }
}

/// Where parts come from.
struct Source {
    client: Client,
    url: Url,
    version: String,
    limits: Limits,
}

async fn bring(source: Arc<Source>, part: Range<u64>, file: Arc<File>) -> Result<Range<u64>, Cause> {
    let trials = Trials::new(&source.limits, &Silent);
    let wanted = format!("bytes={}-{}", part.start, part.end - 1);
    let request = source.client.get(source.url.clone()).header(RANGE, wanted).header(IF_RANGE, source.version.clone());
    let mut response = trials.head(request).await?;
    let got = range(&response).map(|(first, last, _)| (first, last));
    let other = version(&response).is_some_and(|version| version != source.version);
    if response.status() != StatusCode::PARTIAL_CONTENT || got != Some((part.start, part.end - 1)) || other {
        return Err(Cause::Network("the server sent another part than was asked for".into()));
    }
    let (mut at, mut pace) = (part.start, trials.pace());
    while let Some(chunk) = pace.chunk(&mut response).await? {
        if at + chunk.len() as u64 > part.end {
            return Err(Cause::Network("the server sent more than was asked for".into()));
        }
        file.write_all_at(&chunk, at)?;
        at += chunk.len() as u64;
    }
    if at < part.end { Err(Cause::Network("a part of the file ended before its end".into())) } else { Ok(part) }
}
