//! Whose a difference is. What Fitout brought about once and finds otherwise later was changed by somebody, and that is theirs: it
//! is reported, unless the manifest says that it is to be repaired.

use crate::step::{Claim, Step, Undoes};
use crate::target::{Claims, ProbeError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is done about what people changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// It stays and is said.
    #[default]
    Report,
    /// It is brought back to what the manifest says.
    Repair,
    /// It stays, and nothing is said.
    Ignore,
}

/// What is known of the past of a resource, and what its manifest says about people's changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// What is done about them.
    pub on_drift: OnDrift,
    /// What it asked for when it last was as it should be.
    pub earlier: Arc<Claims>,
    /// Of that, what a run set out to change and nobody saw it end.
    pub doubtful: Arc<BTreeSet<String>>,
    /// What lines asked for that made something of another kind of its path, and of which Fitout made it: by kind.
    pub former: BTreeMap<&'static str, Claims>,
}

/// Steps that may be made, and what people changed.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) steps: Vec<Step>,
    pub(super) drift: Vec<String>,
}

impl Ownership {
    /// Parts steps that bring something new from those that would undo what somebody did.
    ///
    /// # Errors
    /// The manifest and a person changed the same thing: a person decides.
    pub(super) fn judge(&self, wanted: &Claims, steps: Vec<Step>) -> Result<Judged, ProbeError> {
        let mut judged = Judged::default();
        for step in steps {
            match &step.undoes {
                _ if self.on_drift == OnDrift::Repair => judged.steps.push(step),
                Undoes::Nothing => judged.steps.push(step),
                Undoes::Edit(what) => judged.drift.push(what.clone()),
                Undoes::Conflict(_) if self.on_drift == OnDrift::Ignore => {}
                Undoes::Conflict(what) => return Err(conflict(what)),
                Undoes::Claims(claims) => {
                    let theirs: Vec<&Claim> = claims.iter().filter(|claim| self.is_theirs(wanted, &claim.name)).collect();
                    // Several steps may bring about one thing.
                    let new = theirs.iter().map(|claim| &claim.drift).filter(|drift| !judged.drift.contains(drift)).cloned();
                    judged.drift.extend(new.collect::<Vec<_>>());
                    judged.steps.extend(without(&step, claims.len(), &theirs));
                }
            }
        }
        if self.on_drift == OnDrift::Ignore {
            judged.drift.clear();
        }
        judged.steps.iter_mut().for_each(|step| step.undoes = Undoes::Nothing);
        Ok(judged)
    }

    /// Whether the same was asked for before, and was there: what is otherwise by now, somebody changed.
    fn is_theirs(&self, wanted: &Claims, name: &str) -> bool {
        let asked = self.earlier.get(name).is_some_and(|earlier| wanted.get(name) == Some(earlier));
        asked && !self.doubtful.contains(name)
    }

    /// Whether what somebody changed of a thing stays as it is.
    pub(super) fn keeps(&self, wanted: &Claims, name: &str) -> bool {
        self.on_drift != OnDrift::Repair && self.is_theirs(wanted, name)
    }
}

fn conflict(what: &str) -> ProbeError {
    ProbeError::new(
        format!("decide about {what}"),
        "it was edited on this machine, and the manifest changed as well; \
         merge the edit into the manifest, or apply with --repair, which keeps the edit aside",
    )
}

/// What is left of a step that brings about so many things, when some of them are not to be touched.
fn without(step: &Step, all: usize, theirs: &[&Claim]) -> Option<Step> {
    if theirs.is_empty() {
        return Some(step.clone());
    }
    if theirs.len() == all {
        return None;
    }
    let names: Vec<&str> = theirs.iter().map(|claim| claim.name.as_str()).collect();
    Some(Step { op: step.op.without(&names), ..step.clone() })
}
