//! Lock files of others as environments: pixi's and rattler's, and conda-lock's, which the same library reads.

use super::conda::Chosen;
use super::{Cause, Desk};
use crate::model::Sha256;
use crate::step::{Blob, PythonPackages};
use crate::target::chain;
use rattler_conda_types::{Channel, ChannelConfig, Subdir};
use rattler_lock::{LockFile, PypiPackageData};
use std::fmt::Write;
use std::path::Path;

impl Desk<'_> {
    /// The packages of a lock for this platform.
    pub(super) fn locked(&self, text: &str, base: &Path, subdir: Subdir, (machine, index): (&str, Option<&str>)) -> Result<Chosen, Cause> {
        let (mut chosen, requirements, wheels) = read(text, base, subdir)?;
        if !wheels.is_empty() {
            chosen.pip = Some(PythonPackages { requirements, wheels, uv: self.uv(machine, index)? });
        }
        Ok(chosen)
    }
}

/// Packages of channels, and those of Python: pinned requirements and their wheels.
pub(super) fn read(text: &str, base: &Path, subdir: Subdir) -> Result<(Chosen, String, Vec<Blob>), Cause> {
    let lock = LockFile::from_str_with_base_directory(text, Some(base));
    let lock = lock.map_err(|e| Cause::unsatisfiable(format!("the lock file cannot be read: {}", chain(&e))))?;
    let first = || lock.environments().next().map(|(_, environment)| environment);
    let environment =
        lock.default_environment().or_else(first).ok_or_else(|| Cause::unsatisfiable("the lock file holds no environment"))?;
    let platform = environment.platforms().find(|platform| platform.subdir() == subdir);
    let platform = platform.ok_or_else(|| Cause::unsatisfiable(format!("the lock file holds nothing for {subdir}")))?;
    let (mut requirements, mut wheels) = (String::new(), Vec::new());
    for package in environment.pypi_packages(platform).into_iter().flatten() {
        let (name, release) = (package.name().to_string(), package.version_string());
        let wheel = wheel(package).ok_or_else(|| {
            let cause = format!("the lock file names {name} {release} of PyPI by no wheel with a sha256, and Fitout installs nothing else");
            Cause::unsatisfiable(cause)
        })?;
        // A string cannot refuse to be written to.
        writeln!(requirements, "{name}=={release} --hash=sha256:{}", wheel.sha256).unwrap_or_default();
        wheels.push(wheel);
    }
    let records = environment.conda_repodata_records(platform).map_err(Cause::unsatisfiable)?.unwrap_or_default();
    let config = ChannelConfig::default_with_root_dir(base.into());
    let channels = environment.channels().iter().map(|channel| Channel::from_str(&channel.url, &config).map_err(Cause::unsatisfiable));
    let channels = channels.collect::<Result<_, _>>()?;
    Ok((Chosen { channels, records, ..Chosen::default() }, requirements, wheels))
}

/// A wheel with its digest; `None` for what is none.
fn wheel(package: &PypiPackageData) -> Option<Blob> {
    let wheel = package.as_wheel()?;
    let mut url = wheel.location.try_into_url().ok()?;
    url.set_fragment(None);
    let sha256 = wheel.hash.as_ref()?.sha256()?;
    let is_wheel = Path::new(url.path()).extension().is_some_and(|ending| ending == "whl");
    is_wheel.then(|| Blob { url: url.to_string(), sha256: Sha256::from_bytes((*sha256).into()), size: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "6f06cb0d1c8c3f7b2b6e2a0c1d5c4e3f2a1b0c9d8e7f60514233241506172839";

    fn conda_lock(pip: &str) -> String {
        format!(
            "version: 1\nmetadata:\n  content_hash: {{linux-64: {DIGEST}}}\n  channels:\n  - url: conda-forge\n    used_env_vars: []\n  \
             platforms:\n  - linux-64\n  - osx-arm64\n  sources:\n  - environment.yml\npackage:\n\
             - name: numpy\n  version: 2.1.0\n  manager: conda\n  platform: linux-64\n  dependencies:\n    libblas: '>=3.9.0,<4.0a0'\n    python: ''\n  \
             url: https://conda.anaconda.org/conda-forge/linux-64/numpy-2.1.0-py312h1103770_0.conda\n  \
             hash:\n    md5: 9709027e8a51a3476db65a3c0cf806c2\n    sha256: {DIGEST}\n  category: main\n  optional: false\n\
             - name: tzdata\n  version: 2024a\n  manager: conda\n  platform: linux-64\n  dependencies: {{}}\n  \
             url: https://conda.anaconda.org/conda-forge/noarch/tzdata-2024a-h8827d51_1.conda\n  \
             hash:\n    md5: 8bfdead4e0fff0383ae4c9c50d0531bd\n    sha256: {DIGEST}\n  category: main\n  optional: false\n{pip}"
        )
    }

    fn pip(url: &str) -> String {
        format!(
            "- name: six\n  version: 1.16.0\n  manager: pip\n  platform: linux-64\n  dependencies: {{}}\n  url: {url}\n  \
             hash:\n    sha256: {DIGEST}\n  category: main\n  optional: false\n"
        )
    }

    #[test]
    fn the_lock_of_conda_lock_is_read_with_its_packages_of_pypi() {
        let text = conda_lock(&pip("https://files.pythonhosted.org/packages/six-1.16.0-py2.py3-none-any.whl"));
        let (chosen, requirements, wheels) = read(&text, Path::new("/"), Subdir::Linux64).unwrap();
        let urls: Vec<&str> = chosen.records.iter().map(|record| record.url.path_segments().unwrap().next_back().unwrap()).collect();
        assert_eq!(urls, ["numpy-2.1.0-py312h1103770_0.conda", "tzdata-2024a-h8827d51_1.conda"]);
        assert!(chosen.records.iter().all(|record| record.package_record.sha256.is_some()));
        assert!(chosen.records[1].package_record.noarch.is_generic());
        assert_eq!(chosen.channels[0].base_url.as_str(), "https://conda.anaconda.org/conda-forge/");
        assert_eq!(requirements, format!("six==1.16.0 --hash=sha256:{DIGEST}\n"));
        assert_eq!(wheels[0].url, "https://files.pythonhosted.org/packages/six-1.16.0-py2.py3-none-any.whl");
    }

    #[test]
    fn what_is_no_wheel_or_for_no_such_platform_is_refused() {
        let said = |text: &str, subdir| read(text, Path::new("/"), subdir).map(drop).unwrap_err().to_string();
        let source = conda_lock(&pip("https://files.pythonhosted.org/packages/six-1.16.0.tar.gz"));
        assert!(said(&source, Subdir::Linux64).starts_with("the lock file names six 1.16.0 of PyPI by no wheel with a sha256"));
        assert_eq!(said(&conda_lock(""), Subdir::LinuxAarch64), "the lock file holds nothing for linux-aarch64");
        assert!(said("version: 99\n", Subdir::Linux64).starts_with("the lock file cannot be read"));
    }
}
