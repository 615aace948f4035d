//! `unit`: whether a systemd unit starts at boot, whether it runs, and its restart when a file that it reads changed.
//!
//! A restart is owed while `/run/fitout/stale/UNIT` exists. The target makes that mark before it writes a file that the unit reads
//! and removes it after the restart; a boot, which starts everything afresh, clears `/run`. So a crash in between loses no restart,
//! and no boot causes one.

use super::written::masks;
use super::{File, Ownership, Resource, Written};
use crate::model::{ResourceId, TargetPath, UnitName};
use crate::step::{Ability, Change, Content, FileKind, Op, Query, Step, UnitVerb};
use crate::target::look::{names, stat, text};
use crate::target::{Claims, Probe, ProbeError, stale_path};
use serde::Serialize;
use std::fmt;

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// A unit as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Which.
    pub name: UnitName,
    /// At boot.
    pub enabled: Option<Switch>,
    /// Now.
    pub active: Option<Switch>,
    /// Whether nothing can start it.
    pub masked: Option<Switch>,
    /// Files that it reads.
    pub reads: Vec<File>,
    /// What a changed file asks for: a restart, or a reload where sessions must live on.
    pub on_change: UnitVerb,
    /// What must be there first.
    pub requires: Vec<ResourceId>,
    /// Its past.
    pub ownership: Ownership,
}

impl Unit {
    /// A unit of which nothing is managed yet.
    #[must_use]
    pub fn new(name: UnitName) -> Self {
        let ownership = Ownership::default();
        Self {
            name,
            enabled: None,
            active: None,
            masked: None,
            reads: Vec::new(),
            on_change: UnitVerb::Restart,
            requires: Vec::new(),
            ownership,
        }
    }

    /// What two recipes ask of one unit; `None` where they contradict each other.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        let both = |mine: Option<Switch>, theirs: Option<Switch>| match (mine, theirs) {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => Some(a.or(b)),
        };
        let mut joined = self.clone();
        joined.enabled = both(self.enabled, other.enabled)?;
        joined.active = both(self.active, other.active)?;
        joined.masked = both(self.masked, other.masked)?;
        joined.reads.extend(other.reads.iter().cloned());
        joined.requires.extend(other.requires.iter().cloned());
        if other.on_change == UnitVerb::Reload {
            joined.on_change = UnitVerb::Reload;
        }
        Some(joined)
    }

    fn switch(&self, verb: UnitVerb, was: &str) -> Step {
        self.act(verb, was, Ability::Exec).claim(ENABLED, format!("{} was switched at boot by hand: it is {was}, and stays so", self.name))
    }

    fn mask(&self, verb: UnitVerb, was: &str) -> Step {
        self.act(verb, was, Ability::Exec).claim(MASKED, format!("{} is {was} by hand, and stays so", self.name))
    }

    /// Refuses to enable what systemctl would leave as it is, and say so with success: a unit that is there, and of which nothing says with what
    /// it starts. One that is still to come is not judged.
    fn must_say_when_it_starts(&self, on: &dyn Probe) -> Result<(), ProbeError> {
        let coming = self.reads.iter().filter_map(|file| if let Content::Inline(text) = &file.content { Some(text) } else { None });
        let there = texts(on, &self.name)?;
        let mut all = coming.map(|text| &**text).chain(there.iter().map(|(_, text)| text.as_str()));
        let Some((at, _)) = there.first().filter(|_| !all.any(says_when_it_starts)) else { return Ok(()) };
        let cause =
            format!("{at} has no section [Install] that says with what it starts; leave `enabled` out, or add a drop-in with `WantedBy=`");
        Err(ProbeError::new(format!("enable {}", self.name), cause))
    }

    fn act(&self, verb: UnitVerb, why: &str, needs: Ability) -> Step {
        Step::new(Change::Modify, Op::Unit { verb, unit: self.name.clone() }, why).needs(needs)
    }
}

/// The name of the claim on its start at boot.
pub const ENABLED: &str = "enabled";

/// What the name of a claim begins with where Fitout switched it off.
pub const OFF: &str = "not ";

/// The name of the claim that nothing can start it.
pub const MASKED: &str = "masked";

/// A unit as it is.
#[derive(Debug, Serialize)]
pub struct State {
    enabled: Switch,
    masked: Switch,
    /// `None` where nothing runs.
    active: Option<Switch>,
    /// It has not read what was written.
    restart_owed: bool,
    /// What it reads is about to be written.
    files_change: bool,
}

/// Where enablement lives: links in some folders of the administrator's directory (systemd.unit(5)).
pub const SYSTEM: &str = "/etc/systemd/system";

pub(super) fn enabled(on: &dyn Probe, unit: &UnitName) -> Result<Switch, ProbeError> {
    Ok(Switch::from(!links(on, unit)?.is_empty()))
}

/// Whether links in a folder of this name start units with another: of `WantedBy=`, `RequiredBy=` and `UpheldBy=` (systemd.unit(5)).
#[must_use]
pub fn holds_switches(folder: &str) -> bool {
    matches!(folder.rsplit_once('.'), Some((_, "wants" | "requires" | "upholds")))
}

/// The links that start a unit with something else.
pub(super) fn links(on: &dyn Probe, unit: &UnitName) -> Result<Vec<TargetPath>, ProbeError> {
    let mut found = Vec::new();
    let system = TargetPath::parse(SYSTEM).map_err(|e| ProbeError::new("use a path", e))?;
    let folders = on.list(&system)?.unwrap_or_default();
    for folder in folders.iter().filter(|name| holds_switches(name)) {
        let link = system.join(&format!("{folder}/{unit}")).map_err(|e| ProbeError::new("use a path", e))?;
        if on.stat(&link)?.is_some() {
            found.push(link);
        }
    }
    Ok(found)
}

/// Where texts of units are, the administrator's first (systemd.unit(5)).
const PLACES: [&str; 4] = [SYSTEM, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Whether the text of a unit, or of a drop-in of it, says what starts it at boot (systemd.unit(5), "Install section options").
#[must_use]
pub fn says_when_it_starts(text: &str) -> bool {
    const STARTERS: [&str; 3] = ["WantedBy", "RequiredBy", "UpheldBy"];
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "[Install]").skip(1);
    let mut words = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    words.any(|(key, value)| STARTERS.contains(&key.trim()) && !value.trim().is_empty())
}

/// The texts of a unit, its template's where it is one of many, and those of its drop-ins; each with where it is.
fn texts(on: &dyn Probe, unit: &UnitName) -> Result<Vec<(String, String)>, ProbeError> {
    let template = unit.as_str().split_once('@').and_then(|(name, rest)| Some(format!("{name}@.{}", rest.rsplit_once('.')?.1)));
    let mut found = Vec::new();
    for own in PLACES
        .iter()
        .flat_map(|folder| [Some(unit.as_str()), template.as_deref()].into_iter().flatten().map(move |name| format!("{folder}/{name}")))
    {
        let drop_ins = names(on, &format!("{own}.d"))?.into_iter().map(|name| format!("{own}.d/{name}"));
        for at in std::iter::once(own.clone()).chain(drop_ins.filter(|name| matches!(name.rsplit_once('.'), Some((_, "conf"))))) {
            // A masked unit has no text.
            let is_text = stat(on, &at)?.is_some_and(|stat| stat.kind != FileKind::Directory && stat.link.as_deref() != Some("/dev/null"));
            let text = if is_text { text(on, &at)? } else { None };
            found.extend(text.map(|text| (at, text)));
        }
    }
    Ok(found)
}

/// Whether a unit starts at boot, or when it is asked for: enabled, and not masked.
///
/// # Errors
/// It cannot be looked at.
pub fn unit_starts(on: &dyn Probe, unit: &UnitName) -> Result<bool, ProbeError> {
    Ok(enabled(on, unit)? == Switch::On && masked(on, unit)? == Switch::Off)
}

/// Whether there is a unit of that name, the link that masks it apart.
pub(super) fn has_file(on: &dyn Probe, unit: &UnitName) -> Result<bool, ProbeError> {
    for folder in [SYSTEM, "/usr/lib/systemd/system", "/lib/systemd/system"] {
        let at = TargetPath::parse(&format!("{folder}/{unit}")).map_err(|e| ProbeError::new("use a path", e))?;
        if on.stat(&at)?.is_some_and(|stat| stat.link.as_deref() != Some("/dev/null")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A masked unit is a link to nowhere (systemctl(1)).
pub(super) fn masked(on: &dyn Probe, unit: &UnitName) -> Result<Switch, ProbeError> {
    let link = TargetPath::parse(&format!("{SYSTEM}/{unit}")).map_err(|e| ProbeError::new("use a path", e))?;
    Ok(Switch::from(on.stat(&link)?.and_then(|stat| stat.link).is_some_and(|to| to == "/dev/null")))
}

/// Whether it runs now; `None` where nothing runs.
pub(super) fn running(on: &dyn Probe, unit: &UnitName) -> Result<Option<Switch>, ProbeError> {
    if !on.has(Ability::RunningSystem) {
        return Ok(None);
    }
    Ok(Some(Switch::from(on.query(&Query::UnitActive(unit.clone()))?.status == 0)))
}

impl Resource for Unit {
    type State = State;

    fn id(&self) -> ResourceId {
        ResourceId::new("unit", &self.name)
    }

    fn requires(&self) -> Vec<ResourceId> {
        self.requires.clone()
    }

    /// Whether it runs is no claim: a boot changes it, and so does a crash.
    fn claims(&self) -> Claims {
        let switches = [(ENABLED, self.enabled), (MASKED, self.masked)];
        let said = switches.into_iter().filter_map(|(name, switch)| Some((name, switch?)));
        said.map(|(name, switch)| (name.to_owned(), switch.to_string())).collect()
    }

    fn ownership(&self) -> Option<&Ownership> {
        Some(&self.ownership)
    }

    fn writes(&self) -> Vec<Written> {
        let at = format!("{SYSTEM}/{}", self.name);
        match self.masked {
            Some(Switch::On) => vec![Written::unless(at, masks)],
            Some(Switch::Off) => vec![Written::unless(at, |other| !masks(other))],
            None => Vec::new(),
        }
    }

    fn observe(&self, on: &dyn Probe) -> Result<State, ProbeError> {
        let active = running(on, &self.name)?;
        let restart_owed = active.is_some() && on.stat(&stale_path(&self.name)?)?.is_some();
        let enabled = enabled(on, &self.name)?;
        if (self.enabled, enabled) == (Some(Switch::On), Switch::Off) {
            self.must_say_when_it_starts(on)?;
        }
        let files_change = active.is_some() && self.reads.iter().any(|file| file.will_change(on));
        Ok(State { enabled, masked: masked(on, &self.name)?, active, restart_owed, files_change })
    }

    fn diff(&self, now: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        if (self.masked, now.masked) == (Some(Switch::Off), Switch::On) {
            steps.push(self.mask(UnitVerb::Unmask, "masked"));
        }
        match (self.enabled, now.enabled) {
            (Some(Switch::On), Switch::Off) => steps.push(self.switch(UnitVerb::Enable, "not enabled")),
            (Some(Switch::Off), Switch::On) => steps.push(self.switch(UnitVerb::Disable, "enabled")),
            _ => {}
        }
        match (self.active, now.active) {
            (Some(Switch::On), None) => steps.push(self.act(UnitVerb::Start, "not running", Ability::RunningSystem)),
            (Some(Switch::On), Some(Switch::Off)) => steps.push(self.act(UnitVerb::Start, "not active", Ability::RunningSystem)),
            (Some(Switch::Off), Some(Switch::On)) => steps.push(self.act(UnitVerb::Stop, "active", Ability::RunningSystem)),
            (_, Some(Switch::On)) if now.restart_owed || now.files_change => {
                steps.push(self.act(self.on_change, "a file that it reads changed", Ability::RunningSystem));
            }
            // Its package may start it before the file is written; if not, nothing is done.
            (None, Some(Switch::Off)) if now.files_change => {
                steps.push(self.act(self.on_change, "in case it runs by then: a file that it reads changes", Ability::RunningSystem));
            }
            _ => {}
        }
        if (self.masked, now.masked) == (Some(Switch::On), Switch::Off) {
            steps.push(self.mask(UnitVerb::Mask, "not masked"));
        }
        steps
    }
}
