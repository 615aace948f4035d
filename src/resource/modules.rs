//! `modules`: a driver that DKMS builds, for the kernel with which the target starts next: its headers, the built module, and an initramfs
//! that knows what is not to be loaded.
//!
//! A root without a kernel (a container, an image before its kernel) has nothing to build for. Built is what DKMS says it built: the
//! module itself may be packed in several ways.

use super::Resource;
use crate::model::{ResourceId, Sha256};
use crate::step::{Ability, Change, DiskForecast, Op, Step, Tool};
use crate::target::look::{names, stat};
use crate::target::{CheckVerdict, Probe, ProbeError, SecureBoot, secure_boot, unseal};
use serde::Serialize;

/// Modules of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelModules {
    /// What their names begin with, and their own name here.
    pub name: String,
    /// What their version begins with: `550`, or all of it.
    pub version: String,
    /// The files that an initramfs takes along, by their content.
    pub taken_along: Sha256,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// The kernel with which the target starts next, and what is there for it.
#[derive(Debug, Serialize)]
pub struct Kernel {
    release: String,
    has_headers: bool,
    is_built: bool,
    is_known_to_initramfs: bool,
}

const MODULES: &str = "/lib/modules";
const DKMS: &str = "/var/lib/dkms";

/// A release of the kernel in parts that compare as people count: `6.1.0-9` before `6.1.0-28`.
fn ordered(release: &str) -> Vec<(u64, String)> {
    let parts = release.split(['.', '-', '_', '+', '~']);
    parts.map(|part| (part.parse().unwrap_or(0), part.to_owned())).collect()
}

/// What follows the numbers of a release: `cloud-amd64` of `6.1.0-28-cloud-amd64`, by which the package for all kernels is named.
fn flavour(release: &str) -> Option<&str> {
    let at = release.match_indices('-').map(|(at, _)| at + 1).find(|at| release[*at..].starts_with(|c: char| c.is_ascii_alphabetic()))?;
    Some(&release[at..])
}

/// The newest of the kernels that can be started.
fn newest(on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    let mut found = Vec::new();
    for release in names(on, MODULES)? {
        if stat(on, &format!("/boot/vmlinuz-{release}"))?.is_some() {
            found.push(release);
        }
    }
    Ok(found.into_iter().max_by_key(|release| ordered(release)))
}

impl KernelModules {
    /// Whether DKMS built them: `/var/lib/dkms/NAME/VERSION/KERNEL/…`.
    fn built_by_dkms(&self, release: &str, on: &dyn Probe) -> Result<bool, ProbeError> {
        for name in names(on, DKMS)?.iter().filter(|name| name.starts_with(&self.name)) {
            for version in names(on, &format!("{DKMS}/{name}"))?.iter().filter(|version| self.is_version(version)) {
                if !names(on, &format!("{DKMS}/{name}/{version}/{release}"))?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether the distribution brought them, built: `/lib/modules/KERNEL/kernel/nvidia-550…`.
    fn came_built(&self, release: &str, on: &dyn Probe) -> Result<bool, ProbeError> {
        let branch = self.version.split('.').next().unwrap_or_default();
        let stem = format!("{}-{branch}", self.name);
        Ok(names(on, &format!("{MODULES}/{release}/kernel"))?.iter().any(|name| name.starts_with(&stem)))
    }

    fn is_version(&self, version: &str) -> bool {
        version.strip_prefix(&self.version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    fn is_known_to_initramfs(&self, release: &str, on: &dyn Probe) -> Result<bool, ProbeError> {
        if stat(on, &format!("/boot/initrd.img-{release}"))?.is_none() {
            return Ok(true);
        }
        let path = CheckVerdict::of_tool(&Tool::initramfs(release))?;
        let verdict: Option<CheckVerdict> = on.read(&path)?.and_then(|bytes| unseal(&path, &bytes).ok());
        Ok(verdict.is_some_and(|verdict| verdict.digest == self.taken_along))
    }
}

impl Resource for KernelModules {
    type State = Option<Kernel>;

    fn id(&self) -> ResourceId {
        ResourceId::new("modules", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<Self::State, ProbeError> {
        let Some(release) = newest(on)? else { return Ok(None) };
        let came_built = self.came_built(&release, on)?;
        Ok(Some(Kernel {
            has_headers: came_built || stat(on, &format!("/usr/src/linux-headers-{release}"))?.is_some(),
            is_built: came_built || self.built_by_dkms(&release, on)?,
            is_known_to_initramfs: self.is_known_to_initramfs(&release, on)?,
            release,
        }))
    }

    fn diff(&self, now: &Self::State) -> Vec<Step> {
        let Some(Kernel { release, has_headers, is_built, is_known_to_initramfs }) = now else { return Vec::new() };
        let step = |change, op, why: String| Step::new(change, op, why).needs(Ability::Exec).disk(DiskForecast::Unknown);
        let tool = |change, tool, why: &str| step(change, Op::RunTool(tool), why.to_owned());
        // Those of this kernel, and the package that brings those of every later one along.
        let packages = [Some(release.as_str()), flavour(release)].into_iter().flatten().map(|name| format!("linux-headers-{name}"));
        let headers = || step(Change::Add, Op::AptInstall { packages: packages.collect() }, format!("kernel {release} has none"));
        let modules = || tool(Change::Add, Tool::Modules { kernel: release.clone() }, "not built for it");
        let initramfs = Tool::Initramfs { kernel: release.clone(), digest: self.taken_along };
        let initramfs = || tool(Change::Modify, initramfs, "it does not know what is not to be loaded");
        [(!has_headers).then(headers), (!is_built).then(modules), (!is_known_to_initramfs).then(initramfs)].into_iter().flatten().collect()
    }

    fn examine(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let Some(release) = newest(on)? else { return Ok(Vec::new()) };
        let refused = matches!(secure_boot(on)?, SecureBoot::Unknown(_)) && self.built_by_dkms(&release, on)?;
        let said = "Secure Boot is on, and the key with which DKMS signs modules is not enrolled: the driver will not load";
        Ok(refused.then(|| said.to_owned()).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_ordered_as_people_count() {
        let releases = ["6.1.0-9-amd64", "6.1.0-28-cloud-amd64", "6.1.0-28-amd64", "5.15.0-1053-azure"];
        let newest = releases.into_iter().max_by_key(|release| ordered(release));
        assert_eq!(newest, Some("6.1.0-28-cloud-amd64"));
        assert_eq!(releases.map(flavour), [Some("amd64"), Some("cloud-amd64"), Some("amd64"), Some("azure")]);
        assert_eq!(flavour("6.6.87"), None);
    }
}
