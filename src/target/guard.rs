//! Room that must stay free on a file system, as it is written down on a machine.

use super::{Probe, ProbeError};
use crate::model::{ByteSize, TargetPath};
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

    /// That the floor is broken now, in words. What makes room where there was too little already breaks none.
    #[must_use]
    pub fn broken(&self, on: &dyn Probe, began_with: Option<ByteSize>) -> Option<String> {
        // What cannot be asked now is asked again in a moment.
        let free = on.space(&self.mount).ok()?.free;
        let left = format!("{} has {free} free, and {} must stay free", self.mount, self.minimum_free);
        (free < self.minimum_free && began_with.is_none_or(|began| free < began)).then(|| format!("{left} (disk.guards)"))
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

/// Room on the guarded file systems when something began, so that its end can be asked for where it takes what must stay free.
#[derive(Debug)]
pub struct Floors(Vec<(Guard, Option<ByteSize>)>);

impl Floors {
    /// As it is now.
    ///
    /// # Errors
    /// A guard cannot be read or understood.
    pub fn now(on: &dyn Probe) -> Result<Self, ProbeError> {
        let free = |guard: &Guard| on.space(&guard.mount).ok().map(|space| space.free);
        Ok(Self(Guard::all(on)?.into_iter().map(|guard| (guard.clone(), free(&guard))).collect()))
    }

    /// The floor that is broken now, in words.
    #[must_use]
    pub fn broken(&self, on: &dyn Probe) -> Option<String> {
        self.0.iter().find_map(|(guard, began)| guard.broken(on, *began))
    }
}
