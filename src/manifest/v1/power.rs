//! How a machine stops itself.

use super::super::at::At;
use crate::model::Span;
use crate::schedule::{Ending, Weight};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a machine stops itself, by its schedules or for want of use.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// How a stop is made.
    #[schemars(extend("default" = "auto"))]
    pub stop: Option<Ending>,
    /// How long before a stop people are told.
    #[schemars(extend("default" = "10m"))]
    pub notice: Option<At<Span>>,
    /// How long a stop may be put off in all, by those who use the machine; at most a day.
    #[schemars(extend("default" = "8h"))]
    pub longest_postponement: Option<At<Span>>,
    /// Whether an open SSH session keeps the machine from being idle. Azure ignores them.
    #[schemars(extend("default" = "ignored"))]
    pub ssh_sessions: Option<Weight>,
    /// Whether a custom application that runs keeps the machine from being idle, as in Azure.
    #[schemars(extend("default" = "counted"))]
    pub custom_applications: Option<Weight>,
}
