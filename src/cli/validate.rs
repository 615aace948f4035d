//! `fitout validate`: every problem of a manifest at once.

use super::output::{self, Paint, paint};
use super::source;
use super::{Exit, Form, Global};
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
        Form::Json => output::json(&serde_json::json!({"version": 1, "valid": true, "problems": []})),
        Form::Human => output::say(&format!(
            "{} {} is a valid manifest",
            paint(Paint::Green, "ok:"),
            manifest.name.map_or_else(|| "this".to_owned(), |name| name.to_string())
        )),
    }
    Exit::Done
}
