//! `fitout diff`: what two machines hold, or one then and now, compared.

use super::output::{self, complain, say};
use super::source::{self, Refusal};
use super::{Exit, Form, Global, differences};
use crate::journal::Snapshot;
use crate::session::SessionError;
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `fitout diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Compared are installed packages, users, units that start at boot, environments, and the files that Fitout manages (mode, owner, content). \
Left out is what differs between any two machines or times: logs, caches, times, and files that nobody manages.

Exits with 2 where something differs.

Examples:
  fitout diff /srv/root-a /srv/root-b
  fitout diff --save before.json / && sudo apt-get upgrade && fitout diff before.json /")]
pub struct Arguments {
    /// A root directory (/ is this machine), or a file that --save wrote
    #[arg(value_name = "A")]
    one: PathBuf,
    /// Another
    #[arg(value_name = "B", required_unless_present = "save")]
    other: Option<PathBuf>,
    /// Keep the state of A in FILE instead of comparing
    #[arg(long, value_name = "FILE", conflicts_with = "other")]
    save: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    compare(arguments, global).unwrap_or_else(|refusal| refusal.tell(global))
}

fn compare(arguments: &Arguments, global: &Global) -> Result<Exit, Refusal> {
    let one = state(&arguments.one, global)?;
    let Some(other) = &arguments.other else { return Ok(save(&one, arguments.save.as_deref().unwrap_or_else(|| Path::new("-")), global)) };
    let other = state(other, global)?;
    let found = one.differences(&other);
    match global.output {
        Form::Json => {
            output::json(&serde_json::json!({"version": 1, "digests": [one.digest(), other.digest()], "differences": found}));
        }
        Form::Human => output::data(&differences::show(&found).iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>()),
    }
    if found.is_empty() {
        say(&format!("No difference; both have the digest {}.", one.digest().short()));
        return Ok(Exit::Done);
    }
    let counted = |what: &str, count: usize| format!("{count} {what}");
    let (added, removed) =
        (found.iter().filter(|one| one.before.is_none()).count(), found.iter().filter(|one| one.after.is_none()).count());
    let changed = found.len() - added - removed;
    say(&[counted("only in B", added), counted("only in A", removed), counted("in both but different", changed)].join(", "));
    Ok(Exit::NotClean)
}

/// What a root holds, or held when it was kept.
fn state(at: &Path, global: &Global) -> Result<Snapshot, Refusal> {
    let unread = |cause: String| Refusal::State(at.display().to_string(), cause);
    let meta = at.metadata().map_err(|e| unread(e.to_string()))?;
    if !meta.is_dir() {
        let text = std::fs::read_to_string(at).map_err(|e| unread(e.to_string()))?;
        return serde_json::from_str(&text).map_err(|_| unread("it is no root directory, and no file that --save wrote".into()));
    }
    let is_own = at.canonicalize().is_ok_and(|real| real == Path::new("/"));
    let machine = source::machine((!is_own).then_some(at), global)?;
    Ok(Snapshot::read(&machine).map_err(SessionError::Probe)?)
}

fn save(state: &Snapshot, to: &Path, global: &Global) -> Exit {
    let written = serde_json::to_vec_pretty(state).map_err(std::io::Error::other).and_then(|text| std::fs::write(to, text));
    if let Err(error) = written {
        complain(&format!("cannot write {}: {error}", to.display()), None);
        return Exit::Failed;
    }
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "saved": to, "digest": state.digest()})),
        Form::Human => say(&format!("Saved, with the digest {}.", state.digest().short())),
    }
    Exit::Done
}
