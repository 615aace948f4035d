//! What is wrong with a manifest: a stable code, a place, a sentence, a suggestion; and how that is shown.
//!
//! Every reader of manifests collects [`Problem`]s and goes on, so that all of them are reported at once. A code never
//! changes its meaning; `fitout explain CODE` prints [`Code::explanation`].

use crate::model::{covered, redacted};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A place in a file, counted from one, as editors count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file as the user named it; `-` for standard input.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters to underline; at least 1.
    pub width: u32,
}

impl Place {
    /// Calls its file otherwise.
    pub fn rename(&mut self, name: &dyn Fn(&str) -> String) {
        self.file = name(&self.file).into();
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $title:literal, $explanation:literal, $mend:literal, $example:literal;)*) => {
        /// The kinds of problem. Codes are public: scripts may match them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text, such as `E0102`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What the code means, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What the code means.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$variant => $mend,)* }
            }

            /// A manifest (`manifest.yaml`) that has this problem.
            #[must_use]
            pub const fn example(self) -> &'static str {
                match self { $(Self::$variant => $example,)* }
            }
        }
    };
}

codes! {
    Syntax = "E0101", "not well-formed YAML",
        "The text is not YAML, or uses a part of YAML that manifests may not use: custom tags, several documents, merge keys.",
        "Look for a tab used as indentation, a missing space after `:`, a quote or bracket that is not closed; put quotes around text that holds `: ` or ` #`.",
        "packages:\n\tinstall: [git]\n";
    UnknownKey = "E0102", "unknown key",
        "No field of that name exists here. Fitout ignores nothing silently: a misspelt field would be a wish that nobody hears.",
        "Take the name that the message suggests; `fitout explain PATH` lists the fields of a section. Names are snake_case: for camelCase of Azure Resource Manager the message says ours.",
        "pakages: {install: [git]}\n";
    DuplicateKey = "E0103", "key given twice",
        "A mapping holds the same key twice. Readers of YAML disagree on which one wins, so Fitout refuses both.",
        "Keep one of the two, or join their contents.",
        "name: lab-a\nname: lab-b\n";
    WrongType = "E0104", "wrong type of value",
        "The value is of another type than the field: a number where text is expected, a mapping where a list is; or the file is no manifest at all.",
        "Quote what must stay text: versions (`\"12.4\"`), modes (`\"0644\"`), and words such as `no` that YAML 1.1 reads as truth values. `fitout explain PATH` says the type.",
        "environments:\n  - {name: quick, from: {python: 3.11}}\n";
    MissingKey = "E0105", "a required key is missing",
        "The mapping lacks a field that it cannot do without. The message names it.",
        "Add the field; `fitout explain PATH` says what each field of the section is.",
        "files:\n  - {content: hello}\n";
    BadValue = "E0106", "a value that breaks its field's rule",
        "The value has the right type but breaks a rule of its field: a name, path, size, mode, length of time, time zone, version, port. The message states the rule.",
        "Write a value that keeps the rule.",
        "name: 1-lab\n";
    Conflict = "E0107", "two parts that contradict each other",
        "Two fields cannot both hold, two items have the same name, or two files give one field differently. The message names both.",
        "Keep one of the two, or give each a name of its own; of two files, the later one holds where it says `override: true` beside the field.",
        "files:\n  - {path: /etc/motd, content: hello, source: motd.txt}\n";
    NotYet = "E0108", "not yet in this version",
        "The field is part of the manifest's format and will work in a later version. This version would have to ignore it, and ignoring silently is worse than refusing.",
        "Remove the field, or use a newer Fitout. `fitout explain later` lists every such field.",
        "disk: {ballast: 1GiB}\n";
    MissingFile = "E0109", "a named file does not exist",
        "The manifest points at a file that is not there. Relative paths are relative to the file that names them.",
        "Correct the path, or put the file there.",
        "setup_scripts:\n  creation_script: {path: absent.sh}\n";
    TooLarge = "E0110", "the manifest exceeds a limit",
        "Manifests, with all that they include, are limited to 8 MiB, 250,000 nodes, 4,096 keys in a mapping, 64 levels and 256 files, so that a hostile document cannot exhaust the machine.",
        "Put large contents into files that the manifest names; write repeated values out instead of nesting aliases.",
        "unmanaged: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n";
    UnknownReference = "E0111", "a reference to something that the manifest does not hold",
        "A `requires`, `kernel`, `~` or similar names something that is nowhere in the manifest. The message lists near matches.",
        "Correct the name, or add what it names.",
        "checks:\n  - {name: notebook, kernel: quick, runs: import torch}\n";
    Cycle = "E0112", "resources or files that wait for each other",
        "The order that the manifest asks for goes round in a circle; the message names its members.",
        "Remove one `requires`, or one `include`.",
        "include: [manifest.yaml]\n";
    Protected = "E0113", "a path that a manifest cannot ask for",
        "The kernel makes `/proc`, `/sys` and `/dev`, `/run` is empty after each boot, and what Fitout remembers is its own. `/etc/passwd`, `/usr/bin` and their like can be neither taken away nor become something else: the machine would not start, or nobody could log in. Databases of the system (`/etc/passwd`, `/etc/shadow`, `/etc/group`, `/etc/sudoers`, the packages of dpkg) are not written whole: what the text does not name would be lost.",
        "Do what the message suggests, or name another path. Accounts are written under `user`, settings of the kernel under `sysctl`.",
        "files:\n  - {path: /etc/passwd, state: absent}\n";
    Incompatible = "E0114", "parts of the GPU stack that do not work together",
        "Driver, CUDA, cuDNN, NCCL, the GPU's architecture or a framework of an environment exclude each other. The message names the rule and who states it. A warning with this code means: it runs, with less than was meant.",
        "Make the change that the message names; each of the two sides can give way.",
        "gpu:\n  driver: {branch: \"470\"}\n  cuda: {version: \"12.4.1\", source: redist}\n";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub code: Code,
    /// Where; `None` only where no text is to blame (a file that is absent).
    pub place: Option<Place>,
    /// The place of what it contradicts, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Place>,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(code: Code, place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), ..Self::general(code, message) }
    }

    /// A problem that no text shows.
    pub fn general(code: Code, message: impl Into<String>) -> Self {
        Self { code, place: None, earlier: None, message: redacted(&readable(message.into())).into_owned(), suggestion: None }
    }

    /// With the place of what it contradicts.
    #[must_use]
    pub fn earlier(mut self, place: &Place) -> Self {
        self.earlier = Some(place.clone());
        self
    }

    /// With a suggestion.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(redacted(&suggestion.into()).into_owned());
        self
    }
}

/// More problems than this help nobody, and a hostile text can have very many.
pub const MOST_PROBLEMS: usize = 100;

/// Longest message that is told whole; what is longer repeats a value that somebody made so long.
const TOLD: usize = 1_000;

/// A message of which a person can read the beginning and the end.
fn readable(message: String) -> String {
    let part = |from: usize, to: usize| message.get(message.floor_char_boundary(from)..message.floor_char_boundary(to)).unwrap_or_default();
    if message.len() <= TOLD {
        return message;
    }
    format!("{}…{}", part(0, TOLD / 2), part(message.len() - TOLD / 2, message.len()))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{} [{}]", self.message, self.code)
    }
}

/// The texts that problems point into, by file name. They are shared with their readers, so what must not be seen is masked when a line is
/// shown.
#[derive(Clone, Default)]
pub struct Sources {
    texts: BTreeMap<String, Arc<str>>,
    hidden: BTreeSet<Place>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts.keys()).finish()
    }
}

impl Sources {
    /// Remembers a text.
    pub fn add(&mut self, file: &str, text: impl Into<Arc<str>>) {
        self.texts.insert(file.to_owned(), text.into());
    }

    /// Makes the rest of the line at a place unreadable: a secret may stand there by mistake.
    pub fn hide(&mut self, place: &Place) {
        self.hidden.insert(place.clone());
    }

    /// Calls each text otherwise.
    pub fn rename(&mut self, name: &dyn Fn(&str) -> String) {
        self.texts = std::mem::take(&mut self.texts).into_iter().map(|(file, text)| (name(&file), text)).collect();
        let renamed = |mut place: Place| {
            place.rename(name);
            place
        };
        self.hidden = std::mem::take(&mut self.hidden).into_iter().map(renamed).collect();
    }

    /// The line of a place, and how many of its characters come before what is hidden.
    fn line(&self, place: &Place) -> Option<(&str, usize)> {
        let line = self.texts.get(&*place.file)?.lines().nth(place.line.checked_sub(1)? as usize)?;
        let hidden = self.hidden.iter().filter(|hidden| (&hidden.file, hidden.line) == (&place.file, place.line));
        Some((line, hidden.map(|hidden| hidden.column.saturating_sub(1) as usize).min().unwrap_or(usize::MAX)))
    }
}

/// The text with user and password of addresses made unreadable, every character in its place.
fn masked(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let authority = part.find(|c: char| c == '/' || c.is_whitespace() || "\"'".contains(c)).unwrap_or(part.len());
        let login = part[..authority].rfind('@').unwrap_or_default();
        out.extend(part[..login].chars().map(|_| '*'));
        out.push_str(&part[login..]);
    }
    out
}

/// Longest source line that is shown whole; longer ones are cut around the caret.
const SHOWN: usize = 120;
/// How much beside that is looked at for secrets.
const BESIDE: usize = 4_000;

/// All problems as a person reads them: place, message, the line, a caret, a suggestion; in the order of the text,
/// what no text shows last.
#[must_use]
pub fn render(problems: &[Problem], sources: &Sources) -> String {
    render_as("error", problems, sources)
}

/// The same, of what is no reason to refuse anything.
#[must_use]
pub fn render_warnings(problems: &[Problem], sources: &Sources) -> String {
    render_as("warning", problems, sources)
}

fn render_as(what: &str, problems: &[Problem], sources: &Sources) -> String {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| (problem.place.is_none(), problem.place.clone(), problem.code));
    sorted.iter().map(|problem| render_one(what, problem, sources)).collect::<Vec<_>>().join("\n")
}

fn render_one(what: &str, problem: &Problem, sources: &Sources) -> String {
    use fmt::Write;
    let mut out = String::new();
    if let Some(place) = &problem.place {
        let _ = write!(out, "{place}: ");
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{what}[{}]: {}", problem.code, problem.message);
    out.extend(problem.place.as_ref().and_then(|place| pointed(place, sources)));
    if let Some(place) = &problem.earlier {
        let _ = writeln!(out, "  first at {place}");
        out.extend(pointed(place, sources));
    }
    if let Some(suggestion) = &problem.suggestion {
        let _ = writeln!(out, "  help: {suggestion}");
    }
    out
}

/// The line of a place, with carets under what is meant.
fn pointed(place: &Place, sources: &Sources) -> Option<String> {
    let (shown, caret) = excerpt(sources.line(place)?, place.column.saturating_sub(1) as usize, place.width.max(1) as usize);
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    Some(format!("  {gutter} |\n  {number} | {shown}\n  {gutter} | {caret}\n"))
}

/// The line, cut to a readable window, with secrets covered and control characters made harmless, and the caret line under it.
fn excerpt((line, open): (&str, usize), column: usize, width: usize) -> (String, String) {
    let length = if line.is_ascii() { line.len() } else { line.chars().count() };
    let start = if length <= SHOWN { 0 } else { column.saturating_sub(SHOWN / 2).min(length - SHOWN) };
    let end = length.min(start + SHOWN);
    // What is a secret shows by what stands before it, which the window may not reach.
    let before = start.saturating_sub(BESIDE);
    let near = line.get(offset(line, before)..).unwrap_or_default().chars().take(start - before + SHOWN + BESIDE);
    let near: String = near.enumerate().map(|(n, c)| if before + n < open { c } else { '*' }).collect();
    let near = masked(&near);
    let window = covered(&near);
    let shown: String = window.chars().skip(start - before).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let room = end.saturating_sub(column).max(1);
    let caret = format!("{}{}", " ".repeat(column.saturating_sub(start)), "^".repeat(width.min(room)));
    (shown, caret)
}

/// Where a character of a line begins, in bytes. Most lines are ASCII, and a hostile one is very long.
fn offset(line: &str, column: usize) -> usize {
    if line.is_ascii() {
        return column.min(line.len());
    }
    line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
}

/// The candidate nearest to what was written, if any is near enough to be a slip of the hand.
#[must_use]
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = |text: &str| -> Vec<char> { text.to_lowercase().chars().collect() };
    let written = lower(written);
    let allowed = (written.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&written, &lower(candidate), allowed)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance with swapped neighbours as one slip: `conad` is as near to `conda` as can be. `None` where it is larger than what
/// is allowed, which is soon plain of most candidates.
fn distance(a: &[char], b: &[char], allowed: usize) -> Option<usize> {
    let mut two_above: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(two_above[j - 1] + 1);
            }
            row.push(least);
        }
        if row.iter().chain(&above).min().is_some_and(|least| *least > allowed) {
            return None;
        }
        two_above = std::mem::replace(&mut above, row);
    }
    Some(above[b.len()]).filter(|distance| *distance <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_slips_only() {
        let fields = ["packages", "files", "units", "environments"];
        assert_eq!(nearest("pakages", fields), Some("packages"));
        assert_eq!(nearest("Files", fields), Some("files"));
        assert_eq!(nearest("enviroments", fields), Some("environments"));
        assert_eq!(nearest("untis", fields), Some("units"));
        assert_eq!(nearest("network", fields), None);
    }

    #[test]
    fn draws_a_caret() {
        let mut sources = Sources::default();
        sources.add("m.yaml", "name: lab\npakages: []\n");
        let place = Place { file: "m.yaml".into(), line: 2, column: 1, width: 7 };
        let problem = Problem::at(Code::UnknownKey, &place, "unknown key `pakages`").suggest("did you mean `packages`?");
        insta::assert_snapshot!(render(&[problem], &sources), @r"
        m.yaml:2:1: error[E0102]: unknown key `pakages`
            |
          2 | pakages: []
            | ^^^^^^^
          help: did you mean `packages`?
        ");
    }

    #[test]
    fn masks_passwords_of_addresses() {
        assert_eq!(masked("uri: https://bob:pw@e.org/x # a@b"), "uri: https://******@e.org/x # a@b");
        assert_eq!(masked("a://b c@d 'e://f@g'"), "a://b c@d 'e://*@g'");
    }

    #[test]
    fn codes_are_distinct() {
        let mut texts: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
