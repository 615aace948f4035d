//! What a machine holds, in a form that can be kept, compared and told: packages, users, enabled units, files that Fitout wrote,
//! environments. Everything is read from the machine's own files; nothing is run, nothing asked of a report.

use crate::model::{Sha256, TargetPath};
use crate::resource::holds_switches;
use crate::step::{FileKind, Stat};
use crate::target::{Accounts, Machine, Probe, ProbeError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Name to what is known of it, as text for people.
type Things = BTreeMap<String, String>;

/// What a machine holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Format of this document.
    pub version: u32,
    /// Installed packages: version.
    pub packages: Things,
    /// Users: numbers, home, shell, groups.
    pub users: Things,
    /// Units that start at boot, or cannot be started.
    pub units: Things,
    /// Files that Fitout wrote, by its ledger: mode, owner, digest.
    pub files: Things,
    /// Environments: digest of what they were made from.
    pub environments: Things,
}

/// One thing that two snapshots tell differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `package`, `user`, `unit`, `file` or `environment`.
    pub kind: &'static str,
    /// Which.
    pub name: String,
    /// What was; `None` where it was not there.
    pub before: Option<String>,
    /// What is; `None` where it is not there.
    pub after: Option<String>,
}

/// Left out of every comparison: Fitout's own files.
pub const OWN: [&str; 5] = ["/var/lib/fitout", "/var/log/fitout", "/var/cache/fitout", "/var/spool/fitout", "/run"];
/// Left out where people look first: logs, caches, dpkg's and systemd's own records (packages and units are told by themselves) and backups of databases.
pub const NOISE: [&str; 13] = [
    "/var/log",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/etc/ld.so.cache",
    "/usr/sbin/policy-rc.d",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
];

/// Where systemd looks for what an administrator set.
const UNITS: &str = "/etc/systemd/system";
/// Folders whose own folders may hold environments, as `FOLDER/envs/NAME`.
const PREFIXES: [&str; 2] = ["/", "/opt"];

fn path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

fn names(on: &dyn Probe, folder: &TargetPath) -> Result<Vec<String>, ProbeError> {
    // What is no folder has no names in it.
    match on.stat(folder)? {
        Some(Stat { kind: FileKind::Directory, .. }) => Ok(on.list(folder)?.unwrap_or_default()),
        _ => Ok(Vec::new()),
    }
}

impl Snapshot {
    /// Looks at a machine.
    ///
    /// # Errors
    /// Something of it cannot be read.
    pub fn read(on: &Machine) -> Result<Self, ProbeError> {
        Ok(Self {
            version: 1,
            packages: packages(on)?,
            users: users(on)?,
            units: units(on)?,
            files: files(on)?,
            environments: environments(on)?,
        })
    }

    /// One number for all of it: equal where nothing differs.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let lines = self.parts().into_iter().flat_map(|(kind, things)| things.iter().flat_map(move |(name, what)| [kind, name, what]));
        Sha256::of_parts(lines)
    }

    fn parts(&self) -> [(&'static str, &Things); 5] {
        [
            ("package", &self.packages),
            ("user", &self.users),
            ("unit", &self.units),
            ("file", &self.files),
            ("environment", &self.environments),
        ]
    }

    /// What another tells differently.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let both = self.parts().into_iter().zip(other.parts());
        both.flat_map(|((kind, before), (_, after))| {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
            differs.map(move |name| Difference {
                kind,
                name: name.clone(),
                before: before.get(name).cloned(),
                after: after.get(name).cloned(),
            })
        })
        .collect()
    }
}

/// By name; by `name:architecture` where a package is there for several.
fn packages(on: &dyn Probe) -> Result<Things, ProbeError> {
    let known = on.packages()?;
    let of_several =
        |name: &str| known.installed.keys().filter(|key| key.split_once(':').is_some_and(|(other, _)| other == name)).count() > 1;
    let mut several: BTreeMap<&str, bool> = BTreeMap::new();
    let mut found = Things::new();
    for (key, version) in &known.installed {
        let (name, is_qualified) = key.split_once(':').map_or((key.as_str(), false), |(name, _)| (name, true));
        if *several.entry(name).or_insert_with(|| of_several(name)) == is_qualified {
            found.insert(key.clone(), version.clone());
        }
    }
    Ok(found)
}

fn users(on: &dyn Probe) -> Result<Things, ProbeError> {
    let accounts = Accounts::read(on)?;
    let one = |account: &crate::target::Account| {
        let groups = accounts.groups_of(&account.name).join(" ");
        let groups = if groups.is_empty() { groups } else { format!(", groups {groups}") };
        (account.name.clone(), format!("{}:{}, {}, {}{groups}", account.uid, account.gid, account.home, account.shell))
    };
    Ok(accounts.users().iter().map(one).collect())
}

fn units(on: &dyn Probe) -> Result<Things, ProbeError> {
    let mut found = Things::new();
    let folder = path(UNITS)?;
    for name in names(on, &folder)? {
        let at = folder.join(&name).map_err(|e| ProbeError::new("use a path", e))?;
        if holds_switches(&name) {
            found.extend(names(on, &at)?.into_iter().map(|unit| (unit, "enabled".to_owned())));
        } else if let Some(to) = on.stat(&at)?.and_then(|stat| stat.link) {
            found.insert(name, if to == "/dev/null" { "masked".into() } else { format!("alias of {to}") });
        }
    }
    Ok(found)
}

fn files(on: &Machine) -> Result<Things, ProbeError> {
    let mut found = Things::new();
    for at in on.managed()? {
        let Some(stat) = on.stat(&at)? else { continue };
        let holds = match (&stat.kind, &stat.link) {
            (FileKind::File, _) => on.read(&at)?.map(|bytes| format!("sha256 {}", Sha256::of(&bytes))).unwrap_or_default(),
            (_, Some(to)) => format!("link to {to}"),
            (FileKind::Directory | FileKind::Symlink | FileKind::Other, None) => format!("{:?}", stat.kind).to_lowercase(),
        };
        found.insert(at.to_string(), format!("{:04o} {}:{} {holds}", stat.mode, stat.uid, stat.gid));
    }
    Ok(found)
}

fn environments(on: &dyn Probe) -> Result<Things, ProbeError> {
    let mut found = Things::new();
    let below = |folder: &TargetPath, name: &str| folder.join(name).map_err(|e| ProbeError::new("use a path", e));
    for above in PREFIXES {
        let above = path(above)?;
        for prefix in names(on, &above)? {
            let envs = below(&below(&above, &prefix)?, "envs")?;
            // What cannot be followed, such as a link to itself, holds no environments.
            for name in names(on, &envs).unwrap_or_default() {
                let at = below(&envs, &name)?;
                let link = on.stat(&at)?.and_then(|stat| stat.link);
                if let Some(made) = link.as_deref().and_then(|to| to.strip_prefix(".generations/")) {
                    found.insert(at.to_string(), made.strip_prefix(&format!("{name}-")).unwrap_or(made).to_owned());
                }
            }
        }
    }
    Ok(found)
}

/// The files that packages of these names list as theirs.
///
/// # Errors
/// dpkg's database cannot be read.
pub fn files_of(on: &dyn Probe, packages: &BTreeSet<&str>) -> Result<BTreeSet<String>, ProbeError> {
    let info = path("/var/lib/dpkg/info")?;
    let mut found = BTreeSet::new();
    let merged = on.stat(&path("/lib")?)?.is_some_and(|stat| stat.link.is_some());
    for file in names(on, &info)? {
        let Some(name) = file.strip_suffix(".list") else { continue };
        let bare = name.split_once(':').map_or(name, |(bare, _)| bare);
        if !packages.contains(name) && !packages.contains(bare) {
            continue;
        }
        let at = info.join(&file).map_err(|e| ProbeError::new("use a path", e))?;
        let text = on.read(&at)?.unwrap_or_default();
        // Packages may still list a file by the old name of a folder that is a link today.
        let real = |line: &str| {
            let old = merged && ["/bin/", "/sbin/", "/lib"].iter().any(|old| line.starts_with(old));
            if old { format!("/usr{line}") } else { line.to_owned() }
        };
        found.extend(String::from_utf8_lossy(&text).lines().map(real));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(packages: &[(&str, &str)]) -> Snapshot {
        let packages = packages.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
        Snapshot { version: 1, packages, ..Snapshot::default() }
    }

    #[test]
    fn what_differs_has_another_digest() {
        let (old, new) = (of(&[("git", "1"), ("vim", "9")]), of(&[("git", "2"), ("nginx", "1")]));
        let told: Vec<String> =
            old.differences(&new).iter().map(|one| format!("{} {} {:?} {:?}", one.kind, one.name, one.before, one.after)).collect();
        assert_eq!(told, [r#"package git Some("1") Some("2")"#, r#"package nginx None Some("1")"#, r#"package vim Some("9") None"#]);
        assert!(old.digest() != new.digest() && old.differences(&old).is_empty());
    }
}
