//! `file`: content, mode and owner of one file.
//!
//! Ownership by the ledger: a file that someone edited since Fitout wrote it stays theirs. While the manifest asks for the same
//! content as before, that is drift and only reported; where both changed it is a conflict, and apply stops at this file.

use super::{Look, META, Occupant, OnDrift, Ownership, PRESENT, Resource, kind_name, look, meta_claims, meta_of, meta_step, owner_ids};
use crate::model::{ByteSize, Meta, Owner, ResourceId, Sha256, TargetPath, UnitName};
use crate::step::{Blob, Change, Content, DiskForecast, EDITED, FileKind, Op, Proof, REPLACED, Stat, Step, Undoes};
use crate::target::{Claims, Probe, ProbeError, Written};
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
    /// Its past.
    pub ownership: Ownership,
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
    pub fn new(path: TargetPath, content: Content, meta: Meta) -> Self {
        let ownership = Ownership::default();
        Self { path, content, meta, policy: Policy::Keep, proof: None, read_by: Vec::new(), requires: Vec::new(), ownership }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        ResourceId::new("file", &self.path)
    }

    /// Whether its content is about to change. A file that cannot be looked at is its own problem, and whoever requires it is skipped.
    #[must_use]
    pub fn will_change(&self, on: &dyn Probe) -> bool {
        let steps = look(self, on).map(|Look { steps, .. }| steps).unwrap_or_default();
        steps.iter().any(|step| matches!(step.op, Op::WriteFile { .. }))
    }

    /// Whether mode and owner stay as somebody made them.
    fn keeps_meta(&self) -> bool {
        self.policy != Policy::Enforce && self.ownership.keeps(&Resource::claims(self), META)
    }

    /// New content, with mode and owner as somebody made them; where no manifest could say these, a person decides.
    fn write_theirs(&self, meta: Option<&Meta>, why: &str) -> Step {
        let step = self.write_as(meta.unwrap_or(&self.meta), Change::Modify, why);
        if meta.is_some() { step } else { step.undoes(Undoes::Conflict(format!("mode and owner of {}", self.path))) }
    }

    /// A file that is enforced is nobody's but Fitout's.
    fn unless_enforced(&self, step: Step, mark: impl FnOnce(Step) -> Step) -> Step {
        if self.policy == Policy::Enforce { step } else { mark(step) }
    }

    fn write(&self, change: Change, why: &str) -> Step {
        self.write_as(&self.meta, change, why)
    }

    fn write_as(&self, meta: &Meta, change: Change, why: &str) -> Step {
        let size = match &self.content {
            Content::Inline(text) => ByteSize(text.len() as u64),
            Content::Blob(blob) => blob.size.unwrap_or_default(),
            Content::Secret { template, .. } => ByteSize(template.len() as u64),
        };
        let op = Op::WriteFile {
            path: self.path.clone(),
            content: self.content.clone(),
            meta: meta.clone(),
            proof: self.proof.clone(),
            read_by: self.read_by.clone(),
        };
        let step = Step::new(change, op, why).disk(DiskForecast::Exact(size));
        match (&self.content, &self.proof) {
            (Content::Secret { .. }, _) => step.needs(crate::step::Ability::Instance),
            (_, Some(Proof::Keys { .. })) => step,
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
    /// Mode and owner as they are, where a manifest could say so.
    meta: Option<Meta>,
    /// Who put there what is no file; a link of nobody's knowing gives way.
    occupant: Option<Occupant>,
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
    Edited(Author),
    /// Someone edited it, and the manifest wants something new.
    Conflict(Author),
    /// Nothing there, or nothing to compare.
    Nothing,
}

/// Whose the content was that somebody edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Author {
    /// Fitout wrote it.
    Fitout,
    /// It was as the manifest wants it before Fitout came.
    Others,
}

impl Author {
    /// Since when an edit is one, and where it is kept.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Fitout => ("since Fitout wrote it", EDITED),
            Self::Others => ("since it was as the manifest has it", REPLACED),
        }
    }
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
        let written = on.written(&self.path)?;
        let now = on.read(&self.path)?.map(|bytes| Sha256::of(&bytes));
        Ok(written.map_or_else(|| self.judge_found(now), |written| self.judge(&written, now)))
    }

    /// Of what is wanted; a digest of a secret would be a hint at it.
    fn digest(&self) -> Option<Sha256> {
        match &self.content {
            Content::Inline(text) => Some(Sha256::of(text.as_bytes())),
            Content::Blob(blob) => Some(blob.sha256),
            Content::Secret { .. } => None,
        }
    }

    /// `now` is not what is wanted; whose is it?
    fn judge(&self, written: &Written, now: Option<Sha256>) -> Matches {
        if now.is_some() && (now == Some(written.after) || now == written.before) {
            return Matches::Ours;
        }
        if self.digest() == Some(written.after) { Matches::Edited(Author::Fitout) } else { Matches::Conflict(Author::Fitout) }
    }

    /// The same of what Fitout never wrote: where it once was as it should be, whoever wrote it, an edit of it is one.
    fn judge_found(&self, now: Option<Sha256>) -> Matches {
        let Some(earlier) = self.ownership.earlier.get(PRESENT).filter(|_| !self.ownership.doubtful.contains(PRESENT)) else {
            return Matches::Found;
        };
        match (now.map(mark), self.digest().map(mark)) {
            (Some(now), _) if now == *earlier => Matches::Found,
            (_, Some(wanted)) if wanted == *earlier => Matches::Edited(Author::Others),
            _ => Matches::Conflict(Author::Others),
        }
    }
}

/// Enough of a digest to tell two versions of a file apart.
fn mark(digest: Sha256) -> String {
    digest.to_string()[..16].to_owned()
}

impl Resource for File {
    type State = State;

    fn id(&self) -> ResourceId {
        Self::id(self)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn claims(&self) -> Claims {
        let digest = self.digest().map_or_else(|| "secret".to_owned(), mark);
        meta_claims(&self.meta).into_iter().chain([(PRESENT.to_owned(), digest)]).collect()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.path)
    }

    fn blobs(&self) -> Vec<&Blob> {
        if let Content::Blob(blob) = &self.content { vec![blob] } else { Vec::new() }
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.meta.owner)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let stat = on.stat(&self.path)?;
        let occupant = match &stat {
            None | Some(Stat { kind: FileKind::File | FileKind::Symlink, .. }) => None,
            Some(stat) => Some(Occupant::of(&self.path, stat, &self.ownership, on)?),
        };
        let matches = self.compare(on, stat.as_ref())?;
        let meta = stat.as_ref().map(|stat| meta_of(on, stat)).transpose()?.flatten();
        Ok(State { matches, owner_ids: owner_ids(on, &self.meta.owner)?, meta, stat, occupant })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let Some(stat) = &now.stat else {
            let step = self.write(Change::Add, "absent");
            return vec![self.unless_enforced(step, |step| step.claim(PRESENT, format!("{} was removed; it stays so", self.path)))];
        };
        if let Some(occupant) = now.occupant {
            let write = self.write(Change::Add, "in its place");
            let steps = occupant.give_way(&self.path, &self.id(), &self.ownership, &self.claims(), write);
            return steps
                .into_iter()
                .map(|step| self.unless_enforced(Step { undoes: Undoes::Nothing, ..step.clone() }, |_| step))
                .collect();
        }
        if stat.kind != FileKind::File {
            // A link is replaced by the file that is wanted; what it points at stays.
            let step = self.write(Change::Replace, &format!("is {}", kind_name(stat.kind)));
            let drift = format!("{} was replaced by {}; it stays so", self.path, kind_name(stat.kind));
            return vec![self.unless_enforced(step, |step| step.claim(PRESENT, drift))];
        }
        if self.policy == Policy::CreateOnly {
            return Vec::new();
        }
        let edited = |author: Author, undoes: Undoes| {
            let step = self.write(Change::Modify, &format!("edited on the machine; the edit goes to {}", author.told().1));
            vec![self.unless_enforced(step, |step| step.undoes(undoes))]
        };
        let meta = || {
            let step = meta_step(&self.path, stat, &self.meta, now.owner_ids);
            step.map(|step| self.unless_enforced(Step { undoes: Undoes::Nothing, ..step.clone() }, |_| step))
        };
        let fresh = |why: &str| match meta().filter(|_| self.keeps_meta()) {
            None => vec![self.write(Change::Modify, why)],
            Some(theirs) => vec![self.write_theirs(now.meta.as_ref(), why), theirs],
        };
        // Whoever repairs writes both at once.
        let other_meta = || meta().filter(|_| self.policy != Policy::Enforce && self.ownership.on_drift != OnDrift::Repair);
        match now.matches {
            Matches::Found => fresh(&format!("content differs; what is there goes to {REPLACED}")),
            Matches::Ours => fresh("content differs"),
            Matches::Conflict(author) => edited(author, Undoes::Conflict(self.path.to_string())),
            Matches::Edited(author) => {
                let drift = format!("{} was edited {}; it stays as it is", self.path, author.told().0);
                edited(author, Undoes::Edit(drift)).into_iter().chain(other_meta()).collect()
            }
            Matches::Wanted | Matches::Nothing => meta().into_iter().collect(),
        }
    }
}
