//! What happens during a run, as data: terminal, JSON, journal and status page observe the same stream.

use crate::model::ResourceId;
use crate::step::Step;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How a resource ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was as it should be.
    Unchanged,
    /// It is now as it should be, as far as this target can.
    Changed,
    /// All that is to do waits for another target or time.
    Deferred,
    /// It is not as it should be.
    Failed,
    /// Something that it requires failed.
    Skipped,
}

/// What became of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which.
    pub id: ResourceId,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, by a monotonic clock.
    pub milliseconds: u64,
    /// Steps performed.
    pub steps: Vec<Step>,
    /// Steps that wait, each with what it waits for.
    pub deferred: Vec<String>,
    /// What people changed and was left alone.
    pub drift: Vec<String>,
    /// What is worth knowing, and as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Report {
    pub(super) fn new(id: ResourceId) -> Self {
        let (outcome, none) = (Outcome::Unchanged, Vec::new);
        Self { id, outcome, milliseconds: 0, steps: Vec::new(), deferred: none(), drift: none(), notes: none(), reason: None, hint: None }
    }
}

/// How many resources ended how. One that changed and has steps that wait counts as both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Something was done.
    pub changed: usize,
    /// Nothing was to be done.
    pub unchanged: usize,
    /// Something waits.
    pub deferred: usize,
    /// Not as it should be.
    pub failed: usize,
    /// Not tried.
    pub skipped: usize,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Format of this document.
    pub version: u32,
    /// How many ended how.
    #[serde(flatten)]
    pub counts: Counts,
    /// How long it took.
    pub milliseconds: u64,
    /// The signal that ended it before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// The packages that ask for a restart of the machine, where one is needed before all of this is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<Vec<String>>,
    /// Each resource, in the order of work.
    pub resources: Vec<Report>,
}

/// What programs and the system say where a disk is full, and Fitout where one nearly is.
const FULL: [&str; 3] = ["No space left on device", "don't have enough free space in", "(disk.guards)"];

/// Whether something failed for want of room.
#[must_use]
pub fn is_for_room(cause: &str) -> bool {
    FULL.iter().any(|words| cause.contains(words))
}

impl RunReport {
    /// Whether nothing failed and nothing was passed over.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.counts.failed + self.counts.skipped == 0
    }

    /// Whether a resource failed for want of room.
    #[must_use]
    pub fn lacks_room(&self) -> bool {
        let mut failed = self.resources.iter().filter(|one| one.outcome == Outcome::Failed);
        failed.any(|one| one.reason.as_deref().is_some_and(is_for_room))
    }

    pub(super) fn new(resources: Vec<Report>, took: Duration) -> Self {
        let count = |outcome| resources.iter().filter(|report| report.outcome == outcome).count();
        let counts = Counts {
            changed: count(Outcome::Changed),
            unchanged: count(Outcome::Unchanged),
            deferred: resources.iter().filter(|report| !report.deferred.is_empty()).count(),
            failed: count(Outcome::Failed),
            skipped: count(Outcome::Skipped),
        };
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { version: 1, counts, milliseconds, ended_by: None, reboot_required: None, resources }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Another run is waited for.
    Waiting {
        /// Who it is.
        holder: String,
    },
    /// An open question is being answered.
    Resolving {
        /// In a few words.
        question: String,
    },
    /// A download in the cache was not what it should be; it is fetched again.
    Damaged {
        /// Which, and what it was.
        damage: String,
    },
    /// Work begins.
    RunStarted {
        /// How many resources.
        resources: usize,
    },
    /// A resource is looked at.
    ResourceStarted {
        /// Which.
        id: ResourceId,
    },
    /// A step begins.
    StepStarted {
        /// Of which resource.
        id: ResourceId,
        /// What is done.
        summary: String,
        /// Why.
        why: String,
    },
    /// A step got on.
    Advanced {
        /// Of which resource.
        id: ResourceId,
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// A program printed a line.
    Line {
        /// For which resource.
        id: ResourceId,
        /// What it printed.
        text: String,
    },
    /// A step was performed.
    StepFinished {
        /// Of which resource.
        id: ResourceId,
        /// What was done.
        summary: String,
        /// How long it took.
        milliseconds: u64,
    },
    /// A resource is done with.
    ResourceFinished {
        /// What became of it.
        report: Report,
    },
    /// Work ends.
    RunFinished {
        /// How many ended how.
        counts: Counts,
    },
}

/// Someone who watches a run.
pub trait Observer: Send {
    /// Takes notice.
    fn on(&mut self, event: &Event);
}

/// All who watch a run.
#[derive(Default)]
pub struct Observers(Mutex<Vec<Box<dyn Observer>>>);

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observers")
    }
}

impl Observers {
    /// These.
    #[must_use]
    pub fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        Self(Mutex::new(observers))
    }

    /// Tells all of them.
    pub fn tell(&self, event: &Event) {
        for observer in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            observer.on(event);
        }
    }
}
