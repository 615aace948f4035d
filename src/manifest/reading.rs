//! The report of one reading: what is wrong, and what is poisoned; and how mistakes are put into words.

use super::limits::{MOST_COUNTED, MOST_PROBLEMS};
use super::node::{Entry, Kind, Node, NodeId, Value};
use super::path::{Document, Path};
use super::values::{Error, noun};
use super::{arm, composed, disposition, later};
use crate::problem::{Code, Place, Problem, nearest};
use std::collections::HashSet;

/// Types of `v1` whose values say where a secret is: a scalar in their place may be the secret itself.
pub const HOLDS_SECRET: [&str; 2] = ["SecretRef", "Credential"];

/// Words in the name of an unknown key whose value is better not shown.
const SECRET_WORDS: [&str; 5] = ["password", "passwd", "secret", "token", "key"];

/// Asked for the fields that a type of `v1` cannot do without.
pub type Required<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// What is written down while a document is read, over all its retries.
pub struct Reading<'a> {
    /// Everything wrong so far.
    pub problems: Vec<Problem>,
    /// Places that may hold a secret by mistake: their text must not be shown.
    pub hidden: Vec<Place>,
    /// Values read so far, over all retries.
    pub visits: usize,
    poisoned: HashSet<NodeId>,
    settled: HashSet<(NodeId, String)>,
    /// Values of keys that are not known: they may be what seems to be missing.
    astray: HashSet<NodeId>,
    required: Required<'a>,
}

impl<'a> Reading<'a> {
    /// An empty report.
    pub fn new(required: Required<'a>) -> Self {
        Self {
            problems: Vec::new(),
            hidden: Vec::new(),
            visits: 0,
            poisoned: HashSet::new(),
            settled: HashSet::new(),
            astray: HashSet::new(),
            required,
        }
    }

    /// How many keys are not known.
    pub fn strays(&self) -> usize {
        self.astray.len()
    }

    /// Whether a node is treated as absent, because it has a problem.
    pub fn is_poisoned(&self, node: &Node) -> bool {
        self.poisoned.contains(&node.id)
    }

    /// Whether nothing below a node is poisoned, or stands under a key that is not known.
    pub fn is_whole(&self, node: &Node) -> bool {
        let sound = |node: &Node| self.is_whole(node);
        self.poisoned.is_empty() && self.astray.is_empty()
            || !self.is_poisoned(node)
                && !self.astray.contains(&node.id)
                && match &node.value {
                    Value::Scalar(_) => true,
                    Value::List(items) => items.iter().all(sound),
                    Value::Map(entries) => entries.iter().all(|entry| sound(&entry.value)),
                }
    }

    /// The sections of a document of which parts could not be read.
    pub fn patchy(&self, root: &Node) -> Vec<String> {
        let Value::Map(entries) = &root.value else { return Vec::new() };
        entries.iter().filter(|entry| !self.is_whole(&entry.value)).map(|entry| entry.key.clone()).collect()
    }

    /// Where the items of lists stand of which parts could not be read: every place in them.
    pub fn broken(&self, root: &Node) -> HashSet<Place> {
        let mut found = HashSet::new();
        self.gather(root, &mut found);
        found
    }

    fn gather(&self, node: &Node, found: &mut HashSet<Place>) {
        match &node.value {
            Value::Scalar(_) => {}
            Value::Map(entries) => entries.iter().for_each(|entry| self.gather(&entry.value, found)),
            Value::List(items) => {
                items.iter().filter(|item| !self.is_whole(item)).for_each(|item| places(item, found));
            }
        }
    }

    /// Treats a node as absent from now on.
    pub fn poison(&mut self, node: &Node) {
        self.poisoned.insert(node.id);
    }

    /// Writes down why a node could not be read, and poisons it.
    pub fn write(&mut self, node: &Node, path: &Path<'_>, error: Error) {
        self.write_at(&node.mark.place(), node, path, error);
    }

    /// Writes down why the key of an entry could not be read, and poisons the entry.
    pub fn write_key(&mut self, entry: &Entry, path: &Path<'_>, error: Error) {
        self.write_at(&entry.mark.place(), &entry.value, path, error);
    }

    fn write_at(&mut self, place: &Place, node: &Node, path: &Path<'_>, error: Error) {
        if let Some(problem) = error.at(place, path) {
            self.problems.push(problem);
            self.poison(node);
        }
    }

    /// Writes down every required field that a mapping lacks; fields that are there but poisoned have been reported.
    pub fn write_missing(&mut self, node: &Node, path: &Path<'_>, holder: &str, field: &str) {
        self.poison(node);
        let Value::Map(entries) = &node.value else { return };
        let absent = |name: &String| !entries.iter().any(|entry| entry.key == *name);
        let mut missing: Vec<String> = (self.required)(holder).into_iter().filter(absent).collect();
        if missing.is_empty() && absent(&field.to_owned()) {
            missing.push(field.to_owned());
        }
        if missing.is_empty() {
            return;
        }
        let problem = Problem::at(Code::MissingKey, &node.mark.place(), format!("`{path}` lacks {}", enumerated(&missing)));
        self.problems.push(problem.suggest(format!("{} says what each is", explained(path))));
    }

    /// Decides on a key that is no field of `holder`: recorded, not yet, or unknown. Decides once.
    pub fn stray(&mut self, entry: &Entry, path: &Path<'_>, holder: &str, fields: &[&'static str]) {
        if self.problems.len() >= MOST_COUNTED || !self.settled.insert((entry.value.id, entry.key.clone())) {
            return;
        }
        let place = entry.mark.place();
        let here = Path::Key(path, &entry.key);
        if disposition::is_recorded(holder, &entry.key) {
            return;
        }
        if let Some(awaited) = later::awaited(holder, &entry.key) {
            if !asks_nothing(&entry.value, awaited.harmless) {
                let problem = Problem::at(Code::NotYet, &place, format!("`{here}` is not yet in this version"));
                self.problems.push(problem.suggest("remove it; `fitout explain later` lists what is to come"));
            }
            return;
        }
        if SECRET_WORDS.iter().any(|word| entry.key.to_lowercase().contains(word)) {
            self.hidden.push(entry.value.mark.place());
        }
        let problem = Problem::at(Code::UnknownKey, &place, format!("`{here}` is not a known key"));
        self.astray.insert(entry.value.id);
        // What is only counted needs no advice, which takes time.
        let counted = self.problems.len() > MOST_PROBLEMS;
        self.problems.push(if counted { problem } else { problem.suggest(meant(&entry.key, path, fields, holder)) });
    }

    /// What to say of a scalar or list where a mapping belongs.
    pub fn not_a_map(&mut self, node: &Node, holder: &str, fields: &[&'static str]) -> Error {
        if HOLDS_SECRET.contains(&holder) {
            self.hidden.push(node.mark.place());
            return Error::said(
                Code::WrongType,
                "this must say where the secret is found, not be the secret",
                "write {file: /run/secrets/NAME} or {credential: NAME}",
            );
        }
        let message = format!("a mapping was expected, not {}", noun(node));
        if let Some(help) = shorthand(node, holder) {
            return Error::said(Code::WrongType, message, help);
        }
        if fields.is_empty() {
            return Error::said(Code::WrongType, message, "write each on a line of its own: `name: value`");
        }
        let keys = fields.iter().take(6).map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
        Error::said(Code::WrongType, message, format!("give keys such as {keys}"))
    }
}

/// Every place in a node.
fn places(node: &Node, found: &mut HashSet<Place>) {
    found.insert(node.mark.place());
    match &node.value {
        Value::Scalar(_) => {}
        Value::List(items) => items.iter().for_each(|item| places(item, found)),
        Value::Map(entries) => {
            for entry in entries {
                found.insert(entry.mark.place());
                places(&entry.value, found);
            }
        }
    }
}

/// Sections whose value people give without its key: the type, and how it is written out, with `…` for what they gave.
const SHORTHANDS: [(&str, &str); 3] = [("Packages", "packages: {install: […]}"), ("From", "from: {conda: …}"), ("User", "user: {name: …}")];

/// What to write instead of a value without its key.
fn shorthand(node: &Node, holder: &str) -> Option<String> {
    let (_, form) = SHORTHANDS.iter().find(|(of, _)| *of == holder)?;
    let word = |node: &Node| match &node.value {
        Value::Scalar(scalar) if scalar.kind() == Kind::Text && is_word(&scalar.text) => Some(scalar.text.clone()),
        Value::Scalar(_) | Value::List(_) | Value::Map(_) => None,
    };
    let given = match &node.value {
        Value::List(items) if form.contains('[') => items.iter().map(word).collect::<Option<Vec<String>>>().map(|words| words.join(", ")),
        Value::List(_) | Value::Map(_) => return None,
        Value::Scalar(_) => word(node),
    };
    let given = given.filter(|text| text.chars().count() <= 60);
    Some(format!("write {}", form.replace('…', given.as_deref().unwrap_or("…"))))
}

/// Whether a text can be shown in a suggestion as it is.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-/=".contains(c))
}

/// "`a`, `b` and `c`".
fn enumerated(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
        [] => String::new(),
    }
}

/// What explains the fields at a path.
fn explained(path: &Path<'_>) -> String {
    match path.document() {
        Document::Manifest => format!("`fitout explain {}`", plain(path)),
        Document::Image => "docs/images.md".into(),
    }
}

/// The path without indices.
fn plain(path: &Path<'_>) -> String {
    match path {
        Path::Root(_) | Path::Key(Path::Root(_), _) => path.to_string(),
        Path::Key(above, key) => format!("{}.{key}", plain(above)),
        Path::Item(above, _) => plain(above),
    }
}

fn meant(key: &str, path: &Path<'_>, fields: &[&'static str], holder: &str) -> String {
    /// More fields than this are better read with `explain`.
    const LISTED: usize = 8;
    if composed::names().contains(&key) {
        return format!("`{key}` stands in sections, in their parts, and in items of lists");
    }
    if let Some(ours) = arm::renamed(key, holder, fields) {
        return format!("write `{ours}`: this is the name in Azure Resource Manager, and manifests use that of `az ml`");
    }
    if key == "state" && path.document() == Document::Manifest {
        return "apply with `on_removal: delete` at the top of the manifest, then take this part out: what it made is removed".to_owned();
    }
    if let Some(near) = nearest(key, fields.iter().copied().chain(later::names(holder)).chain(composed::known_at(path))) {
        return format!("did you mean `{near}`?");
    }
    match fields.len() {
        0..=LISTED if path.document() == Document::Image => {
            format!("the keys here are {}; docs/images.md says what each is", fields.join(", "))
        }
        0..=LISTED => format!("the keys here are {}", fields.join(", ")),
        _ => format!("{} lists the keys", explained(path)),
    }
}

fn asks_nothing(node: &Node, harmless: Option<&str>) -> bool {
    match &node.value {
        Value::Scalar(scalar) => scalar.kind() == Kind::Null || harmless == Some(scalar.text.as_str()),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}
