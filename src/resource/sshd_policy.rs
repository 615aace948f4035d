//! `sshd-policy`: what the real sshd answers for the owner, whatever any file says. It has nothing to do itself: where sshd answers
//! otherwise although the drop-in stands, another file wins, and that must be seen.

use super::Resource;
use crate::model::{ResourceId, UserName};
use crate::step::{Ability, Change, Op, Query, Step};
use crate::target::{Probe, ProbeError, policy_gaps};
use serde::Serialize;
use std::collections::BTreeMap;

/// The policy as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshdPolicy {
    /// Whose login is asked about.
    pub user: UserName,
    /// Lower-case keyword to value, as `sshd -T` prints them.
    pub expect: BTreeMap<String, String>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// The policy as it is.
#[derive(Debug, Serialize)]
pub enum State {
    /// There is no sshd that could let anyone in.
    NoServer,
    /// What sshd answers otherwise; empty where all is well.
    Gaps(Vec<String>),
}

impl Resource for SshdPolicy {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("sshd-policy", &self.user)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let sshd = crate::model::TargetPath::parse("/usr/sbin/sshd").map_err(|e| ProbeError::new("use a path", e))?;
        if on.stat(&sshd)?.is_none() {
            return Ok(State::NoServer);
        }
        let answer = on.query(&Query::SshdPolicy(self.user.clone()))?;
        if answer.status != 0 {
            return Err(ProbeError::new("ask sshd for its effective policy", answer.stderr.trim()));
        }
        Ok(State::Gaps(policy_gaps(&answer.stdout, &self.expect)))
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        match now {
            State::NoServer => Vec::new(),
            State::Gaps(gaps) if gaps.is_empty() => Vec::new(),
            State::Gaps(gaps) => {
                let op = Op::ProveSshd { user: self.user.clone(), expect: self.expect.clone() };
                vec![Step::new(Change::Check, op, gaps.join("; ")).needs(Ability::Exec)]
            }
        }
    }
}
