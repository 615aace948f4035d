//! Kernelspecs: how Jupyter starts the interpreter of an environment.
//!
//! A kernel starts through a small launcher that activates the environment as a shell would, so that a notebook sees what a
//! terminal sees.

use super::Kernel;
use crate::model::{Invalid, Meta, Mode, ResourceId, TargetPath};
use crate::resource::{File, Spec};
use crate::step::Content;

/// System-wide kernels, the last place that Jupyter looks in, so that a user's own kernel of the same name wins.
pub const KERNELS: &str = "/usr/local/share/jupyter/kernels";

/// Where launchers live.
const LAUNCHERS: &str = "/usr/local/lib/fitout/kernels";

/// The environment that a kernel runs in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'a> {
    /// Where it is; its name is the last part.
    pub prefix: &'a TargetPath,
    /// How it is activated.
    pub kind: Activation,
    /// What its kernel speaks.
    pub language: Language,
}

/// How an environment is activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// As conda does it.
    Conda,
    /// As a virtual environment of Python.
    Python,
}

/// What a kernel speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Through ipykernel.
    Python,
    /// Through `IRkernel`.
    R,
}

/// What `conda activate` sets: its own variables, those of the environment's `state`, and what `activate.d` says.
const CONDA: &str = "\
CONDA_PREFIX=$prefix CONDA_DEFAULT_ENV=${prefix##*/} CONDA_SHLVL=1
export CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL
if [ -r \"$prefix/conda-meta/state\" ] && [ -x \"$prefix/bin/python\" ]; then
    eval \"$(\"$prefix/bin/python\" -I -c '
import json, shlex, sys
for name, value in json.load(open(sys.argv[1])).get(\"env_vars\", {}).items():
    print(\"export \" + shlex.quote(name) + \"=\" + shlex.quote(value))' \"$prefix/conda-meta/state\")\"
fi
for script in \"$prefix\"/etc/conda/activate.d/*.sh; do
    if [ -r \"$script\" ]; then set +eu; . \"$script\"; set -eu; fi
done
";

/// What the `activate` of a virtual environment sets.
const PYTHON: &str = "VIRTUAL_ENV=$prefix; export VIRTUAL_ENV\n";

/// The launcher: the environment as a shell has it when it is activated, then its interpreter.
fn launcher(home: Home<'_>) -> String {
    let activate = if home.kind == Activation::Conda { CONDA } else { PYTHON };
    let program = if home.language == Language::R { "R" } else { "python" };
    format!(
        "#!/bin/sh\n# {header}\n# Starts a Jupyter kernel in an activated environment.\nset -eu\nprefix='{prefix}'\n\
         PATH=$prefix/bin:${{PATH:-/usr/bin:/bin}}; export PATH\n\
         if [ -d /usr/local/cuda/bin ]; then PATH=$PATH:/usr/local/cuda/bin CUDA_HOME=/usr/local/cuda; export CUDA_HOME; fi\n\
         {activate}exec \"$prefix/bin/{program}\" \"$@\"\n",
        header = crate::resource::HEADER,
        prefix = home.prefix.as_str().replace('\'', r"'\''"),
    )
}

/// The text of a kernelspec.
fn spec(launcher: &TargetPath, display_name: &str, language: Language) -> String {
    let arguments: &[&str] = match language {
        Language::Python => &["-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        Language::R => &["--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
    };
    let argv: Vec<&str> = [launcher.as_str()].iter().chain(arguments).copied().collect();
    let (language, metadata) = match language {
        Language::Python => ("python", serde_json::json!({"debugger": true})),
        Language::R => ("R", serde_json::json!({})),
    };
    let spec = serde_json::json!({"argv": argv, "display_name": display_name, "language": language, "metadata": metadata});
    format!("{spec:#}\n")
}

/// What a kernel leaves: its launcher, and the folder of its kernelspec.
pub(super) fn remains(name: &str) -> Result<[TargetPath; 2], Invalid> {
    Ok([TargetPath::parse(&format!("{LAUNCHERS}/{name}"))?, TargetPath::parse(&format!("{KERNELS}/{name}"))?])
}

/// The files of one kernel, under its name and under those that it had before.
pub(super) fn lower(kernel: &Kernel, home: Home<'_>, environment: ResourceId) -> Result<Vec<Spec>, Invalid> {
    let path = TargetPath::parse(&format!("{LAUNCHERS}/{}", kernel.name))?;
    let text = Content::Inline(launcher(home).into());
    let launcher = File { requires: vec![environment.clone()], ..File::new(path.clone(), text, Meta::root(Mode::OPEN)) };
    let requires = vec![environment, ResourceId::new("file", &path)];
    let file = |name: &str, display_name: &str| -> Result<Spec, Invalid> {
        let text = Content::Inline(spec(&path, display_name, home.language).into());
        let at = TargetPath::parse(&format!("{KERNELS}/{name}/kernel.json"))?;
        Ok(Spec::File(File { requires: requires.clone(), ..File::new(at, text, Meta::root(Mode::FILE)) }))
    };
    let mut specs = vec![Spec::File(launcher), file(&kernel.name, &kernel.display_name)?];
    for alias in &kernel.aliases {
        specs.push(file(alias, &format!("{} (once {alias})", kernel.display_name))?);
    }
    Ok(specs)
}
