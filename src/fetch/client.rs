//! The client: its rules for redirects, timeouts and retries, and small text for indexes.

use super::error::{Cause, FetchError};
use super::limits::{ATTEMPTS, Limits, SLOWEST, WORTHWHILE, retry_after};
use super::redirect::Guard;
use super::route::route;
use crate::model::{ByteSize, Network};
use crate::target::{Progress, go_on};
use reqwest::header::{CONTENT_LENGTH, DATE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use std::future::Future;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// No index page is larger; the largest of `PyPI` take a tenth.
const LARGEST_PAGE: u64 = 64 << 20;
/// How often a wait looks up: whether the run is to end, whether the disk is full.
const GLANCE: Duration = Duration::from_millis(100);
/// Threads that move bytes between sockets and buffers; those that asked hash and write them meanwhile.
const MOVERS: usize = 2;

/// A client for downloads; one per run, so that connections are used again.
#[derive(Debug)]
pub struct Http {
    pub(super) client: reqwest::Client,
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) limits: Limits,
    pub(super) network: Network,
}

/// A text, and the address where it was found after redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it was.
    pub url: Url,
    /// What it says.
    pub text: String,
}

/// Where the bytes of an address are.
pub(super) enum Place {
    /// On a server.
    Server(Url),
    /// In a file of this host.
    File(PathBuf),
}

pub(super) fn place(url: &str) -> Result<Place, Cause> {
    let url = Url::parse(url).map_err(|_| Cause::Address)?;
    match url.scheme() {
        "https" | "http" => Ok(Place::Server(url)),
        "file" => url.to_file_path().map(Place::File).map_err(|()| Cause::Address),
        _ => Err(Cause::Address),
    }
}

impl Http {
    /// A client with Fitout's rules. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`).
    ///
    /// # Errors
    /// The machine's certificate store cannot be used.
    pub fn new() -> Result<Self, FetchError> {
        Self::through(&Network::default())
    }

    /// A client that goes the ways of a network.
    ///
    /// # Errors
    /// A proxy or a certificate cannot be used.
    pub fn through(network: &Network) -> Result<Self, FetchError> {
        Self::with(Limits::default(), Guard::default(), network).map_err(|cause| cause.at("anything"))
    }

    pub(super) fn with(limits: Limits, guard: Guard, network: &Network) -> Result<Self, Cause> {
        // A second client finds the provider of the first in place.
        rustls::crypto::ring::default_provider().install_default().ok();
        let judge = guard.clone();
        let client = reqwest::Client::builder()
            .user_agent(concat!("fitout/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::custom(move |attempt| judge.judge(attempt)))
            // An address may hold a token, which is no other server's business.
            .referer(false)
            .dns_resolver(guard)
            .connect_timeout(limits.connect)
            // For libraries that bring their own protocol; what is fetched here is held to more.
            .read_timeout(limits.window);
        let client = route(client, network)?.build()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(MOVERS).enable_all().build()?;
        Ok(Self { client, runtime, limits, network: network.clone() })
    }

    /// The client itself, for libraries that bring their own protocol over HTTP.
    #[must_use]
    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// Runs a library's asynchronous work to its end.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A small text.
    ///
    /// # Errors
    /// It is not there, cannot be had, is no text or too large.
    pub fn page(&self, url: &str, progress: &dyn Progress) -> Result<Page, FetchError> {
        let read = || match place(url)? {
            Place::Server(url) => self.wait(self.persist(&url, progress)),
            Place::File(path) => {
                let mut bytes = Vec::new();
                std::fs::File::open(path)?.take(LARGEST_PAGE + 1).read_to_end(&mut bytes)?;
                text(bytes).and_then(|text| Ok(Page { url: Url::parse(url).map_err(|_| Cause::Address)?, text }))
            }
        };
        read().map_err(|cause: Cause| cause.at(url))
    }

    /// Tries until it works, is refused, or was tried often enough.
    async fn persist(&self, url: &Url, progress: &dyn Progress) -> Result<Page, Cause> {
        let mut trials = Trials::new(&self.limits, progress);
        loop {
            match self.page_once(url.clone(), &trials).await {
                Err(cause) => trials.pause_after(cause).await?,
                done => return done,
            }
        }
    }

    async fn page_once(&self, url: Url, trials: &Trials<'_>) -> Result<Page, Cause> {
        let mut response = trials.head(self.client.get(url)).await?;
        let mut bytes = Vec::new();
        let mut pace = trials.pace();
        while let Some(chunk) = pace.chunk(&mut response).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > LARGEST_PAGE {
                break;
            }
        }
        Ok(Page { url: response.url().clone(), text: text(bytes)? })
    }

    /// The size of a download, where the server tells it without sending it; never a reason to fail.
    #[must_use]
    pub fn size(&self, url: &str) -> Option<ByteSize> {
        match place(url).ok()? {
            Place::File(path) => std::fs::metadata(path).ok().map(|data| ByteSize(data.len())),
            Place::Server(url) => {
                let trials = Trials::new(&self.limits, &crate::target::Silent);
                let response = self.wait(trials.head(self.client.head(url))).ok()?;
                response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok().map(ByteSize)
            }
        }
    }
}

/// The tries of one download, and how long each may take.
pub(super) struct Trials<'a> {
    pub limits: &'a Limits,
    pub progress: &'a dyn Progress,
    failures: u32,
    until: Instant,
}

impl<'a> Trials<'a> {
    pub fn new(limits: &'a Limits, progress: &'a dyn Progress) -> Self {
        Self { limits, progress, failures: 0, until: Instant::now() + limits.overall }
    }

    /// Waits before the next try, after one that failed; gives the cause back where there is to be none.
    pub async fn pause_after(&mut self, cause: Cause) -> Result<(), Cause> {
        self.failures += 1;
        if !cause.is_passing() || self.failures >= ATTEMPTS {
            return Err(cause);
        }
        let pause = self.limits.pause_after(self.failures, cause.asks_for());
        self.progress.line(&format!("{cause}; trying again in {:.1} s", pause.as_secs_f32()));
        match self.bounded(std::future::pending::<()>(), Instant::now() + pause).await {
            Ok(()) | Err(Stop::Late) => Ok(()),
            Err(Stop::Because(cause)) => Err(cause),
        }
    }

    /// A try brought so many bytes.
    pub fn brought(&mut self, bytes: u64) {
        if bytes >= WORTHWHILE {
            self.failures = 0;
        }
    }

    /// Asks, and waits for the head of an answer that holds what was asked for.
    pub async fn head(&self, request: RequestBuilder) -> Result<Response, Cause> {
        let limit = self.limits.head;
        let response = match self.bounded(request.send(), Instant::now() + limit).await {
            Ok(answer) => answer?,
            Err(Stop::Late) => return Err(Cause::Network(format!("the server did not answer within {limit:?}"))),
            Err(Stop::Because(cause)) => return Err(cause),
        };
        checked(&response)?;
        Ok(response)
    }

    /// Waits for something as long as the run goes on.
    pub async fn attend<T>(&self, work: impl Future<Output = T>) -> Result<T, Cause> {
        match self.bounded(work, self.until).await {
            Ok(done) => Ok(done),
            Err(Stop::Late) => Err(Cause::Overdue(self.limits.overall)),
            Err(Stop::Because(cause)) => Err(cause),
        }
    }

    pub fn pace(&self) -> Pace<'_> {
        let now = Instant::now();
        Pace { trials: self, since: now, bytes: 0, looked: now }
    }

    /// Waits for something, but not longer than until then, and no longer than the run goes on.
    async fn bounded<T>(&self, work: impl Future<Output = T>, until: Instant) -> Result<T, Stop> {
        let mut work = pin!(work);
        loop {
            let glance = (Instant::now() + GLANCE).min(until);
            match timeout_at(glance, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) if Instant::now() >= until => return Err(Stop::Late),
                Err(_) => self.may_go_on().map_err(Stop::Because)?,
            }
        }
    }

    /// Nothing, unless the run is to end or has taken too long.
    pub fn may_go_on(&self) -> Result<(), Cause> {
        go_on()?;
        if let Some(why) = self.progress.must_end() {
            return Err(io::Error::other(why).into());
        }
        if Instant::now() >= self.until { Err(Cause::Overdue(self.limits.overall)) } else { Ok(()) }
    }
}

/// Why a wait ended.
enum Stop {
    /// It took too long.
    Late,
    /// Something else.
    Because(Cause),
}

/// How fast a body comes.
pub(super) struct Pace<'a> {
    trials: &'a Trials<'a>,
    since: Instant,
    bytes: u64,
    looked: Instant,
}

impl Pace<'_> {
    /// The next bytes of a body; `None` at its end. A body that hardly comes is given up.
    pub async fn chunk(&mut self, response: &mut Response) -> Result<Option<impl Deref<Target = [u8]> + use<>>, Cause> {
        let window = self.trials.limits.window;
        if self.looked.elapsed() >= GLANCE {
            self.trials.may_go_on()?;
            self.looked = Instant::now();
        }
        loop {
            match self.trials.bounded(response.chunk(), self.since + window).await {
                Ok(chunk) => {
                    let chunk = chunk?;
                    self.bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                    return Ok(chunk);
                }
                Err(Stop::Because(cause)) => return Err(cause),
                Err(Stop::Late) if u128::from(self.bytes) * 1000 < u128::from(SLOWEST) * window.as_millis() => {
                    return Err(Cause::Network(format!("in {window:?} only {} came", ByteSize(self.bytes))));
                }
                Err(Stop::Late) => (self.since, self.bytes) = (Instant::now(), 0),
            }
        }
    }
}

fn checked(response: &Response) -> Result<(), Cause> {
    if response.status().is_success() {
        return Ok(());
    }
    if response.status().is_redirection() {
        return Err(Cause::Redirect("it redirects to what is no https: or http: address".into()));
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let wait = header(RETRY_AFTER).and_then(|text| retry_after(text, header(DATE)));
    Err(Cause::Status { status: response.status().as_u16(), wait })
}

fn text(bytes: Vec<u8>) -> Result<String, Cause> {
    if bytes.len() as u64 > LARGEST_PAGE {
        return Err(Cause::TooLarge(ByteSize(LARGEST_PAGE)));
    }
    String::from_utf8(bytes).map_err(|_| Cause::NotText)
}
