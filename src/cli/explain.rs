//! `fitout explain` and `fitout schema`: what a field or a code means.

use super::output::{self, complain};
use super::{Exit, Form, Global};
use crate::manifest;
use crate::problem::{Code, nearest};
use clap::Args;
use serde_json::json;

/// Arguments of `fitout explain`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A field such as user.sudo, or a code such as E0102; `later` for what is not yet in this version, `reference` for a page of all
    /// fields; without it, the top-level fields
    #[arg(default_value = "manifest")]
    what: String,
}

pub fn run(arguments: &Arguments, global: &Global) -> Exit {
    let what = &arguments.what;
    if let Some(code) = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(what)) {
        match global.output {
            Form::Json => output::json(&document(*code)),
            Form::Human => output::data(&page(*code)),
        }
        return Exit::Done;
    }
    if let Some(text) = manifest::explain(what) {
        match global.output {
            Form::Json => output::json(&json!({"version": 1, "field": what, "text": text})),
            Form::Human => output::data(&text),
        }
        return Exit::Done;
    }
    let code = || nearest(what, Code::ALL.iter().map(|code| code.as_str())).map(str::to_owned);
    let near = manifest::meant(what).or_else(code);
    let hint = near.map_or_else(|| "`fitout explain` lists the fields".to_owned(), |near| format!("did you mean `{near}`?"));
    complain(&format!("`{what}` is neither a field of the manifest nor the code of a problem"), Some(&hint));
    Exit::NoInput
}

/// What there is to say of a code, for programs.
fn document(code: Code) -> serde_json::Value {
    json!({
        "version": 1,
        "code": code,
        "title": code.title(),
        "explanation": code.explanation(),
        "mend": code.mend(),
        "example": code.example(),
    })
}

/// What there is to say of a code.
fn page(code: Code) -> String {
    let example: String = code.example().lines().flat_map(|line| ["    ", line, "\n"]).collect();
    format!("{code}: {}\n\n{}\n\nWhat to do: {}\n\nA manifest that has it:\n\n{example}", code.title(), code.explanation(), code.mend())
}

pub fn schema() -> Exit {
    output::json(manifest::schema());
    Exit::Done
}
