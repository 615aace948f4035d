//! What Fitout put into a tree (an environment, a toolkit): every file and link of it with its digest and size. By this damage is told
//! from what people added, and what they added can go along when the tree is made anew.
//!
//! It lies in the tree itself, a line a file: digest, size, two spaces, path. Compiled modules are left out, for Python writes them when
//! it likes, and so is what tools note about themselves.

use super::fs::Rooted;
use super::unpack::MARKER;
use super::{Probe, ProbeError};
use crate::model::{ByteSize, Sha256, TargetPath, project_name};
use crate::step::{Blob, Content, FileKind, Stat};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

/// The inventory's own name.
const NAME: &str = ".fitout-files";
/// What begins like this is Fitout's own.
const OWN: &str = ".fitout";
/// Compiled modules, and conda's diary.
const NOISE: [&str; 2] = ["__pycache__", "conda-meta/history"];

/// A file or link as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    /// Of its content, or of a link's text.
    digest: Sha256,
    /// Bytes; earlier inventories do not tell.
    size: Option<u64>,
}

/// Every file and link of a tree as it was made, by its path in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory(BTreeMap<String, Made>);

/// How closely a tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// A file is read only where it is of another size, or was written after the tree was made: a look that costs milliseconds.
    Quick,
    /// Every file is read.
    Full,
}

/// What installed a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Installer {
    /// Conda, or a program like it.
    Conda,
    /// Pip, or a program like it.
    Pip,
}

/// A package that somebody added to an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Added {
    /// Its name, in a form that can be compared.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What installed it.
    pub installer: Installer,
    /// The version that Fitout had put there, where that is another.
    pub instead_of: Option<String>,
    /// The file or folder that tells of it, in the environment.
    pub record: String,
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.installer == Installer::Conda { "conda" } else { "pip" };
        write!(f, "{} {} ({by})", self.name, self.version)?;
        self.instead_of.iter().try_for_each(|version| write!(f, " in place of {version}"))
    }
}

/// Whether a path of an environment is what programs write when they like, or Fitout's own.
pub(super) fn is_noise(path: &str) -> bool {
    path.starts_with(OWN) || path.split('/').any(|part| part == NOISE[0]) || path == NOISE[1]
}

fn at(environment: &TargetPath, name: &str) -> Result<TargetPath, ProbeError> {
    environment.join(name).map_err(|e| ProbeError::new(format!("use the path {environment}/{name}"), e))
}

impl Inventory {
    /// That of an environment; `None` where it has none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(environment: &TargetPath, on: &dyn Probe) -> Result<Option<Self>, ProbeError> {
        let path = at(environment, NAME)?;
        let Some(bytes) = on.read(&path)? else { return Ok(None) };
        let line = |line: &str| -> Option<(String, Made)> {
            let (made, path) = line.split_once("  ")?;
            let (digest, size) = made.split_once(' ').map_or((made, None), |(digest, size)| (digest, size.parse().ok()));
            Some((path.to_owned(), Made { digest: Sha256::parse(digest).ok()?, size }))
        };
        let all: Option<BTreeMap<String, Made>> = String::from_utf8_lossy(&bytes).lines().map(line).collect();
        all.map(Self).map(Some).ok_or_else(|| ProbeError::new(format!("read {path}"), "it is damaged"))
    }

    /// Takes that of a tree that was just made, and writes it there; files whose digests are `known` are not read.
    pub(super) fn take(environment: &TargetPath, known: &BTreeMap<String, Sha256>, files: &Rooted) -> Result<Self, ProbeError> {
        let inside = Rooted::open(&files.on_host(environment)?).map_err(|e| ProbeError::new(format!("open {environment}"), e))?;
        let mut all = BTreeMap::new();
        for (path, stat) in walk(&inside)? {
            let known = known.get(path.relative()).filter(|_| stat.kind == FileKind::File);
            if let Some(digest) = known.map_or_else(|| digest(&inside, &path, &stat), |known| Ok(Some(*known)))? {
                all.insert(path.relative().to_owned(), Made { digest, size: Some(stat.size) });
            }
        }
        let line = |(path, made): (&String, &Made)| format!("{} {}  {path}", made.digest, made.size.unwrap_or_default());
        let lines: Vec<String> = all.iter().map(line).collect();
        let text = lines.join("\n") + "\n";
        files.write_unsynced(&at(environment, NAME)?, &mut text.as_bytes(), 0o644, (0, 0))?;
        Ok(Self(all))
    }

    /// Whether Fitout put this there.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Whether a file of a tree is as this says.
    pub(super) fn has(&self, name: &str, tree: &TargetPath, on: &dyn Probe) -> Result<bool, ProbeError> {
        let path = at(tree, name)?;
        self.0.get(name).map_or(Ok(false), |made| made.is(on.stat(&path)?.as_ref(), &path, None, on))
    }

    /// Whether Fitout put this there, or something in it.
    fn knows(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.holds(path) || self.0.range(below.clone()..).next().is_some_and(|(first, _)| first.starts_with(&below))
    }

    /// The files and links that are not as they were made, and those that are gone.
    ///
    /// # Errors
    /// The tree cannot be looked at.
    pub fn damage(&self, tree: &TargetPath, depth: Depth, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let made_at = on.stat(&at(tree, MARKER)?)?.map(|stat| stat.written).filter(|_| depth == Depth::Quick);
        let mut folders: BTreeMap<&str, Vec<(&str, &Made)>> = BTreeMap::new();
        for (name, made) in &self.0 {
            let (folder, file) = name.rsplit_once('/').unwrap_or((".", name));
            folders.entry(folder).or_default().push((file, made));
        }
        let mut damaged = Vec::new();
        for (folder, files) in folders {
            let above = if folder == "." { tree.clone() } else { at(tree, folder)? };
            let names = files.iter().map(|(file, _)| *file).collect::<Vec<_>>();
            for ((file, made), stat) in files.iter().zip(on.stats(&above, &names)?) {
                if !made.is(stat.as_ref(), &at(&above, file)?, made_at, on)? {
                    damaged.push(if folder == "." { (*file).to_owned() } else { format!("{folder}/{file}") });
                }
            }
        }
        damaged.sort();
        Ok(damaged)
    }

    /// The files and links of a tree that Fitout did not put there.
    ///
    /// # Errors
    /// The tree cannot be looked at.
    pub fn foreign(&self, tree: &TargetPath, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
        while let Some(folder) = folders.pop() {
            let above = if folder.is_empty() { tree.clone() } else { at(tree, &folder)? };
            for name in on.list(&above)?.unwrap_or_default() {
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                match on.stat(&at(tree, &name)?)?.map(|stat| stat.kind) {
                    _ if is_noise(&name) => {}
                    Some(FileKind::Directory) => folders.push(name),
                    Some(_) if !self.holds(&name) => found.push(name),
                    Some(_) | None => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The packages that somebody added.
    ///
    /// # Errors
    /// The environment cannot be looked at.
    pub fn added(&self, environment: &TargetPath, on: &dyn Probe) -> Result<Vec<Added>, ProbeError> {
        let found = packages(|name| on.list(&at(environment, name)?))?;
        let mut added: Vec<Added> = found.into_iter().filter(|package| !self.knows(&package.record)).collect();
        // A package of conda tells of itself to pip as well.
        let of_conda: BTreeSet<String> = added.iter().filter(|one| one.installer == Installer::Conda).map(|one| one.name.clone()).collect();
        added.retain(|one| one.installer == Installer::Conda || !of_conda.contains(&one.name));
        let made: BTreeMap<String, String> = self.packages().map(|package| (package.name, package.version)).collect();
        for package in &mut added {
            package.instead_of = made.get(&package.name).filter(|version| **version != package.version).cloned();
        }
        Ok(added)
    }

    /// The packages of which some of these files tell, each as it was.
    #[must_use]
    pub fn packages_of(&self, files: &[String]) -> Vec<String> {
        let told: BTreeSet<String> = files.iter().filter_map(|path| of_record(path)).map(|one| one.to_string()).collect();
        told.into_iter().collect()
    }

    /// The packages that Fitout put there, each as often as files tell of it.
    pub fn packages(&self) -> impl Iterator<Item = Added> {
        self.0.keys().filter_map(|path| of_record(path))
    }

    /// The names of the packages that Fitout put there.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.packages().map(|package| package.name).collect()
    }
}

impl Made {
    /// Whether what is at a path is as it was made; what was not written after `made_at` is not read.
    fn is(&self, stat: Option<&Stat>, path: &TargetPath, made_at: Option<i128>, on: &dyn Probe) -> Result<bool, ProbeError> {
        match stat {
            Some(Stat { link: Some(to), .. }) => Ok(Sha256::of(to.as_bytes()) == self.digest),
            Some(Stat { kind: FileKind::File, size, .. }) if self.size.is_some_and(|made| made != *size) => Ok(false),
            Some(Stat { kind: FileKind::File, written, .. }) if made_at.is_some_and(|at| *written <= at) => Ok(true),
            Some(Stat { kind: FileKind::File, size, .. }) => {
                on.holds(path, &Content::Blob(Blob { url: String::new(), sha256: self.digest, size: Some(ByteSize(*size)) }))
            }
            Some(_) | None => Ok(false),
        }
    }
}

/// Everything in a tree but noise and directories, links not followed.
pub(super) fn walk(inside: &Rooted) -> Result<Vec<(TargetPath, Stat)>, ProbeError> {
    let (mut found, mut folders) = (Vec::new(), vec![TargetPath::root()]);
    while let Some(folder) = folders.pop() {
        for name in inside.list(&folder)?.unwrap_or_default() {
            // Names that are no text cannot be told of; nothing that Fitout installs has such.
            let Ok(path) = folder.join(&name) else { continue };
            if is_noise(path.relative()) {
                continue;
            }
            match inside.stat(&path)? {
                Some(Stat { kind: FileKind::Directory, .. }) => folders.push(path),
                Some(stat) => found.push((path, stat)),
                None => {}
            }
        }
    }
    Ok(found)
}

fn digest(inside: &Rooted, path: &TargetPath, stat: &Stat) -> Result<Option<Sha256>, ProbeError> {
    match (&stat.link, stat.kind) {
        (Some(to), _) => Ok(Some(Sha256::of(to.as_bytes()))),
        (None, FileKind::File) => {
            let Some(file) = inside.open_file(path)? else { return Ok(None) };
            Sha256::of_reader(file).map(Some).map_err(|e: io::Error| ProbeError::new(format!("read {path}"), e))
        }
        (None, FileKind::Directory | FileKind::Symlink | FileKind::Other) => Ok(None),
    }
}

/// All packages of an environment, of which `list` gives the folders.
pub(super) fn packages(list: impl Fn(&str) -> Result<Option<Vec<String>>, ProbeError>) -> Result<Vec<Added>, ProbeError> {
    let pythons = list("lib")?.unwrap_or_default().into_iter().filter(|name| name.starts_with("python"));
    let folders = pythons.map(|python| format!("lib/{python}/site-packages")).chain(["conda-meta".to_owned()]);
    let mut found = Vec::new();
    for folder in folders {
        found.extend(list(&folder)?.unwrap_or_default().iter().filter_map(|name| package(&folder, name)));
    }
    found.sort();
    Ok(found)
}

/// The package of which a file tells.
fn of_record(path: &str) -> Option<Added> {
    let (folder, file) = path.rsplit_once('/')?;
    let (above, name) = if folder == "conda-meta" { (folder, file) } else { folder.rsplit_once('/')? };
    package(above, name)
}

/// The package that a file or folder tells of by its name.
fn package(folder: &str, name: &str) -> Option<Added> {
    let record = format!("{folder}/{name}");
    if folder == "conda-meta" {
        // `name-version-build.json`; names hold hyphens, versions and builds do not.
        let mut parts = name.strip_suffix(".json")?.rsplitn(3, '-').skip(1);
        let (version, name) = (parts.next()?.to_owned(), project_name(parts.next()?));
        return Some(Added { name, version, installer: Installer::Conda, instead_of: None, record });
    }
    let (name, version) = name.strip_suffix(".dist-info").filter(|_| folder.ends_with("/site-packages"))?.split_once('-')?;
    Some(Added { name: project_name(name), version: version.to_owned(), installer: Installer::Pip, instead_of: None, record })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_their_records() {
        let list = |folder: &str| -> Result<Option<Vec<String>>, ProbeError> {
            let names: &[&str] = match folder {
                "lib" => &["python3.11", "libz.so"],
                "lib/python3.11/site-packages" => &["Zope_Interface-6.0.dist-info", "six.py"],
                "conda-meta" => &["history", "state", "_libgcc-mutex-0.1-main.json"],
                _ => return Ok(None),
            };
            Ok(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        };
        let found: Vec<String> = packages(list).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["libgcc-mutex 0.1 (conda)", "zope-interface 6.0 (pip)"]);
    }

    #[test]
    fn what_programs_write_when_they_like_is_noise() {
        for noise in [".fitout.json", "lib/python3.11/__pycache__/x.pyc", "conda-meta/history"] {
            assert!(is_noise(noise), "{noise}");
        }
        assert!(!is_noise("lib/python3.11/site-packages/x.py"));
    }

    #[test]
    fn names_of_what_was_made() {
        let digest = Sha256::of(b"");
        let paths =
            ["lib/python3.11/site-packages/six-1.17.0.dist-info/RECORD", "lib/python3.11/site-packages/six.py", "conda-meta/z-1-0.json"];
        let inventory = Inventory(paths.iter().map(|path| ((*path).to_owned(), Made { digest, size: None })).collect());
        assert_eq!(inventory.names().into_iter().collect::<Vec<_>>(), ["six", "z"]);
        assert!(inventory.knows("lib/python3.11/site-packages/six-1.17.0.dist-info") && !inventory.knows("lib/python3"));
    }
}
