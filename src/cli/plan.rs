//! `fitout plan`: the forecast.

use super::output::{self, Paint, paint_data};
use super::source::{self, Becomes, Held, Opened, Purpose, Refusal};
use super::{Exit, Form, Global, Ground, REPAIR, saved};
use crate::plan::{DiskPlan, Plan, Planned};
use crate::session::{Approved, SessionError};
use crate::step::{Change, Step, Sure};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `fitout plan`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    ground: Ground,
    /// Exit with 2 where there are steps to perform
    #[arg(long)]
    detailed_exitcode: bool,
    /// Show what `apply --install` would do: what the installed manifest names and FILE does not is released or deleted
    #[arg(long)]
    install: bool,
    /// Write the plan to FILE, for `fitout apply FILE`: it performs these steps and no others
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A plan, and why `apply` would refuse it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    refused: Option<String>,
}

/// The plan of `apply --dry-run`.
pub fn run_for(ground: &Ground, global: &Global, becomes: Becomes) -> Exit {
    planned(ground, global, becomes).map_or_else(|exit| exit, |_| Exit::Done)
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let may_be_saved = arguments.out.as_ref().map_or(Ok(()), |out| saved::may_be_saved(&arguments.ground, out, global));
    match may_be_saved.and_then(|()| saved_plan(arguments, global)) {
        Ok(plan) if arguments.detailed_exitcode && !plan.is_clean() => Exit::NotClean,
        Ok(_) => Exit::Done,
        Err(exit) => exit,
    }
}

/// Makes and prints the plan, and saves it where that is asked for.
fn saved_plan(arguments: &Arguments, global: &Global) -> Result<Plan, Exit> {
    let becomes = if arguments.install { Becomes::Installed } else { Becomes::Nothing };
    let (plan, manifest) = planned(&arguments.ground, global, becomes)?;
    if let Some(out) = &arguments.out {
        saved::save(out, &arguments.ground, manifest.digest(), Approved::of(&plan))?;
        let installs = if arguments.install { ", and makes this manifest the machine's" } else { "" };
        output::say(&format!("Saved; `fitout apply {}` performs these steps and no others{installs}.", out.display()));
    }
    Ok(plan)
}

/// Makes and prints the plan; a plan that cannot be carried out is an error.
fn planned(ground: &Ground, global: &Global, becomes: Becomes) -> Result<(Plan, Held), Exit> {
    let opened = source::open(ground, global, becomes, Purpose::Look);
    let (plan, manifest) = match opened.and_then(|Opened { session, manifest }| Ok((session.plan()?, manifest))) {
        Ok(looked) => looked,
        Err(refusal) => return Err(refusal.tell(global)),
    };
    let refused = SessionError::of_plan(&plan);
    let repairs = if ground.repair { None } else { Some(REPAIR) };
    match global.output {
        Form::Json => output::json(&Document { plan: &plan, refused: refused.as_ref().map(ToString::to_string) }),
        Form::Human => output::data(&show(&plan, repairs)),
    }
    if let Some(refused) = refused {
        return Err(Refusal::from(refused).tell(global));
    }
    let mut problems = plan.resources.iter().filter_map(|planned| planned.problem.as_ref()).peekable();
    if problems.peek().is_none() {
        return Ok((plan, manifest));
    }
    Err(problems.find(|problem| source::is_denied(problem)).map_or(Exit::Failed, |denied| source::failed(denied)))
}

fn painted(step: &Step) -> String {
    let paint = match step.change {
        Change::Add => Paint::Green,
        Change::Modify | Change::Replace | Change::Check => Paint::Yellow,
        Change::Remove => Paint::Red,
    };
    paint_data(paint, &format!("{:>3}", step.change.sign()))
}

fn show_one(planned: &Planned) -> Vec<String> {
    let mut lines = Vec::new();
    let said = [&planned.drift, &planned.notes];
    if planned.steps.is_empty() && planned.deferred.is_empty() && planned.problem.is_none() && said.iter().all(|said| said.is_empty()) {
        return lines;
    }
    lines.push(paint_data(Paint::Bold, &planned.id.to_string()));
    if let Some(problem) = &planned.problem {
        lines.push(format!("  {} {problem}", paint_data(Paint::Red, "  !")));
    }
    lines.extend(
        planned.steps.iter().map(|step| format!("  {} {}  {}", painted(step), step.op.summary(), paint_data(Paint::Dim, &step.why))),
    );
    let waits = planned.deferred.iter();
    lines.extend(waits.map(|waits| {
        format!("  {} {}  {}", paint_data(Paint::Dim, "  …"), waits.step.op.summary(), paint_data(Paint::Dim, &waits.reason))
    }));
    lines.extend(said.into_iter().flatten().map(|said| format!("  {} {said}", paint_data(Paint::Yellow, "  i"))));
    lines
}

/// What becomes of the room on a guarded file system.
fn room(disk: &DiskPlan) -> String {
    let (mount, after, floor) = (&disk.mount, disk.free_after(), disk.minimum_free);
    match disk.sure {
        Sure::Exactly => format!("{mount}: {after} free after (floor {floor})."),
        Sure::AtMost => format!("{mount}: at least {after} free after (floor {floor})."),
        Sure::Unknown => format!("{mount}: {after} free after, less what cannot be told before (floor {floor}, watched)."),
    }
}

/// That a file system has less room than the work takes.
fn too_little(disk: &DiskPlan) -> String {
    let at_most = if disk.sure == Sure::Exactly { "" } else { "up to " };
    let (takes, mount, free) = (disk.takes, &disk.mount, disk.space.free);
    format!("{} this takes {at_most}{takes} where {mount} will be, and {free} is free there", paint_data(Paint::Yellow, "warning:"))
}

/// The plan as a person reads it, with what can be done about what people changed.
fn show(plan: &Plan, repairs: Option<&str>) -> String {
    let mut lines: Vec<String> = plan.resources.iter().flat_map(show_one).collect();
    if !plan.released.is_empty() {
        lines.push(paint_data(Paint::Bold, "No longer in the manifest; what is there stays"));
        lines.extend(plan.released.iter().map(|what| format!("  {} {what}", paint_data(Paint::Dim, "  i"))));
    }
    let is_drifted = plan.resources.iter().any(|planned| !planned.drift.is_empty());
    lines.extend(repairs.filter(|_| is_drifted).map(|repairs| format!("{} {repairs}", paint_data(Paint::Yellow, "note:"))));
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let tally = plan.tally();
    let mut last = format!("Plan: {} to add, {} to change, {} to remove", tally.add, tally.change, tally.remove);
    if tally.check > 0 {
        let _ = write!(last, ", {} to check", tally.check);
    }
    let _ = write!(last, ", {} deferred.", tally.deferred);
    let broken = plan.resources.iter().filter(|planned| planned.problem.is_some()).count();
    if broken > 0 {
        let _ = write!(last, " {broken} cannot be planned.");
    }
    if plan.download.0 > 0 {
        let _ = write!(last, " Download {}.", plan.download);
    }
    for disk in &plan.disks {
        let _ = write!(last, " {}", room(disk));
    }
    lines.push(paint_data(Paint::Bold, &last));
    lines.extend(plan.short.iter().map(too_little));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
