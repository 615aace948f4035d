//! The vocabulary of change. A [`Step`] is data: the same value is printed by `plan`, journalled, performed by a target and
//! checked by tests.
//!
//! To add an effect: one variant of [`Op`], its line in [`Op::summary`], and its doing in `target/`.

mod content;
mod lane;
mod look;
mod op;
mod tool;
mod work;

use crate::model::ByteSize;
use serde::{Deserialize, Serialize};

pub use content::{Blob, Cmd, Content, PATH, PROGRAM, WORKPLACE};
pub use lane::Lane;
pub use look::{Beside, FileKind, Output, Query, SSH_PORT, Space, Stat, Visit};
pub use op::{Login, Op, Presence, Proof, UnitVerb, package_name};
pub use tool::{CONTAINER_DEVICES, Tool};
pub use work::{
    Again, CheckRun, CondaBuild, Extras, Gate, Layer, OnEscape, OnFailure, PythonBuild, PythonPackages, ScriptRun, ScriptSource,
    ShareFolder, Site, Strip, Trigger, Unpack,
};

/// What a target must be able to do for a step to be performed on it; a step whose ability is missing is deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Files can be read and written. Every target can.
    Files,
    /// Programs of the target can be run.
    Exec,
    /// The target is one particular machine, not an image of many: its owner, its secrets and its scripts exist.
    Instance,
    /// The target is being made: nobody works on it, and what is decided once is decided now.
    Creation,
    /// The target is up: its service manager runs, shares can be mounted.
    RunningSystem,
}

impl Ability {
    /// What is waited for, as a person would say it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Files => "needs files",
            Self::Exec => "needs to run programs",
            Self::Instance => "waits for first boot",
            Self::Creation => "waits for a new machine",
            Self::RunningSystem => "waits for a running system",
        }
    }
}

/// How a step changes the machine; its sign in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Something new.
    Add,
    /// Something that exists, otherwise.
    Modify,
    /// Something less.
    Remove,
    /// Something taken away and made anew.
    Replace,
    /// Nothing changes; something is looked at by running it.
    Check,
}

impl Change {
    /// The sign that plans print.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Modify => "~",
            Self::Remove => "-",
            Self::Replace => "-/+",
            Self::Check => "?",
        }
    }
}

/// How much a step will take of the file system that holds what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskForecast {
    /// Exactly this much.
    Exact(ByteSize),
    /// This much at most, and at its peak.
    AtMost(ByteSize),
    /// Cannot be told; the step runs under the eye of the floor.
    Unknown,
}

/// How far a forecast can be relied on; of several, the last of these holds for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sure {
    /// That many bytes.
    Exactly,
    /// No more.
    AtMost,
    /// More, which cannot be told before: the floor is watched meanwhile.
    Unknown,
}

impl DiskForecast {
    /// Takes nothing.
    pub const NONE: Self = Self::Exact(ByteSize(0));

    /// The bytes to count with.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Exact(size) | Self::AtMost(size) => size.0,
            Self::Unknown => 0,
        }
    }

    /// How far the bytes can be relied on.
    #[must_use]
    pub const fn sure(self) -> Sure {
        match self {
            Self::Exact(_) => Sure::Exactly,
            Self::AtMost(_) => Sure::AtMost,
            Self::Unknown => Sure::Unknown,
        }
    }
}

/// One thing that a step brings about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name among what its resource asks for.
    pub name: String,
    /// What to say where it was so before, and somebody changed it.
    pub drift: String,
}

impl Claim {
    /// A thing, and what to say where somebody changed it.
    pub fn new(name: impl Into<String>, drift: impl Into<String>) -> Self {
        Self { name: name.into(), drift: drift.into() }
    }
}

/// What a step would undo of what a person did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undoes {
    /// Nothing.
    #[default]
    Nothing,
    /// What was changed since, of those of these things that were so before.
    Claims(Vec<Claim>),
    /// An edit: what to say of it.
    Edit(String),
    /// An edit of what the manifest changed as well: what it is.
    Conflict(String),
}

/// A change, why it is made, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// How that looks in a plan.
    pub change: Change,
    /// What the target must be able to do.
    pub needs: Ability,
    /// Why, in a few words: `absent`, `mode is 0600`.
    pub why: String,
    /// What it takes of the disk.
    pub disk: DiskForecast,
    /// What it would undo of what a person did, until that is judged.
    #[serde(skip)]
    pub undoes: Undoes,
}

impl Step {
    /// A step that needs files only and takes no room worth counting.
    pub fn new(change: Change, op: Op, why: impl Into<String>) -> Self {
        Self { op, change, needs: Ability::Files, why: why.into(), disk: DiskForecast::NONE, undoes: Undoes::Nothing }
    }

    /// Needing another ability.
    #[must_use]
    pub fn needs(mut self, ability: Ability) -> Self {
        self.needs = ability;
        self
    }

    /// Undoing this, where a person did it.
    #[must_use]
    pub fn undoes(mut self, undoes: Undoes) -> Self {
        self.undoes = undoes;
        self
    }

    /// Bringing about this one thing, which is theirs where a person changed it: what to say then.
    #[must_use]
    pub fn claim(self, name: &str, drift: impl Into<String>) -> Self {
        self.undoes(Undoes::Claims(vec![Claim::new(name, drift)]))
    }

    /// Taking this much of the disk.
    #[must_use]
    pub fn disk(mut self, forecast: DiskForecast) -> Self {
        self.disk = forecast;
        self
    }
}

/// Where the digest of apt's sources is kept, as of the last fetch of their lists.
pub const SOURCES_RECORD: &str = "/var/lib/fitout/state/apt-sources.sha256";

/// Where a file that Fitout did not write is kept when the manifest takes its path over; its own path follows.
pub const REPLACED: &str = "/var/lib/fitout/replaced";

/// Where the last edit of a file is kept when the manifest says that edits are undone; the file's own path follows.
pub const EDITED: &str = "/var/lib/fitout/edited";

/// Where something of another kind is moved to that somebody put in the place of what Fitout made; a number and its own path follow.
pub const ASIDE: &str = "/var/lib/fitout/aside";
