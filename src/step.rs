//! The vocabulary of change. A [`Step`] is data: the same value is printed by `plan`, journalled, performed by a target and
//! checked by tests.
//!
//! To add an effect: one variant of [`Op`], its line in [`Op::summary`], and its doing in `target/`.

use crate::model::{ByteSize, Meta, Mode, Owner, SecretRef, Sha256, Span, TargetPath, UnitName, UserName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a target must be able to do for a step to be performed on it; a step whose ability is missing is deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Files can be read and written. Every target can.
    Files,
    /// Programs of the target can be run.
    Exec,
    /// The target is one particular machine, not an image of many: its owner, its secrets and its scripts exist.
    Instance,
    /// The target is up: its service manager runs, shares can be mounted.
    RunningSystem,
}

impl Ability {
    /// What is waited for, as a person would say it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Files => "needs files",
            Self::Exec => "needs to run programs",
            Self::Instance => "waits for first boot",
            Self::RunningSystem => "waits for a running system",
        }
    }
}

/// How a step changes the machine; its sign in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Something new.
    Add,
    /// Something that exists, otherwise.
    Modify,
    /// Something less.
    Remove,
    /// Something taken away and made anew.
    Replace,
    /// Nothing changes; something is looked at by running it.
    Check,
}

impl Change {
    /// The sign that plans print.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Modify => "~",
            Self::Remove => "-",
            Self::Replace => "-/+",
            Self::Check => "?",
        }
    }
}

/// How much a step will take of the file system that holds what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskForecast {
    /// Exactly this much.
    Exact(ByteSize),
    /// This much at most, and at its peak.
    AtMost(ByteSize),
    /// Cannot be told; the step runs under the eye of the floor.
    Unknown,
}

impl DiskForecast {
    /// Takes nothing.
    pub const NONE: Self = Self::Exact(ByteSize(0));

    /// The bytes to count with.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Exact(size) | Self::AtMost(size) => size.0,
            Self::Unknown => 0,
        }
    }
}

/// What a file is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Small content, carried along. Bytes that are not UTF-8 travel as a blob.
    Inline(String),
    /// A blob of the store.
    Blob(Blob),
    /// Text in which `{{secret:N}}` stands for the N-th reference; only a target ever renders it.
    Secret {
        /// The text around the secrets.
        template: String,
        /// Where the secrets are found on the target.
        refs: Vec<SecretRef>,
    },
}

/// A download, pinned: verified before anything reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// Where it can be had.
    pub url: String,
    /// What it must be.
    pub sha256: Sha256,
    /// Its size where the source tells.
    pub size: Option<ByteSize>,
}

/// A program and its arguments; never a shell line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cmd {
    /// The program, then its arguments.
    pub argv: Vec<String>,
    /// Variables beside the fixed, small environment that every command gets.
    pub env: BTreeMap<String, String>,
    /// Who runs it.
    pub user: Owner,
    /// Where it runs.
    pub directory: TargetPath,
}

impl Cmd {
    /// A command of root in `/`.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: BTreeMap::new(), user: Owner::Root, directory: TargetPath::root() }
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The beginning of the command, as a person would type it: one line, at most 72 characters.
    #[must_use]
    pub fn first_line(&self) -> String {
        let whole = self.display();
        let line: String = whole.lines().next().unwrap_or_default().chars().take(72).collect();
        if line == whole { line } else { format!("{line}…") }
    }

    /// The command as a person would type it.
    #[must_use]
    pub fn display(&self) -> String {
        let quoted = self.argv.iter().map(|word| {
            let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c));
            if plain { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
        });
        quoted.collect::<Vec<_>>().join(" ")
    }
}

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
    /// `visudo -c` on the file.
    Sudoers,
}

/// What is to be done with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitVerb {
    /// Starts at boot.
    Enable,
    /// Does not start at boot.
    Disable,
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
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload-or-restart",
        }
    }
}

/// A tree that is put together from several archives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unpack {
    /// The directory that appears, whole, or not at all.
    pub into: TargetPath,
    /// Archives (wheels), laid over each other in this order.
    pub archives: Vec<Blob>,
    /// Only entries below this folder of the archives, which is stripped.
    pub strip: String,
    /// Folders whose files become executable (wheels carry no modes).
    pub executable: Vec<String>,
    /// Links to make inside: path, then what it points at, relative.
    pub links: Vec<(String, String)>,
    /// Names what is unpacked; written as `.fitout.json` inside, last.
    pub digest: Sha256,
}

/// A virtual environment of an interpreter that the target has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PythonBuild {
    /// Where the environment is reached; a link to its newest generation.
    pub prefix: TargetPath,
    /// The generation that is built.
    pub generation: TargetPath,
    /// The interpreter on the target.
    pub interpreter: TargetPath,
    /// Pinned requirements with the digest of each one's wheel, as in `requirements.txt`.
    pub requirements: String,
    /// The wheels themselves: nothing is fetched while the environment is built.
    pub wheels: Vec<Blob>,
    /// Whose files these become.
    pub owner: Owner,
    /// The wheel that holds the uv program.
    pub uv: Blob,
}

/// A conda environment from exact packages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CondaBuild {
    /// Where the environment is reached; a link to its newest generation.
    pub prefix: TargetPath,
    /// The generation that is built.
    pub generation: TargetPath,
    /// A lock file in rattler's format that holds every package with its digest.
    pub lock: String,
    /// The packages themselves, in the order of the lock: nothing is fetched while the environment is built.
    pub packages: Vec<Blob>,
    /// `variables` of the environment file.
    pub variables: BTreeMap<String, String>,
    /// Whose files these become.
    pub owner: Owner,
}

/// When a setup script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Once per machine, at its creation.
    Creation,
    /// At each start, the first included.
    Startup,
}

/// One run of an owner's script.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptRun {
    /// Its name in the manifest, and of its log.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Program and arguments; `SCRIPT` among them stands for the script's path.
    pub argv: Vec<String>,
    /// Variables, such as `CI_NAME`.
    pub env: BTreeMap<String, String>,
    /// Killed whole when this has passed.
    pub timeout: Span,
    /// Where it runs.
    pub directory: TargetPath,
    /// When it runs.
    pub trigger: Trigger,
    /// Names content, arguments and trigger; a verdict holds for it alone.
    pub digest: Sha256,
}

/// What must be true of a machine, asked by running a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckRun {
    /// Its name in the manifest.
    pub name: String,
    /// What is run.
    pub cmd: Cmd,
    /// Text that standard output must hold.
    pub stdout_contains: Option<String>,
    /// Killed when this has passed.
    pub timeout: Span,
    /// Names what was checked; a verdict holds for it alone.
    pub digest: Sha256,
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
    /// Removes a file or link.
    Remove {
        /// Which.
        path: TargetPath,
    },
    /// Installs packages in one transaction, from lists that are fetched first where they are absent or older than the sources.
    AptInstall {
        /// As apt takes them: `name` or `name=version`.
        packages: Vec<String>,
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
    /// Acts on a unit.
    Unit {
        /// What.
        verb: UnitVerb,
        /// On which.
        unit: UnitName,
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
    /// Builds a Python environment and switches to it.
    BuildPython(PythonBuild),
    /// Builds a conda environment and switches to it.
    BuildConda(CondaBuild),
    /// Runs an owner's script and records its verdict.
    RunScript(ScriptRun),
    /// Runs a check and records its verdict.
    RunCheck(CheckRun),
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
            Self::Remove { path } => format!("remove {path}"),
            Self::AptInstall { packages } => format!("install {}", packages.join(" ")),
            Self::SetUser { name, exists: Presence::Absent, .. } => format!("create user {name}"),
            Self::SetUser { name, exists: Presence::Present, .. } => format!("adjust user {name}"),
            Self::Unit { verb, unit, .. } => format!("{} {unit}", verb.as_str()),
            Self::SetHostname { name } => format!("set host name {name}"),
            Self::ProveSshd { user, .. } => format!("prove sshd's policy for {user}"),
            Self::Unpack(unpack) => format!("unpack {} archives into {}", unpack.archives.len(), unpack.into),
            Self::BuildPython(build) => format!("build Python environment {}", build.prefix),
            Self::BuildConda(build) => format!("build conda environment {}", build.prefix),
            Self::RunScript(run) => format!("run {} script (at most {})", run.name, run.timeout),
            Self::RunCheck(run) => format!("check {}: {}", run.name, run.cmd.first_line()),
        }
    }

    /// The downloads that must be in the store before this can be performed.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Blob> {
        match self {
            Self::WriteFile { content: Content::Blob(blob), .. } => vec![blob],
            Self::Unpack(unpack) => unpack.archives.iter().collect(),
            Self::BuildPython(build) => std::iter::once(&build.uv).chain(&build.wheels).collect(),
            Self::BuildConda(build) => build.packages.iter().collect(),
            Self::WriteFile { .. }
            | Self::MakeDirectory { .. }
            | Self::SetMeta { .. }
            | Self::MakeSymlink { .. }
            | Self::Remove { .. }
            | Self::AptInstall { .. }
            | Self::SetUser { .. }
            | Self::Unit { .. }
            | Self::SetHostname { .. }
            | Self::ProveSshd { .. }
            | Self::RunScript(_)
            | Self::RunCheck(_) => Vec::new(),
        }
    }
}

/// A change, why it is made, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// How that looks in a plan.
    pub change: Change,
    /// What the target must be able to do.
    pub needs: Ability,
    /// Why, in a few words: `absent`, `mode is 0600`.
    pub why: String,
    /// What it takes of the disk.
    pub disk: DiskForecast,
}

impl Step {
    /// A step that needs files only and takes no room worth counting.
    pub fn new(change: Change, op: Op, why: impl Into<String>) -> Self {
        Self { op, change, needs: Ability::Files, why: why.into(), disk: DiskForecast::NONE }
    }

    /// Needing another ability.
    #[must_use]
    pub fn needs(mut self, ability: Ability) -> Self {
        self.needs = ability;
        self
    }

    /// Taking this much of the disk.
    #[must_use]
    pub fn disk(mut self, forecast: DiskForecast) -> Self {
        self.disk = forecast;
        self
    }
}

/// The closed list of questions that may execute something. Each runs in a read-only view of the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// The effective policy of the target's sshd for a login of this user: `sshd -T -C`.
    SshdPolicy(UserName),
    /// Whether a unit is active: `systemctl is-active`. Only asked of a running system.
    UnitActive(UnitName),
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + signal where a signal ended it, as shells say.
    pub status: i32,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or FIFO.
    Other,
}

/// What is known of a path without reading it. Links are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, with setuid and setgid if someone set them.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Where a link points.
    pub link: Option<String>,
}

impl Stat {
    /// Whether the permission bits are exactly these.
    #[must_use]
    pub const fn has_mode(&self, mode: Mode) -> bool {
        self.mode & 0o7777 == mode.bits()
    }
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Space {
    /// Bytes that an ordinary user can still write (`f_bavail`).
    pub free: ByteSize,
    /// Bytes in all.
    pub total: ByteSize,
}

/// The PATH of every command that Fitout runs in a target: Debian's, for root.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the digest of apt's sources is kept, as of the last fetch of their lists.
pub const SOURCES_RECORD: &str = "/var/lib/fitout/state/apt-sources.sha256";
