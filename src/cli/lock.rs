//! `fitout lock`: writes down what a manifest comes to on a kind of machine, or says what moved since.

use super::output::{self, Paint, complain, paint, say};
use super::source::{self, Purpose, Refusal, failing, lock_of, read_lock};
use super::{Exit, Form, Global, progress};
use crate::apply::Observers;
use crate::model::counted;
use crate::session::{Bond, Lock, Locked, Recall, Scope, Session, Terms};
use crate::store::Store;
use clap::Args;
use serde_json::json;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Arguments of `fitout lock`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitout lock -f lab.yaml --root debian     writes lab.yaml.lock for machines such as that root
  fitout lock -f lab.yaml --check           says what moved since, with exit code 2
  fitout apply -f lab.yaml --locked         uses what the lock names and nothing else")]
pub struct Arguments {
    /// The manifest; its lock is FILE.lock
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: String,
    /// An offline root directory instead of this machine, whose kind the lock is for
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Another value for a field of the manifest, such as name=lab-b
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Find everything out anew, instead of only what changed in the manifest
    #[arg(long)]
    update: bool,
    /// Write nothing; find everything out anew and say what moved since the lock was written
    #[arg(long)]
    check: bool,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let path = lock_of(&arguments.file);
    let before = match read_lock(&path, Purpose::Look) {
        Ok(None) if arguments.check => Err(Refusal::Lockless(path.display().to_string(), "it does not exist")),
        // What cannot be used is what is to be replaced.
        Err(Refusal::Lock(name, cause)) if !arguments.check => {
            let lost = "what it said of other kinds of machines is lost";
            say(&format!(
                "{} the lock {name} cannot be used, and is to be written anew: {cause}; {lost}",
                paint(Paint::Yellow, "warning:")
            ));
            Ok(Lock::default())
        }
        before => before.map(Option::unwrap_or_default),
    };
    let done = before.and_then(|before| {
        let (kind, now) = look(arguments, &before, global)?;
        Ok((before, kind, now))
    });
    match done {
        Err(refusal) => refusal.tell(global),
        Ok((before, kind, now)) if arguments.check => check(&before, &kind, &now, global),
        Ok((before, kind, now)) => write(&path, before, &kind, now, global),
    }
}

/// The kind of the machine, and what the manifest comes to there.
fn look(arguments: &Arguments, before: &Lock, global: &Global) -> Result<(String, Locked), Refusal> {
    let target = source::machine(arguments.root.as_deref(), global)?;
    let (manifest, _) = source::named(&arguments.file, &arguments.set, Purpose::Look)?;
    let recall = if arguments.update || arguments.check { Recall::Nothing } else { Recall::Earlier };
    let terms = Terms { lock: before.clone(), bond: Bond::Loose, recall, ..Terms::default() };
    let observers = Observers::new(progress::observers(global));
    let session = Session::prepare(
        |facts| manifest.into_machine(facts),
        |_| {},
        (Scope::Beside, terms),
        target,
        Store::at(&global.cache),
        &observers,
    )?;
    Ok(session.locked()?)
}

fn check(before: &Lock, kind: &str, now: &Locked, global: &Global) -> Exit {
    let locked = before.machines.get(kind).cloned().unwrap_or_default();
    let moved = locked.moved(now);
    match global.output {
        Form::Json => output::json(&json!({"version": 1, "machine": kind, "moved": moved})),
        Form::Human if moved.is_empty() => say(&format!("Nothing moved since the lock was written for {kind}.")),
        Form::Human => output::data(&moved.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>()),
    }
    if moved.is_empty() { Exit::Done } else { Exit::NotClean }
}

fn write(path: &Path, mut lock: Lock, kind: &str, now: Locked, global: &Global) -> Exit {
    let moved = lock.machines.get(kind).cloned().unwrap_or_default().moved(&now);
    let counts = (now.downloads.len(), now.packages.0.len(), now.scripts.len());
    lock.machines.insert(kind.to_owned(), now);
    let written = lock.to_text().map_err(io::Error::other).and_then(|text| replace(path, &text));
    if let Err(error) = written {
        let message = format!("cannot write {}: {error}", path.display());
        complain(&message, None);
        return failing(&message, Exit::Failed);
    }
    match global.output {
        Form::Json => output::json(&json!({"version": 1, "machine": kind, "moved": moved})),
        Form::Human => {
            output::data(&moved.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>());
            let (downloads, packages, scripts) = counts;
            let (downloads, packages, scripts) = (counted(downloads, "download"), counted(packages, "package"), counted(scripts, "script"));
            let what = format!("{downloads}, {packages} of the distribution and {scripts}");
            say(&format!("{} names {what} for machines such as {kind}.", path.display()));
        }
    }
    Exit::Done
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
