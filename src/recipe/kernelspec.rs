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

/// The launcher: PATH and `activate.d` of the environment, then its Python.
fn launcher(prefix: &TargetPath) -> String {
    format!(
        "#!/bin/sh\n# {header}\n# Starts a Jupyter kernel in an activated environment.\nset -eu\n\
         CONDA_PREFIX={prefix} VIRTUAL_ENV={prefix} PATH={prefix}/bin:${{PATH:-/usr/bin:/bin}}\nexport CONDA_PREFIX VIRTUAL_ENV PATH\n\
         if [ -d /usr/local/cuda/bin ]; then PATH=$PATH:/usr/local/cuda/bin CUDA_HOME=/usr/local/cuda; export CUDA_HOME; fi\n\
         for script in {prefix}/etc/conda/activate.d/*.sh; do\n\
         \x20   if [ -r \"$script\" ]; then set +eu; . \"$script\"; set -eu; fi\n\
         done\nexec {prefix}/bin/python \"$@\"\n",
        header = crate::resource::HEADER,
    )
}

/// What a kernel leaves: its launcher, and the folder of its kernelspec.
pub(super) fn remains(name: &str) -> Result<[TargetPath; 2], Invalid> {
    Ok([TargetPath::parse(&format!("{LAUNCHERS}/{name}"))?, TargetPath::parse(&format!("{KERNELS}/{name}"))?])
}

/// The files of one kernel.
pub(super) fn lower(kernel: &Kernel, prefix: &TargetPath, environment: ResourceId) -> Result<Vec<Spec>, Invalid> {
    let launcher_path = TargetPath::parse(&format!("{LAUNCHERS}/{}", kernel.name))?;
    let spec_path = TargetPath::parse(&format!("{KERNELS}/{}/kernel.json", kernel.name))?;
    let spec = serde_json::json!({
        "argv": [launcher_path.as_str(), "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": kernel.display_name,
        "language": "python",
        "metadata": {"debugger": true},
    });
    let text = format!("{spec:#}\n");
    let requires = vec![environment];
    let launcher =
        File { requires: requires.clone(), ..File::new(launcher_path.clone(), Content::Inline(launcher(prefix)), Meta::root(Mode::OPEN)) };
    let requires = [requires, vec![ResourceId::new("file", &launcher_path)]].concat();
    Ok(vec![Spec::File(launcher), Spec::File(File { requires, ..File::new(spec_path, Content::Inline(text), Meta::root(Mode::FILE)) })])
}
