//! `hostname`: `/etc/hostname`, and the running system's name where one runs.

use super::{Resource, Written};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, Op, Step};
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// The name that the kernel goes by.
const RUNNING: &str = "/proc/sys/kernel/hostname";
/// The name that it is given at each start (hostname(5)).
const FILE: &str = "/etc/hostname";

/// The host name as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// Lower case, as host names are written.
    pub name: String,
}

/// The host name as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostNames {
    /// What the machine is called from its next start on.
    pub file: Option<String>,
    /// What the kernel that runs calls it.
    pub running: Option<String>,
}

impl Resource for HostName {
    type State = HostNames;

    fn id(&self) -> ResourceId {
        ResourceId::new("hostname", &self.name)
    }

    fn writes(&self) -> Vec<Written> {
        vec![Written::alone(FILE)]
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        let read = |path: &str| {
            let path = TargetPath::parse(path).map_err(|e| ProbeError::new("use a path", e))?;
            Ok::<_, ProbeError>(on.read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
        };
        let running = if on.has(Ability::RunningSystem) { read(RUNNING)? } else { None };
        Ok(HostNames { file: read(FILE)?, running })
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        let why = match (&now.file, &now.running) {
            (Some(file), _) if *file != self.name => format!("is {file}"),
            (None, _) => "absent".into(),
            (Some(_), Some(running)) if *running != self.name => format!("this machine calls itself {running} until it is set"),
            (Some(_), _) => return Vec::new(),
        };
        vec![Step::new(Change::Modify, Op::SetHostname { name: self.name.clone() }, why).needs(Ability::Instance)]
    }
}
