//! `fitout doctor`: what a person should know of a machine, and who else has a hand in it.

use super::output::{self, Paint, paint_data};
use super::source::{self, Refusal, Which};
use super::{Exit, Form, Global, outside};
use crate::doctor::{Finding, Level, examine};
use crate::session::{Ill, SessionError, ills};
use clap::Args;

/// Arguments of `fitout doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Looks, and changes nothing. With a manifest (named, or installed on the machine) it also tells what other programs, such as cloud-init, \
would undo of it.

Exits with 2 where there is a warning.")]
#[command(mut_arg("file", |file| {
    file.help("The manifest: a file, or - for standard input; without it, the one installed on the machine, if there is one")
}))]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let found = match look(arguments, global) {
        Ok(found) => found,
        Err(refusal) => return refusal.tell(global),
    };
    let is_healthy = found.iter().all(|one| one.level < Level::Warning);
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "healthy": is_healthy, "findings": found})),
        Form::Human => output::data(&show(&found)),
    }
    if is_healthy { Exit::Done } else { Exit::NotClean }
}

fn look(arguments: &Arguments, global: &Global) -> Result<Vec<Finding>, Refusal> {
    let machine = source::machine(arguments.which.root.as_deref(), global)?;
    // What Fitout keeps is root's to read.
    let ills = if nix::unistd::geteuid().is_root() { ills(&machine).map_err(SessionError::Probe)? } else { Vec::new() };
    let named = match &arguments.which.file {
        None if !ills.is_empty() => Vec::new(),
        file => source::named_by(&machine, file.as_deref(), &arguments.which.set)?,
    };
    let ill = |ill: Ill| Finding::new("fitout", Level::Warning, ill.found).hint(ill.hint);
    Ok(examine(machine.as_ref(), &named).into_iter().chain(ills.iter().map(outside::ill).map(ill)).collect())
}

fn show(found: &[Finding]) -> String {
    let width = found.iter().map(|one| one.about.len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for one in found {
        let word = match one.level {
            Level::Fine => paint_data(Paint::Green, "ok     "),
            Level::Note => paint_data(Paint::Bold, "note   "),
            Level::Warning => paint_data(Paint::Yellow, "warning"),
        };
        lines.push(format!("{word}  {:width$}  {}", one.about, one.found));
        let below = |text: String| format!("{:9}{:width$}  {text}", "", "");
        if !one.concerns.is_empty() {
            let ids: Vec<String> = one.concerns.iter().map(ToString::to_string).collect();
            lines.push(below(format!("the manifest names: {}", shortened(&ids))));
        }
        lines.extend(one.hint.iter().map(|hint| below(format!("hint: {hint}"))));
    }
    let count = |level| found.iter().filter(|one| one.level == level).count();
    lines.push(format!("{} well, {} to note, {} to mend", count(Level::Fine), count(Level::Note), count(Level::Warning)));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// As many as a line takes.
const SHOWN: usize = 5;

fn shortened(ids: &[String]) -> String {
    let more = ids.len().saturating_sub(SHOWN);
    let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{tail}", ids.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
}
