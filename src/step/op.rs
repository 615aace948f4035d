//! The effects themselves.

use super::{Blob, CheckRun, CondaBuild, Content, Gate, PythonBuild, ScriptRun, ScriptSource, Tool, Unpack};
use crate::model::{ByteSize, Meta, TargetPath, UnitName, UserName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Proof that a written file works; asked of the real program before the old file is given up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// `sshd -t`, then `sshd -T` for this user must yield these lower-case `keyword value` pairs.
    Sshd {
        /// Whose login is asked about.
        user: UserName,
        /// What the effective policy must say.
        expect: BTreeMap<String, String>,
    },
    /// Somebody can come in by the keys, if somebody could by those before.
    Keys {
        /// Whose account they open.
        user: UserName,
    },
    /// `visudo -c` on the file.
    Sudoers,
    /// A program accepts the content before it is written.
    Accepted {
        /// Program and arguments; `%s` stands for a file that holds the content.
        argv: Vec<String>,
    },
}

/// What is to be done with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitVerb {
    /// Starts at boot.
    Enable,
    /// Does not start at boot.
    Disable,
    /// Cannot be started by anything.
    Mask,
    /// Can be started again.
    Unmask,
    /// Now.
    Start,
    /// Now.
    Stop,
    /// Now, because a file that it reads changed.
    Restart,
    /// Now, where it can, because a file that it reads changed; its work goes on.
    Reload,
}

impl UnitVerb {
    /// The word that `systemctl` takes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Mask => "mask",
            Self::Unmask => "unmask",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload-or-restart",
        }
    }
}

/// Whether anybody may come in by an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// By whatever it has.
    Open,
    /// By nothing.
    Locked,
}

/// Whether something is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Not there.
    Absent,
    /// There.
    Present,
}

/// The name in a request for a package: what stands before `=`.
#[must_use]
pub fn package_name(request: &str) -> &str {
    request.split_once('=').map_or(request, |(name, _)| name)
}

/// One change of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Op {
    /// Makes a directory, and those above it that are missing (root's, 0755).
    MakeDirectory {
        /// Where.
        path: TargetPath,
        /// Mode and owner of the last part.
        meta: Meta,
    },
    /// Writes a file: whole or not at all.
    WriteFile {
        /// Where.
        path: TargetPath,
        /// What.
        content: Content,
        /// Mode and owner.
        meta: Meta,
        /// What must hold for the new file to stay.
        proof: Option<Proof>,
        /// Units that read it: marked stale before it is written, so that a crash cannot lose their restart.
        read_by: Vec<UnitName>,
    },
    /// Sets mode and owner of what exists.
    SetMeta {
        /// Of what.
        path: TargetPath,
        /// To this.
        meta: Meta,
    },
    /// Makes a symbolic link, replacing another link at once.
    MakeSymlink {
        /// Where.
        path: TargetPath,
        /// The text of the link.
        to: String,
    },
    /// Moves what is there, of whatever kind, below [`ASIDE`](super::ASIDE).
    SetAside {
        /// Which.
        path: TargetPath,
    },
    /// Removes a file, a link, or an empty directory.
    Remove {
        /// Which.
        path: TargetPath,
        /// What must hold without it, or it comes back.
        #[serde(default)]
        proof: Option<Proof>,
    },
    /// Removes an environment that Fitout made: the link to it, and its generations.
    RemoveEnvironment {
        /// Where it is reached.
        prefix: TargetPath,
    },
    /// Installs packages in one transaction, from lists that are fetched first where they are absent or older than the sources.
    AptInstall {
        /// As apt takes them: `name` or `name=version`.
        packages: Vec<String>,
    },
    /// Removes packages, and with them what cannot be without them; configuration files stay.
    AptRemove {
        /// Their names.
        packages: Vec<String>,
    },
    /// Keeps packages as they are, whatever is upgraded.
    AptHold {
        /// Their names.
        packages: Vec<String>,
    },
    /// Lets packages be upgraded again.
    AptUnhold {
        /// Their names.
        packages: Vec<String>,
    },
    /// Gives debconf answers, before the packages whose they are ask.
    Answer {
        /// `PACKAGE QUESTION TYPE VALUE`, as debconf-set-selections(1) reads it.
        lines: Vec<String>,
    },
    /// Makes a user with a home and its skeleton, or brings an existing one to this state.
    SetUser {
        /// Login name.
        name: UserName,
        /// Login shell; `None` leaves it as it is, and gives a new user the usual one.
        shell: Option<TargetPath>,
        /// Groups beside the primary one; others that the user is in stay.
        groups: Vec<String>,
        /// Whether it exists.
        exists: Presence,
    },
    /// Lets nobody in by an account, or again.
    SetLogin {
        /// Login name.
        name: UserName,
        /// Which of the two.
        login: Login,
    },
    /// Ends all that runs as a user.
    EndSessions {
        /// Login name.
        name: UserName,
    },
    /// Takes away the keys that open an account by SSH.
    TakeKeys {
        /// The account's home.
        home: TargetPath,
    },
    /// Removes an account, and leaves its home.
    RemoveUser {
        /// Login name.
        name: UserName,
    },
    /// Acts on a unit.
    Unit {
        /// What.
        verb: UnitVerb,
        /// On which.
        unit: UnitName,
    },
    /// Generates a locale, and makes it that of logins.
    SetLocale {
        /// Such as `en_US.UTF-8`.
        name: String,
    },
    /// Sets the host name.
    SetHostname {
        /// The name.
        name: String,
    },
    /// Asks sshd for its effective policy, and fails where it is not this.
    ProveSshd {
        /// Whose login is asked about.
        user: UserName,
        /// Lower-case keyword to value.
        expect: BTreeMap<String, String>,
    },
    /// Unpacks archives into a new directory.
    Unpack(Unpack),
    /// Removes a tree that was made by unpacking.
    RemoveTree {
        /// Which.
        path: TargetPath,
    },
    /// Has the dynamic linker look for libraries anew (ldconfig).
    RefreshLibraries,
    /// Builds a Python environment and switches to it.
    BuildPython(PythonBuild),
    /// Builds a conda environment and switches to it.
    BuildConda(CondaBuild),
    /// Has a program of the target bring something up to date.
    RunTool(Tool),
    /// Runs an owner's script and records its verdict.
    RunScript(ScriptRun),
    /// Runs a check and records its verdict.
    RunCheck(CheckRun),
}

impl Op {
    /// The change in one line, for plans and progress.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::MakeDirectory { path, .. } => format!("make directory {path}"),
            Self::WriteFile { path, content: Content::Inline(text), .. } => format!("write {path} ({})", ByteSize(text.len() as u64)),
            Self::WriteFile { path, content: Content::Secret { .. }, .. } => format!("write {path} (holds a secret)"),
            Self::WriteFile { path, content: Content::Blob(_), .. } => format!("write {path}"),
            Self::SetMeta { path, meta } => format!("set {path} to {} {}", meta.mode, meta.owner),
            Self::MakeSymlink { path, to } => format!("link {path} -> {to}"),
            Self::SetAside { path } => format!("move {path} aside, below {}", super::ASIDE),
            Self::Remove { path, .. } => format!("remove {path}"),
            Self::RemoveEnvironment { prefix } => format!("remove environment {prefix}"),
            Self::AptRemove { packages } => format!("uninstall {}", packages.join(" ")),
            Self::AptInstall { packages } => format!("install {}", packages.join(" ")),
            Self::AptHold { packages } => format!("hold {}", packages.join(" ")),
            Self::AptUnhold { packages } => format!("hold no more {}", packages.join(" ")),
            Self::Answer { lines } => format!("answer {}", lines.join(", ")),
            Self::SetUser { name, exists: Presence::Absent, .. } => format!("create user {name}"),
            Self::SetUser { name, exists: Presence::Present, .. } => format!("adjust user {name}"),
            Self::SetLogin { name, login: Login::Locked } => format!("lock user {name}"),
            Self::SetLogin { name, login: Login::Open } => format!("unlock user {name}"),
            Self::EndSessions { name } => format!("end the sessions of {name}"),
            Self::TakeKeys { home } => format!("take away the keys in {home}/.ssh"),
            Self::RemoveUser { name } => format!("remove user {name}"),
            Self::Unit { verb, unit, .. } => format!("{} {unit}", verb.as_str()),
            Self::SetLocale { name } => format!("set locale {name}"),
            Self::SetHostname { name } => format!("set host name {name}"),
            Self::ProveSshd { user, .. } => format!("prove sshd's policy for {user}"),
            Self::Unpack(unpack) => format!("unpack {} archives into {}", unpack.layers.len(), unpack.into),
            Self::RemoveTree { path } => format!("remove the tree {path}"),
            Self::RefreshLibraries => "refresh the cache of shared libraries".into(),
            Self::BuildPython(build) => format!("build Python environment {}", build.site.prefix),
            Self::BuildConda(build) => format!("build conda environment {}", build.site.prefix),
            Self::RunScript(run) => {
                let aside = if run.gate == Gate::Background { " in the background" } else { "" };
                format!("run {} script{aside} (at most {})", run.name, run.timeout)
            }
            Self::RunTool(tool) => tool.summary(),
            Self::RunCheck(run) => format!("check {}: {}", run.name, run.cmd.first_line()),
        }
    }

    /// Where what it makes takes room; the root for what may write anywhere.
    #[must_use]
    pub fn place(&self) -> TargetPath {
        match self {
            Self::MakeDirectory { path, .. }
            | Self::WriteFile { path, .. }
            | Self::SetMeta { path, .. }
            | Self::MakeSymlink { path, .. }
            | Self::SetAside { path }
            | Self::RemoveTree { path }
            | Self::Remove { path, .. }
            | Self::RemoveEnvironment { prefix: path } => path.clone(),
            Self::Unpack(unpack) => unpack.into.clone(),
            Self::BuildPython(build) => build.site.generation.clone(),
            Self::BuildConda(build) => build.site.generation.clone(),
            Self::TakeKeys { home } => home.clone(),
            Self::AptInstall { .. }
            | Self::AptRemove { .. }
            | Self::RefreshLibraries
            | Self::AptHold { .. }
            | Self::AptUnhold { .. }
            | Self::Answer { .. }
            | Self::SetUser { .. }
            | Self::SetLogin { .. }
            | Self::EndSessions { .. }
            | Self::RemoveUser { .. }
            | Self::Unit { .. }
            | Self::SetLocale { .. }
            | Self::SetHostname { .. }
            | Self::ProveSshd { .. }
            | Self::RunTool(_)
            | Self::RunScript(_)
            | Self::RunCheck(_) => TargetPath::root(),
        }
    }

    /// What several ops come to that can be one; `None` where they cannot.
    #[must_use]
    pub fn joined(ops: &[&Self]) -> Option<Self> {
        let mut all: Vec<String> = Vec::new();
        for op in ops {
            let Self::AptInstall { packages } = op else { return None };
            let new: Vec<String> = packages.iter().filter(|name| !all.contains(name)).cloned().collect();
            all.extend(new);
        }
        (!all.is_empty()).then_some(Self::AptInstall { packages: all })
    }

    /// The same, without some of the things that it brings about; only packages and accounts bring about several.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let mut op = self.clone();
        if let Self::AptInstall { packages } | Self::AptHold { packages } = &mut op {
            packages.retain(|package| !names.contains(&package_name(package)));
        }
        if let Self::SetUser { shell, groups, .. } = &mut op {
            shell.take_if(|_| names.contains(&"shell"));
            groups.retain(|group| !names.contains(&group.as_str()));
        }
        op
    }

    /// The downloads that must be in the store before this can be performed.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Blob> {
        match self {
            Self::WriteFile { content: Content::Blob(blob), .. }
            | Self::RunScript(ScriptRun { source: ScriptSource::Download(blob), .. }) => {
                vec![blob]
            }
            Self::Unpack(unpack) => unpack.layers.iter().map(|layer| &layer.archive).collect(),
            Self::BuildPython(build) => build.packages.blobs().collect(),
            Self::BuildConda(build) => build.blobs().collect(),
            Self::WriteFile { .. }
            | Self::MakeDirectory { .. }
            | Self::SetMeta { .. }
            | Self::MakeSymlink { .. }
            | Self::SetAside { .. }
            | Self::Remove { .. }
            | Self::RemoveEnvironment { .. }
            | Self::RemoveTree { .. }
            | Self::RefreshLibraries
            | Self::AptInstall { .. }
            | Self::AptRemove { .. }
            | Self::AptHold { .. }
            | Self::AptUnhold { .. }
            | Self::Answer { .. }
            | Self::SetUser { .. }
            | Self::SetLogin { .. }
            | Self::EndSessions { .. }
            | Self::TakeKeys { .. }
            | Self::RemoveUser { .. }
            | Self::Unit { .. }
            | Self::SetLocale { .. }
            | Self::SetHostname { .. }
            | Self::ProveSshd { .. }
            | Self::RunTool(_)
            | Self::RunScript(_)
            | Self::RunCheck(_) => Vec::new(),
        }
    }
}
