//! Plain kinds: each observes a machine through [`Probe`] and diffs what it sees against what it wants, as [`Step`]s.
//!
//! `observe` reads; `diff` is pure: no steps means converged. To add a kind: one file, one line in [`Spec`] (`spec.rs`), cases under
//! `tests/cases/`.

mod absent;
mod alternative;
mod apt;
mod archive;
mod check;
mod containers;
mod debconf;
mod departed;
mod directory;
mod environment;
mod file;
mod gpu;
mod guard;
mod hold;
mod hostname;
mod libraries;
mod locale;
mod modules;
mod no_environment;
mod no_unit;
mod occupied;
mod ownership;
mod released;
mod script;
mod spec;
mod ssh_seal;
mod sshd_policy;
mod symlink;
mod uninstalled;
mod unit;
mod user;
mod written;

use crate::model::{Meta, Mode, Owner, ResourceId, TargetPath, UserName, counted};
use crate::step::{Blob, Change, FileKind, Op, Stat, Step};
use crate::target::{Claims, Probe, ProbeError};
use occupied::Occupant;
use serde::Serialize;
use spec::look;
use std::fmt::Debug;

pub use crate::target::{GUARDS, Guard};
pub use absent::Absent;
pub use alternative::Alternative;
pub use apt::Apt;
pub use archive::Archive;
pub use check::Check;
pub use containers::Containers;
pub use debconf::{Debconf, Reply};
pub use departed::{Departed, End};
pub use directory::Directory;
pub use environment::{CondaEnvironment, PythonEnvironment, added, generation_link, generation_of};
pub use file::{File, Policy};
pub use gpu::GpuPresent;
pub use hold::Hold;
pub use hostname::HostName;
pub use libraries::Libraries;
pub use locale::{Locale, named_locale};
pub use modules::KernelModules;
pub use no_environment::NoEnvironment;
pub use no_unit::NoUnit;
pub use occupied::OF_A_PATH;
pub use ownership::{OnDrift, Ownership};
pub use released::Released;
pub use script::Script;
pub use spec::{KINDS, Look, Spec};
pub use ssh_seal::Seal;
pub use sshd_policy::{Foreign, Said, SshdPolicy};
pub use symlink::Symlink;
pub use uninstalled::Uninstalled;
pub use unit::{ENABLED, MASKED, OFF, SYSTEM, Switch, Unit, holds_switches, says_when_it_starts, unit_starts};
pub use user::User;
pub use written::{Reach, Written};

/// First line of every file that Fitout writes by itself.
pub const HEADER: &str = "Written by Fitout from its manifest; see `fitout explain`.";

/// A desired thing of one kind.
pub trait Resource: Send + Sync {
    /// What was seen of it. Never holds a secret.
    type State: Debug + Serialize;

    /// Its name.
    fn id(&self) -> ResourceId;

    /// What must be there first: if that fails or is deferred, so is this.
    fn requires(&self) -> Vec<ResourceId> {
        Vec::new()
    }

    /// The path that this makes, if it makes one.
    fn path(&self) -> Option<&TargetPath> {
        None
    }

    /// Other paths that its steps write or take away: nobody else can ask for them.
    fn writes(&self) -> Vec<Written> {
        Vec::new()
    }

    /// What must be downloaded for this.
    fn blobs(&self) -> Vec<&Blob> {
        Vec::new()
    }

    /// The user whose files this makes, if not root's.
    fn owner(&self) -> Option<&Owner> {
        None
    }

    /// Looks.
    ///
    /// # Errors
    /// The machine could not be looked at.
    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError>;

    /// What is to be done; nothing where it is as it should be.
    fn diff(&self, now: &Self::State) -> Vec<Step>;

    /// The things that it asks for, as they are remembered: what a person changes of these, once they were so, is theirs.
    fn claims(&self) -> Claims {
        Claims::new()
    }

    /// Its past, and what is done about people's changes. `None` for kinds that are always brought back.
    fn ownership(&self) -> Option<&Ownership> {
        None
    }

    /// What only a close look shows, which reads all that was made: for `verify`.
    ///
    /// # Errors
    /// The machine could not be looked at.
    fn examine(&self, _: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        Ok(Vec::new())
    }

    /// What is worth knowing of it although it is as it should be.
    fn notes(&self, _: &Self::State) -> Vec<String> {
        Vec::new()
    }

    /// Things that people changed and that are left as they are, for `verify` and `status`.
    fn drift(&self, _: &Self::State) -> Vec<String> {
        Vec::new()
    }
}

/// What differs between mode and owner of a path and what they should be; `None` where nothing does.
fn meta_gap(stat: &Stat, meta: &Meta, owner_ids: Option<(u32, u32)>) -> Option<String> {
    let ids = match meta.owner {
        Owner::Root => Some((0, 0)),
        Owner::User(_) => owner_ids,
    };
    if !stat.has_mode(meta.mode) {
        return Some(format!("mode is {:04o}", stat.mode & 0o7777));
    }
    match ids {
        Some((uid, gid)) if (stat.uid, stat.gid) == (uid, gid) => None,
        Some(_) => Some(format!("owner is {}:{}", stat.uid, stat.gid)),
        None => Some(format!("owner {} does not exist yet", meta.owner)),
    }
}

/// The name of the claim on mode and owner.
const META: &str = "meta";

/// The name of the claim that a thing is there at all.
pub const PRESENT: &str = "present";

/// What mode and owner of a path ask for.
fn meta_claims(meta: &Meta) -> Claims {
    Claims::from_iter([(PRESENT.to_owned(), "yes".to_owned()), (META.to_owned(), format!("{} {}", meta.mode, meta.owner))])
}

/// What brings mode and owner of a path to what they should be.
fn meta_step(path: &TargetPath, stat: &Stat, meta: &Meta, owner_ids: Option<(u32, u32)>) -> Option<Step> {
    let why = meta_gap(stat, meta, owner_ids)?;
    let drift = format!("{path} was changed by hand: {why}, and stays so");
    Some(Step::new(Change::Modify, Op::SetMeta { path: path.clone(), meta: meta.clone() }, why).claim(META, drift))
}

/// Number of a user and its primary group in the target, `None` while there is no such user.
fn owner_ids(on: &dyn Probe, owner: &Owner) -> Result<Option<(u32, u32)>, ProbeError> {
    match owner {
        Owner::Root => Ok(Some((0, 0))),
        Owner::User(name) => Ok(on.accounts()?.user(name.as_str()).map(|account| (account.uid, account.gid))),
    }
}

/// Mode and owner of a path as a manifest would say them, where it could.
fn meta_of(on: &dyn Probe, stat: &Stat) -> Result<Option<Meta>, ProbeError> {
    let Ok(mode) = Mode::new(stat.mode & 0o7777) else { return Ok(None) };
    if (stat.uid, stat.gid) == (0, 0) {
        return Ok(Some(Meta::root(mode)));
    }
    let accounts = on.accounts()?;
    let owner = accounts.users().iter().find(|account| (account.uid, account.gid) == (stat.uid, stat.gid));
    let name = owner.and_then(|account| UserName::parse(&account.name).ok());
    Ok(name.map(|name| Meta { mode, owner: Owner::User(name) }))
}

/// Something is where a path is wanted, and it is somebody's: said by the plan already, for apply would refuse.
fn in_the_way(path: &TargetPath, what: &str) -> ProbeError {
    ProbeError::new(format!("make {path}"), format!("{what} is there; move it away, or name another path"))
}

/// So many files or packages are named.
const NAMED: usize = 3;

/// A count, and the first of those that were counted.
fn named(count: &str, names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{count} ({}{more})", names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// What is said of files that are not as they were made.
fn changed(damaged: &[String]) -> String {
    let was = if damaged.len() == 1 { "was" } else { "were" };
    named(&format!("{} {was} changed or removed by hand", counted(damaged.len(), "file")), damaged)
}

/// What a file kind is called.
const fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Other => "a device, socket or pipe",
    }
}
