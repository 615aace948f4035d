//! `guard`: room that must stay free on a file system; kept as a small file each, read by `plan`, `fitout disk` and the agent.

use super::{File, PRESENT, Resource, Written};
use crate::model::{Meta, Mode, ResourceId};
use crate::step::{Content, Step};
use crate::target::{Claims, Guard, Probe, ProbeError};

impl Guard {
    fn file(&self) -> Result<File, ProbeError> {
        let path = Self::path(&self.mount)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| ProbeError::new("write a guard", e))?;
        Ok(File { policy: super::Policy::Enforce, ..File::new(path, Content::Inline(format!("{text}\n").into()), Meta::root(Mode::FILE)) })
    }
}

impl Resource for Guard {
    type State = Vec<Step>;

    fn id(&self) -> ResourceId {
        ResourceId::new("guard", &self.mount)
    }

    fn claims(&self) -> Claims {
        Claims::from_iter([(PRESENT.to_owned(), self.minimum_free.0.to_string())])
    }

    fn writes(&self) -> Vec<Written> {
        Self::path(&self.mount).into_iter().map(|path| Written::alone(path.as_str())).collect()
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        let file = self.file()?;
        Ok(file.diff(&file.observe(on)?))
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        now.clone()
    }
}
