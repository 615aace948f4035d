//! Environments and their kernels, with the files that they are made from.

use super::desk::{Desk, Named};
use super::network::{conda_mirror, index};
use super::requirements;
use crate::manifest::at::At;
use crate::manifest::node::{Node, Value};
use crate::manifest::parse::{Parsed, Tally, parse};
use crate::manifest::v1::{self, Manifest, Requirements, State, VirtualVersion};
use crate::model::{TargetPath, project_name};
use crate::problem::{Code, Place};
use crate::recipe::{Environment, EnvironmentOwner, Gone, JUPYTER_ENVIRONMENT, Kernel, SaidOfMachine, Source, Want};
use crate::step::Extras;

/// Where Azure ML has conda.
const CONDA_PREFIX: &str = "/anaconda";

/// The channel where nothing names one.
const CHANNEL: &str = "conda-forge";

/// Longest environment or lock file: locks of a few thousand packages have some megabytes.
const LONGEST_LOCK: u64 = 32 * 1024 * 1024;

/// Longest file that is read as an environment.yml for its mistakes; longer ones are locks.
pub const LONGEST_ENVIRONMENT: usize = 256 * 1024;

/// `environments`.
pub fn environments(manifest: &Manifest, desk: &mut Desk<'_>) -> Vec<Want> {
    let all: Vec<&v1::Environment> = present(manifest).collect();
    let names = manifest.environments.iter().map(|environment| &environment.value.name);
    desk.distinct("the environment", names.map(|name| (name.value.as_str().to_owned(), &name.place)));
    let kernels =
        all.iter().filter_map(|environment| Some((kernel(environment)?.name.to_lowercase(), &environment.kernel.as_ref()?.place)));
    let aliases = all.iter().flat_map(|environment| environment.kernel.iter().flat_map(|kernel| &kernel.value.aliases));
    let aliases = aliases.map(|alias| (alias.value.as_str().to_lowercase(), &alias.place));
    desk.distinct("the kernel", kernels.chain(aliases));
    let one = |item: &At<v1::Environment>| match gone(&item.value, manifest) {
        Some(gone) => Some(Want::Gone(gone)),
        None => one_environment(item, manifest, desk).map(Want::Environment),
    };
    manifest.environments.iter().filter_map(one).collect()
}

/// The environments that are to be.
fn present(manifest: &Manifest) -> impl Iterator<Item = &v1::Environment> {
    manifest.environments.iter().map(|environment| &environment.value).filter(|environment| !State::is_absent(environment.state))
}

/// An environment that is not to be; without `from`, wherever it may be.
fn gone(environment: &v1::Environment, manifest: &Manifest) -> Option<Gone> {
    if !State::is_absent(environment.state) {
        return None;
    }
    let name = environment.name.value.as_str().to_owned();
    let from = environment.from.as_ref().map(|from| &from.value);
    let place = |kind: &'static str, below: &str| Some((kind, TargetPath::parse(&format!("{below}/{name}")).ok()?));
    let python = place("python", crate::recipe::PYTHON_ENVIRONMENTS).filter(|_| from.is_none_or(|from| from.conda.is_none()));
    let conda = place("conda", &format!("{}/envs", conda_prefix(manifest)?)).filter(|_| from.is_none_or(|from| from.conda.is_some()));
    let own = environment.kernel.as_ref().and_then(|kernel| kernel.value.name.as_ref());
    let kernel = own.map_or_else(|| usual_kernel(&name), |own| own.as_str()).to_owned();
    let aliases = environment.kernel.iter().flat_map(|kernel| &kernel.value.aliases).map(|alias| alias.value.as_str().to_owned()).collect();
    Some(Gone::Environment { name, places: python.into_iter().chain(conda).collect(), kernel, aliases })
}

fn one_environment(item: &At<v1::Environment>, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Environment> {
    let environment = &item.value;
    desk.say_present_lacks(item, &environment.name.place, "this environment", &[("from", environment.from.is_none())]);
    let owner = match environment.owner {
        Some(v1::EnvironmentOwner::System) => EnvironmentOwner::System,
        Some(v1::EnvironmentOwner::User) | None => EnvironmentOwner::User,
    };
    let extras = match environment.extras {
        Some(v1::EnvironmentExtras::Remove) => Extras::Remove,
        Some(v1::EnvironmentExtras::Keep) | None => Extras::Keep,
    };
    let name = environment.name.value.as_str().to_owned();
    let source = source(environment.from.as_ref()?, manifest, desk)?;
    check_kernel(environment, &source, desk);
    Some(Environment { name, source, owner, extras, kernel: kernel(environment) })
}

/// Azure ML's environments, with the names of their kernels.
const AZURE: [(&str, &str, &str); 3] = [
    ("azureml_py310_sdkv2", "python310-sdkv2", "Python 3.10 - SDK v2"),
    ("azureml_py38", "python38-azureml", "Python 3.8 - AzureML"),
    ("azureml_py36", "python3-azureml", "Python 3.6 - AzureML"),
];

/// The name of an environment's kernel where none is given.
fn usual_kernel(environment: &str) -> &str {
    AZURE.iter().find(|(name, ..)| *name == environment).map_or(environment, |(_, kernel, _)| kernel)
}

/// Packages that are a kernel of Python, or bring one.
const KERNELS: [&str; 7] = ["ipykernel", "jupyter", "jupyterlab", "notebook", "jupyter-console", "nbclassic", "spyder-kernels"];

/// Warns of a kernel that cannot start: nothing that is asked for is one. Other packages may bring it, so it is no error.
fn check_kernel(environment: &v1::Environment, source: &Source, desk: &mut Desk<'_>) {
    let (Some(kernel), Source::Python { requirements, .. }) = (&environment.kernel, source) else { return };
    let name = |requirement: &String| {
        let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(requirement.len());
        project_name(&requirement[..end])
    };
    if !requirements.iter().any(|requirement| KERNELS.contains(&name(requirement).as_str())) {
        let own = environment.name.value.as_str();
        let message = format!("the environment `{own}` has a kernel, and its requirements do not name `ipykernel`, by which it starts");
        desk.warn(Code::MissingKey, &kernel.place, message, "add `ipykernel` to the requirements, or remove `kernel`");
    }
}

fn kernel(environment: &v1::Environment) -> Option<Kernel> {
    let kernel = &environment.kernel.as_ref()?.value;
    let own = environment.name.value.as_str();
    let usual =
        || AZURE.iter().find(|(name, ..)| *name == own).map_or_else(|| format!("Python ({own})"), |(.., label)| (*label).to_owned());
    Some(Kernel {
        name: kernel.name.as_ref().map_or_else(|| usual_kernel(own), |name| name.as_str()).to_owned(),
        display_name: kernel.display_name.as_ref().map_or_else(usual, |name| name.as_str().to_owned()),
        aliases: kernel.aliases.iter().map(|alias| alias.value.as_str().to_owned()).collect(),
    })
}

/// The kernels of a manifest, with the directories of their environments.
pub fn kernels(manifest: &Manifest) -> Vec<(String, TargetPath)> {
    let prefix = |environment: &v1::Environment| {
        let below = if environment.from.as_ref().is_some_and(|from| from.value.conda.is_some()) {
            format!("{}/envs", conda_prefix(manifest)?)
        } else {
            crate::recipe::PYTHON_ENVIRONMENTS.into()
        };
        TargetPath::parse(&format!("{below}/{}", environment.name.value.as_str())).ok()
    };
    let names = |environment: &v1::Environment| kernel(environment).map(|kernel| [vec![kernel.name], kernel.aliases].concat());
    let of = |environment| {
        let prefix = prefix(environment);
        names(environment).unwrap_or_default().into_iter().filter_map(move |name| Some((name, prefix.clone()?)))
    };
    present(manifest).flat_map(of).collect()
}

fn conda_prefix(manifest: &Manifest) -> Option<TargetPath> {
    let written = manifest.conda.as_ref().and_then(|conda| conda.prefix.clone());
    written.or_else(|| TargetPath::parse(CONDA_PREFIX).ok())
}

fn source(from: &At<v1::From>, manifest: &Manifest, desk: &mut Desk<'_>) -> Option<Source> {
    match (&from.value.conda, &from.value.python, &from.value.requirements) {
        (Some(path), None, None) => {
            let file = desk.file(path, LONGEST_LOCK)?;
            check_environment(&file, &path.place, desk);
            let base = file.path.parent().map(|base| base.to_string_lossy().into_owned()).filter(|base| !base.is_empty());
            let channels: Vec<String> =
                manifest.conda.iter().flat_map(|conda| &conda.channels).map(|channel| channel.as_str().to_owned()).collect();
            let channels = if channels.is_empty() { vec![CHANNEL.to_owned()] } else { channels };
            // Where nothing is relative to it, the place of the file has no say in what it means: the same text has the same answer anywhere.
            let base = if file.text.contains("./") { base.unwrap_or_else(|| ".".into()) } else { String::new() };
            let driver = manifest.gpu.as_ref().and_then(|gpu| gpu.driver.as_ref());
            let driver = driver.map(|driver| match &driver.version {
                Some(version) => version.value.as_str().to_owned(),
                None => driver.branch.value.as_str().to_owned(),
            });
            Some(Source::Conda {
                base,
                text: file.text,
                channels,
                prefix: conda_prefix(manifest)?,
                index: index(manifest),
                mirror: conda_mirror(manifest),
                driver,
                machine: said_of_machine(manifest),
            })
        }
        (None, Some(python), requirements) => {
            let requirements =
                requirements.as_ref().map(|requirements| list(requirements, python.value.as_str(), desk)).unwrap_or_default();
            let packages = manifest.packages.iter().flat_map(|packages| &packages.install);
            let packages = packages.map(|request| request.value.as_str().to_owned()).collect();
            Some(Source::Python { version: python.value.as_str().to_owned(), requirements, index: index(manifest), packages })
        }
        (Some(conda), Some(_), _) | (Some(conda), _, Some(_)) => {
            let help = "keep `conda`, or `python` with `requirements`; pip packages of a conda environment stand in its file";
            desk.say(Code::Conflict, &conda.place, "an environment is made from `conda` or from `python`, not both", help);
            None
        }
        (None, None, requirements) => {
            let place = requirements.as_ref().map_or(&from.place, |requirements| &requirements.place);
            let help = "add `conda:`, an environment file, or `python:`, a version such as \"3.11\"";
            desk.say_lack(from, place, "this environment has neither `conda` nor `python`", help);
            None
        }
    }
}

/// What the manifest tells conda of the machine.
fn said_of_machine(manifest: &Manifest) -> SaidOfMachine {
    let Some(said) = manifest.conda.as_ref().and_then(|conda| conda.virtual_packages.as_ref()) else { return SaidOfMachine::default() };
    let version = |version: &Option<VirtualVersion>| version.as_ref().map(|version| version.as_str().to_owned());
    let archspec = said.archspec.as_ref().map(|name| name.as_str().to_owned());
    SaidOfMachine { cuda: version(&said.cuda), glibc: version(&said.glibc), linux: version(&said.linux), archspec }
}

/// The requirements of a list or of a file.
fn list(requirements: &At<Requirements>, python: &str, desk: &mut Desk<'_>) -> Vec<String> {
    match &requirements.value {
        Requirements::List(items) => {
            let kept = items.iter().filter(|item| !requirements::is_refused(item.value.as_str(), &item.place, desk));
            kept.map(|item| item.value.as_str().to_owned()).collect()
        }
        Requirements::File(path) => match desk.file(&requirements.map(|_| path.clone()), super::desk::CARRIED) {
            Some(file) => requirements::read(&file, python, desk),
            None => Vec::new(),
        },
    }
}

/// Finds mistakes of an environment.yml, so that they show with their place now and not later as a failed solve.
fn check_environment(file: &Named, named: &Place, desk: &mut Desk<'_>) {
    let yaml = file.path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    if !yaml || file.text.len() > LONGEST_ENVIRONMENT {
        return;
    }
    desk.show(file);
    let Parsed { root, problems } = parse(&file.name(), &file.text, &mut Tally::default());
    let broken = !problems.is_empty();
    for problem in problems {
        desk.report(problem);
    }
    let keys = ["dependencies", "packages", "package"];
    let has = |node: &Node| matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| keys.contains(&entry.key.as_str())));
    if !broken && !root.as_ref().is_some_and(has) {
        let message = format!("{} is no environment file of conda: it has no `dependencies`", file.name());
        desk.say(Code::BadValue, named, message, "add `dependencies:`, a list of packages");
    }
    for (text, place) in root.iter().flat_map(pip) {
        if text.starts_with('-') {
            let (message, help) = requirements::option(text);
            desk.say(Code::NotYet, &place, message, help);
        } else {
            requirements::is_refused(text, &place, desk);
        }
    }
}

/// What an environment.yml asks of pip, each with where it stands.
fn pip(root: &Node) -> Vec<(&str, Place)> {
    fn under<'n>(node: &'n Node, key: &'static str) -> impl Iterator<Item = &'n Node> {
        let entries = if let Value::Map(entries) = &node.value { entries.as_slice() } else { &[] };
        let all = entries.iter().filter(move |entry| entry.key == key).map(|entry| &entry.value);
        all.flat_map(|node| if let Value::List(items) = &node.value { items.as_slice() } else { &[] })
    }
    let asked = under(root, "dependencies").flat_map(|dependency| under(dependency, "pip"));
    asked
        .filter_map(|node| if let Value::Scalar(scalar) = &node.value { Some((scalar.text.as_str(), node.mark.place())) } else { None })
        .collect()
}

/// Jupyter's own environment has a name that no other may take.
pub fn check_jupyter(manifest: &Manifest, desk: &mut Desk<'_>) {
    let taken = |environment: &&v1::Environment| {
        environment.name.value.as_str() == JUPYTER_ENVIRONMENT && environment.from.as_ref().is_some_and(|from| from.value.python.is_some())
    };
    if let Some(environment) = manifest.environments.iter().map(|environment| &environment.value).find(taken) {
        let message = format!("`{JUPYTER_ENVIRONMENT}` is the environment that `jupyter` makes for itself");
        desk.say(Code::Conflict, &environment.name.place, message, "give this environment another name");
    }
}
