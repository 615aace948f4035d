//! From a manifest and a machine to ordered work, and through it: what `plan`, `apply`, `verify`, `bake` and the agent share.

mod approved;
mod installed;
mod memory;
mod program;
mod unmanaged;

use crate::apply::{Event, Observers, Report, RunReport, Supply, Workers, apply};
use crate::fetch::Http;
use crate::graph::{Graph, Said};
use crate::journal;
use crate::manifest::{Machine as Wanted, Manifest, Rejected};
use crate::model::{ComputeName, Facts, ResourceId, TargetPath};
use crate::plan::{DiskPlan, Plan};
use crate::problem::{Problem, Sources};
use crate::recipe::{Answers, Context, Question, Recipe};
use crate::resolve::{ResolveError, resolve};
use crate::resource::{Ownership, Spec};
use crate::step::{Blob, Op};
use crate::store::Store;
use crate::target::{LockError, Machine, OnRemoval, OpError, Probe, ProbeError, Progress, Records, Silent, Target, read_facts};
use serde::Serialize;
use std::sync::Arc;

pub use approved::Approved;
pub use installed::{Installable, InstalledError, MANIFEST, TargetFiles, installed, is_installed};
pub use program::own_program;

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
    /// Another run is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl SessionError {
    /// The same, with the texts to show its problems in.
    fn shown_in(self, sources: &Sources) -> Self {
        if let Self::Manifest(rejected) = self {
            return Self::Manifest(Rejected { sources: sources.clone(), ..rejected });
        }
        self
    }

    /// Why a plan may not be carried out, if so: it breaks a floor.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Option<Self> {
        Some(plan.broken_floors()).filter(|broken| !broken.is_empty()).map(Self::Floor)
    }
}

fn floors(disks: &[DiskPlan]) -> String {
    let one = |disk: &DiskPlan| {
        format!("{} has {} free, the work takes {}, and {} must stay free", disk.mount, disk.space.free, disk.takes, disk.minimum_free)
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
}

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Which.
    pub id: ResourceId,
    /// Why it did not pass.
    pub problem: Option<String>,
}

/// Answers that an earlier apply brought to the machine, so that it needs no network to know that it is as it should be.
const ANSWERS: &str = "/var/lib/fitout/state/resolved.json";

fn answers_path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(ANSWERS).map_err(|e| ProbeError::new("use a path", e))
}

fn known_answers(on: &dyn Probe) -> Result<Answers, ProbeError> {
    let bytes = on.read(&answers_path()?)?;
    // Answers of another version are no answers: they are asked for again.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

impl Session {
    /// Makes the manifest's machine of this one, amends it, resolves what is open, lowers it, orders the work.
    ///
    /// # Errors
    /// The machine or its manifest does not allow it; nothing was changed.
    pub fn prepare(
        manifest: &Manifest,
        amend: impl FnOnce(&mut Wanted),
        scope: Scope,
        target: Arc<Machine>,
        store: Store,
        observers: &Observers,
    ) -> Result<Self, SessionError> {
        let facts = read_facts(target.as_ref())?;
        let mut wanted = manifest.on(&facts).map_err(SessionError::Manifest)?;
        amend(&mut wanted);
        let known = known_answers(target.as_ref())?;
        let questions: Vec<Question> = wanted.wants.iter().flat_map(|want| want.questions(&facts)).collect();
        let asked = |question: &Question| observers.tell(&Event::Resolving { question: question.summary() });
        let answers = resolve(&questions, &known, &store, &asked)?;
        let work = Work::of(&wanted, scope, &facts, &answers, target.as_ref()).map_err(|error| error.shown_in(manifest.sources()))?;
        Ok(Self { target, work, name: wanted.name, store, answers })
    }

    /// The forecast.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn plan(&self) -> Result<Plan, SessionError> {
        Ok(self.work.plan(self.target.as_ref(), &self.store)?)
    }

    /// Does the work, one run at a time, unless the forecast breaks a floor.
    ///
    /// # Errors
    /// The work did not begin. What failed while it was done is in the report.
    pub fn apply(&self, observers: &Observers) -> Result<(RunReport, Option<u64>), SessionError> {
        self.work(None, observers)
    }

    /// Does the approved work and nothing else, unless a forecast of now has other steps.
    ///
    /// # Errors
    /// The work did not begin. What failed while it was done is in the report.
    pub fn apply_approved(&self, steps: &Approved, observers: &Observers) -> Result<(RunReport, Option<u64>), SessionError> {
        self.work(Some(steps), observers)
    }

    fn work(&self, only: Option<&Approved>, observers: &Observers) -> Result<(RunReport, Option<u64>), SessionError> {
        let _lock = self.target.lock()?;
        let plan = self.plan()?;
        only.map_or(Ok(()), |approved| approved.must_be(&plan))?;
        if let Some(refused) = SessionError::of_plan(&plan) {
            return Err(refused);
        }
        self.work.intend(&plan, self.target.as_ref()).map_err(SessionError::Own)?;
        let report = apply(&self.work.graph, &plan, self.target.as_ref(), &Only(self, only), observers, Workers::usual());
        self.work.keep(&report.resources, self.target.as_ref()).map_err(SessionError::Own)?;
        self.keep_answers().map_err(SessionError::Own)?;
        let run = journal::keep_report(self.target.as_ref(), &report).map_err(SessionError::Own)?;
        Ok((report, run))
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

    fn keep_answers(&self) -> Result<(), OpError> {
        if self.answers == known_answers(self.target.as_ref())? {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&self.answers).map_err(|e| OpError::new("write what was resolved", e))?;
        self.target.keep(&answers_path()?, &bytes)
    }
}

/// A session that performs approved steps only, where some were.
struct Only<'a>(&'a Session, Option<&'a Approved>);

impl Supply for Only<'_> {
    fn supply(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        if self.1.is_none_or(|approved| approved.allows(op)) {
            return self.0.supply(op, progress);
        }
        Err(OpError::new(op.summary(), "the saved plan has no such step").hint("save a new plan, and apply that"))
    }
}

impl Supply for Session {
    fn supply(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError> {
        let blobs: Vec<&Blob> = op.blobs().into_iter().filter(|blob| !self.store.path(&blob.sha256).exists()).collect();
        if blobs.is_empty() {
            return Ok(());
        }
        let fetched = Http::new().and_then(|http| http.download_all(&self.store, &blobs, progress));
        fetched.map_err(|error| OpError::new(format!("fetch what is needed to {}", op.summary()), error))
    }
}

/// How much of a machine a manifest speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that Fitout manages there: what it names no longer is released.
    Machine,
    /// Something beside the manifest that is installed, whose things stay as they are.
    Beside,
}

/// What a manifest asks of a machine.
#[derive(Debug)]
pub struct Work {
    /// In the order of work.
    pub graph: Graph,
    /// What the manifest names no longer and what stays.
    pub released: Vec<String>,
    on_removal: OnRemoval,
    scope: Scope,
    records: Records,
}

impl Work {
    /// When every question is answered.
    ///
    /// # Errors
    /// The machine cannot have what the manifest asks for, or cannot be looked at.
    pub fn of(wanted: &Wanted, scope: Scope, facts: &Facts, answers: &Answers, on: &dyn Probe) -> Result<Self, SessionError> {
        let records = Records::read(on)?;
        let (mut specs, said) =
            lower(wanted, facts, answers, &home(wanted, on)?).map_err(|problems| SessionError::Manifest(problems.into()))?;
        unmanaged::untouched(wanted, &specs).map_err(|problems| SessionError::Manifest(problems.into()))?;
        let (released, deleted) = match scope {
            Scope::Machine => memory::released(&specs, &records),
            Scope::Beside => (Vec::new(), Vec::new()),
        };
        specs.extend(deleted);
        let mut graph = Graph::order_as(specs, &said).map_err(|problems| SessionError::Manifest(problems.into()))?;
        own(&mut graph, wanted, &records);
        Ok(Self { graph, released, on_removal: wanted.on_removal, scope, records })
    }

    /// The forecast.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn plan(&self, on: &dyn Probe, store: &Store) -> Result<Plan, ProbeError> {
        let plan = Plan::make(&self.graph, on, store)?;
        Ok(Plan { released: self.released.clone(), ..plan })
    }

    /// Remembers what a run brought about.
    ///
    /// # Errors
    /// It was not written.
    pub fn keep(&self, reports: &[Report], on: &dyn Target) -> Result<(), OpError> {
        let before = Records::read(on)?;
        let after = memory::after(before.clone(), self, reports);
        replace(&before, &after, on)
    }

    /// Remembers what a plan is going to make, so that a run that is cut short leaves nothing of which nobody knows whose it is.
    ///
    /// # Errors
    /// It was not written; the work must not begin.
    pub fn intend(&self, plan: &Plan, on: &dyn Target) -> Result<(), OpError> {
        replace(&self.records, &memory::before(self.records.clone(), plan, self.on_removal), on)
    }
}

fn replace(before: &Records, after: &Records, on: &dyn Target) -> Result<(), OpError> {
    if after == before { Ok(()) } else { on.keep(&Records::path()?, &after.to_bytes()?) }
}

/// Tells every resource of its past.
fn own(graph: &mut Graph, wanted: &Wanted, records: &Records) {
    let past = |id: &ResourceId| {
        let earlier = records.resources.get(id).map(|record| record.claims.clone()).unwrap_or_default();
        Ownership { on_drift: wanted.on_drift, earlier }
    };
    graph.nodes.iter_mut().for_each(|node| node.spec.own(&past));
}

/// The plain resources that a machine comes to, and what is said of their order.
fn lower(wanted: &Wanted, facts: &Facts, answers: &Answers, home: &TargetPath) -> Result<(Vec<Spec>, Vec<Said>), Vec<Problem>> {
    let context = Context { facts, name: wanted.name.as_ref(), owner: wanted.owner.as_ref(), home, answers };
    let (mut specs, mut said, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for want in &wanted.wants {
        let item = want.item();
        match want.lower(&context) {
            Ok(more) => {
                for asked in wanted.requires.iter().filter(|asked| asked.item.covers(&item)) {
                    let one = |spec: &Spec| Said { of: spec.id(), requires: asked.id(home), place: asked.place.clone() };
                    said.extend(more.iter().map(one));
                }
                specs.extend(more);
            }
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok((specs, said)) } else { Err(problems) }
}

/// Looks for what cannot be ordered, on every kind of machine that a manifest tells apart, without a machine: what must be asked for on a
/// network is made up, for the names of resources do not depend on it.
///
/// # Errors
/// A `requires` that names nothing, or a circle.
pub fn foresee(manifest: &Manifest) -> Result<(), Rejected> {
    let kinds = manifest.kinds();
    let mut found = Vec::new();
    for facts in &kinds {
        let wanted = manifest.on(facts)?;
        let home = wanted.owner.as_ref().map_or_else(|| "/root".to_owned(), |owner| format!("/home/{owner}"));
        let Ok(home) = TargetPath::parse(&home) else { continue };
        let questions = wanted.wants.iter().flat_map(|want| want.questions(facts));
        let answers = Answers(questions.map(|question| (question.digest(), question.made_up())).collect());
        // What this kind of machine cannot have is said by a plan on one.
        let Ok((specs, said)) = lower(&wanted, facts, &answers, &home) else { continue };
        let problems = if said.is_empty() { Vec::new() } else { Graph::order_as(specs, &said).err().unwrap_or_default() };
        found.push((facts, problems.into_iter().filter(|problem| problem.place.is_some()).collect()));
    }
    let problems = manifest.told(found);
    if problems.is_empty() { Ok(()) } else { Err(Rejected { problems, sources: manifest.sources().clone() }) }
}

/// The owner's home: as the target's passwd has it, else where `useradd` will put it.
fn home(wanted: &Wanted, on: &dyn Probe) -> Result<TargetPath, ProbeError> {
    let text = match &wanted.owner {
        None => "/root".to_owned(),
        Some(owner) => on.accounts()?.user(owner.as_str()).map_or_else(|| format!("/home/{owner}"), |account| account.home.clone()),
    };
    TargetPath::parse(&text).map_err(|e| ProbeError::new("use the owner's home", e))
}
