//! A document as a tree that knows where everything stands, before anything is known of its meaning.
//!
//! Scalars keep their text: what `12.4` or `no` means depends on the field that holds it, and the field's reader decides.

use crate::problem::Place;
use std::sync::Arc;

/// Names a node within one load: reports and poison are kept by it. Aliases share the identity of what they repeat.
pub type NodeId = u32;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its identity.
    pub id: NodeId,
    /// What it is.
    pub value: Value,
    /// Where a person would point when speaking of it: a scalar itself, a collection's key or its first line.
    pub mark: Mark,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text, number, truth value or nothing; which, is up to its reader.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text; keys are distinct.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub mark: Mark,
    /// The value.
    pub value: Node,
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, escapes resolved.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: it may be a number or a truth value.
    Plain,
    /// In quotes or as a block: it is text.
    Quoted,
}

/// What a scalar is by YAML 1.2's core schema, with the words that older readers take for truth values kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// `yes`, `no`, `on`, `off`: text to YAML 1.2, truth values to YAML 1.1. Neither reading is safe without quotes.
    OldBool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, and whole ones beyond 64 bits.
    Number,
    /// Text.
    Text,
}

/// Spellings of truth values that YAML 1.1 knew and YAML 1.2 does not.
const OLD_BOOLS: [(&str, bool); 4] = [("yes", true), ("no", false), ("on", true), ("off", false)];

impl Scalar {
    /// What the scalar is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.style == Style::Quoted {
            return Kind::Text;
        }
        let text = self.text.as_str();
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            _ => old_bool(text).map(Kind::OldBool).or_else(|| number(text)).unwrap_or(Kind::Text),
        }
    }
}

fn old_bool(text: &str) -> Option<bool> {
    OLD_BOOLS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

fn number(text: &str) -> Option<Kind> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if all(unsigned, 10) {
        return Some(text.parse().map_or(Kind::Number, Kind::Int));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| all(digits, radix)) {
            return Some(i64::from_str_radix(digits, radix).map_or(Kind::Number, Kind::Int));
        }
    }
    is_float(unsigned).then_some(Kind::Number)
}

/// `12.4`, `.5`, `1e3`, `.inf`, `.nan`, by the core schema.
fn is_float(text: &str) -> bool {
    if [".inf", ".nan"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return true;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    digits(whole) && digits(fraction) && digits(exponent) && !exponent.is_empty() && !(whole.is_empty() && fraction.is_empty())
}

/// A place that is cheap to copy about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters to underline.
    pub width: u32,
}

impl Mark {
    /// The same as a problem carries it.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column, width: self.width }
    }
}

/// Keys that name an item of a list; the first that is there counts.
const NAMES: [&str; 3] = ["name", "path", "mount"];

/// Takes a key out of a mapping.
pub fn take(node: &mut Node, key: &str) -> Option<Entry> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter().position(|entry| entry.key == key).map(|n| entries.remove(n))
}

/// The value of a key.
pub fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// The value of a key, to be changed.
pub fn get_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}

/// The name of an item of a list, and the key that says it.
pub fn name_of(item: &Node) -> Option<(&'static str, &str)> {
    NAMES.iter().find_map(|name| match &get(item, name)?.value {
        Value::Scalar(scalar) => Some((*name, scalar.text.as_str())),
        Value::List(_) | Value::Map(_) => None,
    })
}

/// The node at a path of keys.
pub fn at<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('.').try_fold(node, |node, key| match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        Value::Scalar(_) | Value::List(_) => None,
    })
}

/// The text of a scalar.
pub fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_plain_scalars_are() {
        let kind = |text: &str| Scalar { text: text.into(), style: Style::Plain }.kind();
        for number in ["12.4", "3.10", "1e3", ".5", "-.inf", ".NaN", "99999999999999999999", "1."] {
            assert_eq!(kind(number), Kind::Number, "{number}");
        }
        for text in ["1_000", "12.4.1", "2024-01-01", "12:30:45", "e", ".", "0x", "v1", "- a", "1e", "nope"] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
        assert_eq!(kind("0644"), Kind::Int(644));
        assert_eq!(kind("0o644"), Kind::Int(0o644));
        assert_eq!(kind("-12"), Kind::Int(-12));
        assert_eq!(kind("No"), Kind::OldBool(false));
        assert_eq!(kind("~"), Kind::Null);
        assert_eq!(Scalar { text: "12".into(), style: Style::Quoted }.kind(), Kind::Text);
    }
}
