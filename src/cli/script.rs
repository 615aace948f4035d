//! `fitout script`: the owner's scripts, what became of them, and what they printed.

use super::output::{self, Paint, complain, paint_data, say};
use super::source;
use super::{Exit, Form, Global};
use crate::lint::{Advice, lint};
use crate::target::look::names;
use crate::target::{Machine, Probe, ProbeError, Verdict, unseal};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `fitout script`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the scripts that ran on a machine, and how
    List(Where),
    /// Show what a script printed
    Logs(Logs),
    /// Look for what breaks in scripts on first boot
    Lint(Lint),
}

#[derive(Debug, Args)]
struct Where {
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Logs {
    /// Which: creation or startup
    #[arg(value_name = "NAME")]
    name: String,
    /// Which of its runs; the last one where absent
    #[arg(long, value_name = "N")]
    run: Option<u64>,
    #[command(flatten)]
    on: Where,
}

#[derive(Debug, Args)]
#[command(after_help = "Exits with 2 where there is anything to mend.")]
struct Lint {
    /// Shell scripts
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// What is known of a script.
#[derive(Debug, Serialize)]
struct Script {
    name: String,
    #[serde(flatten)]
    verdict: Verdict,
    /// Runs whose output is kept.
    runs: Vec<u64>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    match &arguments.verb {
        Verb::List(on) => on_machine(on, global, |machine| list(machine, global)),
        Verb::Logs(logs) => on_machine(&logs.on, global, |machine| show_log(machine, logs)),
        Verb::Lint(lint) => advise(lint, global),
    }
}

fn on_machine(on: &Where, global: &Global, act: impl Fn(&Machine) -> Result<Exit, ProbeError>) -> Exit {
    match source::machine(on.root.as_deref(), global) {
        Ok(machine) => act(&machine).unwrap_or_else(|error| source::failed(&error.to_string())),
        Err(refusal) => refusal.tell(global),
    }
}

/// Where verdicts are.
const VERDICTS: &str = "/var/lib/fitout/state/scripts";

fn scripts(on: &Machine) -> Result<Vec<Script>, ProbeError> {
    let files = names(on, VERDICTS)?;
    let mut found = Vec::new();
    for name in files.iter().filter_map(|file| file.strip_suffix(".json")) {
        let path = Verdict::path(name)?;
        if let Some(bytes) = on.read(&path)? {
            found.push(Script { name: name.to_owned(), verdict: unseal(&path, &bytes)?, runs: Verdict::runs(on, name)? });
        }
    }
    Ok(found)
}

fn list(on: &Machine, global: &Global) -> Result<Exit, ProbeError> {
    let found = scripts(on)?;
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "scripts": found})),
        Form::Human if found.is_empty() => say("No script ran here."),
        Form::Human => output::data(&found.iter().map(line).collect::<String>()),
    }
    Ok(Exit::Done)
}

fn line(script: &Script) -> String {
    let (verdict, took) = (&script.verdict, format!("{} s", script.verdict.seconds));
    let colour = if verdict.status == 0 { Paint::Green } else { Paint::Red };
    let outcome = if verdict.is_open() { "at work, or cut short" } else { &verdict.outcome };
    format!("{:9} run {:<3} {:>6}  {}\n", script.name, verdict.run, took, paint_data(colour, outcome))
}

fn show_log(on: &Machine, logs: &Logs) -> Result<Exit, ProbeError> {
    let is_name = !logs.name.contains('/') && !logs.name.starts_with('.');
    let kept = if is_name { Verdict::runs(on, &logs.name)? } else { Vec::new() };
    let Some(number) = logs.run.map_or_else(|| kept.last().copied(), |wanted| kept.iter().copied().find(|run| *run == wanted)) else {
        let known: Vec<String> = kept.iter().map(ToString::to_string).collect();
        let (message, hint) = match logs.run {
            Some(run) if !kept.is_empty() => (format!("no output of run {run} is kept"), format!("kept are {}", known.join(", "))),
            _ => (format!("no output of a script {} is kept", logs.name), "`fitout script list` shows those that ran".to_owned()),
        };
        complain(&message, Some(&hint));
        return Ok(Exit::NoInput);
    };
    let at = Verdict::log(&logs.name, number)?;
    output::data(&String::from_utf8_lossy(&on.read(&at)?.unwrap_or_default()));
    Ok(Exit::Done)
}

fn advise(arguments: &Lint, global: &Global) -> Exit {
    let mut found: Vec<(String, Advice)> = Vec::new();
    for file in &arguments.files {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => found.extend(lint(&text).into_iter().map(|advice| (name.clone(), advice))),
            Err(error) => {
                complain(&format!("cannot read {name}: {error}"), None);
                return Exit::NoInput;
            }
        }
    }
    let is_clean = found.is_empty();
    let shown = |(file, advice): &(String, Advice)| {
        format!("{file}:{}: {} [{}]\n  {}\n  hint: {}\n", advice.line, advice.what, advice.rule, advice.text.trim(), advice.hint)
    };
    match global.output {
        Form::Json => {
            let found: Vec<_> = found.iter().map(|(file, advice)| serde_json::json!({"file": file, "advice": advice})).collect();
            output::json(&serde_json::json!({"version": 1, "clean": is_clean, "advice": found}));
        }
        Form::Human if is_clean => say("Nothing to mend."),
        Form::Human => output::data(&found.iter().map(shown).collect::<String>()),
    }
    if is_clean { Exit::Done } else { Exit::NotClean }
}
