//! The way of a manifest to a machine in memory: what a session does, without a network, a lock or a store.

use fitout::apply::{Observers, RunReport, Supply, Workers, apply};
use fitout::manifest::{MemoryFiles, Sheets, Source, load};
use fitout::model::{ByteSize, Sha256};
use fitout::plan::Plan;
use fitout::problem::Problem;
use fitout::recipe::{Answer, Answers, CondaAnswer, Question, Recipe, RedistAnswer, WheelAnswer};
use fitout::session::{Scope, SessionError, Work};
use fitout::step::{Blob, Op, PythonPackages, UnitVerb};
use fitout::store::Store;
use fitout::target::fake::Fake;
use fitout::target::{OpError, Probe, Progress, Target, read_facts};
use std::collections::BTreeMap;

/// Downloads nothing: a machine in memory unpacks nothing.
struct Nothing;

impl Supply for Nothing {
    fn supply(&self, _: &Op, _: &dyn Progress) -> Result<(), OpError> {
        Ok(())
    }
}

/// What a manifest asks of a machine, in order, or what is wrong with it, a line each.
pub fn order(text: &str, beside: &BTreeMap<String, String>, on: &dyn Probe) -> Result<Work, Vec<String>> {
    let files = MemoryFiles(beside.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect());
    let source = Source { name: "manifest.yaml".into(), text: text.into() };
    let lines = |problems: &[Problem]| problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
    let facts = read_facts(on).unwrap();
    let manifest =
        load(&Sheets::new(source), files).and_then(|manifest| manifest.on(&facts)).map_err(|rejected| lines(&rejected.problems))?;
    let questions = manifest.wants.iter().flat_map(|want| want.questions(&facts));
    let answers = Answers(questions.map(|question| (question.digest(), answer(&question))).collect());
    Work::of(&manifest, Scope::Machine, &facts, &answers, on)
        .map_err(|error| if let SessionError::Manifest(rejected) = error { lines(&rejected.problems) } else { vec![error.to_string()] })
}

fn blob(name: &str) -> Blob {
    let url = format!("https://files.example.org/{name}");
    Blob { sha256: Sha256::of(url.as_bytes()), url, size: Some(ByteSize(10_000_000)) }
}

/// An answer as a resolver would give it, the same for the same question.
fn answer(question: &Question) -> Answer {
    let blobs = |names: &[String]| names.iter().map(|name| blob(name)).collect();
    match question {
        Question::Wheels { requirements, .. } => Answer::Wheels(WheelAnswer { wheels: blobs(requirements) }),
        Question::Redist { product, version, components, variant, .. } => {
            let names: Vec<String> =
                components.iter().map(|name| format!("{product}-{version}/{name}{}", variant.as_deref().unwrap_or_default())).collect();
            Answer::Redist(RedistAnswer { archives: blobs(&names) })
        }
        Question::Python { requirements, .. } => {
            Answer::Python(PythonPackages { requirements: requirements.join("\n"), wheels: blobs(requirements), uv: blob("uv") })
        }
        Question::Conda { text, .. } => Answer::Conda(CondaAnswer {
            lock: text.clone(),
            packages: ["python", "r-irkernel"]
                .into_iter()
                .filter(|name| text.contains(name))
                .map(|name| blob(&format!("{name}-1.0-0.conda")))
                .collect(),
            pip: None,
            variables: BTreeMap::new(),
            size: ByteSize(300_000_000),
        }),
    }
}

fn plan(work: &Work, on: &dyn Probe) -> Plan {
    work.plan(on, &Store::at("/nonexistent")).unwrap()
}

/// The forecast. Making it changes nothing, and making it again gives the same bytes.
pub fn forecast(work: &Work, on: &Fake) -> Plan {
    let (before, effects) = (on.sight(), on.effects());
    let first = plan(work, on);
    let text = serde_json::to_string(&first).unwrap();
    for _ in 1..20 {
        assert_eq!(serde_json::to_string(&plan(work, on)).unwrap(), text, "two plans of one machine differ");
    }
    assert!(on.sight() == before && on.effects() == effects, "planning changed the machine");
    first
}

/// The work.
pub fn perform(work: &Work, on: &dyn Target) -> RunReport {
    perform_by(work, on, Workers::ONE)
}

/// The work, by so many.
pub fn perform_by(work: &Work, on: &dyn Target, workers: Workers) -> RunReport {
    let plan = plan(work, on);
    // A machine that was killed remembers nothing.
    let _ = work.intend(&plan, on);
    apply(&work.graph, &plan, on, &Nothing, &Observers::default(), workers)
}

/// Steps that were performed and are not among those planned. A transaction may have become smaller: another brought what it needs. A unit
/// that was to begin may already run, and begins again.
pub fn unplanned(plan: &Plan, report: &RunReport) -> Vec<String> {
    let planned = |id, op: &Op| {
        plan.resources.iter().filter(|planned| planned.id == id).flat_map(|planned| &planned.steps).any(|step| match (&step.op, op) {
            (Op::AptInstall { packages }, Op::AptInstall { packages: fewer }) => fewer.iter().all(|name| packages.contains(name)),
            (Op::Unit { verb: UnitVerb::Start, unit }, Op::Unit { verb: UnitVerb::Restart | UnitVerb::Reload, unit: same }) => unit == same,
            (planned, performed) => planned == performed,
        })
    };
    let steps = report.resources.iter().flat_map(|one| one.steps.iter().map(|step| (one.id.clone(), step)));
    steps.filter(|(id, step)| !planned(id.clone(), &step.op)).map(|(id, step)| format!("{id}: {}", step.op.summary())).collect()
}
