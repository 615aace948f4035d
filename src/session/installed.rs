//! The machine's own manifest: a link, `/etc/fitout/manifest.yaml`, into a bundle that holds it with every file that it names.
//!
//! A bundle is named by the digest of what it holds and never changed; installing another manifest is one switch of the link.

use super::lock::Lock;
use crate::manifest::{Files, Sheets, Source, TextError};
use crate::model::{Meta, Mode, Sha256, TargetPath};
use crate::step::{Content, FileKind, Op};
use crate::target::{OpError, Probe, ProbeError, Silent, Target};
use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// Where the machine's manifest is.
pub const MANIFEST: &str = "/etc/fitout/manifest.yaml";
/// What differs on this machine.
pub(super) const MACHINE: &str = "/etc/fitout/machine.yaml";
/// Where bundles are, relative to the link as well.
const BUNDLES: &str = "/etc/fitout/bundles";

fn target_path(text: &str) -> Result<TargetPath, ProbeError> {
    TargetPath::parse(text).map_err(|e| ProbeError::new(format!("use path {text}"), e))
}

/// Whether a machine has a manifest of its own.
///
/// # Errors
/// It cannot be looked at.
pub fn is_installed(on: &dyn Probe) -> Result<bool, ProbeError> {
    let path = TargetPath::parse(MANIFEST).map_err(|e| ProbeError::new("use a path", e))?;
    Ok(on.stat(&path)?.is_some())
}

/// Whether the manifest was put there by `--install` or a bake, with Fitout itself.
pub(super) fn is_bundled(on: &dyn Probe) -> Result<bool, ProbeError> {
    let stat = on.stat(&target_path(MANIFEST)?)?;
    Ok(stat.and_then(|stat| stat.link).is_some_and(|to| bundle_of(&to).is_some()))
}

/// The files of a target.
#[derive(Debug, Clone, Copy)]
pub struct TargetFiles<P>(pub P);

impl<P: Deref<Target: Probe>> Files for TargetFiles<P> {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let path = target_path(&normal(path)).map_err(io::Error::other)?;
        match self.0.read(&path).map_err(io::Error::other)? {
            Some(bytes) if bytes.len() as u64 > limit => Err(io::Error::other(format!("it is longer than {limit} bytes"))),
            found => Ok(found),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let path = target_path(&normal(folder)).map_err(io::Error::other)?;
        Ok(self.0.list(&path).map_err(io::Error::other)?.unwrap_or_default())
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        let path = target_path(&normal(path)).map_err(io::Error::other)?;
        Ok(self.0.stat(&path).map_err(io::Error::other)?.map(|seen| seen.kind))
    }
}

/// A path with its `.` and `..` parts worked out, as text.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.to_string_lossy().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other.to_owned()),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Why a machine has no manifest to work from.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// None was ever installed.
    #[error("no manifest is installed on this machine ({MANIFEST})")]
    None,
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(String, TextError),
    /// Others than root may have written it.
    #[error("{0} is not trusted: {1}, and what is in it is done as root")]
    Untrusted(String, String),
    /// The lock that was installed with it is none that this Fitout can read.
    #[error("cannot use the lock {0}, which was installed with the manifest: {1}")]
    Lock(String, String),
    /// The machine cannot be looked at.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl InstalledError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Untrusted(..) => Some("look at what is in it, then `chown root:root` and `chmod go-w` it"),
            Self::Lock(..) => Some("write it anew (`fitout lock -f FILE`), and install both (`fitout apply -f FILE --install`)"),
            Self::None => Some("name one with -f FILE, or install one with `fitout apply -f FILE --install`"),
            Self::Unreadable(..) | Self::Probe(_) => None,
        }
    }
}

/// Refuses what others than root may write to: whoever writes the machine's manifest is root.
fn must_be_roots(on: &dyn Probe, path: &str) -> Result<(), InstalledError> {
    /// Write permission of group and others.
    const OTHERS: u32 = 0o022;
    let Some(stat) = on.stat(&target_path(path)?)? else { return Ok(()) };
    let why = match stat.kind {
        _ if stat.uid != 0 => format!("it belongs to user {}", stat.uid),
        FileKind::Symlink => return Ok(()),
        _ if stat.mode & OTHERS != 0 => format!("others than root may write to it (mode {:04o})", stat.mode),
        FileKind::File | FileKind::Directory | FileKind::Other => return Ok(()),
    };
    Err(InstalledError::Untrusted(path.to_owned(), why))
}

/// The real file of the machine's manifest, in its bundle: relative paths are relative to it.
fn real_name(on: &dyn Probe) -> Result<String, InstalledError> {
    match on.stat(&target_path(MANIFEST)?)? {
        None => Err(InstalledError::None),
        Some(stat) => Ok(stat.link.map_or_else(|| MANIFEST.to_owned(), |to| normal(&Path::new("/etc/fitout").join(to)))),
    }
}

/// The machine's manifest and what differs on it, to be loaded with [`TargetFiles`].
///
/// # Errors
/// There is none, or it cannot be read.
pub fn installed(on: &dyn Probe) -> Result<Sheets, InstalledError> {
    let name = real_name(on)?;
    for path in ["/etc/fitout", MANIFEST, BUNDLES, &name, MACHINE] {
        must_be_roots(on, path)?;
    }
    let read = |name: &str| Source::read(&TargetFiles(on), name);
    let manifest = read(&name).map_err(|e| InstalledError::Unreadable(name, e))?;
    let machine = match read(MACHINE) {
        Ok(source) => Some(source),
        Err(TextError::Absent) => None,
        Err(error) => return Err(InstalledError::Unreadable(MACHINE.into(), error)),
    };
    let installed_with = match read(&settings_of(&manifest.name)) {
        Ok(source) => serde_json::from_str(&source.text).map_err(|e| ProbeError::new(format!("read {}", source.name), e))?,
        Err(TextError::Absent) => Vec::new(),
        Err(error) => return Err(InstalledError::Unreadable(settings_of(&manifest.name), error)),
    };
    Ok(Sheets { installed_with, machine, ..Sheets::new(manifest) })
}

/// The lock that was installed with the machine's manifest; `None` where there was none.
///
/// # Errors
/// There is no manifest, or the lock cannot be read.
pub fn installed_lock(on: &dyn Probe) -> Result<Option<Lock>, InstalledError> {
    let name = format!("{}{LOCK}", real_name(on)?);
    must_be_roots(on, &name)?;
    let Some(bytes) = on.read(&target_path(&name)?)? else { return Ok(None) };
    let lock = String::from_utf8(bytes).map_err(|e| e.to_string()).and_then(|text| Lock::parse(&text).map_err(|e| e.to_string()));
    lock.map(Some).map_err(|cause| InstalledError::Lock(name, cause))
}

/// What stands at the end of the name of a manifest's lock.
pub const LOCK: &str = ".lock";

/// Where `--set` of a manifest is installed, as a list of pairs of path and value.
fn settings_of(manifest: &str) -> String {
    format!("{manifest}.set.json")
}

/// A manifest with every file that it names.
#[derive(Debug, Clone)]
pub struct Installable {
    /// Path below the bundle to bytes.
    files: BTreeMap<String, Vec<u8>>,
    /// The manifest among them.
    manifest: String,
}

impl Installable {
    /// What was read, with the manifest (a path of the host, or `-`) among it, and what was set.
    #[must_use]
    pub fn new(sheets: &Sheets, read: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let manifest = &sheets.manifest;
        // Standard input lies, as it were, in the folder where its reader stands.
        let own = std::path::absolute(if manifest.name == "-" { "stdin.yaml" } else { &manifest.name }).ok();
        let absolute = |path: &Path| std::path::absolute(path).map_or_else(|_| normal(path), |path| normal(&path));
        let mut files: BTreeMap<String, Vec<u8>> = read.iter().map(|(path, bytes)| (absolute(path), bytes.clone())).collect();
        let own = own.map_or_else(|| "/manifest.yaml".to_owned(), |path| normal(&path));
        files.insert(own.clone(), manifest.text.as_bytes().to_vec());
        if !sheets.settings.is_empty() {
            files.insert(settings_of(&own), serde_json::json!(sheets.settings).to_string().into_bytes());
        }
        let shared = shared_folder(files.keys());
        let below = |path: &String| path[shared.len()..].trim_start_matches('/').to_owned();
        Self { manifest: below(&own), files: files.iter().map(|(path, bytes)| (below(path), bytes.clone())).collect() }
    }

    /// With the text of its lock, if it has one.
    #[must_use]
    pub fn with_lock(mut self, lock: Option<String>) -> Self {
        self.files.extend(lock.map(|text| (format!("{}{LOCK}", self.manifest), text.into_bytes())));
        self
    }

    /// Of all that it holds.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let parts: Vec<String> = self.files.iter().flat_map(|(path, bytes)| [path.clone(), Sha256::of(bytes).to_string()]).collect();
        Sha256::of_parts(parts.iter().map(String::as_str).chain([self.manifest.as_str()]))
    }

    /// Makes it the machine's manifest.
    ///
    /// # Errors
    /// It was not; the one before still is.
    pub fn install(&self, on: &dyn Target) -> Result<(), OpError> {
        let digest = self.digest().short();
        for (path, bytes) in &self.files {
            let text = String::from_utf8(bytes.clone()).map_err(|_| OpError::new(format!("install {path}"), "it is not text"))?;
            let at = target_path(&format!("{BUNDLES}/{digest}/{path}"))?;
            let content = Content::Inline(text.into());
            if !on.holds(&at, &content)? {
                let op = Op::WriteFile { path: at, content, meta: Meta::root(Mode::FILE), proof: None, read_by: Vec::new() };
                on.perform(&op, &Silent)?;
            }
        }
        let (path, to) = (target_path(MANIFEST)?, format!("bundles/{digest}/{}", self.manifest));
        let before = on.stat(&path)?.and_then(|stat| stat.link);
        if before.as_ref() == Some(&to) {
            return Ok(());
        }
        on.perform(&Op::MakeSymlink { path, to }, &Silent)?;
        sweep(on, &[&digest, before.as_deref().and_then(bundle_of).unwrap_or_default()])
    }
}

/// The name of the bundle that the link leads into.
fn bundle_of(link: &str) -> Option<&str> {
    link.strip_prefix("bundles/")?.split('/').next()
}

/// Removes bundles of manifests that were replaced. The one before stays: somebody may be reading it, or want it back.
fn sweep(on: &dyn Target, kept: &[&str]) -> Result<(), OpError> {
    let names = on.list(&target_path(BUNDLES)?)?.unwrap_or_default();
    let mut old = names.iter().filter(|name| !kept.contains(&name.as_str()));
    old.try_for_each(|name| on.discard(&target_path(&format!("{BUNDLES}/{name}"))?))
}

/// The longest folder that all paths lie in.
fn shared_folder<'a>(mut paths: impl Iterator<Item = &'a String>) -> String {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let Some(mut shared) = paths.next().map(|path| folder(path)) else { return String::new() };
    for path in paths {
        while !path.starts_with(&format!("{shared}/")) {
            shared = folder(&shared);
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Ability;
    use crate::target::fake::{Behaviour, Fake};

    #[test]
    fn what_was_set_is_installed_below_what_differs_on_the_machine() {
        let machine = Fake::debian(&[Ability::Files, Ability::Exec], Behaviour::default()).unwrap();
        let manifest = Source { name: "/p/m.yaml".into(), text: "files: [{path: /etc/motd, content: a, mode: '0644'}]\n".into() };
        let set = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        let settings = vec![set("files./etc/motd.content", "b"), set("name", "lab-set")];
        let sheets = Sheets { settings, ..Sheets::new(manifest) };
        assert!(matches!(installed_lock(&machine), Err(InstalledError::None)));
        let lock = Some(Lock::default().to_text().unwrap());
        Installable::new(&sheets, &BTreeMap::new()).with_lock(lock).install(&machine).unwrap();
        assert!(installed_lock(&machine).unwrap().is_some());
        let own = Op::WriteFile {
            path: target_path(MACHINE).unwrap(),
            content: Content::Inline("name: lab-own\n".into()),
            meta: Meta::root(Mode::FILE),
            proof: None,
            read_by: Vec::new(),
        };
        machine.perform(&own, &Silent).unwrap();
        let sheets = installed(&machine).unwrap();
        let manifest = crate::manifest::load(&sheets, TargetFiles(std::sync::Arc::new(machine))).unwrap();
        let found = manifest.on(&crate::model::Facts::kinds().next().unwrap()).unwrap();
        assert_eq!(found.name.unwrap().as_str(), "lab-own");
        assert!(format!("{:?}", found.wants).contains("Inline(\"b\")"), "{:?}", found.wants);
    }

    #[test]
    fn a_bundle_keeps_the_layout() {
        let read = BTreeMap::from([("/p/manifests/../setup-scripts/a.sh".into(), b"x".to_vec())]);
        let manifest = Source { name: "/p/manifests/m.yaml".into(), text: "name: abc".into() };
        let settings = vec![("name".to_owned(), "lab".to_owned())];
        let bundle = Installable::new(&Sheets { settings, ..Sheets::new(manifest) }, &read);
        assert_eq!(bundle.manifest, "manifests/m.yaml");
        assert_eq!(
            bundle.files.keys().map(String::as_str).collect::<Vec<_>>(),
            ["manifests/m.yaml", "manifests/m.yaml.set.json", "setup-scripts/a.sh"]
        );
    }
}
