//! The texts that make a manifest, as one document: what it includes first, then itself, then what differs on one machine, then
//! `--set`. Each later text is laid over the earlier ones by the rules of `merge`.
//!
//! A file is included once, however many ask for it. All texts together keep the limits of one.

use super::composed::{INCLUDE, plain_items};
use super::files::{Files, TextError, text};
use super::limits::{MAX_BYTES, MOST_PROBLEMS, cut};
use super::merge::{Merger, Overrides, Rule};
use super::node::{Node, Value, take};
use super::other;
use super::parse::{Parsed, Tally, parse};
use super::setting::{folder, set, setting_file};
use super::source::{Sheets, Source};
use super::v1::SourcePath;
use super::values;
use super::values::Error;
use super::when::Conditions;
use crate::model::Facts;
use crate::problem::{Code, Place, Problem, Sources};
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// Most files of one manifest: far more than people keep apart, and a pattern in a wrong folder ends soon.
const MAX_FILES: usize = 256;
/// Deepest that files include files: bounds the recursion.
const MAX_INCLUDES: usize = 16;

/// Where to start from nothing.
const FIRST: &str = "start from manifests/minimal.yaml; `fitout explain` lists the keys";

/// One text, without what the others need not know.
#[derive(Debug, Clone)]
enum Layer {
    Text(Node, Rule),
    Setting(String, String),
}

impl Layer {
    /// As it is for every machine.
    fn plain(mut self) -> Self {
        if let Self::Text(text, _) = &mut self {
            plain_items(text);
        }
        self
    }
}

/// The texts of a manifest, in the order in which they are laid over each other.
#[derive(Debug, Default)]
pub struct Texts {
    /// What is for which machines.
    pub conditions: Conditions,
    layers: Vec<Layer>,
    overrides: Overrides,
    tally: Tally,
}

/// The document of one machine.
#[derive(Debug)]
pub struct Document {
    /// The document; `None` where the manifest is broken or empty.
    pub root: Option<Node>,
    /// What contradicts.
    pub problems: Vec<Problem>,
    /// Places whose text must not be shown.
    pub hidden: Vec<Place>,
}

impl Texts {
    /// What of the texts is for a machine, as one document.
    pub fn document(&self, facts: &Facts) -> Document {
        let of_machine = |layer: &Layer| match layer {
            Layer::Text(text, rule) => Some(Layer::Text(self.conditions.select(text, facts)?, *rule)),
            Layer::Setting(..) => Some(layer.clone()),
        };
        self.laid(self.layers.iter().filter_map(of_machine))
    }

    /// The one document of texts that tell no machines apart, made of the texts themselves: of large ones no copy is made.
    pub fn take_document(&mut self) -> Document {
        let layers = std::mem::take(&mut self.layers);
        self.laid(layers.into_iter().map(Layer::plain))
    }

    fn laid(&self, layers: impl Iterator<Item = Layer>) -> Document {
        let (mut merger, mut tally, mut problems) = (Merger::new(&self.overrides), self.tally.clone(), Vec::new());
        let mut root: Option<Node> = None;
        for layer in layers {
            match (layer, &mut root) {
                (Layer::Text(text, _), None) => root = Some(text),
                (Layer::Text(text, rule), Some(base)) => {
                    // What the whole lacks is said of the last text: the one that was named.
                    (base.id, base.mark) = (text.id, text.mark.clone());
                    merger.merge(base, text, rule);
                }
                (Layer::Setting(path, value), Some(root)) => {
                    problems.extend(set(root, &path, &value, &mut tally).err().unwrap_or_default());
                }
                (Layer::Setting(..), None) => {}
            }
        }
        problems.append(&mut merger.problems);
        Document { root, problems, hidden: merger.hidden }
    }
}

/// Reads all sheets; `Err` is what the text is instead of a manifest.
pub fn assemble(sheets: &Sheets, files: &dyn Files, sources: &mut Sources) -> Result<(Texts, Vec<Problem>), Problem> {
    let mut set = Set { files, sources, problems: Vec::new(), texts: Texts::default(), seen: HashSet::new() };
    match set.read(&sheets.manifest) {
        Some(root) => {
            if let Some(problem) = other::than_manifest(&sheets.manifest.name, &sheets.manifest.text, &root) {
                return Err(problem);
            }
            set.add(&sheets.manifest.name, root, &[]);
        }
        None if set.problems.is_empty() => {
            set.problems.push(Problem::general(Code::MissingKey, format!("{} is empty", sheets.manifest.name)).suggest(FIRST));
        }
        None => {}
    }
    set.settings(&sheets.installed_with);
    if let Some(machine) = &sheets.machine {
        set.overlay(machine);
    }
    set.settings(&sheets.settings);
    Ok((set.texts, set.problems))
}

/// The texts so far.
struct Set<'a> {
    files: &'a dyn Files,
    sources: &'a mut Sources,
    problems: Vec<Problem>,
    texts: Texts,
    seen: HashSet<PathBuf>,
}

impl Set<'_> {
    fn say(&mut self, code: Code, place: &Place, message: impl Into<String>, help: &str) {
        self.problems.push(Problem::at(code, place, message).suggest(help));
    }

    fn read(&mut self, source: &Source) -> Option<Node> {
        self.sources.add(&source.name, source.text.clone());
        let Parsed { root, problems } = parse(&source.name, &source.text, &mut self.texts.tally);
        self.problems.extend(problems);
        root
    }

    /// Adds a document: after all that it includes.
    fn add(&mut self, name: &str, mut root: Node, trail: &[PathBuf]) {
        let own = plain(Path::new(name));
        self.seen.insert(own.clone());
        let trail = [trail, &[own]].concat();
        if let Some(entry) = take(&mut root, INCLUDE) {
            for (place, text) in self.texts(&entry.value) {
                if self.problems.len() > MOST_PROBLEMS {
                    self.problems.push(cut());
                    break;
                }
                for path in self.named(&text, &place, name) {
                    self.include(&path, &place, &trail);
                }
            }
        }
        self.lay(root, Rule::Agree);
    }

    fn lay(&mut self, mut root: Node, rule: Rule) {
        self.texts.overrides.take(&mut root, &mut self.problems);
        self.texts.conditions.take(&mut root, &mut self.problems);
        self.texts.layers.push(Layer::Text(root, rule));
    }

    /// The items of an `include`.
    fn texts(&mut self, list: &Node) -> Vec<(Place, String)> {
        let mut found = Vec::new();
        let refuse = |error: Error, node: &Node| error.at(&node.mark.place(), INCLUDE);
        let Value::List(items) = &list.value else {
            self.problems.extend(refuse(values::not_a_list(list), list));
            return found;
        };
        for item in items {
            let text = match &item.value {
                Value::Scalar(scalar) => values::text(scalar).map(str::to_owned),
                Value::List(_) | Value::Map(_) => {
                    Err(Error::said(Code::WrongType, "the path of a file was expected", "write its path as text"))
                }
            };
            match text {
                Ok(text) => found.push((item.mark.place(), text)),
                Err(error) => self.problems.extend(refuse(error, item)),
            }
        }
        found
    }

    /// The files that a text of `file` names: one, or all that fit a pattern, in order.
    fn named(&mut self, text: &str, place: &Place, file: &str) -> Vec<PathBuf> {
        if let Err(error) = SourcePath::try_from(text.to_owned()) {
            self.problems.push(Problem::at(Code::BadValue, place, error.0));
            return Vec::new();
        }
        if text.starts_with('/') {
            let help = "write its path relative to this file: an installed manifest takes along what it includes";
            self.say(Code::BadValue, place, "an included file is named relative to the file that includes it", help);
            return Vec::new();
        }
        let path = folder(file, file).join(text);
        let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned()).filter(|name| name.contains('*'));
        let Some(pattern) = pattern else { return vec![path] };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut names = match self.files.list(folder) {
            Ok(names) => names,
            Err(error) => {
                self.say(
                    Code::BadValue,
                    place,
                    format!("{} cannot be listed: {error}", folder.display()),
                    "name a folder that this user may read",
                );
                return Vec::new();
            }
        };
        names.sort();
        names.retain(|name| fits(&pattern, name) && plain(&folder.join(name)) != plain(Path::new(file)));
        if names.is_empty() {
            self.say(Code::MissingFile, place, format!("no file is {}", path.display()), "paths are relative to the file that names them");
        }
        names.iter().map(|name| folder.join(name)).collect()
    }

    fn include(&mut self, path: &Path, place: &Place, trail: &[PathBuf]) {
        let own = plain(path);
        if let Some(first) = trail.iter().position(|above| *above == own) {
            let circle = trail.iter().skip(first).chain([&own]).map(|path| path.display().to_string()).collect::<Vec<_>>();
            return self.say(Code::Cycle, place, format!("files that include each other: {}", circle.join(" > ")), "remove one `include`");
        }
        if self.seen.contains(&own) || self.problems.iter().any(|problem| problem.code == Code::TooLarge) {
            return;
        }
        if trail.len() > MAX_INCLUDES || self.seen.len() >= MAX_FILES {
            let message = format!("a manifest is at most {MAX_FILES} files, {MAX_INCLUDES} deep");
            return self.say(Code::TooLarge, place, message, "put some of them together");
        }
        let name = path.to_string_lossy().into_owned();
        match text(self.files, path, MAX_BYTES as u64) {
            Ok(text) => self.fragment(&Source { name, text: text.into() }, place, trail),
            Err(TextError::Absent) => {
                self.say(Code::MissingFile, place, format!("there is no file {name}"), "paths are relative to the file that names them");
            }
            Err(error @ (TextError::Unreadable(_) | TextError::NotText(_) | TextError::Doubtful(_))) => {
                self.say(Code::BadValue, place, format!("{name} cannot be used: {error}"), error.hint());
            }
        }
    }

    fn fragment(&mut self, source: &Source, place: &Place, trail: &[PathBuf]) {
        let Some(root) = self.read(source) else { return };
        let other = other::than_manifest(&source.name, &source.text, &root);
        match (&root.value, other) {
            (_, Some(problem)) => self.problems.push(problem),
            (Value::Map(_), None) => self.add(&source.name, root, trail),
            (Value::Scalar(_) | Value::List(_), None) => {
                let message = format!("{} is no part of a manifest: it is {}", source.name, values::noun(&root));
                self.say(Code::WrongType, place, message, "an included file has the keys of a manifest");
            }
        }
    }

    /// What differs on one machine goes over everything.
    fn overlay(&mut self, machine: &Source) {
        let Some(mut root) = self.read(machine) else { return };
        if !matches!(root.value, Value::Map(_)) {
            let message = format!("what differs on a machine is a mapping, not {}", values::noun(&root));
            return self.say(Code::WrongType, &root.mark.place(), message, "give keys of a manifest, such as name or user");
        }
        if let Some(entry) = take(&mut root, INCLUDE) {
            self.say(Code::UnknownKey, &entry.mark.place(), "only a manifest and its fragments include files", "move it to the manifest");
        }
        self.lay(root, Rule::Overlay);
    }

    fn settings(&mut self, settings: &[(String, String)]) {
        for (path, value) in settings {
            self.sources.add(&setting_file(path), value.as_str());
            self.texts.layers.push(Layer::Setting(path.clone(), value.clone()));
        }
    }
}

/// A path with its `.` and `..` parts worked out as far as its text allows.
fn plain(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.components().next_back(), Some(Component::Normal(_))) => drop(parts.pop()),
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => parts.push(part),
        }
    }
    parts
}

/// Whether a name fits a pattern, in which `*` stands for any text. Hidden files fit only what begins with a dot itself.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let (first, last) = (pieces.next().unwrap_or_default(), pieces.next_back().unwrap_or_default());
    let Some(rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    let middle = pieces.try_fold(rest, |rest, piece| rest.find(piece).and_then(|at| rest.get(at + piece.len()..)));
    middle.is_some() && (first.starts_with('.') || !name.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, whether) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".a.yaml", false),
            (".*.yaml", ".a.yaml", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "x", true),
        ] {
            assert_eq!(fits(pattern, name), whether, "{pattern} {name}");
        }
    }

    #[test]
    fn paths_are_worked_out_as_far_as_they_can_be() {
        for (path, is) in [("a/../b", "b"), ("../a/./b", "../a/b"), ("../../a", "../../a"), ("/a/../b", "/b"), ("a/..", "")] {
            assert_eq!(plain(Path::new(path)), Path::new(is), "{path}");
        }
    }
}
