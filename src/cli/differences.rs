//! How differences between two states of a machine are shown: what `rehearse` and `diff` print.

use super::output::{Paint, paint_data};
use crate::journal::Difference;
use crate::step::FileKind;
use crate::target::{Change, Node};

/// Kinds of things in the order in which they are shown, with their headings.
const HEADINGS: [(&str, &str); 5] =
    [("package", "Packages"), ("user", "Users"), ("unit", "Units"), ("environment", "Environments"), ("file", "Managed files")];

fn sign(before: bool, after: bool) -> String {
    match (before, after) {
        (false, _) => paint_data(Paint::Green, "+"),
        (true, false) => paint_data(Paint::Red, "-"),
        (true, true) => paint_data(Paint::Yellow, "~"),
    }
}

/// Differences, each kind below its heading.
pub fn show(differences: &[Difference]) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, heading) in HEADINGS {
        let mut of_kind = differences.iter().filter(|one| one.kind == kind).peekable();
        if of_kind.peek().is_some() {
            lines.push(paint_data(Paint::Bold, heading));
        }
        lines.extend(of_kind.map(one));
    }
    lines
}

fn one(difference: &Difference) -> String {
    let Difference { name, before, after, .. } = difference;
    let what = match (before, after) {
        (Some(before), Some(after)) => format!("{} -> {}", brief(before), brief(after)),
        (Some(one), None) | (None, Some(one)) => brief(one),
        (None, None) => String::new(),
    };
    format!("  {} {name}  {}", sign(before.is_some(), after.is_some()), paint_data(Paint::Dim, &what))
}

/// Text with the first digits of its digest: enough for people to tell two apart.
fn brief(text: &str) -> String {
    /// As many as names of generations have.
    const DIGITS: usize = 12;
    let digest = |(before, digest): (&str, &str)| format!("{before}sha256 {}", digest.get(..DIGITS).unwrap_or(digest));
    text.split_once("sha256 ").map_or_else(|| text.to_owned(), digest)
}

/// Paths that are not as they were, in their order. What is in a folder that is gone is counted, and so is much that is in a new one.
pub fn files(changes: &[&Change]) -> Vec<String> {
    /// More than this in a new folder is told by its number.
    const MANY: usize = 12;
    let mut lines = Vec::new();
    let mut rest = changes;
    while let [first, more @ ..] = rest {
        // What is in a folder comes right after it.
        let inside = more.iter().take_while(|one| one.path.starts_with(&first.path)).count();
        let is_counted = inside > 0 && (first.after.is_none() || (first.before.is_none() && inside > MANY));
        lines.push(if is_counted { format!("{} and {inside} in it", file(first)) } else { file(first) });
        rest = if is_counted { &more[inside..] } else { more };
    }
    lines
}

/// One path that is not as it was.
pub fn file(change: &Change) -> String {
    let what = match (&change.before, &change.after) {
        (None, Some(node)) => described(node),
        (Some(node), None) => kind(node).to_owned(),
        (Some(before), Some(after)) => became(before, after, change),
        (None, None) => String::new(),
    };
    let path = one_line(&change.path.display().to_string());
    format!("  {} {path}  {}", sign(change.before.is_some(), change.after.is_some()), paint_data(Paint::Dim, &one_line(&what)))
}

/// A name as one line that does nothing to a terminal: scripts and packages give files any.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

const fn kind(node: &Node) -> &'static str {
    match node.kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "link",
        FileKind::Other => "device or FIFO",
    }
}

fn described(node: &Node) -> String {
    let holds = match (&node.link, node.kind) {
        (Some(to), _) => return format!("link to {to}"),
        (None, FileKind::File) => format!(", {}", crate::model::ByteSize(node.size)),
        (None, FileKind::Directory | FileKind::Symlink | FileKind::Other) => String::new(),
    };
    format!("{} {:04o} {}:{}{holds}", kind(node), node.mode, node.uid, node.gid)
}

fn became(before: &Node, after: &Node, change: &Change) -> String {
    let mut parts = Vec::new();
    if before.kind != after.kind {
        parts.push(format!("{} -> {}", kind(before), described(after)));
    } else if let (Some(from), Some(to)) = (&before.link, &after.link) {
        parts.push(format!("link to {from} -> {to}"));
    } else if change.content {
        parts.push(format!("other content ({} -> {} bytes)", before.size, after.size));
    }
    if before.mode != after.mode {
        parts.push(format!("mode {:04o} -> {:04o}", before.mode, after.mode));
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        parts.push(format!("owner {}:{} -> {}:{}", before.uid, before.gid, after.uid, after.gid));
    }
    if change.attributes {
        parts.push("other access control lists, capabilities or attributes".to_owned());
    }
    parts.join(", ")
}
