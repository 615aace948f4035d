//! Python and conda environments: built beside the one in use, checked, then switched to by one link.

use super::archive::marker;
use super::{OnDrift, Ownership, PRESENT, Resource, changed, in_the_way, named};
use crate::model::{ByteSize, Owner, ResourceId, Sha256, TargetPath, counted, project_name};
use crate::step::{Ability, Blob, Change, CondaBuild, DiskForecast, Extras, Op, PythonBuild, PythonPackages, Site, Stat, Step};
use crate::target::{Added, Claims, Depth, Installer, Inventory, KEPT, Probe, ProbeError, generations};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// An environment of an interpreter of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnvironment {
    /// Its name.
    pub name: String,
    /// How it is made.
    pub build: PythonBuild,
    /// Why its interpreter will not come either, where the machine has none.
    pub lacks: Option<String>,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// What is done about damage.
    pub ownership: Ownership,
}

/// A conda environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaEnvironment {
    /// Its name.
    pub name: String,
    /// How it is made.
    pub build: CondaBuild,
    /// What it takes.
    pub size: ByteSize,
    /// What is done about damage.
    pub ownership: Ownership,
}

/// What an environment's path holds.
#[derive(Debug, Serialize)]
pub struct State {
    /// The link's text; `None` where nothing is.
    link: Option<String>,
    /// From what that was made to which it leads, if that is whole.
    built: Option<Sha256>,
    /// Why it is to be made anew although it was made from the same.
    worn: Option<String>,
    /// What people changed in it, where it is made anew for another reason.
    lost: Option<String>,
    /// The packages that it was made of, where these may be others now.
    had: Packages,
    /// Generations that were replaced, and got files since.
    kept: Vec<TargetPath>,
}

/// Versions of packages, by their names.
type Packages = BTreeMap<String, String>;

impl State {
    fn observe(site: &Site, ownership: &Ownership, on: &dyn Probe) -> Result<Self, ProbeError> {
        let link = match on.stat(&site.prefix)? {
            Some(Stat { link: None, .. }) => return Err(in_the_way(&site.prefix, "something that Fitout did not make")),
            stat => stat.and_then(|stat| stat.link),
        };
        let built = match generation(site, link.as_deref()) {
            Some(generation) => marker(&generation, on)?,
            None => None,
        };
        let worn = if built == Some(site.digest) { worn(site, ownership, on)? } else { None };
        let lost = if built.is_some_and(|built| built != site.digest) { lost(site, on)? } else { None };
        let had = if built.is_some_and(|built| built != site.digest) { had(site, on)? } else { Packages::new() };
        let mut kept = Vec::new();
        for generation in if link.is_some() { generations(&site.prefix, on)? } else { Vec::new() } {
            let mark = generation.join(KEPT).map_err(|e| ProbeError::new(format!("look into {generation}"), e))?;
            kept.extend(on.stat(&mark)?.map(|_| generation));
        }
        Ok(Self { link, built, worn, lost, had, kept })
    }

    fn notes(&self) -> Vec<String> {
        let note = |path: &TargetPath| format!("{path} was replaced and got files since, so it stays: take what you need, and remove it");
        self.kept.iter().map(note).collect()
    }

    /// How the environment is made anew, `None` where it is as it should be.
    fn change(&self, site: &Site, wants: &Packages) -> Result<Option<(Change, String, Site)>, crate::model::Invalid> {
        let (change, why) = match (&self.link, &self.worn) {
            (Some(_), None) if self.built == Some(site.digest) => return Ok(None),
            (Some(_), Some(worn)) => (Change::Replace, worn.clone()),
            (Some(_), None) => {
                let lost = self.lost.iter().map(|lost| format!("; {lost}"));
                let moved = moved(&self.had, wants);
                let why = "made from another resolution";
                let why = if moved.is_empty() { why.to_owned() } else { named(why, &moved) };
                (Change::Replace, lost.fold(why, |why, lost| why + &lost))
            }
            (None, _) => (Change::Add, "absent".to_owned()),
        };
        // What is in use is not touched, not even to mend it: it is made anew under another name.
        let is_in_use = self.link.as_deref() == Some(&generation_link(&site.generation));
        let other = Sha256::of_parts([site.digest.to_string().as_str(), "anew"]);
        let generation = if is_in_use { generation_of(&site.prefix, &other)? } else { site.generation.clone() };
        Ok(Some((change, why, Site { generation, ..site.clone() })))
    }
}

/// The generation that a link leads to.
fn generation(site: &Site, link: Option<&str>) -> Option<TargetPath> {
    site.prefix.parent()?.join(link?.strip_prefix("./").unwrap_or(link?)).ok()
}

/// Why an environment that was made from the right things is to be made anew: only where the manifest says that people's changes go.
fn worn(site: &Site, ownership: &Ownership, on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    if ownership.on_drift == OnDrift::Repair {
        let damaged = damage(site, on)?;
        if !damaged.is_empty() {
            return Ok(Some(named(&format!("{} damaged", counted(damaged.len(), "file")), &damaged)));
        }
    }
    if site.extras == Extras::Remove {
        let added: Vec<String> = added(&site.prefix, on)?.iter().map(ToString::to_string).collect();
        if !added.is_empty() {
            return Ok(Some(named("it holds what the manifest does not ask for", &added)));
        }
    }
    Ok(None)
}

/// What people changed of that which Fitout put into an environment, and which is not carried along: packages by their names, else files.
fn lost(site: &Site, on: &dyn Probe) -> Result<Option<String>, ProbeError> {
    let Some(inventory) = Inventory::read(&site.prefix, on)? else { return Ok(None) };
    let damaged = inventory.damage(&site.prefix, Depth::Full, on)?;
    let packages = inventory.packages_of(&damaged);
    let (what, names) =
        if packages.is_empty() { (counted(damaged.len(), "file"), &damaged) } else { (counted(packages.len(), "package"), &packages) };
    Ok((!damaged.is_empty()).then(|| named(&format!("{what} changed by hand will be as the manifest says"), names)))
}

/// What stands behind the name of a package of pip in an environment of conda.
const PIP: &str = " (pip)";

/// What an environment was made of.
fn had(site: &Site, on: &dyn Probe) -> Result<Packages, ProbeError> {
    let inventory = Inventory::read(&site.prefix, on)?.unwrap_or_default();
    let has_conda = inventory.packages().any(|package| package.installer == Installer::Conda);
    let name =
        |package: &Added| if has_conda && package.installer == Installer::Pip { package.name.clone() + PIP } else { package.name.clone() };
    Ok(inventory.packages().map(|package| (name(&package), package.version)).collect())
}

/// What packages become others, in words.
fn moved(had: &Packages, wants: &Packages) -> Vec<String> {
    if had.is_empty() || wants.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = had.keys().chain(wants.keys()).collect();
    let one = |name: &String| match (had.get(name), wants.get(name)) {
        (Some(old), Some(new)) => (old != new).then(|| format!("{name} {old} -> {new}")),
        (None, Some(new)) => Some(format!("+ {name} {new}")),
        // A package of conda tells of itself to pip as well, by a name that may be another.
        (old, None) => old.filter(|_| !name.ends_with(PIP)).map(|old| format!("- {name} {old}")),
    };
    names.into_iter().filter_map(one).collect()
}

/// The packages of Python's index that an environment is made of, by their pins: `six==1.17.0 --hash=…`.
fn pinned(packages: &PythonPackages) -> Packages {
    let one = |line: &str| line.split(' ').next()?.split_once("==").map(|(name, version)| (project_name(name), version.to_owned()));
    packages.requirements.lines().filter_map(one).collect()
}

/// The packages of an environment of conda: those of channels by the names of their files, `…/six-1.17.0-py311_0.conda`.
fn of_conda(build: &CondaBuild) -> Packages {
    let one = |blob: &Blob| {
        let mut parts = blob.url.rsplit('/').next()?.rsplitn(3, '-').skip(1);
        let (version, name) = (parts.next()?.to_owned(), project_name(parts.next()?));
        Some((name, version))
    };
    let by_pip = build.pip.iter().flat_map(pinned).map(|(name, version)| (name + PIP, version));
    build.packages.iter().filter_map(one).chain(by_pip).collect()
}

/// The files of an environment that are not as they were made.
fn damage(site: &Site, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    Inventory::read(&site.prefix, on)?.map_or_else(|| Ok(Vec::new()), |inventory| inventory.damage(&site.prefix, Depth::Full, on))
}

/// The packages that people added to the environment at a path.
///
/// # Errors
/// It cannot be looked at.
pub fn added(prefix: &TargetPath, on: &dyn Probe) -> Result<Vec<Added>, ProbeError> {
    Inventory::read(prefix, on)?.map_or_else(|| Ok(Vec::new()), |inventory| inventory.added(prefix, on))
}

/// What a close look at an environment shows.
fn examined(site: &Site, ownership: &Ownership, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
    if ownership.on_drift == OnDrift::Ignore {
        return Ok(Vec::new());
    }
    let damaged = damage(site, on)?;
    let replaced = added(&site.prefix, on)?.into_iter().filter(|package| package.instead_of.is_some());
    let what = std::iter::once(changed(&damaged)).chain(replaced.map(|package| format!("there is {package}")));
    Ok(if damaged.is_empty() { Vec::new() } else { vec![format!("{}: {}", site.prefix, what.collect::<Vec<_>>().join("; "))] })
}

/// What an environment asks for, as it is remembered: its place.
fn claims(site: &Site) -> Claims {
    Claims::from_iter([(PRESENT.to_owned(), site.prefix.to_string())])
}

/// The text of the link to a generation beside it: `.generations/NAME-DIGEST`.
#[must_use]
pub fn generation_link(generation: &TargetPath) -> String {
    format!(".generations/{}", generation.name())
}

/// The generation of an environment that this digest names.
///
/// # Errors
/// The prefix is the root.
pub fn generation_of(prefix: &TargetPath, digest: &Sha256) -> Result<TargetPath, crate::model::Invalid> {
    let above = prefix.parent().ok_or_else(|| crate::model::Invalid::new("an environment cannot be the root directory"))?;
    above.join(&format!(".generations/{}-{}", prefix.name(), digest.short()))
}

/// A wheel lies packed beside the environment while this is built, and unpacks to about three times its size.
const GROWTH: u64 = 4;

/// What laying packages of Python into an environment that takes `more` comes to, where the index told the sizes of all wheels.
fn room(packages: Option<&PythonPackages>, more: ByteSize) -> DiskForecast {
    let wheels = packages.iter().flat_map(|packages| &packages.wheels);
    let packed: Option<u64> = wheels.map(|wheel| wheel.size.map(|size| size.0)).sum();
    packed.map_or(DiskForecast::Unknown, |packed| DiskForecast::AtMost(ByteSize(packed * GROWTH + more.0)))
}

impl Resource for PythonEnvironment {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("python", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.build.site.prefix)
    }

    fn blobs(&self) -> Vec<&Blob> {
        self.build.packages.blobs().collect()
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.build.site.owner)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let state = State::observe(&self.build.site, &self.ownership, on)?;
        let interpreter = &self.build.interpreter;
        match &self.lacks {
            // Known now, it need not fail later.
            Some(why) if state.built.is_none() && on.stat(interpreter)?.is_none() => {
                Err(ProbeError::new(format!("make {}", self.build.site.prefix), format!("this machine has no {interpreter}, {why}")))
            }
            Some(_) | None => Ok(state),
        }
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let op = |site| Op::BuildPython(PythonBuild { site, ..self.build.clone() });
        steps(now, (&self.build.site, &pinned(&self.build.packages)), op, room(Some(&self.build.packages), ByteSize(0)))
    }

    fn claims(&self) -> Claims {
        claims(&self.build.site)
    }

    fn notes(&self, now: &State) -> Vec<String> {
        now.notes()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn examine(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        examined(&self.build.site, &self.ownership, on)
    }
}

impl Resource for CondaEnvironment {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("conda", &self.name)
    }

    fn path(&self) -> Option<&TargetPath> {
        Some(&self.build.site.prefix)
    }

    fn blobs(&self) -> Vec<&Blob> {
        self.build.blobs().collect()
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.build.site.owner)
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        State::observe(&self.build.site, &self.ownership, on)
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let op = |site| Op::BuildConda(CondaBuild { site, ..self.build.clone() });
        steps(now, (&self.build.site, &of_conda(&self.build)), op, room(self.build.pip.as_ref(), self.size))
    }

    fn claims(&self) -> Claims {
        claims(&self.build.site)
    }

    fn notes(&self, now: &State) -> Vec<String> {
        now.notes()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn examine(&self, on: &dyn Probe) -> Result<Vec<String>, ProbeError> {
        examined(&self.build.site, &self.ownership, on)
    }
}

fn steps(now: &State, (site, wants): (&Site, &Packages), op: impl FnOnce(Site) -> Op, room: DiskForecast) -> Vec<Step> {
    // A path that was parsed once has a generation beside it.
    let change = now.change(site, wants).unwrap_or_default();
    change.map(|(change, why, site)| Step::new(change, op(site), why).needs(Ability::Exec).disk(room)).into_iter().collect()
}
