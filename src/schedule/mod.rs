//! When a machine starts and stops: Azure's cron expressions and recurrences, on the clock of a time zone.
//!
//! Pure: an instant goes in, the next firing comes out. A time of day that a change of the clocks skips is taken as if they had not
//! changed (02:30 becomes 03:30); one that comes twice fires the first time only. `docs/schedules.md` shows both.

mod cron;
mod power;
mod recurrence;
mod zone;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use recurrence::ORIGIN;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

pub use cron::Cron;
pub use power::{Ending, LONGEST_POSTPONEMENT, NOTICE, POWER, Power, Weight};
pub use recurrence::{Frequency, Recurrence, WeekDay};
pub use zone::ZoneName;

/// How far ahead a firing is looked for: 29 February falls on a given day of the week at least every 40 years.
const HORIZON_DAYS: i32 = 41 * 366;

/// What a schedule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The machine starts.
    Start,
    /// The machine stops.
    Stop,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Stop => "stop",
        })
    }
}

/// When a rule fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// By a cron expression.
    Cron(Cron),
    /// Every so many units of time.
    Recurrence(Recurrence),
}

/// One start or stop, again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What happens.
    pub action: Action,
    /// When.
    pub when: When,
    /// Whose clock is meant.
    pub zone: ZoneName,
    /// Not before this, on that clock; what a recurrence is counted from.
    pub start: Option<DateTime>,
}

/// One time at which a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Firing {
    /// When.
    pub time: Timestamp,
    /// What happens.
    pub action: Action,
}

impl Rule {
    /// The first firing after an instant; `None` where there is none within a lifetime of the calendar.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let zone = self.zone.zone();
        let start = self.start.and_then(|start| zone.to_ambiguous_zoned(start).compatible().ok()).map(|start| start.timestamp());
        // What begins at an instant fires at it.
        let after = start.and_then(|start| start.checked_sub(1.second()).ok()).map_or(after, |start| after.max(start));
        if let When::Recurrence(recurrence) = &self.when
            && !recurrence.is_of_days()
        {
            let until = after.checked_add((24 * i64::from(HORIZON_DAYS)).hours()).ok()?;
            return recurrence.after(after, self.origin(), &zone, until);
        }
        // A change of the clocks may carry a firing of one day into the next.
        let mut day = zone.to_datetime(after).date().yesterday().ok()?;
        for _ in 0..HORIZON_DAYS {
            if let Some(first) = self.on(day, &zone).filter(|at| *at > after).min() {
                return Some(first);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// Whether it fires at an instant.
    #[must_use]
    pub fn is_at(&self, at: Timestamp) -> bool {
        at.checked_sub(1.second()).ok().and_then(|before| self.next(before)) == Some(at)
    }

    fn origin(&self) -> DateTime {
        self.start.unwrap_or(ORIGIN)
    }

    /// The firings of a day.
    fn on(&self, day: Date, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
        let times = match &self.when {
            When::Cron(cron) if cron.is_on(day) => cron.times(),
            When::Recurrence(recurrence) if recurrence.is_on(day, self.origin()) => recurrence.times(self.origin()),
            When::Cron(_) | When::Recurrence(_) => Vec::new(),
        };
        times.into_iter().filter_map(move |time| Some(zone.to_ambiguous_zoned(day.to_datetime(time)).compatible().ok()?.timestamp()))
    }

    /// When systemd is to ask whether the rule fires, as an expression of systemd.time(7): at every firing, and where systemd cannot say the rule (it
    /// knows no first day, no fortnight and no 45 minutes), more often. `None` for a zone that systemd has no name for.
    #[must_use]
    pub fn calendar(&self) -> Option<String> {
        let calendar = match &self.when {
            When::Recurrence(recurrence) if !recurrence.is_of_days() => {
                return Some(format!("{} UTC", recurrence.passing(self.origin(), &self.zone.zone())?));
            }
            When::Recurrence(recurrence) => recurrence.calendar(self.origin()),
            When::Cron(cron) => cron.calendar(),
        };
        Some(format!("{calendar} {}", self.zone.systemd()?))
    }
}

/// Says when, in the words of the manifest.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Cron(cron) => write!(f, "{} at `{cron}`, {}", self.action, self.zone.iana()),
            When::Recurrence(recurrence) => {
                let unit = format!("{:?}", recurrence.frequency).to_lowercase();
                let every =
                    if recurrence.interval == 1 { format!("every {unit}") } else { format!("every {} {unit}s", recurrence.interval) };
                write!(f, "{} {every}, {}", self.action, self.zone.iana())
            }
        }
    }
}

/// The next firings of all rules after an instant, in order; at one instant a stop comes last.
#[must_use]
pub fn firings(rules: &[Rule], after: Timestamp, most: usize) -> Vec<Firing> {
    let mut all: Vec<Firing> = Vec::new();
    let mut now = after;
    while all.len() < most {
        let next = rules.iter().filter_map(|rule| Some(Firing { time: rule.next(now)?, action: rule.action }));
        let Some(time) = next.map(|firing| firing.time).min() else { break };
        let mut same: Vec<Firing> =
            rules.iter().filter(|rule| rule.next(now) == Some(time)).map(|rule| Firing { time, action: rule.action }).collect();
        same.sort_unstable();
        same.dedup();
        all.extend(same);
        now = time;
    }
    all.truncate(most);
    all
}
