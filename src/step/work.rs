//! Effects that take a page to describe: trees, environments, scripts, checks.

use super::{Blob, Cmd};
use crate::model::{Owner, Sha256, Span, TargetPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An archive, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layer {
    /// The download: zip (wheels), or tar, alone or packed with gzip, xz, zstd or bzip2.
    pub archive: Blob,
    /// What is stripped from its names.
    pub strip: Strip,
}

/// What is stripped from the names of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strip {
    /// This folder; what lies elsewhere is not wanted. Nothing where it is empty.
    Folder(String),
    /// The one folder that holds everything, whatever its name.
    Wrapper,
}

impl Strip {
    /// In a word, for digests.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Folder(folder) => folder,
            Self::Wrapper => "*",
        }
    }
}

/// A tree that is put together from several archives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unpack {
    /// The directory that appears, whole, or not at all.
    pub into: TargetPath,
    /// Archives, laid over each other in this order.
    pub layers: Vec<Layer>,
    /// Folders whose files become executable (wheels carry no modes).
    pub executable: Vec<String>,
    /// Links to make inside: path, then what it points at, relative.
    pub links: Vec<(String, String)>,
    /// Folders whose libraries get a name without a version, by which linkers find them, where no archive brings one.
    pub unversioned: Vec<String>,
    /// Names what is unpacked; written as `.fitout.json` inside, last.
    pub digest: Sha256,
}

/// Releases of Python packages, dependencies included, and what installs them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PythonPackages {
    /// Pinned requirements with the digest of each one's wheel, as in `requirements.txt`.
    pub requirements: String,
    /// The wheels themselves: nothing is fetched while they are installed.
    pub wheels: Vec<Blob>,
    /// The wheel that holds the uv program.
    pub uv: Blob,
}

impl PythonPackages {
    /// The downloads.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        std::iter::once(&self.uv).chain(&self.wheels)
    }
}

/// What becomes of what people added to an environment, when it is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extras {
    /// It is carried along.
    Keep,
    /// It stays behind.
    Remove,
}

/// Where an environment is, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Site {
    /// Where the environment is reached; a link to its newest generation.
    pub prefix: TargetPath,
    /// The generation that is built.
    pub generation: TargetPath,
    /// Names what it is made from; written into the generation, last.
    pub digest: Sha256,
    /// Whose files these become.
    pub owner: Owner,
    /// What becomes of what people added to the generation before.
    pub extras: Extras,
}

/// A virtual environment of an interpreter that the target has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PythonBuild {
    /// Where it is.
    pub site: Site,
    /// The interpreter on the target.
    pub interpreter: TargetPath,
    /// What it holds.
    pub packages: PythonPackages,
}

/// A conda environment from exact packages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CondaBuild {
    /// Where it is.
    pub site: Site,
    /// A lock file in rattler's format that holds every package with its digest.
    pub lock: String,
    /// The packages themselves, in the order of the lock: nothing is fetched while the environment is built.
    pub packages: Vec<Blob>,
    /// Packages of `pip:`, laid over those of the channels.
    pub pip: Option<PythonPackages>,
    /// `variables` of the environment file.
    pub variables: BTreeMap<String, String>,
}

impl CondaBuild {
    /// The downloads.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.packages.iter().chain(self.pip.iter().flat_map(PythonPackages::blobs))
    }
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

/// Whether a script runs again after it succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// Never, whatever becomes of its text.
    Once,
    /// When its text or its command is another.
    WhenChanged,
    /// At each start of the machine.
    EveryStart,
}

/// What a failure of a script means for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The machine is not set up.
    Fail,
    /// Its verdict is shown, and that is all.
    Continue,
}

/// Whether a machine is ready before a script has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Ready when it has succeeded.
    Ready,
    /// Ready without it: it goes on by itself.
    Background,
}

/// What it means that a script left something running outside its control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEscape {
    /// It is told.
    Report,
    /// The script failed, and what it left is ended.
    Fail,
}

/// Where a script's text is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptSource {
    /// Here.
    Text(String),
    /// In the store, once it was fetched.
    Download(Blob),
    /// On a share of the machine.
    Share {
        /// The file.
        file: TargetPath,
        /// Where the share is mounted.
        mount: TargetPath,
    },
}

impl ScriptSource {
    /// What tells it from another, for digests.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Download(blob) => blob.sha256.to_string(),
            Self::Share { file, .. } => file.to_string(),
        }
    }
}

/// A folder on a share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShareFolder {
    /// The folder.
    pub path: TargetPath,
    /// Where the share is mounted.
    pub mount: TargetPath,
}

/// One run of an owner's script.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptRun {
    /// Its name in the manifest, and of its log.
    pub name: String,
    /// Its text.
    pub source: ScriptSource,
    /// Program and arguments; `SCRIPT` among them stands for the script's path.
    pub argv: Vec<String>,
    /// Variables, such as `CI_NAME`.
    pub env: BTreeMap<String, String>,
    /// Killed whole when this has passed.
    pub timeout: Span,
    /// Where it runs.
    pub directory: TargetPath,
    /// Who runs it.
    pub user: Owner,
    /// When it runs.
    pub trigger: Trigger,
    /// Whether it runs again after it succeeded.
    pub again: Again,
    /// What it makes: where that is there, it need not run.
    pub creates: Option<TargetPath>,
    /// A program whose success says that there is nothing to do.
    pub unless: Option<Vec<String>>,
    /// What its failure means for the rest.
    pub on_failure: OnFailure,
    /// Whether the machine is ready before it has ended.
    pub gate: Gate,
    /// What it means that it left something outside its control group.
    pub on_escape: OnEscape,
    /// The folder, on a share, to which its output is copied, and where that share is mounted.
    pub logs: Option<ShareFolder>,
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
