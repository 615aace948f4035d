//! From texts to a validated machine, or to everything that is wrong with them.

use super::de;
use super::disposition;
use super::files::{Files, TextError, text};
use super::machine::Machine;
use super::node::{Node, NodeId};
use super::other;
use super::overlay::{merge, restrict, setting, setting_file};
use super::parse::{MAX_BYTES, Parsed, parse};
use super::reading::{Document, MOST_PROBLEMS, Reading};
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
    /// What differs per machine: `machine.yaml`, or a datasource's fragment.
    pub machine: Option<Source>,
    /// `--set PATH=VALUE`, the last one first in force.
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

/// Where to start from nothing.
const FIRST: &str = "start from manifests/minimal.yaml; `fitout explain` lists the keys";

/// Loads a machine.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sheets: &Sheets, files: &dyn Files) -> Result<Machine, Rejected> {
    let mut sources = Sources::default();
    let Tree { root, mut problems } = tree(sheets, &mut sources);
    let Source { name, text } = &sheets.manifest;
    if let Some(problem) = root.as_ref().and_then(|root| other::than_manifest(name, text, root)) {
        return Err(rejected(vec![problem], sources));
    }
    let machine = root.and_then(|root| {
        let (manifest, reading) = de::read::<Manifest>(&root, Document::Manifest, &required);
        let patchy = reading.patchy(&root);
        let Reading { problems: found, hidden, .. } = reading;
        for place in &hidden {
            sources.hide(place);
        }
        problems.extend(found);
        let manifest = manifest?;
        let machine = validate::validate(&manifest, Desk::new(files, &mut problems, &mut sources, patchy));
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

/// The tree of all sheets, laid over each other.
struct Tree {
    root: Option<Node>,
    problems: Vec<Problem>,
}

fn tree(sheets: &Sheets, sources: &mut Sources) -> Tree {
    let mut ids: NodeId = 0;
    let Source { name, text } = &sheets.manifest;
    sources.add(name, text);
    let Parsed { mut root, mut problems } = parse(name, text, &mut ids);
    if root.is_none() && problems.is_empty() {
        problems.push(Problem::general(Code::MissingKey, format!("{name} is empty")).suggest(FIRST));
    }
    let mut lay = |over: Node| {
        if let Some(root) = &mut root {
            merge(root, over);
        }
    };
    if let Some(Source { name, text }) = &sheets.machine {
        sources.add(name, text);
        let overlay = parse(name, text, &mut ids);
        problems.extend(overlay.problems);
        if let Some(mut over) = overlay.root {
            problems.extend(restrict(&mut over));
            lay(over);
        }
    }
    for (path, value) in &sheets.settings {
        sources.add(&setting_file(path), value);
        match setting(path, value, &mut ids) {
            Ok(over) => lay(over),
            Err(found) => problems.extend(found),
        }
    }
    Tree { root, problems }
}
