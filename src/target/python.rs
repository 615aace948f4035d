//! Builds a Python environment on a target: its own interpreter, wheels that were fetched and verified before, no network.

use super::generation::{Generation, name_prefix};
use super::machine::Machine;
use super::unpack::{below, is_program_in_wheel, program_in_wheel};
use super::{OpError, Progress};
use crate::model::TargetPath;
use crate::step::{Blob, Cmd, PythonBuild, PythonPackages, WORKPLACE};
use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::PoisonError;

/// Where programs that Fitout uses inside the target are kept.
const TOOLS: &str = "/var/cache/fitout/tools";

/// Options of every call of uv: nothing from the network, from files of configuration, or from source.
const STRICT: [&str; 3] = ["--offline", "--no-config", "--no-python-downloads"];

pub(super) fn perform(machine: &Machine, build: &PythonBuild, progress: &dyn Progress) -> Result<(), OpError> {
    Generation(&build.site).renew(machine, progress, || make(machine, build, progress))
}

fn make(machine: &Machine, build: &PythonBuild, progress: &dyn Progress) -> Result<(), OpError> {
    if machine.files.stat(&build.interpreter)?.is_none() {
        return Err(OpError::new(format!("build {}", build.site.prefix), format!("the target has no {}", build.interpreter))
            .hint("let `packages.install` bring it, or name a version of Python that the target has"));
    }
    let uv = tool(machine, &build.packages.uv)?;
    let (interpreter, name) = (build.interpreter.as_str(), build.site.prefix.name());
    let venv =
        [uv.as_str(), "venv", "--no-cache", "--no-project", "--python", interpreter, "--prompt", name, build.site.generation.as_str()];
    machine.must(&Cmd::new(venv.iter().chain(&STRICT).copied()), progress)?;
    install(machine, &build.packages, &build.site.generation, progress)?;
    name_prefix(machine, &build.site).map(drop)
}

/// Installs packages into an environment, and sees that its Python starts.
pub(super) fn install(
    machine: &Machine,
    packages: &PythonPackages,
    environment: &TargetPath,
    progress: &dyn Progress,
) -> Result<(), OpError> {
    let uv = tool(machine, &packages.uv)?;
    let work = below(&folder(WORKPLACE)?, environment.name())?;
    machine.files.remove_tree(&work)?;
    let made = furnish(machine, packages, &work).and_then(|()| run(machine, &uv, &work, environment, progress));
    machine.files.remove_tree(&work)?;
    made
}

fn folder(path: &str) -> Result<TargetPath, OpError> {
    TargetPath::parse(path).map_err(|e| OpError::new(format!("use path {path}"), e))
}

/// The uv program in the target, put there if it is not, or is not what the verified wheel holds.
fn tool(machine: &Machine, wheel: &Blob) -> Result<TargetPath, OpError> {
    let path = below(&folder(TOOLS)?, &format!("uv-{}", wheel.sha256.short()))?;
    let _alone = machine.tools.lock().unwrap_or_else(PoisonError::into_inner);
    let is_sound = match machine.files.open_file(&path)? {
        Some(file) => machine.store.take(&wheel.sha256).and_then(|wheel| is_program_in_wheel(wheel, "uv", file)),
        None => Ok(false),
    };
    if !is_sound.map_err(|e| OpError::new(format!("hold {path} against {}", wheel.url), e))? {
        let unpack = || -> io::Result<File> {
            let mut program = tempfile::tempfile()?;
            program_in_wheel(machine.store.take(&wheel.sha256)?, "uv", &mut program)?;
            program.rewind()?;
            Ok(program)
        };
        let mut program = unpack().map_err(|e| OpError::new(format!("unpack {}", wheel.url), e))?;
        machine.files.write(&path, &mut program, 0o755, (0, 0))?;
    }
    Ok(path)
}

/// Lays the wheels and the requirements out for uv.
fn furnish(machine: &Machine, packages: &PythonPackages, work: &TargetPath) -> Result<(), OpError> {
    for wheel in &packages.wheels {
        let mut file = machine.store.take(&wheel.sha256).map_err(|e| OpError::new(format!("open the download of {}", wheel.url), e))?;
        machine.files.write_unsynced(&below(work, &file_name(wheel)?)?, &mut file, 0o644, (0, 0))?;
    }
    let requirements = below(work, "requirements.txt")?;
    Ok(machine.files.write_unsynced(&requirements, &mut packages.requirements.as_bytes(), 0o644, (0, 0))?)
}

/// A wheel's name, which says what it holds: the end of its address.
fn file_name(wheel: &Blob) -> Result<String, OpError> {
    let act = || format!("use {}", wheel.url);
    let url = url::Url::parse(&wheel.url).map_err(|e| OpError::new(act(), e))?;
    let name = url.path_segments().and_then(Iterator::last).unwrap_or_default();
    // Local versions hold a plus sign, which addresses may write in their own way.
    let name = name.replace("%2B", "+").replace("%2b", "+");
    if Path::new(&name).extension() == Some("whl".as_ref()) { Ok(name) } else { Err(OpError::new(act(), "it does not name a wheel")) }
}

fn run(machine: &Machine, uv: &TargetPath, work: &TargetPath, environment: &TargetPath, progress: &dyn Progress) -> Result<(), OpError> {
    let python = below(environment, "bin/python")?;
    let requirements = format!("{work}/requirements.txt");
    let mut argv = vec![uv.as_str(), "pip", "install", "--python", python.as_str(), "--requirements", &requirements];
    // All dependencies are named, none is looked for.
    argv.extend(["--no-deps", "--require-hashes", "--no-build", "--compile-bytecode", "--no-index", "--find-links", work.as_str()]);
    // Unpacked beside the wheels, linked into the environment, and the other name removed: every file is written once.
    let cmd = Cmd::new(argv.iter().chain(&STRICT).copied());
    machine.must(&cmd.env("UV_CACHE_DIR", format!("{work}/cache")).env("UV_LINK_MODE", "hardlink"), progress)?;
    // uv's own lock, which it leaves writable for all.
    machine.files.remove(&below(environment, ".lock")?)?;
    machine.must(&Cmd::new([python.as_str(), "-c", "import sys"]), progress).map(drop)
}
