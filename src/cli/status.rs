//! `fitout status`: how a machine is, in a few lines.

use super::output::{self, Paint, paint_data};
use super::{Exit, Form, Global, REPAIR, outside, source};
use crate::agent::Page;
use crate::apply::Counts;
use crate::journal;
use crate::model::TargetPath;
use crate::resource::{self, Guard, PRESENT};
use crate::session::{Ill, MANIFEST, ills, known_drift};
use crate::target::{Machine, Probe, ProbeError, Records, Verdict, reboot_required};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `fitout status`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// What to do about a report that cannot be read.
const UNREAD: &str = "no work depends on it; `fitout history` tells of the other runs";
/// What to do about a guard that cannot be checked.
const UNGUARDED: &str = "see to its file system, or take it out of `disk.guards`";

/// How a machine is.
#[derive(Debug, Serialize)]
struct Status {
    version: u32,
    agent: Option<Page>,
    manifest: Option<String>,
    /// Process and command of the run that is at work.
    running: Option<String>,
    last_run: Option<u64>,
    counts: Option<Counts>,
    failed: Vec<String>,
    too_full: Vec<String>,
    /// The packages that ask for a restart, where one is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reboot_required: Option<Vec<String>>,
    /// What keeps Fitout from its work.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ills: Vec<Ill>,
    /// What people changed, as the last apply or verify found it.
    drift: Vec<String>,
    /// Scripts that are at work, or whose last run did not succeed, and what is to be said of each.
    scripts: BTreeMap<String, String>,
    /// Environments to which people added packages.
    added: BTreeMap<String, Vec<String>>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let target = match source::machine(arguments.root.as_deref(), global) {
        Ok(target) => target,
        Err(refusal) => return refusal.tell(global),
    };
    let status = match look(&target) {
        Ok(status) => status,
        Err(error) => return source::failed(&error.to_string()),
    };
    match global.output {
        Form::Json => output::json(&status),
        Form::Human => output::data(&show(&status)),
    }
    if status.is_healthy() { Exit::Done } else { Exit::NotClean }
}

impl Status {
    fn is_healthy(&self) -> bool {
        let clean =
            self.ills.is_empty() && self.failed.is_empty() && self.too_full.is_empty() && self.drift.is_empty() && !self.is_cut_short();
        clean && self.agent.as_ref().is_none_or(Page::is_healthy)
    }

    /// Whether the last run ended without a report, and nobody goes on with it.
    const fn is_cut_short(&self) -> bool {
        self.last_run.is_some() && self.counts.is_none() && self.running.is_none()
    }
}

fn look(machine: &Arc<Machine>) -> Result<Status, ProbeError> {
    let on = machine.as_ref();
    let link = TargetPath::parse(MANIFEST).map_err(|e| ProbeError::new("use a path", e))?;
    let manifest = on.stat(&link)?.map(|stat| stat.link.unwrap_or_else(|| MANIFEST.into()));
    // Runs hold what programs printed: they are root's to read.
    let is_root = nix::unistd::geteuid().is_root();
    // Asked before its report is looked for: a run that ends between the two was not cut short.
    let running = if is_root { on.at_work()? } else { None };
    let (last, drift) = if is_root {
        (journal::last(on), known_drift(on)?)
    } else {
        journal::told(on)?.map_or((Ok(None), Vec::new()), |told| (Ok(told.last), told.drift))
    };
    let mut ills = if is_root { ills(machine)? } else { Vec::new() };
    let last = last.unwrap_or_else(|error| {
        ills.push(Ill { found: format!("how the last run ended cannot be told: {error}"), hint: UNREAD.into() });
        None
    });
    let mut too_full = Vec::new();
    for guard in Guard::all(on)? {
        match on.space(&guard.mount) {
            Ok(space) if space.free >= guard.minimum_free => {}
            Ok(_) => too_full.push(guard.mount.to_string()),
            Err(error) => ills.push(Ill { found: format!("a disk guard cannot be checked: {error}"), hint: UNGUARDED.into() }),
        }
    }
    let ills = ills.iter().map(outside::ill).collect();
    let agent = Page::read(on)?;
    let added = if is_root { added_to_environments(on)? } else { BTreeMap::new() };
    // What is remembered may be damaged, which is told as what it is.
    let told = || agent.as_ref().map(|page| page.scripts.clone()).unwrap_or_default();
    let scripts = if is_root { Verdict::worth_a_word(on).unwrap_or_default() } else { told() };
    let reboot_required = reboot_required(on)?;
    let (last_run, counts) = (last.as_ref().map(|last| last.run), last.as_ref().and_then(|last| last.counts));
    let failed = last.map(|last| last.failed).unwrap_or_default();
    Ok(Status { version: 1, agent, manifest, running, last_run, counts, failed, too_full, reboot_required, ills, drift, scripts, added })
}

/// What people added to the environments that Fitout made.
fn added_to_environments(on: &Machine) -> Result<BTreeMap<String, Vec<String>>, ProbeError> {
    let mut all = BTreeMap::new();
    // What is remembered may be damaged, which is told as what it is.
    let records = Records::read(on).unwrap_or_default();
    let environments = records.resources.into_iter().filter(|(id, _)| matches!(id.kind.as_str(), "conda" | "python"));
    for place in environments.filter_map(|(_, record)| record.claims.get(PRESENT).cloned()) {
        let prefix = TargetPath::parse(&place).map_err(|e| ProbeError::new("look at an environment", e))?;
        let added: Vec<String> = resource::added(&prefix, on)?.iter().map(ToString::to_string).collect();
        if !added.is_empty() {
            all.insert(place, added);
        }
    }
    Ok(all)
}

fn show(status: &Status) -> String {
    let word = if status.is_healthy() { paint_data(Paint::Green, "ok") } else { paint_data(Paint::Red, "degraded") };
    let mut lines = vec![format!("status:    {word}")];
    lines.push(format!("agent:     {}", status.agent.as_ref().map_or_else(|| "not running".to_owned(), Page::line)));
    lines.extend(status.agent.iter().flat_map(|page| &page.warnings).map(|warning| format!("note:      {warning}")));
    lines.extend(
        status.agent.iter().filter_map(|page| page.error.as_ref()).map(|error| format!("error:     {}: {}", error.code, error.message)),
    );
    let stops = status.agent.iter().filter_map(|page| page.stops.as_ref());
    lines.extend(stops.clone().filter_map(|stops| stops.notice.as_ref()).map(|notice| format!("notice:    {notice}")));
    lines.extend(stops.filter_map(|stops| stops.put_off_until).map(|until| format!("put off:   no stop before {until:.0}")));
    lines.push(format!("manifest:  {}", status.manifest.as_deref().unwrap_or("none installed")));
    let last = match (status.last_run, &status.counts) {
        (None, _) if !nix::unistd::geteuid().is_root() => "known to root only".to_owned(),
        (None, _) => "none".to_owned(),
        (Some(run), None) if status.running.is_some() => format!("run {run}, not ended yet"),
        (Some(run), None) => format!("run {run}, cut short before its report; `fitout apply` goes on from there"),
        (Some(run), Some(counts)) => format!(
            "run {run}: changed {}, unchanged {}, deferred {}, failed {}, skipped {}",
            counts.changed, counts.unchanged, counts.deferred, counts.failed, counts.skipped
        ),
    };
    lines.extend(status.running.iter().map(|holder| format!("running:   {holder}")));
    lines.push(format!("last run:  {last}"));
    lines.extend(status.reboot_required.iter().map(|packages| format!("restart:   {}", super::apply::restart(packages))));
    lines.extend(status.ills.iter().map(|ill| format!("trouble:   {}; {}", ill.found, ill.hint)));
    lines.extend(status.failed.iter().map(|id| format!("failed:    {id} (`fitout why {id}`)")));
    lines.extend(status.scripts.iter().map(|(name, told)| format!("script:    {name}: {told} (`fitout script logs {name}`)")));
    lines.extend(status.too_full.iter().map(|mount| format!("too full:  {mount} (`fitout disk`)")));
    lines.extend(status.drift.iter().map(|what| format!("drifted:   {what} (`fitout verify` looks again)")));
    lines.extend((!status.drift.is_empty()).then(|| format!("note:      {REPAIR}")));
    lines.extend(status.added.iter().map(|(place, added)| format!("added:     {place}: {}", added.join(", "))));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
