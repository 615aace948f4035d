//! `fitout schedule`: when the machine starts and stops.

use super::output::{self, complain, say};
use super::source::{self, Purpose, Refusal};
use super::{Exit, Form, Global};
use crate::agent::{Answer, Ask, IdleLine, Page, StopsLine, read_power};
use crate::model::Span;
use crate::recipe::Want;
use crate::schedule::{Action, Firing, Power};
use crate::session::SessionError;
use crate::target::{Probe, ProbeError, SOCKET, ask_at, now, read_facts};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

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
    /// Show the schedules of this machine, when it stops next, and what keeps it from it
    List(List),
    /// Put stops off, for all who work on this machine; its owner and root may
    Postpone(Postpone),
    /// Have stops happen as before
    Cancel,
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

#[derive(Debug, Args)]
struct List {
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitout schedule postpone 2h
  fitout schedule cancel")]
struct Postpone {
    /// For how long, from now on, such as 2h or 1h30m
    #[arg(value_name = "TIME", value_parser = Span::parse)]
    by: Span,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    match &arguments.verb {
        Verb::Next(next) => show_next(next, global).unwrap_or_else(|refusal| refusal.tell(global)),
        Verb::List(list) => show_list(list, global).unwrap_or_else(|refusal| refusal.tell(global)),
        Verb::Postpone(postpone) => ask(Ask::Postpone(postpone.by.as_duration().as_secs()), global),
        Verb::Cancel => ask(Ask::Cancel, global),
    }
}

fn show_next(next: &Next, global: &Global) -> Result<Exit, Refusal> {
    let power = match &next.file {
        Some(file) => Some(of_manifest(file, next, global)?),
        None => of_machine(source::machine(next.root.as_deref(), global)?.as_ref())?,
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
    let (manifest, _) = source::named(file, &next.set, Purpose::Look)?;
    let machine = source::machine(next.root.as_deref(), global)?;
    let facts = read_facts(machine.as_ref()).map_err(SessionError::Probe)?;
    let wanted = manifest.on(&facts).map_err(|e| Refusal::Rejected(Box::new(e)))?;
    source::warn(&manifest, global);
    let power = wanted.wants.into_iter().find_map(|want| if let Want::PowerPolicy(policy) = want { Some(policy.power) } else { None });
    Ok(power.unwrap_or_default())
}

fn of_machine(on: &dyn Probe) -> Result<Option<Power>, Refusal> {
    Ok(read_power(on).map_err(|why| SessionError::Probe(ProbeError::new("read when this machine stops", why)))?)
}

fn show_list(list: &List, global: &Global) -> Result<Exit, Refusal> {
    let machine = source::machine(list.root.as_deref(), global)?;
    let power = of_machine(machine.as_ref())?;
    let page = Page::read(machine.as_ref()).map_err(SessionError::Probe)?;
    let stops = page.as_ref().and_then(|page| page.stops.as_ref());
    let power = power.unwrap_or_default();
    let agent = if page.is_some() { Agent::Runs } else { Agent::Absent };
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "power": power, "agent": page.is_some(), "stops": stops})),
        Form::Human => output::data(&lines(&power, stops, agent).iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>()),
    }
    Ok(Exit::Done)
}

/// Whether somebody is there to stop the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agent {
    Runs,
    Absent,
}

fn lines(power: &Power, stops: Option<&StopsLine>, agent: Agent) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in &power.rules {
        let by = match (rule.action, rule.calendar()) {
            (Action::Start, _) => "the machine's cloud, which has to be told".to_owned(),
            (Action::Stop, Some(calendar)) => format!("the agent, else systemd, which asks at {calendar}"),
            (Action::Stop, None) => "the agent; systemd has no name for its time zone".to_owned(),
        };
        let next = rule.next(now()).map_or_else(|| "never".to_owned(), |time| shown(time, &rule.zone.zone()));
        lines.push(format!("schedule:  {rule}; next {next}; by {by}"));
    }
    if let Some(seconds) = power.idle_seconds {
        lines.push(format!("idle:      stop after {} without use", Span::seconds(seconds)));
    }
    if lines.is_empty() {
        lines.push("Nothing starts or stops this machine by itself.".into());
        return lines;
    }
    if let Some(StopsLine { idle, put_off_until, notice, .. }) = stops {
        lines.extend(idle.iter().flat_map(idle_lines));
        lines.extend(put_off_until.map(|until| format!("put off:   no stop before {until:.0}")));
        lines.extend(notice.iter().map(|notice| format!("notice:    {notice}")));
    }
    if agent == Agent::Absent {
        lines.push("agent:     not running: systemd makes scheduled stops alone, nothing makes those of an idle machine (`systemctl start fitout-agent`)".into());
    }
    lines
}

fn idle_lines(idle: &IdleLine) -> Vec<String> {
    let state = match idle.quiet_seconds {
        Some(seconds) => format!("not in use for {}", Span::seconds(seconds)),
        None => "in use".to_owned(),
    };
    let used = idle.in_use.iter().map(|what| format!("in use:    {what}"));
    let unknown = idle.unknown.iter().map(|what| format!("unknown:   {what}"));
    [format!("now:       {state}")].into_iter().chain(used).chain(unknown).collect()
}

/// Asks the agent, which knows who asks.
fn ask(ask: Ask, global: &Global) -> Exit {
    let question = serde_json::to_string(&ask).unwrap_or_default();
    let said = ask_at(Path::new(SOCKET), &question);
    let answer = match said.map(|line| serde_json::from_str::<Answer>(&line)) {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Answer::Refused("the agent that runs is of another version; restart it: systemctl restart fitout-agent".into()),
        Err(error) => {
            let hint = "only the agent puts stops off; `systemctl start fitout-agent` starts it";
            complain(&format!("the agent cannot be asked: {error}"), Some(hint));
            return Exit::Failed;
        }
    };
    match answer {
        Answer::Done(words) => {
            match global.output {
                Form::Json => output::json(&serde_json::json!({"version": 1, "done": words})),
                Form::Human => say(&words),
            }
            Exit::Done
        }
        Answer::Refused(words) => {
            complain(&words, None);
            Exit::Failed
        }
    }
}

fn shown(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A line a firing: on the clock of its rule, in UTC, and what happens.
fn table(power: &Power, firings: &[Firing]) -> String {
    let line = |firing: &Firing| {
        let rule = power.rules.iter().find(|rule| rule.action == firing.action && rule.is_at(firing.time));
        let zone = rule.map_or(TimeZone::UTC, |rule| rule.zone.zone());
        let local = shown(firing.time, &zone);
        format!("{:<5}  {local:<32}  {}\n", firing.action.to_string(), firing.time)
    };
    firings.iter().map(line).collect()
}
