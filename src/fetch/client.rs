//! The client: its rules for redirects, timeouts and retries, and small text for indexes.

use super::error::{Cause, FetchError};
use crate::model::ByteSize;
use crate::target::Progress;
use reqwest::redirect::{Attempt, Policy};
use std::future::Future;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Redirects that are followed: mirrors need two or three, loops are endless.
const REDIRECTS: usize = 5;
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a server may be silent: a busy index takes half a minute, a dead connection forever.
const SILENCE: Duration = Duration::from_mins(1);
/// Pauses between tries, as many as there are tries after the first.
const PAUSES: [Duration; 4] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];
/// No index page is larger; the largest of `PyPI` take a tenth.
const LARGEST_PAGE: u64 = 64 << 20;

/// A client for downloads; one per run, so that connections are used again.
#[derive(Debug)]
pub struct Http {
    pub(super) client: reqwest::Client,
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) pauses: Vec<Duration>,
}

/// A text, and the address where it was found after redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it was.
    pub url: Url,
    /// What it says.
    pub text: String,
}

/// Follows a redirect, unless there were too many or it leads from https to http.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(format!("it redirects more than {REDIRECTS} times"));
    }
    if attempt.url().scheme() != "https" && attempt.previous().iter().any(|url| url.scheme() == "https") {
        return attempt.error("it redirects from https to http");
    }
    attempt.follow()
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
        // A second client finds the provider of the first in place.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder()
            .user_agent(concat!("fitout/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::custom(follow))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|e| Cause::from(e).at("anything"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Cause::from(e).at("anything"))?;
        Ok(Self { client, runtime, pauses: PAUSES.to_vec() })
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
            Place::Server(url) => self.wait(self.persist(progress, || self.page_once(url.clone()))),
            Place::File(path) => {
                let mut bytes = Vec::new();
                std::fs::File::open(path)?.take(LARGEST_PAGE + 1).read_to_end(&mut bytes)?;
                text(bytes).and_then(|text| Ok(Page { url: Url::parse(url).map_err(|_| Cause::Address)?, text }))
            }
        };
        read().map_err(|cause: Cause| cause.at(url))
    }

    async fn page_once(&self, url: Url) -> Result<Page, Cause> {
        let mut response = self.client.get(url).send().await?;
        checked(&response)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
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
                let response = self.wait(async { self.client.head(url).send().await }).ok()?;
                checked(&response).ok()?;
                response.headers().get("content-length")?.to_str().ok()?.parse().ok().map(ByteSize)
            }
        }
    }

    /// Tries until it works, is refused, or no pauses are left.
    async fn persist<T, F: Future<Output = Result<T, Cause>>>(&self, progress: &dyn Progress, once: impl Fn() -> F) -> Result<T, Cause> {
        let mut pauses = self.pauses.iter();
        loop {
            match (once().await, pauses.next()) {
                (Err(cause), Some(pause)) if cause.is_passing() => pause_after(&cause, *pause, progress).await,
                (result, _) => return result,
            }
        }
    }
}

pub(super) async fn pause_after(cause: &Cause, pause: Duration, progress: &dyn Progress) {
    progress.line(&format!("{cause}; trying again in {} s", pause.as_secs_f32()));
    tokio::time::sleep(pause).await;
}

pub(super) fn checked(response: &reqwest::Response) -> Result<(), Cause> {
    if response.status().is_success() { Ok(()) } else { Err(Cause::Status(response.status().as_u16())) }
}

fn text(bytes: Vec<u8>) -> Result<String, Cause> {
    if bytes.len() as u64 > LARGEST_PAGE {
        return Err(Cause::TooLarge(ByteSize(LARGEST_PAGE)));
    }
    String::from_utf8(bytes).map_err(|_| Cause::NotText)
}
