//! `fitout script`: the owner's scripts, what became of them, and what they printed.

use super::ending;
use super::output::{self, Paint, complain, paint, paint_data, say};
use super::source::{self, Purpose, Refusal};
use super::{Exit, Form, Global};
use crate::lint::{Advice, lint, shellchecked};
use crate::model::{Network, Span, TargetPath};
use crate::resolve::Permission;
use crate::session::{self, SessionError};
use crate::step::{Cmd, Gate, OnFailure, Op, ScriptRun, ScriptSource};
use crate::store::Store;
use crate::target::{
    Ending, HostTool, Machine, OpError, Patience, Probe, ProbeError, Progress, Silent, Standing, Target, Verdict, run_host,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `fitout script`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run one script of a manifest now, whatever became of it earlier
    Run(Now),
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
#[command(after_help = "\
Exits with 0 where it succeeded or had nothing to do (`creates`, `unless`), with 1 where it did not.

Examples:
  sudo fitout script run startup
  sudo fitout script run creation -f lab.yaml --root /srv/root -o json")]
struct Now {
    /// Which
    #[arg(value_name = "NAME", value_parser = ["creation", "startup"])]
    name: String,
    /// The manifest: a file, or - for standard input; without it, the one installed on the machine
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    on: Where,
    /// Another value for a field of the manifest, such as name=lab-b
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Open no connection: a script that is fetched must be in the cache
    #[arg(long)]
    offline: bool,
    /// How long to wait for another Fitout
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = Span::parse)]
    lock_timeout: Span,
    /// Show what would be run, and run nothing
    #[arg(long)]
    dry_run: bool,
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
#[command(after_help = "\
Exits with 2 where there is anything to mend. Where shellcheck is installed, its errors and warnings stand among the rest.

Examples:
  fitout script lint setup.sh
  fitout script lint -o json setup-scripts/*.sh")]
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
    standing: Standing,
    /// How it ended, or where it stands, in words.
    told: String,
    /// Runs whose output is kept.
    runs: Vec<u64>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    match &arguments.verb {
        Verb::Run(now) => ending::cleanly(|| run_now(now, global).unwrap_or_else(|refusal| refusal.tell(global))),
        Verb::List(on) => on_machine(on, global, |machine| list(machine, global)),
        Verb::Logs(logs) => on_machine(&logs.on, global, |machine| show_log(machine, logs, global)),
        Verb::Lint(lint) => advise(lint, global),
    }
}

fn on_machine(on: &Where, global: &Global, act: impl Fn(&Machine) -> Result<Exit, ProbeError>) -> Exit {
    match source::machine(on.root.as_deref(), global) {
        Ok(machine) => act(&machine).unwrap_or_else(|error| source::failed(&error.to_string())),
        Err(refusal) => refusal.tell(global),
    }
}

/// Tells a person what a script prints, while it does.
struct Told;

impl Progress for Told {
    fn line(&self, text: &str) {
        say(text);
    }

    fn advance(&self, _: u64, _: u64) {}
}

fn run_now(now: &Now, global: &Global) -> Result<Exit, Refusal> {
    let machine = source::machine(now.on.root.as_deref(), global)?;
    if now.dry_run {
        let found = wanted(now, &machine, global)?.map(|(run, _)| would(&run, global));
        return Ok(found.map_or(Exit::NoInput, |()| Exit::Done));
    }
    if !nix::unistd::geteuid().is_root() {
        complain("only root may run a machine's scripts", Some("use sudo, or look with --dry-run"));
        return Ok(Exit::NotRoot);
    }
    machine.be_patient(Patience { run: now.lock_timeout, ..Patience::default() });
    let waiting = |holder: &str| say(&format!("waiting for {holder}, which is at work on this machine …"));
    let _lock = machine.lock_in_time(&waiting).map_err(SessionError::from)?;
    // Until then another run may have changed anything, the manifest too.
    let Some((run, network)) = wanted(now, &machine, global)? else { return Ok(Exit::NoInput) };
    if let Some(busy) = at_work(&machine, &now.name).map_err(SessionError::from)? {
        complain(&busy, Some("`fitout script list` shows how it ends"));
        return Ok(Exit::Locked);
    }
    if let Some(made) = run.creates.as_ref().filter(|path| machine.stat(path).is_ok_and(|stat| stat.is_some())) {
        return Ok(nothing_to_do(&now.name, made, global));
    }
    let permission = if now.offline { Permission::Forbidden } else { Permission::Allowed };
    let op = Op::RunScript(ScriptRun { gate: Gate::Ready, on_failure: OnFailure::Fail, ..run });
    session::supply(&Store::at(&global.cache), &op, (permission, &network), &Told)?;
    let done = machine.perform(&op, &Told);
    judge(&machine, &now.name, done, global)
}

/// The script that is meant, and the network by which it is fetched; where the manifest has none, it is told.
fn wanted(now: &Now, on: &Arc<Machine>, global: &Global) -> Result<Option<(ScriptRun, Network)>, Refusal> {
    let manifest = source::wanted(on, now.file.as_deref(), &now.set, if now.dry_run { Purpose::Look } else { Purpose::Act })?;
    source::warn(&manifest, global);
    let (found, network) = session::script(&manifest, &now.name, on.as_ref())?;
    if found.is_none() {
        let hint = format!("it would be under `setup_scripts`, as `{}_script`", now.name);
        complain(&format!("the manifest has no {} script", now.name), Some(&hint));
    }
    Ok(found.map(|run| (run, network)))
}

/// Says of a run that is at work that it is.
fn at_work(on: &Machine, name: &str) -> Result<Option<String>, ProbeError> {
    let Some(verdict) = Verdict::read(on, name)? else { return Ok(None) };
    let process = verdict.process.as_ref().map_or(0, |process| process.pid);
    let at_work = verdict.standing(on)? == Standing::AtWork;
    Ok(at_work.then(|| format!("the {name} script is at work already: run {}, process {process}", verdict.run)))
}

fn nothing_to_do(name: &str, made: &TargetPath, global: &Global) -> Exit {
    match global.output {
        Form::Json => {
            let outcome = format!("nothing to do: {made} is there");
            output::json(&json!({"version": 1, "name": name, "ran": false, "outcome": outcome}));
        }
        Form::Human => say(&format!("{name}: nothing to do: {made} is there")),
    }
    Exit::Done
}

fn judge(on: &Machine, name: &str, done: Result<(), OpError>, global: &Global) -> Result<Exit, Refusal> {
    let verdict = Verdict::read(on, name).map_err(SessionError::from)?.filter(|verdict| !verdict.is_open());
    let exit = if done.is_ok() { Exit::Done } else { Exit::Failed };
    let Some(verdict) = verdict else {
        return done.map(|()| exit).map_err(|error| SessionError::Own(error).into());
    };
    match global.output {
        Form::Json => {
            let ran = verdict.ending != Some(Ending::Needless);
            output::json(&json!({"version": 1, "name": name, "ran": ran, "script": verdict}));
        }
        Form::Human => {
            let colour = if exit == Exit::Done { Paint::Green } else { Paint::Red };
            say(&format!("{name}: {} (run {}, {} s)", paint(colour, &verdict.outcome), verdict.run, verdict.seconds));
        }
    }
    if let Err(OpError { hint: Some(hint), .. }) = done {
        say(&format!("{} {hint}", paint(Paint::Bold, "hint:")));
    }
    Ok(exit)
}

fn would(run: &ScriptRun, global: &Global) {
    let from = match &run.source {
        ScriptSource::Text(text) if text.lines().count() == 1 => "one line".to_owned(),
        ScriptSource::Text(text) => format!("{} lines", text.lines().count()),
        ScriptSource::Download(blob) => blob.url.clone(),
        ScriptSource::Share { file, .. } => file.to_string(),
    };
    let command = Cmd::new(run.argv.iter().cloned()).display();
    match global.output {
        Form::Json => output::json(&json!({
            "version": 1, "name": run.name, "script": from, "command": run.argv, "user": run.user, "directory": run.directory,
            "timeout": run.timeout, "creates": run.creates, "unless": run.unless, "environment": run.env,
        })),
        Form::Human => {
            let mut lines =
                format!("{}: would run `{command}` ({from}) as {} in {}, for at most {}\n", run.name, run.user, run.directory, run.timeout);
            lines.extend(run.creates.iter().map(|path| format!("  unless {path} is there\n")));
            lines.extend(run.unless.iter().map(|words| format!("  unless `{}` succeeds\n", Cmd::new(words.iter().cloned()).display())));
            output::data(&lines);
        }
    }
}

fn scripts(on: &Machine) -> Result<Vec<Script>, ProbeError> {
    let of = |(name, verdict): (String, Verdict)| {
        let (standing, told, runs) = (verdict.standing(on)?, verdict.told(on)?, Verdict::runs(on, &name)?);
        Ok(Script { name, verdict, standing, told, runs })
    };
    Verdict::all(on)?.into_iter().map(of).collect()
}

fn list(on: &Machine, global: &Global) -> Result<Exit, ProbeError> {
    let found = scripts(on)?;
    match global.output {
        Form::Json => output::json(&json!({"version": 1, "scripts": found})),
        Form::Human if found.is_empty() => say("No script ran here."),
        Form::Human => output::data(&found.iter().map(line).collect::<String>()),
    }
    Ok(Exit::Done)
}

fn line(script: &Script) -> String {
    let (verdict, took) = (&script.verdict, format!("{} s", script.verdict.seconds));
    let colour = match (script.standing, verdict.status) {
        (Standing::AtWork, _) | (Standing::Ended, 0) => Paint::Green,
        (Standing::Ended | Standing::Interrupted | Standing::Rebooted, _) => Paint::Red,
    };
    format!("{:9} run {:<3} {:>6}  {}\n", script.name, verdict.run, took, paint_data(colour, &script.told))
}

fn show_log(on: &Machine, logs: &Logs, global: &Global) -> Result<Exit, ProbeError> {
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
    let bytes = on.read(&at)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    match global.output {
        Form::Json => output::json(&json!({"version": 1, "name": logs.name, "run": number, "log": text})),
        Form::Human => output::data(&text),
    }
    Ok(Exit::Done)
}

/// What shellcheck warns of, where it is installed. A script without a first line for another shell is bash's, which runs it.
fn shellcheck(file: &Path, text: &str) -> Vec<Advice> {
    let Ok(place) = file.canonicalize() else { return Vec::new() };
    let mut argv = vec!["shellcheck".to_owned(), "--format=json1".into(), "--severity=warning".into()];
    argv.extend((!text.starts_with("#!")).then(|| "--shell=bash".to_owned()));
    argv.extend(["--".to_owned(), place.display().to_string()]);
    let said = run_host(&HostTool { argv, env: Vec::new(), directory: "/".into() }, &Silent);
    said.ok().and_then(|output| shellchecked(text, &output.stdout)).unwrap_or_default()
}

fn advise(arguments: &Lint, global: &Global) -> Exit {
    let mut found: Vec<(String, Advice)> = Vec::new();
    for file in &arguments.files {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let mut advice = lint(&text);
                advice.extend(shellcheck(file, &text));
                advice.sort_by_key(|advice| advice.line);
                found.extend(advice.into_iter().map(|advice| (name.clone(), advice)));
            }
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
            let found: Vec<_> = found.iter().map(|(file, advice)| json!({"file": file, "advice": advice})).collect();
            output::json(&json!({"version": 1, "clean": is_clean, "advice": found}));
        }
        Form::Human if is_clean => say("Nothing to mend."),
        Form::Human => output::data(&found.iter().map(shown).collect::<String>()),
    }
    if is_clean { Exit::Done } else { Exit::NotClean }
}
