//! A unit that is not to be: it does not run, does not start, and nothing of it is left in the administrator's directory. What a package
//! brings of it goes with its package.

use super::unit::{SYSTEM, links, masked, running};
use super::{Resource, Switch, Written};
use crate::model::{ResourceId, TargetPath, UnitName};
use crate::step::{Ability, Change, FileKind, Op, Step, UnitVerb};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;

/// A unit that is not to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoUnit {
    /// Which.
    pub name: UnitName,
}

/// What is left of it.
#[derive(Debug, Serialize)]
pub struct State {
    active: Switch,
    masked: Switch,
    /// Links that start it with something else.
    links: Vec<TargetPath>,
    /// Whether systemd knows its text, and with it what else it is linked to.
    known: bool,
    /// Its text and its drop-ins, then their directory.
    files: Vec<TargetPath>,
}

/// Where units are that packages bring.
const VENDOR: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

impl NoUnit {
    fn path(&self, folder: &str) -> Result<TargetPath, ProbeError> {
        TargetPath::parse(&format!("{folder}/{}", self.name)).map_err(|e| ProbeError::new("use a path", e))
    }

    fn drop_ins(&self, on: &dyn Probe) -> Result<Vec<TargetPath>, ProbeError> {
        let folder = TargetPath::parse(&format!("{SYSTEM}/{}.d", self.name)).map_err(|e| ProbeError::new("use a path", e))?;
        let Some(names) = on.list(&folder)? else { return Ok(Vec::new()) };
        let inside = names.iter().map(|name| folder.join(name).map_err(|e| ProbeError::new("use a path", e)));
        inside.chain([Ok(folder.clone())]).collect()
    }

    fn act(&self, verb: UnitVerb, why: &str, needs: Ability) -> Step {
        Step::new(Change::Remove, Op::Unit { verb, unit: self.name.clone() }, why).needs(needs)
    }
}

impl Resource for NoUnit {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("unit", &self.name)
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([("absent".to_owned(), "yes".to_owned())])
    }

    fn writes(&self) -> Vec<Written> {
        let at = format!("{SYSTEM}/{}", self.name);
        vec![Written::removed_whole(format!("{at}.d")), Written::removed(at)]
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let masked = masked(on, &self.name)?;
        let own = self.path(SYSTEM)?;
        let text = on.stat(&own)?.filter(|_| masked == Switch::Off);
        let vendor = VENDOR.map(|folder| self.path(folder).and_then(|path| on.stat(&path)));
        let brought =
            vendor.into_iter().collect::<Result<Vec<_>, ProbeError>>()?.iter().flatten().any(|stat| stat.kind != FileKind::Directory);
        Ok(State {
            active: running(on, &self.name)?.unwrap_or(Switch::Off),
            masked,
            links: links(on, &self.name)?,
            known: text.is_some() || brought,
            files: text.map(|_| own).into_iter().chain(self.drop_ins(on)?).collect(),
        })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let remove = |path: &TargetPath| Step::new(Change::Remove, Op::Remove { path: path.clone(), proof: None }, "not to be");
        let mut steps = Vec::new();
        if now.active == Switch::On {
            steps.push(self.act(UnitVerb::Stop, "active", Ability::RunningSystem));
        }
        if now.masked == Switch::On {
            steps.push(self.act(UnitVerb::Unmask, "masked", Ability::Exec));
        }
        match (now.links.as_slice(), now.known) {
            ([], _) => {}
            (_, true) => steps.push(self.act(UnitVerb::Disable, "enabled", Ability::Exec)),
            (links, false) => steps.extend(links.iter().map(remove)),
        }
        steps.extend(now.files.iter().map(remove));
        steps
    }
}
