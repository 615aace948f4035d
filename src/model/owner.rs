//! Who owns a file, by name: numbers are looked up in the target's passwd when a step is performed.

use super::{Mode, UserName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The user that owns a file; its group is the user's primary group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// User and group 0.
    #[default]
    Root,
    /// A user of the target and its primary group.
    User(UserName),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::User(name) => name.fmt(f),
        }
    }
}

/// Mode and owner of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits.
    pub mode: Mode,
    /// Owner, by name.
    pub owner: Owner,
}

impl Meta {
    /// Owned by root, with this mode.
    #[must_use]
    pub const fn root(mode: Mode) -> Self {
        Self { mode, owner: Owner::Root }
    }

    /// Owned by `owner`, with this mode.
    #[must_use]
    pub const fn of(owner: Owner, mode: Mode) -> Self {
        Self { mode, owner }
    }
}
