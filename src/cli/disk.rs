//! `fitout disk`: the room on guarded file systems, and what Fitout's own cache takes of it.

use super::output::{self, Paint, paint_data};
use super::source;
use super::{Exit, Form, Global};
use crate::model::ByteSize;
use crate::resource::Guard;
use crate::step::Space;
use crate::target::{Probe, ProbeError};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `fitout disk`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// An offline root directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    guard: Guard,
    #[serde(flatten)]
    space: Option<Space>,
    /// Why nobody can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    healthy: bool,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let target = match source::machine(arguments.root.as_deref(), global) {
        Ok(target) => target,
        Err(refusal) => return refusal.tell(global),
    };
    let rows = match rows(target.as_ref()) {
        Ok(rows) => rows,
        Err(error) => return source::failed(&error.to_string()),
    };
    let cache = ByteSize(fs_extra::dir::get_size(&global.cache).unwrap_or_default());
    match global.output {
        Form::Json => output::json(&serde_json::json!({"version": 1, "guards": rows, "cache_bytes": cache})),
        Form::Human => output::data(&show(&rows, cache, &global.cache.display().to_string())),
    }
    if rows.iter().all(|row| row.healthy) { Exit::Done } else { Exit::NotClean }
}

fn rows(on: &dyn Probe) -> Result<Vec<Row>, ProbeError> {
    let row = |guard: Guard| match on.space(&guard.mount) {
        Ok(space) => Row { healthy: space.free >= guard.minimum_free, guard, space: Some(space), error: None },
        Err(error) => Row { healthy: false, guard, space: None, error: Some(error.to_string()) },
    };
    Ok(Guard::all(on)?.into_iter().map(row).collect())
}

fn show(rows: &[Row], cache: ByteSize, folder: &str) -> String {
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str("No file system is guarded; `fitout explain disk.guards` says how to.\n");
    }
    for row in rows {
        let verdict = match &row.error {
            Some(error) => paint_data(Paint::Red, error),
            None if row.healthy => paint_data(Paint::Green, "ok"),
            None => paint_data(Paint::Red, "too full"),
        };
        let told = |size: fn(&Space) -> ByteSize| row.space.as_ref().map_or_else(|| "?".to_owned(), |space| size(space).to_string());
        let _ = writeln!(
            text,
            "{:<20} {:>10} free of {:>10}   floor {:>9}   {verdict}",
            row.guard.mount.to_string(),
            told(|space| space.free),
            told(|space| space.total),
            row.guard.minimum_free.to_string()
        );
    }
    let _ = writeln!(text, "{:<20} {:>10} in Fitout's cache", folder, cache.to_string());
    text
}
