//! What a condition may ask of a machine.

use crate::model::{Facts, RELEASES};
use std::collections::BTreeSet;

/// What a condition may ask: its key, the words that it knows, what a machine has of them.
pub struct Question {
    /// The key.
    pub key: &'static str,
    /// What it asks, for `explain`.
    pub about: &'static str,
    /// The words that it knows.
    pub words: fn() -> Vec<&'static str>,
    /// What a machine has of them.
    pub answer: for<'f> fn(&'f Facts) -> Vec<&'f str>,
}

/// Every question.
pub const QUESTIONS: [Question; 4] = [
    Question {
        key: "distribution",
        about: "The distribution, by `ID` of os-release.",
        words: || BTreeSet::from(RELEASES.map(|(id, _, _)| id)).into_iter().collect(),
        answer: |facts| vec![&facts.distribution.id],
    },
    Question {
        key: "release",
        about: "Its release, by number or name; in quotes where it is a number.",
        words: || RELEASES.iter().flat_map(|(_, version, codename)| [*version, *codename]).collect(),
        answer: |facts| vec![&facts.distribution.version, &facts.distribution.codename],
    },
    Question {
        key: "architecture",
        about: "The processor family, by Debian's names.",
        words: || vec!["amd64", "arm64"],
        answer: |facts| vec![facts.architecture.debian()],
    },
    Question {
        key: "gpu",
        about: "Whether the machine has a GPU of NVIDIA's. An image that is made has none.",
        words: || vec!["present", "absent"],
        answer: |facts| vec![facts.gpu.as_str()],
    },
];
