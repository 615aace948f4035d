//! Owners that nobody has heard of: said by the plan already, for apply would fail.

use crate::graph::Graph;
use crate::model::Owner;
use crate::plan::{Plan, Planned};
use crate::step::Op;
use crate::target::{Probe, ProbeError};

/// Makes problems of what is to belong to somebody who is not there, where nothing that is about to happen may bring him.
pub(super) fn unknown(plan: &mut Plan, graph: &Graph, on: &dyn Probe) -> Result<(), ProbeError> {
    let at_work: Vec<bool> = plan.resources.iter().map(|planned| !planned.steps.is_empty() || !planned.deferred.is_empty()).collect();
    // Packages bring accounts.
    if plan.steps().any(|step| matches!(step.op, Op::AptInstall { .. })) {
        return Ok(());
    }
    let accounts = on.accounts()?;
    for (planned, node) in plan.resources.iter_mut().zip(&graph.nodes) {
        let Some(Owner::User(name)) = node.spec.owner() else { continue };
        let comes = accounts.user(name.as_str()).is_some() || node.requires.iter().any(|n| at_work[*n]);
        if !comes && !planned.steps.is_empty() {
            let problem = format!("cannot give {} to {name}: there is no such account, and nothing here makes one", planned.id.name);
            *planned = Planned { steps: Vec::new(), problem: Some(problem), ..planned.clone() };
        }
    }
    Ok(())
}
