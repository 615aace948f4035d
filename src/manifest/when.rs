//! `when`: what is for some machines only.
//!
//! A condition is taken out of the text that holds it, before texts are laid over each other: what is not for a machine is left out
//! first, so that a fragment may say one thing of Debian and another of Ubuntu. A manifest is checked once for each kind of machine that
//! its conditions tell apart, among those that Fitout knows ([`Facts::kinds`]).

use super::composed::{self, Spot, WHEN};
use super::disposition;
use super::node::{Entry, Mark, Node, NodeId, Value, take};
use super::question::{QUESTIONS, Question};
use super::values;
use super::values::Error;
use crate::model::{Facts, RELEASES};
use crate::problem::{Code, Place, Problem, nearest};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What must hold: of each question that is asked, one of the words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Condition(BTreeMap<usize, Vec<String>>);

impl Condition {
    fn holds(&self, facts: &Facts) -> bool {
        self.0.iter().all(|(index, words)| {
            let answers = QUESTIONS.get(*index).map(|question| (question.answer)(facts)).unwrap_or_default();
            words.iter().any(|word| answers.contains(&word.as_str()))
        })
    }
}

/// The conditions of all texts.
#[derive(Debug, Default)]
pub struct Conditions {
    /// By the mapping that has it.
    of: HashMap<NodeId, Condition>,
    /// What stands below a condition.
    below: HashSet<(Arc<str>, u32, u32)>,
}

impl Conditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Takes every condition out of a text, and remembers it.
    pub fn take(&mut self, root: &mut Node, problems: &mut Vec<Problem>) {
        if let Some(entry) = take(root, WHEN) {
            let problem = Problem::at(Code::UnknownKey, &entry.mark.place(), format!("a file as a whole has no `{WHEN}`"));
            problems.push(problem.suggest("write it in the sections and items that are for some machines only"));
        }
        let Value::Map(entries) = &mut root.value else { return };
        for entry in entries.iter_mut().filter(|entry| !disposition::is_recorded("Manifest", &entry.key)) {
            self.take_below(&mut entry.value, Spot::Section, &[], problems);
        }
    }

    fn take_below(&mut self, node: &mut Node, spot: Spot, above: &[Condition], problems: &mut Vec<Problem>) {
        let own = if spot.is_part() { take(node, WHEN) } else { None };
        let condition = own.map(|entry| {
            let condition = read(&entry, problems);
            let all: Vec<&Condition> = above.iter().chain([&condition]).collect();
            if !Facts::kinds().any(|facts| all.iter().all(|condition| condition.holds(&facts))) {
                let problem = Problem::at(Code::Conflict, &entry.mark.place(), "no machine is all of this");
                problems.push(problem.suggest(releases()));
            }
            condition
        });
        let mut above = above.to_vec();
        if let Some(condition) = condition {
            self.of.insert(node.id, condition.clone());
            above.push(condition);
        }
        if !above.is_empty() {
            self.below.insert(key_of(&node.mark));
        }
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.take_below(item, Spot::Item, &above, problems)),
            Value::Map(entries) => {
                for entry in entries {
                    if !above.is_empty() {
                        self.below.insert(key_of(&entry.mark));
                    }
                    self.take_below(&mut entry.value, spot.inside(), &above, problems);
                }
            }
        }
    }

    /// What of a text is for a machine.
    pub fn select(&self, root: &Node, facts: &Facts) -> Option<Node> {
        let mut selected = self.select_below(root, facts)?;
        composed::plain_items(&mut selected);
        Some(selected)
    }

    fn select_below(&self, node: &Node, facts: &Facts) -> Option<Node> {
        if self.of.get(&node.id).is_some_and(|condition| !condition.holds(facts)) {
            return None;
        }
        let value = match &node.value {
            Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
            Value::List(items) => Value::List(items.iter().filter_map(|item| self.select_below(item, facts)).collect()),
            Value::Map(entries) => {
                let entry = |entry: &Entry| Some(Entry { value: self.select_below(&entry.value, facts)?, ..entry.clone() });
                Value::Map(entries.iter().filter_map(entry).collect())
            }
        };
        Some(Node { id: node.id, value, mark: node.mark.clone() })
    }

    /// A machine of each kind that the conditions tell apart.
    pub fn kinds(&self) -> Vec<Facts> {
        let mut seen: HashSet<Vec<bool>> = HashSet::new();
        let told = |facts: &Facts| self.of.values().map(|condition| condition.holds(facts)).collect();
        Facts::kinds().filter(|facts| seen.insert(told(facts))).collect()
    }

    /// Whether a place stands below a condition.
    pub fn covers(&self, place: &Place) -> bool {
        self.below.contains(&(place.file.clone(), place.line, place.column))
    }

    /// What the conditions ask, as a machine answers it: `gpu: absent`.
    pub fn describe(&self, facts: &Facts) -> String {
        let asked: BTreeSet<usize> = self.of.values().flat_map(|condition| condition.0.keys().copied()).collect();
        let one = |question: &Question| Some(format!("{}: {}", question.key, (question.answer)(facts).first()?));
        asked.iter().filter_map(|index| one(QUESTIONS.get(*index)?)).collect::<Vec<_>>().join(", ")
    }
}

fn key_of(mark: &Mark) -> (Arc<str>, u32, u32) {
    (mark.file.clone(), mark.line, mark.column)
}

/// The releases of each distribution, in words.
fn releases() -> String {
    let of = |id: &str| {
        let own = RELEASES.iter().filter(|(of, _, _)| *of == id);
        format!(
            "releases of {id} are {}",
            own.map(|(_, version, codename)| format!("{version} ({codename})")).collect::<Vec<_>>().join(", ")
        )
    };
    BTreeSet::from(RELEASES.map(|(id, _, _)| id)).into_iter().map(of).collect::<Vec<_>>().join("; ")
}

/// Reads one condition; what is wrong with it is left out of it.
fn read(entry: &Entry, problems: &mut Vec<Problem>) -> Condition {
    let mut condition = Condition::default();
    let Value::Map(asked) = &entry.value.value else {
        let keys = QUESTIONS.map(|question| question.key).join(", ");
        let message = format!("`{WHEN}`: a mapping was expected, not {}", values::noun(&entry.value));
        problems.push(Problem::at(Code::WrongType, &entry.value.mark.place(), message).suggest(format!("give keys such as {keys}")));
        return condition;
    };
    for entry in asked {
        match QUESTIONS.iter().position(|question| question.key == entry.key) {
            Some(index) => drop(condition.0.insert(index, words(entry, &QUESTIONS[index], problems))),
            None => problems.push(unknown(entry)),
        }
    }
    condition
}

fn unknown(entry: &Entry) -> Problem {
    let problem = Problem::at(Code::UnknownKey, &entry.mark.place(), format!("`{WHEN}.{}` is not a known key", entry.key));
    let keys = QUESTIONS.map(|question| question.key);
    problem.suggest(match nearest(&entry.key, keys) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", keys.join(", ")),
    })
}

/// The words of one question: a single one, or a list of which one is enough.
fn words(entry: &Entry, question: &Question, problems: &mut Vec<Problem>) -> Vec<String> {
    let items = match &entry.value.value {
        Value::List(items) => items.as_slice(),
        Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(&entry.value),
    };
    let known = (question.words)();
    let mut words = Vec::new();
    if items.is_empty() {
        let problem =
            Problem::at(Code::BadValue, &entry.mark.place(), format!("`{WHEN}.{}`: a list of nothing fits no machine", question.key));
        problems.push(problem.suggest(format!("write one of {}", known.join(", "))));
    }
    for item in items {
        let word = match &item.value {
            Value::Scalar(scalar) => values::text(scalar).and_then(|word| {
                let choice = values::not_a_choice(word, WHEN, &known);
                if known.contains(&word) { Ok(word) } else { Err(choice) }
            }),
            Value::List(_) | Value::Map(_) => {
                Err(Error::said(Code::WrongType, "a word was expected", format!("write one of {}", known.join(", "))))
            }
        };
        match word {
            Ok(word) => words.push(word.to_owned()),
            Err(error) => problems.extend(error.at(&item.mark.place(), format!("{WHEN}.{}", question.key))),
        }
    }
    // A word that is wrong has been said; it must not make everything below it disappear unread.
    if words.is_empty() { known.into_iter().map(str::to_owned).collect() } else { words }
}
