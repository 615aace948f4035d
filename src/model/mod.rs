//! Checked values that every other room speaks in: a value of these types cannot be malformed, so nobody checks twice.
//!
//! Nothing here touches a machine. To add a value: one file, a `parse` (or `FromStr`) that says what is wrong and what is
//! allowed, and a `Display` that `parse` reads back.

mod counted;
mod duration;
mod facts;
mod identity;
mod mode;
mod network;
mod owner;
mod path;
mod project;
mod redact;
mod secret;
mod sha256;
mod size;
pub mod sudoers;
pub mod unit_text;

pub use counted::counted;
pub use duration::Span;
pub use facts::{Architecture, Distribution, Facts, Gpu, RELEASES};
pub use identity::{ComputeName, ResourceId, UnitName, UserName};
pub use mode::Mode;
pub use network::{Mirror, NEVER_PROXIED, Network, Proxy};
pub use owner::{Meta, Owner};
pub use path::{HomePath, TargetPath};
pub use project::project_name;
pub use redact::{covered, redacted};
pub use secret::SecretRef;
pub use sha256::Sha256;
pub use size::ByteSize;

/// A value that could not be read, and what would have been accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// An error that says what is wrong with `what`.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}
