//! Conveniences of the manifest, each lowered to plain resources. Pure: a recipe sees facts and answers, never a machine.
//!
//! What a recipe cannot know by itself (which versions, which files) it asks as a [`Question`]; `resolve/` answers each once and
//! remembers. To add a kind: one file with its struct and its [`Recipe`], one line in [`Want`], a snapshot.

mod application;
mod azure_image;
mod check;
mod cuda;
mod departure;
mod disk_guard;
mod environment;
mod file;
mod gone;
mod hostname;
mod jupyter;
mod kernelspec;
mod mpi;
mod nvidia;
mod owner;
mod packages;
mod power;
mod question;
mod sayings;
mod service;
mod setup_script;
mod share;
mod ssh_policy;
mod system;
mod unit;

use crate::model::{ComputeName, Facts, TargetPath, UserName};
use crate::problem::Problem;
use crate::resource::Spec;
use std::collections::BTreeMap;
use std::fmt;

pub use application::{APPLICATION, Application, slug};
pub use azure_image::AzureImage;
pub use check::{CHECK_TIMEOUT, Check, Subject};
pub use cuda::{Cuda, PARTS, Toolkit, ToolkitSource, WHOLE, table};
pub use departure::{Departure, Place};
pub use disk_guard::DiskGuard;
pub use environment::{Environment, EnvironmentOwner, Kernel, PYTHON_ENVIRONMENTS, SaidOfMachine, Source, under_other_drivers};
pub use file::{Form, ManagedFile};
pub use gone::Gone;
pub use hostname::Hostname;
pub use jupyter::{JUPYTER_ENVIRONMENT, Jupyter};
pub use mpi::{Mpi, MpiImplementation};
pub use nvidia::{ContainerToolkit, Driver as GpuDriver, DriverSource, Flavour, GpuPresence, NvidiaPackages};
pub use owner::{OwnerAccount, Sudo};
pub use packages::{Packages, Repository};
pub use power::{POWER_PARTS, PowerPolicy};
pub use question::{Answer, Answers, CondaAnswer, Question, RedistAnswer, WheelAnswer};
pub use sayings::{Made, Sayings};
pub use service::Service;
pub use setup_script::{AzurePlace, SCRIPT, SCRIPT_TIMEOUT, ScriptText, SetupScript};
pub use share::{BlobCredential, Cache, CifsCredential, Driver, Mounter, Share, ShareAccess};
pub use ssh_policy::{SshAccess, SshPolicy};
pub use system::{Locale, Sysctl, Timezone};
pub use unit::ManagedUnit;

/// What recipes may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// The target's operating system and processor.
    pub facts: &'a Facts,
    /// The machine's name, where the manifest or its datasource gives one.
    pub name: Option<&'a ComputeName>,
    /// The owner's login name, where there is one.
    pub owner: Option<&'a UserName>,
    /// The owner's home on the target; root's where there is no owner.
    pub home: &'a TargetPath,
    /// Answers to what the recipes asked.
    pub answers: &'a Answers,
    /// Settings of the kernel that the machine's own manifest made, where this is applied once beside it: they stay.
    pub settings: &'a BTreeMap<String, String>,
}

/// A part of a manifest, as it is spoken of: a section, a part of one (`gpu.cuda`), or an item of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The section, and its part.
    pub section: String,
    /// The item's name.
    pub name: Option<String>,
}

impl Item {
    /// A section, or a part of one.
    #[must_use]
    pub fn section(section: &str) -> Self {
        Self { section: section.to_owned(), name: None }
    }

    /// An item of a list.
    #[must_use]
    pub fn of(section: &str, name: impl fmt::Display) -> Self {
        Self { section: section.to_owned(), name: Some(name.to_string()) }
    }

    /// Whether what is said of this is said of what `made` names: itself, what is in it, or what was made of all items of its list.
    #[must_use]
    pub fn covers(&self, made: &Self) -> bool {
        let inside = made.section.strip_prefix(&self.section);
        match &self.name {
            None => inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            Some(_) => inside == Some("") && (made.name == self.name || made.name.is_none()),
        }
    }
}

/// A convenience that lowers to plain resources.
pub trait Recipe {
    /// Which part of a manifest this is; none where a manifest cannot speak of it.
    fn item(&self) -> Item {
        Item::default()
    }

    /// What must be found out before lowering.
    fn questions(&self, _: &Facts) -> Vec<Question> {
        Vec::new()
    }

    /// The plain resources that this asks for, in the order in which a person would make them.
    ///
    /// # Errors
    /// The machine cannot have this: every reason at once.
    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>>;
}

macro_rules! wants {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One thing that a manifest asks for, validated.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Want {
            $($(#[$doc])* $name($name),)*
        }

        impl Recipe for Want {
            fn item(&self) -> Item {
                match self { $(Self::$name(want) => want.item(),)* }
            }

            fn questions(&self, facts: &Facts) -> Vec<Question> {
                match self { $(Self::$name(want) => want.questions(facts),)* }
            }

            fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
                match self { $(Self::$name(want) => want.lower(context),)* }
            }
        }
    };
}

wants! {
    /// `name`
    Hostname,
    /// `packages.repositories`
    Repository,
    /// `packages.install`
    Packages,
    /// `type`
    AzureImage,
    /// `user`
    OwnerAccount,
    /// `user` and `users`, where somebody is to come in no longer
    Departure,
    /// `files`
    ManagedFile,
    /// `sysctl`
    Sysctl,
    /// `timezone`
    Timezone,
    /// `locale`
    Locale,
    /// `units`
    ManagedUnit,
    /// `ssh_public_access_enabled`, `ssh_settings`
    SshPolicy,
    /// `gpu.presence`
    GpuPresence,
    /// `gpu.driver`
    GpuDriver,
    /// `gpu.cuda`
    Cuda,
    /// `gpu.container_toolkit`
    ContainerToolkit,
    /// `mpi`
    Mpi,
    /// `environments`
    Environment,
    /// `jupyter`
    Jupyter,
    /// `shares`
    Share,
    /// `disk.guards`
    DiskGuard,
    /// `custom_applications`
    Application,
    /// `schedules`, `idle_time_before_shutdown_minutes`, `power`
    PowerPolicy,
    /// `state: absent` of several sections
    Gone,
    /// `setup_scripts`
    SetupScript,
    /// `checks`
    Check,
    /// `apply --install`
    Service,
}
