//! Why something could not be fetched.

use crate::model::{ByteSize, Sha256};
use crate::target::chain;
use std::io;

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
    #[error("the server answers {0}")]
    Status(u16),
    /// The server could not be asked, or stopped answering.
    #[error("{0}")]
    Network(String),
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
    /// What came is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The file of a `file:` address or the store cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Cause {
    /// Whether asking again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            // Request Timeout and Too Many Requests say so themselves.
            Self::Status(status) => *status >= 500 || matches!(status, 408 | 429),
            Self::Network(_) | Self::Short(_) => true,
            Self::Address | Self::TooLarge(_) | Self::Digest { .. } | Self::NotText | Self::Io(_) => false,
        }
    }

    pub(super) fn at(self, url: &str) -> FetchError {
        FetchError { url: url.to_owned(), cause: self }
    }
}

impl From<reqwest::Error> for Cause {
    fn from(error: reqwest::Error) -> Self {
        // The address is told by whoever reports this; here it could hold a password.
        Self::Network(chain(&error.without_url()))
    }
}

/// An address without the user name and password that it may hold.
pub(super) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{}", &rest[user.len() + 1..]),
        None => url.to_owned(),
    }
}
