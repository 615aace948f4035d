//! `file`: content, mode and owner of one file.
//!
//! Ownership by the ledger: a file that someone edited since Fitout wrote it stays theirs. While the manifest asks for the same
//! content as before, that is drift and only reported; where both changed it is a conflict, and apply stops at this file.

use super::{Resource, in_the_way, kind_name, meta_gap, owner_ids};
use crate::model::{ByteSize, Meta, ResourceId, Sha256, TargetPath, UnitName};
use crate::step::{Change, Content, DiskForecast, FileKind, Op, Proof, REPLACED, Stat, Step};
use crate::target::{Probe, ProbeError, Written};
use serde::Serialize;

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where.
    pub path: TargetPath,
    /// What it holds.
    pub content: Content,
    /// Mode and owner.
    pub meta: Meta,
    /// What happens when it is there already, otherwise.
    pub policy: Policy,
    /// What must hold for new content to stay.
    pub proof: Option<Proof>,
    /// Units that read it.
    pub read_by: Vec<UnitName>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// What happens to content that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Brought up to date, unless someone edited it since.
    Keep,
    /// Left alone once it exists.
    CreateOnly,
    /// Brought up to date whoever edited it.
    Enforce,
}

impl File {
    /// A file kept up to date, with nothing special about it.
    #[must_use]
    pub const fn new(path: TargetPath, content: Content, meta: Meta) -> Self {
        Self { path, content, meta, policy: Policy::Keep, proof: None, read_by: Vec::new(), requires: Vec::new() }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        ResourceId::new("file", &self.path)
    }

    /// Whether its content is about to change. A file that cannot be looked at is its own problem, and whoever requires it is skipped.
    #[must_use]
    pub fn will_change(&self, on: &dyn Probe) -> bool {
        let steps = self.observe(on).map(|now| self.diff(&now)).unwrap_or_default();
        steps.iter().any(|step| matches!(step.op, Op::WriteFile { .. }))
    }

    fn write(&self, change: Change, why: &str) -> Step {
        let size = match &self.content {
            Content::Inline(text) => ByteSize(text.len() as u64),
            Content::Blob(blob) => blob.size.unwrap_or_default(),
            Content::Secret { template, .. } => ByteSize(template.len() as u64),
        };
        let op = Op::WriteFile {
            path: self.path.clone(),
            content: self.content.clone(),
            meta: self.meta.clone(),
            proof: self.proof.clone(),
            read_by: self.read_by.clone(),
        };
        let step = Step::new(change, op, why).disk(DiskForecast::Exact(size));
        match (&self.content, &self.proof) {
            (Content::Secret { .. }, _) => step.needs(crate::step::Ability::Instance),
            (_, Some(_)) => step.needs(crate::step::Ability::Exec),
            _ => step,
        }
    }
}

/// A file as it is.
#[derive(Debug, Serialize)]
pub struct State {
    stat: Option<Stat>,
    matches: Matches,
    owner_ids: Option<(u32, u32)>,
}

/// How the content on the machine relates to what is wanted and to what Fitout wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Matches {
    /// It is what is wanted.
    Wanted,
    /// It is what Fitout wrote earlier: free to change.
    Ours,
    /// It was there before Fitout: taken over, and what was there is kept.
    Found,
    /// Someone edited it, and the manifest still wants what it wanted.
    Edited,
    /// Someone edited it, and the manifest wants something new.
    Conflict,
    /// Nothing there, or nothing to compare.
    Nothing,
}

impl File {
    fn compare(&self, on: &dyn Probe, stat: Option<&Stat>) -> Result<Matches, ProbeError> {
        let Some(Stat { kind: FileKind::File, .. }) = stat else {
            return Ok(Matches::Nothing);
        };
        let secret = matches!(self.content, Content::Secret { .. });
        if secret && !on.has(crate::step::Ability::Instance) {
            return Ok(Matches::Ours);
        }
        if on.holds(&self.path, &self.content)? {
            return Ok(Matches::Wanted);
        }
        if secret {
            return Ok(Matches::Ours);
        }
        let Some(written) = on.written(&self.path)? else { return Ok(Matches::Found) };
        let now = on.read(&self.path)?.map(|bytes| Sha256::of(&bytes));
        Ok(self.judge(&written, now))
    }

    /// `now` is not what is wanted; whose is it?
    fn judge(&self, written: &Written, now: Option<Sha256>) -> Matches {
        if now.is_some() && (now == Some(written.after) || now == written.before) {
            return Matches::Ours;
        }
        let wanted = match &self.content {
            Content::Inline(text) => Some(Sha256::of(text.as_bytes())),
            Content::Blob(blob) => Some(blob.sha256),
            Content::Secret { .. } => None,
        };
        if wanted == Some(written.after) { Matches::Edited } else { Matches::Conflict }
    }
}

impl Resource for File {
    type State = State;

    fn id(&self) -> ResourceId {
        Self::id(self)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let stat = on.stat(&self.path)?;
        if let Some(Stat { kind: FileKind::Directory, .. }) = stat {
            return Err(in_the_way(&self.path, kind_name(FileKind::Directory)));
        }
        let matches = self.compare(on, stat.as_ref())?;
        if matches == Matches::Conflict && self.policy == Policy::Keep {
            return Err(ProbeError::new(
                format!("decide about {}", self.path),
                "it was edited on this machine since Fitout wrote it, and the manifest changed as well; merge the edit into the manifest, or remove the file",
            ));
        }
        Ok(State { matches, owner_ids: owner_ids(on, &self.meta.owner)?, stat })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let Some(stat) = &now.stat else {
            return vec![self.write(Change::Add, "absent")];
        };
        if stat.kind != FileKind::File {
            // A link is replaced by the file that is wanted; what it points at stays.
            return vec![self.write(Change::Replace, &format!("is {}", kind_name(stat.kind)))];
        }
        if self.policy == Policy::CreateOnly {
            return Vec::new();
        }
        match now.matches {
            Matches::Found => return vec![self.write(Change::Modify, &format!("content differs; what is there goes to {REPLACED}"))],
            Matches::Ours | Matches::Conflict => return vec![self.write(Change::Modify, "content differs")],
            Matches::Edited if self.policy == Policy::Enforce => return vec![self.write(Change::Modify, "edited on the machine")],
            Matches::Wanted | Matches::Edited | Matches::Nothing => {}
        }
        let gap = meta_gap(stat, &self.meta, now.owner_ids);
        gap.map(|why| Step::new(Change::Modify, Op::SetMeta { path: self.path.clone(), meta: self.meta.clone() }, why))
            .into_iter()
            .collect()
    }

    fn drift(&self, now: &State) -> Vec<String> {
        let edited = now.matches == Matches::Edited && self.policy == Policy::Keep;
        edited.then(|| format!("{} was edited since Fitout wrote it; it stays as it is", self.path)).into_iter().collect()
    }
}
