//! `fitout reset`: forgets what Fitout remembers of a machine, and leaves what it made.

use super::output::{self, say};
use super::source::{self, Refusal};
use super::{Exit, Form, Global};
use crate::journal::{KEPT, forget, memories};
use crate::session::SessionError;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `fitout reset`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --yes nothing is removed.

Examples:
  fitout reset
  fitout reset --yes --root /srv/root")]
pub struct Arguments {
    /// Remove it
    #[arg(long)]
    yes: bool,
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    if arguments.yes && !nix::unistd::geteuid().is_root() {
        output::complain("only root may remove what Fitout remembers of a machine", Some("use sudo"));
        return Exit::NotRoot;
    }
    reset(arguments, global).map_or_else(|refusal| refusal.tell(global), |()| Exit::Done)
}

fn reset(arguments: &Arguments, global: &Global) -> Result<(), Refusal> {
    let target = source::machine(arguments.root.as_deref(), global)?;
    let found = memories(target.as_ref()).map_err(SessionError::Probe)?;
    if arguments.yes && !found.is_empty() {
        let _lock = target.lock().map_err(SessionError::Lock)?;
        forget(target.as_ref(), &found).map_err(Refusal::Own)?;
    }
    if global.output == Form::Json {
        output::json(&serde_json::json!({"version": 1, "removed": arguments.yes, "memories": found}));
        return Ok(());
    }
    let width = found.iter().map(|memory| memory.path.len()).max().unwrap_or_default();
    for memory in &found {
        output::data(&format!("{:width$}  {}\n", memory.path, memory.what));
    }
    match (found.is_empty(), arguments.yes) {
        (true, _) => say("Fitout remembers nothing of this machine."),
        (false, true) => say(&format!("Removed. {KEPT}")),
        (false, false) => say(&format!("Nothing was removed; `fitout reset --yes` removes this. {KEPT}")),
    }
    Ok(())
}
