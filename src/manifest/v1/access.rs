//! Who owns the machine, how people and packages reach it, and the owner's scripts.

use super::super::at::At;
use super::azure::SCALAR;
use super::words::{GroupName, IndexUrl, NoProxy, ServerUrl, SourcePath};
use crate::model::{HomePath, Span, TargetPath, UserName};
use crate::step::{Again, Gate, OnEscape, OnFailure};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Azure ML's place for the owner's public key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshSettings {
    /// The owner's public key: the key itself on one line, or the path of a file that holds keys. It joins `user.authorized_keys`.
    pub ssh_key_value: Option<At<String>>,
    /// What is done about ways in by SSH that others made: keys beside those named here, in `authorized_keys` and `authorized_keys2`, and
    /// files in `/etc/ssh/sshd_config.d`.
    #[schemars(extend("default" = "report"))]
    pub foreign: Option<Foreign>,
}

/// What is done about ways in that others made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Foreign {
    /// They stay, and `plan`, `apply` and `verify` say so.
    Report,
    /// They go; what is taken away is kept in `/var/lib/fitout`.
    Remove,
}

/// Scripts of the owner, run as root, with Azure ML's meaning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupScripts {
    /// Runs once, when the machine is made.
    pub creation_script: Option<At<Script>>,
    /// Runs at each start, the first included, after the creation script.
    pub startup_script: Option<At<Script>>,
}

/// One script: `path` or `inline`. Its verdict is kept on the machine, and shown by `fitout script list`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The script's file, relative to the manifest; or `https://…` with `sha256`; or `share://NAME/FILE` for a file on one of `shares`.
    pub path: Option<At<SourcePath>>,
    /// What a script that is fetched must be: 64 hexadecimal digits.
    pub sha256: Option<At<String>>,
    /// The script's text, instead of a file.
    pub inline: Option<At<String>>,
    /// How it is run: program and arguments, the script's file name among them. No shell reads this line.
    #[schemars(extend("default" = "bash SCRIPT"))]
    pub command: Option<At<String>>,
    /// Minutes that it may take; then it is killed. Azure ML's way to say `timeout`.
    pub timeout_minutes: Option<At<u32>>,
    /// How long it may take, such as `90s`, `1.5m` or `PT15M`, or a number of seconds, as timeout(1) takes it; then it is killed.
    #[schemars(extend("default" = "15m"))]
    pub timeout: Option<At<Deadline>>,
    /// Who runs it: root, as Azure ML does, or the owner, in all the owner's groups.
    #[schemars(extend("default" = "root"))]
    pub run_as: Option<At<RunAs>>,
    /// Where it runs. By default `/`, and the owner's home where the owner runs it.
    pub working_directory: Option<HomePath>,
    /// Whether it runs again after it succeeded. By default a creation script never does, a startup script at each start.
    pub rerun: Option<Again>,
    /// What it makes: where that is there, it does not run.
    pub creates: Option<HomePath>,
    /// Program and arguments, run as the script would be, for at most a minute: where it succeeds, there is nothing to do.
    pub unless: Option<At<Vec<String>>>,
    /// What its failure means: the machine is not set up, or its verdict is shown and that is all.
    #[schemars(extend("default" = "fail"))]
    pub on_failure: Option<OnFailure>,
    /// Whether the machine is ready only when it has succeeded, or it goes on in the background.
    #[schemars(extend("default" = "ready"))]
    pub gate: Option<Gate>,
    /// What it means that it left something running outside its control group: it is told, or the script failed and what it left is ended.
    #[schemars(extend("default" = "report"))]
    pub on_escape: Option<OnEscape>,
}

/// A length of time that may be a bare number of seconds.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Span);

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Deadline;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time, such as 90s or 15m")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Deadline, E> {
                Span::parse(text).map(Deadline).map_err(E::custom)
            }
        }
        deserializer.deserialize_newtype_struct(SCALAR, Scalar)
    }
}

impl JsonSchema for Deadline {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Deadline".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let span = generator.subschema_for::<Span>();
        json_schema!({"anyOf": [span, {"type": "number", "exclusiveMinimum": 0}]})
    }
}

/// Who runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunAs {
    /// The superuser.
    Root,
    /// The owner: `user`.
    Owner,
}

/// The one person whose machine this is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name. On a computeinstance `azureuser` where absent.
    pub name: Option<At<UserName>>,
    /// Whether the owner may come in.
    #[schemars(extend("default" = "present"))]
    pub state: Option<At<UserState>>,
    /// Whether the owner may do everything with sudo, without a password. On a computeinstance true where absent.
    #[schemars(extend("default" = false))]
    pub sudo: Option<bool>,
    /// Login shell. Absent: a new account gets `/bin/bash`, an existing one keeps its own.
    pub shell: Option<TargetPath>,
    /// Groups beside the primary one. Groups that the owner is in already stay. Absent: `video` and `render` where the manifest names `gpu`, `docker` where
    /// it installs Docker and the owner has sudo; all three on a `computeinstance`, `docker` with sudo alone.
    #[serde(default)]
    pub groups: Vec<At<GroupName>>,
    /// Public keys that open the owner's account: each a key on one line, or the path of a file that holds keys.
    #[serde(default)]
    pub authorized_keys: Vec<At<String>>,
}

/// Whether somebody may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// By what is said here.
    Present,
    /// By nothing: password locked, account expired; sessions end, keys, timers and rights go, units that run as this user stop.
    Locked,
    /// As `locked`, and the account goes; its home stays, root's and closed.
    Absent,
}

/// Somebody who was on the machine beside its owner.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormerUser {
    /// Login name.
    pub name: At<UserName>,
    /// What becomes of the account.
    pub state: At<FormerUserState>,
}

/// What becomes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormerUserState {
    /// It stays, and nobody comes in by it: password locked, account expired; sessions end, keys, timers and rights go, units that run as
    /// this user stop.
    Locked,
    /// As `locked`, and the account goes; its home stays, root's and closed.
    Absent,
}

/// How the machine reaches package indexes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The proxy; that of the environment where nothing is said.
    pub proxy: Option<Proxy>,
    /// Files with certificates (PEM) of authorities that are trusted for downloads, beside those that the machine trusts.
    #[serde(default)]
    pub ca_certificates: Vec<At<SourcePath>>,
    /// What is asked instead of the public indexes.
    pub mirrors: Option<Mirrors>,
}

/// What stands between this network and others. One that asks for a password is named in the environment, not here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "everybody calls it no_proxy")]
pub struct Proxy {
    /// Address of the proxy for `http:` addresses.
    pub http: Option<ServerUrl>,
    /// Address of the proxy for `https:` addresses.
    pub https: Option<ServerUrl>,
    /// Hosts, domains (`.example.org`) and networks (`10.0.0.0/8`) that are asked without it; metadata of clouds always is.
    #[serde(default)]
    pub no_proxy: Vec<NoProxy>,
}

/// What is asked instead of the public indexes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    /// Address of a Python package index, instead of `https://pypi.org/simple`.
    pub pypi: Option<IndexUrl>,
    /// Address of a copy of Anaconda's server, where channels are that have only a name, instead of `https://conda.anaconda.org`.
    pub conda: Option<ServerUrl>,
    /// Address of a copy of NVIDIA's server, instead of `https://developer.download.nvidia.com`.
    pub nvidia: Option<ServerUrl>,
}
