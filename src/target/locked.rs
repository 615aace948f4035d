//! Packages of the distribution that a lock names: while a run is bound to one, apt takes these releases and nothing else.
//!
//! The list lies in Fitout's state for the length of such a run. Before anything is installed, what apt is about to fetch is held against
//! it, digest by digest. Where no network may be asked, apt takes them from a repository on the machine itself, made of what the cache holds.

use super::machine::Machine;
use super::unpack::control_of_package;
use super::{OpError, Probe, ProbeError, Silent, Target, Trouble};
use crate::model::{ByteSize, Sha256, TargetPath, redacted};
use crate::step::{Beside, Blob, Query, package_name};
use crate::store::Held;
use nix::sys::stat::Mode as Bits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where the list is while a run is bound to it, and the same as apt reads it.
const LIST: &str = "/var/lib/fitout/state/locked-packages.json";
const PREFERENCES: &str = "/var/lib/fitout/state/locked-packages.pref";
/// The repository on the machine itself, what names it as a source, and where apt keeps what it read of it.
const SHELF: &str = "/var/lib/fitout/state/locked-packages";
const SOURCE: &str = "/var/lib/fitout/state/locked-packages/sources.list";
const LISTS: &str = "/var/lib/fitout/state/locked-packages/lists";

/// Where apt keeps what it fetched.
const ARCHIVES: &str = "/var/cache/apt/archives";

/// A release of a package, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Its version.
    pub version: String,
    /// What its file must be.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: ByteSize,
    /// Where apt would fetch it; empty where that is not to be told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl PackageFile {
    /// Its file, where that comes over a network.
    #[must_use]
    pub fn blob(&self) -> Option<Blob> {
        let blob = Blob { url: self.url.clone(), sha256: self.sha256, size: Some(self.size) };
        ["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme)).then_some(blob)
    }
}

/// Releases of packages, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageFiles(pub BTreeMap<String, PackageFile>);

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

impl PackageFiles {
    /// What apt would fetch to install these packages: beside what is installed, of which it fetches these anew where their source still
    /// has them, or beside nothing, with all that they need.
    ///
    /// # Errors
    /// apt cannot be asked, or cannot do it; what it said.
    pub fn ask(packages: &[String], beside: Beside, on: &dyn Probe) -> Result<Self, ProbeError> {
        let said = on.query(&Query::PackageFiles(packages.to_vec(), beside))?;
        if said.status != 0 {
            let cause = said.stderr.lines().filter(|line| line.starts_with("E:")).collect::<Vec<_>>().join("; ");
            return Err(ProbeError::new(format!("ask apt for {}", packages.join(" ")), cause).of(Trouble::Unlisted));
        }
        Ok(Self::parse(&said.stdout))
    }

    /// Reads lines such as `'http://…/git_1%3a2.39_amd64.deb' git_1%3a2.39_amd64.deb 7256 SHA256:…`.
    fn parse(said: &str) -> Self {
        let line = |line: &str| {
            let (url, rest) = line.strip_prefix('\'')?.split_once("' ")?;
            let url = if redacted(url) == url { url.to_owned() } else { String::new() };
            let mut words = rest.split(' ');
            let (file, size, digest) = (words.next()?, words.next()?, words.next()?);
            let mut parts = file.strip_suffix(".deb")?.splitn(3, '_');
            let (name, version) = (parts.next()?.to_owned(), parts.next()?.replace("%3a", ":"));
            let (sha256, size) = (Sha256::parse(digest.strip_prefix("SHA256:")?).ok()?, ByteSize(size.parse().ok()?));
            Some((name, PackageFile { version, sha256, size, url }))
        };
        Self(said.lines().filter_map(line).collect())
    }

    /// Whether apt can install these packages with what the machine has: it fetched them before, or has them on a disk.
    ///
    /// # Errors
    /// The machine cannot be looked at.
    pub fn are_there(packages: &[String], on: &dyn Probe) -> Result<bool, ProbeError> {
        let Ok(files) = Self::ask(packages, Beside::Installed, on) else { return Ok(false) };
        let fetched = on.list(&path(ARCHIVES)?)?.unwrap_or_default();
        // `git_1%3a2.39_amd64.deb`, as apt names what it fetched.
        let begins = |name: &str, file: &PackageFile| format!("{name}_{}_", file.version.replace(':', "%3a"));
        let is_there = |(name, file): (&String, &PackageFile)| {
            file.blob().is_none() || fetched.iter().any(|entry| entry.starts_with(&begins(name, file)))
        };
        Ok(files.0.iter().all(is_there))
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
        for name in [LIST, PREFERENCES, SHELF] {
            if on.stat(&path(name)?)?.is_some() {
                on.discard(&path(name)?)?;
            }
        }
        Ok(())
    }

    /// Options by which apt prefers these releases to all others, while a run is bound to them.
    pub(super) fn options(on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let mut options = Vec::new();
        if on.stat(&path(PREFERENCES)?)?.is_some() {
            options.extend([format!("-oDir::Etc::Preferences={PREFERENCES}"), "--allow-downgrades".into()]);
        }
        if on.stat(&path(SOURCE)?)?.is_some() {
            options.extend(shelf_options());
        }
        Ok(options)
    }

    /// Whether apt has a repository of these on the machine itself.
    pub(super) fn are_shelved(on: &dyn Probe) -> Result<bool, ProbeError> {
        Ok(on.stat(&path(SOURCE)?)?.is_some())
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

/// Options by which apt knows the repository on the machine itself, and no other.
fn shelf_options() -> Vec<String> {
    vec![
        format!("-oDir::Etc::SourceList={SOURCE}"),
        "-oDir::Etc::SourceParts=/dev/null".into(),
        format!("-oDir::State::Lists={LISTS}"),
        // The folder is root's alone, and all in it was verified.
        "-oAPT::Sandbox::User=root".into(),
    ]
}

impl Machine {
    /// Makes a repository of the packages that the cache holds, for a run that may ask no network; where the cache lacks one that is asked
    /// for, apt is left to what it has.
    ///
    /// # Errors
    /// It could not be written, or a package in the cache is none.
    pub fn shelve(&self, locked: &PackageFiles, asked: &[String]) -> Result<(), OpError> {
        let held = |file: &PackageFile| matches!(self.store.look(&file.sha256), Ok(Held::Whole(_)));
        let is_there = |request: &String| locked.0.get(package_name(request)).is_some_and(held);
        if !asked.iter().all(is_there) {
            return Ok(());
        }
        self.files.remove_tree(&path(SHELF)?)?;
        self.files.make_directories(&path(&format!("{LISTS}/partial"))?, Bits::S_IRWXU)?;
        let mut index = String::new();
        for file in locked.0.values().filter(|file| held(file)) {
            let act = || format!("read package {}", self.store.path(&file.sha256).display());
            let mut package = self.store.take(&file.sha256).map_err(|e| OpError::new(act(), e))?;
            let control = control_of_package(&mut package).map_err(|e| OpError::new(act(), e))?;
            let name = format!("{}.deb", file.sha256);
            let mut package = self.store.take(&file.sha256).map_err(|e| OpError::new(act(), e))?;
            self.files.write_unsynced(&path(&format!("{SHELF}/{name}"))?, &mut package, 0o600, (0, 0))?;
            let told = format!("{}\nFilename: ./{name}\nSize: {}\nSHA256: {}\n\n", control.trim_end(), file.size.0, file.sha256);
            index.push_str(&told);
        }
        self.keep(&path(&format!("{SHELF}/Packages"))?, index.as_bytes())?;
        self.keep(&path(SOURCE)?, format!("deb [trusted=yes] file:{SHELF} ./\n").as_bytes())?;
        let options = shelf_options();
        let all: Vec<&str> = options.iter().map(String::as_str).chain(["update"]).collect();
        self.work(&self.apt(&all), &Silent).map(drop)
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
        let url = "http://deb.debian.org/debian/pool/main/g/git/git_2.39.5-0%2bdeb12u2_amd64.deb".to_owned();
        let wanted = PackageFile { version: "1:2.39.5-0+deb12u2".into(), sha256: digest, size: ByteSize(7256), url };
        assert_eq!(files.0["git"], wanted);
        assert_eq!(wanted.blob().unwrap().size, Some(ByteSize(7256)));
        assert!(files.lacks(&files).is_empty());
        assert_eq!(PackageFiles::default().lacks(&files), ["git 1:2.39.5-0+deb12u2 is not in the lock"]);
        assert!(files.preferences().contains("Package: git\nPin: version 1:2.39.5-0+deb12u2\nPin-Priority: 1001\n"));
    }
}
