//! What dpkg's status file says, read without running dpkg.

use super::{Probe, ProbeError};
use crate::model::TargetPath;
use std::collections::{BTreeMap, BTreeSet};

/// dpkg's database.
pub(super) const STATUS: &str = "/var/lib/dpkg/status";

/// Packages of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// Those that are wholly installed, with their versions; also by `name:architecture`.
    pub installed: BTreeMap<String, String>,
    /// Those that no upgrade may change.
    pub held: BTreeSet<String>,
    /// Their files may be incomplete: they must be installed anew, which apt does only where they are named.
    pub half_installed: Vec<String>,
    /// Those that the system cannot be without: essential, or protected.
    pub essential: BTreeSet<String>,
    /// Unpacked, half configured, or waiting for triggers: dpkg can go on with them.
    pub unconfigured: Vec<String>,
}

/// The fields of a stanza that matter.
#[derive(Default)]
struct Stanza<'a> {
    name: &'a str,
    status: &'a str,
    architecture: &'a str,
    version: &'a str,
    kept: bool,
}

impl Packages {
    /// Reads dpkg's database.
    ///
    /// # Errors
    /// It exists and cannot be read.
    pub fn read(on: &dyn Probe) -> Result<Self, ProbeError> {
        let path = TargetPath::parse(STATUS).map_err(|e| ProbeError::new("use a path", e))?;
        Ok(Self::parse(&String::from_utf8_lossy(&on.read(&path)?.unwrap_or_default())))
    }

    /// Reads the text of a status file (deb822, as dpkg writes it).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (mut packages, mut stanza) = (Self::default(), Stanza::default());
        for line in text.lines().chain([""]) {
            match line.split_once(": ") {
                None if line.is_empty() => packages.take(&std::mem::take(&mut stanza)),
                Some(("Package", name)) => stanza.name = name,
                Some(("Status", status)) => stanza.status = status,
                Some(("Architecture", architecture)) => stanza.architecture = architecture,
                Some(("Version", version)) => stanza.version = version,
                // `Important` is what dpkg called `Protected` before 1.20.1.
                Some(("Essential" | "Protected" | "Important", "yes")) => stanza.kept = true,
                Some(_) | None => {}
            }
        }
        packages
    }

    fn take(&mut self, stanza: &Stanza<'_>) {
        let name = stanza.name.to_owned();
        if name.is_empty() {
            return;
        }
        match stanza.status.split(' ').collect::<Vec<_>>().as_slice() {
            [_, "reinstreq", _] | [.., "half-installed"] => self.half_installed.push(name),
            [wish, "ok", "installed"] => {
                if *wish == "hold" {
                    self.held.insert(name.clone());
                }
                if !stanza.architecture.is_empty() {
                    self.installed.insert(format!("{name}:{}", stanza.architecture), stanza.version.to_owned());
                }
                if stanza.kept {
                    self.essential.insert(name.clone());
                }
                self.installed.insert(name, stanza.version.to_owned());
            }
            [] | [""] | [.., "installed" | "config-files" | "not-installed"] => {}
            _ => self.unconfigured.push(name),
        }
    }

    /// Whether any of its files may be there: it is installed, or dpkg was cut short when it came or went.
    #[must_use]
    pub fn has_any_of(&self, name: &str) -> bool {
        self.installed.contains_key(name) || self.half_installed.iter().chain(&self.unconfigured).any(|torn| torn == name)
    }

    /// Whether dpkg left nothing in between.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.half_installed.is_empty() && self.unconfigured.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_is_installed() {
        let stanza = |name: &str, status: &str| format!("Package: {name}\nStatus: {status}\nDescription: x\n Package: y\nVersion: 1:1\n\n");
        let text = [
            "Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.39.5-0+deb12u2\n\n".to_owned(),
            stanza("whole", "install ok installed"),
            stanza("gone", "deinstall ok config-files"),
            stanza("torn", "install reinstreq half-installed"),
            stanza("waits", "install ok triggers-pending"),
            stanza("unpacked", "install ok unpacked"),
            "Package: last\nStatus: hold ok installed\nVersion: 2".to_owned(),
        ];
        let packages = Packages::parse(&text.concat());
        let installed: Vec<(&str, &str)> = packages.installed.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        assert_eq!(installed, [("git", "1:2.39.5-0+deb12u2"), ("git:amd64", "1:2.39.5-0+deb12u2"), ("last", "2"), ("whole", "1:1")]);
        assert_eq!((packages.half_installed, packages.unconfigured), (vec!["torn".into()], vec!["waits".into(), "unpacked".into()]));
    }
}
