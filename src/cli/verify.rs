//! `fitout verify`: is the machine what the manifest says? Looks at everything and runs every check again.

use super::apply::unhappy;
use super::output::{self, Paint, paint_data};
use super::source::{self, Becomes, Opened, Purpose};
use super::{Exit, Form, Global, Ground, REPAIR};
use crate::plan::{Plan, Planned};
use crate::session::{CheckResult, Session, SessionError};
use clap::Args;
use std::collections::BTreeMap;

/// Arguments of `fitout verify`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    ground: Ground,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    if arguments.ground.repair {
        output::complain("verify changes nothing: it cannot repair", Some("`fitout apply --repair` brings back what people changed"));
        return Exit::Usage;
    }
    let verified =
        source::open(&arguments.ground, global, Becomes::Nothing, Purpose::Act).and_then(|Opened { session, .. }| Ok(looked(&session)?));
    let Found { plan, checks, scripts } = match verified {
        Ok(verified) => verified,
        Err(refusal) => return refusal.tell(global),
    };
    match global.output {
        Form::Json => {
            let clean = is_clean(&plan, &checks);
            output::json(&serde_json::json!({"version": 1, "clean": clean, "plan": plan, "checks": checks, "scripts": scripts}));
        }
        Form::Human => output::data(&show(&plan, &checks, &scripts)),
    }
    let mut problems = plan.resources.iter().filter_map(|planned| planned.problem.as_ref());
    if let Some(denied) = problems.find(|problem| source::is_denied(problem)) {
        return source::failed(denied);
    }
    if is_clean(&plan, &checks) { Exit::Done } else { Exit::NotClean }
}

/// What was found.
struct Found {
    plan: Plan,
    checks: Vec<CheckResult>,
    /// Scripts that did not succeed, where the manifest says to go on.
    scripts: BTreeMap<String, String>,
}

/// Looks, and notes what was found where that may be written.
fn looked(session: &Session) -> Result<Found, SessionError> {
    let plan = session.examine()?;
    if nix::unistd::geteuid().is_root() {
        session.keep_drift(&plan)?;
    }
    let settled = plan.resources.iter().filter(|planned| planned.steps.is_empty()).map(|planned| &planned.id);
    let scripts = unhappy(session.target.as_ref(), settled);
    Ok(Found { checks: session.check(), plan, scripts })
}

fn is_clean(plan: &Plan, checks: &[CheckResult]) -> bool {
    looked_at(plan, checks).iter().all(|planned| is_fine(planned)) && checks.iter().all(|check| check.problem.is_none())
}

fn is_fine(planned: &Planned) -> bool {
    planned.steps.is_empty() && planned.problem.is_none() && planned.drift.is_empty()
}

/// What was looked at and not run: a check is told by its result alone.
fn looked_at<'a>(plan: &'a Plan, checks: &[CheckResult]) -> Vec<&'a Planned> {
    plan.resources.iter().filter(|planned| checks.iter().all(|check| check.id != planned.id)).collect()
}

/// Text below its first line, under what stands there.
fn indented(text: &str) -> String {
    text.replace('\n', "\n           ")
}

fn show(plan: &Plan, checks: &[CheckResult], scripts: &BTreeMap<String, String>) -> String {
    let mut lines = Vec::new();
    let looked_at = looked_at(plan, checks);
    for planned in &looked_at {
        let broken = |problem: &String| format!("{} {}: {}", paint_data(Paint::Red, "  broken"), planned.id, indented(problem));
        lines.extend(planned.problem.iter().map(broken));
        lines.extend(
            planned
                .steps
                .iter()
                .map(|step| format!("{} {}: {} ({})", paint_data(Paint::Yellow, "  differs"), planned.id, step.op.summary(), step.why)),
        );
        lines.extend(planned.drift.iter().map(|drift| format!("{} {drift}", paint_data(Paint::Yellow, "  drift  "))));
    }
    for check in checks {
        let word = if check.problem.is_none() { paint_data(Paint::Green, "  passed ") } else { paint_data(Paint::Red, "  failed ") };
        let tail = check.problem.as_ref().map(|problem| format!(": {}", indented(problem))).unwrap_or_default();
        lines.push(format!("{word} {}{tail}", check.id));
    }
    lines.extend(scripts.iter().map(|(name, told)| format!("{} script:{name}: {told}", paint_data(Paint::Yellow, "  warning"))));
    if looked_at.iter().any(|planned| !planned.drift.is_empty()) {
        lines.push(format!("{} {REPAIR}", paint_data(Paint::Yellow, "note:")));
    }
    let fine = looked_at.iter().filter(|planned| is_fine(planned)).count();
    let passed = checks.iter().filter(|check| check.problem.is_none()).count();
    lines.push(format!("{fine} of {} resources as they should be, {passed} of {} checks passed", looked_at.len(), checks.len()));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
