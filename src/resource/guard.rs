//! `guard`: room that must stay free on a file system; kept as a small file each, read by `plan`, `fitout disk` and the agent.

use super::{File, PRESENT, Resource};
use crate::model::{ByteSize, Meta, Mode, ResourceId, TargetPath};
use crate::step::{Content, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::{Deserialize, Serialize};

/// The folder of guards on a machine.
pub const GUARDS: &str = "/etc/fitout/guards";

/// A guard as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// A directory of the file system that is meant.
    pub mount: TargetPath,
    /// What must stay free.
    pub minimum_free: ByteSize,
}

impl Guard {
    /// Where the guard of a file system is kept.
    ///
    /// # Errors
    /// The name makes no path.
    pub fn path(mount: &TargetPath) -> Result<TargetPath, ProbeError> {
        let name = match mount.relative() {
            "." => "root".to_owned(),
            other => other.replace('-', "--").replace('/', "-"),
        };
        TargetPath::parse(&format!("{GUARDS}/{name}.json")).map_err(|e| ProbeError::new("use a path", e))
    }

    fn file(&self) -> Result<File, ProbeError> {
        let path = Self::path(&self.mount)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| ProbeError::new("write a guard", e))?;
        Ok(File { policy: super::Policy::Enforce, ..File::new(path, Content::Inline(format!("{text}\n").into()), Meta::root(Mode::FILE)) })
    }

    /// The guards of a machine.
    ///
    /// # Errors
    /// A guard cannot be read or understood.
    pub fn all(on: &dyn Probe) -> Result<Vec<Self>, ProbeError> {
        let folder = TargetPath::parse(GUARDS).map_err(|e| ProbeError::new("use a path", e))?;
        let names = on.list(&folder)?.unwrap_or_default();
        let read = |name: &String| -> Result<Option<Self>, ProbeError> {
            let path = folder.join(name).map_err(|e| ProbeError::new("use a path", e))?;
            let bytes = on.read(&path)?.unwrap_or_default();
            serde_json::from_slice(&bytes).map(Some).map_err(|e| ProbeError::new(format!("read the guard {path}"), e))
        };
        names.iter().filter(|name| matches!(name.rsplit_once('.'), Some((_, "json")))).filter_map(|name| read(name).transpose()).collect()
    }
}

impl Resource for Guard {
    type State = Vec<Step>;

    fn id(&self) -> ResourceId {
        ResourceId::new("guard", &self.mount)
    }

    fn claims(&self) -> Claims {
        Claims::from([(PRESENT.to_owned(), self.minimum_free.0.to_string())])
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        let file = self.file()?;
        Ok(file.diff(&file.observe(on)?))
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        now.clone()
    }
}
