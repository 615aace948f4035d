//! `alternative`: which of several a name means, by update-alternatives(1), and that no package changes it.

use super::{Resource, Written};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, Op, Step, Tool};
use crate::target::look::path;
use crate::target::{Probe, ProbeError};

/// A name, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The name.
    pub name: String,
    /// What it means.
    pub to: TargetPath,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// Links to what is chosen, and what is remembered of each (update-alternatives(1)).
const CHOICES: &str = "/etc/alternatives";
const DATABASE: &str = "/var/lib/dpkg/alternatives";

impl Resource for Alternative {
    type State = bool;

    fn id(&self) -> ResourceId {
        ResourceId::new("alternative", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn writes(&self) -> Vec<Written> {
        [CHOICES, DATABASE].map(|folder| Written::alone(format!("{folder}/{}", self.name))).into()
    }

    /// Whether it is so, and by an administrator's choice.
    fn observe(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        let link = path(&format!("{CHOICES}/{}", self.name))?;
        let leads = on.stat(&link)?.and_then(|stat| stat.link).is_some_and(|to| to == self.to.as_str());
        let database = on.read(&path(&format!("{DATABASE}/{}", self.name))?)?;
        Ok(leads && database.is_some_and(|bytes| bytes.starts_with(b"manual\n")))
    }

    fn diff(&self, now: &bool) -> Vec<Step> {
        let tool = Tool::Alternative { name: self.name.clone(), to: self.to.clone() };
        let step = || Step::new(Change::Modify, Op::RunTool(tool), "packages choose it").needs(Ability::Exec);
        (!now).then(step).into_iter().collect()
    }
}
