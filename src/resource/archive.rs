//! `archive`: a directory tree made from downloaded archives, whole or not at all.

use super::{PRESENT, Resource, in_the_way};
use crate::model::{ByteSize, ResourceId, Sha256, TargetPath};
use crate::step::{Blob, Change, DiskForecast, Op, Step, Unpack};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;

/// A tree as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Names it.
    pub name: String,
    /// How it is made.
    pub unpack: Unpack,
}

/// A tree as it is.
#[derive(Debug, Serialize)]
pub enum State {
    /// Nothing there.
    Absent,
    /// Made by Fitout, from this.
    Made(Sha256),
}

/// Compiled programs unpack to about three times their wheel.
const GROWTH: u64 = 3;

/// The file, last to be written into a tree, that says from what it was made.
pub(super) fn marker(directory: &TargetPath, on: &dyn Probe) -> Result<Option<Sha256>, ProbeError> {
    let path = directory.join(".fitout.json").map_err(|e| ProbeError::new("use a path", e))?;
    let Some(bytes) = on.read(&path)? else { return Ok(None) };
    let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    Ok(value.as_ref().and_then(|value| value.get("digest")?.as_str()).and_then(|text| Sha256::parse(text).ok()))
}

impl Archive {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        ResourceId::new("archive", &self.name)
    }
}

impl Resource for Archive {
    type State = State;

    fn id(&self) -> ResourceId {
        Self::id(self)
    }

    fn claims(&self) -> Claims {
        Claims::from([(PRESENT.to_owned(), self.unpack.into.to_string())])
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.unpack.into)
    }

    fn blobs(&self) -> Vec<&Blob> {
        self.unpack.layers.iter().map(|layer| &layer.archive).collect()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        if on.stat(&self.unpack.into)?.is_none() {
            return Ok(State::Absent);
        }
        marker(&self.unpack.into, on)?.map(State::Made).ok_or_else(|| in_the_way(&self.unpack.into, "something that Fitout did not make"))
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let download: u64 = self.unpack.layers.iter().filter_map(|layer| layer.archive.size).map(|size| size.0).sum();
        let make = |change, why: &str| {
            let room = if download == 0 { DiskForecast::Unknown } else { DiskForecast::AtMost(ByteSize(download * GROWTH)) };
            vec![Step::new(change, Op::Unpack(self.unpack.clone()), why).disk(room)]
        };
        match now {
            State::Absent => make(Change::Add, "absent"),
            State::Made(digest) if *digest == self.unpack.digest => Vec::new(),
            State::Made(_) => make(Change::Replace, "made from other archives"),
        }
    }
}
