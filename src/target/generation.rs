//! Generations: an environment is built beside the one in use, checked, and then switched to by one link.
//!
//! `PREFIX` is a link to `.generations/NAME-DIGEST` beside it. A generation whose marker is missing is half made, whatever it looks
//! like, and is made again. The one before stays, so that what runs from it goes on and people can go back; older ones go, unless somebody
//! put something into them after they were replaced.

use super::machine::Machine;
use super::unpack::{below, marker};
use super::{Depth, Inventory, OpError, Probe, ProbeError, Progress, Target};
use crate::model::{Invalid, Owner, Sha256, TargetPath};
use crate::step::{Extras, FileKind, Site};
use std::collections::BTreeMap;

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

/// Removes what killed runs left of generations of an environment that are not whole, and that nobody uses.
///
/// # Errors
/// They cannot be looked at or removed.
pub fn clear_half_made(prefix: &TargetPath, on: &dyn Target) -> Result<(), OpError> {
    for path in generations(prefix, on)? {
        let is_used = on.stat(prefix)?.and_then(|stat| stat.link).is_some_and(|link| link.rsplit('/').next() == Some(path.name()));
        if !is_used && on.stat(&marker(&path)?)?.is_none() && on.stat(&below(&path, KEPT)?)?.is_none() {
            on.discard(&path)?;
        }
    }
    Ok(())
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
        if let Some(name) = before.as_deref().filter(|_| !is_in_use) {
            note_replaced(machine, &below(&self.folder()?, name)?)?;
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
            (Some(_), _) => got_since(machine, place)?,
            (None, None) => Vec::new(),
        };
        if theirs.is_empty() {
            return Ok(None);
        }
        let aside = machine.set_aside(place)?;
        progress.line(&format!("{place} was not in use and holds what people put there ({}): it is moved to {aside}", some(&theirs)));
        Ok(Some(aside))
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
        let mut swept = Vec::new();
        for path in generations(&self.0.prefix, machine)? {
            if path == self.0.generation || Some(path.name()) == before {
                continue;
            }
            let late = got_since(machine, &path)?;
            if late.is_empty() {
                swept.push(path);
                continue;
            }
            files.write_unsynced(&below(&path, KEPT)?, &mut "".as_bytes(), 0o644, (0, 0))?;
            let what = some(&late);
            progress.line(&format!("{} was replaced, and got {what} since: {path} stays; take what you need, and remove it", path.name()));
        }
        swept.iter().try_for_each(|path| Ok(files.remove_tree(path)?))
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
/// Says of a generation what people had put into it when another took its place.
const REPLACED: &str = ".fitout-replaced";
/// So many files are named.
const NAMED: usize = 3;

fn some(names: &[String]) -> String {
    names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Files that people put into a tree or changed there: by path, with size and time of the last write.
type Theirs = BTreeMap<String, (u64, i128)>;

/// What people put into a generation, or changed there.
fn theirs(machine: &Machine, generation: &TargetPath) -> Result<Theirs, OpError> {
    let Some(made) = Inventory::read(generation, machine)? else { return Ok(Theirs::new()) };
    let names = [made.foreign(generation, machine)?, made.damage(generation, Depth::Quick, machine)?].concat();
    let mut all = Theirs::new();
    for name in names {
        let stat = machine.files.stat(&below(generation, &name)?)?;
        all.insert(name, stat.map_or((0, 0), |stat| (stat.size, stat.written)));
    }
    Ok(all)
}

/// Notes in a generation what people had put into it when another took its place. No clock is asked: those of machines go back and forth.
fn note_replaced(machine: &Machine, generation: &TargetPath) -> Result<(), OpError> {
    let act = || format!("note what {generation} held when it was replaced");
    let text = serde_json::to_vec(&theirs(machine, generation)?).map_err(|e| OpError::new(act(), e))?;
    Ok(machine.files.write_unsynced(&below(generation, REPLACED)?, &mut &text[..], 0o644, (0, 0))?)
}

/// What people put into a generation after another took its place, or ever, where nobody noted when that was; `files` where an earlier look
/// saw some.
fn got_since(machine: &Machine, generation: &TargetPath) -> Result<Vec<String>, OpError> {
    if machine.files.stat(&marker(generation)?)?.is_some() {
        let noted = machine.files.read(&below(generation, REPLACED)?)?;
        // What was noted and is damaged tells nothing: what people put there stays.
        let then: Theirs = noted.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let late = theirs(machine, generation)?.into_iter().filter(|(name, now)| then.get(name) != Some(now));
        let late: Vec<String> = late.map(|(name, _)| name).collect();
        if !late.is_empty() {
            return Ok(late);
        }
    }
    Ok(machine.files.stat(&below(generation, KEPT)?)?.map(|_| "files".to_owned()).into_iter().collect())
}
