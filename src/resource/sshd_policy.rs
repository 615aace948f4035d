//! `sshd-policy`: what the real sshd answers, whatever any file says. Its text lies in a file that sshd reads first; where sshd's own
//! configuration includes no such files, it is made to. Where sshd answers otherwise although the file stands, another one wins, and that
//! must be seen.

use super::ssh_seal::{Seal, Sealed};
use super::written::text_of;
use super::{Resource, Written};
use crate::model::{Meta, Mode, ResourceId, TargetPath, UnitName, UserName};
use crate::step::{Ability, Change, Content, Op, Proof, Step};
use crate::target::look::{names, path, stat, text};
use crate::target::{Included, Probe, ProbeError, SSHD_CONFIG, SSHD_POLICY, SshLack, has_what_lacks, included, sshd_gaps, stale_path};
use serde::Serialize;
use std::collections::BTreeMap;

/// The policy as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshdPolicy {
    /// Whose login it is about.
    pub user: UserName,
    /// Where its text lies.
    pub path: TargetPath,
    /// Its text.
    pub text: String,
    /// The unit that reads it.
    pub unit: UnitName,
    /// Lower-case keyword to value, as `sshd -T` prints them; a value that begins with `-` names what may not be in a list.
    pub expect: BTreeMap<String, String>,
    /// Whether the manifest names it.
    pub said: Said,
    /// What is done about ways in that others made.
    pub foreign: Foreign,
    /// What the manifest does not bring for it.
    pub lacks: Vec<SshLack>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// Whether a manifest names a policy, or its kind of machine implies one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It does.
    Named,
    /// It does not; a machine that Fitout did not make is left as it is.
    Implied,
}

/// What is done about ways in that others made: files that say what the policy says otherwise, and keys that sshd would read without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// They stay and are said; none of them counts while the policy stands.
    Report,
    /// They go, and are kept aside.
    Remove,
}

/// The policy as it is.
#[derive(Debug, Serialize)]
pub enum State {
    /// It is not this manifest's to say.
    Unmanaged,
    /// It is this.
    Found(Found),
}

/// What was found of it.
#[derive(Debug, Serialize)]
pub struct Found {
    seal: Sealed,
    /// What is where its text belongs.
    stands: Stands,
    /// The text of sshd's own configuration, where that does not read the file of the policy.
    aside: Option<String>,
    /// The sshd that runs has not read what was written.
    owed: bool,
    /// What keeps it from being so: sshd answers otherwise, turns the owner away, or is not there.
    gaps: Vec<String>,
    /// Files of others, and what is to be said of each.
    foreign: Vec<(TargetPath, String)>,
    /// There is no sshd, and nothing that is known to bring one.
    doubted: bool,
}

/// What is where the text of the policy belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Stands {
    /// Nothing.
    Absent,
    /// Something else, or it is not root's alone.
    Otherwise,
    /// It.
    Written,
}

/// Files of programs that are known to have a say in this, and do no harm: cloud-init's, and those of cloud images.
const KNOWN: [&str; 3] = ["50-cloud-init.conf", "50-cloudimg-settings.conf", "60-cloudimg-settings.conf"];

/// The line by which sshd reads the policy (from OpenSSH 8.2 on, Debian 11 and Ubuntu 20.04).
const INCLUDE: &str = "Include /etc/ssh/sshd_config.d/*.conf";

/// Whether sshd, by this configuration, reads the policy whoever comes.
fn reads_policy(config: &str) -> bool {
    TargetPath::parse(SSHD_POLICY).is_ok_and(|policy| included(config, &policy) == Included::Always)
}

impl SshdPolicy {
    fn write(&self, path: &TargetPath, text: String, proof: Option<Proof>, change: Change, why: &str) -> Step {
        let (content, meta) = (Content::Inline(text.into()), Meta::root(Mode::FILE));
        let op = Op::WriteFile { path: path.clone(), content, meta, proof, read_by: vec![self.unit.clone()] };
        Step::new(change, op, why).needs(Ability::Exec)
    }

    /// What the policy comes to.
    fn access(&self) -> Seal {
        let opens = self.expect.get("allowusers").map(String::as_str) == Some(self.user.as_str());
        if opens { Seal::Enabled } else { Seal::Disabled }
    }

    fn proof(&self) -> Proof {
        Proof::Sshd { user: self.user.clone(), expect: self.expect.clone() }
    }

    /// Writes the policy where sshd does not read it yet, and then has sshd read it.
    fn include(&self, now: &Found, config: &str) -> Result<Vec<Step>, ProbeError> {
        let policy = self.write(&self.path, self.text.clone(), None, Change::Add, "absent");
        let whole = format!("{INCLUDE}\n{config}");
        let include = self.write(&path(SSHD_CONFIG)?, whole, Some(self.proof()), Change::Modify, "does not read /etc/ssh/sshd_config.d");
        Ok((now.stands != Stands::Written).then_some(policy).into_iter().chain([include]).collect())
    }

    /// What others made; `gaps` name what of it wins over the policy.
    fn foreign(&self, on: &dyn Probe, gaps: &[String]) -> Result<Vec<(TargetPath, String)>, ProbeError> {
        let (mut winning, mut found) = (Vec::new(), Vec::new());
        let folder = self.path.parent().unwrap_or_else(TargetPath::root);
        let own = self.path.name();
        for name in names(on, folder.as_str())?.iter().filter(|name| matches!(name.rsplit_once('.'), Some((_, "conf"))) && *name != own) {
            let at = path(&format!("{folder}/{name}"))?;
            let text = text(on, at.as_str())?.unwrap_or_default();
            let keywords: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
            let about = keywords.iter().find(|word| self.expect.contains_key(&word.to_lowercase()));
            let whose = format!("{at} is nobody's that Fitout knows");
            if gaps.iter().any(|gap| gap.contains(&format!("({at}:"))) {
                winning.push((at, format!("{whose}, and wins over the policy: take out what it says of these")));
            } else if let Some(word) = about.filter(|_| !KNOWN.contains(&name.as_str())) {
                found.push((at, format!("{whose}, and speaks of {word}; {}", self.read_first(name))));
            }
        }
        // One such file goes by itself, once the policy stands; of several, none can go before the others.
        if let ([(_, says)], true) = (winning.as_mut_slice(), on.stat(&self.path)?.is_some()) {
            says.push_str(", or name `ssh_settings: {foreign: remove}`, which takes the file away");
        }
        let home = on.accounts()?.user(self.user.as_str()).map(|account| account.home.clone());
        let second = format!("{}/.ssh/authorized_keys2", home.unwrap_or_default());
        if stat(on, &second)?.is_some() {
            found.push((path(&second)?, format!("{second} holds keys of nobody's that Fitout knows; sshd does not read it")));
        }
        // What wins over the policy goes first: while it is there, nothing else can be proved.
        Ok([winning, found].concat())
    }

    /// What becomes of what a file of others says that does not win.
    fn read_first(&self, name: &str) -> &'static str {
        if name < self.path.name() { "it is read before the policy, and says the same" } else { "the policy is read first and wins" }
    }
}

impl Resource for SshdPolicy {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("sshd-policy", &self.user)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.path)
    }

    fn writes(&self) -> Vec<Written> {
        // Where sshd does not read the policy, it is made to.
        vec![Written::unless(SSHD_CONFIG, |other| text_of(other).is_some_and(reads_policy))]
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let seal = Sealed::read(on)?;
        if self.said == Said::Implied && !seal.implies() {
            return Ok(State::Unmanaged);
        }
        seal.allows(self.access())?;
        // Known now, it need not fail later.
        has_what_lacks(on, (&self.user, &self.expect), &self.lacks).map_err(|error| {
            let hint = error.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            ProbeError::new(error.act, format!("{}{hint}", error.cause))
        })?;
        let server = stat(on, "/usr/sbin/sshd")?.is_some();
        let found = on.stat(&self.path)?;
        let is_roots = found.as_ref().is_some_and(|stat| stat.has_mode(Mode::FILE) && (stat.uid, stat.gid) == (0, 0));
        let stands = match found {
            None => Stands::Absent,
            Some(_) if is_roots && text(on, self.path.as_str())?.as_ref() == Some(&self.text) => Stands::Written,
            Some(_) => Stands::Otherwise,
        };
        let owed = on.has(Ability::RunningSystem) && on.stat(&stale_path(&self.unit)?)?.is_some();
        let config = text(on, SSHD_CONFIG)?.unwrap_or_default();
        let aside = match included(&config, &self.path) {
            Included::Always => None,
            Included::Never => Some(config).filter(|_| server),
            Included::Sometimes => {
                let cause =
                    format!("{SSHD_CONFIG} includes it inside a Match block, where it cannot stand: take that line out of the block");
                return Err(ProbeError::new(format!("use {}", self.path), cause));
            }
        };
        let gaps = sshd_gaps(on, &self.user, &self.expect)?;
        let foreign = self.foreign(on, &gaps)?;
        let doubted = !server && self.access() == Seal::Enabled && self.lacks.contains(&SshLack::KnownServer);
        Ok(State::Found(Found { seal, stands, aside, owed, gaps, foreign, doubted }))
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let State::Found(now) = now else { return Vec::new() };
        let change = if now.stands == Stands::Absent { Change::Add } else { Change::Modify };
        let again = |why| vec![self.write(&self.path, self.text.clone(), Some(self.proof()), change, why)];
        let policy = match &now.aside {
            // The path is one of the house's own.
            Some(config) => self.include(now, config).unwrap_or_default(),
            None if now.stands == Stands::Absent => again("absent"),
            None if now.stands == Stands::Otherwise => again("not as it should be"),
            None if now.owed => again("sshd has not read it yet"),
            None if now.gaps.is_empty() => Vec::new(),
            None => {
                let op = Op::ProveSshd { user: self.user.clone(), expect: self.expect.clone() };
                vec![Step::new(Change::Check, op, now.gaps.join("; ")).needs(Ability::Exec)]
            }
        };
        let removed = now.foreign.iter().filter(|_| self.foreign == Foreign::Remove);
        let removals = removed.map(|(at, _)| {
            let op = Op::Remove { path: at.clone(), proof: Some(self.proof()) };
            Step::new(Change::Remove, op, "a way in that others made").needs(Ability::Exec)
        });
        // The path is one of the house's own.
        let seal = now.seal.steps(self.access()).unwrap_or_default();
        // Nobody's way in goes before the owner's is proved; but what keeps the owner out, and is to go, goes before that is asked again.
        let asks = policy.iter().all(|step| step.change == Change::Check);
        let (first, then): (Vec<Step>, Vec<Step>) = if asks { (removals.collect(), policy) } else { (policy, removals.collect()) };
        first.into_iter().chain(then).chain(seal).collect()
    }

    fn notes(&self, now: &State) -> Vec<String> {
        let doubt = "there is no sshd, and no package is named that is known to bring it: where none does, this fails; openssh-server does";
        matches!(now, State::Found(Found { doubted: true, .. })).then(|| doubt.to_owned()).into_iter().collect()
    }

    fn drift(&self, now: &State) -> Vec<String> {
        let State::Found(now) = now else { return Vec::new() };
        let foreign = now.foreign.iter().filter(|_| self.foreign == Foreign::Report).map(|(_, what)| what.clone());
        foreign.chain(now.seal.drift()).collect()
    }
}
