//! `fitout fetch`: fills the cache from a lock, for machines that have no network.

use super::output::{self, complain, say};
use super::source::{Purpose, Refusal, failing, read_lock};
use super::{Exit, Form, Global};
use crate::fetch::Http;
use crate::model::{ByteSize, counted};
use crate::session::{Lock, Locked, lacking};
use crate::step::Blob;
use crate::store::Store;
use crate::target::{Progress, Silent};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `fitout fetch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitout fetch lab.yaml.lock --cache /media/usb/fitout
  fitout apply -f lab.yaml --locked --offline --cache /media/usb/fitout")]
pub struct Arguments {
    /// The lock
    #[arg(value_name = "LOCK")]
    lock: PathBuf,
    /// Only for this kind of machine, such as debian-12-x86_64
    #[arg(long, value_name = "KIND")]
    machine: Option<String>,
}

/// Tells a person which file is on its way where something slows it down.
struct Told;

impl Progress for Told {
    fn line(&self, text: &str) {
        say(text);
    }

    fn advance(&self, _: u64, _: u64) {}
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let name = arguments.lock.display().to_string();
    let lock = match read_lock(&arguments.lock, Purpose::Look) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Refusal::Lockless(name, "it does not exist").tell(global),
        Err(refusal) => return refusal.tell(global),
    };
    let Some(blobs) = named(&lock, arguments.machine.as_deref()) else {
        let kinds = lock.machines.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        complain(&format!("the lock {name} says nothing of such machines"), Some(&format!("it knows {kinds}")));
        return Exit::NoInput;
    };
    let store = Store::at(&global.cache);
    let progress: &dyn Progress = if global.progress == super::ProgressForm::None { &Silent } else { &Told };
    let lacks = match lacking(&store, &blobs) {
        Ok(lacks) => lacks,
        Err(error) => {
            complain(&format!("cannot look for downloads in {}: {error}", global.cache.display()), None);
            return Exit::Failed;
        }
    };
    lacks.iter().filter_map(|lack| lack.damage.as_deref()).for_each(|damage| progress.line(damage));
    let missing: Vec<&Blob> = lacks.iter().map(|lack| lack.blob).collect();
    if let Err(error) = Http::new().and_then(|http| http.download_all(&store, &missing, progress)) {
        complain(&error.to_string(), None);
        return failing(&error.to_string(), Exit::Unavailable);
    }
    let size = ByteSize(missing.iter().filter_map(|blob| std::fs::metadata(store.path(&blob.sha256)).ok()).map(|data| data.len()).sum());
    match global.output {
        Form::Json => output::json(&json!({"version": 1, "named": blobs.len(), "fetched": missing.len(), "bytes": size})),
        Form::Human => {
            let folder = global.cache.display();
            say(&format!(
                "{folder} holds what the lock names, {}; fetched now: {} ({size}).",
                counted(blobs.len(), "download"),
                missing.len()
            ));
        }
    }
    Exit::Done
}

/// The downloads that a lock names, packages of the distribution included, of all machines or of one kind.
fn named(lock: &Lock, machine: Option<&str>) -> Option<Vec<Blob>> {
    let machines: Vec<&Locked> = match machine {
        Some(kind) => vec![lock.machines.get(kind)?],
        None => lock.machines.values().collect(),
    };
    let mut blobs: Vec<Blob> = machines.into_iter().flat_map(Locked::files).collect();
    blobs.sort_by_key(|blob| blob.sha256);
    blobs.dedup_by_key(|blob| blob.sha256);
    Some(blobs)
}
