//! Generations: an environment is built beside the one in use, checked, and then switched to by one link.
//!
//! `PREFIX` is a link to `.generations/NAME-DIGEST` beside it. A generation whose marker is missing is half made, whatever it looks
//! like, and is made again. The one before stays, so that what runs from it goes on and people can go back; older ones go, unless somebody
//! put something into them after they were replaced.

use super::fs::Rooted;
use super::inventory::walk;
use super::machine::Machine;
use super::unpack::{below, marker};
use super::{Depth, Inventory, OpError, Probe, ProbeError, Progress};
use crate::model::{Invalid, Owner, Sha256, TargetPath};
use crate::step::{Extras, FileKind, Site};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Where generations are, beside the links to them.
const FOLDER: &str = ".generations";
/// Digits of a digest at the end of a generation's name.
const DIGITS: usize = 12;

/// A generation that is to be in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation<'a>(pub &'a Site);

fn is_generation(prefix: &TargetPath, name: &str) -> bool {
    let digest = name.strip_prefix(prefix.name()).and_then(|rest| rest.strip_prefix('-'));
    digest.is_some_and(|digest| digest.len() == DIGITS && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The generations of an environment that there are.
///
/// # Errors
/// Their folder cannot be read.
pub fn generations(prefix: &TargetPath, on: &dyn Probe) -> Result<Vec<TargetPath>, ProbeError> {
    let cannot = |e: Invalid| ProbeError::new(format!("look for generations of {prefix}"), e);
    let Some(above) = prefix.parent() else { return Ok(Vec::new()) };
    let folder = above.join(FOLDER).map_err(cannot)?;
    let names = on.list(&folder)?.unwrap_or_default();
    names.iter().filter(|name| is_generation(prefix, name)).map(|name| folder.join(name).map_err(cannot)).collect()
}

/// Removes an environment: nobody finds it first, then what it was.
pub(super) fn remove(machine: &Machine, prefix: &TargetPath) -> Result<(), OpError> {
    if machine.stat(prefix)?.is_some_and(|stat| !stat.link.is_some_and(|to| to.starts_with(FOLDER))) {
        return Err(OpError::new(format!("remove environment {prefix}"), "Fitout did not make what is there"));
    }
    machine.files.remove(prefix)?;
    generations(prefix, machine)?.iter().try_for_each(|path| Ok(machine.files.remove_tree(path)?))
}

impl Generation<'_> {
    fn folder(self) -> Result<TargetPath, OpError> {
        self.0.generation.parent().ok_or_else(|| OpError::new(format!("build {}", self.0.generation), "it is the root directory"))
    }

    /// The text of the link to a generation of this environment: `.generations/NAME-DIGEST`.
    fn name_in_link(self, link: &str) -> Option<&str> {
        let name = link.strip_prefix(FOLDER)?.strip_prefix('/')?;
        self.is_generation(name).then_some(name)
    }

    fn is_generation(self, name: &str) -> bool {
        is_generation(&self.0.prefix, name)
    }

    /// The name of the generation in use, if there is one; what is no generation of this environment is refused.
    fn in_use(self, machine: &Machine) -> Result<Option<String>, OpError> {
        let Some(stat) = machine.stat(&self.0.prefix)? else { return Ok(None) };
        match stat.link.as_deref().and_then(|link| self.name_in_link(link)) {
            Some(name) => Ok(Some(name.to_owned())),
            None => {
                Err(OpError::new(format!("switch {} to a new environment", self.0.prefix), "something that Fitout did not make is there")
                    .hint("move it away, or give the environment another name"))
            }
        }
    }

    /// Builds the generation with `build`, unless it is whole and in use, and switches to it.
    pub(super) fn renew(
        self,
        machine: &Machine,
        progress: &dyn Progress,
        build: impl FnOnce() -> Result<(), OpError>,
    ) -> Result<(), OpError> {
        let (files, site) = (&machine.files, self.0);
        let before = self.in_use(machine)?;
        let is_in_use = before.as_deref() == Some(site.generation.name());
        if !is_in_use || files.stat(&marker(&site.generation)?)?.is_none() {
            // One that was whole once lacks what people added since.
            let aside = if is_in_use { None } else { self.give_way(machine, before.as_deref(), progress)? };
            files.remove_tree(&site.generation)?;
            let past = match before.as_deref().filter(|_| !is_in_use) {
                Some(name) => Some(below(&self.folder()?, name)?),
                None => aside,
            };
            if let Err(error) = self.make(machine, past.as_ref(), progress, build) {
                // Nobody needs half of it, and its room may be what is short. Best effort: the first error is the one to tell.
                files.remove_tree(&site.generation).ok();
                return Err(error);
            }
        }
        files.symlink(&site.prefix, &format!("{FOLDER}/{}", site.generation.name()))?;
        self.sweep(machine, before.as_deref(), progress)
    }

    /// Moves a generation that is not in use aside, where it is in the way of the one that is to be made and people put something into it;
    /// gives where it is then.
    fn give_way(self, machine: &Machine, before: Option<&str>, progress: &dyn Progress) -> Result<Option<TargetPath>, OpError> {
        let (files, place) = (&machine.files, &self.0.generation);
        if files.stat(&marker(place)?)?.is_none() {
            return Ok(None);
        }
        let theirs = match (before, Inventory::read(place, machine)?) {
            // Nobody replaced it: its link was taken away, and all that people did in it is there alone.
            (None, Some(made)) => [made.foreign(place, machine)?, made.damage(place, Depth::Full, machine)?].concat(),
            (Some(_), _) => got_since(files, &self.all(files)?, place)?,
            (None, None) => Vec::new(),
        };
        if theirs.is_empty() {
            return Ok(None);
        }
        let aside = machine.set_aside(place)?;
        progress.line(&format!("{place} was not in use and holds what people put there ({}): it is moved to {aside}", some(&theirs)));
        Ok(Some(aside))
    }

    /// The generations that there are.
    fn all(self, files: &Rooted) -> Result<Vec<There>, OpError> {
        let folder = self.folder()?;
        let mut all = Vec::new();
        for name in files.list(&folder)?.unwrap_or_default().into_iter().filter(|name| self.is_generation(name)) {
            let path = below(&folder, &name)?;
            all.push(There { made: modified(files, &marker(&path)?)?, name, path });
        }
        Ok(all)
    }

    /// Makes the generation; what people added to the one `before` comes along.
    fn make(
        self,
        machine: &Machine,
        before: Option<&TargetPath>,
        progress: &dyn Progress,
        build: impl FnOnce() -> Result<(), OpError>,
    ) -> Result<(), OpError> {
        let (files, site) = (&machine.files, self.0);
        let (ids, _) = machine.account(&site.owner)?;
        build()?;
        let made = Inventory::take(&site.generation, &BTreeMap::new(), files)?;
        if let (Extras::Keep, Some(before)) = (site.extras, before) {
            super::extras::carry(machine, before, self.0, &made, ids, progress)?;
        }
        if site.owner != Owner::Root {
            files.own_tree(&site.generation, ids)?;
        }
        files.sync_tree(&site.generation)?;
        let text = serde_json::json!({"version": 1, "digest": site.digest}).to_string();
        Ok(files.write(&marker(&site.generation)?, &mut text.as_bytes(), 0o644, (0, 0))?)
    }

    /// Removes every generation but this one, the one before, and those into which somebody put something after they were replaced.
    fn sweep(self, machine: &Machine, before: Option<&str>, progress: &dyn Progress) -> Result<(), OpError> {
        let files = &machine.files;
        let (all, mut swept) = (self.all(files)?, Vec::new());
        for There { name, path, .. } in all.iter().filter(|one| one.name != self.0.generation.name() && Some(one.name.as_str()) != before) {
            let late = got_since(files, &all, path)?;
            if late.is_empty() {
                swept.push(path);
                continue;
            }
            files.write_unsynced(&below(path, KEPT)?, &mut "".as_bytes(), 0o644, (0, 0))?;
            let what = some(&late);
            progress.line(&format!("{name} was replaced, and got {what} since: {path} stays; take what you need, and remove it"));
        }
        swept.into_iter().try_for_each(|path| Ok(files.remove_tree(path)?))
    }
}

/// Programs of an environment that are text are shorter.
const LONGEST_PROGRAM: u64 = 1 << 20;

/// Has the programs and the scripts of activation name the environment's own path, not that of the generation: a shell that was activated
/// goes on in the environment that is in use, what it installs there names that too, and nothing names what may be gone one day. Gives
/// those that are other than they were, with digest and size.
pub(super) fn name_prefix(machine: &Machine, site: &Site) -> Result<BTreeMap<String, (Sha256, usize)>, OpError> {
    let (programs, mut changed) = (below(&site.generation, "bin")?, BTreeMap::new());
    for name in machine.files.list(&programs)?.unwrap_or_default() {
        let path = below(&programs, &name)?;
        let Some(stat) = machine.files.stat(&path)?.filter(|stat| stat.kind == FileKind::File && stat.size <= LONGEST_PROGRAM) else {
            continue;
        };
        let Ok(text) = String::from_utf8(machine.files.read(&path)?.unwrap_or_default()) else { continue };
        if text.contains(site.generation.as_str()) {
            let text = text.replace(site.generation.as_str(), site.prefix.as_str());
            machine.files.write_unsynced(&path, &mut text.as_bytes(), stat.mode & 0o777, (0, 0))?;
            changed.insert(format!("bin/{name}"), (Sha256::of(text.as_bytes()), text.len()));
        }
    }
    Ok(changed)
}

/// Says of a generation that it stays until somebody removes it.
pub const KEPT: &str = ".fitout-kept";
/// So many files are named.
const NAMED: usize = 3;

/// A generation that there is.
struct There {
    /// When it was whole.
    made: Option<SystemTime>,
    name: String,
    path: TargetPath,
}

fn some(names: &[String]) -> String {
    names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The files of one of these generations that were written after another took its place; `files` where an earlier look saw some.
fn got_since(files: &Rooted, all: &[There], path: &TargetPath) -> Result<Vec<String>, OpError> {
    let made = all.iter().find(|one| one.path == *path).and_then(|one| one.made);
    let replaced = made.and_then(|at| all.iter().filter_map(|other| other.made).filter(|other| *other > at).min());
    let late = replaced.map_or_else(|| Ok(Vec::new()), |replaced| later(files, path, replaced))?;
    if !late.is_empty() {
        return Ok(late);
    }
    Ok(files.stat(&below(path, KEPT)?)?.map(|_| "files".to_owned()).into_iter().collect())
}

/// When a file was last written; `None` where it is not.
fn modified(files: &Rooted, path: &TargetPath) -> Result<Option<SystemTime>, ProbeError> {
    let Some(file) = files.open_file(path)? else { return Ok(None) };
    file.metadata().and_then(|data| data.modified()).map(Some).map_err(|e| ProbeError::new(format!("look at {path}"), e))
}

/// The files of a generation that were written after a time.
fn later(files: &Rooted, generation: &TargetPath, than: SystemTime) -> Result<Vec<String>, ProbeError> {
    let inside = Rooted::open(&files.on_host(generation)?).map_err(|e| ProbeError::new(format!("open {generation}"), e))?;
    let mut found = Vec::new();
    for (path, stat) in walk(&inside)? {
        if stat.kind == FileKind::File && modified(&inside, &path)?.is_some_and(|at| at > than) {
            found.push(path.relative().to_owned());
        }
    }
    Ok(found)
}
