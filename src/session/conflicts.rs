//! What cannot be side by side on a machine: one thing asked for twice, something below a file, links that go round, and paths that are
//! never touched. Each is shown with both of its places.

use crate::manifest::Machine;
use crate::model::{ResourceId, TargetPath};
use crate::problem::{Code, Place, Problem};
use crate::resource::{Reach, Spec, Written};
use glob::{MatchOptions, Pattern};
use std::collections::HashMap;

/// A resource, and what asks for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) spec: Spec,
    /// Where that stands; `None` for what no text asks for.
    pub(super) place: Option<Place>,
}

/// A path, and what is asked for there.
type Placed<'a> = (&'a TargetPath, &'a Asked);
/// What is asked for first, by its path.
type ByPath<'a> = HashMap<&'a str, Placed<'a>>;

/// All that contradicts each other.
pub(super) fn conflicts(wanted: &Machine, asked: &[Asked]) -> Vec<Problem> {
    let mut by_path = ByPath::new();
    let mut problems = twice(asked);
    for (path, one) in asked.iter().filter_map(|one| Some((one.spec.path()?, one))) {
        match by_path.get(path.as_str()) {
            Some((_, first)) if first.spec.id() != one.spec.id() => {
                let message = format!("{} is asked for, and {} as well, at the same path", one.spec.id(), first.spec.id());
                problems.push(between(message, first.place.as_ref(), one.place.as_ref()));
            }
            Some(_) => {}
            None => drop(by_path.insert(path.as_str(), (path, one))),
        }
    }
    let firsts: Vec<Placed<'_>> = asked
        .iter()
        .filter_map(|one| by_path.get(one.spec.path()?.as_str()).filter(|(_, first)| std::ptr::eq(*first, one)))
        .copied()
        .collect();
    problems.extend(firsts.iter().filter_map(|placed| below(placed, &by_path)));
    problems.extend(firsts.iter().filter_map(|placed| circle(placed, &by_path)));
    problems.extend(asked.iter().flat_map(|one| decided(one, &by_path)));
    problems.extend(touched(wanted, asked));
    problems
}

/// Two parts that contradict each other, the later of which is shown first.
pub(super) fn between(message: String, first: Option<&Place>, second: Option<&Place>) -> Problem {
    let problem = match (first, second) {
        (None, None) => Problem::general(Code::Conflict, message),
        (Some(one), None) | (None, Some(one)) => Problem::at(Code::Conflict, one, message),
        (Some(first), Some(second)) if first == second => Problem::at(Code::Conflict, second, message),
        (Some(first), Some(second)) => Problem::at(Code::Conflict, second, message).earlier(first),
    };
    problem.suggest("remove one of the two")
}

/// What is asked for by one name, differently.
fn twice(asked: &[Asked]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What several ask for is joined to one; most is asked for once, and a map of all in place would be large.
    let mut seen: HashMap<ResourceId, (&Asked, Option<Box<Spec>>)> = HashMap::new();
    for one in asked {
        let id = one.spec.id();
        match seen.get(&id) {
            None => drop(seen.insert(id, (one, None))),
            Some((before, joined)) => match joined.as_deref().unwrap_or(&before.spec).join(&one.spec) {
                Some(joined) => drop(seen.insert(id, (one, Some(Box::new(joined))))),
                None => problems.push(between(format!("{id} is asked for twice, differently"), before.place.as_ref(), one.place.as_ref())),
            },
        }
    }
    problems
}

/// What is asked for at a path that another decides on without bearing its name.
fn decided(by: &Asked, by_path: &ByPath<'_>) -> Vec<Problem> {
    let problem = |(path, other): &Placed<'_>| {
        let message = format!("{} and {} both decide what is at {path}", other.spec.id(), by.spec.id());
        between(message, by.place.as_ref(), other.place.as_ref())
    };
    let at = |written: &Written| -> Vec<Problem> {
        let covered: Vec<Placed<'_>> = match written.reach {
            Reach::Itself => by_path.get(written.path.as_str()).into_iter().copied().collect(),
            Reach::Below => by_path.values().filter(|(path, _)| written.covers(path)).copied().collect(),
        };
        covered.iter().filter(|(_, other)| !(written.agrees)(&other.spec)).map(problem).collect()
    };
    by.spec.writes().iter().flat_map(at).collect()
}

/// What lies below something that is no directory.
fn below((path, one): &Placed<'_>, by_path: &ByPath<'_>) -> Option<Problem> {
    let (at, above) = path.above().find_map(|above| by_path.get(above).filter(|(_, one)| is_no_folder(&one.spec)))?;
    let what = if matches!(above.spec, Spec::Absent(_)) { "where nothing is to be" } else { "which is to be a file" };
    let contradicts = !matches!(one.spec, Spec::Absent(_));
    contradicts.then(|| between(format!("{path} lies below {at}, {what}"), above.place.as_ref(), one.place.as_ref()))
}

const fn is_no_folder(spec: &Spec) -> bool {
    matches!(spec, Spec::File(_) | Spec::Absent(_))
}

/// The kernel follows no more links than these (`path_resolution(7)`): longer ones lead nowhere, round or not.
pub(super) const MOST_LINKS: usize = 40;

/// A link that leads back to itself.
fn circle((path, one): &Placed<'_>, by_path: &ByPath<'_>) -> Option<Problem> {
    let next = |path: &TargetPath| {
        let Spec::Symlink(link) = &by_path.get(path.as_str())?.1.spec else { return None };
        path.leads_to(&link.to)
    };
    let chain: Vec<TargetPath> = std::iter::successors(next(path), next).take(MOST_LINKS).collect();
    let members = &chain[..=chain.iter().position(|other| other == *path)?];
    // One of a circle speaks for all.
    let (first, all) = (members.iter().min()? == *path, members.len());
    let message = if all == 1 { format!("{path} is a link to itself") } else { format!("the links from {path} lead back to it") };
    let other = members.first().filter(|_| all > 1).and_then(|next| by_path.get(next.as_str()));
    first.then(|| between(message, other.and_then(|(_, other)| other.place.as_ref()), one.place.as_ref()).suggest("link to what is there"))
}

/// What is asked for at a path that the manifest calls unmanaged, wherever the request comes from.
fn touched(wanted: &Machine, asked: &[Asked]) -> Vec<Problem> {
    let unmanaged = Unmanaged::of(wanted);
    if unmanaged.0.is_empty() {
        return Vec::new();
    }
    let problem = |one: &Asked| {
        let written = one.spec.writes().into_iter().filter_map(|written| TargetPath::parse(&written.path).ok());
        let mut paths = one.spec.path().cloned().into_iter().chain(written);
        let (path, (pattern, place)) = paths.find_map(|path| Some((path.clone(), unmanaged.hit(&path)?)))?;
        let message = format!("{} is asked for, and `{pattern}` of `unmanaged` says that {path} is never touched", one.spec.id());
        Some(between(message, Some(place), one.place.as_ref()))
    };
    asked.iter().filter_map(problem).collect()
}

/// Paths that are never touched.
pub(super) struct Unmanaged<'w>(Vec<(Pattern, &'w Place)>);

impl<'w> Unmanaged<'w> {
    pub(super) fn of(wanted: &'w Machine) -> Self {
        Self(wanted.unmanaged.iter().filter_map(|(text, place)| Some((Pattern::new(text).ok()?, place))).collect())
    }

    /// The pattern that a path, or what it lies below, matches.
    fn hit(&self, path: &TargetPath) -> Option<&(Pattern, &'w Place)> {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let around = |pattern: &Pattern| path.ancestors().chain([path.clone()]).any(|one| pattern.matches_with(one.as_str(), options));
        self.0.iter().find(|(pattern, _)| around(pattern))
    }

    /// Whether a path is none of Fitout's.
    pub(super) fn holds(&self, path: &str) -> bool {
        !self.0.is_empty() && TargetPath::parse(path).is_ok_and(|path| self.hit(&path).is_some())
    }
}
