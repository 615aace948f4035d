//! What Fitout remembers of the resources that it brought about: so that what a person changed since can be told from what is new
//! in the manifest, and what the manifest names no longer from what it never named.

use super::{Document, Probe, ProbeError, seal, unseal};
use crate::model::{ResourceId, TargetPath};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a resource asks for, thing by thing: `enabled` is `on`, the package `git` is wanted as `git=1:2.*`.
///
/// A map as a sorted list: there are ten thousand of one or two entries, and a tree of one takes half a KiB.
pub type Claims = litemap::LiteMap<String, String>;

/// What becomes of a thing whose line left the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRemoval {
    /// It stays, and is Fitout's no longer.
    #[default]
    Release,
    /// It is deleted, if Fitout itself made it and nobody changed it since.
    Delete,
}

/// A resource as it was when it last was as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// What it asked for.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
    /// Of these, what was not there before Fitout made it, in order: a list, as claims are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<String>,
    /// Of these, what a run set out to change and nobody saw it end: whatever is there now, it is no change by people.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub doubtful: BTreeSet<String>,
    /// What becomes of it when its line leaves the manifest.
    #[serde(default)]
    pub on_removal: OnRemoval,
    /// Whether the machine's manifest never asked for it: only one that was applied beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

impl Record {
    /// Whether Fitout made a thing.
    #[must_use]
    pub fn has_made(&self, name: &str) -> bool {
        self.made.iter().any(|made| made == name)
    }

    /// Notes things that Fitout makes.
    pub fn make(&mut self, names: impl IntoIterator<Item = String>) {
        self.made.extend(names);
        self.made.sort_unstable();
        self.made.dedup();
    }
}

/// All records of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    version: u32,
    /// By the names of their resources.
    pub resources: BTreeMap<ResourceId, Record>,
}

const PATH: &str = "/var/lib/fitout/state/resources.json";

impl Document for Records {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Default for Records {
    fn default() -> Self {
        Self { version: Self::VERSION, resources: BTreeMap::new() }
    }
}

impl Records {
    /// Where they are kept.
    ///
    /// # Errors
    /// Never for this path; the path type has no other way to say so.
    pub fn path() -> Result<TargetPath, ProbeError> {
        TargetPath::parse(PATH).map_err(|e| ProbeError::new("use a path", e))
    }

    /// Those of a machine; none where it has none.
    ///
    /// # Errors
    /// The file cannot be read, was damaged, or a newer Fitout wrote it.
    pub fn read(on: &dyn Probe) -> Result<Self, ProbeError> {
        let path = Self::path()?;
        on.read(&path)?.map_or_else(|| Ok(Self::default()), |bytes| unseal(&path, &bytes))
    }

    /// The file that they make.
    ///
    /// # Errors
    /// Never for what was read; JSON has no other way to say so.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProbeError> {
        seal(self).map_err(|e| ProbeError::new(format!("write {PATH}"), e))
    }
}
