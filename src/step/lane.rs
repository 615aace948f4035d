//! What work may go on side by side.

/// What a resource works on. Two of one lane never work at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// A tree of its own, made from downloads: in nobody's way.
    Own,
    /// dpkg's database. What is ready at the same time is one transaction.
    Packages,
    /// passwd and its like.
    Users,
    /// Single files, wherever they are.
    Files,
    /// The service manager.
    Units,
    /// Programs that look whether all is well.
    Checks,
    /// The whole machine: nothing else goes on meanwhile.
    Machine,
}

impl Lane {
    /// Whether work in this lane keeps other work from going on.
    #[must_use]
    pub fn keeps_off(self, other: Self) -> bool {
        self == Self::Machine || other == Self::Machine || (self == other && self != Self::Own)
    }
}
