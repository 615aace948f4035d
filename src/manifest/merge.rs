//! One document over another: fragments that a manifest includes, what differs on one machine.
//!
//! Mappings merge key by key, lists append; items that have a name merge with the item of that name. What remains is two values for
//! one field: a problem, unless the later text says that it overrides. See docs/compose.md for the rules in words.

use super::composed::OVERRIDE;
use super::disposition;
use super::node::{Entry, Kind, Node, NodeId, Value, name_of, take};
use super::path::{Document, Path};
use super::values::{Error, noun, truth};
use crate::problem::{Code, Place, Problem};
use std::collections::{HashMap, HashSet, VecDeque};

/// Fields that are one value although they are lists: half a command of one file and half of another mean nothing.
const ONE_VALUE: [&str; 1] = ["command"];

/// Parts of a path below which a value may be a secret by mistake.
const MAY_BE_SECRET: [&str; 4] = ["credential", "password", "secret", "token"];

/// What becomes of a field that both documents give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Both must say the same.
    Agree,
    /// The later one holds; lists append all the same.
    Override,
    /// The later one holds, and lists of items without names are replaced whole: what one machine says of itself.
    Overlay,
}

/// The mappings that have the last word.
#[derive(Debug, Default)]
pub struct Overrides(HashSet<NodeId>);

impl Overrides {
    /// Takes every `override` out of a text, and remembers which mappings had it.
    pub fn take(&mut self, root: &mut Node, problems: &mut Vec<Problem>) {
        let taken = |entry: &&mut Entry| !disposition::is_recorded("Manifest", &entry.key);
        self.take_one(root, problems);
        if let Value::Map(entries) = &mut root.value {
            entries.iter_mut().filter(taken).for_each(|entry| self.take_below(&mut entry.value, problems));
        }
    }

    fn take_below(&mut self, node: &mut Node, problems: &mut Vec<Problem>) {
        self.take_one(node, problems);
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.take_below(item, problems)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| self.take_below(&mut entry.value, problems)),
        }
    }

    fn take_one(&mut self, node: &mut Node, problems: &mut Vec<Problem>) {
        let Some(said) = take(node, OVERRIDE) else { return };
        let meant = match &said.value.value {
            Value::Scalar(scalar) => truth(scalar),
            Value::List(_) | Value::Map(_) => Err(Error::said(Code::WrongType, "a truth value was expected", "write true or false")),
        };
        match meant {
            Ok(true) => drop(self.0.insert(node.id)),
            Ok(false) => {}
            Err(error) => problems.extend(error.at(&said.value.mark.place(), OVERRIDE)),
        }
    }
}

/// Merging in progress.
#[derive(Debug)]
pub struct Merger<'a> {
    /// What contradicts.
    pub problems: Vec<Problem>,
    /// Places whose text must not be shown.
    pub hidden: Vec<Place>,
    overrides: &'a Overrides,
}

impl<'a> Merger<'a> {
    /// Nothing merged yet.
    pub const fn new(overrides: &'a Overrides) -> Self {
        Self { problems: Vec::new(), hidden: Vec::new(), overrides }
    }

    /// Lays `later` over `base`.
    pub fn merge(&mut self, base: &mut Node, later: Node, rule: Rule) {
        self.lay(base, later, rule, &Path::Root(Document::Manifest));
    }

    fn lay(&mut self, base: &mut Node, later: Node, rule: Rule, path: &Path<'_>) {
        let rule = if rule == Rule::Agree && self.overrides.0.contains(&later.id) { Rule::Override } else { rule };
        let deep = match (&base.value, &later.value) {
            (Value::Map(_), Value::Map(_)) => true,
            (Value::List(_), Value::List(more)) => {
                rule != Rule::Overlay || !more.is_empty() && more.iter().all(|item| name_of(item).is_some())
            }
            _ => false,
        };
        if !deep || matches!(path, Path::Key(_, key) if ONE_VALUE.contains(key)) {
            return self.lay_value(base, later, rule, path);
        }
        match (&mut base.value, later.value) {
            (Value::Map(entries), Value::Map(more)) => self.lay_map(entries, more, rule, path),
            (Value::List(items), Value::List(more)) => self.lay_list(items, more, rule, path),
            _ => {}
        }
    }

    fn lay_map(&mut self, entries: &mut Vec<Entry>, more: Vec<Entry>, rule: Rule, path: &Path<'_>) {
        let mut known: HashMap<String, usize> = entries.iter().enumerate().map(|(n, entry)| (entry.key.clone(), n)).collect();
        for new in more {
            let Some(entry) = known.get(&new.key).and_then(|n| entries.get_mut(*n)) else {
                known.insert(new.key.clone(), entries.len());
                entries.push(new);
                continue;
            };
            let (id, mark) = (new.value.id, new.mark);
            self.lay(&mut entry.value, new.value, rule, &Path::Key(path, &new.key));
            if entry.value.id == id {
                entry.mark = mark;
            }
        }
    }

    /// Each item finds one of its own identity, or is new. A name that is twice in one text stays there twice, and is reported.
    fn lay_list(&mut self, items: &mut Vec<Node>, more: Vec<Node>, rule: Rule, path: &Path<'_>) {
        let mut known: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (n, item) in items.iter().enumerate() {
            known.entry(identity(item)).or_default().push_back(n);
        }
        for new in more {
            let found = known.get_mut(&identity(&new)).and_then(VecDeque::pop_front);
            match found.and_then(|n| Some((n, items.get_mut(n)?))) {
                Some((n, item)) => self.lay(item, new, rule, &Path::Item(path, n)),
                None => items.push(new),
            }
        }
    }

    fn lay_value(&mut self, base: &mut Node, later: Node, rule: Rule, path: &Path<'_>) {
        if is_nothing(&later) && rule == Rule::Agree || canonical(base) == canonical(&later) {
            return;
        }
        if rule != Rule::Agree || is_nothing(base) {
            *base = later;
            return;
        }
        let (place, earlier) = (later.mark.place(), base.mark.place());
        let shown = path.to_string();
        if MAY_BE_SECRET.iter().any(|word| shown.contains(word)) {
            self.hidden.extend([place.clone(), earlier.clone()]);
        }
        let message = match (&base.value, &later.value) {
            (Value::Scalar(_), Value::Scalar(_)) | (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => {
                format!("`{shown}` is given twice, differently")
            }
            _ => format!("`{shown}` is {} here and {} there", noun(&later), noun(base)),
        };
        let problem = Problem::at(Code::Conflict, &place, message).earlier(&earlier);
        self.problems.push(problem.suggest(format!("keep one of the two, or write `{OVERRIDE}: true` beside the one that is to hold")));
    }
}

/// What makes an item the same item in another file: its name; of things without a name, all of it.
fn identity(item: &Node) -> String {
    name_of(item).map_or_else(|| canonical(item), |name| format!("{name:?}"))
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.kind() == Kind::Null)
}

/// A text that is the same for values that mean the same.
fn canonical(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => match scalar.kind() {
            Kind::Text => format!("{:?}", scalar.text),
            Kind::Null => "null".into(),
            kind @ (Kind::Bool(_) | Kind::OldBool(_) | Kind::Int(_) | Kind::Number) => format!("{kind:?} {}", scalar.text),
        },
        Value::List(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let mut parts: Vec<String> = entries.iter().map(|entry| format!("{:?}: {}", entry.key, canonical(&entry.value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Tally, parse};
    use super::*;
    use proptest::prelude::*;

    /// A document whose keys say what they hold: in two of them, what has one name agrees.
    fn document(depth: u32) -> BoxedStrategy<String> {
        let word = prop_oneof![Just("x"), Just("y"), Just("z")];
        let words = proptest::collection::vec(word.clone(), 0..4).prop_map(|words| format!("[{}]", words.join(", ")));
        if depth == 0 {
            return Just("{}".to_owned()).boxed();
        }
        let item = (word, document(depth - 1)).prop_map(|(name, rest)| rest.replacen('{', &format!("{{name: {name}, "), 1));
        let items = proptest::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(", ")));
        let part = |key: &'static str, value: BoxedStrategy<String>| {
            proptest::option::of(value.prop_map(move |value| format!("{key}: {value}, ")))
        };
        let parts = (
            part("scalar", Just("same".to_owned()).boxed()),
            part("nothing", prop_oneof![Just("~".to_owned()), Just("there".to_owned())].boxed()),
            part("words", words.boxed()),
            part("items", items.boxed()),
            part("map", document(depth - 1)),
        );
        parts.prop_map(|(a, b, c, d, e)| format!("{{{}}}", [a, b, c, d, e].into_iter().flatten().collect::<String>())).boxed()
    }

    fn laid(base: &Node, later: &Node) -> Node {
        let (overrides, mut base) = (Overrides::default(), base.clone());
        let mut merger = Merger::new(&overrides);
        merger.merge(&mut base, later.clone(), Rule::Agree);
        assert!(merger.problems.is_empty(), "{:?}", merger.problems);
        base
    }

    proptest! {
        /// Where nothing contradicts, it is the same whether fragments are put together first, or one after the other.
        #[test]
        fn merging_is_associative(a in document(3), b in document(3), c in document(3)) {
            let mut tally = Tally::default();
            let [a, b, c] = [a, b, c].map(|text| parse("x", &text, &mut tally).root.unwrap());
            prop_assert_eq!(canonical(&laid(&laid(&a, &b), &c)), canonical(&laid(&a, &laid(&b, &c))));
            prop_assert_eq!(canonical(&laid(&a, &a)), canonical(&a));
        }
    }
}
