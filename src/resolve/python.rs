//! Python environments: uv resolves, for an interpreter and a platform that are described to it, not for what the host has.

use super::{Cause, Desk};
use crate::model::{ByteSize, Sha256, project_name};
use crate::step::{Blob, PythonPackages};
use serde_json::json;
use std::collections::BTreeMap;
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
        let (bare, allowed) = allowed(wanted.requirements);
        fs::write(folder.path().join("requirements.in"), bare.join("\n"))?;
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
        let (requirements, wheels) = read(&lock, wanted.version, &allowed)?;
        Ok(PythonPackages { requirements, wheels, uv: self.uv(wanted.machine, wanted.index)? })
    }
}

/// Hashes of the files that may be taken, by project; no project at all where no requirement has any.
type Allowed = BTreeMap<String, Vec<Sha256>>;

/// Requirements without their hashes, and these. A requirement without any, among such that have, may be any file.
fn allowed(requirements: &[String]) -> (Vec<String>, Allowed) {
    let (mut bare, mut allowed) = (Vec::new(), Allowed::new());
    for requirement in requirements {
        let mut parts = requirement.split(" --hash=sha256:");
        let plain = parts.next().unwrap_or_default().trim();
        let end = plain.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(plain.len());
        allowed.insert(project_name(&plain[..end]), parts.filter_map(|hash| Sha256::parse(hash.trim()).ok()).collect());
        bare.push(plain.to_owned());
    }
    if allowed.values().all(Vec::is_empty) {
        allowed.clear();
    }
    (bare, allowed)
}

/// Whether a file of a project may be taken; an error where the project itself may not.
fn may_be(allowed: &Allowed, name: &str) -> Result<impl Fn(&Blob) -> bool, Cause> {
    let hashes = match allowed.get(&project_name(name)) {
        None if allowed.is_empty() => Vec::new(),
        None => return Err(Cause::unsatisfiable(format!("{name} is needed, and the requirements, which have hashes, do not name it"))),
        Some(hashes) => hashes.clone(),
    };
    Ok(move |blob: &Blob| hashes.is_empty() || hashes.contains(&blob.sha256))
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

/// The addresses of the wheels that a lock names.
pub(super) fn read_lock(lock: &str) -> Result<Vec<String>, Cause> {
    Ok(read(lock, "3.11", &Allowed::new())?.1.into_iter().map(|wheel| wheel.url).collect())
}

/// Pinned requirements and their wheels, from a `pylock.toml` (PEP 751).
fn read(lock: &str, version: &str, allowed: &Allowed) -> Result<(String, Vec<Blob>), Cause> {
    let document = Document::parse(lock).map_err(|e| Cause::unsatisfiable(format!("uv's lock cannot be read: {e}")))?;
    let (mut requirements, mut wheels) = (String::new(), Vec::new());
    for package in document.get("packages").and_then(|packages| packages.as_array_of_tables()).into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let (name, release) = (text("name"), text("version"));
        let may_be = may_be(allowed, name)?;
        let wheel = package.get("wheels").and_then(|wheels| best(wheels.as_array()?, version, &may_be));
        let wheel = wheel.ok_or_else(|| {
            let what = if allowed.is_empty() { "wheel" } else { "wheel of the hashes that are given" };
            Cause::unsatisfiable(format!("{name} {release} has no {what}, and Fitout installs nothing else"))
        })?;
        // A string cannot refuse to be written to.
        writeln!(requirements, "{name}=={release} --hash=sha256:{}", wheel.sha256).unwrap_or_default();
        wheels.push(wheel);
    }
    Ok((requirements, wheels))
}

/// The wheel made for this very interpreter, else for several, else for all: uv lists only such as run.
fn best(wheels: &toml_edit::Array, version: &str, may_be: &dyn Fn(&Blob) -> bool) -> Option<Blob> {
    let own = format!("-cp{}-", version.replace('.', ""));
    let rank = |blob: &Blob| u8::from(blob.url.contains("-abi3-")) + 2 * u8::from(blob.url.contains(&own));
    wheels.iter().filter_map(|wheel| blob(wheel.as_inline_table()?)).filter(may_be).max_by_key(rank)
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
        let (requirements, wheels) = read(&lock, "3.11", &Allowed::new()).unwrap();
        assert_eq!(requirements, format!("six==1.17.0 --hash=sha256:{one}\nyaml==6 --hash=sha256:{other}\n"));
        assert_eq!(wheels[0].size, Some(ByteSize(11050)));
        assert!(wheels[1].url.contains("cp311"));
        let texts =
            [format!("Six==1.17.0 --hash=sha256:{other} --hash=sha256:{one}"), "yaml==6 --hash=sha256:".to_owned() + &one.to_string()];
        let (bare, hashes) = allowed(&texts);
        assert_eq!(bare, ["Six==1.17.0", "yaml==6"]);
        let (requirements, _) = read(&lock, "3.11", &hashes).unwrap();
        assert!(requirements.ends_with(&format!("yaml==6 --hash=sha256:{one}\n")), "the wheel of another hash was taken");
        let said = |texts: &[String]| read(&lock, "3.11", &allowed(texts).1).unwrap_err().to_string();
        assert!(said(&texts[..1]).starts_with("yaml is needed, and the requirements, which have hashes, do not name it"));
        let wrong = [texts[0].clone(), format!("yaml==6 --hash=sha256:{}", "0".repeat(64))];
        assert!(said(&wrong).starts_with("yaml 6 has no wheel of the hashes that are given"));
        let source = "[[packages]]\nname = \"old\"\nversion = \"1\"\nsdist = { url = \"https://example.org/old-1.tar.gz\" }\n";
        assert!(read(source, "3.11", &Allowed::new()).unwrap_err().to_string().starts_with("old 1 has no wheel"));
    }
}
