//! The story of a case, as text: the plan, what apply did, how the machine is then, and what a second apply does.

use crate::pipeline::{forecast, order, perform, unplanned};
use crate::world::Case;
use fitout::apply::{Outcome, RunReport};
use fitout::plan::Plan;
use fitout::step::Step;
use fitout::target::fake::{Fake, Kind};
use std::fmt::Write;

/// Lives through a case.
///
/// # Errors
/// A promise that holds for every case does not.
pub fn tell(case: &Case) -> Result<String, String> {
    let mut told = String::new();
    let on = case.machine();
    if !chapter(case, &case.manifest, &on, "apply", &mut told)? {
        return Ok(numbered(&told));
    }
    let mut manifest = &case.manifest;
    for between in std::iter::once(&case.between).chain(&case.then) {
        between.happen(&on);
        manifest = between.manifest.as_ref().unwrap_or(manifest);
        if !chapter(case, manifest, &on, "again", &mut told)? {
            break;
        }
    }
    Ok(numbered(&told))
}

/// Shortest run of hexadecimal digits that is a digest.
const DIGEST: usize = 12;

/// Digests as `#1`, `#2`: a story tells which are the same, and does not change with what they are made of.
fn numbered(told: &str) -> String {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let runs: Vec<&str> = told.split(|c| !hex(c)).filter(|run| run.len() >= DIGEST).collect();
    let mut known: Vec<&str> = Vec::new();
    for run in runs {
        if !known.contains(&run) {
            known.push(run);
        }
    }
    known.iter().enumerate().fold(told.to_owned(), |text, (n, digest)| text.replace(digest, &format!("#{}", n + 1)))
}

/// One plan and one apply; false where it did not come to that.
fn chapter(case: &Case, manifest: &str, on: &Fake, title: &str, told: &mut String) -> Result<bool, String> {
    let work = match order(manifest, &case.beside, on) {
        Ok(work) => work,
        Err(problems) => {
            told.push_str("refused:\n");
            for problem in problems {
                writeln!(told, "  {problem}").unwrap();
            }
            return Ok(false);
        }
    };
    let plan = forecast(&work, on);
    // A second apply that finds nothing to do needs no plan to say so.
    if title == "apply" || !plan.is_clean() || !plan.released.is_empty() || plan.resources.iter().any(|planned| !planned.drift.is_empty()) {
        told.push_str("plan:\n");
        tell_plan(&plan, told);
    }
    let broken = plan.broken_floors();
    if !broken.is_empty() {
        for disk in broken {
            writeln!(told, "refused: {} would keep {} of {}", disk.mount, disk.free_after(), disk.minimum_free).unwrap();
        }
        return Ok(false);
    }
    let (before, effects) = (on.sight(), on.effects());
    let report = perform(&work, on);
    if plan.is_clean() && (on.sight() != before || on.effects() != effects) {
        return Err("the plan is clean, but applying it changed the machine".into());
    }
    work.keep(&report.resources, on).map_err(|e| e.to_string())?;
    tell_report(title, &plan, &report, told);
    for what in &case.show {
        writeln!(told, "  {}", seen(on, what)).unwrap();
    }
    match unplanned(&plan, &report).as_slice() {
        [] => Ok(true),
        steps => Err(format!("performed, but not planned: {}", steps.join("; "))),
    }
}

fn tell_plan(plan: &Plan, told: &mut String) {
    plan.released.iter().for_each(|what| writeln!(told, "  released: {what}").unwrap());
    for one in &plan.resources {
        let steps = one.steps.iter().map(|step| format!("{:>3} {}  [{}]", step.change.sign(), step.op.summary(), step.why));
        let waits = one.deferred.iter().map(|waits| format!("  … {}  [{}]", waits.step.op.summary(), waits.reason));
        let drift = one.drift.iter().map(|drift| format!("  i {drift}"));
        let problem = one.problem.iter().map(|problem| format!("  ! {problem}"));
        let lines: Vec<String> = steps.chain(waits).chain(drift).chain(problem).collect();
        if !lines.is_empty() {
            writeln!(told, "  {}", one.id).unwrap();
            for line in lines {
                writeln!(told, "  {line}").unwrap();
            }
        }
    }
}

fn summaries(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.op.summary()).collect()
}

fn tell_report(title: &str, plan: &Plan, report: &RunReport, told: &mut String) {
    let counts = report.counts;
    let numbers = [
        ("changed", counts.changed),
        ("unchanged", counts.unchanged),
        ("deferred", counts.deferred),
        ("failed", counts.failed),
        ("skipped", counts.skipped),
    ];
    let words: Vec<String> = numbers.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(told, "{title}: {}", words.join(", ")).unwrap();
    for (one, planned) in report.resources.iter().zip(&plan.resources) {
        let outcome = match one.outcome {
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Changed | Outcome::Unchanged | Outcome::Deferred => "",
        };
        if let Some(reason) = &one.reason {
            writeln!(told, "  {} {outcome}: {}", one.id, reason.replace('\n', "\n      ")).unwrap();
        }
        if let Some(hint) = &one.hint {
            writeln!(told, "      hint: {hint}").unwrap();
        }
        // Planned steps that were not needed, or not reached after others were done.
        let done = summaries(&one.steps);
        let stopped = outcome == "skipped" || (outcome == "failed" && done.is_empty());
        if !stopped && done != summaries(&planned.steps) {
            let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
            writeln!(told, "  {} did: {done}", one.id).unwrap();
        }
    }
}

/// What can be seen of a thing: a path, or `active`.
fn seen(on: &Fake, what: &str) -> String {
    let (tree, active) = on.sight();
    if what == "active" {
        let names: Vec<String> = active.iter().map(ToString::to_string).collect();
        return format!("active: {}", if names.is_empty() { "nothing".into() } else { names.join(" ") });
    }
    let node = tree.nodes().iter().find(|(path, _)| path.as_str() == what).map(|(_, node)| node);
    let Some(node) = node else { return format!("{what} is absent") };
    let ids = format!("{:04o} {}:{}", node.mode, node.ids.0, node.ids.1);
    match &node.kind {
        Kind::Symlink(to) => format!("{what} -> {to}"),
        Kind::Directory => format!("{what}/ {ids}"),
        Kind::File(bytes) => format!("{what} {ids} {:?}", String::from_utf8_lossy(bytes)),
    }
}
