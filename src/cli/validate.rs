//! `fitout validate`: every problem of a manifest at once.

use super::output::{self, Paint, paint};
use super::source;
use super::{Exit, Form, Global};
use crate::manifest::{Disposition, Field};
use clap::Args;

/// Arguments of `fitout validate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The manifest: a file, or - for standard input; without it, the one installed on this machine
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<String>,
    /// Another value for a field of the manifest, such as name=lab-b
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let manifest = match source::manifest(arguments.file.as_deref(), &arguments.set) {
        Ok(manifest) => manifest,
        Err(refusal) => return refusal.tell(global),
    };
    match global.output {
        Form::Json => output::json(
            &serde_json::json!({"version": 1, "valid": true, "problems": [], "warnings": manifest.warnings, "fields": manifest.fields()}),
        ),
        Form::Human => {
            let name = manifest.name.as_ref().map_or_else(|| "this".to_owned(), ToString::to_string);
            output::say(&format!("{} {name} is a valid manifest", paint(Paint::Green, "ok:")));
            source::warn(&manifest, global);
            for line in without_effect(&manifest.fields()) {
                output::say(&line);
            }
        }
    }
    Exit::Done
}

/// What of a manifest has no effect here: a line for each fate, with the outermost fields that share it.
fn without_effect(fields: &[Field]) -> Vec<String> {
    let said = [(Disposition::Checked, "checked, with no effect here"), (Disposition::Recorded, "recorded, with no effect here")];
    let names = |fate: Disposition| {
        let mut names: Vec<&str> = Vec::new();
        // What is inside a field follows it; the line that names the schema for editors is no news.
        for field in fields.iter().filter(|field| field.disposition == fate && field.path != "$schema") {
            if !names.last().is_some_and(|outer| is_inside(&field.path, outer)) {
                names.push(&field.path);
            }
        }
        names
    };
    let line = |(fate, words): (Disposition, &str)| {
        let names = names(fate);
        (!names.is_empty()).then(|| format!("  {words}: {}", names.join(", ")))
    };
    let mut lines: Vec<String> = said.into_iter().filter_map(line).collect();
    if !lines.is_empty() {
        lines.push("  `fitout explain FIELD` says why; -o json says it for every field".into());
    }
    lines
}

/// Whether a path leads into another.
fn is_inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']))
}
