//! `requires`: what must be there before something, where nothing else says so. Taken out of the document of one machine, after what is
//! for other machines is gone.

use super::composed::Spot;
use super::disposition;
use super::machine::Requirement;
use super::merge::{name_of, take};
use super::node::{Entry, Node, Value};
use super::reading::{self, Error};
use crate::model::{HomePath, ResourceId, TargetPath};
use crate::problem::{Code, Problem, nearest};
use crate::recipe::{Item, Recipe, Want};
use crate::resource::KINDS;

/// The key.
pub const REQUIRES: &str = "requires";

/// Takes every requirement out of a document.
pub fn take_all(root: &mut Node, problems: &mut Vec<Problem>) -> Vec<Requirement> {
    let mut taking = Taking { found: Vec::new(), problems };
    if let Value::Map(entries) = &mut root.value {
        for entry in entries.iter_mut().filter(|entry| !disposition::is_recorded("Manifest", &entry.key)) {
            taking.below(&mut entry.value, Spot::Section, &entry.key);
        }
    }
    taking.found
}

struct Taking<'p> {
    found: Vec<Requirement>,
    problems: &'p mut Vec<Problem>,
}

impl Taking<'_> {
    fn below(&mut self, node: &mut Node, spot: Spot, section: &str) {
        if spot.is_part()
            && let Some(entry) = take(node, REQUIRES)
        {
            let name = name_of(node).filter(|_| spot == Spot::Item).map(|(_, name)| name.to_owned());
            self.read(&entry, &Item { section: section.to_owned(), name });
        }
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.below(item, Spot::Item, section)),
            Value::Map(entries) => {
                for entry in entries {
                    let part = if spot == Spot::Section { format!("{section}.{}", entry.key) } else { section.to_owned() };
                    self.below(&mut entry.value, spot.inside(), &part);
                }
            }
        }
    }

    fn read(&mut self, entry: &Entry, item: &Item) {
        let Value::List(items) = &entry.value.value else {
            self.problems.extend(reading::not_a_list(&entry.value).at(&entry.value.mark.place(), REQUIRES));
            return;
        };
        for node in items {
            let place = node.mark.place();
            match named(node) {
                Ok(id) => self.found.push(Requirement { item: item.clone(), id, place }),
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
    let id = ResourceId::try_from(reading::text(scalar)?.to_owned()).map_err(|wrong| Error::Said(Code::BadValue, wrong.0, None))?;
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
    let made = |asked: &&Requirement| wants.iter().any(|want| asked.item.covers(&want.item()));
    let idle = asked.iter().filter(|asked| !made(asked));
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
