//! From texts to a validated machine, or to everything that is wrong with them.

use super::de;
use super::disposition;
use super::files::{Files, TextError, text};
use super::include::{Document, assemble};
use super::machine::Machine;
use super::parse::MAX_BYTES;
use super::reading::{self, MOST_PROBLEMS, Reading};
use super::schema::{required, schema};
use super::v1::Manifest;
use super::validate::{self, Desk};
use crate::problem::{Code, Problem, Sources, render};
use std::fmt;
use std::path::Path;

/// A text and the name that the user knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it; `-` for standard input. Relative paths in the text are relative to its directory.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// It is absent, unreadable, too long, or no UTF-8.
    pub fn read(files: &dyn Files, name: &str) -> Result<Self, TextError> {
        Ok(Self { name: name.to_owned(), text: text(files, Path::new(name), MAX_BYTES as u64)? })
    }
}

/// What a machine is loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheets {
    /// The manifest.
    pub manifest: Source,
    /// What differs on one machine: `machine.yaml`.
    pub machine: Option<Source>,
    /// `--set PATH=VALUE`; of two for one path the last holds.
    pub settings: Vec<(String, String)>,
}

impl Sheets {
    /// A manifest alone.
    #[must_use]
    pub const fn new(manifest: Source) -> Self {
        Self { manifest, machine: None, settings: Vec::new() }
    }
}

/// Everything wrong with a manifest, and the texts to show it in.
#[derive(Debug)]
pub struct Rejected {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The texts, secrets masked.
    pub sources: Sources,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(&self.problems, &self.sources))
    }
}

impl std::error::Error for Rejected {}

/// Loads a machine.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sheets: &Sheets, files: &dyn Files) -> Result<Machine, Rejected> {
    let mut sources = Sources::default();
    let Document { root, mut problems, hidden } = match assemble(sheets, files, &mut sources) {
        Ok(document) => document,
        Err(problem) => return Err(rejected(vec![*problem], sources)),
    };
    for place in &hidden {
        sources.hide(place);
    }
    let machine = root.and_then(|root| {
        let (manifest, reading) = de::read::<Manifest>(&root, reading::Document::Manifest, &required);
        let patchy = reading.patchy(&root);
        let Reading { problems: found, hidden, .. } = reading;
        for place in &hidden {
            sources.hide(place);
        }
        problems.extend(found);
        let manifest = manifest?;
        let machine = validate::validate(&manifest, Desk::new(&sheets.manifest.name, files, &mut problems, &mut sources, patchy));
        Some(Machine { fields: disposition::fields(&root, &schema()), ..machine })
    });
    match machine {
        Some(machine) if problems.is_empty() => Ok(machine),
        _ => Err(rejected(problems, sources)),
    }
}

fn rejected(mut problems: Vec<Problem>, sources: Sources) -> Rejected {
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        problems.truncate(MOST_PROBLEMS);
        problems.push(Problem::general(Code::TooLarge, format!("there are {more} more problems")));
    }
    Rejected { problems, sources }
}
