//! A resource of any plain kind: the list of all kinds, with their place among the work.

use super::departed::KEYS;
use super::ownership::Judged;
use super::{
    Absent, Alternative, Apt, Archive, Check, CondaEnvironment, Containers, Debconf, Departed, Directory, File, GpuPresent, Guard, Hold,
    HostName, KernelModules, Libraries, Locale, NoEnvironment, NoUnit, Ownership, PythonEnvironment, Released, Resource, Script,
    SshdPolicy, Symlink, Uninstalled, Unit, User, Written,
};
use crate::model::{Owner, ResourceId, TargetPath};
use crate::step::{Blob, Lane, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::{Deserialize, Serialize};

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
    /// What is worth knowing, and as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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

            /// Other paths that its steps write or take away.
            #[must_use]
            pub fn writes(&self) -> Vec<Written> {
                match self { $(Self::$name(spec) => spec.writes(),)* }
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

/// Looks at one resource of a kind, and judges what people changed.
pub fn look<R: Resource>(resource: &R, on: &dyn Probe) -> Result<Look, ProbeError> {
    let state = resource.observe(on)?;
    tracing::trace!(id = %resource.id(), ?state, "observed");
    let steps = resource.diff(&state);
    let judged = match resource.ownership() {
        Some(ownership) if !steps.is_empty() => ownership.judge(&resource.claims(), steps)?,
        _ => Judged { steps, drift: Vec::new() },
    };
    let drift = resource.drift(&state).into_iter().chain(judged.drift).collect();
    Ok(Look { steps: judged.steps, drift, notes: resource.notes(&state) })
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
            Self::Archive(archive) => archive.on_drift = ownership(&archive.id()).on_drift,
            Self::Libraries(libraries) => {
                libraries.trees.iter_mut().for_each(|tree| tree.on_drift = ownership(&tree.id()).on_drift);
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
            | Self::SshdPolicy(_)
            | Self::Released(_)
            | Self::Script(_)
            | Self::Check(_) => {}
        }
    }

    /// The path that this makes, or takes away: what lies below it waits for that.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        let released = if let Self::Released(released) = self { released.clears() } else { None };
        released.or_else(|| self.path().map(TargetPath::as_str))
    }

    /// Whether that path lies below another.
    #[must_use]
    pub fn lies_below(&self, folder: &str) -> bool {
        self.place().and_then(|path| path.strip_prefix(folder)).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether programs, files or accounts of packages may have a say in whether this can be brought about.
    #[must_use]
    pub fn leans_on_packages(&self) -> bool {
        match self {
            Self::File(file) => file.proof.is_some() || file.meta.owner != Owner::Root,
            Self::Directory(directory) => directory.meta.owner != Owner::Root,
            Self::Hold(_)
            | Self::KernelModules(_)
            | Self::Alternative(_)
            | Self::User(_)
            | Self::Locale(_)
            | Self::PythonEnvironment(_)
            | Self::Containers(_)
            | Self::Unit(_)
            | Self::Script(_)
            | Self::Check(_) => true,
            // It says itself what it lacks.
            Self::SshdPolicy(_)
            | Self::HostName(_)
            | Self::Guard(_)
            | Self::Debconf(_)
            | Self::Apt(_)
            | Self::Uninstalled(_)
            | Self::GpuPresent(_)
            | Self::Departed(_)
            | Self::Absent(_)
            | Self::Symlink(_)
            | Self::Archive(_)
            | Self::Libraries(_)
            | Self::CondaEnvironment(_)
            | Self::NoEnvironment(_)
            | Self::NoUnit(_)
            | Self::Released(_) => false,
        }
    }

    /// Whether what is at a path is for this to decide on, although it does not bear its name.
    #[must_use]
    pub fn decides_on(&self, path: &TargetPath) -> bool {
        let absent = matches!(self, Self::Absent(absent) if path.is_within(&absent.path));
        // Wherever the home was.
        let keys = matches!(self, Self::Departed(_)) && path.as_str().ends_with(KEYS);
        absent || keys || self.writes().iter().any(|written| written.covers(path))
    }
}
