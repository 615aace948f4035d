//! apt and dpkg of a machine in memory: one archive, and a status file that is edited as dpkg edits it.

use super::{Deb, Fake, Node, State, path};
use crate::step::{Ability, SOURCES_RECORD};
use crate::target::apt::{lists_are_current, sources_digest};
use crate::target::{OpError, Probe, ProbeError, Target};
use std::collections::BTreeSet;

const STATUS: &str = "/var/lib/dpkg/status";
/// What apt fetched.
const LISTS: &str = "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages";

impl Fake {
    /// Fetches apt's lists, as `apt-get update` does.
    ///
    /// # Errors
    /// The machine was stopped.
    pub fn update(&self) -> Result<(), OpError> {
        let digest = sources_digest(self)?;
        self.put(&path(LISTS)?, Node::file("", 0o644, (0, 0)))?;
        self.keep(&path(SOURCES_RECORD)?, format!("{digest}\n").as_bytes())
    }

    /// Installs what several may have asked for; what is to happen to the request of one of them happens to its packages.
    pub(super) fn transaction(&self, packages: &[String]) -> Result<(), OpError> {
        let asked = |summary: &str| -> Option<BTreeSet<String>> {
            let words: BTreeSet<String> = summary.strip_prefix("install ")?.split(' ').map(str::to_owned).collect();
            words.iter().all(|word| packages.contains(word)).then_some(words)
        };
        if let Some((summary, cause)) = self.behaviour.fails.iter().find(|(summary, _)| asked(summary).is_some()) {
            return Err(OpError::new(summary, cause));
        }
        let idle: BTreeSet<String> = self.behaviour.idle.iter().filter_map(|summary| asked(summary)).flatten().collect();
        let rest: Vec<String> = packages.iter().filter(|name| !idle.contains(*name)).cloned().collect();
        self.apt_install(&rest)
    }

    fn apt_install(&self, packages: &[String]) -> Result<(), OpError> {
        let act = || OpError::new("run `apt-get install`", "");
        if !lists_are_current(self)? {
            self.update()?;
        }
        let mut chosen = Vec::new();
        for request in packages {
            let (name, wanted) = request.split_once('=').unwrap_or((request, "*"));
            if self.behaviour.unknown.contains(name) {
                return Err(OpError { cause: format!("E: Unable to locate package {name}"), ..act() });
            }
            let deb = self.behaviour.archive.get(name).cloned().unwrap_or_default();
            let fits = wanted.strip_suffix('*').map_or(deb.version == wanted, |prefix| deb.version.starts_with(prefix));
            if !fits {
                return Err(OpError { cause: format!("E: Version '{wanted}' for '{name}' was not found"), ..act() });
            }
            chosen.extend(deb.depends.iter().map(|name| (name.clone(), self.behaviour.archive.get(name).cloned().unwrap_or_default())));
            chosen.push((name.to_owned(), deb));
        }
        chosen.iter().try_for_each(|(name, deb)| self.install(name, deb))
    }

    /// Files of configuration stay, and with them the mark that they are there.
    pub(super) fn apt_remove(&self, packages: &[String]) -> Result<(), OpError> {
        for name in packages {
            let deb = self.behaviour.archive.get(name).cloned().unwrap_or_default();
            self.effect(|state| {
                for at in deb.files.keys().filter(|at| !at.as_str().starts_with("/etc/")) {
                    state.tree.remove(at);
                }
                set_status(state, name, &deb, "config-files")
            })?;
        }
        Ok(())
    }

    /// Changes what dpkg is to do about packages that are installed.
    pub(super) fn wish(&self, packages: &[String], from: &str, to: &str) -> Result<(), OpError> {
        for name in packages {
            let (old, new) =
                (format!("Package: {name}\nStatus: {from} ok installed"), format!("Package: {name}\nStatus: {to} ok installed"));
            let at = path(STATUS)?;
            let text = self.with(|state| state.tree.text(&at));
            if !text.contains(&old) {
                return Err(OpError::new(format!("hold {name}"), format!("{name} is not installed")));
            }
            self.put(&at, Node::file(text.replace(&old, &new), 0o644, (0, 0)))?;
        }
        Ok(())
    }

    pub(super) fn answer(&self, lines: &[String]) -> Result<(), OpError> {
        let at = path("/var/cache/debconf/config.dat")?;
        let stanza = |line: &String| {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            format!("Name: {}\nValue: {}\n\n", words[1], words[3])
        };
        let answered = |old: &&str| lines.iter().any(|line| Some(old.lines().next().unwrap_or_default()) == stanza(line).lines().next());
        let text = self.with(|state| state.tree.text(&at));
        let kept = text.split("\n\n").filter(|old| !old.is_empty() && !answered(old)).flat_map(|old| [old, "\n\n"]);
        let text: String = kept.map(str::to_owned).chain(lines.iter().map(stanza)).collect();
        self.put(&at, Node::file(text, 0o600, (0, 0)))
    }

    /// Unpacks, then configures; a stop in between leaves what dpkg would leave.
    fn install(&self, name: &str, deb: &Deb) -> Result<(), OpError> {
        if self.with(|state| has(state, name, deb))? {
            return Ok(());
        }
        self.effect(|state| {
            set_status(state, name, deb, "unpacked")?;
            for (path, text) in &deb.files {
                let mode = if path.as_str().contains("bin/") { 0o755 } else { 0o644 };
                state.tree.put(path, Node::file(text.as_str(), mode, (0, 0))).map_err(|e| ProbeError::new("unpack", e))?;
            }
            Ok(())
        })?;
        for unit in &deb.starts {
            self.enable(unit)?;
            if self.has(Ability::RunningSystem) {
                self.effect(|state| Ok(state.active.insert(unit.clone())))?;
            }
        }
        self.effect(|state| set_status(state, name, deb, "installed"))
    }
}

fn stanza(name: &str, deb: &Deb, state: &str) -> String {
    format!("Package: {name}\nStatus: install ok {state}\nArchitecture: amd64\nVersion: {}", deb.version)
}

fn has(state: &State, name: &str, deb: &Deb) -> Result<bool, ProbeError> {
    Ok(state.tree.text(&path(STATUS)?).split("\n\n").any(|found| found.trim_end() == stanza(name, deb, "installed")))
}

fn set_status(state: &mut State, name: &str, deb: &Deb, word: &str) -> Result<(), ProbeError> {
    let at = path(STATUS)?;
    let first = format!("Package: {name}");
    let text = state.tree.text(&at);
    let mut stanzas: Vec<String> = text
        .split("\n\n")
        .map(|stanza| stanza.trim().to_owned())
        .filter(|found| !found.is_empty() && found.lines().next() != Some(&first))
        .collect();
    stanzas.push(stanza(name, deb, word));
    stanzas.sort();
    let text = stanzas.iter().flat_map(|stanza| [stanza.as_str(), "\n\n"]).collect::<String>();
    state.tree.put(&at, Node::file(text, 0o644, (0, 0))).map_err(|e| ProbeError::new("write dpkg's database", e))
}
