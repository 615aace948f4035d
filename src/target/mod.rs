//! Machines: looked at through [`Probe`], changed through [`Target`], and nothing else in Fitout touches one.
//!
//! [`Machine`] is a real one, live, an offline root or a [`Rehearsal`] of either: the same code, with other abilities and another way to run
//! programs.
//! Every kind of effect has its file: `fs` (all file I/O), `run` (the only
//! `Command::new`), `perform` (an [`Op`] to effects), `unpack`, `conda`, `python`, `script`.

mod account;
mod apt;
mod background;
mod busy;
mod cgroup;
mod changes;
mod clock;
mod conda;
mod console;
mod departure;
mod device;
mod dpkg;
mod enter;
mod extras;
mod facts;
#[doc(hidden)]
pub mod fake;
mod fs;
mod generation;
mod guard;
mod inventory;
mod kept;
mod known;
mod ledger;
mod lock;
mod locked;
pub mod look;
mod machine;
mod moved;
mod nvidia;
mod nvml;
mod orders;
mod packages;
mod perform;
mod policy;
mod promote;
mod python;
mod reboot;
mod records;
mod rehearsal;
mod run;
mod script;
mod script_log;
mod socket;
pub mod sparse;
mod sshd;
mod state;
mod stop;
mod tail;
mod torn;
mod unpack;
mod user;

use crate::model::{TargetPath, redacted};
use crate::step::{Ability, Content, Op, Output, Query, Space, Stat};
use std::borrow::Cow;
use std::sync::Arc;

pub use account::{Account, Accounts};
pub use apt::lists_are_current;
pub use changes::{Change, Node};
pub use clock::{now, since_boot};
pub use conda::not_unpacked;
pub use console::{notify, say, tell_terminals};
pub use departure::{login, processes_of};
pub use device::{Device, devices};
pub use dpkg::Packages;
pub use enter::enter_main;
pub use facts::read_facts;
pub use fs::Rooted;
pub use generation::{KEPT, clear_half_made, generations};
use guard::Floors;
pub use guard::{GUARDS, Guard};
pub use inventory::{Added, Depth, Installer, Inventory};
pub use kept::{Document, seal, unseal};
pub use ledger::{Written, parse as read_ledger};
pub use lock::{Lock, LockError};
pub use locked::{PackageFile, PackageFiles};
pub use machine::{Ground, Machine, beside_warnings};
pub use moved::{Move, Moved};
pub use nvidia::{SecureBoot, driver_libraries, driver_needs_restart, driver_that_runs, nouveau_is_loaded, secure_boot};
pub use nvml::{DriverSays, GpuDevice, LIBRARY as DRIVER_LIBRARY, ask_driver};
pub use orders::{Doubt, Writers};
pub use packages::{Patience, Way, not_found, taken_along};
pub use promote::{Stillness, promote};
pub use reboot::reboot_required;
pub use records::{Claims, OnRemoval, Record, Records};
pub use rehearsal::Rehearsal;
pub use run::{HostTool, quick_host, run_host};
pub use socket::{Caller, SOCKET, ask_at, listen_at};
pub use sshd::{
    Access, CONFIRM_WITHIN, HostKey, Included, Key, Openness, Origin, OwnersKey, Pending, SSHD_CONFIG, SSHD_POLICY, SSHD_UNSAID, SshLack,
    has_what_lacks, included, keys_in, policy_gaps, sshd_gaps,
};
pub use state::{CheckVerdict, Ending, Process, Standing, Verdict, boot, stale_path};
pub use stop::{asked_to_end, go_on, listen};
pub use unpack::{is_program_in_wheel, program_in_wheel};

/// Something about a target could not be told. Never used for "absent".
#[derive(Debug, thiserror::Error)]
#[error("cannot {act}: {cause}")]
pub struct ProbeError {
    /// What was tried: `read /etc/passwd`.
    pub act: String,
    /// Why it failed.
    pub cause: String,
    /// Whether it is of a kind that is known.
    pub trouble: Trouble,
}

/// What is the trouble, where more is known of it than what was said: what Fitout keeps on a machine, or what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is about something else.
    Else,
    /// What is kept is not what was written.
    Damaged,
    /// A newer Fitout wrote it.
    Newer,
    /// No source of packages has what is asked for.
    Unlisted,
}

impl Trouble {
    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Else => None,
            Self::Damaged => {
                Some("put it back from a backup, or have `fitout reset` forget what Fitout knows of this machine: what it made stays")
            }
            Self::Newer => Some("use the Fitout that wrote it, or a newer one"),
            Self::Unlisted => Some("`apt-get update` there fetches apt's lists; `apt-cache policy NAME` shows what they offer"),
        }
    }
}

impl ProbeError {
    /// Trying `act` failed with `cause`.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they are caught, in `map_err`")]
    pub fn new(act: impl Into<String>, cause: impl ToString) -> Self {
        Self { act: told(act), cause: told(cause.to_string()), trouble: Trouble::Else }
    }

    /// The same, of a kind that is known.
    #[must_use]
    pub fn of(mut self, trouble: Trouble) -> Self {
        self.trouble = trouble;
        self
    }
}

/// What an error says: a program's last words and an address may hold a secret.
fn told(text: impl Into<String>) -> String {
    let text = text.into();
    match redacted(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => redacted,
    }
}

/// An error with what caused it, each said once.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

/// A step could not be performed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act}: {cause}")]
pub struct OpError {
    /// What was tried.
    pub act: String,
    /// Why it failed.
    pub cause: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl OpError {
    /// Trying `act` failed with `cause`.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they are caught, in `map_err`")]
    pub fn new(act: impl Into<String>, cause: impl ToString) -> Self {
        Self { act: told(act), cause: told(cause.to_string()), hint: None }
    }

    /// With advice, before any that it has.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.hint = Some(self.hint.map_or_else(|| hint.clone(), |more| format!("{hint}; {more}")));
        self
    }
}

impl From<ProbeError> for OpError {
    fn from(error: ProbeError) -> Self {
        Self { act: error.act, cause: error.cause, hint: error.trouble.hint().map(str::to_owned) }
    }
}

/// A machine that may be looked at. Planning holds only this, so planning cannot change a machine.
pub trait Probe: Send + Sync {
    /// Content of a file, links followed within the target; `None` if absent.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    fn read(&self, path: &TargetPath) -> Result<Option<Vec<u8>>, ProbeError>;

    /// What is at a path, a final link not followed; `None` if nothing is.
    ///
    /// # Errors
    /// Something is there and cannot be looked at.
    fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, ProbeError>;

    /// What is at each of some names in a directory, as [`Self::stat`] says of one: many are asked about in one go.
    ///
    /// # Errors
    /// As there.
    fn stats(&self, folder: &TargetPath, names: &[&str]) -> Result<Vec<Option<Stat>>, ProbeError> {
        let path = |name: &str| folder.join(name).map_err(|e| ProbeError::new(format!("look into {folder}"), e));
        names.iter().map(|name| self.stat(&path(name)?)).collect()
    }

    /// Names in a directory, sorted; `None` if it is absent.
    ///
    /// # Errors
    /// The directory exists and cannot be read.
    fn list(&self, path: &TargetPath) -> Result<Option<Vec<String>>, ProbeError>;

    /// Whether a file holds this content, without loading either; the only question that may be asked of a secret.
    ///
    /// # Errors
    /// The file or the secret cannot be read.
    fn holds(&self, path: &TargetPath, content: &Content) -> Result<bool, ProbeError>;

    /// Room on the file system that holds a path (or its nearest existing parent).
    ///
    /// # Errors
    /// The file system does not answer.
    fn space(&self, path: &TargetPath) -> Result<Space, ProbeError>;

    /// Asks one of the closed list of questions that execute something, in a read-only view.
    ///
    /// # Errors
    /// The program could not be run; a program that ran and failed is an [`Output`].
    fn query(&self, query: &Query) -> Result<Output, ProbeError>;

    /// What Fitout last wrote at a path, by its ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    fn written(&self, path: &TargetPath) -> Result<Option<Written>, ProbeError>;

    /// Users and groups, as passwd and group have them now.
    ///
    /// # Errors
    /// They exist and cannot be read.
    fn accounts(&self) -> Result<Arc<Accounts>, ProbeError>;

    /// Packages, as dpkg's database has them now.
    ///
    /// # Errors
    /// It exists and cannot be read.
    fn packages(&self) -> Result<Arc<Packages>, ProbeError>;

    /// Whether the target can do this.
    fn has(&self, ability: Ability) -> bool;
}

/// Where a long step reports to.
pub trait Progress: Sync {
    /// A line that a program printed, made harmless for terminals.
    fn line(&self, text: &str);
    /// What is worth knowing when all is done, too.
    fn note(&self, text: &str) {
        self.line(text);
    }
    /// `done` of `total` (bytes, packages) of the step in hand.
    fn advance(&self, done: u64, total: u64);
    /// Why the step must end before its end, if it must.
    fn must_end(&self) -> Option<String> {
        None
    }
}

/// Reports to nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn line(&self, _: &str) {}
    fn advance(&self, _: u64, _: u64) {}
}

/// A machine that may be changed.
pub trait Target: Probe {
    /// Performs one change: whole, or not at all where the effect allows it.
    ///
    /// # Errors
    /// The change was not made; what was tried, why it failed, and what to do.
    fn perform(&self, op: &Op, progress: &dyn Progress) -> Result<(), OpError>;

    /// Writes one of Fitout's own files (state, journal): whole or not at all, 0600 in directories of 0700.
    ///
    /// # Errors
    /// The file was not written.
    fn keep(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError>;

    /// Writes one of Fitout's own files that anyone may read (the status page): whole or not at all, 0644 in a directory of 0755.
    ///
    /// # Errors
    /// The file was not written.
    fn publish(&self, path: &TargetPath, bytes: &[u8]) -> Result<(), OpError>;

    /// Adds to one of Fitout's own files, and sees it onto the disk.
    ///
    /// # Errors
    /// It may not be there.
    fn note(&self, path: &TargetPath, line: &str) -> Result<(), OpError>;

    /// Removes one of Fitout's own files or folders; absence is fine.
    ///
    /// # Errors
    /// It is still there.
    fn discard(&self, path: &TargetPath) -> Result<(), OpError>;
}
