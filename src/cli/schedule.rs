//! `fitout schedule`: when the machine starts and stops.

use super::output::{self, complain, say};
use super::source::{self, Refusal};
use super::{Exit, Form, Global};
use crate::model::TargetPath;
use crate::recipe::Want;
use crate::schedule::{Firing, POWER, Power};
use crate::session::SessionError;
use crate::target::{Probe, now, read_facts};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;

/// Arguments of `fitout schedule`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the next starts and stops
    Next(Next),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitout schedule next -f lab.yaml -n 5
  fitout schedule next -n 3 --after 2026-03-28T00:00:00Z -o json")]
struct Next {
    /// The manifest: a file, or - for standard input; without it, what was applied to the machine
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<String>,
    /// Another value for a field of the manifest, such as name=lab-b
    #[arg(long = "set", value_name = "FIELD=VALUE", requires = "file")]
    set: Vec<String>,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How many
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    number: u16,
    /// After this instant, such as 2026-03-28T18:00:00Z; now where absent
    #[arg(long, value_name = "RFC3339")]
    after: Option<Timestamp>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    match &arguments.verb {
        Verb::Next(next) => show_next(next, global).unwrap_or_else(|refusal| refusal.tell(global)),
    }
}

fn show_next(next: &Next, global: &Global) -> Result<Exit, Refusal> {
    let power = match &next.file {
        Some(file) => Some(of_manifest(file, next, global)?),
        None => of_machine(next, global)?,
    };
    let Some(power) = power else {
        complain("no schedule was applied to this machine", Some("name a manifest with -f FILE, or apply one that has `schedules`"));
        return Ok(Exit::NoInput);
    };
    let firings = power.next(next.after.unwrap_or_else(now), usize::from(next.number));
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "firings": firings})),
        Form::Human if firings.is_empty() => say("Nothing starts or stops this machine by the clock."),
        Form::Human => output::data(&table(&power, &firings)),
    }
    Ok(Exit::Done)
}

fn of_manifest(file: &str, next: &Next, global: &Global) -> Result<Power, Refusal> {
    let (manifest, _) = source::named(file, &next.set)?;
    let machine = source::machine(next.root.as_deref(), global)?;
    let facts = read_facts(machine.as_ref()).map_err(SessionError::Probe)?;
    let wanted = manifest.on(&facts).map_err(|e| Refusal::Rejected(Box::new(e)))?;
    source::warn(&manifest, global);
    let power = wanted.wants.into_iter().find_map(|want| if let Want::PowerPolicy(policy) = want { Some(policy.power) } else { None });
    Ok(power.unwrap_or_default())
}

fn of_machine(next: &Next, global: &Global) -> Result<Option<Power>, Refusal> {
    let machine = source::machine(next.root.as_deref(), global)?;
    let path = TargetPath::parse(POWER).map_err(|e| crate::target::ProbeError::new("use a path", e));
    let bytes = path.and_then(|path| machine.read(&path)).map_err(SessionError::Probe)?;
    let power = bytes.map(|bytes| Power::parse(&bytes).map_err(|e| crate::target::ProbeError::new(format!("read {POWER}"), e)));
    Ok(power.transpose().map_err(SessionError::Probe)?)
}

/// A line a firing: on the clock of its rule, in UTC, and what happens.
fn table(power: &Power, firings: &[Firing]) -> String {
    let line = |firing: &Firing| {
        let rule = power.rules.iter().find(|rule| rule.action == firing.action && rule.is_at(firing.time));
        let zone = rule.map_or(TimeZone::UTC, |rule| rule.zone.zone());
        let local = firing.time.to_zoned(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
        format!("{:<5}  {local:<32}  {}\n", firing.action.to_string(), firing.time)
    };
    firings.iter().map(line).collect()
}
