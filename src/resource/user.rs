//! `user`: an account, its shell and its groups. Groups that someone added stay.

use super::Resource;
use crate::model::{ResourceId, TargetPath, UserName};
use crate::step::{Ability, Change, Op, Presence, Step};
use crate::target::{Accounts, Probe, ProbeError};
use serde::Serialize;

/// An account as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: UserName,
    /// Login shell; `None` leaves that of an existing account as it is.
    pub shell: Option<TargetPath>,
    /// Groups beside the primary one.
    pub groups: Vec<String>,
}

/// An account as it is.
#[derive(Debug, Serialize)]
pub struct State {
    shell: Option<String>,
    missing_groups: Vec<String>,
}

impl User {
    fn set(&self, change: Change, exists: Presence, why: String) -> Vec<Step> {
        let op = Op::SetUser { name: self.name.clone(), shell: self.shell.clone(), groups: self.groups.clone(), exists };
        vec![Step::new(change, op, why).needs(Ability::Exec)]
    }
}

impl Resource for User {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("user", &self.name)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let accounts = Accounts::read(on)?;
        let missing = self.groups.iter().filter(|group| !accounts.is_member(self.name.as_str(), group)).cloned().collect();
        Ok(State { shell: accounts.user(self.name.as_str()).map(|account| account.shell.clone()), missing_groups: missing })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        match &now.shell {
            None => self.set(Change::Add, Presence::Absent, "absent".into()),
            Some(shell) if self.shell.as_ref().is_some_and(|wanted| wanted.as_str() != shell) => {
                self.set(Change::Modify, Presence::Present, format!("shell is {shell}"))
            }
            Some(_) if !now.missing_groups.is_empty() => {
                self.set(Change::Modify, Presence::Present, format!("not in {}", now.missing_groups.join(", ")))
            }
            Some(_) => Vec::new(),
        }
    }
}
