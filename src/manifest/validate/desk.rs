//! What validation works with: the report, the files, the owner, and the few questions that every part asks.

use crate::manifest::at::At;
use crate::manifest::files::{Files, TextError, below, text};
use crate::manifest::setting::folder;
use crate::manifest::v1::SourcePath;
use crate::model::{HomePath, UserName};
use crate::problem::{Code, Place, Problem, Sources};
use crate::step::FileKind;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Longest file whose text a plan carries along: scripts, keys, configuration. Larger ones belong in a package or on a share.
pub const CARRIED: u64 = 1024 * 1024;

/// Most files of one folder that a manifest carries along: a tree of configuration, not a data set.
const MOST_FILES: usize = 1000;

/// The report in progress.
pub struct Desk<'a> {
    files: &'a dyn Files,
    /// The manifest's own file, as the user named it.
    manifest: &'a str,
    problems: &'a mut Vec<Problem>,
    /// What is said and no reason to refuse.
    pub warnings: Vec<Problem>,
    sources: &'a mut Sources,
    /// Sections of which parts could not be read: that something is not in them proves nothing.
    patchy: Vec<String>,
    /// The machine's owner.
    pub owner: Option<UserName>,
}

/// A file that the manifest names, read.
pub struct Named {
    /// Where it was found, relative to the file that names it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Named {
    /// Its path as people know it.
    pub fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// A line of it.
    pub fn line(&self, number: usize, width: usize) -> Place {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place { file: self.name().into(), line: short(number), column: 1, width: short(width.max(1)) }
    }
}

impl<'a> Desk<'a> {
    /// A desk for the manifest in the file `manifest`, of which the sections `patchy` could not be read whole.
    pub fn new(
        manifest: &'a str,
        files: &'a dyn Files,
        problems: &'a mut Vec<Problem>,
        sources: &'a mut Sources,
        patchy: Vec<String>,
    ) -> Self {
        Self { files, manifest, problems, warnings: Vec::new(), sources, patchy, owner: None }
    }

    /// Writes a problem down.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Writes a problem down, with advice.
    pub fn say(&mut self, code: Code, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.report(Problem::at(code, place, message).suggest(help));
    }

    /// Writes down what is worth saying and no reason to refuse, with advice.
    pub fn warn(&mut self, code: Code, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Problem::at(code, place, message).suggest(help));
    }

    /// Writes down what a value lacks; silent where the missing part may be the one that could not be read.
    pub fn say_lack<T>(&mut self, of: &At<T>, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        if of.whole {
            self.say(Code::MissingKey, place, message, help);
        }
    }

    /// Writes down which fields a thing lacks that is to be there; those that it could be without where it is not.
    pub fn say_present_lacks<T>(&mut self, of: &At<T>, place: &Place, what: &str, fields: &[(&str, bool)]) {
        let names: Vec<String> = fields.iter().filter(|(_, lacks)| *lacks).map(|(field, _)| format!("`{field}`")).collect();
        if let Some((last, others)) = names.split_last() {
            let all = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
            self.say_lack(of, place, format!("{what} lacks {all}"), format!("add {all}, or write `state: absent`"));
        }
    }

    /// Writes down a reference to something that `section` does not hold; silent where the section could not be read whole.
    pub fn say_unknown(&mut self, section: &str, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        if !self.patchy.iter().any(|patchy| patchy == section) {
            self.say(Code::UnknownReference, place, message, help);
        }
    }

    /// Treats a section as not read whole, because what is wrong with it has been said.
    pub fn doubt(&mut self, section: &str) {
        self.patchy.push(section.to_owned());
    }

    /// Writes down that a part needs an owner, and there is none; silent where the owner could not be read.
    pub fn say_no_owner(&mut self, place: &Place, message: &str) {
        // Without its type a machine may lack Azure's owner only because of that.
        if !self.patchy.iter().any(|patchy| patchy == "type") {
            self.say_unknown("user", place, format!("{message}, and the manifest names no owner"), "add `user: {name: …}`");
        }
    }

    /// Shows lines of a file that the manifest names in problems.
    pub fn show(&mut self, file: &Named) {
        self.sources.add(&file.name(), file.text.as_str());
    }

    /// Makes the rest of the line at a place unreadable in what is shown.
    pub fn hide(&mut self, place: &Place) {
        self.sources.hide(place);
    }

    /// The text of a file that the manifest names; `None`, with a problem, where there is none.
    pub fn file(&mut self, path: &At<SourcePath>, limit: u64) -> Option<Named> {
        self.file_at(self.there(path), &path.place, limit)
    }

    /// Where a path that the manifest names leads.
    fn there(&self, path: &At<SourcePath>) -> PathBuf {
        folder(&path.place.file, self.manifest).join(path.value.as_str())
    }

    /// Whether what the manifest names is a folder, or a link to one.
    pub fn is_folder(&self, path: &At<SourcePath>) -> bool {
        self.files.kind(&self.there(path).join(".")).is_ok_and(|kind| kind == Some(FileKind::Directory))
    }

    /// The texts of the files below a folder that the manifest names, by their paths from there; `None`, with a problem, where there is none.
    pub fn folder(&mut self, path: &At<SourcePath>, limit: u64) -> Option<Vec<(String, String)>> {
        let there = self.there(path);
        let shown = there.display();
        let is_folder = self.is_folder(path);
        let problem = match below(self.files, &there, MOST_FILES) {
            Ok(names) if is_folder && !names.is_empty() => {
                let mut text = |name: String| Some((name.clone(), self.file_at(there.join(&name), &path.place, limit)?.text));
                return names.into_iter().map(&mut text).collect();
            }
            Ok(_) if is_folder => Problem::at(Code::BadValue, &path.place, format!("there is no file in {shown}"))
                .suggest("put a file into it, or remove `source`, which leaves a directory"),
            Err(error) if is_folder => {
                Problem::at(Code::BadValue, &path.place, format!("{shown} cannot be used: {error}")).suggest("name a folder of text files")
            }
            Ok(_) | Err(_) => Problem::at(Code::MissingFile, &path.place, format!("there is no folder {shown}"))
                .suggest("paths are relative to the file that names them; the `source` of a directory is a folder of files"),
        };
        self.report(problem);
        None
    }

    /// The text of the file at a path; `place` is what names it.
    pub fn file_at(&mut self, path_there: PathBuf, place: &Place, limit: u64) -> Option<Named> {
        match text(self.files, &path_there, limit) {
            Ok(text) => Some(Named { path: path_there, text }),
            Err(error) => {
                let shown = path_there.display();
                let (code, message) = match &error {
                    TextError::Absent => (Code::MissingFile, format!("there is no file {shown}")),
                    TextError::Unreadable(_) | TextError::NotText(_) | TextError::Doubtful(_) => {
                        (Code::BadValue, format!("{shown} cannot be used: {error}"))
                    }
                };
                self.say(code, place, message, error.hint());
                None
            }
        }
    }

    /// Reports every name that was given before, of things that `what` calls, in words.
    pub fn distinct<'p>(&mut self, what: &str, names: impl IntoIterator<Item = (String, &'p Place)>) {
        let mut seen: BTreeMap<String, &Place> = BTreeMap::new();
        for (name, place) in names {
            if let Some(first) = seen.get(&name) {
                let elsewhere = first.file != place.file;
                let first_line = if elsewhere { String::new() } else { format!("; first on line {}", first.line) };
                let problem = Problem::at(Code::Conflict, place, format!("{what} `{name}` is there twice{first_line}"));
                let problem = if elsewhere { problem.earlier(first) } else { problem };
                self.report(problem.suggest("give each its own, or remove one"));
            } else {
                seen.insert(name, place);
            }
        }
    }

    /// Reports a path below `~` on a machine without an owner.
    pub fn check_home(&mut self, path: &At<HomePath>) {
        if path.value.is_home() && self.owner.is_none() {
            self.say_no_owner(&path.place, "`~` is the owner's home");
        }
    }
}
