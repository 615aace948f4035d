//! What Azure ML's service knows about a compute instance: where it is, who it is for, when it runs, what runs beside it.
//!
//! These fields keep Azure's names and rules. Most are only checked or recorded here: the table in `disposition` says which.

use super::super::at::At;
use super::words::{ArmId, Guid, ImageReference, Label, NetworkName, Subnet, VariableName, WallTime};
use crate::schedule::{Action, Cron, Frequency, WeekDay, ZoneName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The name by which [`Verbatim`] asks the manifest's deserializer for a scalar's text, whatever it looks like.
pub const SCALAR: &str = "$scalar";

/// The person for whom somebody else makes the machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "checked by being read")]
pub struct OnBehalfOf {
    /// The tenant of that person, in Microsoft Entra.
    pub user_tenant_id: Guid,
    /// The id of that person, in Microsoft Entra.
    pub user_object_id: Guid,
}

/// Where the machine is in Azure's networks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// The virtual network; ignored where `subnet` is a whole resource id.
    pub vnet_name: Option<At<NetworkName>>,
    /// The subnet: its name, or its whole resource id.
    pub subnet: Option<At<Subnet>>,
}

/// Who the machine is to Azure.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Whether Azure makes an identity for it, people give it some, or both.
    #[serde(rename = "type")]
    pub kind: At<IdentityKind>,
    /// The identities that people give it.
    #[serde(default)]
    pub user_assigned_identities: Vec<At<UserIdentity>>,
}

/// Where an identity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// Azure makes one.
    SystemAssigned,
    /// People give it some.
    UserAssigned,
    /// Both.
    SystemAssignedUserAssigned,
    /// It has none.
    None,
}

/// An identity that people made.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "these are Azure's names")]
pub struct UserIdentity {
    /// The identity's resource id.
    pub resource_id: At<ArmId>,
    /// Its id as a principal.
    #[expect(dead_code, reason = "checked by being read")]
    pub principal_id: Option<Guid>,
    /// Its id as a client.
    #[expect(dead_code, reason = "checked by being read")]
    pub client_id: Option<Guid>,
}

/// When the machine starts and stops.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedules {
    /// Starts and stops, at most four.
    #[serde(default)]
    #[schemars(length(max = 4))]
    pub compute_start_stop: Vec<At<PowerSchedule>>,
}

/// One start or stop, again and again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerSchedule {
    /// What happens.
    pub action: Action,
    /// Whether it happens at all.
    #[schemars(extend("default" = "enabled"))]
    pub state: Option<Switch>,
    /// When it happens.
    pub trigger: At<Trigger>,
}

/// On or off, in Azure's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

/// When something happens: a cron `expression`, or a `frequency` with its `interval`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Which of the two.
    #[serde(rename = "type")]
    pub kind: At<TriggerKind>,
    /// Five fields: minute, hour, day of the month, month, day of the week (Sunday is 0); for cron.
    pub expression: Option<At<Cron>>,
    /// The unit of `interval`; for recurrence.
    pub frequency: Option<At<Frequency>>,
    /// Every how many units; for recurrence.
    #[schemars(extend("default" = 1), range(min = 1))]
    pub interval: Option<At<u32>>,
    /// At which hours, minutes and days; for recurrence.
    pub schedule: Option<At<Recurrence>>,
    /// From when on, such as `2026-03-01T18:00:00`, on the clock of `time_zone`.
    pub start_time: Option<At<WallTime>>,
    /// Whose clock is meant: Windows' name of a time zone, as Azure takes it (`Pacific Standard Time`), or IANA's (`Europe/Amsterdam`).
    #[schemars(extend("default" = "UTC"))]
    pub time_zone: Option<ZoneName>,
}

/// The two ways to say when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// By a cron expression.
    Cron,
    /// By a frequency.
    Recurrence,
}

/// At which hours, minutes and days.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recurrence {
    /// Hours, from 0 to 23.
    #[schemars(inner(range(max = 23)))]
    pub hours: Vec<At<u32>>,
    /// Minutes, from 0 to 59.
    #[schemars(inner(range(max = 59)))]
    pub minutes: Vec<At<u32>>,
    /// Days of the week; for weeks.
    pub week_days: Option<At<Vec<WeekDay>>>,
    /// Days of the month, from 1 to 31; for months.
    pub month_days: Option<At<Vec<At<u32>>>>,
}

/// A container that runs beside Jupyter, such as `RStudio`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomApplication {
    /// Its name, unlike any other application's.
    pub name: At<Label>,
    /// What runs it.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "docker"))]
    #[expect(dead_code, reason = "one choice so far, checked by being read")]
    pub kind: Option<ApplicationKind>,
    /// What it is made from.
    pub image: ApplicationImage,
    /// Its ports.
    pub endpoints: Vec<At<Endpoint>>,
    /// Variables of its environment. A secret does not belong here.
    #[serde(default)]
    pub environment_variables: BTreeMap<VariableName, At<Verbatim>>,
    /// Directories of the machine that it sees.
    #[serde(default)]
    pub bind_mounts: Vec<At<BindMount>>,
    /// The Jupyter kernel that it offers.
    #[expect(dead_code, reason = "checked by being read")]
    pub kernel: Option<ApplicationKernel>,
}

/// What runs a custom application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationKind {
    /// Docker.
    Docker,
}

/// What a custom application is made from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationImage {
    /// The image, such as `ghcr.io/azure/rocker-rstudio-ml-verse:latest`.
    pub reference: ImageReference,
}

/// A port of a custom application. Both are from 1026 to 65534.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Inside the container.
    #[schemars(with = "At<u16>", range(min = 1026, max = 65534))]
    pub target: At<i64>,
    /// On the machine, unlike any other application's.
    #[schemars(with = "At<u16>", range(min = 1026, max = 65534))]
    pub published: At<i64>,
}

/// A directory of the machine that a container sees.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BindMount {
    /// On the machine.
    pub source: At<String>,
    /// In the container.
    pub target: At<String>,
}

/// The Jupyter kernel that a custom application offers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "checked by being read")]
pub struct ApplicationKernel {
    /// Program and arguments that start it.
    #[serde(default)]
    pub argv: Vec<String>,
    /// What people see.
    pub display_name: Option<Label>,
    /// The language that it runs.
    pub language: Option<Label>,
}

/// What is logged of training without being asked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "checked by being read")]
pub struct AutologgerSettings {
    /// Whether `MLflow` logs by itself.
    pub mlflow_autologger: Option<Switch>,
}

/// Who may use custom applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharingPolicy {
    /// The owner.
    Personal,
    /// Everyone who may read the workspace.
    Shared,
}

/// A text that may look like a number or a truth value: the value of a tag or of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verbatim(pub String);

impl<'de> Deserialize<'de> for Verbatim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Verbatim;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a single value")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Verbatim, E> {
                Ok(Verbatim(text.to_owned()))
            }
        }
        deserializer.deserialize_newtype_struct(SCALAR, AnyScalar)
    }
}

impl JsonSchema for Verbatim {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Verbatim".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean", "null"]})
    }
}
