//! What is installed: packages, files, units, environments, Jupyter; and the checks that prove it.

use super::super::at::At;
use super::state::State;
use super::words::{
    Archspec, Channel, Component, DebconfQuestion, DropInName, EnvironmentName, KernelName, Label, LinkText, OwnerName, PackageRequest,
    PythonVersion, RepositoryName, RepositoryUri, Requirement, SourcePath, Suite, VirtualVersion,
};
use crate::model::{HomePath, Mode, Span, TargetPath, UnitName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Packages of the distribution, and where they come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Further repositories of apt.
    #[serde(default)]
    pub repositories: Vec<At<Repository>>,
    /// Packages that must be installed: `name`, or `name=version` as apt takes it (`blobfuse2=2.5.*`).
    #[serde(default)]
    pub install: Vec<At<PackageRequest>>,
    /// Packages that must not be installed, by name.
    #[serde(default)]
    pub remove: Vec<At<PackageRequest>>,
    /// Packages that no upgrade may change, by name; they must be installed.
    #[serde(default)]
    pub hold: Vec<At<PackageRequest>>,
    /// Answers to what packages ask when they are installed, given before. Packages that are installed already are not asked again.
    #[serde(default)]
    pub debconf: Vec<At<DebconfAnswer>>,
    /// What becomes of packages that people install themselves.
    #[schemars(extend("default" = "keep"))]
    #[expect(dead_code, reason = "one choice so far, checked by being read")]
    pub extras: Option<Extras>,
}

/// What becomes of things that people add themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Extras {
    /// They stay, and are theirs.
    Keep,
}

/// An answer to what a package asks when it is installed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DebconfAnswer {
    /// The package that asks.
    pub package: At<PackageRequest>,
    /// The question, such as `tzdata/Areas`; `debconf-show PACKAGE` lists those of a package that is installed.
    pub question: At<DebconfQuestion>,
    /// The question's type. Passwords are no answers: they are secrets.
    #[serde(rename = "type")]
    pub kind: DebconfType,
    /// What is answered, on one line; `"true"` or `"false"` in quotes for a boolean.
    pub value: At<String>,
}

/// The type of a question of debconf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DebconfType {
    /// A line of text.
    String,
    /// `true` or `false`.
    Boolean,
    /// One of several.
    Select,
    /// Some of several, with commas between them.
    Multiselect,
}

impl DebconfType {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Select => "select",
            Self::Multiselect => "multiselect",
        }
    }
}

/// A repository of apt, with the key that signs it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Its name, that of its files below `/etc/apt`.
    pub name: At<RepositoryName>,
    /// Whether it is to be. Absent, apt forgets it; packages that came from it stay.
    #[schemars(extend("default" = "present"))]
    pub state: Option<State>,
    /// Its address: `https:`, `http:` or `file:`.
    pub uri: Option<At<RepositoryUri>>,
    /// Its suite, such as `bookworm`; a path that ends in `/` for a flat repository.
    pub suite: Option<At<Suite>>,
    /// Its components, such as `[main]`; none for a flat repository.
    #[serde(default)]
    pub components: Vec<Component>,
    /// The file of the armoured key that signs it, relative to the manifest.
    pub signed_by: Option<At<SourcePath>>,
}

/// A file with given content (`content` or `source`), a directory, a link, or a path where nothing is to be.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it is: absolute, or below the owner's home (`~/…`).
    pub path: At<HomePath>,
    /// What is to be there.
    #[schemars(extend("default" = "present"))]
    pub state: Option<FileState>,
    /// What it holds.
    pub content: Option<Arc<str>>,
    /// The file, relative to the manifest, whose text it holds. Of a directory: the folder whose files are to be in it, with all folders below;
    /// those that begin with `#!` are executable.
    pub source: Option<At<SourcePath>>,
    /// Where it points, for a symbolic link.
    pub link: Option<At<LinkText>>,
    /// Permission bits, three or four octal digits in quotes; `"0755"` for a directory, where absent.
    #[schemars(extend("default" = "0644"))]
    pub mode: Option<Mode>,
    /// Whose it is: `root`, `user` (the machine's owner) or a login name. Below `~` the owner's, else root's, where absent.
    pub owner: Option<At<OwnerName>>,
    /// Whether it is made where absent and then left alone.
    #[schemars(extend("default" = false))]
    pub create_only: Option<bool>,
    /// Program and arguments that must accept new content before it takes the place of the old, such as `[visudo, -cf, "%s"]`; `%s` stands for a
    /// file that holds it. Runs as root on the machine; no shell reads it.
    pub validate: Option<At<Vec<String>>>,
}

/// What is to be at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// A file, or a link.
    Present,
    /// A directory.
    Directory,
    /// Nothing: a file or a link is removed; what Fitout did not write is kept aside if it is small.
    Absent,
}

/// A unit of systemd. What is not said about it is not managed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its full name, such as `docker.service`.
    pub name: At<UnitName>,
    /// Whether it is to be. Absent, it neither runs nor starts, and nothing of it is left below `/etc/systemd/system`; what a package brings goes with its package.
    #[schemars(extend("default" = "present"))]
    pub state: Option<State>,
    /// Whether it starts at boot.
    pub enabled: Option<bool>,
    /// Whether it runs now.
    pub active: Option<bool>,
    /// Whether it is masked: nothing can start it.
    pub masked: Option<bool>,
    /// The text of the unit, for one that no package brings.
    pub content: Option<At<String>>,
    /// Drop-ins: names that end in `.conf`, and their texts.
    #[serde(default)]
    pub drop_ins: BTreeMap<DropInName, String>,
}

/// Where conda environments live, and where their packages come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conda {
    /// The directory that holds `envs/`.
    #[schemars(extend("default" = "/anaconda"))]
    pub prefix: Option<TargetPath>,
    /// Channels for environment files that name none, the preferred one first.
    #[serde(default)]
    #[schemars(extend("default" = ["conda-forge"]))]
    pub channels: Vec<Channel>,
    /// What packages are told of the machine, instead of what Fitout knows of it: for machines that are still to be made, and for packages built
    /// for some processors.
    pub virtual_packages: Option<VirtualPackages>,
}

/// Conda's virtual packages, which say what a machine is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VirtualPackages {
    /// `__cuda`: the newest CUDA that the driver runs; otherwise that of `gpu.driver`, or of the driver that runs.
    pub cuda: Option<VirtualVersion>,
    /// `__glibc`: the C library; otherwise that of the distribution.
    pub glibc: Option<VirtualVersion>,
    /// `__linux`: the kernel; otherwise the oldest of the supported distributions.
    pub linux: Option<VirtualVersion>,
    /// `__archspec`: the processor; otherwise any of its architecture.
    pub archspec: Option<Archspec>,
}

/// An environment, and its Jupyter kernel.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its name.
    pub name: At<EnvironmentName>,
    /// Whether it is to be. Absent, it goes with all that people installed into it, and so does its kernel; what Fitout did not make stays.
    #[schemars(extend("default" = "present"))]
    pub state: Option<State>,
    /// What it is made from: a conda file, or an interpreter and requirements.
    pub from: Option<At<From>>,
    /// Whose its files are.
    #[schemars(extend("default" = "user"))]
    pub owner: Option<EnvironmentOwner>,
    /// What becomes of packages that people install into it.
    #[schemars(extend("default" = "keep"))]
    pub extras: Option<EnvironmentExtras>,
    /// Its Jupyter kernel; absent, it has none.
    pub kernel: Option<At<Kernel>>,
}

/// What becomes of what people install into an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentExtras {
    /// It stays, is shown by `status`, and goes along when the environment is made anew.
    Keep,
    /// The environment is made anew without it.
    Remove,
}

/// What an environment is made from: `conda`, or `python` with `requirements`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// An `environment.yml` or a lock file of conda or pixi, relative to the manifest.
    pub conda: Option<At<SourcePath>>,
    /// The version of an interpreter that the distribution has, such as `"3.11"`.
    pub python: Option<At<PythonVersion>>,
    /// Packages for `python`: a list of requirements, or the path of a `requirements.txt` (with hashes or without) or a `pylock.toml`.
    pub requirements: Option<At<Requirements>>,
}

/// Requirements: a list, or a file.
#[derive(Debug, Clone)]
pub enum Requirements {
    /// Written out.
    List(Vec<At<Requirement>>),
    /// The path of a `requirements.txt`.
    File(SourcePath),
}

impl<'de> Deserialize<'de> for Requirements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrPath;
        impl<'de> Visitor<'de> for ListOrPath {
            type Value = Requirements;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of requirements, or the path of a file")
            }
            fn visit_str<E: Error>(self, path: &str) -> Result<Requirements, E> {
                let path: StrDeserializer<'_, E> = path.into_deserializer();
                SourcePath::deserialize(path).map(Requirements::File)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Requirements, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Requirements::List)
            }
        }
        deserializer.deserialize_any(ListOrPath)
    }
}

impl JsonSchema for Requirements {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Requirements".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (list, file) = (generator.subschema_for::<Vec<Requirement>>(), generator.subschema_for::<SourcePath>());
        json_schema!({"anyOf": [list, file]})
    }
}

/// Whose the files of an environment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentOwner {
    /// The machine's owner, who may install into it.
    User,
    /// Root; people can only use it.
    System,
}

/// A Jupyter kernel.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The name of its kernelspec; where absent that of the environment, or Azure ML's for Azure ML's environments.
    pub name: Option<KernelName>,
    /// What people see; `Python (NAME)` where absent.
    pub display_name: Option<Label>,
    /// Names under which notebooks may know it as well, such as one that it had before.
    #[serde(default)]
    pub aliases: Vec<At<KernelName>>,
}

/// JupyterLab as a service of the owner, on loopback.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jupyter {
    /// Which interface.
    #[schemars(extend("default" = "lab"))]
    #[expect(dead_code, reason = "one choice so far, checked by being read")]
    pub interface: Option<JupyterInterface>,
    /// The folder that it shows.
    #[schemars(extend("default" = "~"))]
    pub root: Option<HomePath>,
    /// Its port on loopback.
    #[schemars(with = "Option<At<u16>>", extend("default" = 8888), range(min = 1024))]
    pub port: Option<At<i64>>,
    /// The version of the distribution's interpreter that it runs on; that of the distribution where absent.
    pub python: Option<PythonVersion>,
}

/// Which interface of Jupyter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JupyterInterface {
    /// JupyterLab.
    Lab,
}

/// What must be true in the end: `command`, or `kernel` with `runs`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name.
    pub name: At<Label>,
    /// Program and arguments that must end with status 0. No shell reads them.
    pub command: Option<At<Vec<String>>>,
    /// The kernel that `runs` is sent to; one of `environments`.
    pub kernel: Option<At<KernelName>>,
    /// Code that must run in `kernel` without an error.
    pub runs: Option<At<String>>,
    /// Text that standard output must hold.
    pub stdout_contains: Option<String>,
    /// How long it may take, such as `90s`.
    #[schemars(extend("default" = "2m"))]
    pub timeout: Option<Span>,
}
