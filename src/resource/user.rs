//! `user`: an account, its home, its shell and its groups. Groups that someone added stay.

use super::Resource;
use crate::model::{ResourceId, TargetPath, UserName};
use crate::step::{Ability, Change, Op, Presence, Step};
use crate::target::{Account, Accounts, Probe, ProbeError};
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
    stands: Stands,
    shell: String,
    missing_groups: Vec<String>,
}

/// How far an account has come. The tools that make one edit a file after the other, and a kill may come in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Stands {
    Absent,
    HalfMade,
    Homeless,
    Whole,
}

fn stands(on: &dyn Probe, accounts: &Accounts, account: &Account) -> Result<Stands, ProbeError> {
    let home = TargetPath::parse(&account.home).map_err(|e| ProbeError::new(format!("use the home of {}", account.name), e))?;
    Ok(match (on.stat(&home)?.is_some(), accounts.is_whole(on, account)?) {
        (true, _) => Stands::Whole,
        (false, true) => Stands::Homeless,
        (false, false) => Stands::HalfMade,
    })
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
        let accounts = on.accounts()?;
        let missing = self.groups.iter().filter(|group| !accounts.is_member(self.name.as_str(), group)).cloned().collect();
        let Some(account) = accounts.user(self.name.as_str()) else {
            return Ok(State { stands: Stands::Absent, shell: String::new(), missing_groups: missing });
        };
        Ok(State { stands: stands(on, &accounts, account)?, shell: account.shell.clone(), missing_groups: missing })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let modify = |why: String| self.set(Change::Modify, Presence::Present, why);
        match now.stands {
            Stands::Absent => self.set(Change::Add, Presence::Absent, "absent".into()),
            Stands::HalfMade => self.set(Change::Replace, Presence::Absent, "half made".into()),
            Stands::Whole | Stands::Homeless if self.shell.as_ref().is_some_and(|wanted| wanted.as_str() != now.shell) => {
                modify(format!("shell is {}", now.shell))
            }
            Stands::Whole | Stands::Homeless if !now.missing_groups.is_empty() => {
                modify(format!("not in {}", now.missing_groups.join(", ")))
            }
            Stands::Homeless => modify("without a home".into()),
            Stands::Whole => Vec::new(),
        }
    }
}
