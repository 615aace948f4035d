//! A path at which something of another kind is than is wanted: whose it is, and what makes room.
//!
//! What Fitout made for a line that is now of another kind gives way. What somebody put in the place of what Fitout made is theirs: it
//! stays, or is moved aside. What was there before Fitout came is in the way.

use super::{Ownership, PRESENT, in_the_way, kind_name};
use crate::model::{ResourceId, Sha256, TargetPath};
use crate::step::{Change, FileKind, Op, Stat, Step, Undoes};
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// What the names of those begin with that make one thing at a path.
pub const OF_A_PATH: [&str; 3] = [FILE, DIRECTORY, SYMLINK];
const FILE: &str = "file";
const DIRECTORY: &str = "directory";
const SYMLINK: &str = "symlink";

/// Who put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Occupant {
    /// Fitout, and nobody changed it.
    Ours,
    /// Somebody: this.
    Theirs(FileKind),
}

impl Occupant {
    /// Who put there what is at a path of this past.
    ///
    /// # Errors
    /// It was there before Fitout came, or cannot be looked at.
    pub fn of(path: &TargetPath, stat: &Stat, past: &Ownership, on: &dyn Probe) -> Result<Self, ProbeError> {
        if is_ours(path, stat, past, on)? {
            Ok(Self::Ours)
        } else if past.earlier.contains_key(PRESENT) || past.doubtful.contains(PRESENT) || !past.former.is_empty() {
            Ok(Self::Theirs(stat.kind))
        } else {
            Err(in_the_way(path, kind_name(stat.kind)))
        }
    }

    /// What brings about the thing that is wanted: room, and then the thing itself.
    pub fn give_way(self, path: &TargetPath, wanted: &ResourceId, past: &Ownership, claims: &super::Claims, make: Step) -> Vec<Step> {
        let clear = |op, why: String| Step::new(Change::Replace, op, why).needs(make.needs);
        match self {
            Self::Ours => {
                let clear = clear(Op::Remove { path: path.clone(), proof: None }, format!("is to be a {} now", wanted.kind));
                vec![clear, Step { undoes: Undoes::Nothing, ..make }]
            }
            Self::Theirs(kind) => {
                let what = kind_name(kind);
                let undoes = if past.doubtful.contains(PRESENT) {
                    Undoes::Nothing
                } else if past.earlier.get(PRESENT) == claims.get(PRESENT) {
                    make.clone().claim(PRESENT, format!("{path} was replaced by {what}; it stays so")).undoes
                } else {
                    Undoes::Conflict(format!("{path}, which is {what} now"))
                };
                let aside = clear(Op::SetAside { path: path.clone() }, format!("is {what}"));
                vec![aside.undoes(undoes.clone()), make.undoes(undoes)]
            }
        }
    }
}

fn is_ours(path: &TargetPath, stat: &Stat, past: &Ownership, on: &dyn Probe) -> Result<bool, ProbeError> {
    Ok(match stat.kind {
        FileKind::File => {
            let Some(written) = on.written(path)? else { return Ok(false) };
            on.read(path)?.is_some_and(|bytes| Sha256::of(&bytes) == written.after)
        }
        FileKind::Symlink => stat.link.is_some() && past.former.get(SYMLINK).and_then(|claims| claims.get(PRESENT)) == stat.link.as_ref(),
        FileKind::Directory => past.former.contains_key(DIRECTORY) && on.list(path)?.unwrap_or_default().is_empty(),
        FileKind::Other => false,
    })
}
