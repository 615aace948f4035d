//! A machine as it will be where links lead elsewhere: what lies below one is looked at where it will be.

use super::{Accounts, Packages, Probe, ProbeError, Written};
use crate::model::TargetPath;
use crate::step::{Ability, Content, Output, Query, Space, Stat};
use std::sync::Arc;

/// A path that is about to lead elsewhere.
#[derive(Debug, Clone)]
pub struct Move {
    /// The path.
    pub path: TargetPath,
    /// Where it will lead; `None` where nothing will be below it.
    pub to: Option<TargetPath>,
}

impl Move {
    /// What a path has after this one, if it lies below it.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.path.as_str()).filter(|rest| rest.starts_with('/'))
    }
}

/// A machine after some moves.
pub struct Moved<'a> {
    on: &'a dyn Probe,
    /// What lies above comes before what lies below it.
    moves: Vec<&'a Move>,
}

impl std::fmt::Debug for Moved<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moved").field("moves", &self.moves).finish_non_exhaustive()
    }
}

impl<'a> Moved<'a> {
    /// A machine after these.
    #[must_use]
    pub fn new(on: &'a dyn Probe, moves: Vec<&'a Move>) -> Self {
        Self { on, moves }
    }

    /// Where a path will be; `None` where nothing will be.
    fn place(&self, path: &TargetPath) -> Result<Option<TargetPath>, ProbeError> {
        let mut at = path.clone();
        // One may lead below another. Links that go round lead nowhere.
        for _ in 0..=self.moves.len() {
            let Some((to, rest)) = self.moves.iter().rev().find_map(|one| Some((&one.to, one.rest(at.as_str())?))) else {
                return Ok(Some(at));
            };
            let Some(to) = to else { return Ok(None) };
            let to = format!("{}{rest}", to.as_str().trim_end_matches('/'));
            at = TargetPath::parse(&to).map_err(|e| ProbeError::new(format!("look where {path} will be"), e))?;
        }
        Ok(None)
    }
}

impl Probe for Moved<'_> {
    fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, ProbeError> {
        self.place(path)?.map_or(Ok(None), |at| self.on.read(&at))
    }

    fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError> {
        self.place(path)?.map_or(Ok(None), |at| self.on.stat(&at))
    }

    fn list(&self, path: &TargetPath) -> Result<Option<Vec<String>>, ProbeError> {
        self.place(path)?.map_or(Ok(None), |at| self.on.list(&at))
    }

    fn holds(&self, path: &TargetPath, content: &Content) -> Result<bool, ProbeError> {
        self.place(path)?.map_or(Ok(false), |at| self.on.holds(&at, content))
    }

    fn space(&self, path: &TargetPath) -> Result<Space, ProbeError> {
        self.on.space(&self.place(path)?.unwrap_or_else(|| path.clone()))
    }

    fn query(&self, query: &Query) -> Result<Output, ProbeError> {
        self.on.query(query)
    }

    // The ledger goes by the names that were written to.
    fn written(&self, path: &TargetPath) -> Result<Option<Written>, ProbeError> {
        self.on.written(path)
    }

    fn accounts(&self) -> Result<Arc<Accounts>, ProbeError> {
        self.on.accounts()
    }

    fn packages(&self) -> Result<Arc<Packages>, ProbeError> {
        self.on.packages()
    }

    fn has(&self, ability: Ability) -> bool {
        self.on.has(ability)
    }
}
