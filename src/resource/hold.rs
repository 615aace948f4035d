//! `hold`: packages that no upgrade changes, until the manifest or a person says otherwise.

use super::{Ownership, Resource};
use crate::model::ResourceId;
use crate::step::{Ability, Change, Claim, Op, Step, Undoes};
use crate::target::{Claims, Probe, ProbeError};

/// Packages that are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Names the request.
    pub name: String,
    /// Their names.
    pub packages: Vec<String>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// Its past; `None` where they are held whatever people do.
    pub ownership: Option<Ownership>,
}

impl Resource for Hold {
    /// Those that are not held.
    type State = Vec<String>;

    fn id(&self) -> ResourceId {
        ResourceId::new("hold", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        self.packages.iter().map(|name| (name.clone(), "held".to_owned())).collect()
    }

    fn ownership(&self) -> Option<&Ownership> {
        self.ownership.as_ref()
    }

    fn observe(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let held = &on.packages()?.held;
        Ok(self.packages.iter().filter(|name| !held.contains(*name)).cloned().collect())
    }

    fn diff(&self, now: &Vec<String>) -> Vec<Step> {
        if now.is_empty() {
            return Vec::new();
        }
        let freed = |name: &String| Claim::new(name, format!("{name} was held, and somebody freed it; it stays so"));
        let undoes = Undoes::Claims(now.iter().map(freed).collect());
        vec![Step::new(Change::Modify, Op::AptHold { packages: now.clone() }, "not held").needs(Ability::Exec).undoes(undoes)]
    }
}
