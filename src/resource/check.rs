//! `check`: what must be true in the end. It executes, so it is a step: run after a change, and by `verify`.

use super::Resource;
use crate::model::{Owner, ResourceId};
use crate::step::{Ability, Change, CheckRun, Op, Step};
use crate::target::{CheckVerdict, Probe, ProbeError, unseal};

/// A check as it should have passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The run.
    pub run: CheckRun,
}

impl Resource for Check {
    type State = Option<CheckVerdict>;

    fn id(&self) -> ResourceId {
        ResourceId::new("check", &self.run.name)
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.run.cmd.user)
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        let path = CheckVerdict::path(&self.run.name)?;
        // Where the verdict is damaged, it is given again.
        Ok(on.read(&path)?.and_then(|bytes| unseal(&path, &bytes).ok()))
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        match now {
            Some(verdict) if verdict.digest == self.run.digest => Vec::new(),
            _ => vec![self.step("not checked yet")],
        }
    }
}

impl Check {
    /// The run of it in a plan.
    fn step(&self, why: &str) -> Step {
        Step::new(Change::Check, Op::RunCheck(self.run.clone()), why).needs(Ability::Exec)
    }

    /// The run of it where it passed already, and something changes.
    #[must_use]
    pub fn again(&self) -> Step {
        self.step("something changes before it")
    }
}
