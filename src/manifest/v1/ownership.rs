//! What becomes of what people changed, and of what the manifest names no longer.

use crate::{resource, target};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is done about what people changed on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// It stays, and `plan`, `apply` and `verify` say so.
    Report,
    /// It is brought back to what the manifest says; edits of files are kept aside.
    Repair,
    /// It stays, and nothing is said.
    Ignore,
}

impl From<OnDrift> for resource::OnDrift {
    fn from(word: OnDrift) -> Self {
        match word {
            OnDrift::Report => Self::Report,
            OnDrift::Repair => Self::Repair,
            OnDrift::Ignore => Self::Ignore,
        }
    }
}

/// What becomes of a thing whose line leaves the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRemoval {
    /// It stays, and is Fitout's no longer.
    Release,
    /// What Fitout itself made is deleted, if nobody changed it since: files, links, empty directories, packages, the start of units at
    /// boot. Never accounts, shares, environments.
    Delete,
}

impl From<OnRemoval> for target::OnRemoval {
    fn from(word: OnRemoval) -> Self {
        match word {
            OnRemoval::Release => Self::Release,
            OnRemoval::Delete => Self::Delete,
        }
    }
}
