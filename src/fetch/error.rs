//! Why something could not be fetched.

use super::redirect::Refused;
use super::tls;
use crate::model::{ByteSize, Sha256};
use std::error::Error;
use std::io;
use std::time::Duration;

/// Something could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch {}: {cause}", shown(.url))]
pub struct FetchError {
    /// What was fetched.
    pub url: String,
    /// Why it failed.
    pub cause: Cause,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The address is none, or of a kind that is not fetched.
    #[error("this is not an https:, http: or file: address")]
    Address,
    /// The server refused.
    #[error("the server answers {status}")]
    Status {
        /// The status of HTTP.
        status: u16,
        /// How long it asks to be left alone.
        wait: Option<Duration>,
    },
    /// The server could not be asked, or stopped answering.
    #[error("{0}")]
    Network(String),
    /// The server is not proved to be the one that was asked for.
    #[error("{0}")]
    Certificate(String),
    /// It leads where no redirect may lead.
    #[error("{0}")]
    Redirect(String),
    /// It takes longer than any download may.
    #[error("it was not done after {0:?}; what came is kept, and the next run goes on from there")]
    Overdue(Duration),
    /// Fewer bytes came than should.
    #[error("it ended after {0}, before its end")]
    Short(ByteSize),
    /// More bytes came than may.
    #[error("it is larger than {0}")]
    TooLarge(ByteSize),
    /// Other bytes came than were pinned.
    #[error("its sha256 is {got}, but {wanted} was pinned: the file was changed, or what is in the way answers instead of the server")]
    Digest {
        /// The digest that was pinned.
        wanted: Sha256,
        /// The digest of what came.
        got: Sha256,
    },
    /// A page for people came in place of the download.
    #[error(
        "a page of HTML came instead of it: what is in the way (the log-in page of a network, a proxy) answers in place of the server; \
         open the address in a browser, or name the proxy under `network.proxy`"
    )]
    Page,
    /// What came is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// How the network is reached cannot be used.
    #[error("{0}")]
    Route(String),
    /// The file of a `file:` address or the store cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Cause {
    /// Whether asking again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            // Request Timeout, Too Early and Too Many Requests say so themselves.
            Self::Status { status, .. } => *status >= 500 || matches!(status, 408 | 425 | 429),
            Self::Network(_) | Self::Short(_) => true,
            Self::Address
            | Self::Certificate(_)
            | Self::Redirect(_)
            | Self::Overdue(_)
            | Self::TooLarge(_)
            | Self::Digest { .. }
            | Self::Page
            | Self::NotText
            | Self::Route(_)
            | Self::Io(_) => false,
        }
    }

    /// Whether the file itself is another than the one that was pinned, so that another server may have the right one.
    pub(super) fn is_other_file(&self) -> bool {
        matches!(self, Self::Digest { .. } | Self::TooLarge(_) | Self::Page)
    }

    /// How long the server asks to be left alone.
    pub(super) fn asks_for(&self) -> Option<Duration> {
        if let Self::Status { wait, .. } = self { *wait } else { None }
    }

    pub(super) fn at(self, url: &str) -> FetchError {
        FetchError { url: url.to_owned(), cause: self }
    }
}

impl From<reqwest::Error> for Cause {
    fn from(error: reqwest::Error) -> Self {
        // The address is told by whoever reports this; here it could hold a password.
        let error = error.without_url();
        let causes = causes(&error);
        if let Some(refused) = causes.iter().find_map(|cause| cause.downcast_ref::<Refused>()) {
            return Self::Redirect(refused.to_string());
        }
        if let Some(said) = causes.iter().find_map(|cause| cause.downcast_ref()).and_then(tls::said) {
            return Self::Certificate(said);
        }
        Self::Network(told(&causes))
    }
}

/// An error and what caused it, outermost first. An error of I/O keeps the one that it was made of apart from its cause.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut all = vec![error];
    while let Some(&last) = all.last() {
        let inner = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        let Some(next) = inner.or_else(|| last.source()) else { break };
        all.push(next);
    }
    all
}

/// What libraries say around a cause, which tells nobody anything.
const NOISE: [&str; 7] = [
    "dns error",
    "error resolving DNS",
    "error sending request",
    "client error (Connect)",
    "request or response body error",
    "error decoding response body",
    "error reading a body from connection",
];

/// Causes, each said once.
fn told(causes: &[&(dyn Error + 'static)]) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes.iter().map(ToString::to_string).filter(|cause| !NOISE.contains(&cause.as_str())) {
        if !said.iter().any(|earlier| earlier.contains(&cause)) {
            said.push(cause);
        }
    }
    let said = if said.is_empty() { causes.iter().map(ToString::to_string).collect() } else { said };
    PLAIN.iter().fold(said.join(": "), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// What libraries say, and what it means to who reads it.
const PLAIN: [(&str, &str); 4] = [
    ("end of file before message length reached", "the connection ended before the file did"),
    ("received corrupt message of type InvalidContentType", "what answers there does not speak TLS, as https: addresses do"),
    ("tunnel error: failed to create underlying connection", "the proxy cannot be reached"),
    ("failed to lookup address information", "the name cannot be looked up"),
];

/// An address without what may be secret in it: the user's name and password, and what follows `?`, where tokens stand.
pub(super) fn shown(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?…"));
    let Some((scheme, rest)) = address.split_once("://") else { return format!("{address}{query}") };
    let host = rest.split('/').next().unwrap_or_default();
    let rest = host.rsplit_once('@').map_or(rest, |(user, _)| &rest[user.len() + 1..]);
    format!("{scheme}://{rest}{query}")
}
