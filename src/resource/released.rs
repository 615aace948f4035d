//! `released`: what the manifest asked for once and does so no longer, and what Fitout itself made for it, to be deleted. What
//! somebody changed since stays, and is reported.

use super::{ENABLED, Guard, MASKED, OFF, PRESENT, Resource, Switch};
use crate::model::{ResourceId, Sha256, TargetPath, UnitName};
use crate::step::{Ability, Change, FileKind, Op, Query, Step, UnitVerb};
use crate::target::{Claims, Probe, ProbeError, taken_along};
use serde::Serialize;

/// Things that Fitout made and the manifest names no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The resource whose things they were.
    pub of: ResourceId,
    /// The things, with what was asked for.
    pub things: Claims,
    /// What lies in a directory and goes as well.
    pub inside: Vec<Released>,
}

/// What is left of them.
#[derive(Debug, Serialize)]
pub enum State {
    /// Nothing.
    Gone,
    /// This is to be done.
    Ours(Vec<Op>, Ability),
    /// Packages that go, and what is said of those that others need.
    Packages(Vec<Op>, Vec<String>),
    /// Somebody's by now.
    Theirs(String),
}

impl Released {
    /// What its names begin with.
    pub const KIND: &str = "released";

    /// The name of the release of a resource.
    #[must_use]
    pub fn name(of: &ResourceId) -> ResourceId {
        ResourceId::new(Self::KIND, of)
    }

    /// The path that something else may be made below when this is gone: of a directory only what is in it goes.
    pub(super) fn clears(&self) -> Option<&str> {
        matches!(self.of.kind.as_str(), "file" | "symlink").then_some(self.of.name.as_str())
    }

    fn path(&self) -> Result<TargetPath, ProbeError> {
        TargetPath::parse(&self.of.name).map_err(|e| ProbeError::new(format!("release {}", self.of), e))
    }

    fn file(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let path = self.path()?;
        let Some(bytes) = on.read(&path)? else { return Ok(State::Gone) };
        let ours = on.written(&path)?.is_some_and(|written| written.after == Sha256::of(&bytes));
        Ok(if ours { removal(path) } else { State::Theirs(format!("{path} was edited since Fitout wrote it; it stays")) })
    }

    fn symlink(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let path = self.path()?;
        let Some(stat) = on.stat(&path)? else { return Ok(State::Gone) };
        let ours = stat.link.is_some() && stat.link.as_ref() == self.things.get(PRESENT);
        Ok(if ours { removal(path) } else { State::Theirs(format!("{path} is no longer Fitout's link; it stays")) })
    }

    fn directory(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let path = self.path()?;
        let Some(stat) = on.stat(&path)? else { return Ok(State::Gone) };
        let names = if stat.kind == FileKind::Directory { on.list(&path)? } else { None };
        let goes = |name: &String| -> Result<bool, ProbeError> {
            let inner = self.inside.iter().find(|inner| inner.of.name == format!("{path}/{name}"));
            Ok(inner.map(|inner| inner.observe(on)).transpose()?.is_some_and(|state| matches!(state, State::Ours(..))))
        };
        let all = names.map(|names| names.iter().map(goes).collect::<Result<Vec<bool>, ProbeError>>()).transpose()?;
        Ok(if all.is_some_and(|all| all.into_iter().all(|goes| goes)) {
            removal(path)
        } else if self.things.is_empty() {
            // No line asked for it: it came with what is in it.
            State::Gone
        } else {
            State::Theirs(format!("{path} is not empty; it stays"))
        })
    }

    /// A tree is nobody's but Fitout's: its mark says so. The linker is to forget what was in it.
    fn archive(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let Some(place) = self.things.get(PRESENT).filter(|place| !place.is_empty()) else { return Ok(State::Gone) };
        let path = TargetPath::parse(place).map_err(|e| ProbeError::new(format!("release {}", self.of), e))?;
        let refresh = super::libraries::knows_below(&path, on)?.then_some(Op::RefreshLibraries);
        let needs = if refresh.is_some() { Ability::Exec } else { Ability::Files };
        let remove = match on.stat(&path)? {
            None => None,
            Some(_) if super::archive::marker(&path, on)?.is_none() => {
                return Ok(State::Theirs(format!("{path} is no longer Fitout's; it stays")));
            }
            Some(_) => Some(Op::RemoveTree { path }),
        };
        let ops: Vec<Op> = remove.into_iter().chain(refresh).collect();
        Ok(if ops.is_empty() { State::Gone } else { State::Ours(ops, needs) })
    }

    /// Libraries that nobody asks for any more: the files that name their directories go before, and the linker is to forget them.
    fn libraries(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        for place in self.things.get(PRESENT).into_iter().flat_map(|places| places.split(':')).filter(|place| !place.is_empty()) {
            let path = TargetPath::parse(place).map_err(|e| ProbeError::new(format!("release {}", self.of), e))?;
            if super::libraries::knows_below(&path, on)? {
                return Ok(State::Ours(vec![Op::RefreshLibraries], Ability::Exec));
            }
        }
        Ok(State::Gone)
    }

    /// Packages that others need, which are not to go, stay.
    fn packages(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let packages = on.packages()?;
        let left: Vec<String> = self.things.keys().filter(|name| packages.installed.contains_key(*name)).cloned().collect();
        // Together first: nearly always nothing else goes with them.
        let needed: Vec<(&String, Vec<String>)> = match needed_by(&left, &left, on).as_slice() {
            [] => Vec::new(),
            _ => left.iter().map(|one| (one, needed_by(std::slice::from_ref(one), &left, on))).filter(|(_, by)| !by.is_empty()).collect(),
        };
        let go: Vec<String> = left.iter().filter(|name| !needed.iter().any(|(stays, _)| stays == name)).cloned().collect();
        let ops = if go.is_empty() { Vec::new() } else { vec![Op::AptRemove { packages: go }] };
        let stays = needed
            .iter()
            .map(|(name, by)| format!("package {name} is no longer in the manifest; it stays, for {} cannot be without it", by.join(", ")));
        Ok(State::Packages(ops, stays.collect()))
    }

    fn unit(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let unit = UnitName::parse(&self.of.name).map_err(|e| ProbeError::new(format!("release {}", self.of), e))?;
        // What is still as Fitout switched it goes back to what it was; a unit whose file is gone has no switches.
        let switched = |name: &str, now: Switch| {
            let (on, off) = (self.things.contains_key(name), self.things.contains_key(&format!("{OFF}{name}")));
            on != off && on == (now == Switch::On)
        };
        let (enabled, masked) = (super::unit::enabled(on, &unit)?, super::unit::masked(on, &unit)?);
        let mut verbs = Vec::new();
        if switched(MASKED, masked) {
            verbs.push(if masked == Switch::On { UnitVerb::Unmask } else { UnitVerb::Mask });
        }
        if switched(ENABLED, enabled) {
            verbs.push(if enabled == Switch::On { UnitVerb::Disable } else { UnitVerb::Enable });
        }
        // A timer that no boot starts is to start nothing now either.
        let is_timer = matches!(unit.as_str().rsplit_once('.'), Some((_, "timer")));
        if verbs.contains(&UnitVerb::Disable) && is_timer && super::unit::running(on, &unit)? == Some(Switch::On) {
            verbs.push(UnitVerb::Stop);
        }
        let there = super::unit::has_file(on, &unit)?;
        verbs.retain(|verb| there || matches!(verb, UnitVerb::Unmask | UnitVerb::Disable | UnitVerb::Stop));
        let ops: Vec<Op> = verbs.into_iter().map(|verb| Op::Unit { verb, unit: unit.clone() }).collect();
        Ok(if ops.is_empty() { State::Gone } else { State::Ours(ops, Ability::Exec) })
    }
}

/// What goes with some packages, beside `all` that are to go; nothing where apt cannot be asked, which says so when it is done.
fn needed_by(some: &[String], all: &[String], on: &dyn Probe) -> Vec<String> {
    if some.is_empty() || !on.has(Ability::Exec) {
        return Vec::new();
    }
    let said = on.query(&Query::PackageRemoval(some.to_vec())).ok().filter(|said| said.status == 0);
    said.iter().flat_map(|said| taken_along(&said.stdout, all)).map(str::to_owned).collect()
}

fn removal(path: TargetPath) -> State {
    State::Ours(vec![Op::Remove { path, proof: None }], Ability::Files)
}

impl Resource for Released {
    type State = State;

    fn id(&self) -> ResourceId {
        Self::name(&self.of)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.inside.iter().map(|inner| Self::name(&inner.of)).collect()
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        match self.of.kind.as_str() {
            "file" => self.file(on),
            "symlink" => self.symlink(on),
            "directory" => self.directory(on),
            "archive" => self.archive(on),
            "libraries" => self.libraries(on),
            "apt" => self.packages(on),
            "guard" => {
                let path = Guard::path(&self.path()?)?;
                Ok(if on.stat(&path)?.is_some() { removal(path) } else { State::Gone })
            }
            "hold" => {
                let held = &on.packages()?.held;
                let packages: Vec<String> = self.things.keys().filter(|name| held.contains(*name)).cloned().collect();
                Ok(if packages.is_empty() { State::Gone } else { State::Ours(vec![Op::AptUnhold { packages }], Ability::Exec) })
            }
            "unit" => self.unit(on),
            // Accounts and what holds people's work are never deleted because a line is gone.
            _ => Ok(State::Gone),
        }
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let (ops, needs) = match now {
            State::Ours(ops, needs) => (ops.as_slice(), *needs),
            State::Packages(ops, _) => (ops.as_slice(), Ability::Exec),
            State::Gone | State::Theirs(_) => (&[][..], Ability::Files),
        };
        ops.iter().map(|op| Step::new(Change::Remove, op.clone(), "no longer in the manifest").needs(needs)).collect()
    }

    fn notes(&self, now: &State) -> Vec<String> {
        if let State::Packages(_, stays) = now { stays.clone() } else { Vec::new() }
    }

    fn drift(&self, now: &State) -> Vec<String> {
        match now {
            State::Theirs(what) => vec![what.clone()],
            State::Gone | State::Ours(..) | State::Packages(..) => Vec::new(),
        }
    }
}
