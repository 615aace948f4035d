//! `apt`: one request for packages of the distribution.
//!
//! What is installed is read from dpkg's status file, without running anything, so a converged request costs one read.

use super::ssh_seal::Sealed;
use super::{Ownership, Resource, Seal};
use crate::model::{ByteSize, ResourceId, TargetPath};
use crate::step::{Ability, Change, Claim, DiskForecast, Op, Output, Query, Step, Undoes, package_name};
use crate::target::{Claims, Probe, ProbeError, lists_are_current, not_found};
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
    /// What SSH must be allowed to be, where this is for that alone.
    pub for_ssh: Option<Seal>,
    /// Its past.
    pub ownership: Ownership,
}

/// What is missing.
#[derive(Debug, Serialize)]
pub struct State {
    missing: Vec<String>,
    /// What installing it takes, where apt can tell.
    room: Option<ByteSize>,
    /// Those of which apt knows nothing yet.
    unknown: Vec<String>,
    /// Those that are there in another version, with that version.
    others: BTreeMap<String, String>,
    /// Those of them that no upgrade may change.
    held: Vec<String>,
}

impl State {
    /// What is so instead.
    fn why(&self) -> String {
        let mut parts = Vec::new();
        if self.missing.len() > self.others.len() {
            parts.push("not installed".to_owned());
        }
        if !self.unknown.is_empty() {
            let them = if self.unknown.len() == 1 { "it" } else { "them" };
            let names = self.unknown.join(", ");
            parts.push(format!("apt's lists have no {names}: if the name is right, `apt-get update` may bring {them}"));
        }
        parts.extend(self.others.iter().map(|(name, version)| format!("{name} {version} is installed")));
        parts.extend(self.held.iter().map(|name| format!("{name} is on hold, which does not keep it from this")));
        parts.join("; ")
    }
}

/// What apt says it will fetch and what it will unpack, in its question whether to go on; `None` where it asks nothing.
fn room(said: &str) -> Option<ByteSize> {
    let size = |text: &str| ByteSize::parse(&text.replace(',', "")).ok();
    let fetched = said.lines().find_map(|line| line.strip_prefix("Need to get ")?.strip_suffix(" of archives."))?;
    // `Need to get 1,024 B/4,321 kB`: some is there already.
    let fetched = size(fetched.split_once('/').map_or(fetched, |(left, _)| left))?;
    let after = said.lines().find_map(|line| line.strip_prefix("After this operation, "))?;
    let unpacked = match after.strip_suffix(" of additional disk space will be used.") {
        Some(more) => size(more)?,
        None => ByteSize(0),
    };
    let sum = fetched.0 + unpacked.0;
    // It rounds to three digits.
    Some(ByteSize(sum + sum / 100))
}

/// What apt says to installing these. Lists that are absent or older than the sources tell nothing: they are fetched when it is done.
fn asked(missing: &[String], on: &dyn Probe) -> Result<Option<Output>, ProbeError> {
    if missing.is_empty() || !on.has(Ability::Exec) || !lists_are_current(on)? {
        return Ok(None);
    }
    // A forecast that cannot be had (only root may enter a view, say) is no reason to stop.
    Ok(on.query(&Query::PackageRoom(missing.to_vec())).ok())
}

/// Whether an installed version is one that `wanted` allows: `1.2-3`, or a pattern in which `*` stands for any text, as for apt.
fn allows(wanted: &str, version: &str) -> bool {
    let mut parts = wanted.split('*');
    let Some(rest) = parts.next().and_then(|first| version.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, inner)) = parts.split_last() else { return rest.is_empty() };
    let left = inner.iter().try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    left.is_some_and(|rest| rest.ends_with(last))
}

impl Apt {
    /// A request.
    pub fn new(name: impl Into<String>, packages: Vec<String>, requires: Vec<ResourceId>) -> Self {
        Self { name: name.into(), packages, requires, for_ssh: None, ownership: Ownership::default() }
    }

    /// Whether the sources are there that this waits for.
    fn sources_are_there(&self, on: &dyn Probe) -> Result<bool, ProbeError> {
        let paths = self.requires.iter().filter(|id| id.kind == "file").filter_map(|id| TargetPath::parse(&id.name).ok());
        Ok(paths.map(|path| on.stat(&path)).collect::<Result<Vec<_>, _>>()?.iter().all(Option::is_some))
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
        if let Some(access) = self.for_ssh {
            Sealed::read(on)?.allows(access)?;
        }
        let packages = on.packages()?;
        let missing = self.missing(&packages.installed);
        let names = || missing.iter().map(|request| package_name(request));
        let others = names().filter_map(|name| Some((name.to_owned(), packages.installed.get(name)?.clone()))).collect();
        let held = names().filter(|name| packages.held.contains(*name)).map(str::to_owned).collect();
        let said = asked(&missing, on)?;
        let lost = said.as_ref().map(|said| not_found(&said.stderr)).unwrap_or_default();
        let unknown: Vec<String> =
            missing.iter().filter(|request| lost.iter().any(|name| *name == package_name(request))).cloned().collect();
        // They may be in a source that is about to be written.
        let unknown = if unknown.is_empty() || self.sources_are_there(on)? { unknown } else { Vec::new() };
        Ok(State { room: said.and_then(|said| room(&said.stdout)), missing, unknown, others, held })
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
        vec![
            Step::new(Change::Add, op, now.why())
                .disk(now.room.map_or(DiskForecast::Unknown, DiskForecast::AtMost))
                .needs(Ability::Exec)
                .undoes(undoes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Packages;

    #[test]
    fn apt_says_what_it_takes() {
        let said = |lines: &str| room(&format!("0 upgraded, 1 newly installed\n{lines}\nDo you want to continue? [Y/n] N\nAbort.\n"));
        let more = "Need to get 1,024 kB/36.0 MB of archives.\nAfter this operation, 148 MB of additional disk space will be used.";
        assert_eq!(said(more), Some(ByteSize(150_514_240)));
        assert_eq!(said("Need to get 0 B of archives.\nAfter this operation, 3 kB disk space will be freed."), Some(ByteSize(0)));
        assert_eq!(said("E: Unable to locate package x"), None);
    }

    #[test]
    fn a_version_may_be_asked_for() {
        let text = "Package: git\nStatus: install ok installed\nVersion: 1:2.39.5-0+deb12u2\n";
        let apt =
            Apt::new("p", ["git", "git=1:2.39*", "git=1:2.*+deb12*", "git=1:*.5-1*u2", "git=2", "gone"].map(Into::into).into(), Vec::new());
        assert_eq!(apt.missing(&Packages::parse(text).installed), ["git=1:*.5-1*u2", "git=2", "gone"]);
    }
}
