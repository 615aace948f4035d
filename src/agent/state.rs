//! What the agent knows, and what it does next: `next(state, event)` is pure, and its effects are data.
//!
//! ```text
//! Creating --read what the machine is told--> SettingUp <--> UserSettingUp --> Running
//!                                                 |               |
//!                                            SetupFailed   UserSetupFailed      Unusable: too little room to set up
//! ```
//!
//! The names are Azure ML's for compute instances. Too little room on a guarded file system is no state of its own: a machine runs,
//! and is degraded.

use super::guard::{Disk, Sample};
use super::idle::Seen;
use super::owed::Owed;
use super::stops::{Act, Answer, Ask, Cause, Clocks, Stops};
use crate::apply::Counts;
use crate::model::{ResourceId, TargetPath};
use crate::schedule::Power;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Where a machine is in its life, by Azure ML's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It has not yet been asked what it should be.
    Creating,
    /// The manifest is being applied.
    SettingUp,
    /// A script of the owner's runs.
    UserSettingUp,
    /// It is as it should be.
    Running,
    /// Something of the manifest could not be had.
    SetupFailed,
    /// A script of the owner's failed, and nothing else.
    UserSetupFailed,
    /// It has too little room to be set up.
    Unusable,
    /// It is about to stop.
    Stopping,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Something that did not come to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What; `None` where it is about the whole.
    pub id: Option<ResourceId>,
    /// Why.
    pub reason: String,
}

/// How setting up ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetUp {
    /// Work was done, or there was none. Faults are resources that failed.
    Done {
        /// The machine's name, where the manifest has one.
        name: Option<String>,
        /// How many ended how.
        counts: Counts,
        /// What failed.
        faults: Vec<Fault>,
    },
    /// Nothing was begun, for this reason.
    Refused(String),
    /// Nothing was begun, because a question had no answer; a network may have one later.
    Unanswered(String),
    /// Nothing was begun, because it would leave too little room.
    NoRoom(String),
    /// Nothing was begun, because another run is at work; it is worth trying again.
    Busy(String),
    /// This machine has no manifest installed.
    NoManifest,
}

/// What a datasource said, as far as it concerns the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The machine's identity.
    pub instance: Option<String>,
    /// What was not taken, and why.
    pub warnings: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The agent began.
    Begun,
    /// The datasources were read.
    Told(Result<Told, String>),
    /// A resource is being worked on.
    Working(ResourceId),
    /// Setting up ended.
    SetUp(SetUp),
    /// Time for a look at the disks.
    Tick,
    /// The disks were looked at, at this time of a monotonic clock.
    Sampled(Vec<Result<Sample, String>>, Duration),
    /// The clocks were read.
    Looked(Box<Look>),
    /// Signs of use were looked for, until this time since boot.
    Saw(Seen, Duration),
    /// Somebody asks something of the machine's stops; the answer goes to this number.
    Asked(u64, Ask),
    /// Stopping the machine was begun, or failed.
    Ended(Result<(), String>),
    /// Someone asks for the end.
    Stop,
}

/// What a look showed that is about the machine's stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The clocks.
    pub clocks: Clocks,
    /// What the manifest says of stops; nothing where it says nothing.
    pub power: Result<Option<Power>, String>,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read the datasources; [`Event::Told`] follows.
    ReadDatasource,
    /// Apply the manifest; [`Event::SetUp`] follows.
    SetUp,
    /// Look at the disks; [`Event::Sampled`] follows.
    Sample,
    /// Read the clocks; [`Event::Looked`] follows.
    Look,
    /// Look for signs of use; [`Event::Saw`] follows.
    Watch,
    /// Keep what the agent after this one owes.
    Owe(Option<Owed>),
    /// Tell everyone on the machine.
    Tell(String),
    /// Answer whoever has this number.
    Answer(u64, Answer),
    /// Stop the machine; [`Event::Ended`] follows.
    StopMachine(Cause),
    /// Write the status page.
    Publish,
    /// Say a line on the console.
    Say(String),
    /// Tell the service manager that the agent is up, and this about it.
    Ready(String),
    /// Tell the service manager how it goes.
    Status(String),
    /// Tell the log.
    Warn(String),
    /// End.
    Exit,
}

/// Whether something that may take long, or hang, is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// No.
    Idle,
    /// Yes, and so many ticks have passed since it began.
    Busy(u32),
}

impl Asking {
    /// A tick later; what was not under way has begun.
    fn tick(&mut self) {
        *self = match self {
            Self::Idle => Self::Busy(0),
            Self::Busy(ticks) => Self::Busy(ticks.saturating_add(1)),
        };
    }
}

/// Ticks that a look for signs of use may take: servers of Jupyter that do not answer take it half a minute.
const WATCH: u32 = 12;

/// Whether an attempt to set up is under way or wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Neither.
    None,
    /// Under way.
    Running,
    /// Wanted after so many ticks.
    After(u32),
}

/// What the agent knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where the machine is in its life.
    pub phase: Phase,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// The machine's name.
    pub name: Option<String>,
    /// The machine's identity, by its datasource.
    pub instance: Option<String>,
    /// How the last setting up ended.
    pub counts: Option<Counts>,
    /// Guarded file systems.
    pub disks: BTreeMap<TargetPath, Disk>,
    /// Guards that cannot be checked, and why.
    pub unchecked: Vec<String>,
    /// What people should know and nobody has to act on.
    pub warnings: Vec<String>,
    /// What is known of its stops.
    pub stops: Stops,
    looking: Asking,
    watching: Asking,
    sampling: Asking,
    attempt: Attempt,
    failures: u32,
    /// The phase before it began to stop.
    before: Option<(Phase, Option<String>)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Creating,
            reason: None,
            name: None,
            instance: None,
            counts: None,
            disks: BTreeMap::new(),
            unchecked: Vec::new(),
            warnings: Vec::new(),
            stops: Stops::default(),
            looking: Asking::Idle,
            watching: Asking::Idle,
            sampling: Asking::Idle,
            attempt: Attempt::None,
            failures: 0,
            before: None,
        }
    }
}

impl State {
    /// That of an agent which comes after one that owed this.
    #[must_use]
    pub fn after(owed: Option<Owed>) -> Self {
        Self { stops: owed.map(Stops::resumed).unwrap_or_default(), ..Self::default() }
    }

    /// What is the matter with the disks, and with stops.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.disks.values().filter_map(Disk::complaint).chain(self.unchecked.iter().cloned()).chain(self.stops.complaints()).collect()
    }

    /// The state in a line: `fitout: lab is Running`.
    #[must_use]
    pub fn line(&self) -> String {
        let name = self.name.as_deref().unwrap_or("this machine");
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("fitout: {name} is {}{reason}", self.phase)
    }

    fn enter(&mut self, phase: Phase, reason: Option<String>) {
        self.phase = phase;
        self.reason = reason;
    }
}

/// The kind of an owner's scripts among resources.
const SCRIPT: &str = "script";

/// What follows from an event.
#[must_use]
pub fn next(mut state: State, event: Event) -> (State, Vec<Effect>) {
    let owed = state.stops.owed();
    let mut effects = match event {
        Event::Begun => vec![Effect::ReadDatasource, Effect::Publish],
        Event::Told(told) => told_of(&mut state, told),
        Event::Working(id) => working(&mut state, &id),
        Event::SetUp(end) => set_up(&mut state, end),
        Event::Tick => tick(&mut state),
        Event::Sampled(samples, now) => sampled(&mut state, samples, now),
        Event::Looked(look) => looked(&mut state, *look),
        Event::Saw(seen, boot) => saw(&mut state, seen, boot),
        Event::Asked(who, ask) => vec![Effect::Answer(who, state.stops.ask(ask)), Effect::Publish],
        Event::Ended(end) => ended(&mut state, end),
        Event::Stop => vec![Effect::Exit],
    };
    let now = state.stops.owed();
    effects.extend((now != owed).then_some(Effect::Owe(now)));
    (state, effects)
}

fn told_of(state: &mut State, told: Result<Told, String>) -> Vec<Effect> {
    let told = told.unwrap_or_else(|why| Told { instance: None, warnings: vec![why] });
    state.instance = told.instance;
    let mut effects: Vec<Effect> = told.warnings.iter().map(|why| Effect::Warn(format!("datasource: {why}"))).collect();
    state.warnings.extend(told.warnings);
    effects.extend(begin(state));
    effects
}

fn begin(state: &mut State) -> Vec<Effect> {
    state.attempt = Attempt::Running;
    state.enter(Phase::SettingUp, None);
    vec![Effect::SetUp, Effect::Status(state.phase.to_string()), Effect::Publish]
}

fn working(state: &mut State, id: &ResourceId) -> Vec<Effect> {
    let phase = if id.kind == SCRIPT { Phase::UserSettingUp } else { Phase::SettingUp };
    let moved = phase != state.phase;
    state.enter(phase, None);
    let mut effects = vec![Effect::Status(format!("{phase}: {id}"))];
    effects.extend(moved.then_some(Effect::Publish));
    effects
}

fn set_up(state: &mut State, end: SetUp) -> Vec<Effect> {
    state.attempt = again(state, &end);
    match end {
        SetUp::Done { name, counts, faults } => {
            state.name = name;
            state.counts = Some(counts);
            let (phase, reason) = judge(&faults);
            state.enter(phase, reason);
        }
        SetUp::Refused(why) | SetUp::Unanswered(why) => state.enter(Phase::SetupFailed, Some(why)),
        SetUp::NoRoom(why) => state.enter(Phase::Unusable, Some(why)),
        SetUp::NoManifest => state.enter(Phase::Running, Some("no manifest is installed".into())),
        SetUp::Busy(why) => {
            state.enter(Phase::SettingUp, Some(why.clone()));
            return vec![Effect::Status(why), Effect::Publish];
        }
    }
    let line = state.line();
    vec![Effect::Say(line.clone()), Effect::Ready(line), Effect::Publish]
}

/// Ticks before the first and the longest pause after a failure: a minute, and an hour.
const PAUSES: (u32, u32) = (6, 360);

/// Whether to try again by itself. What failed without a script of the owner's may pass, as a network does, and room may be made; a script
/// is not run again unasked, and a manifest does not mend itself.
fn again(state: &mut State, end: &SetUp) -> Attempt {
    let passing = match end {
        SetUp::Busy(_) => return Attempt::After(0),
        SetUp::Refused(_) | SetUp::NoManifest => return Attempt::None,
        SetUp::Unanswered(_) | SetUp::NoRoom(_) => true,
        SetUp::Done { faults, .. } => !faults.is_empty() && !faults.iter().any(is_script),
    };
    if !passing {
        state.failures = 0;
        return Attempt::None;
    }
    let pause = PAUSES.0.saturating_mul(1 << state.failures.min(16)).min(PAUSES.1);
    state.failures += 1;
    Attempt::After(pause)
}

fn is_script(fault: &Fault) -> bool {
    fault.id.as_ref().is_some_and(|id| id.kind == SCRIPT)
}

/// The phase that faults lead to, and the first of them in a line: what a program printed may hold what is not for everyone.
fn judge(faults: &[Fault]) -> (Phase, Option<String>) {
    // The first fault that is not the owner's comes first: a script may have failed because of it.
    let Some(worst) = faults.iter().find(|fault| !is_script(fault)).or_else(|| faults.first()) else {
        return (Phase::Running, None);
    };
    let phase = if is_script(worst) { Phase::UserSetupFailed } else { Phase::SetupFailed };
    let why = worst.reason.lines().next().unwrap_or_default();
    let about = worst.id.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
    let more = faults.len() - 1;
    let rest = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    (phase, Some(format!("{about}{why}{rest}")))
}

fn looked(state: &mut State, look: Look) -> Vec<Effect> {
    state.looking = Asking::Idle;
    let mut effects = Vec::new();
    match look.power {
        Ok(power) => state.stops.set_power(power.unwrap_or_default()),
        // What was said before holds.
        Err(why) => effects.push(Effect::Warn(format!("when to stop cannot be read: {why}"))),
    }
    if let Some(why) = state.stops.overdue(look.clocks.boot) {
        effects.extend(ended(state, Err(why)));
    }
    for act in state.stops.tick(look.clocks) {
        effects.extend(match act {
            Act::Tell(text) => vec![Effect::Warn(text.clone()), Effect::Tell(text), Effect::Publish],
            Act::Log(text) => vec![Effect::Warn(text)],
            Act::Stop(cause) => {
                state.before = Some((state.phase, state.reason.take()));
                state.enter(Phase::Stopping, Some(cause.to_string()));
                vec![Effect::Say(state.line()), Effect::Status(state.line()), Effect::Publish, Effect::StopMachine(cause)]
            }
        });
    }
    effects
}

fn saw(state: &mut State, seen: Seen, boot: Duration) -> Vec<Effect> {
    state.watching = Asking::Idle;
    state.stops.saw(seen, boot);
    Vec::new()
}

/// A stop that was begun ends this process soon; one that failed is an alarm.
fn ended(state: &mut State, end: Result<(), String>) -> Vec<Effect> {
    let Err(why) = end else { return Vec::new() };
    if let Some((phase, reason)) = state.before.take() {
        state.enter(phase, reason);
    }
    state.stops.stop_failed(why.clone());
    let alarm = format!("ALARM: this machine should stop and cannot: {why}");
    vec![
        Effect::Warn(alarm.clone()),
        Effect::Say(format!("fitout: {alarm}")),
        Effect::Tell(alarm),
        Effect::Status(state.line()),
        Effect::Publish,
    ]
}

fn tick(state: &mut State) -> Vec<Effect> {
    let mut effects = match state.attempt {
        Attempt::After(0) => begin(state),
        Attempt::After(ticks) => {
            state.attempt = Attempt::After(ticks - 1);
            Vec::new()
        }
        Attempt::None | Attempt::Running => Vec::new(),
    };
    if state.looking == Asking::Idle {
        state.looking = Asking::Busy(0);
        effects.push(Effect::Look);
    }
    effects.extend(watch(state));
    effects.extend(match state.sampling {
        Asking::Idle => Some(Effect::Sample),
        // Said once: a share that hangs may hang for hours.
        Asking::Busy(0) => Some(Effect::Warn("a guarded file system does not answer".into())),
        Asking::Busy(_) => None,
    });
    state.sampling.tick();
    effects
}

/// Looks for signs of use. They are looked for beside the clocks, for a home on a server that is away hangs whoever looks at it, and a schedule goes on.
fn watch(state: &mut State) -> Option<Effect> {
    let effect = match state.watching {
        Asking::Idle if !state.stops.wants_signs() => return None,
        Asking::Idle => Effect::Watch,
        Asking::Busy(WATCH) => {
            let why = "the look for signs of use does not come back: a file system or a server hangs";
            state.stops.is_blind(why);
            Effect::Warn(format!("{why}; nobody can tell whether this machine is idle"))
        }
        Asking::Busy(_) => {
            state.watching.tick();
            return None;
        }
    };
    state.watching.tick();
    Some(effect)
}

fn sampled(state: &mut State, samples: Vec<Result<Sample, String>>, now: Duration) -> Vec<Effect> {
    state.sampling = Asking::Idle;
    let (mut effects, mut disks, mut unchecked, mut recovered) = (Vec::new(), BTreeMap::new(), Vec::new(), false);
    for sample in samples {
        let sample = match sample {
            Ok(sample) => sample,
            Err(why) => {
                unchecked.push(format!("a disk guard cannot be checked: {why}"));
                continue;
            }
        };
        let mount = sample.mount.clone();
        let before = state.disks.get(&mount);
        let disk = before.map_or_else(|| Disk::new(sample.clone(), now), |disk| disk.after(sample.clone(), now));
        match (before.and_then(|disk| disk.low_since), disk.complaint()) {
            (None, Some(complaint)) => effects.extend([Effect::Warn(complaint.clone()), Effect::Say(format!("fitout: {complaint}"))]),
            (Some(_), None) => {
                recovered = true;
                effects.push(Effect::Warn(format!("{mount} has room again: {} free", disk.sample.free)));
            }
            _ => {}
        }
        disks.insert(mount, disk);
    }
    effects.extend(unchecked.iter().filter(|why| !state.unchecked.contains(why)).cloned().map(Effect::Warn));
    let roomy = unchecked.is_empty() && disks.values().all(|disk| disk.low_since.is_none());
    (state.disks, state.unchecked) = (disks, unchecked);
    let waits = state.phase == Phase::Unusable && matches!(state.attempt, Attempt::After(_));
    if waits && recovered && roomy {
        effects.extend(begin(state));
    } else {
        effects.push(Effect::Publish);
    }
    effects
}

#[cfg(test)]
mod tests;
