//! What a manifest states of a machine is proved on it: planned alone, it has nothing to do.

use super::section::{Item, Section};
use crate::manifest::{MemoryFiles, Sheets, Source, load};
use crate::model::Facts;
use crate::problem::Problem;
use crate::recipe::Answers;
use crate::session::{Scope, SessionError, Work};
use crate::store::Store;
use crate::target::{Probe, ProbeError};

/// The section without what does not hold, which is kept aside, each with the reason.
///
/// # Errors
/// Fitout's own files on the machine cannot be read.
pub fn proved(mut section: Section, on: &dyn Probe, facts: &Facts, store: &Store) -> Result<Section, ProbeError> {
    let reason = |section: &Section, items: &[&Item]| difference(&section.manifest(items), on, facts, store);
    if section.items.is_empty() || reason(&section, &section.items.iter().collect::<Vec<_>>())?.is_none() {
        return Ok(section);
    }
    for item in std::mem::take(&mut section.items) {
        match reason(&section, &[&item])? {
            None => section.items.push(item),
            Some(reason) => section.refused.push((item, reason)),
        }
    }
    Ok(section)
}

/// What a manifest would do to the machine, or what is wrong with it; `None` where it is so already.
fn difference(text: &str, on: &dyn Probe, facts: &Facts, store: &Store) -> Result<Option<String>, ProbeError> {
    let source = Source { name: "manifest".into(), text: text.into() };
    let wanted = load(&Sheets::new(source), MemoryFiles::default()).and_then(|manifest| manifest.on(facts)).map_err(SessionError::Manifest);
    let work = match wanted.and_then(|wanted| Work::of(&wanted, Scope::Beside, facts, &Answers::default(), on)) {
        Ok(work) => work,
        Err(SessionError::Probe(error)) => return Err(error),
        Err(SessionError::Manifest(rejected)) => return Ok(Some(messages(&rejected.problems))),
        Err(other) => return Ok(Some(other.to_string())),
    };
    let (mut steps, mut said) = (Vec::new(), Vec::new());
    for planned in work.plan(on, store)?.resources {
        let all = planned.steps.into_iter().chain(planned.deferred.into_iter().map(|deferred| deferred.step));
        steps.extend(all.map(|step| format!("{} ({})", step.op.summary(), step.why)));
        said.extend(planned.problem.into_iter().chain(planned.drift));
    }
    if !steps.is_empty() {
        said.push(format!("applying it would {}", steps.join("; ")));
    }
    Ok((!said.is_empty()).then(|| said.join("; ")))
}

fn messages(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}
