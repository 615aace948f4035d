//! `apt`: one request for packages of the distribution.
//!
//! What is installed is read from dpkg's status file, without running anything, so a converged request costs one read.

use super::{Ownership, Resource};
use crate::model::ResourceId;
use crate::step::{Ability, Change, Claim, DiskForecast, Op, Step, Undoes, package_name};
use crate::target::{Claims, Probe, ProbeError};
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
    /// Its past.
    pub ownership: Ownership,
}

/// What is missing.
#[derive(Debug, Serialize)]
pub struct State {
    missing: Vec<String>,
}

/// Whether an installed version is one that `wanted` allows (`1.2-3`, or `1.2*`).
fn allows(wanted: &str, version: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => version.starts_with(prefix),
        None => version == wanted,
    }
}

impl Apt {
    /// A request.
    pub fn new(name: impl Into<String>, packages: Vec<String>, requires: Vec<ResourceId>) -> Self {
        Self { name: name.into(), packages, requires, ownership: Ownership::default() }
    }

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

    fn claims(&self) -> Claims {
        self.packages.iter().map(|request| (package_name(request).to_owned(), request.clone())).collect()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        Ok(State { missing: self.missing(&on.packages()?.installed) })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        if now.missing.is_empty() {
            return Vec::new();
        }
        let gone = |request: &String| {
            Claim::new(package_name(request), format!("{request} was installed, and somebody removed or changed it; it stays so"))
        };
        let undoes = Undoes::Claims(now.missing.iter().map(gone).collect());
        let op = Op::AptInstall { packages: now.missing.clone() };
        vec![Step::new(Change::Add, op, "not installed").disk(DiskForecast::Unknown).needs(Ability::Exec).undoes(undoes)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Packages;

    #[test]
    fn a_version_may_be_asked_for() {
        let text = "Package: git\nStatus: install ok installed\nVersion: 1:2.39.5-0+deb12u2\n";
        let apt = Apt::new("p", ["git", "git=1:2.39*", "git=2", "gone"].map(Into::into).into(), Vec::new());
        assert_eq!(apt.missing(&Packages::parse(text).installed), ["git=2", "gone"]);
    }
}
