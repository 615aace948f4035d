//! When this machine stops: its schedules, want of use, and people who put a stop off. Pure: clocks and looks go in.
//!
//! Two clocks are asked. What a schedule says is about the clock on the wall, which jumps; everything else, and every length of time, is by the clock
//! since boot, which nobody can set. A jump of the clock on the wall fires nothing: what lay in between did not happen.

use super::idle::{IdleLine, Idleness, Seen};
use super::owed::Owed;
use crate::model::Span;
use crate::schedule::{Action, Firing, Power};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The two clocks further apart than this since they were last read: somebody set the one on the wall.
const JUMP: Duration = Duration::from_mins(2);
/// A firing that is older than this was missed, not due: the machine slept through it.
const LATE: Duration = Duration::from_mins(10);
/// Earlier than this the clock on the wall was never set: this program did not exist.
const EARLIEST: Timestamp = Timestamp::constant(1_735_689_600, 0);
/// A stop that failed is tried again after this.
const AGAIN: Duration = Duration::from_mins(10);
/// The clocks were last read so long ago.
const TICK: Duration = super::SAMPLE;
/// How often is looked for signs of use, at most.
const LOOK: Duration = Duration::from_mins(1);

/// The clocks of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// On the wall.
    pub wall: Timestamp,
    /// Since boot.
    pub boot: Duration,
}

/// Why a machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A schedule says so.
    Schedule,
    /// Nobody uses it.
    Idle,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schedule => "as scheduled",
            Self::Idle => "because nobody uses it",
        })
    }
}

/// What somebody asks of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// No stop for so many seconds.
    Postpone(u64),
    /// Stops as before.
    Cancel,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done; in words.
    Done(String),
    /// It was not; in words.
    Refused(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Tell everyone on the machine.
    Tell(String),
    /// Write it in the log.
    Log(String),
    /// Stop the machine.
    Stop(Cause),
}

/// A stop that has come due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    cause: Cause,
    since: Duration,
}

/// What is known of this machine's stops.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stops {
    power: Power,
    idle: Idleness,
    clocks: Option<Clocks>,
    next: Option<Firing>,
    put_off: Option<Duration>,
    due: Option<Due>,
    told: Option<(Cause, Timestamp)>,
    stopping: Option<Due>,
    failed: Option<(String, Duration)>,
}

/// What everyone may know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopsLine {
    /// The next scheduled stop.
    pub next_stop: Option<Timestamp>,
    /// Whether the machine is idle, where it stops for that.
    pub idle: Option<IdleLine>,
    /// No stop before this.
    pub put_off_until: Option<Timestamp>,
    /// What people are told.
    pub notice: Option<String>,
}

impl Stops {
    /// What an agent that ended before this one owed.
    #[must_use]
    pub fn resumed(Owed { power, put_off, due, .. }: Owed) -> Self {
        Self { power, put_off, due, ..Self::default() }
    }

    /// What the agent that comes after this one owes; nothing where no stop is put off or due.
    #[must_use]
    pub fn owed(&self) -> Option<Owed> {
        let owes = self.put_off.is_some() || self.due.is_some();
        owes.then(|| Owed::new(self.power.clone(), self.put_off, self.due))
    }

    /// Whether it is time to look for signs of use.
    #[must_use]
    pub fn wants_signs(&self) -> bool {
        let (Some(limit), Some(clocks)) = (self.limit(), self.clocks) else { return false };
        let every = LOOK.min(limit / 5);
        self.idle.looked().is_none_or(|looked| clocks.boot.saturating_sub(looked) + TICK >= every)
    }

    /// Nobody can look for signs of use, for this reason.
    pub fn is_blind(&mut self, why: &str) {
        let boot = self.clocks.map_or(Duration::ZERO, |clocks| clocks.boot);
        self.saw(Seen { signs: Vec::new(), unknown: vec![why.to_owned()] }, boot);
    }

    /// What a look for signs of use showed, which ended at this time since boot.
    pub fn saw(&mut self, seen: Seen, boot: Duration) {
        self.idle = std::mem::take(&mut self.idle).after(seen, boot);
    }

    fn limit(&self) -> Option<Duration> {
        self.power.idle_seconds.map(Duration::from_secs)
    }

    /// What the manifest says now.
    pub fn set_power(&mut self, power: Power) {
        if self.power == power {
            return;
        }
        // As in Azure: another limit starts the count again.
        if let Some(clocks) = self.clocks.filter(|_| power.idle_seconds != self.power.idle_seconds) {
            self.idle.restart(clocks.boot);
        }
        // A schedule that is gone stops nothing; one that stays does, whatever else was changed.
        if power.rules != self.power.rules && self.stopping.is_none() {
            self.due = self.due.filter(|due| due.cause != Cause::Schedule);
        }
        self.power = power;
        self.next = None;
    }

    /// What follows from the clocks.
    pub fn tick(&mut self, clocks: Clocks) -> Vec<Act> {
        let mut acts = Vec::new();
        self.fire(clocks, &mut acts);
        self.idle_out(clocks.boot);
        self.clocks = Some(clocks);
        if self.put_off.is_some_and(|until| until <= clocks.boot) {
            self.put_off = None;
        }
        let retried = self.failed.as_ref().is_none_or(|(_, at)| clocks.boot.saturating_sub(*at) >= AGAIN);
        match self.due {
            Some(due) if self.put_off.is_none() && self.stopping.is_none() && retried => {
                self.stopping = Some(Due { since: clocks.boot, ..due });
                acts.push(Act::Tell(format!("This machine stops now, {}.", due.cause)));
                acts.push(Act::Stop(due.cause));
            }
            // One that is being made, or that failed, was told of.
            Some(_) if self.put_off.is_none() => {}
            _ => acts.extend(self.announce(clocks)),
        }
        acts
    }

    /// Scheduled stops that came due since the clocks were last read.
    fn fire(&mut self, now: Clocks, acts: &mut Vec<Act>) {
        if now.wall < EARLIEST {
            self.next = None;
            return;
        }
        let before = self.clocks.filter(|before| !has_jumped(*before, now));
        if before.is_none() {
            if self.clocks.is_some_and(|before| before.wall >= EARLIEST) {
                acts.push(Act::Log(format!("the clock was set to {}: schedules are counted from there", now.wall)));
            }
            self.next = None;
        }
        let from = before.map_or(now.wall, |before| before.wall);
        let stop = self.first_stop(from);
        if let Some(firing) = stop.filter(|stop| stop.time <= now.wall) {
            if lies_within(firing.time, now.wall, LATE) {
                self.due.get_or_insert(Due { cause: Cause::Schedule, since: now.boot });
            } else {
                acts.push(Act::Log(format!("the stop at {} was missed: this machine slept", firing.time)));
            }
            self.next = None;
        }
        let started = |due: &Due| due.cause == Cause::Schedule && self.starts_between(from, now.wall);
        if self.stopping.is_none() && self.due.as_ref().is_some_and(started) {
            self.due = None;
        }
        self.first_stop(now.wall);
    }

    /// A stop that was put off beyond the next start is over.
    fn starts_between(&self, from: Timestamp, to: Timestamp) -> bool {
        let starts = self.power.rules.iter().filter(|rule| rule.action == Action::Start);
        starts.filter_map(|rule| rule.next(from)).any(|start| start <= to)
    }

    /// The first scheduled stop after an instant, which is remembered.
    fn first_stop(&mut self, after: Timestamp) -> Option<Firing> {
        if self.next.is_none_or(|next| next.time <= after) {
            let stops = self.power.rules.iter().filter(|rule| rule.action == Action::Stop);
            self.next = stops.filter_map(|rule| rule.next(after)).min().map(|time| Firing { time, action: Action::Stop });
        }
        self.next
    }

    fn idle_out(&mut self, boot: Duration) {
        let out = self.limit().zip(self.idle.quiet(boot)).is_some_and(|(limit, quiet)| quiet >= limit);
        match (&self.due, out) {
            (None, true) => self.due = Some(Due { cause: Cause::Idle, since: boot }),
            // Somebody is back.
            (Some(Due { cause: Cause::Idle, .. }), false) if self.stopping.is_none() => self.due = None,
            _ => {}
        }
    }

    /// The stop that comes next, and in how long, if nothing changes.
    fn coming(&self, now: Clocks) -> Option<(Cause, Duration)> {
        if now.wall < EARLIEST {
            return self.coming_idle(now);
        }
        let scheduled = self.next.map(|next| (Cause::Schedule, until(now.wall, next.time)));
        let first = [scheduled, self.coming_idle(now)].into_iter().flatten().min_by_key(|(_, left)| *left);
        let first = self.due.map(|due| (due.cause, Duration::ZERO)).or(first);
        let held = self.put_off.map_or(Duration::ZERO, |until| until.saturating_sub(now.boot));
        first.map(|(cause, left)| (cause, left.max(held)))
    }

    fn coming_idle(&self, now: Clocks) -> Option<(Cause, Duration)> {
        let (limit, quiet) = (self.limit()?, self.idle.quiet(now.boot)?);
        Some((Cause::Idle, limit.saturating_sub(quiet)))
    }

    /// Tells people of a stop that is near, once.
    fn announce(&mut self, now: Clocks) -> Option<Act> {
        let notice = Duration::from_secs(self.power.notice_seconds);
        let near = |(cause, left): &(Cause, Duration)| match cause {
            Cause::Schedule => *left <= notice,
            // Half the time at least is nobody's business.
            Cause::Idle => *left <= notice.min(self.limit().unwrap_or_default() / 2),
        };
        let Some((cause, left)) = self.coming(now).filter(near) else {
            let was = self.told.take();
            return was.filter(|_| self.stopping.is_none()).map(|_| Act::Tell("This machine does not stop for now.".into()));
        };
        let at = now.wall.saturating_add(SignedDuration::try_from(left).unwrap_or_default()).unwrap_or(now.wall);
        // A minute's difference is the same stop.
        if self.told.is_some_and(|(told, when)| told == cause && lies_within(when.min(at), when.max(at), Duration::from_mins(1))) {
            return None;
        }
        self.told = Some((cause, at));
        Some(Act::Tell(Self::notice(cause, left)))
    }

    fn notice(cause: Cause, left: Duration) -> String {
        let left = Span::seconds(left.as_secs().div_ceil(60).max(1) * 60);
        let use_it = if cause == Cause::Idle { "Use it, or put the stop off" } else { "Put the stop off" };
        format!("This machine stops in {left}, {cause}. {use_it}: fitout schedule postpone 2h")
    }

    /// What somebody asks.
    pub fn ask(&mut self, ask: Ask) -> Answer {
        let Some(now) = self.clocks else { return Answer::Refused("the agent has only begun; ask again in a few seconds".into()) };
        match ask {
            _ if self.stopping.is_some() => Answer::Refused("this machine is stopping already".into()),
            Ask::Postpone(seconds) => self.postpone(Duration::from_secs(seconds), now),
            Ask::Cancel if self.put_off.take().is_some() => Answer::Done(if self.due.is_some() {
                "the stop that was put off happens now".into()
            } else {
                "stops happen as before".into()
            }),
            Ask::Cancel => Answer::Refused("no stop is put off".into()),
        }
    }

    fn postpone(&mut self, by: Duration, now: Clocks) -> Answer {
        let longest = Duration::from_secs(self.power.longest_postponement_seconds);
        let bound = self.due.map_or(now.boot, |due| due.since).saturating_add(longest);
        let until = now.boot.saturating_add(by);
        let at = |boot: Duration| {
            let left = SignedDuration::try_from(boot.saturating_sub(now.boot)).unwrap_or_default();
            now.wall.saturating_add(left).unwrap_or(now.wall).strftime("%Y-%m-%d %H:%M UTC").to_string()
        };
        if until > bound {
            let whole = Span::seconds(longest.as_secs());
            return Answer::Refused(format!("a stop is put off by {whole} at most: until {}", at(bound)));
        }
        self.put_off = Some(until);
        Answer::Done(format!("no stop before {}", at(until)))
    }

    /// Stopping failed.
    pub fn stop_failed(&mut self, why: String) {
        self.stopping = None;
        let at = self.clocks.map_or(Duration::ZERO, |clocks| clocks.boot);
        self.failed = Some((why, at));
    }

    /// Why the machine stops, while it does.
    #[must_use]
    pub fn stopping(&self) -> Option<Cause> {
        self.stopping.map(|stopping| stopping.cause)
    }

    /// What is the matter where a stop was begun long ago, and the machine still runs.
    #[must_use]
    pub fn overdue(&self, boot: Duration) -> Option<String> {
        let begun = self.stopping.filter(|stopping| boot.saturating_sub(stopping.since) >= AGAIN)?;
        Some(format!("the stop was begun {} ago, and it still runs", Span::seconds(boot.saturating_sub(begun.since).as_secs() / 60 * 60)))
    }

    /// What is the matter.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let failed = self.failed.as_ref().filter(|_| self.due.is_some());
        failed.map(|(why, _)| format!("this machine should have stopped and goes on costing money: {why}")).into_iter().collect()
    }

    /// What everyone may know.
    #[must_use]
    pub fn line(&self) -> Option<StopsLine> {
        let now = self.clocks?;
        let wall = |boot: Duration| {
            let left = SignedDuration::try_from(boot.saturating_sub(now.boot)).ok()?;
            now.wall.saturating_add(left).ok()
        };
        let coming = self.coming(now).filter(|_| self.told.is_some());
        Some(StopsLine {
            next_stop: self.next.map(|next| next.time),
            idle: self.limit().map(|limit| self.idle.line(limit, now.boot)),
            put_off_until: self.put_off.and_then(wall),
            notice: coming.map(|(cause, left)| Self::notice(cause, left)),
        })
    }
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_until(then)).unwrap_or_default()
}

fn lies_within(early: Timestamp, late: Timestamp, room: Duration) -> bool {
    until(early, late) <= room
}

/// Whether the clock on the wall went on by another time than passed.
fn has_jumped(before: Clocks, now: Clocks) -> bool {
    let wall = before.wall.duration_until(now.wall);
    let passed = SignedDuration::try_from(now.boot.saturating_sub(before.boot)).unwrap_or_default();
    let jump = SignedDuration::try_from(JUMP).unwrap_or_default();
    (wall - passed).abs() > jump
}

#[cfg(test)]
mod tests;
