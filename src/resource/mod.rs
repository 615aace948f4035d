//! Plain kinds: each observes a machine through [`Probe`] and diffs what it sees against what it wants, as [`Step`]s.
//!
//! `observe` reads; `diff` is pure: no steps means converged. To add a kind: one file, one line in [`Spec`], cases under
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
mod ssh_seal;
mod sshd_policy;
mod symlink;
mod uninstalled;
mod unit;
mod user;

use crate::model::{Meta, Owner, ResourceId, TargetPath};
use crate::step::{Blob, Change, FileKind, Lane, Op, Stat, Step};
use crate::target::{Claims, Probe, ProbeError};
use occupied::Occupant;
use ownership::Judged;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

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
pub use guard::{GUARDS, Guard};
pub use hold::Hold;
pub use hostname::HostName;
pub use libraries::Libraries;
pub use locale::Locale;
pub use modules::KernelModules;
pub use no_environment::NoEnvironment;
pub use no_unit::NoUnit;
pub use occupied::{MAKES_ROOM, OF_A_PATH};
pub use ownership::{OnDrift, Ownership};
pub use released::Released;
pub use script::Script;
pub use ssh_seal::Seal;
pub use sshd_policy::{Foreign, Said, SshdPolicy};
pub use symlink::Symlink;
pub use uninstalled::Uninstalled;
pub use unit::{ENABLED, MASKED, OFF, Switch, Unit, unit_starts};
pub use user::User;

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

    /// Things that people changed and that are left as they are, for `verify` and `status`.
    fn drift(&self, _: &Self::State) -> Vec<String> {
        Vec::new()
    }
}

/// What the names of resources begin with, of those that a manifest can speak of.
pub const KINDS: [&str; 23] = [
    "absent",
    "alternative",
    "apt",
    "archive",
    "check",
    "conda",
    "containers",
    "directory",
    "file",
    "gpu",
    "guard",
    "hold",
    "hostname",
    "libraries",
    "locale",
    "modules",
    "python",
    "script",
    "sshd-policy",
    "symlink",
    "uninstalled",
    "unit",
    "user",
];

/// What one look at a resource gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// What is to be done.
    pub steps: Vec<Step>,
    /// What people changed and is left alone.
    pub drift: Vec<String>,
}

macro_rules! specs {
    ($($(#[$doc:meta])* $name:ident $stage:literal from $from:literal $lane:ident),* $(,)?) => {
        /// A resource of any plain kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Spec {
            $($(#[$doc])* $name($name),)*
        }

        impl Spec {
            /// Its name.
            #[must_use]
            pub fn id(&self) -> ResourceId {
                match self { $(Self::$name(spec) => spec.id(),)* }
            }

            /// What it says must be there first.
            #[must_use]
            pub fn requires(&self) -> Vec<ResourceId> {
                match self { $(Self::$name(spec) => spec.requires(),)* }
            }

            /// Where a person would do this among all the work, where nothing requires another order: smaller is earlier.
            #[must_use]
            pub const fn stage(&self) -> u8 {
                match self { $(Self::$name(_) => $stage,)* }
            }

            /// The first stage that this need not wait for: nothing of it, or of a later one, has a say in how this turns out.
            #[must_use]
            pub const fn from(&self) -> u8 {
                match self { $(Self::$name(_) => $from,)* }
            }

            /// What it works on, so that what may go on side by side does.
            #[must_use]
            pub const fn lane(&self) -> Lane {
                match self { $(Self::$name(_) => Lane::$lane,)* }
            }

            /// The things that it asks for.
            #[must_use]
            pub fn claims(&self) -> Claims {
                match self { $(Self::$name(spec) => spec.claims(),)* }
            }

            /// The path that this makes, if it makes one.
            #[must_use]
            pub fn path(&self) -> Option<&TargetPath> {
                match self { $(Self::$name(spec) => spec.path(),)* }
            }

            /// What must be downloaded for this.
            #[must_use]
            pub fn blobs(&self) -> Vec<&Blob> {
                match self { $(Self::$name(spec) => spec.blobs(),)* }
            }

            /// The user whose files this makes, if not root's.
            #[must_use]
            pub fn owner(&self) -> Option<&Owner> {
                match self { $(Self::$name(spec) => spec.owner(),)* }
            }

            /// Its past, where people's changes to it may be theirs.
            #[must_use]
            pub fn ownership(&self) -> Option<&Ownership> {
                match self { $(Self::$name(spec) => spec.ownership(),)* }
            }

            /// Looks closely, and says what is not as it was made.
            ///
            /// # Errors
            /// The machine could not be looked at.
            pub fn examine(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
                match self { $(Self::$name(spec) => Resource::examine(spec, on),)* }
            }

            /// Looks, and says what is to be done.
            ///
            /// # Errors
            /// The machine could not be looked at.
            pub fn look(&self, on: &dyn Probe) -> Result<Look, ProbeError> {
                match self { $(Self::$name(spec) => look(spec, on),)* }
            }
        }
    };
}

// A kind, its stage, the first stage that it need not wait for (an environment of the machine's own Python waits for packages), its lane.
specs! {
    /// Host name.
    HostName 0 from 0 Files,
    /// Room that must stay free.
    Guard 0 from 0 Files,
    /// Answers to what packages ask while they are installed.
    Debconf 1 from 1 Packages,
    /// Packages of the distribution.
    Apt 1 from 1 Packages,
    /// Packages that are not to be.
    Uninstalled 1 from 1 Packages,
    /// Packages that no upgrade changes.
    Hold 1 from 1 Packages,
    /// Modules of a driver, for the target's kernel.
    KernelModules 1 from 1 Packages,
    /// Which of several a name means.
    Alternative 1 from 1 Packages,
    /// A GPU that must be there.
    GpuPresent 0 from 0 Files,
    /// An account.
    User 2 from 2 Users,
    /// Somebody who is to come in no longer.
    Departed 2 from 2 Users,
    /// The system's locale.
    Locale 3 from 3 Files,
    /// A directory.
    Directory 3 from 3 Files,
    /// A file.
    File 3 from 3 Files,
    /// A file that should not be.
    Absent 3 from 3 Files,
    /// A symbolic link.
    Symlink 3 from 3 Files,
    /// A tree of downloaded archives.
    Archive 4 from 0 Own,
    /// Libraries that the dynamic linker finds.
    Libraries 5 from 5 Own,
    /// A Python environment.
    PythonEnvironment 5 from 2 Own,
    /// A conda environment.
    CondaEnvironment 5 from 0 Own,
    /// An environment that is not to be.
    NoEnvironment 5 from 5 Own,
    /// The effective policy of sshd.
    SshdPolicy 6 from 6 Units,
    /// NVIDIA's part in container engines.
    Containers 6 from 6 Units,
    /// A systemd unit.
    Unit 7 from 7 Units,
    /// A systemd unit that is not to be.
    NoUnit 7 from 7 Units,
    /// What the manifest names no longer.
    Released 7 from 7 Machine,
    /// An owner's script.
    Script 8 from 8 Machine,
    /// A check.
    Check 9 from 9 Checks,
}

fn look<R: Resource>(resource: &R, on: &dyn Probe) -> Result<Look, ProbeError> {
    let state = resource.observe(on)?;
    tracing::trace!(id = %resource.id(), ?state, "observed");
    let steps = resource.diff(&state);
    let judged = match resource.ownership() {
        Some(ownership) if !steps.is_empty() => ownership.judge(&resource.claims(), steps)?,
        _ => Judged { steps, drift: Vec::new() },
    };
    Ok(Look { steps: judged.steps, drift: resource.drift(&state).into_iter().chain(judged.drift).collect() })
}

impl Spec {
    /// What two requests of one name come to: one of them where they are alike, what both ask of a unit, or nothing.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Unit(mine), Self::Unit(theirs)) => mine.join(theirs).map(Self::Unit),
            _ => (self == other).then(|| self.clone()),
        }
    }

    /// Tells it of its past, and of what is done about people's changes.
    pub fn own(&mut self, ownership: &dyn Fn(&ResourceId) -> Ownership) {
        match self {
            Self::PythonEnvironment(environment) => environment.ownership = ownership(&Resource::id(environment)),
            Self::CondaEnvironment(environment) => environment.ownership = ownership(&Resource::id(environment)),
            Self::Absent(absent) => absent.ownership = ownership(&Resource::id(absent)),
            Self::Uninstalled(packages) => packages.ownership = ownership(&Resource::id(packages)),
            Self::Apt(apt) => apt.ownership = ownership(&Resource::id(apt)),
            Self::Locale(locale) => locale.ownership = ownership(&Resource::id(locale)),
            Self::Hold(hold) => hold.ownership = hold.ownership.is_some().then(|| ownership(&Resource::id(hold))),
            Self::User(user) => user.ownership = ownership(&Resource::id(user)),
            Self::Directory(directory) => directory.ownership = ownership(&Resource::id(directory)),
            Self::File(file) => file.ownership = ownership(&file.id()),
            Self::Symlink(link) => link.ownership = ownership(&Resource::id(link)),
            Self::Unit(unit) => {
                unit.ownership = ownership(&Resource::id(unit));
                unit.reads.iter_mut().for_each(|file| file.ownership = ownership(&file.id()));
            }
            Self::Libraries(libraries) => {
                libraries.link.iter_mut().for_each(|link| link.ownership = ownership(&Resource::id(&*link)));
                libraries.files.iter_mut().for_each(|file| file.ownership = ownership(&file.id()));
            }
            Self::HostName(_)
            | Self::KernelModules(_)
            | Self::Alternative(_)
            | Self::GpuPresent(_)
            | Self::Containers(_)
            | Self::Guard(_)
            | Self::NoUnit(_)
            | Self::NoEnvironment(_)
            | Self::Departed(_)
            | Self::Debconf(_)
            | Self::Archive(_)
            | Self::SshdPolicy(_)
            | Self::Released(_)
            | Self::Script(_)
            | Self::Check(_) => {}
        }
    }

    /// Whether this takes away what is at a path.
    #[must_use]
    pub fn removes(&self, path: &TargetPath) -> bool {
        let absent = matches!(self, Self::Absent(absent) if path.is_within(&absent.path));
        let unit = matches!(self, Self::NoUnit(unit) if unit.removes(path));
        absent || unit || matches!(self, Self::Departed(person) if person.removes(path))
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

/// The name of the claim that a thing is there at all.
pub const PRESENT: &str = "present";

/// What mode and owner of a path ask for.
fn meta_claims(meta: &Meta) -> Claims {
    Claims::from([(PRESENT.to_owned(), "yes".to_owned()), ("meta".to_owned(), format!("{} {}", meta.mode, meta.owner))])
}

/// What brings mode and owner of a path to what they should be.
fn meta_step(path: &TargetPath, stat: &Stat, meta: &Meta, owner_ids: Option<(u32, u32)>) -> Option<Step> {
    let why = meta_gap(stat, meta, owner_ids)?;
    let drift = format!("{path} was changed by hand: {why}, and stays so");
    Some(Step::new(Change::Modify, Op::SetMeta { path: path.clone(), meta: meta.clone() }, why).claim("meta", drift))
}

/// Number of a user and its primary group in the target, `None` while there is no such user.
fn owner_ids(on: &dyn Probe, owner: &Owner) -> Result<Option<(u32, u32)>, ProbeError> {
    match owner {
        Owner::Root => Ok(Some((0, 0))),
        Owner::User(name) => Ok(on.accounts()?.user(name.as_str()).map(|account| (account.uid, account.gid))),
    }
}

/// Something is where a path is wanted, and it is somebody's: said by the plan already, for apply would refuse.
fn in_the_way(path: &TargetPath, what: &str) -> ProbeError {
    ProbeError::new(format!("make {path}"), format!("{what} is there; move it away, or name another path"))
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
