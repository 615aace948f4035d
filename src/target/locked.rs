//! Packages of the distribution that a lock names: while a run is bound to one, apt takes these releases and nothing else.
//!
//! The list lies in Fitout's state for the length of such a run. Before anything is installed, what apt is about to fetch is held against
//! it, digest by digest.

use super::{OpError, Probe, ProbeError, Target};
use crate::model::{ByteSize, Sha256, TargetPath};
use crate::step::Query;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where the list is while a run is bound to it, and the same as apt reads it.
const LIST: &str = "/var/lib/fitout/state/locked-packages.json";
const PREFERENCES: &str = "/var/lib/fitout/state/locked-packages.pref";

/// A release of a package, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Its version.
    pub version: String,
    /// What its file must be.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: ByteSize,
}

/// Releases of packages, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageFiles(pub BTreeMap<String, PackageFile>);

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

impl PackageFiles {
    /// What apt would fetch to install these packages, those that are installed included where their source still has them.
    ///
    /// # Errors
    /// apt cannot be asked, or cannot do it; what it said.
    pub fn ask(packages: &[String], on: &dyn Probe) -> Result<Self, ProbeError> {
        let said = on.query(&Query::PackageFiles(packages.to_vec()))?;
        if said.status != 0 {
            let cause = said.stderr.lines().filter(|line| line.starts_with("E:")).collect::<Vec<_>>().join("; ");
            let unknown = if cause.contains("Unable to locate") { " (`apt-get update` there fetches its lists)" } else { "" };
            return Err(ProbeError::new(format!("ask apt for {}", packages.join(" ")), format!("{cause}{unknown}")));
        }
        Ok(Self::parse(&said.stdout))
    }

    /// Reads lines such as `'http://…/git_1%3a2.39_amd64.deb' git_1%3a2.39_amd64.deb 7256 SHA256:…`.
    fn parse(said: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.strip_prefix('\'')?.split_once("' ")?.1.split(' ');
            let (file, size, digest) = (words.next()?, words.next()?, words.next()?);
            let mut parts = file.strip_suffix(".deb")?.splitn(3, '_');
            let (name, version) = (parts.next()?.to_owned(), parts.next()?.replace("%3a", ":"));
            let (sha256, size) = (Sha256::parse(digest.strip_prefix("SHA256:")?).ok()?, ByteSize(size.parse().ok()?));
            Some((name, PackageFile { version, sha256, size }))
        };
        Self(said.lines().filter_map(line).collect())
    }

    /// The list that a run in hand is bound to.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn bound(on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let path = path(LIST)?;
        let Some(bytes) = on.read(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| ProbeError::new(format!("read {path}"), e))
    }

    /// Binds the run that begins to these releases.
    ///
    /// # Errors
    /// It could not be written.
    pub fn bind(&self, on: &dyn Target) -> Result<(), OpError> {
        let list = serde_json::to_vec(self).map_err(|e| OpError::new(format!("write {LIST}"), e))?;
        on.keep(&path(PREFERENCES)?, self.preferences().as_bytes())?;
        on.keep(&path(LIST)?, &list)
    }

    /// Ends what a run was bound to.
    ///
    /// # Errors
    /// It is still there.
    pub fn release(on: &dyn Target) -> Result<(), OpError> {
        for name in [LIST, PREFERENCES] {
            if on.stat(&path(name)?)?.is_some() {
                on.discard(&path(name)?)?;
            }
        }
        Ok(())
    }

    /// Options by which apt prefers these releases to all others, while a run is bound to them.
    pub(super) fn options(on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let bound = on.stat(&path(PREFERENCES)?)?.is_some();
        Ok(if bound { vec![format!("-oDir::Etc::Preferences={PREFERENCES}"), "--allow-downgrades".into()] } else { Vec::new() })
    }

    /// Above 1000, so that even what is installed gives way (`apt_preferences(5)`).
    fn preferences(&self) -> String {
        let mut text = String::new();
        for (name, file) in &self.0 {
            // A string cannot refuse to be written to.
            writeln!(text, "Package: {name}\nPin: version {}\nPin-Priority: 1001\n", file.version).unwrap_or_default();
        }
        text
    }

    /// What of `others` is not among these, in words.
    #[must_use]
    pub fn lacks(&self, others: &Self) -> Vec<String> {
        let differs = |(name, file): (&String, &PackageFile)| match self.0.get(name) {
            None => Some(format!("{name} {} is not in the lock", file.version)),
            Some(locked) if locked.version != file.version => Some(format!("{name} is {} and not {}", file.version, locked.version)),
            Some(locked) if locked.sha256 != file.sha256 => Some(format!("{name} {} is another file", file.version)),
            Some(_) => None,
        };
        others.0.iter().filter_map(differs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_would_fetch() {
        let digest = Sha256::of(b"git");
        let said = format!(
            "Reading package lists...\n'http://deb.debian.org/debian/pool/main/g/git/git_2.39.5-0%2bdeb12u2_amd64.deb' git_1%3a2.39.5-0+deb12u2_amd64.deb 7256 SHA256:{digest}\n"
        );
        let files = PackageFiles::parse(&said);
        assert_eq!(files.0["git"], PackageFile { version: "1:2.39.5-0+deb12u2".into(), sha256: digest, size: ByteSize(7256) });
        assert!(files.lacks(&files).is_empty());
        assert_eq!(PackageFiles::default().lacks(&files), ["git 1:2.39.5-0+deb12u2 is not in the lock"]);
        assert!(files.preferences().contains("Package: git\nPin: version 1:2.39.5-0+deb12u2\nPin-Priority: 1001\n"));
    }
}
