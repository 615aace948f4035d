//! `units`: systemd units of the distribution, enabled and active or not.

use super::{Context, Recipe};
use crate::model::UnitName;
use crate::problem::Problem;
use crate::resource::{Spec, Switch, Unit};

/// One item of `units`. What is not said is not managed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedUnit {
    /// Which.
    pub name: UnitName,
    /// Whether it starts at boot.
    pub enabled: Option<Switch>,
    /// Whether it runs now.
    pub active: Option<Switch>,
}

impl Recipe for ManagedUnit {
    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        Ok(vec![Spec::Unit(Unit { enabled: self.enabled, active: self.active, ..Unit::new(self.name.clone()) })])
    }
}
