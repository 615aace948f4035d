//! The order of work: what requires what, and among the free, what a person would do first.

use crate::model::{Owner, ResourceId, TargetPath};
use crate::problem::{Code, Place, Problem, nearest};
use crate::resource::{Guard, Spec};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A resource and what it waits for.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is wanted.
    pub spec: Spec,
    /// Positions in [`Graph::nodes`] of what must be there first; all smaller than its own.
    pub requires: Vec<usize>,
    /// Everything before this position is done with before this begins, whatever became of it.
    pub after: usize,
}

/// All resources in the order in which they are worked on; the same input gives the same order.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Every node after all that it requires.
    pub nodes: Vec<Node>,
}

/// A requirement that a manifest says in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What waits.
    pub of: ResourceId,
    /// What it waits for.
    pub requires: ResourceId,
    /// Where that is said.
    pub place: Place,
}

impl Graph {
    /// Orders resources.
    ///
    /// # Errors
    /// Two resources of one name that differ, a requirement that names nothing, a circle.
    pub fn order(specs: Vec<Spec>) -> Result<Self, Vec<Problem>> {
        Self::order_as(specs, &[])
    }

    /// Orders resources, with what is said of their order.
    ///
    /// # Errors
    /// As [`Graph::order`].
    pub fn order_as(specs: Vec<Spec>, said: &[Said]) -> Result<Self, Vec<Problem>> {
        let specs = distinct(specs)?;
        let ids: BTreeMap<ResourceId, usize> = specs.iter().enumerate().map(|(n, spec)| (spec.id(), n)).collect();
        let places = places(&specs);
        let mut problems = nowhere(said, &ids);
        let mut requires: Vec<Vec<usize>> = Vec::new();
        let mut words: BTreeMap<&ResourceId, Vec<usize>> = BTreeMap::new();
        for one in said {
            words.entry(&one.of).or_default().extend(ids.get(&one.requires));
        }
        for spec in &specs {
            let wanted = spec.requires();
            problems.extend(wanted.iter().filter(|id| !ids.contains_key(id)).map(|id| unknown(spec, id, &ids)));
            let named = wanted.iter().filter_map(|id| ids.get(id).copied());
            let mut edges: Vec<usize> =
                named.chain(words.remove(&spec.id()).unwrap_or_default()).chain(inferred(spec, &places, &ids)).collect();
            edges.sort_unstable();
            edges.dedup();
            requires.push(edges);
        }
        let stages = stages(&specs, &requires);
        let order = sorted(&stages, &requires);
        if order.len() < specs.len() {
            problems.extend(circles(&specs, &requires, said));
        }
        if problems.is_empty() { Ok(laid_out(specs, &requires, &stages, &order)) } else { Err(problems) }
    }

    /// The guards of file systems.
    pub fn guards(&self) -> impl Iterator<Item = &Guard> {
        self.nodes.iter().filter_map(|node| if let Spec::Guard(guard) = &node.spec { Some(guard) } else { None })
    }

    /// For each node, the positions of those that require it.
    #[must_use]
    pub fn required_by(&self) -> Vec<Vec<usize>> {
        required_by(&self.nodes)
    }
}

impl AsRef<[usize]> for Node {
    fn as_ref(&self) -> &[usize] {
        &self.requires
    }
}

/// One of each name; two that contradict each other are a problem.
fn distinct(specs: Vec<Spec>) -> Result<Vec<Spec>, Vec<Problem>> {
    let mut seen: BTreeMap<ResourceId, usize> = BTreeMap::new();
    let (mut kept, mut problems): (Vec<Spec>, Vec<Problem>) = (Vec::new(), Vec::new());
    for spec in specs {
        let Some(earlier) = seen.get(&spec.id()).map(|n: &usize| &mut kept[*n]) else {
            seen.insert(spec.id(), kept.len());
            kept.push(spec);
            continue;
        };
        match earlier.join(&spec) {
            Some(joined) => *earlier = joined,
            None => problems.push(Problem::general(Code::Conflict, format!("{} is asked for twice, differently", spec.id()))),
        }
    }
    if problems.is_empty() { Ok(kept) } else { Err(problems) }
}

fn unknown(spec: &Spec, id: &ResourceId, ids: &BTreeMap<ResourceId, usize>) -> Problem {
    let problem = Problem::general(Code::UnknownReference, format!("{} requires {id}, which is nowhere in the manifest", spec.id()));
    meant(problem, id, ids.keys())
}

/// Requirements in words that name nothing: each once, whatever many resources came of what waits.
fn nowhere(said: &[Said], ids: &BTreeMap<ResourceId, usize>) -> Vec<Problem> {
    let lost: BTreeMap<&Place, &Said> = said.iter().filter(|one| !ids.contains_key(&one.requires)).map(|one| (&one.place, one)).collect();
    let problem = |(place, one): (&Place, &Said)| {
        let problem = Problem::at(Code::UnknownReference, place, format!("{} is nowhere in the manifest", one.requires));
        let others: Vec<String> = ids.keys().filter(|id| id.kind == one.requires.kind && **id != one.of).map(ToString::to_string).collect();
        let problem = match others.len() {
            0 => problem.suggest(format!("no other resource is of the kind `{}`; `fitout plan` shows all", one.requires.kind)),
            1..=LISTED => problem.suggest(format!("write one of {}", others.join(", "))),
            _ => problem.suggest("`fitout plan` shows every resource by its name"),
        };
        meant(problem, &one.requires, ids.keys().filter(|id| **id != one.of))
    };
    lost.into_iter().map(problem).collect()
}

/// More names than this are better read with `fitout plan`.
const LISTED: usize = 6;

fn meant<'i>(problem: Problem, id: &ResourceId, known: impl Iterator<Item = &'i ResourceId>) -> Problem {
    let names: Vec<String> = known.map(ToString::to_string).collect();
    match nearest(&id.to_string(), names.iter().map(String::as_str)) {
        Some(near) => problem.suggest(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// Who makes what is at a path.
fn places(specs: &[Spec]) -> BTreeMap<&TargetPath, Vec<usize>> {
    let mut places: BTreeMap<&TargetPath, Vec<usize>> = BTreeMap::new();
    for (n, path) in specs.iter().enumerate().filter_map(|(n, spec)| Some((n, spec.path()?))) {
        places.entry(path).or_default().push(n);
    }
    places
}

/// What a person would not write down: the directory that something lies in, the user whose it is.
fn inferred(spec: &Spec, places: &BTreeMap<&TargetPath, Vec<usize>>, ids: &BTreeMap<ResourceId, usize>) -> Vec<usize> {
    let above = spec.path().into_iter().flat_map(TargetPath::ancestors).filter_map(|folder| places.get(&folder)).flatten().copied();
    let owner = match spec.owner() {
        Some(Owner::User(name)) => ids.get(&ResourceId::new("user", name)).copied(),
        Some(Owner::Root) | None => None,
    };
    above.chain(owner).collect()
}

fn circles(specs: &[Spec], requires: &[Vec<usize>], said: &[Said]) -> Vec<Problem> {
    let mut graph: DiGraph<usize, ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..specs.len()).map(|n| graph.add_node(n)).collect();
    for (n, edges) in requires.iter().enumerate() {
        for edge in edges {
            graph.add_edge(nodes[*edge], nodes[n], ());
        }
    }
    let looped = |members: &Vec<NodeIndex>| members.len() > 1 || members.iter().any(|n| graph.contains_edge(*n, *n));
    let circles = tarjan_scc(&graph).into_iter().filter(looped);
    circles.map(|members| circle(&members.iter().map(|n| specs[graph[*n]].id()).collect::<Vec<_>>(), said)).collect()
}

/// A circle, shown where it is said, if it is.
fn circle(members: &[ResourceId], said: &[Said]) -> Problem {
    let message = match members {
        [one] => format!("{one} waits for itself"),
        all => format!("{} wait for each other", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")),
    };
    match said.iter().find(|one| members.contains(&one.of) && members.contains(&one.requires)) {
        Some(one) => Problem::at(Code::Cycle, &one.place, message).suggest("remove this, or another `requires` of the circle"),
        None => Problem::general(Code::Cycle, message),
    }
}

/// The stage of each; what is needed early is early itself: a file that a package request requires comes with the packages.
fn stages(specs: &[Spec], requires: &[Vec<usize>]) -> Vec<u8> {
    let mut stage: Vec<u8> = specs.iter().map(Spec::stage).collect();
    let mut moved: Vec<usize> = (0..specs.len()).collect();
    while let Some(n) = moved.pop() {
        for edge in &requires[n] {
            if stage[*edge] > stage[n] {
                stage[*edge] = stage[n];
                moved.push(*edge);
            }
        }
    }
    stage
}

/// The work in order, without what waits for itself.
fn sorted(stage: &[u8], requires: &[Vec<usize>]) -> Vec<usize> {
    let required_by = required_by(requires);
    let mut waiting: Vec<usize> = requires.iter().map(Vec::len).collect();
    let free = (0..stage.len()).filter(|n| waiting[*n] == 0);
    let mut ready: BinaryHeap<Reverse<(u8, usize)>> = free.map(|n| Reverse((stage[n], n))).collect();
    let mut order = Vec::new();
    while let Some(Reverse((_, n))) = ready.pop() {
        order.push(n);
        for other in &required_by[n] {
            waiting[*other] -= 1;
            if waiting[*other] == 0 {
                ready.push(Reverse((stage[*other], *other)));
            }
        }
    }
    order
}

/// The other direction of the edges.
fn required_by<E: AsRef<[usize]>>(requires: &[E]) -> Vec<Vec<usize>> {
    let mut required_by = vec![Vec::new(); requires.len()];
    for (n, edges) in requires.iter().enumerate() {
        for edge in edges.as_ref() {
            required_by[*edge].push(n);
        }
    }
    required_by
}

/// The graph: its order is one of stages too, for nothing is required that is of a later stage.
fn laid_out(specs: Vec<Spec>, requires: &[Vec<usize>], stage: &[u8], order: &[usize]) -> Graph {
    let mut position = vec![0; specs.len()];
    for (at, n) in order.iter().enumerate() {
        position[*n] = at;
    }
    let mut slots: Vec<Option<Spec>> = specs.into_iter().map(Some).collect();
    let node = |n: &usize| {
        let spec = slots[*n].take()?;
        let from = spec.from().min(stage[*n]);
        let after = order.partition_point(|other| stage[*other] < from);
        Some(Node { spec, requires: requires[*n].iter().map(|edge| position[*edge]).collect(), after })
    };
    Graph { nodes: order.iter().filter_map(node).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Meta, Mode};
    use crate::resource::{Apt, Directory, File};
    use crate::step::Content;

    fn file(path: &str, requires: &[&str]) -> Spec {
        let requires = requires.iter().map(|id| ResourceId::try_from((*id).to_owned()).unwrap()).collect();
        let path = TargetPath::parse(path).unwrap();
        Spec::File(File { requires, ..File::new(path, Content::Inline(String::new()), Meta::root(Mode::FILE)) })
    }

    fn names(graph: &Graph) -> Vec<String> {
        graph.nodes.iter().map(|node| node.spec.id().to_string()).collect()
    }

    #[test]
    fn directories_first_and_requirements_early() {
        let directory = Spec::Directory(Directory::new(TargetPath::parse("/srv/a").unwrap(), Meta::root(Mode::OPEN), Vec::new()));
        let apt = Apt::new("packages", vec!["git".into()], vec![ResourceId::new("file", "/etc/apt/x")]);
        let graph = Graph::order(vec![file("/srv/a/b", &[]), directory, Spec::Apt(apt), file("/etc/apt/x", &[])]).unwrap();
        assert_eq!(names(&graph), ["file:/etc/apt/x", "apt:packages", "directory:/srv/a", "file:/srv/a/b"]);
        assert_eq!(graph.nodes[3].requires, [2]);
    }

    #[test]
    fn says_what_is_wrong() {
        let unknown = Graph::order(vec![file("/a", &["file:/bb"]), file("/b", &[])]).unwrap_err();
        assert_eq!(unknown[0].suggestion.as_deref(), Some("did you mean `file:/b`?"));
        let circle = Graph::order(vec![file("/a", &["file:/b"]), file("/b", &["file:/a"])]).unwrap_err();
        assert_eq!(circle[0].code, Code::Cycle);
        let other = Spec::File(File {
            meta: Meta::root(Mode::OPEN),
            ..File::new(TargetPath::parse("/a").unwrap(), Content::Inline(String::new()), Meta::root(Mode::FILE))
        });
        assert_eq!(Graph::order(vec![file("/a", &[]), other]).unwrap_err()[0].code, Code::Conflict);
    }
}
