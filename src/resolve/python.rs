//! Python environments: uv resolves, for an interpreter and a platform that are described to it, not for what the host has.

use super::{Cause, Desk};
use crate::model::{ByteSize, Sha256};
use crate::step::{Blob, PythonPackages};
use serde_json::json;
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use toml_edit::{Document, TableLike};

/// The oldest C library that is promised to wheels: that of every release that Fitout supports is newer.
const MANYLINUX: &str = "manylinux_2_28";

/// What is asked for, and what it is for.
pub(super) struct Wanted<'a> {
    /// Requirements.
    pub requirements: &'a [String],
    /// Requirements that hold for what is needed, and ask for nothing themselves.
    pub constraints: &'a [String],
    /// `3.11`.
    pub version: &'a str,
    /// `x86_64`.
    pub machine: &'a str,
    /// Package index; `None` for `PyPI`.
    pub index: Option<&'a str>,
}

impl Desk<'_> {
    pub(super) fn python(&self, wanted: &Wanted<'_>) -> Result<PythonPackages, Cause> {
        let folder = tempfile::tempdir()?;
        let interpreter = describe(folder.path(), wanted.version, wanted.machine)?;
        fs::write(folder.path().join("requirements.in"), wanted.requirements.join("\n"))?;
        fs::write(folder.path().join("constraints.txt"), wanted.constraints.join("\n"))?;
        let platform = format!("{}-{MANYLINUX}", wanted.machine);
        let mut arguments = vec!["pip", "compile", "requirements.in", "--constraints", "constraints.txt"];
        arguments.extend(["--output-file", "pylock.toml", "--format", "pylock.toml"]);
        arguments.extend(["--python", &interpreter, "--python-version", wanted.version, "--python-platform", &platform]);
        // Only wheels: to build one, code of the package would have to run here.
        arguments.extend(["--no-build", "--no-config", "--no-python-downloads", "--system-certs", "--quiet"]);
        arguments.extend(wanted.index.iter().flat_map(|index| ["--default-index", index]));
        self.run_uv(&arguments, folder.path(), wanted.index)?;
        let lock = fs::read_to_string(folder.path().join("pylock.toml"))?;
        let (requirements, wheels) = read(&lock, wanted.version)?;
        Ok(PythonPackages { requirements, wheels, uv: self.uv(wanted.machine, wanted.index)? })
    }
}

/// Makes a program that answers uv's questions about an interpreter as the target's would, and gives its path.
///
/// What uv asks of an interpreter belongs to its release, which is pinned.
fn describe(folder: &Path, version: &str, machine: &str) -> Result<String, Cause> {
    let full = format!("{version}.0");
    let library = format!("lib/python{version}/site-packages");
    let answer = json!({
        "result": "success",
        "markers": {
            "implementation_name": "cpython", "implementation_version": full, "os_name": "posix", "platform_machine": machine,
            "platform_python_implementation": "CPython", "platform_release": "", "platform_system": "Linux", "platform_version": "",
            "python_full_version": full, "python_version": version, "sys_platform": "linux",
        },
        "sys_base_prefix": "/usr", "sys_base_exec_prefix": "/usr", "sys_prefix": "/usr", "sys_path": [], "site_packages": [],
        "sys_base_executable": format!("/usr/bin/python{version}"), "sys_executable": format!("/usr/bin/python{version}"),
        "stdlib": format!("/usr/lib/python{version}"), "extension_suffixes": [], "standalone": false,
        "scheme": {"platlib": format!("/usr/{library}"), "purelib": format!("/usr/{library}"), "include": "/usr/include", "scripts": "/usr/bin", "data": "/usr"},
        "virtualenv": {"purelib": library, "platlib": library, "include": "include", "scripts": "bin", "data": ""},
        "os": {"name": "manylinux", "major": 2, "minor": 28}, "arch": machine, "manylinux_compatible": true, "gil_disabled": false,
        "debug_enabled": false, "pointer_size": "64", "cpu_info": {"detected": {"kind": "flags", "flags": ""}},
    });
    let (program, data) = (folder.join("python"), folder.join("python.json"));
    fs::write(&data, answer.to_string())?;
    fs::write(&program, "#!/bin/sh\nexec cat \"$0.json\"\n")?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    Ok(program.display().to_string())
}

/// Pinned requirements and their wheels, from a `pylock.toml` (PEP 751).
fn read(lock: &str, version: &str) -> Result<(String, Vec<Blob>), Cause> {
    let document = Document::parse(lock).map_err(|e| Cause::unsatisfiable(format!("uv's lock cannot be read: {e}")))?;
    let (mut requirements, mut wheels) = (String::new(), Vec::new());
    for package in document.get("packages").and_then(|packages| packages.as_array_of_tables()).into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let (name, release) = (text("name"), text("version"));
        let wheel = package.get("wheels").and_then(|wheels| best(wheels.as_array()?, version));
        let wheel =
            wheel.ok_or_else(|| Cause::unsatisfiable(format!("{name} {release} has no wheel, and Fitout installs nothing else")))?;
        // A string cannot refuse to be written to.
        writeln!(requirements, "{name}=={release} --hash=sha256:{}", wheel.sha256).unwrap_or_default();
        wheels.push(wheel);
    }
    Ok((requirements, wheels))
}

/// The wheel made for this very interpreter, else for several, else for all: uv lists only such as run.
fn best(wheels: &toml_edit::Array, version: &str) -> Option<Blob> {
    let own = format!("-cp{}-", version.replace('.', ""));
    let rank = |blob: &Blob| u8::from(blob.url.contains("-abi3-")) + 2 * u8::from(blob.url.contains(&own));
    wheels.iter().filter_map(|wheel| blob(wheel.as_inline_table()?)).max_by_key(rank)
}

fn blob(wheel: &dyn TableLike) -> Option<Blob> {
    let sha256 = Sha256::parse(wheel.get("hashes")?.as_table_like()?.get("sha256")?.as_str()?).ok()?;
    let size = wheel.get("size").and_then(|size| u64::try_from(size.as_integer()?).ok()).map(ByteSize);
    Some(Blob { url: wheel.get("url")?.as_str()?.to_owned(), sha256, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lock_of_uv() {
        let (one, other) = (Sha256::of(b"1"), Sha256::of(b"2"));
        let lock = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"six\"\nversion = \"1.17.0\"\n\
             wheels = [{{ url = \"https://example.org/six-1.17.0-py2.py3-none-any.whl\", size = 11050, hashes = {{ sha256 = \"{one}\" }} }}]\n\
             [[packages]]\nname = \"yaml\"\nversion = \"6\"\nmarker = \"python_full_version < '4'\"\nwheels = [\n  \
             {{ url = \"https://example.org/yaml-6-cp311-cp311-manylinux2014_x86_64.whl\", hashes = {{ sha256 = \"{other}\" }} }},\n  \
             {{ url = \"https://example.org/yaml-6-py3-none-any.whl\", hashes = {{ sha256 = \"{one}\" }} }},\n]\n"
        );
        let (requirements, wheels) = read(&lock, "3.11").unwrap();
        assert_eq!(requirements, format!("six==1.17.0 --hash=sha256:{one}\nyaml==6 --hash=sha256:{other}\n"));
        assert_eq!(wheels[0].size, Some(ByteSize(11050)));
        assert!(wheels[1].url.contains("cp311"));
        let source = "[[packages]]\nname = \"old\"\nversion = \"1\"\nsdist = { url = \"https://example.org/old-1.tar.gz\" }\n";
        assert!(read(source, "3.11").unwrap_err().to_string().starts_with("old 1 has no wheel"));
    }
}
