//! Somebody who is to come in no longer: the account is locked, or goes; what it could come in by or act by without being there is taken
//! away. Its home stays.

use super::unit::{SYSTEM, links, running};
use super::{Resource, Switch, Written};
use crate::model::sudoers::subjects;
use crate::model::{Meta, Mode, ResourceId, TargetPath, UnitName, UserName};
use crate::step::{Ability, Change, FileKind, Login, Op, Step, UnitVerb};
use crate::target::{Account, Claims, Probe, ProbeError, login, processes_of};
use serde::Serialize;

/// Somebody who is to come in no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// Login name.
    pub name: UserName,
    /// What becomes of the account.
    pub end: End,
}

/// What becomes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It stays; nobody comes in by it.
    Locked,
    /// It goes; its home stays, root's and closed.
    Absent,
}

/// The name of the claim on how an account ends.
pub(super) const LOGIN: &str = "login";

/// What is left of somebody.
#[derive(Debug, Serialize)]
pub struct State {
    account: Option<Left>,
    /// An account of which passwd says nothing any more: a kill came in between.
    torn: bool,
    /// What acts for it at times, and what gives it rights.
    files: Vec<TargetPath>,
    /// Rules about it among others'.
    shared_rules: Vec<TargetPath>,
    /// Units that run as it, and what of each is to end.
    units: Vec<(UnitName, UnitVerb, Ability)>,
}

/// An account that is there.
#[derive(Debug, Serialize)]
struct Left {
    home: TargetPath,
    login: Login,
    /// Whether anything of it runs.
    runs: bool,
    keys: bool,
    /// Whether the home is its own.
    home_is_own: bool,
}

/// The first number of a person's account (Debian's policy, 9.2.2); the numbers above the last are the system's again.
const PEOPLE: std::ops::Range<u32> = 1000..60_000;

/// Where rights to act as root are, a file each, and the file that reads them all.
const SUDOERS: &str = "/etc/sudoers.d";
const SUDOERS_ITSELF: &str = "/etc/sudoers";
/// What opens an account, below its home.
pub(super) const KEYS: &str = "/.ssh/authorized_keys";
/// Where jobs of at(1) wait; each belongs to who gave it.
const AT_JOBS: &str = "/var/spool/cron/atjobs";
/// Files that are named after the account for which they act: crontab(1), loginctl(1).
const NAMED: [&str; 2] = ["/var/spool/cron/crontabs", "/var/lib/systemd/linger"];

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new("use a path", e))
}

/// The paths in a folder.
fn inside(on: &dyn Probe, folder: &str) -> Result<Vec<TargetPath>, ProbeError> {
    let names = on.list(&path(folder)?)?.unwrap_or_default();
    names.iter().map(|name| path(&format!("{folder}/{name}"))).collect()
}

impl Departed {
    fn left(&self, on: &dyn Probe, account: &Account) -> Result<Left, ProbeError> {
        if !PEOPLE.contains(&account.uid) {
            let cause = format!("{} has the number {}: it is an account of the system, not a person's", self.name, account.uid);
            return Err(ProbeError::new(format!("end the account {}", self.name), cause));
        }
        let home = path(&account.home)?;
        let ssh = on.stat(&path(&format!("{home}/.ssh"))?)?.map(|stat| stat.kind);
        let files = || inside(on, &format!("{home}/.ssh"));
        let keys = match ssh {
            Some(FileKind::Symlink) => true,
            Some(FileKind::Directory) => files()?.iter().any(|file| file.name().starts_with("authorized_keys")),
            Some(FileKind::File | FileKind::Other) | None => false,
        };
        let own = on.stat(&home)?.is_some_and(|stat| stat.kind == FileKind::Directory && stat.uid == account.uid);
        Ok(Left {
            login: login(on, &self.name)?.unwrap_or(Login::Open),
            runs: on.has(Ability::RunningSystem) && !processes_of(on, account.uid)?.is_empty(),
            keys,
            home_is_own: own,
            home,
        })
    }

    /// What acts for it at times: files that bear its name, and jobs of its.
    fn jobs(&self, on: &dyn Probe, account: Option<&Account>) -> Result<Vec<TargetPath>, ProbeError> {
        let mut found = Vec::new();
        for folder in NAMED {
            let file = path(&format!("{folder}/{}", self.name))?;
            found.extend(on.stat(&file)?.map(|_| file));
        }
        let Some(account) = account else { return Ok(found) };
        for job in inside(on, AT_JOBS)? {
            let own = on.stat(&job)?.is_some_and(|stat| stat.kind == FileKind::File && stat.uid == account.uid);
            found.extend(own.then_some(job));
        }
        Ok(found)
    }

    /// Files that give it rights: those that are about nobody else, and those that are.
    fn rules(&self, on: &dyn Probe, account: Option<&Account>) -> Result<(Vec<TargetPath>, Vec<TargetPath>), ProbeError> {
        let (mut own, mut shared) = (Vec::new(), Vec::new());
        let number = account.map(|account| format!("#{}", account.uid));
        let is_it = |subject: &String| subject == self.name.as_str() || Some(subject) == number.as_ref();
        let itself = path(SUDOERS_ITSELF)?;
        for file in inside(on, SUDOERS)?.into_iter().chain([itself.clone()]) {
            let subjects = subjects(&String::from_utf8_lossy(&on.read(&file)?.unwrap_or_default()));
            match subjects.iter().filter(|subject| is_it(subject)).count() {
                0 => {}
                mine if mine == subjects.len() && file != itself => own.push(file),
                _ => shared.push(file),
            }
        }
        Ok((own, shared))
    }

    /// What is to end of the administrator's units that run as it.
    fn units(&self, on: &dyn Probe) -> Result<Vec<(UnitName, UnitVerb, Ability)>, ProbeError> {
        let mut found = Vec::new();
        for file in inside(on, SYSTEM)? {
            let Ok(unit) = UnitName::parse(file.name()) else { continue };
            if !file.as_str().ends_with(".service") || on.stat(&file)?.is_none_or(|stat| stat.kind != FileKind::File) {
                continue;
            }
            let text = String::from_utf8_lossy(&on.read(&file)?.unwrap_or_default()).into_owned();
            if !text.lines().any(|line| line.trim().strip_prefix("User=").is_some_and(|user| user.trim() == self.name.as_str())) {
                continue;
            }
            if !links(on, &unit)?.is_empty() {
                found.push((unit.clone(), UnitVerb::Disable, Ability::Exec));
            }
            if running(on, &unit)? == Some(Switch::On) {
                found.push((unit, UnitVerb::Stop, Ability::RunningSystem));
            }
        }
        Ok(found)
    }
}

impl Resource for Departed {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("user", &self.name)
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([(LOGIN.to_owned(), format!("{:?}", self.end).to_lowercase())])
    }

    fn writes(&self) -> Vec<Written> {
        let keys = format!("/home/{}{KEYS}", self.name);
        let files = NAMED.map(|folder| format!("{folder}/{}", self.name));
        files.into_iter().chain([format!("{SUDOERS}/90-fitout-{}", self.name), keys]).map(Written::removed).collect()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let accounts = on.accounts()?;
        let account = accounts.user(self.name.as_str());
        let (own, shared_rules) = self.rules(on, account)?;
        Ok(State {
            account: account.map(|account| self.left(on, account)).transpose()?,
            torn: account.is_none() && self.end == End::Absent && login(on, &self.name)?.is_some(),
            files: self.jobs(on, account)?.into_iter().chain(own).collect(),
            shared_rules,
            units: self.units(on)?,
        })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let step = |op: Op, why: &str, needs: Ability| Step::new(Change::Remove, op, why).needs(needs);
        let name = || self.name.clone();
        let account = now.account.as_ref();
        let mut steps = Vec::new();
        if account.is_some_and(|account| account.login == Login::Open) {
            steps.push(step(Op::SetLogin { name: name(), login: Login::Locked }, "it can be used to come in", Ability::Exec));
        }
        let unit = |(unit, verb, needs): &(UnitName, UnitVerb, Ability)| {
            step(Op::Unit { verb: *verb, unit: unit.clone() }, &format!("runs as {}", self.name), *needs)
        };
        steps.extend(now.units.iter().map(unit));
        steps.extend(
            now.files
                .iter()
                .map(|path| step(Op::Remove { path: path.clone(), proof: None }, &format!("acts for {}", self.name), Ability::Files)),
        );
        let Some(account) = account else {
            let torn = now.torn.then(|| step(Op::RemoveUser { name: name() }, "half removed", Ability::Exec));
            return steps.into_iter().chain(torn).collect();
        };
        if account.runs {
            steps.push(step(Op::EndSessions { name: name() }, "is there, or runs something", Ability::RunningSystem));
        }
        if account.keys {
            steps.push(step(Op::TakeKeys { home: account.home.clone() }, "they open the account", Ability::Files));
        }
        if self.end == End::Absent {
            if account.home_is_own {
                let closed = Meta::root(Mode::PRIVATE_DIRECTORY);
                let why = "the home stays; a later account may get its owner's number";
                steps.push(step(Op::SetMeta { path: account.home.clone(), meta: closed }, why, Ability::Files));
            }
            steps.push(step(Op::RemoveUser { name: name() }, &format!("not to be; {} stays", account.home), Ability::Exec));
        }
        steps
    }

    fn drift(&self, now: &State) -> Vec<String> {
        let named = |path: &TargetPath| format!("{path} gives rights to {} among others; edit it yourself", self.name);
        now.shared_rules.iter().map(named).collect()
    }
}
