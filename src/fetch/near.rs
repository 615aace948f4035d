//! Questions to servers that are near: this machine's own (Jupyter on loopback) and the metadata service of its cloud, at a fixed address of the link.
//!
//! No proxy may see them, no redirect may lead them elsewhere, and an answer comes soon, small, or not at all.

use super::error::Cause;
use reqwest::redirect::Policy;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use url::Url;

/// How long a near server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// How long it may take in all.
const WHOLE: Duration = Duration::from_secs(2);
/// A list of kernels or a token is a thousandth of this.
const LARGEST: usize = 1 << 20;
/// The metadata service takes no more questions than 5 in a second.
const PACE: Duration = Duration::from_millis(200);

/// A client for near servers.
#[derive(Debug)]
pub struct Near {
    client: reqwest::Client,
    last: Mutex<Option<Instant>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// What it says.
    pub body: Vec<u8>,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Where.
    pub url: Url,
    /// Headers, of which some may be secrets.
    pub headers: &'a [(&'static str, &'a str)],
    /// How.
    pub verb: Verb,
}

/// How something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// For an answer.
    Get,
    /// For an act, without a body.
    Post,
}

impl Near {
    /// A client for servers that are near.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> Result<Self, Cause> {
        let client = builder().no_proxy().connect_timeout(CONNECT).timeout(WHOLE).build()?;
        Ok(Self { client, last: Mutex::default() })
    }

    /// A client for a cloud's API, which is far: through the proxies of the environment, by https alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn cloud() -> Result<Self, Cause> {
        /// How long a cloud may take to accept a connection, and in all.
        const FAR: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
        let client = builder().connect_timeout(FAR.0).timeout(FAR.1).build()?;
        Ok(Self { client, last: Mutex::default() })
    }

    /// Asks, and waits for the answer, whatever it is.
    ///
    /// # Errors
    /// There is none, or it is too large.
    pub fn ask(&self, question: &Question<'_>) -> Result<Reply, Cause> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        self.pace();
        runtime.block_on(async {
            let request = match question.verb {
                Verb::Get => self.client.get(question.url.clone()),
                Verb::Post => self.client.post(question.url.clone()).header("Content-Length", "0"),
            };
            let request = question.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let mut response = request.send().await?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > LARGEST {
                    return Err(Cause::TooLarge(crate::model::ByteSize(LARGEST as u64)));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply { status: response.status().as_u16(), body })
        })
    }

    fn pace(&self) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(last) = *last {
            std::thread::sleep(PACE.saturating_sub(last.elapsed()));
        }
        *last = Some(Instant::now());
    }
}

fn builder() -> reqwest::ClientBuilder {
    // A second client finds the provider of the first in place.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().user_agent(concat!("fitout/", env!("CARGO_PKG_VERSION"))).redirect(Policy::none())
}
