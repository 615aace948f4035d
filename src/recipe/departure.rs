//! `user: {state: absent}`, `users`: people who are to come in no longer.

use super::{Context, Item, Recipe};
use crate::model::UserName;
use crate::problem::Problem;
use crate::resource::{Departed, End, Spec};

/// Somebody who is to come in no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Login name.
    pub name: UserName,
    /// What becomes of the account.
    pub end: End,
    /// Whether it was the machine's owner, or one of `users`.
    pub place: Place,
}

/// Where a departure is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `user`.
    Owner,
    /// `users`.
    Others,
}

impl Recipe for Departure {
    fn item(&self) -> Item {
        match self.place {
            Place::Owner => Item::section("user"),
            Place::Others => Item::of("users", &self.name),
        }
    }

    fn lower(&self, _: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        Ok(vec![Spec::Departed(Departed { name: self.name.clone(), end: self.end })])
    }
}
