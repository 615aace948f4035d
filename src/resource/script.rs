//! `script`: an owner's script. Converged when the state holds a verdict that stands: for ever, for this text, or for this boot; or when
//! what it makes is there.

use super::Resource;
use crate::model::ResourceId;
use crate::step::{Ability, Again, Change, DiskForecast, Op, ScriptRun, Step, Trigger};
use crate::target::{Probe, ProbeError, Verdict, boot, unseal};
use serde::Serialize;

/// A script as it should have run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The run.
    pub run: ScriptRun,
}

/// What is known of a script's runs.
#[derive(Debug, Serialize)]
pub struct State {
    verdict: Option<Verdict>,
    boot: Option<String>,
    /// Whether what it makes is there.
    made: bool,
}

impl Script {
    fn due(&self, now: &State) -> Option<String> {
        let Some(verdict) = &now.verdict else { return Some("never ran".into()) };
        if verdict.is_open() {
            let restarted = verdict.boot.is_some() && now.boot.is_some() && verdict.boot != now.boot;
            let why = if restarted { "the machine restarted while it ran" } else { "its run was cut short" };
            return Some(why.into());
        }
        if verdict.status != 0 {
            return Some(format!("last run: {}", verdict.outcome));
        }
        match self.run.again {
            Again::Once => None,
            Again::WhenChanged => (verdict.digest != self.run.digest).then(|| "it changed since its last run".into()),
            Again::EveryStart => (now.boot.is_none() || verdict.boot != now.boot).then(|| "runs at each start".into()),
        }
    }
}

impl Resource for Script {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("script", &self.run.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        Vec::new()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let path = Verdict::path(&self.run.name)?;
        let verdict = on.read(&path)?.map(|bytes| unseal(&path, &bytes)).transpose()?;
        let made = match &self.run.creates {
            Some(path) => on.stat(path)?.is_some(),
            None => false,
        };
        Ok(State { verdict, boot: boot(on)?, made })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let needs = match self.run.trigger {
            Trigger::Creation => Ability::Instance,
            Trigger::Startup => Ability::RunningSystem,
        };
        let run = |why: String| Step::new(Change::Add, Op::RunScript(self.run.clone()), why).needs(needs).disk(DiskForecast::Unknown);
        if now.made { Vec::new() } else { self.due(now).map(run).into_iter().collect() }
    }
}
