//! The one door of YAML: text becomes a tree of [`Node`]s, or problems with their places.
//!
//! Manifests are a small, safe part of YAML 1.2: one document, mappings with distinct text keys, no tags, no merge keys, anchors
//! within a budget. The tree is built from the parser's events, not from its serde face, because events tell where everything
//! starts and ends and whether it was quoted. Every limit is checked before the memory it bounds is taken.

use super::limits::{MAX_ALIASES, MAX_ANCHORS, MAX_BYTES, MAX_DEPTH, MAX_KEYS, MAX_NODES, MOST_PROBLEMS, cut};
use super::node::{Entry, Mark, Node, NodeId, Scalar, Style, Value};
use super::syntax;
use crate::problem::{Code, Place, Problem};
use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the texts that make one document have used of its limits, and the identities that their nodes have.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    ids: NodeId,
    nodes: usize,
    bytes: usize,
}

impl Tally {
    /// An identity that no other node has.
    pub const fn id(&mut self) -> NodeId {
        self.ids += 1;
        self.ids
    }
}

/// What came of a text.
#[derive(Debug)]
pub struct Parsed {
    /// The document; `None` where the text is broken or empty.
    pub root: Option<Node>,
    /// Everything wrong with it.
    pub problems: Vec<Problem>,
}

/// Reads one document. `tally` goes on counting from one text to the next.
#[must_use]
pub fn parse(file: &str, text: &str, tally: &mut Tally) -> Parsed {
    let start = Place { file: file.into(), line: 1, column: 1, width: 1 };
    tally.bytes = tally.bytes.saturating_add(text.len());
    if tally.bytes > MAX_BYTES {
        let with = if tally.bytes == text.len() { "the text has" } else { "with this text the manifest has" };
        let message = format!("{with} {} bytes; a manifest may have {MAX_BYTES}", tally.bytes);
        return Parsed { root: None, problems: vec![Problem::at(Code::TooLarge, &start, message)] };
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let events = Parser::new_from_str_with_options(text, options);
    let mut builder =
        Builder { file: file.into(), text, events, problems: Vec::new(), anchors: BTreeMap::new(), kept: 0, aliases: 0, tally };
    match builder.document() {
        Ok(root) => Parsed { root, problems: builder.problems },
        Err(fatal) => {
            builder.problems.push(fatal);
            Parsed { root: None, problems: builder.problems }
        }
    }
}

struct Builder<'a, I> {
    file: Arc<str>,
    text: &'a str,
    events: I,
    problems: Vec<Problem>,
    anchors: BTreeMap<usize, Anchored>,
    /// Nodes of all `anchors`.
    kept: usize,
    aliases: usize,
    tally: &'a mut Tally,
}

/// A finished node that aliases may repeat.
struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

/// Where a node stands in the tree.
#[derive(Clone, Copy)]
struct Spot<'m> {
    /// The key that it is the value of.
    key: Option<&'m Mark>,
    /// How many collections it is in, itself included.
    depth: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Builder<'a, I> {
    fn document(&mut self) -> Result<Option<Node>, Problem> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::DocumentStart(..)) && root.is_some() {
                let message = "a second document starts here; a manifest is one";
                let problem = Problem::at(Code::Syntax, &self.mark(span).place(), message);
                return Err(problem.suggest("keep each manifest in a file of its own, and remove the line `---`"));
            }
            if event.is_node() {
                root = Some(self.node(event, span, Spot { key: None, depth: 1 })?.0);
            }
        }
        Ok(root)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Problem> {
        if self.problems.len() > MOST_PROBLEMS {
            return Err(cut());
        }
        match self.events.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let at = *error.marker();
                Err(syntax::explain(&error, &self.mark(Span::new(at, at)).place()))
            }
        }
    }

    /// The next event inside a collection, which a well-formed text always has.
    fn inside(&mut self) -> Result<(Event<'a>, Span), Problem> {
        let next = self.next()?;
        next.ok_or_else(|| Problem::general(Code::Syntax, format!("{} ends within a collection", self.file)))
    }

    /// A node and its height: 0 for a scalar.
    fn node(&mut self, event: Event<'a>, span: Span, spot: Spot<'_>) -> Result<(Node, usize), Problem> {
        let before = self.tally.nodes;
        self.count(1, span)?;
        self.refuse_tag(event.tag(), span);
        let anchor = event.anchor_id();
        if let Event::Alias(id) = event {
            return self.alias(id, span, spot);
        }
        let (node, height) = if let Event::Scalar(text, style, _, _) = event {
            (self.scalar(text, style, span, spot), 0)
        } else if matches!(event, Event::SequenceStart(..)) {
            self.list(span, spot)?
        } else {
            self.map(span, spot)?
        };
        if let Some(id) = anchor {
            if self.anchors.len() >= MAX_ANCHORS {
                return Err(self.too_large(format!("more than {MAX_ANCHORS} anchors"), span));
            }
            // A copy is kept for aliases: of anchors within anchors, many copies of the same.
            let nodes = self.tally.nodes - before;
            self.kept += nodes;
            self.bound_nodes(self.kept, span)?;
            self.anchors.insert(id, Anchored { node: node.clone(), nodes, height });
        }
        Ok((node, height))
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, span: Span, spot: Spot<'_>) -> Node {
        let plain = style == ScalarStyle::Plain;
        // The parser gives a `~` where nothing is written.
        let text = if plain && span.start.index() == span.end.index() { Cow::default() } else { text };
        let elsewhere = text.is_empty() && plain || matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let mark = spot.key.filter(|_| elsewhere).cloned().unwrap_or_else(|| self.mark(span));
        let style = if plain { Style::Plain } else { Style::Quoted };
        let mut text = text.into_owned();
        // The parser's own grow by doubling, and are kept for as long as the document.
        text.shrink_to_fit();
        self.make(Value::Scalar(Scalar { text, style }), mark)
    }

    fn list(&mut self, span: Span, spot: Spot<'_>) -> Result<(Node, usize), Problem> {
        self.bound_depth(spot.depth, span)?;
        let (mut items, mut height): (Vec<Node>, usize) = (Vec::new(), 0);
        loop {
            let (event, at) = self.inside()?;
            if event == Event::SequenceEnd {
                break;
            }
            let (item, below) = self.node(event, at, Spot { key: None, depth: spot.depth + 1 })?;
            height = height.max(below);
            items.push(item);
        }
        items.shrink_to_fit();
        let first = items.first().map(|item| item.mark.clone());
        let mark = spot.key.cloned().or(first).unwrap_or_else(|| self.mark(span));
        Ok((self.make(Value::List(items), mark), height + 1))
    }

    fn map(&mut self, span: Span, spot: Spot<'_>) -> Result<(Node, usize), Problem> {
        self.bound_depth(spot.depth, span)?;
        let (mut entries, mut height): (Vec<Entry>, usize) = (Vec::new(), 0);
        loop {
            let (event, at) = self.inside()?;
            if event == Event::MappingEnd {
                break;
            }
            if entries.len() >= MAX_KEYS {
                return Err(self.too_large(format!("more than {MAX_KEYS} keys in one mapping"), at));
            }
            let key = self.key(event, at, spot.depth)?;
            let (event, at) = self.inside()?;
            let mark = key.as_ref().map_or_else(|| self.mark(at), |(_, mark)| mark.clone());
            let (value, below) = self.node(event, at, Spot { key: Some(&mark), depth: spot.depth + 1 })?;
            height = height.max(below);
            let Some((key, mark)) = key else { continue };
            entries.push(Entry { key, mark, value });
        }
        self.keep_distinct(&mut entries);
        entries.shrink_to_fit();
        let first = entries.first().map(|entry| entry.mark.clone());
        let mark = spot.key.cloned().or(first).unwrap_or_else(|| self.mark(span));
        Ok((self.make(Value::Map(entries), mark), height + 1))
    }

    /// Keeps the first of each key.
    fn keep_distinct(&mut self, entries: &mut Vec<Entry>) {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|n| &entries[*n].key);
        let alike = order.chunk_by(|a, b| entries[*a].key == entries[*b].key);
        let twice: BTreeMap<usize, usize> = alike.flat_map(|all| all[1..].iter().map(|n| (*n, all[0]))).collect();
        for (n, first) in &twice {
            let (Entry { key, mark, .. }, first) = (&entries[*n], entries[*first].mark.line);
            let problem = Problem::at(Code::DuplicateKey, &mark.place(), format!("`{key}` is given twice; first on line {first}"));
            self.problems.push(problem.suggest("keep one of the two"));
        }
        let mut place = 0..;
        entries.retain(|_| !place.next().is_some_and(|n| twice.contains_key(&n)));
    }

    /// The text of a key; `None`, with a problem, for a key that is none.
    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Option<(String, Mark)>, Problem> {
        let mark = self.mark(span);
        self.count(1, span)?;
        if let Event::Scalar(text, style, _, tag) = &event {
            self.refuse_tag(tag.as_deref(), span);
            if text.as_ref() != "<<" || *style != ScalarStyle::Plain {
                return Ok(Some((text.to_string(), mark)));
            }
            let problem = Problem::at(Code::Syntax, &mark.place(), "merge keys (`<<`) are not used in manifests");
            self.problems.push(problem.suggest("write the keys out, or share a whole value with `&name` and `*name`"));
            return Ok(None);
        }
        self.problems.push(Problem::at(Code::Syntax, &mark.place(), "a key must be plain text"));
        if !matches!(event, Event::Alias(_)) {
            self.node(event, span, Spot { key: None, depth: depth + 1 })?;
        }
        Ok(None)
    }

    fn alias(&mut self, id: usize, span: Span, spot: Spot<'_>) -> Result<(Node, usize), Problem> {
        let mark = self.mark(span);
        let refuse = |code, message: String| Err(Problem::at(code, &mark.place(), message));
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            return refuse(Code::TooLarge, format!("more than {MAX_ALIASES} aliases"));
        }
        let Some((nodes, height)) = self.anchors.get(&id).map(|anchored| (anchored.nodes, anchored.height)) else {
            return refuse(Code::Syntax, "an alias within the value that it repeats".into());
        };
        // Both limits before the copy is made: the copy is what they bound.
        self.count(nodes, span)?;
        self.bound_depth(spot.depth + height.saturating_sub(1), span)?;
        match self.anchors.get(&id) {
            Some(anchored) => Ok((Node { mark, ..anchored.node.clone() }, height)),
            None => refuse(Code::Syntax, "an alias of nothing".into()),
        }
    }

    fn make(&mut self, value: Value, mark: Mark) -> Node {
        Node { id: self.tally.id(), value, mark }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Problem> {
        self.tally.nodes += nodes;
        self.bound_nodes(self.tally.nodes, span)
    }

    fn bound_nodes(&self, nodes: usize, span: Span) -> Result<(), Problem> {
        if nodes <= MAX_NODES {
            return Ok(());
        }
        Err(self.too_large(format!("more than {MAX_NODES} values and keys"), span))
    }

    fn bound_depth(&self, depth: usize, span: Span) -> Result<(), Problem> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(self.too_large(format!("nested deeper than {MAX_DEPTH} levels"), span))
    }

    fn too_large(&self, message: String, span: Span) -> Problem {
        Problem::at(Code::TooLarge, &self.mark(span).place(), message)
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span) {
        let Some(tag) = tag else { return };
        let place = self.mark(span.tag_span().unwrap_or(span)).place();
        let problem = Problem::at(Code::Syntax, &place, format!("`{}` is a tag; manifests use none", tag.original()));
        self.problems.push(problem.suggest("remove the tag; put quotes around what must stay text"));
    }

    /// Where a span starts, and how much of its first line it covers.
    fn mark(&self, span: Span) -> Mark {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let width = if span.start.line() == span.end.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            let rest = span.start.byte_offset().and_then(|from| self.text.get(from..)).unwrap_or_default();
            rest.lines().next().unwrap_or_default().chars().count()
        };
        Mark { file: self.file.clone(), line: short(span.start.line()), column: short(span.start.col() + 1), width: short(width.max(1)) }
    }
}
