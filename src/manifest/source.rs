//! The texts that a machine is loaded from, and the refusal of them.

use super::files::{Files, TextError, text};
use super::limits::MAX_BYTES;
use crate::problem::{Problem, Sources, render};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A text and the name that the user knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it; `-` for standard input. Relative paths in the text are relative to its directory.
    pub name: String,
    /// The text.
    pub text: Arc<str>,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// It is absent, unreadable, too long, or no UTF-8.
    pub fn read(files: &dyn Files, name: &str) -> Result<Self, TextError> {
        Ok(Self { name: name.to_owned(), text: text(files, Path::new(name), MAX_BYTES as u64)?.into() })
    }
}

/// What a machine is loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheets {
    /// The manifest.
    pub manifest: Source,
    /// `--set` of the command that installed the manifest.
    pub installed_with: Vec<(String, String)>,
    /// What differs on one machine: `machine.yaml`.
    pub machine: Option<Source>,
    /// `--set PATH=VALUE`; of two for one path the last holds.
    pub settings: Vec<(String, String)>,
}

impl Sheets {
    /// A manifest alone.
    #[must_use]
    pub const fn new(manifest: Source) -> Self {
        Self { manifest, installed_with: Vec::new(), machine: None, settings: Vec::new() }
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

impl Rejected {
    /// Calls the texts otherwise.
    pub fn rename(&mut self, name: &dyn Fn(&str) -> String) {
        let places = self.problems.iter_mut().flat_map(|problem| problem.place.iter_mut().chain(&mut problem.earlier));
        places.for_each(|place| place.rename(name));
        self.sources.rename(name);
    }
}

impl From<Vec<Problem>> for Rejected {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems, sources: Sources::default() }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(&self.problems, &self.sources))
    }
}

impl std::error::Error for Rejected {}
