//! Paths that a resource decides on although it does not bear their name: what else is asked for at one of them contradicts it.

use super::{File, Spec, Symlink};
use crate::model::TargetPath;
use crate::step::Content;

/// A path that a resource writes, or takes away, beside its own.
#[derive(Debug, Clone)]
pub struct Written {
    /// Where.
    pub path: String,
    /// Whether what lies below is meant as well.
    pub reach: Reach,
    /// Whether what another asks for there is what this one would have.
    pub agrees: fn(&Spec) -> bool,
}

/// How far a decision on a path reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the path itself.
    Itself,
    /// To all that is below it, too.
    Below,
}

impl Written {
    /// A path that nobody else may ask for.
    #[must_use]
    pub fn alone(path: impl Into<String>) -> Self {
        Self::unless(path, |_| false)
    }

    /// A path that others may ask for where they agree.
    #[must_use]
    pub fn unless(path: impl Into<String>, agrees: fn(&Spec) -> bool) -> Self {
        Self { path: path.into(), reach: Reach::Itself, agrees }
    }

    /// A path at which nothing is to be.
    #[must_use]
    pub fn removed(path: impl Into<String>) -> Self {
        Self::unless(path, |other| matches!(other, Spec::Absent(_)))
    }

    /// A path at which nothing is to be, nor below it.
    #[must_use]
    pub fn removed_whole(path: impl Into<String>) -> Self {
        Self { reach: Reach::Below, ..Self::removed(path) }
    }

    /// Whether it decides on a path.
    #[must_use]
    pub fn covers(&self, path: &TargetPath) -> bool {
        let rest = path.as_str().strip_prefix(self.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || self.reach == Reach::Below && rest.starts_with('/'))
    }
}

/// Whether a link keeps a unit from starting.
pub(super) fn masks(other: &Spec) -> bool {
    matches!(other, Spec::Symlink(Symlink { to, .. }) if to == "/dev/null")
}

/// The text that is asked for at a path, as far as the manifest holds it.
pub(super) fn text_of(other: &Spec) -> Option<&str> {
    if let Spec::File(File { content: Content::Inline(text), .. }) = other { Some(text) } else { None }
}
