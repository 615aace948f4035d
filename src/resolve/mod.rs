//! Answers to what recipes ask: which wheels, which releases, which conda packages.
//!
//! A question is asked of the network once; its answer is kept in the store's folder under the question's digest, so another
//! question is another answer. Answers name every file by its digest: nothing that is decided here is decided again later.
//! Nothing of the host enters an answer: neither its interpreters nor its processor, C library or GPU.

mod conda;
mod index;
mod locked;
mod memory;
mod python;
mod redist;
mod uv;
mod wheels;

use crate::fetch::{FetchError, Http};
use crate::model::Network;
use crate::recipe::{Answer, Answers, Question};
use crate::store::Store;
use crate::target::{Progress, Silent};
use std::io;

/// A question could not be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act}: {cause}")]
pub struct ResolveError {
    /// The question in a few words: `solve conda environment`.
    pub act: String,
    /// Why there is no answer.
    pub cause: Cause,
}

impl ResolveError {
    fn of(question: &Question, cause: Cause) -> Self {
        Self { act: question.summary(), cause }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// What the answer depends on could not be had.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// What is asked for does not exist, or not together.
    #[error("{0}")]
    Unsatisfiable(String),
    /// Who knows the answer could not be asked.
    #[error("{0}")]
    Unreachable(String),
    /// The host did not do its part.
    #[error("{0}")]
    Host(#[from] io::Error),
}

impl Cause {
    /// What is asked for cannot be had, because of this.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they are caught, in `map_err`")]
    pub fn unsatisfiable(text: impl ToString) -> Self {
        Self::Unsatisfiable(text.to_string())
    }
}

/// What answering takes.
struct Desk<'a> {
    store: &'a Store,
    http: &'a Http,
    network: &'a Network,
    progress: &'a dyn Progress,
}

/// Whether a network may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permission {
    /// It may.
    #[default]
    Allowed,
    /// No socket is opened.
    Forbidden,
}

/// Answers all questions: from `known` answers, from earlier ones, else from the network, which `ask` is told of.
///
/// # Errors
/// The first question without an answer.
pub fn resolve(
    questions: &[Question],
    known: &Answers,
    store: &Store,
    (permission, network): (Permission, &Network),
    ask: &dyn Fn(&Question),
) -> Result<Answers, ResolveError> {
    let mut answers = Answers::default();
    let mut open = Vec::new();
    for question in questions {
        match known.get(question).cloned().or_else(|| memory::recall(store, question)) {
            Some(answer) => drop(answers.0.insert(question.digest(), answer)),
            None if open.contains(&question) => {}
            None => open.push(question),
        }
    }
    let Some(first) = open.first() else { return Ok(answers) };
    if permission == Permission::Forbidden {
        let cause = "neither a lock nor an earlier run tells, and no network is to be asked (--offline)";
        return Err(ResolveError::of(first, Cause::Unreachable(cause.into())));
    }
    answers.0.extend(fresh(&open, store, network, ask)?.0);
    Ok(answers)
}

/// Asks the network, whatever is known.
///
/// # Errors
/// The first question without an answer.
pub fn fresh(open: &[&Question], store: &Store, network: &Network, ask: &dyn Fn(&Question)) -> Result<Answers, ResolveError> {
    let mut answers = Answers::default();
    let Some(first) = open.first() else { return Ok(answers) };
    let http = Http::through(network).map_err(|e| ResolveError::of(first, e.into()))?;
    let desk = Desk { store, http: &http, network, progress: &Silent };
    for question in open {
        ask(question);
        let answer = desk.answer(question).and_then(|answer| {
            memory::keep(store, question, &answer)?;
            Ok(answer)
        });
        answers.0.insert(question.digest(), answer.map_err(|cause| ResolveError::of(question, cause))?);
    }
    Ok(answers)
}

impl Desk<'_> {
    fn answer(&self, question: &Question) -> Result<Answer, Cause> {
        match question {
            Question::Wheels { requirements, machine, index } => self.wheels(requirements, machine, index.as_deref()).map(Answer::Wheels),
            Question::Python { requirements, version, machine, index } => {
                let wanted = python::Wanted { requirements, constraints: &[], version, machine, index: index.as_deref() };
                self.python(&wanted).map(Answer::Python)
            }
            Question::Redist { product, version, components, platform, variant, mirror } => {
                let wanted =
                    redist::Wanted { product, version, components, platform, variant: variant.as_deref(), mirror: mirror.as_deref() };
                self.redist(&wanted).map(Answer::Redist)
            }
            Question::Conda { text, base, channels, subdir, cuda, glibc, index, mirror, linux, archspec } => {
                let platform = conda::Platform {
                    subdir,
                    cuda: cuda.as_deref(),
                    glibc,
                    linux: linux.as_deref(),
                    archspec: archspec.as_deref(),
                    index: index.as_deref(),
                    mirror: mirror.as_deref(),
                };
                self.conda(text, base, channels, &platform).map(Answer::Conda)
            }
        }
    }
}
/// A document of somebody else's that the resolution reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// An `environment.yml`, an explicit list, or a lock of conda's.
    Environment,
    /// A lock of uv's.
    PythonLock,
    /// NVIDIA's list of a release.
    Redistrib,
}

/// Reads such a document as the resolution does, and asks no network: what it names, as addresses where it has any.
///
/// # Errors
/// It is none.
pub fn read_foreign(kind: Foreign, text: &str) -> Result<Vec<String>, Cause> {
    match kind {
        Foreign::Environment => conda::read(text),
        Foreign::PythonLock => python::read_lock(text),
        Foreign::Redistrib => redist::read(text),
    }
}
