//! The order of work: what requires what, and among the free, what a person would do first.

use crate::model::{Owner, ResourceId};
use crate::problem::{Code, Problem, nearest};
use crate::resource::Spec;
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
}

/// All resources in the order in which they are worked on; the same input gives the same order.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Every node after all that it requires.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Orders resources.
    ///
    /// # Errors
    /// Two resources of one name that differ, a requirement that names nothing, a circle.
    pub fn order(specs: Vec<Spec>) -> Result<Self, Vec<Problem>> {
        let specs = distinct(specs)?;
        let ids: BTreeMap<ResourceId, usize> = specs.iter().enumerate().map(|(n, spec)| (spec.id(), n)).collect();
        let mut problems = Vec::new();
        let mut requires: Vec<Vec<usize>> = Vec::new();
        for spec in &specs {
            let wanted = spec.requires();
            problems.extend(wanted.iter().filter(|id| !ids.contains_key(id)).map(|id| unknown(spec, id, &ids)));
            let named = wanted.iter().filter_map(|id| ids.get(id).copied());
            let mut edges: Vec<usize> = named.chain(inferred(spec, &specs, &ids)).collect();
            edges.sort_unstable();
            edges.dedup();
            requires.push(edges);
        }
        problems.extend(circles(&specs, &requires));
        if problems.is_empty() { Ok(sorted(specs, &requires)) } else { Err(problems) }
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
    let names: Vec<String> = ids.keys().map(ToString::to_string).collect();
    match nearest(&id.to_string(), names.iter().map(String::as_str)) {
        Some(near) => problem.suggest(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// What a person would not write down: the directory that something lies in, the user whose it is.
fn inferred(spec: &Spec, specs: &[Spec], ids: &BTreeMap<ResourceId, usize>) -> Vec<usize> {
    let above = spec.path().into_iter().flat_map(|path| {
        specs.iter().enumerate().filter(move |(_, other)| other.path().is_some_and(|folder| folder != path && path.is_within(folder)))
    });
    let owner = match spec.owner() {
        Some(Owner::User(name)) => ids.get(&ResourceId::new("user", name)).copied(),
        Some(Owner::Root) | None => None,
    };
    above.map(|(n, _)| n).chain(owner).collect()
}

fn circles(specs: &[Spec], requires: &[Vec<usize>]) -> Vec<Problem> {
    let mut graph: DiGraph<usize, ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..specs.len()).map(|n| graph.add_node(n)).collect();
    for (n, edges) in requires.iter().enumerate() {
        for edge in edges {
            graph.add_edge(nodes[*edge], nodes[n], ());
        }
    }
    let looped = |members: &Vec<NodeIndex>| members.len() > 1 || members.iter().any(|n| graph.contains_edge(*n, *n));
    let name = |members: Vec<NodeIndex>| members.iter().map(|n| specs[graph[*n]].id().to_string()).collect::<Vec<_>>().join(" and ");
    let circles = tarjan_scc(&graph).into_iter().filter(looped).map(name);
    circles.map(|members| Problem::general(Code::Cycle, format!("{members} wait for each other"))).collect()
}

/// The work in order. What is needed early is early itself: a file that a package request requires comes with the packages.
fn sorted(specs: Vec<Spec>, requires: &[Vec<usize>]) -> Graph {
    let mut stage: Vec<u8> = specs.iter().map(Spec::stage).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (n, edges) in requires.iter().enumerate() {
            for edge in edges {
                if stage[*edge] > stage[n] {
                    stage[*edge] = stage[n];
                    changed = true;
                }
            }
        }
    }
    let mut waiting: Vec<usize> = requires.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<(u8, usize)>> =
        (0..specs.len()).filter(|n| waiting[*n] == 0).map(|n| Reverse((stage[n], n))).collect();
    let mut position = vec![0; specs.len()];
    let mut order = Vec::new();
    while let Some(Reverse((_, n))) = ready.pop() {
        position[n] = order.len();
        order.push(n);
        for (other, edges) in requires.iter().enumerate() {
            if edges.contains(&n) {
                waiting[other] -= 1;
                if waiting[other] == 0 {
                    ready.push(Reverse((stage[other], other)));
                }
            }
        }
    }
    let mut slots: Vec<Option<Spec>> = specs.into_iter().map(Some).collect();
    let node = |n: usize| Some(Node { spec: slots[n].take()?, requires: requires[n].iter().map(|edge| position[*edge]).collect() });
    Graph { nodes: order.into_iter().filter_map(node).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Meta, Mode, TargetPath};
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
        let directory =
            Spec::Directory(Directory { path: TargetPath::parse("/srv/a").unwrap(), meta: Meta::root(Mode::OPEN), requires: Vec::new() });
        let apt = Apt { name: "packages".into(), packages: vec!["git".into()], requires: vec![ResourceId::new("file", "/etc/apt/x")] };
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
