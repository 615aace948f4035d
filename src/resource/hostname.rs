//! `hostname`: `/etc/hostname`, and the running system's name where one runs.

use super::Resource;
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, Op, Step};
use crate::target::{Probe, ProbeError};

/// The host name as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// Lower case, as host names are written.
    pub name: String,
}

impl Resource for HostName {
    type State = Option<String>;

    fn id(&self) -> ResourceId {
        ResourceId::new("hostname", &self.name)
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        let path = TargetPath::parse("/etc/hostname").map_err(|e| ProbeError::new("use a path", e))?;
        Ok(on.read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        match now {
            Some(name) if *name == self.name => Vec::new(),
            other => {
                let why = other.as_ref().map_or_else(|| "absent".into(), |name| format!("is {name}"));
                vec![Step::new(Change::Modify, Op::SetHostname { name: self.name.clone() }, why).needs(Ability::Instance)]
            }
        }
    }
}
