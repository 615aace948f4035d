//! `libraries`: directories whose shared libraries the dynamic linker finds, by its cache (`/etc/ld.so.cache`).

use super::{Archive, File, Look, PRESENT, Resource, Symlink, Written, look};
use crate::model::{ResourceId, TargetPath};
use crate::step::{Ability, Change, Op, Step};
use crate::target::{Claims, Probe, ProbeError};
use serde::Serialize;
use std::collections::BTreeSet;

/// Libraries that should be found. Files below `/etc/ld.so.conf.d` name the directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libraries {
    /// Names them.
    pub name: String,
    /// Where they are.
    pub directories: Vec<TargetPath>,
    /// The trees that bring them.
    pub trees: Vec<Archive>,
    /// The link through which one of the trees is reached, where Fitout makes it.
    pub link: Option<Symlink>,
    /// What else must be there first.
    pub requires: Vec<ResourceId>,
    /// The files that name the directories to the linker.
    pub files: Vec<File>,
}

/// Libraries as they are.
#[derive(Debug, Serialize)]
pub struct State {
    /// Those that are not in the cache, or no longer where it says.
    stale: Vec<String>,
    /// Whether something that brings or names them is about to change.
    is_about_to_change: bool,
    /// Whether the linker knows any of them.
    is_known: bool,
}

const CACHE: &str = "/etc/ld.so.cache";

/// Paths in the cache: texts between NULs, of which some begin with other bytes.
fn cached(on: &dyn Probe) -> Result<BTreeSet<String>, ProbeError> {
    let path = TargetPath::parse(CACHE).map_err(|e| ProbeError::new("use a path", e))?;
    let bytes = on.read(&path)?.unwrap_or_default();
    let text = |part: &[u8]| String::from_utf8(part[part.iter().position(|byte| *byte == b'/')?..].to_vec()).ok();
    Ok(bytes.split(|byte| *byte == 0).filter_map(text).collect())
}

/// Whether a file name is that by which programs ask for a library: `libcudart.so.12`. Of those whose name says that they are another
/// build of a library (`libnvrtc.alt.so.12`) only one is in the cache.
fn is_soname(name: &str) -> bool {
    name.rsplit_once(".so.").is_some_and(|(stem, version)| {
        stem.starts_with("lib")
            && stem.rsplit('.').next() != Some("alt")
            && !version.is_empty()
            && version.chars().all(|c| c.is_ascii_digit())
    })
}

/// What in the cache differs from what is in a directory: what is missing there, and what is there no longer.
fn differences(directory: &TargetPath, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    let names = on.list(directory)?.unwrap_or_default();
    let there: BTreeSet<String> = names.iter().filter(|name| is_soname(name)).map(|name| format!("{directory}/{name}")).collect();
    let below = format!("{directory}/");
    let known: BTreeSet<String> = cached(on)?.into_iter().filter(|path| path.strip_prefix(&below).is_some_and(is_soname)).collect();
    Ok(there.symmetric_difference(&known).cloned().collect())
}

/// Whether the linker knows libraries below a directory.
pub(super) fn knows_below(directory: &TargetPath, on: &dyn Probe) -> Result<bool, ProbeError> {
    let below = format!("{directory}/");
    Ok(cached(on)?.iter().any(|path| path.starts_with(&below)))
}

impl Libraries {
    /// What cannot be looked at is its own problem, and whoever requires it is skipped.
    fn is_about_to_change(&self, on: &dyn Probe) -> bool {
        let changes = |look: Result<Look, ProbeError>| look.is_ok_and(|look| !look.steps.is_empty());
        self.trees.iter().any(|tree| changes(look(tree, on)))
            || self.link.iter().any(|link| changes(look(link, on)))
            || self.files.iter().any(|file| file.will_change(on))
    }
}

impl Resource for Libraries {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("libraries", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        let files = self.files.iter().map(File::id);
        let links = self.link.iter().map(Resource::id);
        self.trees.iter().map(Archive::id).chain(links).chain(files).chain(self.requires.iter().cloned()).collect()
    }

    fn claims(&self) -> Claims {
        let all: Vec<&str> = self.directories.iter().map(TargetPath::as_str).collect();
        Claims::from_iter([(PRESENT.to_owned(), all.join(":"))])
    }

    fn writes(&self) -> Vec<Written> {
        vec![Written::alone(CACHE)]
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let each = self.directories.iter().map(|directory| differences(directory, on));
        let stale = each.collect::<Result<Vec<_>, _>>()?.concat();
        let known: Vec<bool> = self.directories.iter().map(|directory| knows_below(directory, on)).collect::<Result<_, _>>()?;
        Ok(State { stale, is_about_to_change: self.is_about_to_change(on), is_known: known.contains(&true) })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let why = match now.stale.as_slice() {
            [] if now.is_about_to_change => "libraries are about to change".to_owned(),
            [] => return Vec::new(),
            [one] => format!("{one} is new or gone"),
            many => format!("{} libraries are new or gone", many.len()),
        };
        let change = if now.is_known { Change::Modify } else { Change::Add };
        vec![Step::new(change, Op::RefreshLibraries, why).needs(Ability::Exec)]
    }
}
