//! Whose the keys in `authorized_keys` are: Fitout's, which wrote them for the manifest, or somebody's who added them since.

use super::keys::Key;
use crate::model::Sha256;
use crate::target::Written;
use serde::Serialize;
use std::ops::Range;

/// Where a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The manifest: Fitout wrote it.
    Manifest,
    /// Somebody added it to what Fitout wrote.
    Added,
    /// Somebody changed what Fitout wrote, so that its lines cannot be told from others.
    Changed,
    /// Fitout wrote nothing here.
    Found,
}

/// A key that opens the owner's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnersKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Where it comes from.
    pub origin: Origin,
}

/// Longest file in which what Fitout wrote is looked for: the work grows with the square of the lines, and people have a few keys.
const MOST_LINES: usize = 200;

/// The keys of a file, each with its origin; the ledger says what Fitout wrote there, by its digest alone.
pub(super) fn told(keys: Vec<Key>, text: &str, written: Option<Written>) -> Vec<OwnersKey> {
    let ours = written.map(|written| block(text, written.after));
    let origin = |key: &Key| match &ours {
        None => Origin::Found,
        Some(None) => Origin::Changed,
        Some(Some(lines)) if lines.contains(&(key.line - 1)) => Origin::Manifest,
        Some(Some(_)) => Origin::Added,
    };
    keys.into_iter().map(|key| OwnersKey { origin: origin(&key), key }).collect()
}

/// The lines in a row that have this digest.
fn block(text: &str, digest: Sha256) -> Option<Range<usize>> {
    let mut ends = vec![0];
    ends.extend(text.match_indices('\n').map(|(at, _)| at + 1).take(MOST_LINES));
    // The last line may lack its end.
    ends.extend(Some(text.len()).filter(|end| ends.last() != Some(end) && ends.len() <= MOST_LINES));
    let blocks = (0..ends.len()).flat_map(|first| (first + 1..ends.len()).rev().map(move |last| first..last));
    blocks.into_iter().find(|lines| Sha256::of(&text.as_bytes()[ends[lines.start]..ends[lines.end]]) == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_written_are_found_among_others() {
        let digest = Sha256::of(b"a\nb\n");
        for (text, lines) in
            [("a\nb\n", Some(0..2)), ("a\nb\nc", Some(0..2)), ("x\na\nb\ny\n", Some(1..3)), ("a\nc\nb\n", None), ("", None)]
        {
            assert_eq!(block(text, digest), lines, "{text:?}");
        }
    }

    #[test]
    fn keys_say_where_they_come_from() {
        let key = |line| Key { line, fingerprint: None, algorithm: String::new(), comment: String::new(), useless: None };
        let of = |text: &str, written: Option<&[u8]>| {
            let written = written.map(|bytes| Written { before: None, after: Sha256::of(bytes) });
            told(vec![key(1), key(2)], text, written).into_iter().map(|key| key.origin).collect::<Vec<_>>()
        };
        assert_eq!(of("a\nb\n", Some(b"a\n")), [Origin::Manifest, Origin::Added]);
        assert_eq!(of("a\nb\n", Some(b"b\n")), [Origin::Added, Origin::Manifest]);
        assert_eq!(of("a\nb\n", Some(b"c\n")), [Origin::Changed, Origin::Changed]);
        assert_eq!(of("a\nb\n", None), [Origin::Found, Origin::Found]);
    }
}
