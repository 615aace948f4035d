//! `archive`: a directory tree made from downloaded archives, whole or not at all.

use super::{OnDrift, PRESENT, Resource, changed, in_the_way, named};
use crate::model::{ByteSize, ResourceId, Sha256, TargetPath, counted};
use crate::step::{ASIDE, Blob, Change, DiskForecast, Op, Step, Unpack};
use crate::target::{Claims, Depth, Inventory, Probe, ProbeError};
use serde::Serialize;

/// A tree as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Names it.
    pub name: String,
    /// How it is made.
    pub unpack: Unpack,
    /// What is done about damage: it is mended as soon as a quick look shows it, and under `Repair` every file is read for it.
    pub on_drift: OnDrift,
}

/// A tree as it is.
#[derive(Debug, Serialize)]
pub enum State {
    /// Nothing there.
    Absent,
    /// Made by Fitout.
    Made {
        /// From this.
        digest: Sha256,
        /// What is not as it was made, as far as was looked.
        damaged: Vec<String>,
        /// What people put there, where it is to be made anew.
        foreign: Vec<String>,
    },
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
    /// A tree of which nothing is known.
    #[must_use]
    pub fn new(name: impl Into<String>, unpack: Unpack) -> Self {
        Self { name: name.into(), unpack, on_drift: OnDrift::default() }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        ResourceId::new("archive", &self.name)
    }

    /// The files that are not as they were unpacked.
    fn damage(&self, depth: Depth, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let tree = &self.unpack.into;
        Inventory::read(tree, on)?.map_or_else(|| Ok(Vec::new()), |inventory| inventory.damage(tree, depth, on))
    }

    fn made(&self, digest: Sha256, on: &dyn Probe) -> Result<State, ProbeError> {
        let is_another = digest != self.unpack.digest;
        let damaged = match self.on_drift {
            OnDrift::Ignore if !is_another => Vec::new(),
            OnDrift::Repair => self.damage(Depth::Full, on)?,
            OnDrift::Report | OnDrift::Ignore => self.damage(Depth::Quick, on)?,
        };
        // What is there as it should be is not searched for what people added.
        let is_remade = is_another || !damaged.is_empty();
        let inventory = if is_remade { Inventory::read(&self.unpack.into, on)? } else { None };
        let foreign = inventory.map_or_else(|| Ok(Vec::new()), |inventory| inventory.foreign(&self.unpack.into, on))?;
        Ok(State::Made { digest, damaged, foreign })
    }
}

/// What is said of files that people added.
fn kept(foreign: &[String]) -> String {
    let stays = if foreign.len() == 1 { "stays" } else { "stay" };
    named(&format!("{} that Fitout did not put there {stays}", counted(foreign.len(), "file")), foreign)
}

/// Why a tree is made anew, and what becomes of people's work in it.
fn why_anew(cause: Option<&str>, damaged: &[String], foreign: &[String]) -> String {
    let edits = (!damaged.is_empty()).then(|| format!("{}, and edits go to {ASIDE}", changed(damaged)));
    let kept = (!foreign.is_empty()).then(|| kept(foreign));
    cause.map(str::to_owned).into_iter().chain(edits).chain(kept).collect::<Vec<_>>().join("; ")
}

impl Resource for Archive {
    type State = State;

    fn id(&self) -> ResourceId {
        Self::id(self)
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([(PRESENT.to_owned(), self.unpack.into.to_string())])
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
        let digest = marker(&self.unpack.into, on)?;
        self.made(digest.ok_or_else(|| in_the_way(&self.unpack.into, "something that Fitout did not make"))?, on)
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let download: u64 = self.unpack.layers.iter().filter_map(|layer| layer.archive.size).map(|size| size.0).sum();
        let make = |change, why: &str| {
            let room = if download == 0 { DiskForecast::Unknown } else { DiskForecast::AtMost(ByteSize(download * GROWTH)) };
            vec![Step::new(change, Op::Unpack(self.unpack.clone()), why).disk(room)]
        };
        match now {
            State::Absent => make(Change::Add, "absent"),
            State::Made { digest, damaged, .. } if *digest == self.unpack.digest && damaged.is_empty() => Vec::new(),
            State::Made { digest, damaged, foreign } => {
                let cause = (*digest != self.unpack.digest).then_some("made from other archives");
                make(Change::Replace, &why_anew(cause, damaged, foreign))
            }
        }
    }

    fn examine(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let damaged = if self.on_drift == OnDrift::Ignore { Vec::new() } else { self.damage(Depth::Full, on)? };
        let said = || format!("{}: {}; `fitout apply --repair` unpacks it anew", self.unpack.into, changed(&damaged));
        Ok(if damaged.is_empty() { Vec::new() } else { vec![said()] })
    }
}
