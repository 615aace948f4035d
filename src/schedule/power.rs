//! What a machine is told about its own stops: schedules, idle time, and how a stop is made. Kept as one file, written from the manifest,
//! read by the agent and by `fitout schedule`.

use super::{Firing, Rule, firings};
use crate::model::Span;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where it is kept.
pub const POWER: &str = "/etc/fitout/power.json";

/// Its format.
const VERSION: u32 = 1;

/// How long before a stop people are told, unless the manifest says otherwise.
pub const NOTICE: Span = Span::minutes(10);
/// How long a stop may be put off in all, unless the manifest says otherwise: a working day.
pub const LONGEST_POSTPONEMENT: Span = Span::minutes(8 * 60);

/// Whether something keeps a machine from being idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It does.
    Counted,
    /// It does not.
    Ignored,
}

/// How a stop is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By the cloud where the machine is one of Azure's, by powering off elsewhere.
    #[default]
    Auto,
    /// By the cloud, which then stops the bill.
    Deallocate,
    /// By powering off. A cloud goes on billing for the machine.
    PowerOff,
}

/// The machine's own stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// Format of this document.
    pub version: u32,
    /// Who may put a stop off, beside root.
    pub owner: Option<String>,
    /// Starts and stops.
    pub rules: Vec<Rule>,
    /// Seconds without use after which the machine stops.
    pub idle_seconds: Option<u64>,
    /// Seconds before a stop at which people are told.
    pub notice_seconds: u64,
    /// Seconds by which a stop may be put off in all.
    pub longest_postponement_seconds: u64,
    /// Open SSH sessions.
    pub ssh_sessions: Weight,
    /// Custom applications that run.
    pub custom_applications: Weight,
    /// How a stop is made.
    pub stop: Ending,
}

impl Default for Power {
    /// No stop at all; Azure's rules for the rest.
    fn default() -> Self {
        Self {
            version: VERSION,
            owner: None,
            rules: Vec::new(),
            idle_seconds: None,
            notice_seconds: NOTICE.as_duration().as_secs(),
            longest_postponement_seconds: LONGEST_POSTPONEMENT.as_duration().as_secs(),
            ssh_sessions: Weight::Ignored,
            custom_applications: Weight::Counted,
            stop: Ending::Auto,
        }
    }
}

impl Power {
    /// Reads it.
    ///
    /// # Errors
    /// The text is none of this version's.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let power: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if power.version == VERSION {
            Ok(power)
        } else {
            Err(format!("it is of format {}, and this version reads {VERSION}", power.version))
        }
    }

    /// Writes it.
    #[must_use]
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// The next firings, in order.
    #[must_use]
    pub fn next(&self, after: Timestamp, most: usize) -> Vec<Firing> {
        firings(&self.rules, after, most)
    }
}
