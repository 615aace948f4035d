//! `schedules`, `idle_time_before_shutdown_minutes` and `power`: one file that says when the machine stops.

use super::{Context, Item, Recipe};
use crate::model::{Meta, Mode, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{File, Policy, Spec};
use crate::schedule::{POWER, Power};
use crate::step::Content;

/// The stops of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerPolicy {
    /// What the agent is told.
    pub power: Power,
    /// The section of the manifest that asks for it.
    pub section: &'static str,
}

impl Recipe for PowerPolicy {
    fn item(&self) -> Item {
        Item::section(self.section)
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |error: crate::model::Invalid| vec![Problem::general(Code::BadValue, error.0)];
        let own = |at: &str, text: String| -> Result<File, Vec<Problem>> {
            let path = TargetPath::parse(at).map_err(fail)?;
            Ok(File { policy: Policy::Enforce, ..File::new(path, Content::Inline(text.into()), Meta::root(Mode::FILE)) })
        };
        let power = Power { owner: context.owner.map(ToString::to_string), ..self.power.clone() };
        Ok(vec![Spec::File(own(POWER, power.text())?)])
    }
}
