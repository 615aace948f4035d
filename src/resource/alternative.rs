//! `alternative`: which of several a name means, by update-alternatives(1), and that no package changes it.

use super::Resource;
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

impl Resource for Alternative {
    type State = bool;

    fn id(&self) -> ResourceId {
        ResourceId::new("alternative", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    /// Whether it is so, and by an administrator's choice.
    fn observe(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        let link = path(&format!("/etc/alternatives/{}", self.name))?;
        let leads = on.stat(&link)?.and_then(|stat| stat.link).is_some_and(|to| to == self.to.as_str());
        let database = on.read(&path(&format!("/var/lib/dpkg/alternatives/{}", self.name))?)?;
        Ok(leads && database.is_some_and(|bytes| bytes.starts_with(b"manual\n")))
    }

    fn diff(&self, now: &bool) -> Vec<Step> {
        let tool = Tool::Alternative { name: self.name.clone(), to: self.to.clone() };
        let step = || Step::new(Change::Modify, Op::RunTool(tool), "packages choose it").needs(Ability::Exec);
        (!now).then(step).into_iter().collect()
    }
}
