//! `script`: an owner's script. Converged when the state holds a verdict that stands: for ever, for this text, or for this boot; or when
//! what it makes is there.

use super::Resource;
use crate::model::ResourceId;
use crate::step::{Ability, Again, Change, DiskForecast, OnFailure, Op, ScriptRun, ScriptSource, Step, Trigger};
use crate::target::{Probe, ProbeError, Standing, Verdict, boot};
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
    standing: Standing,
    boot: Option<String>,
    /// Whether what it makes is there.
    made: bool,
}

impl Script {
    fn due(&self, now: &State) -> Option<String> {
        let Some(verdict) = &now.verdict else { return Some("never ran".into()) };
        match now.standing {
            Standing::Rebooted => return Some("the machine restarted while it ran".into()),
            Standing::Interrupted => return Some("its run was cut short".into()),
            Standing::AtWork => return None,
            Standing::Ended => {}
        }
        if verdict.status != 0 {
            // A failure that stops nothing is tried again when there is a reason to hope: at the next start, or where the script is another.
            let same = verdict.digest == self.run.digest && verdict.boot == now.boot;
            let stands = self.run.on_failure == OnFailure::Continue && same;
            return (!stands).then(|| format!("last run: {}", verdict.outcome));
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
        let verdict = Verdict::read(on, &self.run.name)?;
        let standing = verdict.as_ref().map_or(Ok(Standing::Ended), |verdict| verdict.standing(on))?;
        let made = match &self.run.creates {
            Some(path) => on.stat(path)?.is_some(),
            None => false,
        };
        Ok(State { verdict, standing, boot: boot(on)?, made })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let needs = match (self.run.trigger, &self.run.source) {
            (Trigger::Startup, _) | (_, ScriptSource::Share { .. }) => Ability::RunningSystem,
            (Trigger::Creation, _) => Ability::Instance,
        };
        let run = |why: String| Step::new(Change::Add, Op::RunScript(self.run.clone()), why).needs(needs).disk(DiskForecast::Unknown);
        if now.made { Vec::new() } else { self.due(now).map(run).into_iter().collect() }
    }
}
