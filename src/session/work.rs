//! What a manifest comes to on a machine: plain resources in order, each with its past.

use super::conflicts::{Asked, Unmanaged, conflicts};
use super::meeting::meeting;
use super::{SessionError, foreseen, gone, moves, owners};
use crate::graph::{Graph, Node, Said};
use crate::manifest::{Machine as Wanted, Manifest, Policy, Rejected};
use crate::model::{Facts, Network, ResourceId, TargetPath};
use crate::plan::Plan;
use crate::problem::{Place, Problem};
use crate::recipe::{Answers, Context, Item, Recipe, Sayings, Sysctl, Want};
use crate::resource::{OF_A_PATH, Ownership, PRESENT, Spec};
use crate::step::ScriptRun;
use crate::store::Store;
use crate::target::{Claims, OnRemoval, Probe, ProbeError, Records, read_facts};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

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
    pub(super) scope: Scope,
    pub(super) on_removal: Removal,
    /// What `--install` adds: Fitout itself, which no manifest names and no line that is gone takes along.
    pub(super) program: BTreeSet<ResourceId>,
    /// What the machine's own manifest asks for too, otherwise, where this is applied beside it.
    disputed: BTreeSet<ResourceId>,
    /// Whether what is remembered fits the manifest as it is.
    pub(super) is_settled: bool,
}

impl Work {
    /// When every question is answered.
    ///
    /// # Errors
    /// The machine cannot have what the manifest asks for, or cannot be looked at.
    pub fn of(wanted: &Wanted, scope: Scope, facts: &Facts, answers: &Answers, on: &dyn Probe) -> Result<Self, SessionError> {
        let records = Records::read(on)?;
        let refused = |problems: Vec<Problem>| SessionError::Manifest(problems.into());
        let settings = match scope {
            Scope::Machine => BTreeMap::new(),
            Scope::Beside => Sysctl::on(on)?,
        };
        let home = home(wanted, on)?;
        let Lowered { asked, said, policies, program } =
            lower(wanted, &context(wanted, facts, answers, (&home, &settings))).map_err(refused)?;
        let found = conflicts(wanted, &asked);
        let found = if found.is_empty() { meeting(&asked, on) } else { found };
        if !found.is_empty() {
            return Err(refused(found));
        }
        let mut specs: Vec<Spec> = asked.into_iter().map(|one| one.spec).collect();
        let on_removal = Removal { usual: wanted.on_removal, named: removals(&policies) };
        let (released, deleted) = match scope {
            Scope::Machine => gone::released(&specs, &records, &|id| on_removal.of(id), &Unmanaged::of(wanted), on)?,
            Scope::Beside => (Vec::new(), Vec::new()),
        };
        specs.extend(deleted);
        let graph = Graph::order_as(specs, &said).map_err(refused)?;
        let mut work = Self { graph, released, scope, on_removal, program, disputed: BTreeSet::new(), is_settled: true };
        work.disputed = work.disputed(&records);
        work.is_settled = work.is_current(&records);
        own(&mut work.graph, wanted, records, &policies);
        moves::follow(&mut work.graph, on);
        Ok(work)
    }

    /// Whether every resource is remembered with what becomes of it, and nothing else is.
    fn is_current(&self, records: &Records) -> bool {
        if self.scope == Scope::Beside {
            return true;
        }
        let present: HashSet<&ResourceId> = self.graph.nodes.iter().map(|node| &node.id).collect();
        records.resources.iter().all(|(id, record)| {
            present.contains(id) && !record.beside && record.doubtful.is_empty() && record.on_removal == self.on_removal.of(id)
        })
    }

    /// What this asks for beside the machine's own manifest, which asks for it otherwise.
    fn disputed(&self, records: &Records) -> BTreeSet<ResourceId> {
        let is_other = |node: &&Node| {
            let known = records.resources.get(&node.id).filter(|record| !record.beside);
            known.is_some_and(|record| contradicts(&record.claims, &node.spec.claims()))
        };
        let nodes = self.graph.nodes.iter().filter(|_| self.scope == Scope::Beside);
        nodes.filter(is_other).map(|node| node.id.clone()).collect()
    }

    /// What is to be said of a thing that is changed beside the machine's own manifest.
    pub(super) fn dispute(&self, id: &ResourceId) -> Option<String> {
        let says = format!("{id}: the machine's own manifest says otherwise, and its next `fitout apply` brings that back");
        self.disputed.contains(id).then_some(says)
    }

    /// The forecast.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn plan(&self, on: &dyn Probe, store: &Store) -> Result<Plan, ProbeError> {
        let mut plan = Plan::make(&self.graph, on, store)?;
        owners::unknown(&mut plan, &self.graph, on)?;
        foreseen::obstacles(&mut plan, &self.graph, on)?;
        for planned in plan.resources.iter_mut().filter(|planned| !planned.steps.is_empty()) {
            planned.notes.extend(self.dispute(&planned.id));
        }
        Ok(Plan { released: self.released.clone(), ..plan })
    }
}

/// Whether what one asks for cannot be while the other is so: what only one names does not concern the other, and what is to be there in any version
/// (it is claimed by its own name) is there in each.
fn contradicts(own: &Claims, other: &Claims) -> bool {
    own.iter().any(|(name, value)| value != name && other.get(name).is_some_and(|asked| asked != value))
}

/// What becomes of things whose lines leave the manifest.
#[derive(Debug)]
pub(super) struct Removal {
    usual: OnRemoval,
    named: BTreeMap<ResourceId, OnRemoval>,
}

impl Removal {
    /// Of this one.
    pub(super) fn of(&self, id: &ResourceId) -> OnRemoval {
        self.named.get(id).copied().unwrap_or(self.usual)
    }
}

/// What is said of each resource, the most particular last.
type Policies<'w> = BTreeMap<ResourceId, Vec<&'w Policy>>;

fn removals(policies: &Policies<'_>) -> BTreeMap<ResourceId, OnRemoval> {
    let last = |said: &[&Policy]| said.iter().rev().find_map(|policy| policy.on_removal);
    policies.iter().filter_map(|(id, said)| Some((id.clone(), last(said)?))).collect()
}

/// Tells every resource of its past.
fn own(graph: &mut Graph, wanted: &Wanted, records: Records, policies: &Policies<'_>) {
    let (mut known, mut others) = (HashMap::new(), Others::new());
    let present: HashSet<&ResourceId> = graph.nodes.iter().map(|node| &node.id).collect();
    // Of most resources nothing is in doubt: they share one of that.
    let certain = Arc::default();
    for (id, record) in records.resources {
        if present.contains(&id) {
            let doubtful = if record.doubtful.is_empty() { Arc::clone(&certain) } else { Arc::new(record.doubtful) };
            known.insert(id, (Arc::new(record.claims), doubtful));
        } else if record.has_made(PRESENT) {
            others.insert(id, record.claims);
        }
    }
    let past = |id: &ResourceId| {
        let said = policies.get(id).and_then(|said| said.iter().rev().find_map(|policy| policy.on_drift));
        let (earlier, doubtful) = known.get(id).cloned().unwrap_or_default();
        Ownership { on_drift: said.unwrap_or(wanted.on_drift), earlier, doubtful, former: former(id, &others) }
    };
    graph.nodes.iter_mut().for_each(|node| node.spec.own(&past));
}

/// What Fitout made for lines that are gone.
type Others = BTreeMap<ResourceId, Claims>;

/// What Fitout made at the path of a resource for a line that made something of another kind of it.
fn former(id: &ResourceId, others: &Others) -> BTreeMap<&'static str, Claims> {
    let other = |kind: &&'static str| Some((*kind, others.get(&ResourceId::new(kind, &id.name))?.clone()));
    let kinds = OF_A_PATH.iter().filter(|kind| !others.is_empty() && OF_A_PATH.contains(&id.kind.as_str()) && **kind != id.kind);
    kinds.filter_map(other).collect()
}

/// The plain resources that a machine comes to, what is said of their order, and of people's changes.
struct Lowered<'w> {
    asked: Vec<Asked>,
    said: Vec<Said>,
    policies: Policies<'w>,
    program: BTreeSet<ResourceId>,
}

/// What recipes may look at.
fn context<'a>(
    wanted: &'a Wanted,
    facts: &'a Facts,
    answers: &'a Answers,
    (home, settings): (&'a TargetPath, &'a BTreeMap<String, String>),
) -> Context<'a> {
    Context { facts, name: wanted.name.as_ref(), owner: wanted.owner.as_ref(), home, answers, settings }
}

fn lower<'w>(wanted: &'w Wanted, context: &Context<'_>) -> Result<Lowered<'w>, Vec<Problem>> {
    let (lowered, problems) = lower_each(wanted, context);
    if problems.is_empty() { Ok(lowered) } else { Err(problems) }
}

/// What can be lowered, and why the rest cannot.
fn lower_each<'w>(wanted: &'w Wanted, context: &Context<'_>) -> (Lowered<'w>, Vec<Problem>) {
    let (mut all, mut said, mut policies, mut problems) = (Vec::new(), Vec::new(), Policies::new(), Vec::new());
    let mut program = BTreeSet::new();
    let (waits, kept) = (Sayings::new(&wanted.requires, |asked| &asked.item), Sayings::new(&wanted.policies, |policy| &policy.item));
    let places = Sayings::new(&wanted.places.0, |(item, _)| item);
    for want in &wanted.wants {
        let item = want.item();
        match want.lower(context) {
            Ok(more) => {
                for asked in waits.about(&item) {
                    let one = |spec: &Spec| Said { of: spec.id(), requires: asked.id(context.home), place: asked.place.clone() };
                    said.extend(more.iter().map(one));
                }
                for policy in kept.about(&item) {
                    for spec in &more {
                        policies.entry(spec.id()).or_default().push(policy);
                    }
                }
                if matches!(want, Want::Service(_)) {
                    program.extend(more.iter().map(Spec::id));
                }
                let place = place_of(&item, &places);
                all.extend(more.into_iter().map(|spec| Asked { spec, place: place.cloned() }));
            }
            Err(more) => problems.extend(more),
        }
    }
    (Lowered { asked: all, said, policies, program }, problems)
}

/// Where a part of a manifest stands; of a part that is not written, where what it belongs to is.
fn place_of<'w>(item: &Item, places: &Sayings<'w, (Item, Place)>) -> Option<&'w Place> {
    let written = places.about(item);
    let exact = written.iter().find(|(written, _)| written == item);
    exact.or_else(|| written.iter().rfind(|(written, _)| !written.section.is_empty())).map(|(_, place)| place)
}

/// What a machine comes to without a machine, and whether that is all of it: what this kind of machine cannot have, a plan on one says.
fn alone<'w>(wanted: &'w Wanted, facts: &Facts) -> Option<(Lowered<'w>, bool)> {
    let home = wanted.owner.as_ref().map_or_else(|| "/root".to_owned(), |owner| format!("/home/{owner}"));
    let (home, answers) = (TargetPath::parse(&home).ok()?, made_up(wanted, facts));
    let (lowered, problems) = lower_each(wanted, &context(wanted, facts, &answers, (&home, &BTreeMap::new())));
    Some((lowered, problems.is_empty()))
}

/// What contradicts itself in what could be read of a manifest.
#[must_use]
pub fn contradictions(wanted: &Wanted, facts: &Facts) -> Vec<Problem> {
    let Some((Lowered { mut asked, .. }, _)) = alone(wanted, facts) else { return Vec::new() };
    // What one name of a list is given to twice is known.
    let mut seen = HashSet::new();
    asked.retain(|one| one.place.as_ref().is_none_or(|place| seen.insert((one.spec.id(), place.clone()))));
    let found = conflicts(wanted, &asked);
    found.into_iter().filter(|problem| problem.place.is_some()).collect()
}

/// Looks for what cannot be ordered, on every kind of machine that a manifest tells apart, without a machine: what must be asked for on a
/// network is made up, for the names of resources do not depend on it.
///
/// # Errors
/// Parts that contradict each other; a `requires` that names nothing, or a circle.
pub fn foresee(manifest: &Manifest) -> Result<(), Rejected> {
    let kinds = manifest.kinds();
    let mut found = Vec::new();
    for facts in &kinds {
        let wanted = manifest.on(facts)?;
        let Some((Lowered { asked, said, .. }, is_whole)) = alone(&wanted, facts) else { continue };
        let mut problems = conflicts(&wanted, &asked);
        problems.retain(|problem| problem.place.is_some());
        if is_whole && !said.is_empty() {
            let known = |problem: &Problem| problems.iter().any(|other| other.place == problem.place);
            let order = Graph::order_as(asked.into_iter().map(|one| one.spec).collect(), &said).err().unwrap_or_default();
            problems.extend(order.into_iter().filter(|problem| problem.place.is_some() && !known(problem)).collect::<Vec<_>>());
        }
        found.push((facts, problems));
    }
    let problems = manifest.told(found);
    if problems.is_empty() { Ok(()) } else { Err(Rejected { problems, sources: manifest.sources().clone() }) }
}

/// The names of the resources that a manifest comes to on a machine; answers that need a network are made up.
///
/// # Errors
/// The machine cannot be looked at, or the manifest does not fit it.
pub fn names(manifest: &Manifest, on: &dyn Probe) -> Result<Vec<ResourceId>, SessionError> {
    Ok(lowered(manifest, on)?.iter().map(Spec::id).collect())
}

/// The resources themselves, as far as they do not depend on a network.
fn lowered(manifest: &Manifest, on: &dyn Probe) -> Result<Vec<Spec>, SessionError> {
    let facts = read_facts(on)?;
    let wanted = manifest.on(&facts).map_err(SessionError::Manifest)?;
    let answers = made_up(&wanted, &facts);
    let unfit = |problems| SessionError::Manifest(Rejected { problems, sources: manifest.sources().clone() });
    let lowered = lower(&wanted, &context(&wanted, &facts, &answers, (&home(&wanted, on)?, &BTreeMap::new()))).map_err(unfit)?;
    Ok(lowered.asked.into_iter().map(|one| one.spec).collect())
}

/// Answers to what a machine asks of a network, made up: the names of resources do not depend on them.
fn made_up(wanted: &Wanted, facts: &Facts) -> Answers {
    let questions = wanted.wants.iter().flat_map(|want| want.questions(facts));
    Answers(questions.map(|question| (question.digest(), question.made_up())).collect())
}

/// The owner's home: as the target's passwd has it, else where `useradd` will put it.
fn home(wanted: &Wanted, on: &dyn Probe) -> Result<TargetPath, ProbeError> {
    let text = match &wanted.owner {
        None => "/root".to_owned(),
        Some(owner) => on.accounts()?.user(owner.as_str()).map_or_else(|| format!("/home/{owner}"), |account| account.home.clone()),
    };
    TargetPath::parse(&text).map_err(|e| ProbeError::new("use the owner's home", e))
}

/// The script of this name that a manifest comes to on a machine, and the network that it says.
///
/// # Errors
/// The machine cannot be looked at, or the manifest does not fit it.
pub fn script(manifest: &Manifest, name: &str, on: &dyn Probe) -> Result<(Option<ScriptRun>, Network), SessionError> {
    let mut named =
        lowered(manifest, on)?.into_iter().filter_map(|spec| if let Spec::Script(script) = spec { Some(script.run) } else { None });
    let network = manifest.on(&read_facts(on)?).map_err(SessionError::Manifest)?.network;
    Ok((named.find(|run| run.name == name), network))
}
