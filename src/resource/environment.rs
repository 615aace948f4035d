//! Python and conda environments: built beside the one in use, checked, then switched to by one link.

use super::archive::marker;
use super::{Resource, in_the_way};
use crate::model::{ByteSize, ResourceId, Sha256, TargetPath};
use crate::step::{Ability, Change, CondaBuild, DiskForecast, Op, PythonBuild, Stat, Step};
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// An environment of an interpreter of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnvironment {
    /// Its name.
    pub name: String,
    /// How it is made.
    pub build: PythonBuild,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// A conda environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaEnvironment {
    /// Its name.
    pub name: String,
    /// How it is made.
    pub build: CondaBuild,
    /// What it takes.
    pub size: ByteSize,
}

/// What an environment's path holds.
#[derive(Debug, Serialize)]
pub struct State {
    /// The link's text; `None` where nothing is.
    link: Option<String>,
    built: Option<Sha256>,
}

impl State {
    fn observe(prefix: &TargetPath, generation: &TargetPath, on: &dyn Probe) -> Result<Self, ProbeError> {
        let link = match on.stat(prefix)? {
            Some(Stat { link: None, .. }) => return Err(in_the_way(prefix, "something that Fitout did not make")),
            stat => stat.and_then(|stat| stat.link),
        };
        Ok(Self { link, built: marker(generation, on)? })
    }

    /// How the switch to `generation` looks, `None` where it is in use.
    fn change(&self, generation: &TargetPath) -> Option<(Change, &'static str)> {
        match &self.link {
            Some(to) if *to == generation_link(generation) && self.built.is_some() => None,
            Some(_) => Some((Change::Replace, "made from another resolution")),
            None => Some((Change::Add, "absent")),
        }
    }
}

/// The text of the link to a generation beside it: `.generations/NAME-DIGEST`.
#[must_use]
pub fn generation_link(generation: &TargetPath) -> String {
    format!(".generations/{}", generation.name())
}

/// The generation of an environment that this digest names.
///
/// # Errors
/// The prefix is the root.
pub fn generation_of(prefix: &TargetPath, digest: &Sha256) -> Result<TargetPath, crate::model::Invalid> {
    let above = prefix.parent().ok_or_else(|| crate::model::Invalid::new("an environment cannot be the root directory"))?;
    above.join(&format!(".generations/{}-{}", prefix.name(), digest.short()))
}

/// A wheel lies packed beside the environment while this is built, and unpacks to about three times its size.
const GROWTH: u64 = 4;

impl PythonEnvironment {
    /// What building takes, where the index told the sizes of all wheels.
    fn room(&self) -> DiskForecast {
        let packed: Option<u64> = self.build.packages.wheels.iter().map(|wheel| wheel.size.map(|size| size.0)).sum();
        packed.map_or(DiskForecast::Unknown, |packed| DiskForecast::AtMost(ByteSize(packed * GROWTH)))
    }
}

impl Resource for PythonEnvironment {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("python", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        State::observe(&self.build.prefix, &self.build.generation, on)
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let build = |(change, why)| Step::new(change, Op::BuildPython(self.build.clone()), why).needs(Ability::Exec).disk(self.room());
        now.change(&self.build.generation).map(build).into_iter().collect()
    }
}

impl Resource for CondaEnvironment {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("conda", &self.name)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        State::observe(&self.build.prefix, &self.build.generation, on)
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let room = DiskForecast::AtMost(self.size);
        let build = |(change, why)| Step::new(change, Op::BuildConda(self.build.clone()), why).needs(Ability::Exec).disk(room);
        now.change(&self.build.generation).map(build).into_iter().collect()
    }
}
