//! `fitout validate`: every problem of a manifest at once.

use super::output::{self, Paint, paint};
use super::source::{self, Which};
use super::{Exit, Form, Global};
use crate::manifest::{Disposition, Field, Origin, is_setting};
use crate::problem::Problem;
use clap::Args;
use serde::Serialize;

/// Arguments of `fitout validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fitout validate -f lab.yaml
  fitout validate -f lab.yaml --origins")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Show every value that the manifest comes to on this machine, with the file and line that it is from
    #[arg(long)]
    origins: bool,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let read = source::manifest(&arguments.which, global).and_then(|(manifest, sheets)| {
        let origins = arguments.origins.then(|| source::value_origins(&arguments.which, &sheets, global)).transpose()?;
        Ok((manifest, origins))
    });
    let (manifest, origins) = match read {
        Ok(read) => read,
        Err(refusal) => return refusal.tell(global),
    };
    match (global.output, &origins) {
        (Form::Json, _) => output::json(&Document {
            version: 1,
            valid: true,
            problems: [],
            warnings: &manifest.warnings,
            fields: manifest.fields(),
            origins: origins.as_deref(),
        }),
        (Form::Human, Some(origins)) => {
            source::warn(&manifest, global);
            output::data(&table(origins));
        }
        (Form::Human, None) => {
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

/// What is told of a valid manifest.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    valid: bool,
    problems: [(); 0],
    warnings: &'a [Problem],
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origins: Option<&'a [Origin]>,
}

/// A line for each value.
fn table(origins: &[Origin]) -> String {
    /// Longer ones are cut; `-o json` has them whole.
    const SHOWN: usize = 60;
    let cut =
        |text: &str| if text.chars().count() > SHOWN { text.chars().take(SHOWN - 1).chain(['…']).collect() } else { text.to_owned() };
    let widest = |text: fn(&Origin) -> &str| origins.iter().map(|one| text(one).chars().count().min(SHOWN)).max().unwrap_or_default();
    let (path, value) = (widest(|one| &one.path), widest(|one| &one.value));
    let place = |one: &Origin| {
        if is_setting(&one.place.file) { one.place.file.to_string() } else { format!("{}:{}", one.place.file, one.place.line) }
    };
    let lines: Vec<String> =
        origins.iter().map(|one| format!("{:path$}  {:value$}  {}\n", one.path, cut(&one.value), place(one))).collect();
    lines.concat()
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
