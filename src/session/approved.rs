//! Steps that somebody looked at and approved: an apply of them performs these and no others.

use super::SessionError;
use crate::model::ResourceId;
use crate::plan::{Plan, Planned};
use crate::resource::Released;
use crate::step::{DiskForecast, Op, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The steps of a plan, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Approved(Vec<Steps>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    id: ResourceId,
    steps: Vec<Step>,
}

impl Approved {
    /// The steps of a plan that can be performed now.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let some = plan.resources.iter().filter(|planned| !planned.steps.is_empty());
        // What a step takes is no part of it: who may enter a machine is told more of that.
        let bare = |steps: &[Step]| steps.iter().map(|step| step.clone().disk(DiskForecast::NONE)).collect();
        Self(some.map(|planned| Steps { id: planned.id.clone(), steps: bare(&planned.steps) }).collect())
    }

    /// Nothing, where a plan of today has the same steps.
    ///
    /// # Errors
    /// The machine or the manifest is not what it was; says where.
    pub fn must_be(&self, plan: &Plan) -> Result<(), SessionError> {
        let now = Self::of(plan);
        let open = |id: &ResourceId| plan.resources.iter().find(|planned| planned.id == *id).and_then(in_the_way);
        if now.0.is_empty() && !self.0.is_empty() && self.0.iter().all(|one| open(&one.id).is_none()) {
            return Err(SessionError::Moved(vec!["nothing is left to do: was the plan performed already?".into()]));
        }
        let ids: BTreeSet<&ResourceId> = self.0.iter().chain(&now.0).map(|one| &one.id).collect();
        // What is done already, by a run of this plan that was cut short, is not to be done again.
        let asked = |id: &ResourceId| id.kind == Released::KIND || plan.resources.iter().any(|planned| planned.id == *id);
        let is_done = |id: &ResourceId| asked(id) && now.steps(id).is_empty() && open(id).is_none();
        let moved = ids.into_iter().filter(|id| self.steps(id) != now.steps(id) && !is_done(id));
        let moved: Vec<String> = moved.map(|id| self.told(&now, id, open(id))).collect();
        if moved.is_empty() { Ok(()) } else { Err(SessionError::Moved(moved)) }
    }

    fn steps(&self, id: &ResourceId) -> &[Step] {
        self.0.iter().find(|one| one.id == *id).map_or(&[], |one| &one.steps)
    }

    fn told(&self, now: &Self, id: &ResourceId, open: Option<String>) -> String {
        let said = |steps: &[Step]| {
            let each: Vec<String> = steps.iter().map(|step| format!("{} ({})", step.op.summary(), step.why)).collect();
            if each.is_empty() { "nothing to do".to_owned() } else { each.join(", ") }
        };
        let (then, today) = (said(self.steps(id)), said(now.steps(id)));
        if let Some(open) = open {
            return format!("{id}: approved was {then}; today {open}");
        }
        if then == today { format!("{id}: {then}, with other content") } else { format!("{id}: approved was {then}; today it is {today}") }
    }

    /// Whether an op is among these, or does less than one of them: packages are installed together, or in parts when that fails.
    #[must_use]
    pub fn allows(&self, op: &Op) -> bool {
        let all = || self.0.iter().flat_map(|one| &one.steps).map(|step| &step.op);
        if let Op::AptInstall { packages } = op {
            let approved: BTreeSet<&String> =
                all().flat_map(|op| if let Op::AptInstall { packages } = op { packages.as_slice() } else { &[] }).collect();
            return packages.iter().all(|package| approved.contains(package));
        }
        all().any(|approved| approved == op || narrowed(approved, op).as_ref() == Some(op))
    }
}

/// Why what was approved for a resource is not to be done today, where it is open still: it cannot be, or people changed it.
fn in_the_way(planned: &Planned) -> Option<String> {
    let theirs = (planned.steps.is_empty() && !planned.drift.is_empty()).then(|| format!("it is left alone: {}", planned.drift.join("; ")));
    planned.problem.as_ref().map(|problem| format!("it cannot be: {problem}")).or(theirs)
}

/// What is approved for an account, without what is not asked for any more.
fn narrowed(approved: &Op, to: &Op) -> Option<Op> {
    let Op::SetUser { groups: wanted, shell, .. } = to else { return None };
    let Op::SetUser { groups, .. } = approved else { return None };
    let mut without: Vec<&str> = groups.iter().filter(|group| !wanted.contains(group)).map(String::as_str).collect();
    without.extend(shell.is_none().then_some("shell"));
    Some(approved.without(&without))
}
