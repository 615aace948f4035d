//! `packages.install`: what somebody asked apt for by name.
//!
//! apt marks what it installed for others; what every Debian has from the start is known by its priority.

use super::look::{names, text};
use super::section::Section;
use crate::manifest::word;
use crate::target::{Probe, ProbeError};
use std::collections::{BTreeMap, BTreeSet};

/// dpkg's database.
const STATUS: &str = "/var/lib/dpkg/status";
/// Where apt keeps its marks (apt-mark(8)).
const MARKS: &str = "/var/lib/apt/extended_states";
/// Priorities of what debootstrap and the installer bring without being asked (Debian Policy 2.5).
const GIVEN: [&str; 3] = ["required", "important", "standard"];
/// Files of apt's sources that distributions bring.
const SOURCES: [&str; 2] = ["debian.sources", "ubuntu.sources"];

/// A stanza of a deb822 file.
struct Stanza<'a>(&'a str);

impl<'a> Stanza<'a> {
    fn all(text: &'a str) -> impl Iterator<Item = Self> {
        text.split("\n\n").map(Stanza)
    }

    fn get(&self, field: &str) -> &'a str {
        let value = |line: &'a str| line.split_once(':').filter(|(name, _)| *name == field).map(|(_, value)| value.trim());
        self.0.lines().find_map(value).unwrap_or_default()
    }

    /// Whether every Debian of its kind has it.
    fn is_given(&self) -> bool {
        GIVEN.contains(&self.get("Priority")) || self.get("Essential") == "yes"
    }

    /// Names of what it may need; of alternatives, all.
    fn needs(&self) -> impl Iterator<Item = &'a str> {
        let fields = [self.get("Pre-Depends"), self.get("Depends")];
        fields.into_iter().flat_map(|list| list.split([',', '|'])).filter_map(|one| one.trim().split([' ', '(', ':']).next())
    }
}

/// What every Debian has, with all that it needs: debootstrap leaves no marks at the libraries of what it brings.
fn given<'a>(stanzas: &[Stanza<'a>]) -> BTreeSet<&'a str> {
    let by_name: BTreeMap<&str, &Stanza<'a>> = stanzas.iter().map(|stanza| (stanza.get("Package"), stanza)).collect();
    let mut given = BTreeSet::new();
    let mut ahead: Vec<&str> = stanzas.iter().filter(|stanza| stanza.is_given()).map(|stanza| stanza.get("Package")).collect();
    while let Some(name) = ahead.pop() {
        if let Some(stanza) = by_name.get(name).filter(|_| given.insert(name)) {
            ahead.extend(stanza.needs());
        }
    }
    given
}

/// Requests for what was asked for, and for what is on hold.
fn asked_for(status: &str, marks: &str) -> (BTreeSet<String>, Vec<String>) {
    let marked = Stanza::all(marks).filter(|stanza| stanza.get("Auto-Installed") == "1");
    let auto: BTreeSet<_> = marked.map(|stanza| (stanza.get("Package"), stanza.get("Architecture"))).collect();
    let installed: Vec<Stanza<'_>> = Stanza::all(status).filter(|stanza| stanza.get("Status").ends_with(" ok installed")).collect();
    let given = given(&installed);
    let native = installed.iter().find(|stanza| stanza.get("Package") == "dpkg").map_or("", |dpkg| dpkg.get("Architecture"));
    let (mut asked, mut held) = (BTreeSet::new(), Vec::new());
    for stanza in &installed {
        let (name, architecture) = (stanza.get("Package"), stanza.get("Architecture"));
        // apt keeps the mark of what is for all architectures under the machine's own.
        let at = if architecture == "all" { native } else { architecture };
        let request = if at == native { name.to_owned() } else { format!("{name}:{at}") };
        // Whoever asked for it, a person holds it.
        if stanza.get("Status").starts_with("hold ") {
            held.push(request.clone());
        }
        if !(auto.contains(&(name, at)) || given.contains(name) && at == native) {
            asked.insert(request);
        }
    }
    (asked, held)
}

/// The section.
pub fn packages(on: &dyn Probe) -> Result<Section, ProbeError> {
    let marks = text(on, MARKS)?;
    let (asked, held) = asked_for(&text(on, STATUS)?.unwrap_or_default(), marks.as_deref().unwrap_or_default());
    let mut section = Section::headed(&["packages:", "  install:"]);
    section.items = asked.iter().map(|request| vec![format!("    - {}", word(request))]).collect();
    if marks.is_none() && !asked.is_empty() {
        section = section.remark(format!("There is no {MARKS}: what others needed cannot be told from what was asked for."));
    }
    let is_more = |name: &String| !SOURCES.contains(&name.as_str()) && !name.starts_with("fitout-");
    let is_read = |name: &String| matches!(name.rsplit_once('.'), Some((_, "list" | "sources")));
    let sources: Vec<String> = names(on, "/etc/apt/sources.list.d")?.into_iter().filter(|name| is_more(name) && is_read(name)).collect();
    Ok(section
        .list("On hold, which `packages.hold` would state", &held)
        .list("More repositories in /etc/apt/sources.list.d, which `packages.repositories` would describe", &sources)
        .list("Preferences of apt in /etc/apt/preferences.d", &names(on, "/etc/apt/preferences.d")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for() {
        let stanza = |name: &str, more: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n{more}\n\n");
        let status = [
            stanza("dpkg", "Essential: yes\nPriority: required\nArchitecture: amd64\nPre-Depends: libbz2 (>= 1), nice | tar"),
            stanza("libbz2", "Priority: optional\nArchitecture: amd64"),
            stanza("git", "Priority: optional\nArchitecture: amd64"),
            stanza("less", "Priority: important\nArchitecture: amd64"),
            stanza("zlib1g", "Priority: optional\nArchitecture: i386"),
            stanza("kept", "Architecture: amd64").replace("install ok", "hold ok"),
            stanza("git-man", "Priority: optional\nArchitecture: all").replace("install ok", "hold ok"),
            stanza("gone", "Architecture: amd64").replace("ok installed", "ok config-files"),
        ];
        let marks = "Package: git-man\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: git\nArchitecture: amd64\nAuto-Installed: 0\n\n";
        let (asked, held) = asked_for(&status.concat(), marks);
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["git", "kept", "zlib1g:i386"]);
        assert_eq!(held, ["kept", "git-man"]);
    }
}
