//! `fitout why`: the story of a failure, or of one resource, from the machine's own reports.

use super::output::{self, complain};
use super::source;
use super::{Exit, Form, Global};
use crate::apply::{Outcome, Report};
use crate::journal;
use crate::model::ResourceId;
use crate::problem::nearest;
use crate::target::{Machine, ProbeError};
use clap::Args;
use serde_json::json;
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
    let answer = match answer(arguments.resource.as_deref(), target.as_ref()) {
        Ok(answer) => answer,
        Err(error) => return source::failed(&error.to_string()),
    };
    match answer {
        Answer::Unknown { name, near } => {
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            complain(&format!("no run on this machine tells of `{name}`"), hint.as_deref());
            return Exit::NoInput;
        }
        Answer::Stories(found) if global.output == Form::Json => {
            let found: Vec<_> = found.iter().map(|(run, report)| json!({"run": run, "report": report})).collect();
            output::json(&json!({"version": 1, "resources": found}));
        }
        Answer::Stories(found) => output::data(&stories(&found)),
        Answer::Nothing(why) if global.output == Form::Json => output::json(&json!({"version": 1, "resources": [], "nothing": why})),
        Answer::Nothing(why) => output::data(&format!("{why}\n")),
    }
    Exit::Done
}

/// What there is to tell.
#[derive(Debug)]
enum Answer {
    /// What became of these, each in its run.
    Stories(Vec<(u64, Report)>),
    /// Nothing, and why.
    Nothing(String),
    /// No report holds the name; the nearest that the last one holds.
    Unknown { name: String, near: Option<String> },
}

fn answer(name: Option<&str>, on: &Machine) -> Result<Answer, ProbeError> {
    let runs = journal::numbers(on)?;
    match (name, runs.last()) {
        (_, None) => Ok(Answer::Nothing("Nothing to explain: no run on this machine changed or failed anything.".into())),
        (None, Some(run)) => last(*run, on),
        (Some(name), Some(_)) => named(name, &runs, on),
    }
}

/// What failed or was skipped in the last run.
fn last(run: u64, on: &Machine) -> Result<Answer, ProbeError> {
    // Asked before its report is looked for: a run that ends between the two was not cut short.
    let holder = on.at_work()?;
    let Some(report) = journal::report(on, run)? else {
        return Ok(Answer::Nothing(match holder {
            Some(holder) => format!("run {run} has not ended yet: {holder}"),
            None => format!("run {run} was cut short; `fitout apply` goes on from there"),
        }));
    };
    let wanted = |one: &Report| matches!(one.outcome, Outcome::Failed | Outcome::Skipped);
    let found: Vec<(u64, Report)> = report.resources.into_iter().filter(wanted).map(|one| (run, one)).collect();
    Ok(if found.is_empty() { Answer::Nothing(format!("run {run} failed nothing")) } else { Answer::Stories(found) })
}

/// The last run that did something to a resource; where none did, the last that found it as it should be.
fn named(name: &str, runs: &[u64], on: &Machine) -> Result<Answer, ProbeError> {
    let (mut ids, mut unchanged) = (Vec::new(), None);
    for run in runs.iter().rev() {
        let Some(report) = journal::report(on, *run)? else { continue };
        if ids.is_empty() {
            ids = report.resources.iter().map(|one| one.id.to_string()).collect();
        }
        let Some(one) = report.resources.into_iter().find(|one| is_named(&one.id, name)) else { continue };
        if one.outcome != Outcome::Unchanged {
            return Ok(Answer::Stories(vec![(*run, one)]));
        }
        unchanged = unchanged.or(Some((*run, one)));
    }
    Ok(match unchanged {
        Some(found) => Answer::Stories(vec![found]),
        None => Answer::Unknown { name: name.to_owned(), near: near(name, &ids) },
    })
}

/// A path alone is as good as `file:` and the path.
fn is_named(id: &ResourceId, name: &str) -> bool {
    id.to_string() == name || (name.starts_with('/') && id.name == name)
}

/// The resource that was meant: nearly spelled so, or with the name in its own.
fn near(name: &str, ids: &[String]) -> Option<String> {
    let spelled = nearest(name, ids.iter().map(String::as_str)).map(str::to_owned);
    spelled.or_else(|| ids.iter().find(|id| id.contains(name)).cloned())
}

/// Each that failed; of those that were skipped for the same reason, one story of them all.
fn stories(found: &[(u64, Report)]) -> String {
    let mut groups: Vec<Vec<&(u64, Report)>> = Vec::new();
    for one in found {
        let like = |group: &&mut Vec<&(u64, Report)>| {
            let first = &group[0].1;
            (first.outcome, &first.reason, &first.hint) == (Outcome::Skipped, &one.1.reason, &one.1.hint)
                && one.1.outcome == Outcome::Skipped
        };
        match groups.iter_mut().find(like) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let told = |group: &Vec<&(u64, Report)>| match group.as_slice() {
        [] => String::new(),
        [(run, report)] => story(*run, report),
        [(run, report), others @ ..] => {
            let named = others.iter().take(NAMED).map(|(_, other)| other.id.to_string()).collect::<Vec<_>>().join(", ");
            let rest = others.len().saturating_sub(NAMED);
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            story(*run, report).replacen("  log: ", &format!("  also:  {named}{more}\n  log: "), 1)
        }
    };
    groups.iter().map(told).collect::<Vec<_>>().join("\n")
}

/// How many of those that share a story are named; the journal names all.
const NAMED: usize = 8;

fn story(run: u64, report: &Report) -> String {
    format!("{}  log:   {}\n", told(run, report), log(run))
}

/// Where all that happened in a run is written down.
pub fn log(run: u64) -> String {
    format!("/var/lib/fitout/runs/{run}/journal.jsonl")
}

/// What became of a resource in a run.
pub fn told(run: u64, report: &Report) -> String {
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
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, outcome: Outcome, reason: &str) -> (u64, Report) {
        let report = Report {
            id: ResourceId::new("file", name),
            outcome,
            milliseconds: 0,
            steps: Vec::new(),
            deferred: Vec::new(),
            drift: Vec::new(),
            notes: Vec::new(),
            reason: Some(reason.to_owned()),
            hint: None,
        };
        (4, report)
    }

    #[test]
    fn what_was_skipped_for_one_reason_is_told_once() {
        let skipped = (1..=12).map(|n| report(&format!("/{n}"), Outcome::Skipped, "SIGINT asked to end"));
        let found: Vec<(u64, Report)> =
            [report("/a", Outcome::Failed, "no"), report("/b", Outcome::Failed, "no")].into_iter().chain(skipped).collect();
        let told = stories(&found);
        assert_eq!(told.matches("cause:").count(), 3, "{told}");
        assert!(
            told.contains("  also:  file:/2, file:/3, file:/4, file:/5, file:/6, file:/7, file:/8, file:/9 and 3 more\n  log:"),
            "{told}"
        );
    }
}
