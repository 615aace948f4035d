//! Whose seed a machine takes. Anyone may put a medium into a drive: once a machine was started, only a medium that knows the identity
//! that the machine was first given is listened to.

use crate::datasource::{Giver, Overlay};
use crate::model::TargetPath;
use crate::target::{Document, OpError, Probe, ProbeError, Target, seal, unseal};
use serde::{Deserialize, Serialize};

/// Where the identity is kept. Sealing an image removes it.
const INSTANCE: &str = "/var/lib/fitout/state/instance.json";

/// A machine's identity, as its first start found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    version: u32,
    /// The identity; `None` for a machine that was told nothing.
    pub id: Option<String>,
}

fn path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(INSTANCE).map_err(|e| ProbeError::new("use a path", e))
}

impl Document for Instance {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Instance {
    /// With this identity.
    #[must_use]
    pub const fn new(id: Option<String>) -> Self {
        Self { version: 1, id }
    }

    /// The identity that a machine has; `None` before its first start.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let path = path()?;
        on.read(&path)?.map(|bytes| unseal(&path, &bytes)).transpose()
    }

    /// Keeps the identity.
    ///
    /// # Errors
    /// It was not kept.
    pub fn keep(&self, on: &dyn Target) -> Result<(), OpError> {
        let bytes = seal(self).map_err(|e| OpError::new("write the machine's identity", e))?;
        on.keep(&path()?, &bytes)
    }

    /// Whether a machine of this identity (`None`: never started) takes what a datasource says.
    #[must_use]
    pub fn takes(known: Option<&Self>, overlay: &Overlay) -> bool {
        match (overlay.giver, known) {
            (Giver::Root, _) | (Giver::Anyone, None) => true,
            (Giver::Anyone, Some(known)) => known.id.is_some() && known.id == overlay.instance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_not_listened_to() {
        let overlay = |giver, id: Option<&str>| {
            let mut overlay = Overlay::new("x", giver);
            overlay.instance = id.map(Into::into);
            overlay
        };
        let (fresh, untold, named) = (None, Some(Instance::new(None)), Some(Instance::new(Some("i-1".into()))));
        for (known, id, taken) in [
            (&fresh, Some("i-1"), true),
            (&fresh, None, true),
            (&untold, Some("i-1"), false),
            (&untold, None, false),
            (&named, Some("i-1"), true),
            (&named, Some("i-2"), false),
            (&named, None, false),
        ] {
            assert_eq!(Instance::takes(known.as_ref(), &overlay(Giver::Anyone, id)), taken, "{known:?} {id:?}");
            assert!(Instance::takes(known.as_ref(), &overlay(Giver::Root, id)));
        }
    }
}
