//! A validated manifest: what the later rooms work from. Nothing in it can be malformed or contradict itself.

use crate::model::{ComputeName, Network, ResourceId, UserName};
use crate::problem::{Place, Problem};
use crate::recipe::{Item, Want};
use crate::resource::OnDrift;
use crate::target::OnRemoval;
use std::fmt;

/// A machine as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name, where the manifest or its overlay gives one.
    pub name: Option<ComputeName>,
    /// What kind of machine it is.
    pub kind: MachineKind,
    /// How it reaches networks.
    pub network: Network,
    /// Its owner's login name, where it has one.
    pub owner: Option<UserName>,
    /// What it is to have, in the order in which a person would set it up.
    pub wants: Vec<Want>,
    /// What is worth saying of it and no reason to refuse it.
    pub warnings: Vec<Problem>,
    /// What is said of people's changes to parts of it, the most particular last.
    pub policies: Vec<Policy>,
    /// Patterns of paths that are never touched, and where they stand.
    pub unmanaged: Vec<(String, Place)>,
    /// Where its parts stand in the manifest.
    pub places: Places,
    /// What waits for what, beyond what is known without saying.
    pub requires: Vec<Requirement>,
    /// What is done about what people changed.
    pub on_drift: OnDrift,
    /// What becomes of what is named no longer.
    pub on_removal: OnRemoval,
}

/// Where the parts of a manifest stand.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Places(pub Vec<(Item, Place)>);

/// In a line: a manifest has very many.
impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} places", self.0.len())
    }
}

/// What a part of a manifest says of people's changes, and of its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which part.
    pub item: Item,
    /// What is done about what people changed, if it says so.
    pub on_drift: Option<OnDrift>,
    /// What becomes of it when its line is gone, if it says so.
    pub on_removal: Option<OnRemoval>,
}

impl Machine {
    /// Has all that people changed brought back, whatever is said of it.
    pub fn repair(&mut self) {
        self.on_drift = OnDrift::Repair;
        self.policies.iter_mut().for_each(|policy| policy.on_drift = None);
    }
}

/// A `requires` of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// What waits.
    pub item: Item,
    /// What it waits for, as written: its path may begin with `~`.
    pub id: ResourceId,
    /// Where that is said.
    pub place: Place,
}

/// What kind of machine it is, which decides what absent fields mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineKind {
    /// What is absent is not managed.
    Workstation,
    /// What is absent is as Azure ML has it.
    ComputeInstance,
}
