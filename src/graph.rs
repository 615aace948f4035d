//! The order of work: what requires what, and among the free, what a person would do first.

use crate::model::{Owner, ResourceId, TargetPath};
use crate::problem::{Code, MOST_PROBLEMS, Place, Problem, nearest};
use crate::resource::{Guard, Spec};
use crate::target::Move;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// A resource and what it waits for.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub id: ResourceId,
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
    /// Paths that nodes make lead elsewhere, by the positions of these.
    pub moves: Vec<(usize, Move)>,
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
        let (names, specs) = distinct(specs)?;
        let ids: Ids<'_> = names.iter().enumerate().map(|(n, id)| (id, n)).collect();
        let places = places(&specs);
        let released: Vec<(usize, &Spec)> = specs.iter().enumerate().filter(|(_, spec)| matches!(spec, Spec::Released(_))).collect();
        let mut problems = nowhere(said, &names, &ids);
        let mut requires: Vec<Vec<usize>> = Vec::new();
        let mut words: BTreeMap<&ResourceId, Vec<usize>> = BTreeMap::new();
        for one in said {
            words.entry(&one.of).or_default().extend(ids.get(&one.requires));
        }
        for (spec, own) in specs.iter().zip(&names) {
            let wanted = spec.requires();
            problems.extend(wanted.iter().filter(|id| !ids.contains_key(id)).map(|id| unknown(own, id, &names)));
            let known = wanted.iter().filter_map(|id| ids.get(id).copied());
            let mut edges: Vec<usize> =
                known.chain(words.remove(own).unwrap_or_default()).chain(inferred(spec, &places, &released, &ids)).collect();
            edges.sort_unstable();
            edges.dedup();
            requires.push(edges);
        }
        let stages = stages(&specs, &requires);
        let order = sorted(&stages, &requires);
        if order.len() < specs.len() {
            problems.extend(circles(&specs, &requires, said));
        }
        if problems.is_empty() { Ok(laid_out(names.into_iter().zip(specs), &requires, &stages, &order)) } else { Err(problems) }
    }

    /// The guards of file systems.
    pub fn guards(&self) -> impl Iterator<Item = &Guard> {
        self.nodes.iter().filter_map(|node| if let Spec::Guard(guard) = &node.spec { Some(guard) } else { None })
    }

    /// What was moved when a node begins.
    #[must_use]
    pub fn moves_before(&self, position: usize) -> Vec<&Move> {
        self.moves.iter().filter(|(by, _)| *by < position).map(|(_, moved)| moved).collect()
    }

    /// What lies below a path that leads elsewhere by then.
    pub fn moved(&self) -> impl Iterator<Item = &Node> {
        let is_below = |n: usize, spec: &Spec| self.moves_before(n).iter().any(|moved| spec.lies_below(moved.path.as_str()));
        self.nodes.iter().enumerate().filter(move |(n, node)| is_below(*n, &node.spec)).map(|(_, node)| node)
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

/// Positions by name.
type Ids<'s> = HashMap<&'s ResourceId, usize>;

/// One of each name, and the names; two that contradict each other are a problem.
fn distinct(mut specs: Vec<Spec>) -> Result<(Vec<ResourceId>, Vec<Spec>), Vec<Problem>> {
    let mut seen: HashMap<ResourceId, usize> = HashMap::with_capacity(specs.len());
    let mut problems = Vec::new();
    for n in 0..specs.len() {
        let next = seen.len();
        match seen.entry(specs[n].id()) {
            Entry::Vacant(new) => {
                new.insert(next);
                specs.swap(next, n);
            }
            Entry::Occupied(known) => match specs[*known.get()].join(&specs[n]) {
                Some(joined) => specs[*known.get()] = joined,
                None => problems.push(Problem::general(Code::Conflict, format!("{} is asked for twice, differently", known.key()))),
            },
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    specs.truncate(seen.len());
    let mut names: Vec<(ResourceId, usize)> = seen.into_iter().collect();
    names.sort_unstable_by_key(|(_, n)| *n);
    Ok((names.into_iter().map(|(id, _)| id).collect(), specs))
}

fn unknown(own: &ResourceId, id: &ResourceId, names: &[ResourceId]) -> Problem {
    let problem = Problem::general(Code::UnknownReference, format!("{own} requires {id}, which is nowhere in the manifest"));
    meant(problem, id, names.iter())
}

/// Requirements in words that name nothing: each once, whatever many resources came of what waits.
fn nowhere(said: &[Said], names: &[ResourceId], ids: &Ids<'_>) -> Vec<Problem> {
    let lost: BTreeMap<&Place, &Said> = said.iter().filter(|one| !ids.contains_key(&one.requires)).map(|one| (&one.place, one)).collect();
    let problem = |(n, (place, one)): (usize, (&Place, &Said))| {
        let problem = Problem::at(Code::UnknownReference, place, format!("{} is nowhere in the manifest", one.requires));
        let others = || names.iter().filter(|id| id.kind == one.requires.kind && **id != one.of);
        let problem = match others().take(LISTED + 1).count() {
            0 => problem.suggest(format!("no other resource is of the kind `{}`; `fitout plan` shows all", one.requires.kind)),
            1..=LISTED => problem.suggest(format!("write one of {}", others().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
            _ => problem.suggest("`fitout plan` shows every resource by its name"),
        };
        // To look for what was meant among very many takes long: who is wrong so often finds it out from the first few.
        if n < LISTED { meant(problem, &one.requires, names.iter().filter(|id| **id != one.of)) } else { problem }
    };
    lost.into_iter().take(MOST_PROBLEMS + 1).enumerate().map(problem).collect()
}

/// More names than this are better read with `fitout plan`.
const LISTED: usize = 6;

fn meant<'i>(problem: Problem, id: &ResourceId, known: impl Iterator<Item = &'i ResourceId>) -> Problem {
    // Of one kind: a slip of the hand is in the name, or a kind that there is none of.
    let names: Vec<&str> = known.filter(|known| known.kind == id.kind).map(|known| known.name.as_str()).collect();
    match nearest(&id.name, names) {
        Some(near) => problem.suggest(format!("did you mean `{}:{near}`?", id.kind)),
        None => problem,
    }
}

/// Who makes what is at a path.
type Places<'s> = HashMap<&'s str, Vec<usize>>;

fn places(specs: &[Spec]) -> Places<'_> {
    let mut places = Places::new();
    for (n, path) in specs.iter().enumerate().filter_map(|(n, spec)| Some((n, spec.place()?))) {
        places.entry(path).or_default().push(n);
    }
    places
}

/// What a person would not write down: the directory that something lies in, the user whose it is. What stands in the way of something goes
/// before that is made, and what goes from below a link goes while that leads there.
fn inferred(spec: &Spec, places: &Places<'_>, released: &[(usize, &Spec)], ids: &Ids<'_>) -> Vec<usize> {
    let above = spec.path().into_iter().flat_map(TargetPath::above).filter_map(|folder| places.get(folder)).flatten().copied();
    let owner = match spec.owner() {
        Some(Owner::User(name)) => ids.get(&ResourceId::new("user", name)).copied(),
        Some(Owner::Root) | None => None,
    };
    let below = released.iter().filter(|(_, gone)| matches!(spec, Spec::Symlink(link) if gone.lies_below(link.path.as_str())));
    above.chain(owner).chain(below.map(|(n, _)| *n)).collect()
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
fn laid_out(named: impl Iterator<Item = (ResourceId, Spec)>, requires: &[Vec<usize>], stage: &[u8], order: &[usize]) -> Graph {
    let mut position = vec![0; order.len()];
    for (at, n) in order.iter().enumerate() {
        position[*n] = at;
    }
    let node = |(n, (id, spec)): (usize, (ResourceId, Spec))| {
        let from = spec.from().min(stage[n]);
        let after = order.partition_point(|other| stage[*other] < from);
        Node { id, spec, requires: requires[n].iter().map(|edge| position[*edge]).collect(), after }
    };
    let mut nodes: Vec<Node> = named.enumerate().map(node).collect();
    // Each to its place, without another ten thousand beside them.
    for at in 0..nodes.len() {
        while position[at] != at {
            let to = position[at];
            nodes.swap(at, to);
            position.swap(at, to);
        }
    }
    Graph { nodes, moves: Vec::new() }
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
        Spec::File(File { requires, ..File::new(path, Content::Inline("".into()), Meta::root(Mode::FILE)) })
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
            ..File::new(TargetPath::parse("/a").unwrap(), Content::Inline("".into()), Meta::root(Mode::FILE))
        });
        assert_eq!(Graph::order(vec![file("/a", &[]), other]).unwrap_err()[0].code, Code::Conflict);
    }
}
