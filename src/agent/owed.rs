//! What an agent owes when it ends: a stop that is put off, or due. It outlives the process until the machine starts again, so that an agent which is
//! restarted keeps what the one before it promised, and so does whoever stops the machine where no agent runs.

use super::stops::Due;
use crate::model::TargetPath;
use crate::schedule::Power;
use crate::target::{Document, OpError, Probe, ProbeError, Target, seal, unseal};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where it is kept.
const OWED: &str = "/run/fitout/owed.json";

/// What is owed. Its clock is the one since boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    version: u32,
    /// What the manifest said then: where it says something else by now, a stop that came due may be none.
    pub power: Power,
    /// No stop before this.
    pub put_off: Option<Duration>,
    /// The stop that has come due.
    pub due: Option<Due>,
}

impl Document for Owed {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

fn path() -> Result<TargetPath, ProbeError> {
    TargetPath::parse(OWED).map_err(|e| ProbeError::new("use a path", e))
}

impl Owed {
    /// This is owed.
    #[must_use]
    pub const fn new(power: Power, put_off: Option<Duration>, due: Option<Due>) -> Self {
        Self { version: Self::VERSION, power, put_off, due }
    }

    /// What was owed last on a machine that was not started since.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let path = path()?;
        on.read(&path)?.map(|bytes| unseal(&path, &bytes)).transpose()
    }

    /// Keeps what is owed from now on.
    ///
    /// # Errors
    /// It was not kept.
    pub fn keep(owed: Option<&Self>, on: &dyn Target) -> Result<(), OpError> {
        match owed {
            None => on.discard(&path()?),
            Some(owed) => on.publish(&path()?, &seal(owed).map_err(|e| OpError::new("write what is owed", e))?),
        }
    }

    /// For how long no stop may come, at this time since boot; `None` where one may.
    #[must_use]
    pub fn left(&self, boot: Duration) -> Option<Duration> {
        self.put_off?.checked_sub(boot).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Ability;
    use crate::target::fake::{Behaviour, Fake};

    #[test]
    fn is_kept_until_nothing_is_owed() {
        let fake = Fake::debian(&[Ability::Files], Behaviour::default()).unwrap();
        assert_eq!(Owed::read(&fake).unwrap(), None);
        let owed = Owed::new(Power::default(), Some(Duration::from_secs(100)), None);
        Owed::keep(Some(&owed), &fake).unwrap();
        assert_eq!(Owed::read(&fake).unwrap().as_ref(), Some(&owed));
        assert_eq!([40, 100, 160].map(|boot| owed.left(Duration::from_secs(boot))), [Some(Duration::from_mins(1)), None, None]);
        Owed::keep(None, &fake).unwrap();
        assert_eq!(Owed::read(&fake).unwrap(), None);
    }
}
