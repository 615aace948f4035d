//! `fitout apply`: does the work, and ends with a recap.

use super::output::{self, Paint, paint, say};
use super::saved::{self, Saved};
use super::source::{self, Becomes, Opened};
use super::ssh::tell_pending;
use super::{Exit, Form, Global, Ground, REPAIR, outside, progress};
use crate::agent::Page;
use crate::apply::{Observers, Outcome, RunReport};
use crate::journal::Journal;
use crate::model::{ResourceId, Span};
use crate::session::{First, SessionError};
use crate::step::Ability;
use crate::target::{Machine, Patience, Probe, Verdict};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `fitout apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitout apply -f lab.yaml --install
  fitout plan -f lab.yaml --out lab.plan && fitout apply lab.plan")]
pub struct Arguments {
    /// A plan of `fitout plan --out`: perform its steps and no others; refused where the machine or the manifest moved since
    #[arg(value_name = "PLAN", conflicts_with_all = ["file", "root", "set", "repair", "locked", "offline", "install", "dry_run"])]
    plan: Option<PathBuf>,
    #[command(flatten)]
    ground: Ground,
    /// Make FILE the machine's manifest, and Fitout a service of the machine that keeps to it from the next start on
    #[arg(long)]
    install: bool,
    /// How long to wait for another Fitout, and for who else works on packages
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = Span::parse)]
    lock_timeout: Span,
    /// How long one transaction of packages may take before it is ended
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = Span::parse)]
    install_timeout: Span,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    const fn becomes(&self) -> Becomes {
        if self.install { Becomes::Installed } else { Becomes::Nothing }
    }
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    if arguments.dry_run {
        return super::plan::run_for(&arguments.ground, global, arguments.becomes());
    }
    if !nix::unistd::geteuid().is_root() {
        output::complain("only root may change a machine", Some("run `sudo fitout apply`, or look with `fitout plan`"));
        return Exit::NotRoot;
    }
    let saved = match arguments.plan.as_deref().map(saved::read).transpose() {
        Ok(saved) => saved,
        Err(refusal) => return refusal.tell(global),
    };
    let ground = saved.as_ref().map_or(&arguments.ground, |saved| &saved.ground);
    let becomes = saved.as_ref().map_or_else(|| arguments.becomes(), Saved::becomes);
    let (lock, packages) = (arguments.lock_timeout, arguments.install_timeout);
    let opened = source::machine(ground.root.as_deref(), global).and_then(|machine| {
        machine.be_patient(Patience { run: lock, lock, packages });
        source::open_alone(machine, ground, global, becomes)
    });
    let (Opened { session, manifest }, alone) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return refusal.tell(global),
    };
    let mut watching = progress::observers(global);
    watching.push(Box::new(Journal::new(Arc::<Machine>::clone(&session.target))));
    let observers = Observers::new(watching);
    if saved.as_ref().is_some_and(|saved| saved.installs != manifest.digest()) {
        let moved = vec!["the manifest is not the text that was looked at".to_owned()];
        return source::Refusal::from(SessionError::Moved(moved)).tell(global);
    }
    let install: First<'_> = &|on| manifest.install(on);
    let result = session.apply_after(&alone, install, saved.as_ref().map(|saved| &saved.steps), &observers);
    let (report, run) = match result {
        Ok(done) => done,
        Err(error) => return source::Refusal::from(error).tell(global),
    };
    let over = report.resources.iter().filter(|one| one.outcome != Outcome::Failed).map(|one| &one.id);
    let scripts = unhappy(session.target.as_ref(), over);
    match global.output {
        Form::Json => output::json(&Document { report: &report, scripts }),
        Form::Human => {
            say(&recap(&report, run));
            if !ground.repair && report.resources.iter().any(|one| !one.drift.is_empty()) {
                say(&format!("{} {REPAIR}", paint(Paint::Yellow, "note:")));
            }
            warn(&scripts);
            if let Err(error) = tell_pending(session.target.as_ref()) {
                output::complain(&outside::told(&error.to_string()), None);
            }
            for what in session.released() {
                say(&format!("{} {what} is no longer in the manifest; what is there stays", paint(Paint::Yellow, "note:")));
            }
            if becomes == Becomes::Installed {
                installed(session.target.as_ref(), &report);
            }
            if arguments.ground.file.is_some() && becomes == Becomes::Nothing && report.is_whole() {
                say("Applied once; with --install it becomes the machine's manifest.");
            }
        }
    }
    ended(&report)
}

/// What a run comes to; one that a signal ended before all was done comes to that signal.
fn ended(report: &RunReport) -> Exit {
    if report.is_whole() {
        Exit::Done
    } else if report.lacks_room() {
        Exit::DiskFloor
    } else {
        Exit::Failed
    }
}

/// Tells of scripts that did not succeed, although nothing failed.
fn warn(scripts: &BTreeMap<String, String>) {
    for (name, told) in scripts {
        say(&format!("{} the {name} script: {told} (`fitout script logs {name}`)", paint(Paint::Yellow, "warning:")));
    }
}

/// Says that the manifest is installed although not all of it is done, or when the agent begins, where it does not run already.
fn installed(on: &Machine, report: &RunReport) {
    if !report.is_whole() {
        let more = "it is the machine's manifest now, though not all of it is done: `fitout apply` tries again";
        return say(&format!("{} {more}", paint(Paint::Yellow, "note:")));
    }
    if Page::read(on).is_ok_and(|page| page.is_some()) {
        return;
    }
    let now = if on.has(Ability::RunningSystem) { ", or now with `systemctl start fitout-agent`" } else { "" };
    say(&format!("Installed; the agent starts at the next boot{now}."));
}

/// A report, and the scripts that did not succeed although nothing failed.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a RunReport,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    scripts: BTreeMap<String, String>,
}

/// Those of the scripts whose last run did not succeed, and how it ended: where their manifest says to go on, nothing else tells of it.
pub fn unhappy<'a>(on: &Machine, ids: impl Iterator<Item = &'a ResourceId>) -> BTreeMap<String, String> {
    let names = ids.filter(|id| id.kind == "script").map(|id| &id.name);
    let verdict = |name: &String| {
        let verdict = Verdict::read(on, name).ok().flatten().filter(|verdict| verdict.status != 0 && !verdict.is_open())?;
        Some((name.clone(), verdict.outcome))
    };
    names.filter_map(verdict).collect()
}

/// How many of the slowest are named.
const SLOWEST: usize = 5;
/// What took less is not worth naming.
const WORTH_MILLISECONDS: u64 = 100;

/// That a machine waits for a restart, and which packages ask for it.
pub fn restart(packages: &[String]) -> String {
    let by = if packages.is_empty() { String::new() } else { format!(" ({} asked for it)", packages.join(", ")) };
    format!("this machine must be restarted{by}")
}

/// The last lines of a run.
pub fn recap(report: &RunReport, run: Option<u64>) -> String {
    let counts = report.counts;
    let number = |name: &str, count: usize, colour: Paint| {
        let text = format!("{name} {count}");
        if count == 0 { text } else { paint(colour, &text) }
    };
    let parts = [
        number("changed", counts.changed, Paint::Green),
        number("unchanged", counts.unchanged, Paint::Dim),
        number("deferred", counts.deferred, Paint::Dim),
        number("failed", counts.failed, Paint::Red),
        number("skipped", counts.skipped, Paint::Yellow),
    ];
    let seconds = std::time::Duration::from_millis(report.milliseconds).as_secs_f64();
    let mut lines = vec![format!("\n{} in {seconds:.1} s", parts.join(", "))];
    let mut slow: Vec<_> = report.resources.iter().filter(|one| one.milliseconds >= WORTH_MILLISECONDS && !one.steps.is_empty()).collect();
    slow.sort_by_key(|one| std::cmp::Reverse(one.milliseconds));
    if slow.len() > 1 {
        let named = slow
            .iter()
            .take(SLOWEST)
            .map(|one| format!("{} {:.1} s", one.id, std::time::Duration::from_millis(one.milliseconds).as_secs_f64()));
        lines.push(format!("slowest: {}", named.collect::<Vec<_>>().join(", ")));
    }
    for said in report.resources.iter().flat_map(|one| one.drift.iter().chain(&one.notes)) {
        lines.push(format!("{} {said}", paint(Paint::Yellow, "note:")));
    }
    if let Some(packages) = &report.reboot_required {
        lines.push(format!("{} {}; what waits for it goes on after it", paint(Paint::Yellow, "note:"), restart(packages)));
    }
    if let Some(signal) = &report.ended_by {
        let more = if run.is_some() { "; `fitout apply` goes on from there" } else { "" };
        lines.push(format!("{signal} ended this run early{more}."));
    } else if let (Some(run), true) = (run, counts.failed > 0) {
        lines.push(format!("This was run {run}; `fitout why` explains what failed."));
    }
    lines.join("\n")
}
