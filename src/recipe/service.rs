//! Fitout itself as a machine's service: its program, its units, and their start at each boot.
//!
//! Asked for by `apply --install` and by bakes, never by a manifest: a machine that has a manifest of its own keeps itself up to it.

use super::{Context, Recipe};
use crate::model::{Meta, Mode, ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{File, Policy, Spec, Switch, Unit};
use crate::step::{Blob, Content};

/// The service, with this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The `fitout` program.
    pub program: Blob,
}

/// Where the program goes; the units name it.
pub const PROGRAM: &str = "/usr/local/bin/fitout";

/// The units, by name.
const UNITS: [(&str, &str); 2] = [
    ("fitout-agent.service", include_str!("../../packaging/systemd/fitout-agent.service")),
    ("fitout-host-keys.service", include_str!("../../packaging/systemd/fitout-host-keys.service")),
];

impl Recipe for Service {
    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |error: crate::model::Invalid| vec![Problem::general(Code::BadValue, error.0)];
        let path = |text: &str| TargetPath::parse(text).map_err(fail);
        // An older Fitout is brought up to date, whoever put it there.
        let own = |at: &str, content, mode| -> Result<File, Vec<Problem>> {
            Ok(File { policy: Policy::Enforce, ..File::new(path(at)?, content, Meta::root(mode)) })
        };
        let program = own(PROGRAM, Content::Blob(self.program.clone()), Mode::OPEN)?;
        let mut requires: Vec<ResourceId> = vec![program.id()];
        let mut specs = vec![Spec::File(program)];
        for (name, text) in UNITS {
            let file = own(&format!("/etc/systemd/system/{name}"), Content::Inline(text.into()), Mode::FILE)?;
            requires.push(file.id());
            specs.push(Spec::File(file));
            // Enabled and not started: it would apply the manifest while that is being applied.
            let unit = Unit::new(UnitName::parse(name).map_err(fail)?);
            specs.push(Spec::Unit(Unit { enabled: Some(Switch::On), requires: requires.clone(), ..unit }));
        }
        Ok(specs)
    }
}
