//! `script`: an owner's script. Converged when the state holds a verdict for this content, these arguments and this trigger: for
//! creation once per machine, for startup the one of this boot.

use super::Resource;
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, DiskForecast, Op, ScriptRun, Step, Trigger};
use crate::target::{Probe, ProbeError, Verdict, unseal};
use serde::Serialize;

/// A script as it should have run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The run.
    pub run: ScriptRun,
}

/// This boot, by the kernel; `None` where nothing runs.
fn boot(on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(None);
    }
    let path = TargetPath::parse("/proc/sys/kernel/random/boot_id").map_err(|e| ProbeError::new("use a path", e))?;
    Ok(on.read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
}

/// What is known of a script's runs.
#[derive(Debug, Serialize)]
pub struct State {
    verdict: Option<Verdict>,
    boot: Option<String>,
}

impl Script {
    fn due(&self, now: &State) -> Option<String> {
        let Some(verdict) = &now.verdict else { return Some("never ran".into()) };
        if verdict.status != 0 {
            return Some(format!("last run: {}", verdict.outcome));
        }
        match self.run.trigger {
            // Azure ML runs a creation script once in the life of a machine, whatever becomes of its text.
            Trigger::Creation => None,
            Trigger::Startup => (now.boot.is_none() || verdict.boot != now.boot).then(|| "runs at each start".into()),
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
        Ok(State { verdict, boot: boot(on)? })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let needs = match self.run.trigger {
            Trigger::Creation => Ability::Instance,
            Trigger::Startup => Ability::RunningSystem,
        };
        let run = |why: String| Step::new(Change::Add, Op::RunScript(self.run.clone()), why).needs(needs).disk(DiskForecast::Unknown);
        self.due(now).map(run).into_iter().collect()
    }
}
