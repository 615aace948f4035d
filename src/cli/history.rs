//! `fitout history`: the runs of a machine, by number, and what each changed.

use super::output::{self, Paint, complain, paint_data};
use super::source::{self, Refusal};
use super::{Exit, Form, Global, why};
use crate::apply::{Counts, Outcome, RunReport};
use crate::journal;
use crate::session::SessionError;
use crate::target::ProbeError;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `fitout history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Runs are numbered: a clock may say anything at first boot. A run that changed and failed nothing leaves no trace.

Examples:
  fitout history
  fitout history 12 -o json")]
pub struct Arguments {
    /// The run to show; without it, all that are kept, the last one first
    run: Option<u64>,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Done,
    Failed,
    /// A signal asked it to end.
    EndedEarly,
    /// It has no report, and nobody is at work.
    CutShort,
    /// Its report was damaged, or is another release's.
    Unreadable,
    AtWork,
}

/// A run in a line.
#[derive(Debug, Serialize)]
struct Entry {
    run: u64,
    verdict: Verdict,
    #[serde(flatten)]
    counts: Option<Counts>,
    milliseconds: Option<u64>,
    /// Resources that something was done to.
    resources: Vec<String>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    tell(arguments, global).unwrap_or_else(|refusal| refusal.tell(global))
}

fn tell(arguments: &Arguments, global: &Global) -> Result<Exit, Refusal> {
    let target = source::machine(arguments.root.as_deref(), global)?;
    // Asked before reports are looked for: a run that ends between the two was not cut short.
    let at_work = target.at_work().map_err(SessionError::Probe)?.is_some();
    let known = journal::numbers(target.as_ref()).map_err(SessionError::Probe)?;
    let last = known.last().copied();
    let entry = |run: u64| entry(run, journal::report(target.as_ref(), run), at_work && Some(run) == last);
    let Some(run) = arguments.run else {
        let entries = known.iter().rev().map(|run| entry(*run).0).collect::<Vec<Entry>>();
        list(&entries, global);
        return Ok(Exit::Done);
    };
    if !known.contains(&run) {
        let hint = match (known.first(), last) {
            (Some(first), Some(last)) => format!("those from {first} to {last} are kept"),
            _ => "no run changed or failed anything yet".to_owned(),
        };
        complain(&format!("there is no run {run} on this machine"), Some(&hint));
        return Ok(Exit::NoInput);
    }
    let (entry, report) = entry(run);
    let report = report.map_err(SessionError::Probe)?;
    match (global.output, report) {
        (Form::Json, report) => output::json(&serde_json::json!({"version": 1, "run": run, "verdict": entry.verdict, "report": report})),
        (Form::Human, Some(report)) => output::data(&shown(&entry, &report)),
        (Form::Human, None) => output::data(&format!("{}\n", line(&entry))),
    }
    Ok(Exit::Done)
}

/// What a run's report says.
type Read = Result<Option<RunReport>, ProbeError>;

fn entry(run: u64, read: Read, at_work: bool) -> (Entry, Read) {
    let verdict = match &read {
        Ok(None) if at_work => Verdict::AtWork,
        Ok(None) => Verdict::CutShort,
        Ok(Some(report)) if report.ended_by.is_some() => Verdict::EndedEarly,
        Ok(Some(report)) if report.counts.failed > 0 => Verdict::Failed,
        Ok(Some(_)) => Verdict::Done,
        Err(_) => Verdict::Unreadable,
    };
    let report = read.as_ref().ok().and_then(Option::as_ref);
    let touched = |outcome| matches!(outcome, Outcome::Changed | Outcome::Failed);
    let touched = report.into_iter().flat_map(|report| &report.resources).filter(|one| touched(one.outcome));
    let resources = touched.map(|one| one.id.to_string()).collect();
    let (counts, milliseconds) = (report.map(|report| report.counts), report.map(|report| report.milliseconds));
    (Entry { run, verdict, counts, milliseconds, resources }, read)
}

fn list(entries: &[Entry], global: &Global) {
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "runs": entries})),
        Form::Human if entries.is_empty() => output::data("No run on this machine changed or failed anything.\n"),
        Form::Human => output::data(&entries.iter().flat_map(|entry| [line(entry), "\n".into()]).collect::<String>()),
    }
}

/// A run in a line: number, verdict, counts, and the first of what it touched.
fn line(entry: &Entry) -> String {
    /// As many names as a line of a terminal takes.
    const NAMED: usize = 3;
    let (colour, word) = match entry.verdict {
        Verdict::Done => (Paint::Green, "done"),
        Verdict::Failed => (Paint::Red, "failed"),
        Verdict::EndedEarly => (Paint::Yellow, "ended early"),
        Verdict::CutShort => (Paint::Yellow, "cut short"),
        Verdict::AtWork => (Paint::Yellow, "at work"),
        Verdict::Unreadable => (Paint::Red, "unreadable"),
    };
    let counts = entry.counts.map(|counts| format!("changed {}, failed {}", counts.changed, counts.failed)).unwrap_or_default();
    let mut named = entry.resources.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if entry.resources.len() > NAMED {
        named = format!("{named} and {} more", entry.resources.len() - NAMED);
    }
    let text = format!("run {:<4} {}  {counts:<22}  {named}", entry.run, paint_data(colour, &format!("{word:<11}")));
    text.trim_end().to_owned()
}

fn shown(entry: &Entry, report: &RunReport) -> String {
    let told = report.resources.iter().filter(|one| one.outcome != Outcome::Unchanged);
    let stories: Vec<String> = told.map(|one| why::told(entry.run, one)).collect();
    format!("{}\n\n{}  log:   {}\n", line(entry), stories.concat(), why::log(entry.run))
}
