//! Fitout itself as a machine's service: its program, its units, and their start at each boot.
//!
//! Asked for by `apply --install` and by bakes, never by a manifest: a machine that has a manifest of its own keeps itself up to it. From then on it
//! is kept like anything else that Fitout made there.

use super::{Context, Recipe};
use crate::model::{Meta, Mode, ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{File, Policy, Spec, Switch, Unit};
use crate::step::{Blob, Content, PROGRAM};
use std::sync::Arc;

/// The service of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The `fitout` program; `None` where one is there and stays.
    pub program: Option<Blob>,
    /// Its units: name and text.
    pub units: Vec<(&'static str, Arc<str>)>,
}

/// Where its units go.
const SYSTEM: &str = "/etc/systemd/system";

/// The units, by name.
const UNITS: [(&str, &str); 2] = [
    ("fitout-agent.service", include_str!("../../packaging/systemd/fitout-agent.service")),
    ("fitout-host-keys.service", include_str!("../../packaging/systemd/fitout-host-keys.service")),
];

impl Service {
    /// The service of this release of Fitout.
    #[must_use]
    pub fn new(program: Blob) -> Self {
        Self { program: Some(program), units: UNITS.map(|(name, text)| (name, text.into())).to_vec() }
    }

    /// What a machine keeps that has it already: the program that is there, and each unit whose text `kept` knows. What is missing comes from this
    /// release.
    ///
    /// # Errors
    /// Those of the questions.
    pub fn kept<E>(program: Option<Blob>, kept: impl Fn(&str) -> Result<Option<Arc<str>>, E>) -> Result<Self, E> {
        let unit = |(name, text): (&'static str, &str)| Ok((name, kept(&place(name))?.unwrap_or_else(|| text.into())));
        Ok(Self { program, units: UNITS.into_iter().map(unit).collect::<Result<_, E>>()? })
    }
}

/// Where a unit goes.
fn place(unit: &str) -> String {
    format!("{SYSTEM}/{unit}")
}

impl Recipe for Service {
    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |error: crate::model::Invalid| vec![Problem::general(Code::BadValue, error.0)];
        let file =
            |at: &str, content, mode| Ok::<_, Vec<Problem>>(File::new(TargetPath::parse(at).map_err(fail)?, content, Meta::root(mode)));
        let (mut requires, mut specs) = (Vec::<ResourceId>::new(), Vec::new());
        if let Some(program) = &self.program {
            // An older Fitout is brought up to date, whoever put it there.
            let program = File { policy: Policy::Enforce, ..file(PROGRAM, Content::Blob(program.clone()), Mode::OPEN)? };
            requires.push(program.id());
            specs.push(Spec::File(program));
        }
        for (name, text) in &self.units {
            let file = file(&place(name), Content::Inline(Arc::clone(text)), Mode::FILE)?;
            requires.push(file.id());
            specs.push(Spec::File(file));
            // Enabled and not started: it would apply the manifest while that is being applied.
            let unit = Unit::new(UnitName::parse(name).map_err(fail)?);
            specs.push(Spec::Unit(Unit { enabled: Some(Switch::On), requires: requires.clone(), ..unit }));
        }
        Ok(specs)
    }
}
