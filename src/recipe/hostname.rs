//! `name`: the machine's name as its host name.

use super::{Context, Item, Recipe};
use crate::model::ComputeName;
use crate::problem::Problem;
use crate::resource::{HostName, Spec};

/// The machine's name; an image of many machines has none, so this waits for first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostname {
    /// The name.
    pub name: ComputeName,
}

impl Recipe for Hostname {
    fn item(&self) -> Item {
        Item::section("name")
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        Ok(vec![Spec::HostName(HostName { name: self.name.as_str().to_lowercase() })])
    }
}
