//! Shares of storage accounts, and the room that must stay free.

use super::super::at::At;
use super::state::State;
use super::words::{ClientId, ShareName, StorageAccount, StorageName};
use crate::model::{ByteSize, HomePath, Invalid, SecretRef, TargetPath};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::borrow::Cow;

/// A size, with its unit: `5GB`, `1.5GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub ByteSize);

/// By hand, because a number without quotes lacks its unit, not its quotes.
impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("write a size with its unit, such as 5GB"))?;
        Self::try_from(text).map_err(D::Error::custom)
    }
}

impl TryFrom<String> for Size {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let meant = format!("{}B", text.trim());
        ByteSize::parse(&text).map(Self).map_err(|error| match ByteSize::parse(&meant) {
            Ok(_) if text.ends_with(char::is_alphabetic) => Invalid::new(format!("`{text}` lacks the B of its unit; write {meant}")),
            Ok(_) => Invalid::new(format!("`{text}` has no unit; write a size with its unit, such as 5GB")),
            Err(_) => error,
        })
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^\s*\d+(\.\d{1,9})?\s*([kKmMgGtT][iI]?)?[bB]\s*$", "description": "A size with its unit, such as 5GB or 1.5GiB."})
    }
}

/// A share: a container of Blob storage (`driver: blobfuse2`) or a share of Azure Files (`driver: cifs`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Its name, that of its unit and files.
    pub name: At<ShareName>,
    /// Whether it is to be. Absent, it is no longer mounted, and its unit and credentials go; what it holds stays where it is stored.
    #[schemars(extend("default" = "present"))]
    pub state: Option<State>,
    /// How it is mounted.
    pub driver: At<ShareDriver>,
    /// The storage account.
    pub account: Option<StorageAccount>,
    /// The container; for blobfuse2.
    pub container: Option<At<StorageName>>,
    /// The share of Azure Files; for cifs.
    #[serde(rename = "share")]
    pub smb: Option<At<StorageName>>,
    /// Where it appears: absolute, or below the owner's home (`~/…`).
    pub mount: At<HomePath>,
    /// What may be done with it.
    #[schemars(extend("default" = "read_write"))]
    pub access: Option<Access>,
    /// How to get in: always a reference, never the secret itself.
    pub credential: Option<At<Credential>>,
    /// Where files in use are kept, and how much at most; for blobfuse2, which needs it.
    pub cache: Option<At<Cache>>,
}

/// How a share is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareDriver {
    /// A container of Blob storage, through FUSE.
    Blobfuse2,
    /// A share of Azure Files, by SMB 3.1.1 (port 445).
    Cifs,
}

/// What may be done with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// How to get into a share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// The account's key.
    AccountKey(SecretRef),
    /// A shared access signature; for blobfuse2.
    Sas(SecretRef),
    /// The machine's own identity; for blobfuse2.
    ManagedIdentity(ManagedIdentity),
}

/// The machine's own identity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManagedIdentity {
    /// Which, where the machine has several.
    pub client_id: Option<ClientId>,
}

/// Where files of a share are kept while in use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// A directory, better not on the disk of the operating system.
    pub path: At<TargetPath>,
    /// How much at most, such as `50GB`: without a limit the cache fills the disk.
    pub limit: At<Size>,
}

/// Room that must stay free.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Mounts, and what must stay free on each. Empty: no guards.
    pub guards: Option<Vec<At<Guard>>>,
}

/// Room that must stay free on one file system.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// A directory of the file system that is meant.
    pub mount: At<TargetPath>,
    /// Whether it is to be. Absent, nothing is guarded there.
    #[schemars(extend("default" = "present"))]
    pub state: Option<State>,
    /// What must stay free, such as `5GB`.
    pub minimum_free: Option<At<Size>>,
}
