//! Whether a thing is to be.

use schemars::JsonSchema;
use serde::Deserialize;

/// Whether a thing is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is there.
    Present,
    /// It is not there. What else is said of it says what it was, and is not used.
    Absent,
}

impl State {
    /// Whether a thing of which this is said, if anything is, is not to be.
    #[must_use]
    pub fn is_absent(said: Option<Self>) -> bool {
        said == Some(Self::Absent)
    }
}
