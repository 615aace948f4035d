//! References to secrets. Nothing in Fitout holds a secret itself, except for the instant in which a target writes it.

use super::TargetPath;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a secret is found, on the target, when it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// A file of the target; its content without one trailing newline.
    File(TargetPath),
    /// A systemd credential of Fitout's own unit (`$CREDENTIALS_DIRECTORY/NAME`).
    Credential(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {path}"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}
