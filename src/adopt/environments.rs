//! Conda and Python environments and Jupyter kernels: told, with the section that would describe them. What is in an environment that
//! somebody made by hand, no file says as it was asked for, so none is stated.

use super::look::{names, people, stat};
use super::section::Section;
use crate::target::{Probe, ProbeError};

/// Where conda and its like are installed for all, and below a home.
const CONDA: [&str; 5] = ["/anaconda", "/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/anaconda3"];
const HOME_CONDA: [&str; 5] = ["miniconda3", "miniforge3", "mambaforge", "anaconda3", ".conda"];
/// Where virtual environments are, beside in a project's folder.
const VENVS: [&str; 3] = [".virtualenvs", ".venvs", "venvs"];
/// What a project calls its own.
const PROJECT: [&str; 2] = [".venv", "venv"];
const KERNELS: [&str; 2] = ["/usr/share/jupyter/kernels", "/usr/local/share/jupyter/kernels"];

/// The section.
pub fn environments(on: &dyn Probe) -> Result<Section, ProbeError> {
    let homes: Vec<String> = people(on)?.into_iter().map(|person| person.home).chain(["/root".to_owned()]).collect();
    let mut section = Section::default();
    let (mut conda, mut venvs, mut kernels, mut pip) = (all(on, &CONDA, "envs")?, Vec::new(), all(on, &KERNELS, "")?, Vec::new());
    for folder in ["/opt", "/srv"] {
        venvs.extend(virtual_ones(on, folder)?);
    }
    for home in &homes {
        let found = in_home(on, home);
        match found {
            Ok([more_conda, more_venvs, more_kernels, more_pip]) => {
                conda.extend(more_conda);
                venvs.extend(more_venvs);
                kernels.extend(more_kernels);
                pip.extend(more_pip);
            }
            Err(error) => section = section.remark(format!("What is in {home} could not be told: {error}")),
        }
    }
    Ok(section
        .list("Conda environments, which `environments` with `from: {conda: …}` would make anew under another name", &conda)
        .list("Python environments, which `environments` with `from: {python: …, requirements: …}` would make anew", &venvs)
        .list("Jupyter kernels, of which `kernel` of an environment makes one", &kernels)
        .list("Packages of `pip install --user`, which stay", &pip))
}

/// Conda's, virtual environments, kernels and pip's own of one home.
fn in_home(on: &dyn Probe, home: &str) -> Result<[Vec<String>; 4], ProbeError> {
    let conda = all(on, &HOME_CONDA.map(|name| format!("{home}/{name}")), "envs")?;
    let mut venvs = virtual_ones(on, home)?;
    for folder in VENVS {
        venvs.extend(virtual_ones(on, &format!("{home}/{folder}"))?);
    }
    let kernels = all(on, &[format!("{home}/.local/share/jupyter/kernels")], "")?;
    let mut pip = Vec::new();
    for python in names(on, &format!("{home}/.local/lib"))?.iter().filter(|name| name.starts_with("python")) {
        let site = format!("{home}/.local/lib/{python}/site-packages");
        let count = names(on, &site)?.iter().filter(|name| name.ends_with(".dist-info")).count();
        pip.extend((count > 0).then(|| format!("{count} in {site}")));
    }
    Ok([conda, venvs, kernels, pip])
}

/// Everything in these folders, or in a folder of that name in each.
fn all(on: &dyn Probe, folders: &[impl AsRef<str>], inside: &str) -> Result<Vec<String>, ProbeError> {
    let mut found = Vec::new();
    for folder in folders.iter().map(AsRef::as_ref) {
        let at = if inside.is_empty() { folder.to_owned() } else { format!("{folder}/{inside}") };
        let is_one = |name: &String| !name.starts_with('.');
        found.extend(names(on, &at)?.into_iter().filter(is_one).map(|name| format!("{at}/{name}")));
    }
    Ok(found)
}

/// Virtual environments in a folder and in the projects there: each has a `pyvenv.cfg`.
fn virtual_ones(on: &dyn Probe, folder: &str) -> Result<Vec<String>, ProbeError> {
    let mut found = Vec::new();
    for name in names(on, folder)? {
        let at = format!("{folder}/{name}");
        for place in [at.clone()].into_iter().chain(PROJECT.map(|inside| format!("{at}/{inside}"))) {
            if stat(on, &format!("{place}/pyvenv.cfg"))?.is_some() {
                found.push(place);
            }
        }
    }
    Ok(found)
}
