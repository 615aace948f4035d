//! `user`: an account, its home, its shell and its groups. Groups that someone added stay.

use super::departed::LOGIN;
use super::{Ownership, PRESENT, Resource};
use crate::model::{ResourceId, TargetPath, UserName};
use crate::step::{Ability, Change, Claim, Login, Op, Presence, Step, Undoes};
use crate::target::{Account, Accounts, Claims, Probe, ProbeError, login};
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
    /// Its past.
    pub ownership: Ownership,
}

/// An account as it is.
#[derive(Debug, Serialize)]
pub struct State {
    stands: Stands,
    shell: String,
    missing_groups: Vec<String>,
    /// It was to let nobody in, and does so still.
    locked: bool,
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
    /// An account.
    #[must_use]
    pub fn new(name: UserName, shell: Option<TargetPath>, groups: Vec<String>) -> Self {
        Self { name, shell, groups, ownership: Ownership::default() }
    }

    fn set(&self, change: Change, exists: Presence, why: String) -> Vec<Step> {
        let op = Op::SetUser { name: self.name.clone(), shell: self.shell.clone(), groups: self.groups.clone(), exists };
        vec![Step::new(change, op, why).needs(Ability::Exec)]
    }

    /// What brings an existing account to what is wanted; nothing where it is so.
    fn adjust(&self, now: &State) -> Vec<Step> {
        let shell = self.shell.as_ref().filter(|wanted| wanted.as_str() != now.shell);
        let shell = shell.map(|_| {
            (format!("shell is {}", now.shell), Claim::new("shell", format!("{} took the shell {}; it stays so", self.name, now.shell)))
        });
        let groups = now.missing_groups.iter().map(|group| {
            (format!("not in {group}"), Claim::new(group, format!("{} was taken out of the group {group}; it stays so", self.name)))
        });
        let (why, claims): (Vec<String>, Vec<Claim>) = shell.into_iter().chain(groups).unzip();
        let steps = if claims.is_empty() { Vec::new() } else { self.set(Change::Modify, Presence::Present, why.join(", ")) };
        steps.into_iter().map(|step| step.undoes(Undoes::Claims(claims.clone()))).collect()
    }
}

impl Resource for User {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("user", &self.name)
    }

    fn claims(&self) -> Claims {
        let shell = self.shell.iter().map(|shell| ("shell".to_owned(), shell.to_string()));
        let groups = self.groups.iter().map(|group| (group.clone(), "member".to_owned()));
        std::iter::once((PRESENT.to_owned(), "yes".to_owned())).chain(shell).chain(groups).collect()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let accounts = on.accounts()?;
        let missing = self.groups.iter().filter(|group| !accounts.is_member(self.name.as_str(), group)).cloned().collect();
        let Some(account) = accounts.user(self.name.as_str()) else {
            return Ok(State { stands: Stands::Absent, shell: String::new(), missing_groups: missing, locked: false });
        };
        let locked = self.ownership.earlier.contains_key(LOGIN) && login(on, &self.name)? == Some(Login::Locked);
        Ok(State { stands: stands(on, &accounts, account)?, shell: account.shell.clone(), missing_groups: missing, locked })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        match now.stands {
            Stands::Absent => {
                let drift = format!("the account {} was removed; it stays so", self.name);
                self.set(Change::Add, Presence::Absent, "absent".into())
                    .into_iter()
                    .map(|step| step.claim(PRESENT, drift.clone()))
                    .collect()
            }
            Stands::HalfMade => self.set(Change::Replace, Presence::Absent, "half made".into()),
            Stands::Homeless => self.set(Change::Modify, Presence::Present, "without a home".into()),
            Stands::Whole if now.locked => {
                let op = Op::SetLogin { name: self.name.clone(), login: Login::Open };
                let open = Step::new(Change::Modify, op, "was locked, and is to be no longer").needs(Ability::Exec);
                [open].into_iter().chain(self.adjust(now)).collect()
            }
            Stands::Whole => self.adjust(now),
        }
    }
}
