//! `apt`: one request for packages of the distribution.
//!
//! What is installed is read from dpkg's status file, without running anything, so a converged request costs one read.

use super::Resource;
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, DiskForecast, Op, Step};
use crate::target::{Probe, ProbeError};
use serde::Serialize;
use std::collections::BTreeMap;

/// Packages that should be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apt {
    /// Names the request.
    pub name: String,
    /// `name`, or `name=version` with a trailing `*` allowed.
    pub packages: Vec<String>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
}

/// What is missing.
#[derive(Debug, Serialize)]
pub struct State {
    missing: Vec<String>,
}

/// dpkg's database.
const STATUS: &str = "/var/lib/dpkg/status";

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// Installed packages of a machine and their versions; also by `name:architecture`.
///
/// # Errors
/// dpkg's database cannot be read.
pub fn installed_packages(on: &dyn Probe) -> Result<BTreeMap<String, String>, ProbeError> {
    let bytes = on.read(&path(STATUS)?)?.unwrap_or_default();
    Ok(parse_status(&String::from_utf8_lossy(&bytes)))
}

/// The packages of a status file that are installed, with their versions (deb822, as dpkg writes it).
fn parse_status(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let (Some(name), Some(version), Some(status)) = (field("Package"), field("Version"), field("Status"))
            && status.ends_with(" ok installed")
        {
            if let Some(architecture) = field("Architecture") {
                found.insert(format!("{name}:{architecture}"), version.to_owned());
            }
            found.insert(name.to_owned(), version.to_owned());
        }
    }
    found
}

/// Whether an installed version is one that `wanted` allows (`1.2-3`, or `1.2*`).
fn allows(wanted: &str, version: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => version.starts_with(prefix),
        None => version == wanted,
    }
}

impl Apt {
    fn missing(&self, installed: &BTreeMap<String, String>) -> Vec<String> {
        let is_there = |request: &&String| match request.split_once('=') {
            Some((name, wanted)) => installed.get(name).is_some_and(|version| allows(wanted, version)),
            None => installed.contains_key(request.as_str()),
        };
        self.packages.iter().filter(|request| !is_there(request)).cloned().collect()
    }
}

impl Resource for Apt {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("apt", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        Ok(State { missing: self.missing(&installed_packages(on)?) })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        if now.missing.is_empty() {
            return Vec::new();
        }
        let why = format!("{} of {} not installed", now.missing.len(), self.packages.len());
        vec![Step::new(Change::Add, Op::AptInstall { packages: now.missing.clone() }, why).disk(DiskForecast::Unknown).needs(Ability::Exec)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.39.5-0+deb12u2\n\n\
        Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1.0\n\n\
        Package: half\nStatus: install ok half-configured\nVersion: 1.0\n";

    #[test]
    fn only_what_is_wholly_installed_counts() {
        let found = parse_status(TEXT);
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["git", "git:amd64"]);
        let apt = Apt {
            name: "p".into(),
            packages: ["git", "git=1:2.39*", "git=2", "half", "gone"].map(Into::into).into(),
            requires: Vec::new(),
        };
        assert_eq!(apt.missing(&found), ["git=2", "half", "gone"]);
    }
}
