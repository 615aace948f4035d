//! From a tree back to text: block style, one key a line, with comments. Only for drafts that people go on editing.

use super::node::{Entry, Kind, Node, Scalar, Style, Value};
use std::collections::BTreeMap;

/// What stands beside a field, by its path.
#[derive(Debug, Default)]
pub struct Remarks {
    /// Comments above fields.
    pub above: BTreeMap<String, String>,
    /// Fields that are written as comments, with the reason.
    pub disabled: BTreeMap<String, String>,
}

/// The text of a document.
#[must_use]
pub fn write(root: &Node, remarks: &Remarks) -> String {
    let mut lines = Vec::new();
    Writer { remarks, lines: &mut lines }.node(root, "", 0);
    lines.iter().flat_map(|line: &String| [line.as_str(), "\n"]).collect()
}

struct Writer<'a> {
    remarks: &'a Remarks,
    lines: &'a mut Vec<String>,
}

/// Spaces of a level.
const INDENT: usize = 2;

impl Writer<'_> {
    fn push(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{:width$}{text}", "", width = depth * INDENT).trim_end().to_owned());
    }

    fn node(&mut self, node: &Node, path: &str, depth: usize) {
        match &node.value {
            Value::Scalar(scalar) => self.push(depth, &inline(scalar)),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.item(item, &format!("{path}[{index}]"), depth);
                }
            }
            Value::Map(entries) => {
                for entry in entries.iter().filter(|entry| !is_nothing(&entry.value)) {
                    let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                    self.entry(entry, &path, depth);
                }
            }
        }
    }

    /// An item: the first line of what it holds comes behind the `-`.
    fn item(&mut self, item: &Node, path: &str, depth: usize) {
        let start = self.lines.len();
        self.node(item, path, depth + 1);
        let first = self.lines.get_mut(start..).and_then(|lines| lines.iter_mut().find(|line| !line.trim_start().starts_with('#')));
        match first {
            Some(line) => line.replace_range(depth * INDENT..(depth + 1) * INDENT, "- "),
            None => self.push(depth, "- {}"),
        }
    }

    fn entry(&mut self, entry: &Entry, path: &str, depth: usize) {
        let start = self.lines.len();
        if depth == 0 {
            self.lines.push(String::new());
        }
        let disabled = self.remarks.disabled.get(path);
        for remark in [self.remarks.above.get(path), disabled].into_iter().flatten() {
            self.push(depth, &format!("# {remark}"));
        }
        let first = self.lines.len();
        let key = format!("{}:", word(&entry.key));
        match &entry.value.value {
            Value::Scalar(scalar) => self.scalar(&key, scalar, depth),
            Value::List(items) if items.is_empty() => self.push(depth, &format!("{key} []")),
            Value::Map(entries) if entries.is_empty() => self.push(depth, &format!("{key} {{}}")),
            Value::List(items) if items.iter().all(is_scalar) => {
                let items: Vec<String> = items.iter().map(in_flow).collect();
                self.push(depth, &format!("{key} [{}]", items.join(", ")));
            }
            Value::List(_) | Value::Map(_) => {
                self.push(depth, &key);
                self.node(&entry.value, path, depth + 1);
            }
        }
        // Lines of a text are no comments, whatever they begin with.
        let holds_fields = !is_scalar(&entry.value);
        let nothing_left =
            |lines: &[String]| holds_fields && lines.len() > 1 && lines[1..].iter().all(|line| line.trim_start().starts_with('#'));
        if disabled.is_some() || self.lines.get(first..).is_some_and(nothing_left) {
            for line in self.lines.iter_mut().skip(start).filter(|line| !line.is_empty() && !line.trim_start().starts_with('#')) {
                line.insert(line.len() - line.trim_start().len(), '#');
            }
        }
    }

    fn scalar(&mut self, key: &str, scalar: &Scalar, depth: usize) {
        if !is_block(&scalar.text) {
            return self.push(depth, &format!("{key} {}", inline(scalar)));
        }
        for line in field(key, &scalar.text) {
            self.push(depth, &line);
        }
    }
}

/// The lines of a `key:` and its text: a block where the text has several lines and can be one.
#[must_use]
pub fn field(key: &str, text: &str) -> Vec<String> {
    if !is_block(text) {
        return vec![format!("{key} {}", word(text))];
    }
    let sign = if text.ends_with('\n') { "|" } else { "|-" };
    let inside = text.lines().map(|line| if line.is_empty() { String::new() } else { format!("{:INDENT$}{line}", "") });
    std::iter::once(format!("{key} {sign}")).chain(inside).collect()
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.kind() == Kind::Null)
}

fn is_scalar(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(_))
}

/// Whether a text of several lines can stand as a block: it starts with no space, ends in at most one line end, and hides nothing.
fn is_block(text: &str) -> bool {
    let plain = |line: &str| line.trim_end() == line && line.chars().all(is_plain);
    text.trim_end_matches('\n').contains('\n') && !text.starts_with([' ', '\n']) && !text.ends_with("\n\n") && text.split('\n').all(plain)
}

/// A scalar on one line, in quotes where it needs them.
fn inline(scalar: &Scalar) -> String {
    if scalar.style == Style::Plain && scalar.kind() != Kind::Text {
        return scalar.text.clone();
    }
    word(&scalar.text)
}

fn in_flow(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) if scalar.text.contains([',', '[', ']', '{', '}']) => quoted(&scalar.text),
        Value::Scalar(scalar) => inline(scalar),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// A text that stays text for every reader.
#[must_use]
pub fn word(text: &str) -> String {
    let alone = Scalar { text: text.to_owned(), style: Style::Plain };
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/._$~".contains(c)) && text != "~";
    let rest = !text.contains(": ") && !text.contains(" #") && !text.ends_with([':', ' ']) && text.chars().all(is_plain);
    if first && rest && alone.kind() == Kind::Text { text.to_owned() } else { quoted(text) }
}

/// Whether a character means itself wherever it stands, and is seen: what readers take for space or for the end of a line is neither.
fn is_plain(c: char) -> bool {
    let blank = c.is_control() || c.is_whitespace() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    c == ' ' || !blank
}

/// JSON's quotes and escapes, which YAML reads alike; what is not seen is escaped as well.
fn quoted(text: &str) -> String {
    let escaped = |c: char| if is_plain(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    serde_json::Value::from(text).to_string().chars().map(escaped).collect()
}
