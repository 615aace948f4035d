//! What a session may use: the answers of a lock and nothing else, the network or not.

use super::SessionError;
use super::lock::{Lock, Locked, kind, part};
use super::verified::{looked_for, missing};
use super::work::Work;
use crate::apply::{Event, Observers};
use crate::model::{Facts, Network};
use crate::plan::Plan;
use crate::recipe::{Answers, Item, Question};
use crate::resolve::Permission;
use crate::resource::Spec;
use crate::step::package_name;
use crate::store::Store;
use crate::target::Way;

/// How far a lock binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bond {
    /// Its answers are taken where they fit; the rest is found out.
    #[default]
    Loose,
    /// Nothing that it does not name is used.
    Strict,
}

/// Whether what was found out before counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recall {
    /// It does: the same question has the same answer.
    #[default]
    Earlier,
    /// Everything is found out anew.
    Nothing,
}

/// What a session may use.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The lock of the manifest, if it has one.
    pub lock: Lock,
    /// How far it binds.
    pub bond: Bond,
    /// Whether a network may be asked.
    pub network: Permission,
    /// Whether what was found out before counts.
    pub recall: Recall,
}

impl Terms {
    /// What is said of this kind of machine.
    pub(super) fn locked(&self, facts: &Facts) -> Result<Locked, SessionError> {
        match (self.lock.of(facts), self.bond) {
            (Some(locked), _) => Ok(locked.clone()),
            (None, Bond::Loose) => Ok(Locked::default()),
            (None, Bond::Strict) => Err(SessionError::Uncovered(vec![format!("it says nothing of machines such as {}", kind(facts))])),
        }
    }

    /// The answers that may be used, `earlier` ones included where no lock binds; none where everything is found out anew.
    pub(super) fn answers(&self, locked: &Locked, earlier: Answers) -> Answers {
        let known = locked.known();
        match (self.recall, self.bond) {
            (Recall::Nothing, _) => Answers::default(),
            (Recall::Earlier, Bond::Strict) => known,
            (Recall::Earlier, Bond::Loose) => Answers(earlier.0.into_iter().chain(known.0).collect()),
        }
    }

    /// Refuses questions without an answer where a lock binds.
    pub(super) fn cover(&self, known: &Answers, questions: &[(Item, Question)]) -> Result<(), SessionError> {
        if self.bond == Bond::Loose {
            return Ok(());
        }
        let open = questions.iter().filter(|(_, question)| known.get(question).is_none());
        let said: Vec<String> = open.map(|(item, question)| format!("{} asks to {}", part(item), question.summary())).collect();
        if said.is_empty() { Ok(()) } else { Err(SessionError::Uncovered(said)) }
    }

    /// Holds the work to the lock, where that binds: packages get their releases.
    pub(super) fn hold(&self, locked: &Locked, work: &mut Work) -> Result<(), SessionError> {
        if self.bond == Bond::Loose {
            return Ok(());
        }
        let mut lacks = locked.lacks(work);
        for node in &mut work.graph.nodes {
            let Spec::Apt(apt) = &mut node.spec else { continue };
            for request in &mut apt.packages {
                match locked.packages.0.get(package_name(request)) {
                    Some(file) => *request = format!("{}={}", package_name(request), file.version),
                    None => lacks.push(format!("package {request} is not in it")),
                }
            }
        }
        if lacks.is_empty() { Ok(()) } else { Err(SessionError::Uncovered(lacks)) }
    }

    /// How packages of the distribution come.
    pub(super) fn way<'a>(&self, network: &'a Network) -> Way<'a> {
        match self.network {
            Permission::Allowed => Way::Network(network.proxy.as_ref()),
            Permission::Forbidden => Way::Own,
        }
    }

    /// Says which downloads of this work were damaged, and refuses it where a network would be needed that may not be asked.
    pub(super) fn reach(&self, plan: &Plan, store: &Store, observers: &Observers) -> Result<(), SessionError> {
        let lacks = looked_for(store, plan.steps().flat_map(|step| step.op.blobs())).map_err(SessionError::Own)?;
        if self.network == Permission::Forbidden && !lacks.is_empty() {
            return Err(missing(&lacks));
        }
        for damage in lacks.into_iter().filter_map(|lack| lack.damage) {
            observers.tell(&Event::Damaged { damage });
        }
        Ok(())
    }
}
