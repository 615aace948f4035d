//! What parts of a manifest may say beside their own: `requires`, what must be there first; `on_drift`, what is done about what people
//! changed; `on_removal`, what becomes of it when its line is gone. Taken out of the document of one machine, after what is for other
//! machines is gone.

use super::composed::{ON_DRIFT, ON_REMOVAL, REQUIRES, Spot};
use super::disposition;
use super::machine::{Policy, Requirement};
use super::node::{Entry, Node, Value, get, name_of, take};
use super::values::{self, Error};
use crate::model::{HomePath, ResourceId, TargetPath};
use crate::problem::{Code, Place, Problem, nearest};
use crate::recipe::{Item, Made, Recipe, Want};
use crate::resource::{KINDS, OnDrift};
use crate::target::OnRemoval;
use std::borrow::Cow;

/// Sections that hold what people may change, and the types of their items: the rest is always brought back.
const OWNED: [&str; 6] = ["files", "jupyter", "packages", "shares", "units", "user"];

const DRIFTS: [(&str, OnDrift); 3] = [("report", OnDrift::Report), ("repair", OnDrift::Repair), ("ignore", OnDrift::Ignore)];
const REMOVALS: [(&str, OnRemoval); 2] = [("release", OnRemoval::Release), ("delete", OnRemoval::Delete)];

/// All that is said so.
#[derive(Debug, Default)]
pub struct Said {
    /// What waits for what.
    pub requires: Vec<Requirement>,
    /// What is said of people's changes.
    pub policies: Vec<Policy>,
    /// Where the parts stand.
    pub places: Vec<(Item, Place)>,
}

/// Takes all of it out of a document.
pub fn take_all(root: &mut Node, problems: &mut Vec<Problem>) -> Said {
    let mut taking = Taking { found: Said::default(), problems };
    if let Value::Map(entries) = &mut root.value {
        for entry in entries.iter_mut().filter(|entry| !disposition::is_recorded("Manifest", &entry.key)) {
            taking.below(&mut entry.value, Spot::Section, &entry.key);
        }
    }
    taking.found
}

struct Taking<'p> {
    found: Said,
    problems: &'p mut Vec<Problem>,
}

impl Taking<'_> {
    fn below(&mut self, node: &mut Node, spot: Spot, section: &str) {
        if spot.is_part() {
            let name = name_of(node).filter(|_| spot == Spot::Item);
            let named = name.and_then(|(key, _)| get(node, key));
            let item = Item { section: section.to_owned(), name: name.map(|(_, name)| name.to_owned()) };
            self.found.places.push((item.clone(), named.unwrap_or(node).mark.place()));
            if let Some(entry) = take(node, REQUIRES) {
                self.read(&entry, &item);
            }
            let (on_drift, on_removal) = (self.word(node, &item, ON_DRIFT, &DRIFTS), self.word(node, &item, ON_REMOVAL, &REMOVALS));
            if on_drift.is_some() || on_removal.is_some() {
                self.found.policies.push(Policy { item, on_drift, on_removal });
            }
        }
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.below(item, Spot::Item, section)),
            Value::Map(entries) => {
                for entry in entries {
                    let part: Cow<'_, str> = if spot == Spot::Section { format!("{section}.{}", entry.key).into() } else { section.into() };
                    self.below(&mut entry.value, spot.inside(), &part);
                }
            }
        }
    }

    /// One of these words, where a key has it.
    fn word<W: Copy>(&mut self, node: &mut Node, item: &Item, key: &'static str, words: &[(&str, W)]) -> Option<W> {
        let entry = take(node, key)?;
        let place = entry.value.mark.place();
        if !OWNED.contains(&item.section.as_str()) {
            let message = format!("`{key}` says nothing about `{}`", item.section);
            self.problems.push(
                Problem::at(Code::BadValue, &place, message).suggest(format!("it is for {}, and for the manifest", OWNED.join(", "))),
            );
            return None;
        }
        let found = match &entry.value.value {
            Value::Scalar(scalar) => words.iter().find(|(word, _)| *word == scalar.text).map(|(_, meaning)| *meaning),
            Value::List(_) | Value::Map(_) => None,
        };
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{key}` is one of {}", names.join(", "));
            self.problems.push(Problem::at(Code::BadValue, &place, message).suggest(format!("write `{key}: {}`", names[0])));
        }
        found
    }

    fn read(&mut self, entry: &Entry, item: &Item) {
        let Value::List(items) = &entry.value.value else {
            self.problems.extend(values::not_a_list(&entry.value).at(&entry.value.mark.place(), REQUIRES));
            return;
        };
        for node in items {
            let place = node.mark.place();
            match named(node) {
                Ok(id) => self.found.requires.push(Requirement { item: item.clone(), id, place }),
                Err(error) => self.problems.extend(error.at(&place, REQUIRES)),
            }
        }
    }
}

/// The resource that a text names.
fn named(node: &Node) -> Result<ResourceId, Error> {
    let Value::Scalar(scalar) = &node.value else {
        return Err(Error::said(Code::WrongType, "the name of a resource was expected", "write kind:name, such as file:/etc/motd"));
    };
    let id = ResourceId::try_from(values::text(scalar)?.to_owned()).map_err(|wrong| Error::Said(Code::BadValue, wrong.0, None))?;
    if KINDS.contains(&id.kind.as_str()) {
        return Ok(id);
    }
    let help = match nearest(&id.kind, KINDS) {
        Some(near) => format!("did you mean `{near}:{}`?", id.name),
        None => format!("kinds are {}; `fitout plan` shows the resources of a manifest", KINDS.join(", ")),
    };
    Err(Error::said(Code::UnknownReference, format!("`{}` is no kind of resource", id.kind), help))
}

/// What cannot wait, for nothing is made of it.
pub fn idle(asked: &[Requirement], wants: &[Want]) -> Vec<Problem> {
    let made = Made::of(wants.iter().map(Recipe::item));
    let idle = asked.iter().filter(|asked| !made.has(&asked.item));
    let problem = |asked: &Requirement| {
        let problem =
            Problem::at(Code::BadValue, &asked.place, format!("nothing of `{}` can wait: this makes no resource", asked.item.section));
        problem.suggest("write it in the item that is to wait")
    };
    idle.map(problem).collect()
}

impl Requirement {
    /// The resource, on a machine where the owner's home is `home`.
    #[must_use]
    pub fn id(&self, home: &TargetPath) -> ResourceId {
        match HomePath::parse(&self.id.name) {
            Ok(path) => ResourceId::new(&self.id.kind, path.within(home)),
            Err(_) => self.id.clone(),
        }
    }
}
