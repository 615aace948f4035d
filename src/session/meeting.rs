//! Paths that differ and are one place of a machine, because a link leads from one to the other.

use super::conflicts::{Asked, MOST_LINKS, between};
use crate::model::TargetPath;
use crate::problem::Problem;
use crate::resource::Spec;
use crate::target::Probe;
use std::collections::{HashMap, HashSet};

/// What is asked for twice at one place, by paths that differ. Links of the manifest lead where it says, others where they do.
pub(super) fn meeting(asked: &[Asked], on: &dyn Probe) -> Vec<Problem> {
    let link = |one: &Asked| if let Spec::Symlink(link) = &one.spec { Some((link.path.clone(), link.to.clone())) } else { None };
    let mut ways = Ways { on, links: asked.iter().filter_map(link).collect(), known: HashMap::new() };
    // Nearly always every folder is where its path says, and none can meet another.
    let folders: HashSet<TargetPath> = asked.iter().filter_map(|one| one.spec.path()?.parent()).collect();
    if folders.iter().all(|folder| ways.real(folder, MOST_LINKS) == *folder) {
        return Vec::new();
    }
    let (mut firsts, mut problems) = (HashMap::new(), Vec::new());
    for (path, one) in asked.iter().filter_map(|one| Some((one.spec.path()?, one))) {
        let Some(folder) = path.parent() else { continue };
        let Ok(place) = ways.real(&folder, MOST_LINKS).join(path.name()) else { continue };
        let (other, first): (&TargetPath, &Asked) = *firsts.entry(place.clone()).or_insert((path, one));
        if other != path && !alike(&one.spec, &first.spec) {
            let (one_id, first_id) = (one.spec.id(), first.spec.id());
            let message = format!("{one_id} and {first_id} are both at {place}: a link leads there");
            problems.push(between(message, first.place.as_ref(), one.place.as_ref()));
        }
    }
    problems
}

/// Whether both would have the same at a place.
fn alike(one: &Spec, other: &Spec) -> bool {
    match (one, other) {
        (Spec::File(one), Spec::File(other)) => (&one.content, &one.meta) == (&other.content, &other.meta),
        (Spec::Directory(one), Spec::Directory(other)) => one.meta == other.meta,
        (Spec::Symlink(one), Spec::Symlink(other)) => one.to == other.to,
        (Spec::Absent(_), Spec::Absent(_)) => true,
        _ => false,
    }
}

/// Where folders lead.
struct Ways<'a> {
    on: &'a dyn Probe,
    links: HashMap<TargetPath, String>,
    known: HashMap<TargetPath, TargetPath>,
}

impl Ways<'_> {
    /// A folder by its path without links.
    fn real(&mut self, folder: &TargetPath, links_left: usize) -> TargetPath {
        let Some(above) = folder.parent() else { return folder.clone() };
        if let Some(known) = self.known.get(folder) {
            return known.clone();
        }
        let at = self.real(&above, links_left).join(folder.name()).unwrap_or_else(|_| folder.clone());
        let said = self.links.get(folder).or_else(|| self.links.get(&at)).cloned();
        // What cannot be looked at is told by what is asked for there.
        let link = said.or_else(|| self.on.stat(&at).ok().flatten()?.link);
        let real = match link.and_then(|to| at.leads_to(&to)).filter(|_| links_left > 0) {
            Some(to) => self.real(&to, links_left - 1),
            None => at,
        };
        self.known.insert(folder.clone(), real.clone());
        real
    }
}
