//! Whether SSH is open is decided once, when a machine is made, as on Azure ML: the seal says how. A machine that Fitout did not make has none.
//!
//! The ledger knows what was written, so that a seal that was changed or taken away is told, and what it said is still known.

use crate::model::{Meta, Mode, Sha256, TargetPath};
use crate::step::{Ability, Change, Content, Op, Step};
use crate::target::look::path;
use crate::target::{Probe, ProbeError};
use serde::Serialize;

/// What the seal of a machine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// This machine was not made by Fitout.
    None,
    /// It was made by Fitout as an image of many: each decides once.
    Undecided,
    /// The owner comes in.
    Enabled,
    /// Nobody does.
    Disabled,
}

/// The seal as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// What it said when it was written.
    pub seal: Seal,
    /// Somebody changed it since.
    pub broken: bool,
    /// The machine is being made.
    made_now: bool,
    /// It is one machine, not an image of many.
    one: bool,
}

const PATH: &str = "/var/lib/fitout/state/ssh-seal.json";

impl Seal {
    const ALL: [Self; 3] = [Self::Undecided, Self::Enabled, Self::Disabled];

    const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Undecided => "undecided",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    fn text(self) -> String {
        format!("{{\"version\":1,\"ssh_public_access\":\"{}\"}}\n", self.word())
    }
}

fn place() -> Result<TargetPath, ProbeError> {
    path(PATH)
}

impl Sealed {
    /// The seal of a machine.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(on: &dyn Probe) -> Result<Self, ProbeError> {
        let at = place()?;
        let now = on.read(&at)?.map(|bytes| Sha256::of(&bytes));
        let written = on.written(&at)?.map(|written| written.after);
        let known = |digest: Option<Sha256>| Seal::ALL.into_iter().find(|seal| Some(Sha256::of(seal.text().as_bytes())) == digest);
        let seal = known(written).or_else(|| known(now)).unwrap_or(Seal::None);
        let broken = written.is_some() && written != now;
        Ok(Self { seal, broken, made_now: on.has(Ability::Creation), one: on.has(Ability::Instance) })
    }

    /// Whether what a manifest does not say, and its kind of machine implies, holds here: on machines that Fitout makes or made.
    pub const fn implies(self) -> bool {
        self.made_now || !matches!(self.seal, Seal::None)
    }

    /// What the seal is to say, where it says something else.
    fn wanted(self, access: Seal) -> Option<Seal> {
        let wanted = match self.seal {
            Seal::Enabled | Seal::Disabled => self.seal,
            Seal::None if !self.made_now => return None,
            Seal::None | Seal::Undecided if self.one => access,
            Seal::None | Seal::Undecided => Seal::Undecided,
        };
        (self.broken || wanted != self.seal).then_some(wanted)
    }

    /// Refuses what the seal excludes.
    ///
    /// # Errors
    /// The machine was made otherwise.
    pub fn allows(self, access: Seal) -> Result<(), ProbeError> {
        if !matches!(self.seal, Seal::Enabled | Seal::Disabled) || self.seal == access {
            return Ok(());
        }
        Err(ProbeError::new(
            format!("make SSH {}", access.word()),
            format!(
                "this machine was made with SSH {}, and SSH access can't be enabled or disabled after creation: make a new machine from this \
                 manifest, or take the change back",
                self.seal.word()
            ),
        ))
    }

    /// What brings the seal to what it is to be.
    pub fn steps(self, access: Seal) -> Result<Vec<Step>, ProbeError> {
        let Some(wanted) = self.wanted(access) else { return Ok(Vec::new()) };
        let content = Content::Inline(wanted.text().into());
        let op = Op::WriteFile { path: place()?, content, meta: Meta::root(Mode::PRIVATE), proof: None, read_by: Vec::new() };
        let (change, why) = if self.broken { (Change::Modify, "somebody broke the seal") } else { (Change::Add, "the machine is made") };
        Ok(vec![Step::new(change, op, why)])
    }

    /// That the seal was broken.
    pub fn drift(self) -> Option<String> {
        let said = || format!("{PATH} is not what was written when this machine was made: it said that SSH is {}", self.seal.word());
        self.broken.then(said)
    }
}
