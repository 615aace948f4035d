//! The manifest as people write it, version 1: plain serde types whose comments are the schema's descriptions and what
//! `fitout explain` prints.
//!
//! A field is `Option` where absence means something (mostly: unmanaged). A value is [`At`] where validation may have to point at
//! it. What the format has and this version does not handle stands in `later`, not here. The first sentence of a comment is its
//! summary; name units and defaults.

mod access;
mod azure;
mod gpu;
mod ownership;
mod power;
mod software;
mod state;
mod storage;
mod words;

pub use access::{Foreign, FormerUser, FormerUserState, Mirrors, Network, RunAs, Script, SetupScripts, SshSettings, User, UserState};
pub use azure::{
    CustomApplication, Identity, IdentityKind, NetworkSettings, PowerSchedule, Recurrence, SCALAR, Schedules, Switch, Trigger, TriggerKind,
};
pub use gpu::{CudaComponent, CudaSource, DriverSource, Flavour, Gpu, Library, Mpi, MpiImplementation, Presence};
pub use ownership::{OnDrift, OnRemoval};
pub use power::Power;
pub use software::{
    Check, Conda, DebconfType, Environment, EnvironmentExtras, EnvironmentOwner, FileEntry, FileState, From, Jupyter, Packages, Repository,
    Requirements, Unit,
};
pub use state::State;
pub use storage::{Access, Credential, Disk, Guard, Share, ShareDriver, Size};
pub use words::{Console, CudaVersion, ImageName, KernelName, PackageRequest, Requirement, SourcePath, VirtualVersion};

use super::at::At;
use crate::model::{ComputeName, Span};
use crate::schedule::ZoneName;
use azure::{AutologgerSettings, OnBehalfOf, SharingPolicy, Verbatim};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use words::{ArmId, Label, VmSize};
use words::{LocaleName, PathPattern, SysctlKey};

/// A machine-learning workstation, described. What is not mentioned is not managed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only recorded are checked by being read")]
pub struct Manifest {
    /// Version of this format. Azure ML's files have none and are read as 1.
    #[schemars(extend("const" = 1))]
    pub schema: Option<At<u32>>,
    /// The machine's name, which becomes its host name. 3 to 24 letters, digits and `-`, a letter first, a letter after the last `-`.
    pub name: Option<At<ComputeName>>,
    /// What kind of machine this is, which decides what absent fields mean.
    #[serde(rename = "type")]
    pub kind: Option<MachineType>,
    /// What this machine is, for people.
    pub description: Option<String>,
    /// Whether the owner may come in by SSH, by key only. Absent, SSH is left as it is on a workstation, and closed on a
    /// computeinstance.
    pub ssh_public_access_enabled: Option<At<bool>>,
    /// Azure ML's place for the owner's public key.
    pub ssh_settings: Option<SshSettings>,
    /// Scripts of the owner, run as root: one at creation, one at each start.
    pub setup_scripts: Option<SetupScripts>,
    /// The one person whose machine this is. Absent: nobody's account is touched on a workstation; `azureuser` with sudo on a
    /// computeinstance.
    pub user: Option<At<User>>,
    /// People who were on the machine and are to come in no longer.
    #[serde(default)]
    pub users: Vec<At<FormerUser>>,
    /// How the machine reaches package indexes.
    pub network: Option<Network>,
    /// Packages of the distribution, and where they come from.
    pub packages: Option<Packages>,
    /// Single files with given content.
    #[serde(default)]
    pub files: Vec<At<FileEntry>>,
    /// Settings of the kernel, by sysctl's names.
    #[serde(default)]
    pub sysctl: BTreeMap<SysctlKey, Verbatim>,
    /// The language of logins, such as `en_US.UTF-8`: generated, and `LANG` in /etc/default/locale.
    pub locale: Option<LocaleName>,
    /// The machine's time zone, such as `Europe/Amsterdam`.
    pub timezone: Option<ZoneName>,
    /// Units of systemd, enabled and active or not.
    #[serde(default)]
    pub units: Vec<At<Unit>>,
    /// NVIDIA's software.
    pub gpu: Option<Gpu>,
    /// The library of message passing, for training on several processes.
    pub mpi: Option<Mpi>,
    /// Where conda environments live, and where their packages come from.
    pub conda: Option<Conda>,
    /// Conda and Python environments, each with its Jupyter kernel.
    #[serde(default)]
    pub environments: Vec<At<Environment>>,
    /// JupyterLab as a service of the owner, on loopback.
    pub jupyter: Option<At<Jupyter>>,
    /// Shares of storage accounts.
    #[serde(default)]
    pub shares: Vec<At<Share>>,
    /// Room that must stay free.
    pub disk: Option<Disk>,
    /// Paths that are never touched, such as `/opt/vendor/**`: what else asks for one of them is a problem.
    #[serde(default)]
    pub unmanaged: Vec<At<PathPattern>>,
    /// What is done about what people changed on the machine, where nothing else is said. Absent: it is reported.
    pub on_drift: Option<OnDrift>,
    /// What becomes of things whose lines leave the manifest. Absent: they stay.
    pub on_removal: Option<OnRemoval>,
    /// What must be true in the end, proved by running it.
    #[serde(default)]
    pub checks: Vec<At<Check>>,
    /// The size of the virtual machine, such as `Standard_DS3_v2`.
    pub size: Option<VmSize>,
    /// Azure's region.
    pub location: Option<Label>,
    /// Words for reports and bills.
    pub tags: Option<BTreeMap<String, Verbatim>>,
    /// The machine's id in Azure.
    pub resource_id: Option<ArmId>,
    /// The person for whom somebody else makes the machine.
    pub create_on_behalf_of: Option<At<OnBehalfOf>>,
    /// Where the machine is in Azure's networks.
    pub network_settings: Option<At<NetworkSettings>>,
    /// Whether the machine has a public address.
    pub enable_node_public_ip: Option<bool>,
    /// Who the machine is to Azure.
    pub identity: Option<At<Identity>>,
    /// When the machine starts and stops.
    pub schedules: Option<At<Schedules>>,
    /// Minutes without use after which the machine stops: from 15 to 4320 (3 days).
    #[schemars(range(min = 15, max = 4320))]
    pub idle_time_before_shutdown_minutes: Option<At<u32>>,
    /// The same as a length of time, such as `PT30M`. Azure's older way to say it.
    pub idle_time_before_shutdown: Option<At<Span>>,
    /// How the machine stops itself, by its schedules or for want of use.
    pub power: Option<Power>,
    /// Containers that run beside Jupyter, such as `RStudio`.
    #[serde(default)]
    pub custom_applications: Vec<At<CustomApplication>>,
    /// Who may use custom applications.
    pub application_sharing_policy: Option<SharingPolicy>,
    /// Whether the owner may do everything with sudo; Azure's way to say `user.sudo`.
    pub enable_root_access: Option<At<bool>>,
    /// Whether people sign in once for all of a workspace.
    pub enable_sso: Option<bool>,
    /// Whether Azure installs updates of the operating system.
    pub enable_os_patching: Option<bool>,
    /// Whether a stopped machine gives back its share of the quota.
    pub release_quota_on_stop: Option<bool>,
    /// Whether only Microsoft Entra may let people in.
    pub disable_local_auth: Option<bool>,
    /// What is logged of training without being asked for.
    pub autologger_settings: Option<AutologgerSettings>,
}

/// What kind of machine this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MachineType {
    /// A machine of one's own: what is absent is not managed.
    Workstation,
    /// Azure ML's compute instance: owner `azureuser` with sudo, SSH closed unless enabled, 5 GB kept free on `/` and 1 GB on `/mnt`.
    #[serde(rename = "computeinstance")]
    ComputeInstance,
}
