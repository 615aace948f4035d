//! From a manifest and a machine to ordered work, and through it: what `plan`, `apply`, `verify`, `bake` and the agent share.

mod approved;
mod conflicts;
mod drifted;
mod foreseen;
mod gone;
mod health;
mod installed;
mod lock;
mod meeting;
mod memory;
mod moves;
mod owners;
mod program;
mod questions;
mod supply;
mod terms;
mod verified;
mod work;

use crate::apply::{Event, Observers, Outcome, RunReport, Workers, apply};
use crate::journal;
use crate::manifest::{Machine as Wanted, Rejected};
use crate::model::{ByteSize, ComputeName, Facts, Network, ResourceId, Sha256, TargetPath};
use crate::plan::{DiskPlan, Plan};
use crate::problem::Sources;
use crate::recipe::{Answers, Item, Question, Want};
use crate::resolve::{Permission, ResolveError, fresh, resolve};
use crate::resource::Spec;
use crate::step::{Beside, Blob, Op, Step, WORKPLACE, package_name};
use crate::store::Store;
use crate::target::{
    Lock as RunLock, LockError, Machine, OpError, PackageFiles, Probe, ProbeError, Silent, Target, clear_half_made, read_facts,
    reboot_required,
};
use questions::{Questions, keep_answers, known_answers};
use serde::Serialize;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use verified::{looked_for, missing};

pub use approved::Approved;
pub use drifted::known_drift;
pub use health::{Ill, ills};
pub use installed::{Installable, InstalledError, LOCK, MANIFEST, TargetFiles, installed, installed_lock, is_installed};
pub use lock::{Lock, Locked, NoLock};
pub use program::own_program;
pub use supply::{supply, supply_during};
pub use terms::{Bond, Recall, Terms};
pub use verified::{Lack, lacking};
pub use work::{Scope, Work, contradictions, foresee, names, script};

/// Why there is no work, or it did not begin. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The manifest cannot be had on this machine.
    #[error("the manifest does not fit this machine")]
    Manifest(Rejected),
    /// The machine cannot be looked at.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// An open question could not be answered.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Fitout's own files cannot be written.
    #[error("cannot {}: {}", .0.act, .0.cause)]
    Own(OpError),
    /// The work would leave too little room.
    #[error("{}", floors(.0))]
    Floor(Vec<DiskPlan>),
    /// The machine or the manifest is not what the approved steps were made for.
    #[error("the machine or the manifest is not what it was when the plan was saved:\n  {}", .0.join("\n  "))]
    Moved(Vec<String>),
    /// The lock does not name all that this takes.
    #[error("the lock does not cover this:\n  {}", some(.0))]
    Uncovered(Vec<String>),
    /// What no network may be asked for is not in the cache.
    #[error("no network is to be asked (--offline), and the cache lacks:\n  {}", some(.0))]
    Missing(Vec<String>),
    /// Another run is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl SessionError {
    /// The same, with the texts to show its problems in.
    fn shown_in(self, sources: Sources) -> Self {
        if let Self::Manifest(rejected) = self {
            return Self::Manifest(Rejected { sources, ..rejected });
        }
        self
    }

    /// Why a plan may not be carried out, if so: it breaks a floor.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Option<Self> {
        Some(plan.broken_floors()).filter(|broken| !broken.is_empty()).map(Self::Floor)
    }
}

/// The first lines of many.
fn some(lines: &[String]) -> String {
    /// As many as fit on a screen with what stands around them.
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = lines.iter().take(SHOWN).cloned().collect();
    shown.extend((lines.len() > SHOWN).then(|| format!("and {} more", lines.len() - SHOWN)));
    shown.join("\n  ")
}

fn floors(disks: &[DiskPlan]) -> String {
    let one = |disk: &DiskPlan| {
        // Where rounded numbers would contradict what is said of them, bytes are told.
        let close = disk.free_after().to_string() == disk.minimum_free.to_string();
        let told = |size: ByteSize| if close { format!("{} B", size.0) } else { size.to_string() };
        let [free, takes, floor] = [disk.space.free, disk.takes, disk.minimum_free].map(told);
        format!("{} has {free} free, the work takes {takes}, and {floor} must stay free", disk.mount)
    };
    disks.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Work that is ready to be looked at or done.
#[derive(Debug)]
pub struct Session {
    /// The machine.
    pub target: Arc<Machine>,
    work: Work,
    /// Its name, where its manifest gives one.
    pub name: Option<ComputeName>,
    store: Store,
    answers: Answers,
    questions: Vec<(Item, Question)>,
    locked: Locked,
    terms: Terms,
    network: Network,
}

/// That no other run is at work on a machine, and none begins: what is read of the machine and of its manifest under it is not
/// what another run is about to change.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "holding it is all it is for")] RunLock);

impl Alone {
    /// Waits for other runs, as long as the machine's patience goes.
    ///
    /// # Errors
    /// Another run is still at work, or no lock can be had.
    pub fn on(target: &Machine, observers: &Observers) -> Result<Self, SessionError> {
        let waiting = |holder: &str| observers.tell(&Event::Waiting { holder: holder.to_owned() });
        Ok(Self(target.lock_in_time(&waiting)?))
    }
}

/// What is done before the first step of a run.
pub type First<'a> = &'a dyn Fn(&Machine) -> Result<(), OpError>;

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Which.
    pub id: ResourceId,
    /// Why it did not pass.
    pub problem: Option<String>,
}

/// An error with the part of the manifest that asked last, where any did.
fn asked_by(error: ResolveError, asked: Option<Sha256>, questions: &[(Item, Question)]) -> ResolveError {
    match questions.iter().find(|(_, question)| asked == Some(question.digest())) {
        Some((item, _)) => ResolveError { act: format!("{} for `{}`", error.act, lock::part(item)), ..error },
        None => error,
    }
}

impl Session {
    /// Has a manifest make the machine that this one is to be, amends it, resolves what is open, lowers it, orders the work.
    ///
    /// # Errors
    /// The machine or its manifest does not allow it; nothing was changed.
    pub fn prepare(
        manifest: impl FnOnce(&Facts) -> Result<(Wanted, Sources), Rejected>,
        amend: impl FnOnce(&mut Wanted),
        (scope, terms): (Scope, Terms),
        target: Arc<Machine>,
        store: Store,
        observers: &Observers,
    ) -> Result<Self, SessionError> {
        let facts = read_facts(target.as_ref())?;
        let (mut wanted, sources) = manifest(&facts).map_err(SessionError::Manifest)?;
        amend(&mut wanted);
        if scope == Scope::Machine && !wanted.wants.iter().any(|want| matches!(want, Want::Service(_))) {
            wanted.wants.extend(program::kept(target.as_ref())?);
        }
        target.go_by(terms.way(&wanted.network));
        let locked = terms.locked(&facts)?;
        let known = terms.answers(&locked, known_answers(target.as_ref())?);
        let questions = Questions::of(&wanted, &facts, &known);
        terms.cover(&known, &questions.asked)?;
        let last = Cell::new(None);
        let asked = |question: &Question| {
            last.set(Some(question.digest()));
            observers.tell(&Event::Resolving { question: question.summary() });
        };
        let all: Vec<Question> = questions.asked.iter().map(|(_, question)| question.clone()).collect();
        let answers = match terms.recall {
            Recall::Earlier => resolve(&all, &known, &store, (terms.network, &wanted.network), &asked),
            Recall::Nothing => fresh(&all.iter().collect::<Vec<_>>(), &store, &wanted.network, &asked),
        };
        let answers = answers.map_err(|error| asked_by(error, last.get(), &questions.asked))?;
        let mut work = Work::of(&wanted, scope, &facts, &questions.as_asked_now(&answers), target.as_ref())
            .map_err(|error| error.shown_in(sources))?;
        terms.hold(&locked, &mut work)?;
        Ok(Self { target, work, name: wanted.name, store, answers, questions: questions.asked, locked, terms, network: wanted.network })
    }

    /// What the manifest comes to here, to be kept as a lock.
    ///
    /// # Errors
    /// apt cannot be asked for its packages.
    pub fn locked(&self) -> Result<(String, Locked), SessionError> {
        let facts = read_facts(self.target.as_ref())?;
        let wanted = lock::wanted(&self.work.graph.nodes);
        let packages =
            if wanted.is_empty() { PackageFiles::default() } else { PackageFiles::ask(&wanted, Beside::Nothing, self.target.as_ref())? };
        Ok((lock::kind(&facts), Locked::new(&self.questions, &self.answers, &self.work, packages)))
    }

    /// What the manifest names no longer and what stays.
    #[must_use]
    pub fn released(&self) -> &[String] {
        &self.work.released
    }

    /// The forecast.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn plan(&self) -> Result<Plan, SessionError> {
        Ok(self.work.plan(self.target.as_ref(), &self.store)?)
    }

    /// Does the work, alone on the machine since before it was looked at, unless the forecast breaks a floor.
    ///
    /// # Errors
    /// The work did not begin. What failed while it was done is in the report.
    pub fn apply(&self, alone: &Alone, observers: &Observers) -> Result<(RunReport, Option<u64>), SessionError> {
        self.apply_after(alone, &|_| Ok(()), None, observers)
    }

    /// Does the work, after something that is to be done only where nothing speaks against the work any more; where it was approved, that and
    /// nothing else, unless a forecast of now has other steps.
    ///
    /// # Errors
    /// The work did not begin. What failed while it was done is in the report.
    pub fn apply_after(
        &self,
        _: &Alone,
        first: First<'_>,
        only: Option<&Approved>,
        observers: &Observers,
    ) -> Result<(RunReport, Option<u64>), SessionError> {
        self.clear_away().map_err(SessionError::Own)?;
        let plan = self.plan()?;
        only.map_or(Ok(()), |approved| approved.must_be(&plan))?;
        if let Some(refused) = SessionError::of_plan(&plan) {
            return Err(refused);
        }
        program::bring(&plan, &self.store)?;
        self.terms.reach(&plan, &self.store, observers)?;
        let packages = asked(&plan);
        self.hold_packages(&packages)?;
        self.bind(&packages).map_err(SessionError::Own)?;
        first(self.target.as_ref()).map_err(SessionError::Own)?;
        self.work.intend(&plan, self.target.as_ref()).map_err(SessionError::Own)?;
        let mut report = apply(&self.work.graph, &plan, self.target.as_ref(), &supply::Only(self, only), observers, Workers::usual());
        PackageFiles::release(self.target.as_ref()).map_err(SessionError::Own)?;
        for one in report.resources.iter_mut().filter(|one| one.outcome == Outcome::Changed) {
            one.notes.extend(self.work.dispute(&one.id));
        }
        self.work.keep(&report.resources, self.target.as_ref()).map_err(SessionError::Own)?;
        keep_answers(&self.answers, self.work.scope, self.target.as_ref()).map_err(SessionError::Own)?;
        report.reboot_required = reboot_required(self.target.as_ref())?;
        let drift = self.note_drift(report.resources.iter().flat_map(|one| one.drift.clone()).collect())?;
        let run = journal::keep_report(self.target.as_ref(), &report).map_err(SessionError::Own)?;
        journal::tell(self.target.as_ref(), run.map(|run| (run, &report)), drift).map_err(SessionError::Own)?;
        Ok((report, run))
    }

    /// Removes what killed runs left half made, whether or not it is wanted again: it may be what takes the room.
    fn clear_away(&self) -> Result<(), OpError> {
        let on = self.target.as_ref();
        let workplace = TargetPath::parse(WORKPLACE).map_err(|e| OpError::new(format!("clear {WORKPLACE}"), e))?;
        on.discard(&workplace)?;
        let specs = self.work.graph.nodes.iter().map(|node| &node.spec);
        let environments = specs.filter(|spec| matches!(spec, Spec::CondaEnvironment(_) | Spec::PythonEnvironment(_)));
        environments.filter_map(Spec::path).try_for_each(|prefix| clear_half_made(prefix, on))
    }

    /// The forecast, with what only a close look shows.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn examine(&self) -> Result<Plan, SessionError> {
        let mut plan = self.plan()?;
        for (node, planned) in self.work.graph.nodes.iter().zip(&mut plan.resources) {
            if planned.steps.is_empty() && planned.problem.is_none() {
                planned.drift.extend(node.spec.examine(self.target.as_ref())?);
            }
        }
        Ok(plan)
    }

    /// Keeps what people changed, as this look at the machine found it, for `status`.
    ///
    /// # Errors
    /// It was not written.
    pub fn keep_drift(&self, found: &Plan) -> Result<(), SessionError> {
        let drift = self.note_drift(found.resources.iter().flat_map(|planned| planned.drift.clone()).collect())?;
        journal::tell(self.target.as_ref(), None, drift).map_err(SessionError::Own)
    }

    /// Notes what was found, and gives what is known of the machine's own manifest: what is beside that has no say in it.
    fn note_drift(&self, found: Vec<String>) -> Result<Vec<String>, SessionError> {
        if self.work.scope == Scope::Beside {
            return Ok(known_drift(self.target.as_ref())?);
        }
        drifted::keep_drift(self.target.as_ref(), &found).map_err(SessionError::Own)?;
        Ok(found)
    }

    /// Runs every check, whatever its last verdict.
    #[must_use]
    pub fn check(&self) -> Vec<CheckResult> {
        let run = |spec: &Spec| {
            let Spec::Check(check) = spec else { return None };
            let done = self.target.perform(&Op::RunCheck(check.run.clone()), &Silent);
            Some(CheckResult { id: spec.id(), problem: done.err().map(|error| error.cause) })
        };
        self.work.graph.nodes.iter().filter_map(|node| run(&node.spec)).collect()
    }

    /// Refuses a run that takes packages out of the cache where one that is to be installed is damaged, or is not there, unless apt has all
    /// that is asked for itself.
    fn hold_packages(&self, asked: &[String]) -> Result<(), SessionError> {
        if self.terms.bond == Bond::Loose || self.terms.network == Permission::Allowed || asked.is_empty() {
            return Ok(());
        }
        let known = self.target.packages()?;
        let named = self.locked.packages.0.iter().filter(|(name, file)| known.installed.get(*name) != Some(&file.version));
        let files: BTreeMap<&str, Blob> = named.filter_map(|(name, file)| Some((name.as_str(), file.blob()?))).collect();
        let lacks = looked_for(&self.store, files.values()).map_err(SessionError::Own)?;
        let lacks_one = |request: &String| {
            let blob = files.get(package_name(request));
            blob.is_some_and(|blob| lacks.iter().any(|lack| lack.blob.sha256 == blob.sha256))
        };
        let is_damaged = lacks.iter().any(|lack| lack.damage.is_some());
        let may_do_without = !is_damaged && asked.iter().any(lacks_one);
        if lacks.is_empty() || may_do_without && PackageFiles::are_there(asked, self.target.as_ref())? {
            Ok(())
        } else {
            Err(missing(&lacks))
        }
    }

    /// Binds apt to the lock, for a run that installs packages under one; ends what a run that was cut short was bound to.
    fn bind(&self, asked: &[String]) -> Result<(), OpError> {
        PackageFiles::release(self.target.as_ref())?;
        if self.terms.bond == Bond::Loose || asked.is_empty() {
            return Ok(());
        }
        self.locked.packages.bind(self.target.as_ref())?;
        match self.terms.network {
            Permission::Allowed => Ok(()),
            Permission::Forbidden => self.target.shelve(&self.locked.packages, asked),
        }
    }
}

/// The packages that a plan installs, as apt takes them.
fn asked(plan: &Plan) -> Vec<String> {
    let asked = |step: &Step| if let Op::AptInstall { packages } = &step.op { packages.clone() } else { Vec::new() };
    plan.steps().flat_map(asked).collect()
}
