//! `uninstalled`: packages of the distribution that are not to be installed.

use super::{Ownership, Resource};
use crate::model::ResourceId;
use crate::step::{Ability, Change, Claim, Op, Step, Undoes};
use crate::target::{Claims, Probe, ProbeError};

/// Packages that must not be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uninstalled {
    /// Names the request.
    pub name: String,
    /// Their names.
    pub packages: Vec<String>,
    /// Its past.
    pub ownership: Ownership,
}

impl Resource for Uninstalled {
    /// Those that are there.
    type State = Vec<String>;

    fn id(&self) -> ResourceId {
        ResourceId::new("uninstalled", &self.name)
    }

    fn claims(&self) -> Claims {
        self.packages.iter().map(|name| (name.clone(), "absent".to_owned())).collect()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn observe(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let packages = on.packages()?;
        if let Some(name) = self.packages.iter().find(|name| packages.essential.contains(*name)) {
            let cause = "a system cannot be without it: dpkg has it as essential or protected; take it out of packages.remove";
            return Err(ProbeError::new(format!("uninstall {name}"), cause));
        }
        if let Some(name) = self.packages.iter().find(|name| packages.held.contains(*name)) {
            let cause = format!("it is on hold, and apt removes nothing that is: `apt-mark unhold {name}` frees it, if it is to go");
            return Err(ProbeError::new(format!("uninstall {name}"), cause));
        }
        Ok(self.packages.iter().filter(|name| packages.has_any_of(name)).cloned().collect())
    }

    fn diff(&self, now: &Vec<String>) -> Vec<Step> {
        if now.is_empty() {
            return Vec::new();
        }
        let back = |name: &String| Claim::new(name, format!("{name} was removed, and somebody installed it again; it stays"));
        let op = Op::AptRemove { packages: now.clone() };
        let undoes = Undoes::Claims(now.iter().map(back).collect());
        vec![Step::new(Change::Remove, op, "installed").needs(Ability::Exec).undoes(undoes)]
    }
}
