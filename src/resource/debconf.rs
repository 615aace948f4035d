//! `debconf`: answers to what a package asks while it is installed. They are given before; to a package that is installed nothing is said
//! any more, for its answers are what people made of them since.

use super::Resource;
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, Op, Step};
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// Answers for one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debconf {
    /// The package.
    pub package: String,
    /// What is answered.
    pub answers: Vec<Reply>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The question, such as `tzdata/Areas`.
    pub question: String,
    /// The question's type, such as `select`.
    pub kind: String,
    /// What is answered.
    pub value: String,
}

/// Where debconf keeps answers, but for passwords.
const ANSWERS: &str = "/var/cache/debconf/config.dat";

/// How far it has come.
#[derive(Debug, Serialize)]
pub enum State {
    /// The package asks no more.
    Installed,
    /// These questions are open, or answered otherwise.
    Open(Vec<usize>),
}

/// The answer to a question in debconf's database: stanzas of fields.
fn answered<'t>(database: &'t str, question: &str) -> Option<&'t str> {
    let mut stanzas = database.split("\n\n");
    let stanza = stanzas.find(|stanza| stanza.lines().any(|line| line.strip_prefix("Name: ") == Some(question)))?;
    stanza.lines().find_map(|line| line.strip_prefix("Value:")).map(str::trim_start)
}

impl Resource for Debconf {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("debconf", &self.package)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        if on.packages()?.installed.contains_key(&self.package) {
            return Ok(State::Installed);
        }
        let path = TargetPath::parse(ANSWERS).map_err(|e| ProbeError::new("use a path", e))?;
        let database = String::from_utf8_lossy(&on.read(&path)?.unwrap_or_default()).into_owned();
        let open = |(_, reply): &(usize, &Reply)| answered(&database, &reply.question) != Some(reply.value.as_str());
        Ok(State::Open(self.answers.iter().enumerate().filter(open).map(|(n, _)| n).collect()))
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let State::Open(open) = now else { return Vec::new() };
        if open.is_empty() {
            return Vec::new();
        }
        let replies = open.iter().filter_map(|n| self.answers.get(*n));
        let lines = replies.map(|reply| format!("{} {} {} {}", self.package, reply.question, reply.kind, reply.value)).collect();
        vec![Step::new(Change::Modify, Op::Answer { lines }, "to be asked when it is installed").needs(Ability::Exec)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_from_debconfs_database() {
        let text = "Name: a/b\nTemplate: a/b\nValue: x y\nOwners: a\n\nName: a/c\nTemplate: a/c\nOwners: a\n";
        assert_eq!((answered(text, "a/b"), answered(text, "a/c"), answered(text, "a")), (Some("x y"), None, None));
    }
}
