//! What becomes of each field of a manifest: enforced, checked or recorded.
//!
//! One table says it for Azure's fields, because some of them speak of the service around the machine. A field that is not in the table
//! shares the fate of what it is in, and a manifest as a whole is enforced. Fields that this version refuses stand in `later`.

use super::node::{Node, Value as Tree};
use super::shape::{property, resolve, summary, type_name};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// The machine is made so, and kept so.
    Enforced,
    /// Its rules are checked; nothing is done about it here.
    Checked,
    /// It is accepted and kept; nothing is done about it here.
    Recorded,
}

use Disposition::{Checked, Enforced, Recorded};

impl Disposition {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Enforced => "enforced",
            Checked => "checked",
            Recorded => "recorded",
        }
    }
}

/// The `v1` type that holds the field, the field, what becomes of it, and why.
type Row = (&'static str, &'static str, Disposition, &'static str);

const OUTSIDE: &str = "said by Azure, not to it; kept for reports";
const POWER: &str = "the agent stops the machine; a start is its cloud's to do, and is only checked";
const IDLE: &str = "the agent stops the machine after so long without use";
const CONTAINERS: &str = "runs in a container, as a service, open on loopback";
const SHARING: &str = "who may come in is the business of what stands before the machine";
const KERNELS: &str = "kernels are made of `environments`; one in a container is not offered";
const NETWORK: &str = "the machine is in its network already: its cloud put it there";
const IDENTITY: &str = "its cloud gives a machine its identity; shares name theirs in `credential`";

const ROWS: &[Row] = &[
    ("Manifest", "$schema", Recorded, "for editors"),
    ("Manifest", "type", Enforced, "decides what absent fields mean"),
    ("Manifest", "name", Enforced, "becomes the host name"),
    ("Manifest", "description", Recorded, "for people"),
    ("Manifest", "tags", Recorded, "for reports and bills"),
    ("Manifest", "size", Checked, "its form is checked; the machine has its size already"),
    ("Manifest", "location", Recorded, "the machine is where it is"),
    ("Manifest", "resource_id", Enforced, "scripts are told its resource group and workspace"),
    ("Manifest", "create_on_behalf_of", Checked, "the account on the machine is `user`; Azure knows whose it is"),
    ("Manifest", "ssh_public_access_enabled", Enforced, "opens or closes SSH for the owner; proved on the real sshd"),
    ("Manifest", "ssh_settings", Enforced, "the owner's key joins `user.authorized_keys`"),
    ("SshSettings", "admin_username", Recorded, OUTSIDE),
    ("SshSettings", "ssh_port", Recorded, OUTSIDE),
    ("Manifest", "network_settings", Checked, NETWORK),
    ("NetworkSettings", "public_ip_address", Recorded, OUTSIDE),
    ("NetworkSettings", "private_ip_address", Recorded, OUTSIDE),
    ("Manifest", "enable_node_public_ip", Recorded, NETWORK),
    ("Manifest", "identity", Checked, IDENTITY),
    ("Identity", "principal_id", Recorded, OUTSIDE),
    ("Identity", "tenant_id", Recorded, OUTSIDE),
    ("Manifest", "schedules", Enforced, POWER),
    ("PowerSchedule", "schedule_id", Recorded, OUTSIDE),
    ("PowerSchedule", "provisioning_state", Recorded, OUTSIDE),
    ("Manifest", "idle_time_before_shutdown", Enforced, IDLE),
    ("Manifest", "idle_time_before_shutdown_minutes", Enforced, IDLE),
    ("Manifest", "custom_applications", Enforced, CONTAINERS),
    ("CustomApplication", "kernel", Recorded, KERNELS),
    ("Manifest", "application_sharing_policy", Recorded, SHARING),
    ("Manifest", "setup_scripts", Enforced, "run as root: creation once, startup at each start"),
    ("Manifest", "enable_root_access", Enforced, "the same as `user.sudo`"),
    ("Manifest", "enable_sso", Recorded, "Azure signs people in, in front of the machine"),
    ("Manifest", "disable_local_auth", Recorded, "Azure signs people in, in front of the machine"),
    ("Manifest", "enable_os_patching", Recorded, "updates of the distribution are apt's; this version starts none"),
    ("Manifest", "release_quota_on_stop", Recorded, "quota is Azure's"),
    ("Manifest", "autologger_settings", Recorded, "MLflow is told by Azure's jobs"),
    ("Gpu", "driver", Enforced, "installed where it names a `flavour`; what needs a driver is judged by it"),
    ("Gpu", "architecture", Checked, "what is compiled for a GPU is judged by it"),
    ("Manifest", "id", Recorded, OUTSIDE),
    ("Manifest", "state", Recorded, OUTSIDE),
    ("Manifest", "last_operation", Recorded, OUTSIDE),
    ("Manifest", "services", Recorded, OUTSIDE),
    ("Manifest", "os_image_metadata", Recorded, OUTSIDE),
    ("Manifest", "provisioning_state", Recorded, OUTSIDE),
    ("Manifest", "provisioning_errors", Recorded, OUTSIDE),
    ("Manifest", "created_on", Recorded, OUTSIDE),
];

/// What becomes of a field of the type `holder`, and why; `None` where it shares the fate of what it is in.
#[must_use]
pub fn row(holder: &str, field: &str) -> Option<(Disposition, &'static str)> {
    ROWS.iter().find(|(of, name, _, _)| (*of, *name) == (holder, field)).map(|(_, _, disposition, why)| (*disposition, *why))
}

/// Whether a key that is no field of the type `holder` is accepted all the same, with any value.
#[must_use]
pub fn is_recorded(holder: &str, field: &str) -> bool {
    matches!(row(holder, field), Some((Recorded, _)))
}

/// The fields of `holder` that are recorded, with the reason.
pub fn recorded(holder: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter().filter(move |(of, _, disposition, _)| *of == holder && *disposition == Recorded).map(|(_, name, _, why)| (*name, *why))
}

/// A field of a manifest, and what becomes of it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its path, such as `schedules.compute_start_stop[0].trigger`.
    pub path: String,
    /// What becomes of it.
    pub disposition: Disposition,
    /// Why, in a line.
    pub why: String,
}

/// In a line: a manifest has very many.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.path, self.disposition)
    }
}

/// What is above a node.
struct Above<'a> {
    schema: &'a Value,
    holder: String,
    path: String,
    fate: (Disposition, Option<&'static str>),
}

/// Every field that a manifest holds, in its order, with what becomes of it.
#[must_use]
pub fn fields(root: &Node, schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    let top = Above { schema, holder: "Manifest".into(), path: String::new(), fate: (Enforced, None) };
    walk(root, &top, schema, &mut found);
    found
}

fn walk(node: &Node, above: &Above<'_>, root: &Value, found: &mut Vec<Field>) {
    match &node.value {
        Tree::Scalar(_) => {}
        Tree::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{}[{index}]", above.path);
                walk(item, &Above { path, holder: above.holder.clone(), ..*above }, root, found);
            }
        }
        Tree::Map(entries) => {
            for entry in entries {
                let own = row(&above.holder, &entry.key).map(|(disposition, why)| (disposition, Some(why)));
                let Some(schema) = property(root, above.schema, &entry.key) else { continue };
                let path = if above.path.is_empty() { entry.key.clone() } else { format!("{}.{}", above.path, entry.key) };
                let fate = own.unwrap_or(above.fate);
                let reason = if own.is_none() && fate.0 == Enforced { None } else { fate.1 };
                let why = reason.map_or_else(|| summary(root, schema), str::to_owned);
                found.push(Field { path: path.clone(), disposition: fate.0, why });
                let holder = type_name(schema).or_else(|| type_name(resolve(root, schema))).unwrap_or_default();
                walk(&entry.value, &Above { schema, holder, path, fate }, root, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::schema;
    use super::*;

    /// The fields of a compute instance, of Azure's YAML reference, its SDK's schema and ARM's type.
    const AZURES: [&str; 34] = [
        "$schema",
        "type",
        "name",
        "description",
        "size",
        "location",
        "tags",
        "resource_id",
        "create_on_behalf_of",
        "ssh_public_access_enabled",
        "ssh_settings",
        "network_settings",
        "identity",
        "schedules",
        "idle_time_before_shutdown",
        "idle_time_before_shutdown_minutes",
        "custom_applications",
        "setup_scripts",
        "enable_node_public_ip",
        "id",
        "state",
        "last_operation",
        "services",
        "os_image_metadata",
        "provisioning_state",
        "provisioning_errors",
        "created_on",
        "release_quota_on_stop",
        "enable_os_patching",
        "enable_root_access",
        "enable_sso",
        "autologger_settings",
        "application_sharing_policy",
        "disable_local_auth",
    ];

    #[test]
    fn azures_fields_have_their_line() {
        for field in AZURES {
            assert!(row("Manifest", field).is_some(), "{field}");
        }
        assert!(is_recorded("SshSettings", "ssh_port") && is_recorded("NetworkSettings", "public_ip_address"));
    }

    #[test]
    fn every_line_is_about_a_field() {
        let schema = schema();
        for (holder, field, _, why) in ROWS {
            let of = if *holder == "Manifest" { Some(schema) } else { schema["definitions"].get(holder) };
            assert!(of.is_some_and(|of| of["properties"].get(field).is_some()), "{holder}.{field}");
            assert!(!why.contains('\n') && why.len() < 100, "{holder}.{field}");
        }
    }
}
