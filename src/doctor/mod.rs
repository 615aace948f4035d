//! What a person should know of a machine before or while Fitout works on it: who else has a hand in it, and what stands in the way.
//!
//! Looks through [`Probe`] and reads files only; nothing is changed, nothing is fetched. Where there is a manifest, what it names is held
//! against what others do: a thing that two programs write is a warning, all else a note.
//!
//! To know of another program: its row in `others`. To look at another side of the machine: a function, and its line in `PARTS`.

mod apt;
mod gpu;
mod others;
mod places;
mod setting;
mod ssh;
mod system;

pub use gpu::told;

use crate::model::ResourceId;
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is well.
    Fine,
    /// Good to know.
    Note,
    /// It will make trouble.
    Warning,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, in a word: a program, or a side of the machine.
    pub about: String,
    /// How much it matters.
    pub level: Level,
    /// What is so.
    pub found: String,
    /// Resources of the manifest that are concerned.
    pub concerns: Vec<ResourceId>,
    /// What to do.
    pub hint: Option<String>,
}

impl Finding {
    /// What was found, with nothing to do about it.
    #[must_use]
    pub fn new(about: &str, level: Level, found: impl Into<String>) -> Self {
        Self { about: about.into(), level, found: found.into(), concerns: Vec::new(), hint: None }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// A warning where resources of the manifest are concerned.
    fn concerning(self, concerns: Vec<ResourceId>) -> Self {
        let level = if concerns.is_empty() { self.level } else { self.level.max(Level::Warning) };
        Self { level, concerns, ..self }
    }
}

/// What looks at one side of a machine, given what the manifest names.
type Part = fn(&dyn Probe, &[ResourceId]) -> Result<Vec<Finding>, ProbeError>;

/// Who looks, and at what, in the order in which it is told.
const PARTS: [(&str, Part); 6] = [
    ("system", system::findings),
    ("apt", apt::findings),
    ("ssh", ssh::findings),
    ("gpu", gpu::findings),
    ("places", places::findings),
    ("others", others::findings),
];

/// Looks at all sides of a machine. A side that cannot be looked at is a warning with the reason, never an absence.
#[must_use]
pub fn examine(on: &dyn Probe, named: &[ResourceId]) -> Vec<Finding> {
    let blind = |about: &str, error: &ProbeError| vec![Finding::new(about, Level::Warning, format!("it could not be told: {error}"))];
    PARTS.iter().flat_map(|(about, part)| part(on, named).unwrap_or_else(|error| blind(about, &error))).collect()
}

/// Resources of these kinds whose names match.
fn concerned(named: &[ResourceId], patterns: &[(&str, &str)]) -> Vec<ResourceId> {
    let matches = |id: &ResourceId, (kind, name): &(&str, &str)| {
        id.kind == *kind && name.strip_suffix('*').map_or_else(|| id.name == *name, |start| id.name.starts_with(start))
    };
    named.iter().filter(|id| patterns.iter().any(|pattern| matches(id, pattern))).cloned().collect()
}
