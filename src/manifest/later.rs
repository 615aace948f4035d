//! Fields of the format that this version does not handle, as data: each is refused by name, or recorded and left alone.
//!
//! A field leaves this table when it gets a place in `v1`.

/// What becomes of a field of this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Refused: leaving it out silently would be worse. Nothing, and this value if there is one, ask for nothing and pass.
    Refused(Option<&'static str>),
    /// It describes what is around the machine, or only describes: kept for reports, nothing is done about it.
    Recorded,
}

use Fate::{Recorded, Refused};

/// The `v1` type that would hold the field, the field (or the word, for a choice), its fate.
type Row = (&'static str, &'static str, Fate);

/// Sections whose items take the common fields.
const THINGS: [&str; 8] = ["FileEntry", "Unit", "Environment", "Share", "Repository", "Check", "Guard", "User"];

/// What every thing will take one day, with the value that asks for nothing new.
const COMMON: [(&str, Option<&str>); 5] =
    [("state", Some("present")), ("requires", None), ("on_drift", Some("report")), ("on_removal", Some("release")), ("when", None)];

const ROWS: &[Row] = &[
    ("Manifest", "include", Refused(None)),
    ("Manifest", "unmanaged", Refused(None)),
    ("Manifest", "idle_time_before_shutdown", Refused(None)),
    ("Manifest", "idle_time_before_shutdown_minutes", Refused(None)),
    ("Manifest", "schedules", Refused(None)),
    ("Manifest", "custom_applications", Refused(None)),
    ("Manifest", "mpi", Refused(None)),
    ("Manifest", "samples", Refused(None)),
    ("Manifest", "when", Refused(None)),
    ("Manifest", "$schema", Recorded),
    ("Manifest", "description", Recorded),
    ("Manifest", "size", Recorded),
    ("Manifest", "location", Recorded),
    ("Manifest", "tags", Recorded),
    ("Manifest", "resource_id", Recorded),
    ("Manifest", "create_on_behalf_of", Recorded),
    ("Manifest", "enable_sso", Recorded),
    // What it takes away is the right that `user.sudo: false` takes away; recorded, it would be a promise not kept.
    ("Manifest", "enable_root_access", Refused(Some("true"))),
    ("Manifest", "enable_os_patching", Recorded),
    ("Manifest", "release_quota_on_stop", Recorded),
    ("Manifest", "autologger_settings", Recorded),
    ("Manifest", "auto_logger_settings", Recorded),
    ("Manifest", "network_settings", Recorded),
    ("Manifest", "identity", Recorded),
    ("Manifest", "enable_node_public_ip", Recorded),
    ("Manifest", "id", Recorded),
    ("Manifest", "state", Recorded),
    ("Manifest", "last_operation", Recorded),
    ("Manifest", "services", Recorded),
    ("Manifest", "os_image_metadata", Recorded),
    ("Manifest", "provisioning_state", Recorded),
    ("Manifest", "provisioning_errors", Recorded),
    ("Manifest", "created_on", Recorded),
    ("SshSettings", "admin_username", Recorded),
    ("SshSettings", "ssh_port", Recorded),
    ("Network", "proxy", Refused(None)),
    ("Network", "ca_certificates", Refused(None)),
    ("Mirrors", "apt", Refused(None)),
    ("Mirrors", "conda", Refused(None)),
    ("Mirrors", "nvidia", Refused(None)),
    ("Extras", "remove", Refused(None)),
    ("Gpu", "presence", Refused(Some("optional"))),
    ("Gpu", "driver", Refused(None)),
    ("Gpu", "cudnn", Refused(None)),
    ("Gpu", "nccl", Refused(None)),
    ("Gpu", "container_toolkit", Refused(Some("false"))),
    ("CudaSource", "redist", Refused(None)),
    ("CudaSource", "apt", Refused(None)),
    ("JupyterInterface", "notebook", Refused(None)),
    ("ShareDriver", "nfs", Refused(None)),
    ("ShareDriver", "rclone", Refused(None)),
    ("ShareDriver", "bind", Refused(None)),
    ("Credential", "service_principal", Refused(None)),
    ("Credential", "workload_identity", Refused(None)),
    ("SecretRef", "env", Refused(None)),
    ("SecretRef", "key_vault", Refused(None)),
    ("Disk", "ballast", Refused(None)),
    ("Disk", "reclaim", Refused(None)),
];

/// What to do instead, where that is more than leaving the field out.
const INSTEAD: &[(&str, &str)] = &[
    ("idle_time_before_shutdown", "remove it, and stop the idle machine yourself: this version stops none"),
    ("idle_time_before_shutdown_minutes", "remove it, and stop the idle machine yourself: this version stops none"),
    ("schedules", "remove it, and start and stop the machine from outside, with its cloud's own schedules"),
    ("custom_applications", "remove it, and start the containers in `setup_scripts` or as `units`"),
];

/// What to do about a field that is refused.
#[must_use]
pub fn instead(field: &str) -> &'static str {
    INSTEAD.iter().find(|(name, _)| *name == field).map_or("remove it", |(_, help)| *help)
}

/// What becomes of `field` of the type `holder`; `None` where nobody knows it.
#[must_use]
pub fn fate(holder: &str, field: &str) -> Option<Fate> {
    let own = ROWS.iter().find(|(of, name, _)| (*of, *name) == (holder, field)).map(|(_, _, fate)| *fate);
    let common = || THINGS.contains(&holder).then(|| COMMON.iter().find(|(name, _)| *name == field)).flatten();
    own.or_else(|| common().map(|(_, harmless)| Refused(*harmless)))
}

/// Fields of `holder` that are recorded: they belong in the schema.
pub fn recorded(holder: &str) -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter(move |(of, _, fate)| *of == holder && *fate == Recorded).map(|(_, name, _)| *name)
}

/// Names that a slip of the hand may have meant.
pub fn names(holder: &str) -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter(move |(of, _, _)| *of == holder).map(|(_, name, _)| *name)
}
