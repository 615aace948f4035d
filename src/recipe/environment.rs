//! `environments`: conda and Python environments, in generations behind a link, each with its kernel.

use super::cuda::table;
use super::kernelspec::{self, Activation, Home, Language};
use super::{Answer, CondaAnswer, Context, Item, Question, Recipe};
use crate::model::{Facts, Invalid, Meta, Mode, Owner, ResourceId, Sha256, TargetPath};
use crate::problem::{Code, Problem};
use crate::resource::{CondaEnvironment, File, Ownership, PythonEnvironment, Spec, Symlink, generation_of};
use crate::step::{CondaBuild, Content, Extras, PythonBuild, PythonPackages, Site, package_name};

/// One item of `environments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name, that of its directory.
    pub name: String,
    /// What it is made from.
    pub source: Source,
    /// Whose files these are.
    pub owner: EnvironmentOwner,
    /// What becomes of what people install into it, when it is made anew.
    pub extras: Extras,
    /// Its Jupyter kernel, if it has one.
    pub kernel: Option<Kernel>,
}

/// Whose the files of an environment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentOwner {
    /// The owner may install into it.
    User,
    /// Read-only for people.
    System,
}

/// What an environment is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An `environment.yml` or a lock file.
    Conda {
        /// The file's text.
        text: String,
        /// The directory that relative channels in it are relative to; empty where it has none.
        base: String,
        /// Channels where the text names none.
        channels: Vec<String>,
        /// `conda.prefix`: the environment becomes `PREFIX/envs/NAME`.
        prefix: TargetPath,
        /// Package index of the text's `pip:` section; `None` for PyPI.
        index: Option<String>,
        /// Where channels are that have only a name; `None` for Anaconda's server.
        mirror: Option<String>,
        /// The driver that the manifest says the machine has, or gets; `None` for the one that runs.
        driver: Option<String>,
        /// What the manifest tells conda of the machine itself.
        machine: SaidOfMachine,
    },
    /// An interpreter of the target, and packages of PyPI.
    Python {
        /// `3.11`; the interpreter is `/usr/bin/python3.11`.
        version: String,
        /// Requirements.
        requirements: Vec<String>,
        /// Package index; `None` for PyPI.
        index: Option<String>,
        /// Packages of the distribution that the manifest installs, which may bring the interpreter.
        packages: Vec<String>,
    },
}

/// What a manifest tells conda of a machine, instead of what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaidOfMachine {
    /// The newest CUDA that its driver runs.
    pub cuda: Option<String>,
    /// Its C library.
    pub glibc: Option<String>,
    /// Its kernel.
    pub linux: Option<String>,
    /// Its processor, as archspec names it.
    pub archspec: Option<String>,
}

/// A Jupyter kernel of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The kernelspec's name.
    pub name: String,
    /// What people see.
    pub display_name: String,
    /// Names under which notebooks know it as well.
    pub aliases: Vec<String>,
}

/// Where Python environments live; beside them, their generations.
pub const PYTHON_ENVIRONMENTS: &str = "/opt/fitout/envs";

impl Environment {
    /// Where the environment is reached.
    ///
    /// # Errors
    /// The name makes no path.
    pub fn prefix(&self) -> Result<TargetPath, Invalid> {
        match &self.source {
            Source::Conda { prefix, .. } => prefix.join(&format!("envs/{}", self.name)),
            Source::Python { .. } => TargetPath::parse(&format!("{PYTHON_ENVIRONMENTS}/{}", self.name)),
        }
    }

    /// What the owner installs with, where the environment is the owner's.
    fn installer(&self) -> Option<&'static str> {
        (self.owner == EnvironmentOwner::User).then_some("pip")
    }

    const fn activation(&self) -> Activation {
        match self.source {
            Source::Conda { .. } => Activation::Conda,
            Source::Python { .. } => Activation::Python,
        }
    }

    fn question(&self, facts: &Facts) -> Question {
        match &self.source {
            Source::Conda { text, base, channels, index, mirror, driver, machine, .. } => Question::Conda {
                text: text.clone(),
                base: base.clone(),
                channels: channels.clone(),
                subdir: facts.architecture.conda_subdir().into(),
                cuda: machine.cuda.clone().or_else(|| driver.as_ref().or(facts.driver.as_ref()).and_then(|driver| newest_cuda(driver))),
                glibc: machine.glibc.clone().unwrap_or_else(|| facts.glibc().into()),
                linux: machine.linux.clone(),
                archspec: machine.archspec.clone(),
                index: index.clone(),
                mirror: mirror.clone(),
            },
            Source::Python { version, requirements, index, .. } => Question::Python {
                requirements: requirements.iter().map(String::as_str).chain(self.installer()).map(Into::into).collect(),
                version: version.clone(),
                machine: facts.architecture.machine().into(),
                index: index.clone(),
            },
        }
    }
}

impl Recipe for Environment {
    fn item(&self) -> Item {
        Item::of("environments", &self.name)
    }

    fn questions(&self, facts: &Facts) -> Vec<Question> {
        vec![self.question(facts)]
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |text: String| vec![Problem::general(Code::BadValue, text)];
        let prefix = self.prefix().map_err(|e| fail(e.0))?;
        let owner = match (self.owner, context.owner) {
            (EnvironmentOwner::User, Some(name)) => Owner::User(name.clone()),
            _ => Owner::Root,
        };
        let question = self.question(context.facts);
        let place = Place { name: &self.name, prefix: &prefix, owner, extras: self.extras };
        let spec = match (&self.source, context.answers.get(&question)) {
            (Source::Conda { .. }, Some(Answer::Conda(answer))) => conda(place, answer).map(Spec::CondaEnvironment),
            (Source::Python { version, packages, .. }, Some(Answer::Python(answer))) => python(place, version, answer)
                .map(|made| Spec::PythonEnvironment(PythonEnvironment { lacks: lacks(version, packages, context.facts), ..made })),
            _ => return Err(fail(format!("environment `{}` was not resolved", self.name))),
        };
        let spec = spec.map_err(|e| fail(e.0))?;
        let mut specs = vec![spec];
        if let Some(kernel) = &self.kernel {
            let home = Home { prefix: &prefix, kind: self.activation(), language: language(&specs[0]) };
            specs.extend(kernelspec::lower(kernel, home, specs[0].id()).map_err(|e| fail(e.0))?);
        }
        if let (Source::Conda { prefix: root, .. }, BASE) = (&self.source, self.name.as_str()) {
            specs.extend(base(root, &specs[0])?);
        }
        Ok(specs)
    }
}

/// The newest CUDA that a driver was made for, which conda's `__cuda` speaks of.
fn newest_cuda(driver: &str) -> Option<String> {
    table::newest_for(table::driver(driver)?).map(|(major, minor)| format!("{major}.{minor}"))
}

/// The same machine under other drivers, for which packages were perhaps chosen that run here as well, the newest first: older drivers, as every
/// driver runs what was made for an older one; where none runs at the moment, any.
#[must_use]
pub fn under_other_drivers(facts: &Facts) -> Vec<Facts> {
    let runs = facts.driver.as_deref().and_then(table::driver);
    let known = table::SHIPPED.iter().rev().filter(|row| runs.is_none_or(|runs| row.first <= runs));
    known.map(|row| Facts { driver: Some(row.first.map(|part| part.to_string()).join(".")), ..facts.clone() }).collect()
}

/// The environment that holds conda itself: that of the prefix.
const BASE: &str = "base";

/// What of it is reached through the prefix, as where conda installed itself.
const OF_BASE: [&str; 4] = ["bin", "condabin", "etc", "lib"];

/// Whether an environment gets this package of conda; `None` where nobody knows what it gets.
fn gets(environment: &Spec, package: &str) -> Option<bool> {
    let Spec::CondaEnvironment(environment) = environment else { return Some(false) };
    let packages = &environment.build.packages;
    // `…/name-version-build.conda`; names hold hyphens, versions and builds do not.
    let named = |url: &str| url.rsplit('/').next().and_then(|file| file.rsplitn(3, '-').nth(2)) == Some(package);
    (!packages.is_empty()).then(|| packages.iter().any(|blob| named(&blob.url)))
}

/// What the kernel of an environment speaks: R where it has a kernel for that and none for Python.
fn language(environment: &Spec) -> Language {
    let has = |package| gets(environment, package) == Some(true);
    if has("r-irkernel") && !has("ipykernel") { Language::R } else { Language::Python }
}

/// What makes the environment `base` the one of the prefix: `source PREFIX/etc/profile.d/conda.sh; conda activate NAME` works.
fn base(root: &TargetPath, environment: &Spec) -> Result<Vec<Spec>, Vec<Problem>> {
    let fail = |error: Invalid| vec![Problem::general(Code::BadValue, error.0)];
    if gets(environment, "conda") == Some(false) {
        let message = "the environment `base` is the one that holds conda itself, and its file does not ask for `conda`";
        return Err(vec![Problem::general(Code::BadValue, message).suggest("add `conda` to its dependencies, or give it another name")]);
    }
    let link = |name: &&str| {
        let at = root.join(name).map_err(fail)?;
        Ok(Spec::Symlink(Symlink::new(at, format!("envs/{BASE}/{name}"), vec![environment.id()])))
    };
    // Conda looks for environments beside itself, which is not where they are.
    let text = format!("# {}\nenvs_dirs:\n  - {root}/envs\n", crate::resource::HEADER);
    let at = TargetPath::parse("/etc/conda/condarc.d/fitout.yaml").map_err(fail)?;
    let places = Spec::File(File::new(at, Content::Inline(text.into()), Meta::root(Mode::FILE)));
    OF_BASE.iter().map(link).chain([Ok(places)]).collect()
}

/// An environment's name, place, and whose it is.
pub(super) struct Place<'a> {
    pub name: &'a str,
    pub prefix: &'a TargetPath,
    pub owner: Owner,
    pub extras: Extras,
}

impl Place<'_> {
    /// Its site, where it is made from these parts; other parts are another generation.
    fn site<'p>(self, parts: impl IntoIterator<Item = &'p str>) -> Result<Site, Invalid> {
        let parts = Sha256::of_parts(parts).to_string();
        let digest = Sha256::of_parts([self.owner.to_string().as_str(), &parts]);
        let generation = generation_of(self.prefix, &digest)?;
        Ok(Site { prefix: self.prefix.clone(), generation, digest, owner: self.owner, extras: self.extras })
    }
}

/// A conda environment from its answer.
fn conda(place: Place<'_>, answer: &CondaAnswer) -> Result<CondaEnvironment, Invalid> {
    let name = place.name.to_owned();
    let variables = answer.variables.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let pip = answer.pip.as_ref().map_or("", |packages| &packages.requirements);
    let build = CondaBuild {
        site: place.site([answer.lock.as_str(), pip].into_iter().chain(variables))?,
        lock: answer.lock.clone(),
        packages: answer.packages.clone(),
        pip: answer.pip.clone(),
        variables: answer.variables.clone(),
    };
    Ok(CondaEnvironment { name, build, size: answer.size, ownership: Ownership::default() })
}

/// A Python environment from its answer.
pub(super) fn python(place: Place<'_>, version: &str, answer: &PythonPackages) -> Result<PythonEnvironment, Invalid> {
    let name = place.name.to_owned();
    let interpreter = TargetPath::parse(&format!("/usr/bin/python{version}"))?;
    let site = place.site([answer.requirements.as_str(), interpreter.as_str()])?;
    let build = PythonBuild { site, interpreter, packages: answer.clone() };
    // The interpreter comes with the packages, where the manifest installs any.
    Ok(PythonEnvironment { name, build, lacks: None, requires: Vec::<ResourceId>::new(), ownership: Ownership::default() })
}

/// Why nothing brings the interpreter to a machine that lacks it; `None` where something does, or may: packages need the Python of their
/// distribution.
fn lacks(version: &str, packages: &[String], facts: &Facts) -> Option<String> {
    let (own, distribution) = (facts.python(), &facts.distribution);
    let named = packages.iter().any(|request| package_name(request).starts_with(&format!("python{version}")));
    let machine = format!("{} {}", distribution.id, distribution.version);
    match () {
        () if named || (version == own && !packages.is_empty()) => None,
        () if version == own => Some("and `packages.install` brings none: add `python3`".to_owned()),
        () => Some(format!(
            "and `packages.install` names no `python{version}`: {machine} comes with Python {own} (write \"{own}\"); a conda environment has any"
        )),
    }
}
