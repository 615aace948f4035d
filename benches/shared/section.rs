//! Sections of `docs/performance.md`: each measurement writes its own and leaves those of the others.

use std::fs;
use std::path::Path;

/// The page.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
/// How the mark of a section begins.
const MARK: &str = "<!-- section ";

fn mark(name: &str) -> String {
    format!("{MARK}{name} -->")
}

/// Everything before the first section that is marked.
#[expect(clippy::unwrap_used, reason = "a page that cannot be written ends the measurement")]
pub fn put_first(text: &str) {
    let old = fs::read_to_string(PAGE).unwrap_or_default();
    let others = old.find(MARK).map_or("", |at| &old[at..]);
    fs::write(Path::new(PAGE), format!("{}\n\n{others}", text.trim_end()).trim_end().to_owned() + "\n").unwrap();
}

/// A marked section, in its place or at the end.
#[expect(clippy::unwrap_used, reason = "a page that cannot be written ends the measurement")]
pub fn put(name: &str, text: &str) {
    let (old, mark) = (fs::read_to_string(PAGE).unwrap_or_default(), mark(name));
    let (before, rest) = old.split_once(&mark).unwrap_or((&old, ""));
    let after = rest.find(MARK).map_or("", |at| &rest[at..]);
    let text = [before.trim_end(), &format!("{mark}\n\n{}", text.trim()), after.trim_end()].join("\n\n");
    fs::write(Path::new(PAGE), text.trim_end().to_owned() + "\n").unwrap();
}
