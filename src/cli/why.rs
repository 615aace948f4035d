//! `fitout why`: the story of a failure, or of one resource, from the machine's own reports.

use super::output::{self, complain};
use super::source;
use super::{Exit, Form, Global};
use crate::apply::{Outcome, Report};
use crate::journal;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `fitout why`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A resource, such as `file:/etc/motd`; without it, what failed in the last run
    resource: Option<String>,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let target = match source::machine(arguments.root.as_deref(), global) {
        Ok(target) => target,
        Err(refusal) => return refusal.tell(global),
    };
    let found = match find(arguments, target.as_ref()) {
        Ok(found) => found,
        Err(error) => {
            complain(&error.to_string(), None);
            return Exit::Failed;
        }
    };
    match (global.output, &found) {
        (Form::Json, _) => {
            output::json(&found.iter().map(|(run, report)| serde_json::json!({"run": run, "report": report})).collect::<Vec<_>>());
        }
        (Form::Human, found) if found.is_empty() => output::data("Nothing to explain: no run on this machine has anything of the kind.\n"),
        (Form::Human, found) => output::data(&found.iter().map(|(run, report)| story(*run, report)).collect::<Vec<_>>().join("\n")),
    }
    Exit::Done
}

/// Without a name, what failed or was skipped in the last run; with one, its last report that tells of something.
fn find(arguments: &Arguments, on: &dyn crate::target::Probe) -> Result<Vec<(u64, Report)>, crate::target::ProbeError> {
    for run in journal::numbers(on)?.into_iter().rev() {
        let Some(report) = journal::report(on, run)? else { continue };
        let wanted = |one: &Report| match &arguments.resource {
            Some(name) => one.id.to_string() == *name && one.outcome != Outcome::Unchanged,
            None => matches!(one.outcome, Outcome::Failed | Outcome::Skipped),
        };
        let found: Vec<(u64, Report)> = report.resources.into_iter().filter(wanted).map(|one| (run, one)).collect();
        if arguments.resource.is_none() || !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn story(run: u64, report: &Report) -> String {
    let outcome = match report.outcome {
        Outcome::Unchanged => "was as it should be",
        Outcome::Changed => "was changed",
        Outcome::Deferred => "waits",
        Outcome::Failed => "failed",
        Outcome::Skipped => "was skipped",
    };
    let mut lines = vec![format!("{} {outcome} in run {run}", report.id)];
    lines.extend(report.reason.iter().map(|reason| format!("  cause: {}", reason.replace('\n', "\n         "))));
    lines.extend(report.hint.iter().map(|hint| format!("  hint:  {hint}")));
    lines.extend(report.steps.iter().map(|step| format!("  did:   {} ({})", step.op.summary(), step.why)));
    lines.extend(report.deferred.iter().map(|waits| format!("  waits: {waits}")));
    lines.push(format!("  log:   /var/lib/fitout/runs/{run}/journal.jsonl"));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
