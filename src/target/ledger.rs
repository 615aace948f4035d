//! The ledger: what Fitout wrote where, so that what people changed since can be told from what it may change.
//!
//! One JSON line for each write, added before the write: a crash in between leaves a line whose `before` still matches the file. A
//! torn last line is a write that did not begin.

use super::fs::Rooted;
use super::{OpError, ProbeError};
use crate::model::{Sha256, TargetPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A write of Fitout's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Digest of what was there before; `None` if nothing was.
    pub before: Option<Sha256>,
    /// Digest of what was written.
    pub after: Sha256,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    path: TargetPath,
    #[serde(flatten)]
    written: Written,
}

/// The ledger of one target, read once.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Mutex<Option<BTreeMap<TargetPath, Written>>>,
}

const LEDGER: &str = "/var/lib/fitout/state/ledger.jsonl";

fn path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(LEDGER).map_err(|e| ProbeError::new("use a path", e))
}

impl Ledger {
    /// What was read may be of yesterday.
    pub fn forget(&self) {
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Every path that was written to.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn paths(&self, files: &Rooted) -> Result<Vec<TargetPath>, ProbeError> {
        self.get(files, &TargetPath::root())?;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(lines.iter().flat_map(BTreeMap::keys).cloned().collect())
    }

    /// What was last written at a path.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn get(&self, files: &Rooted, at: &TargetPath) -> Result<Option<Written>, ProbeError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_none() {
            let text = files.read(&path()?)?.unwrap_or_default();
            *lines = Some(parse(&String::from_utf8_lossy(&text)));
        }
        Ok(lines.as_ref().and_then(|lines| lines.get(at).copied()))
    }

    /// Notes a write that is about to happen.
    ///
    /// # Errors
    /// It was not noted; the write must not happen.
    pub fn note(&self, files: &Rooted, at: &TargetPath, written: Written) -> Result<(), OpError> {
        if self.get(files, at)? == Some(written) {
            return Ok(());
        }
        let line = Line { path: at.clone(), written };
        let text = serde_json::to_string(&line).map_err(|e| OpError::new("write the ledger", e))?;
        // A leading newline ends whatever a crash left torn; empty lines mean nothing.
        files.append(&path()?, &format!("\n{text}\n"))?;
        if let Some(lines) = self.lines.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            lines.insert(at.clone(), written);
        }
        Ok(())
    }
}

/// The last line of each path; lines that cannot be read are writes that did not begin.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<TargetPath, Written> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.map(|line| (line.path, line.written)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_line_wins_and_torn_ones_are_nothing() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        let text = format!(
            "{{\"path\":\"/x\",\"before\":null,\"after\":\"{a}\"}}\n\n{{\"path\":\"/x\",\"before\":\"{a}\",\"after\":\"{b}\"}}\n{{\"path\":\"/x\",\"bef"
        );
        let found = parse(&text);
        assert_eq!(found[&TargetPath::parse("/x").unwrap()], Written { before: Some(a), after: b });
    }
}
