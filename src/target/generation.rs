//! Generations: an environment is built beside the one in use, checked, and then switched to by one link.
//!
//! `PREFIX` is a link to `.generations/NAME-DIGEST` beside it. A generation whose marker is missing is half made, whatever it looks
//! like, and is made again. The one before stays, so that what runs from it goes on and people can go back; older ones go.

use super::machine::Machine;
use super::unpack::{below, marker};
use super::{Inventory, OpError, Probe, ProbeError, Progress};
use crate::model::{Invalid, Owner, TargetPath};
use crate::step::{Extras, Site};

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
            files.remove_tree(&site.generation)?;
            let (ids, _) = machine.account(&site.owner)?;
            build()?;
            let made = Inventory::take(&site.generation, files)?;
            if let (Extras::Keep, false, Some(name)) = (site.extras, is_in_use, &before) {
                super::extras::carry(machine, &below(&self.folder()?, name)?, self.0, &made, ids, progress)?;
            }
            if site.owner != Owner::Root {
                files.own_tree(&site.generation, ids)?;
            }
            files.sync_tree(&site.generation)?;
            let text = serde_json::json!({"version": 1, "digest": site.digest}).to_string();
            files.write(&marker(&site.generation)?, &mut text.as_bytes(), 0o644, (0, 0))?;
        }
        files.symlink(&site.prefix, &format!("{FOLDER}/{}", site.generation.name()))?;
        self.sweep(machine, before.as_deref())
    }

    /// Removes every generation but this one and the one before.
    fn sweep(self, machine: &Machine, before: Option<&str>) -> Result<(), OpError> {
        let folder = self.folder()?;
        let names = machine.files.list(&folder)?.unwrap_or_default();
        let old = |name: &&String| self.is_generation(name) && name.as_str() != self.0.generation.name() && Some(name.as_str()) != before;
        names.iter().filter(old).try_for_each(|name| Ok(machine.files.remove_tree(&below(&folder, name)?)?))
    }
}
