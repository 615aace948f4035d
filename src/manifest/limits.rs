//! How much a document may be, and how much is said of what is wrong with it.

pub use crate::problem::MOST_PROBLEMS;
use crate::problem::{Code, Problem};

/// Longest text, in bytes: two orders of magnitude above any manifest seen, and parsed in well under a second.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most nodes after aliases are expanded, so that a small text cannot become a large tree.
pub const MAX_NODES: usize = 250_000;
/// Deepest nesting: bounds every recursion over a tree.
pub const MAX_DEPTH: usize = 64;
/// Most keys of one mapping, ten times what any section of a manifest has: a text that holds nothing else is no manifest.
pub const MAX_KEYS: usize = 4_096;
/// Most anchors: few are of use where so few aliases may repeat them.
pub const MAX_ANCHORS: usize = 1_024;
/// Most aliases; manifests repeat a value a few times, attacks repeat it exponentially.
pub const MAX_ALIASES: usize = 64;

/// Problems beyond those that are shown are counted up to this number.
pub const MOST_COUNTED: usize = 1_000;

/// What is said where a reading ended before its end; [`is_cut`] knows it again.
pub fn cut() -> Problem {
    Problem::general(Code::TooLarge, "there may be more problems: the reading ended with these")
}

/// Whether a problem is that the reading ended before its end.
pub fn is_cut(problem: &Problem) -> bool {
    *problem == cut()
}
