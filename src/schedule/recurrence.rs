//! Azure's recurrences: every so many minutes, hours, days, weeks or months, at given hours, minutes and days.
//!
//! Minutes and hours are counted as they pass; days, weeks and months by the calendar of the zone, so that an evening stays an evening.
//! Where the start lacks, days are counted from Monday, 5 January 1970: the same everywhere, and after every restart.

use jiff::civil::{Date, DateTime, Time, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeekDay {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl WeekDay {
    const fn civil(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// A recurrence. What is empty was not said: it is as the start is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// The unit of `interval`.
    pub frequency: Frequency,
    /// Every how many units; 1 or more.
    pub interval: u32,
    /// At which hours, from 0 to 23.
    pub hours: Vec<i8>,
    /// At which minutes, from 0 to 59.
    pub minutes: Vec<i8>,
    /// On which days of the week; for weeks.
    pub week_days: Vec<WeekDay>,
    /// On which days of the month; for months.
    pub month_days: Vec<i8>,
}

/// Where counting begins unless something else is said: the first Monday of Unix's time.
pub(super) const ORIGIN: DateTime = date(1970, 1, 5).at(0, 0, 0, 0);

impl Recurrence {
    /// Whether it is counted by the calendar, day by day.
    pub(super) const fn is_of_days(&self) -> bool {
        matches!(self.frequency, Frequency::Day | Frequency::Week | Frequency::Month)
    }

    /// Whether it fires on a day, of those that count by the calendar.
    pub(super) fn is_on(&self, day: Date, start: DateTime) -> bool {
        let (interval, origin) = (i64::from(self.interval.max(1)), start.date());
        let days = |from: Date| i64::from((day - from).get_days());
        match self.frequency {
            Frequency::Week => {
                let monday = origin - i64::from(origin.weekday().to_monday_zero_offset()).days();
                let on = self.week_days.iter().any(|one| one.civil() == day.weekday());
                let on = on || (self.week_days.is_empty() && day.weekday() == origin.weekday());
                on && days(monday).div_euclid(7) % interval == 0
            }
            Frequency::Month => {
                let month = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
                let on = self.month_days.contains(&day.day()) || (self.month_days.is_empty() && day.day() == origin.day());
                on && (month(day) - month(origin)) % interval == 0
            }
            Frequency::Day | Frequency::Hour | Frequency::Minute => days(origin) % interval == 0,
        }
    }

    /// The times of a day on which it fires.
    pub(super) fn times(&self, start: DateTime) -> Vec<Time> {
        let hours = or(&self.hours, start.hour());
        let minutes = or(&self.minutes, start.minute());
        let mut times: Vec<Time> =
            hours.iter().flat_map(|hour| minutes.iter().filter_map(|minute| Time::new(*hour, *minute, start.second(), 0).ok())).collect();
        times.sort_unstable();
        times
    }

    /// The first firing after an instant, of those that count hours or minutes as they pass; none before `until`, none.
    pub(super) fn after(&self, after: Timestamp, start: DateTime, zone: &TimeZone, until: Timestamp) -> Option<Timestamp> {
        let (origin, step) = self.rounds(start, zone)?;
        let mut round = (after.as_second() - origin).div_euclid(step).max(0);
        loop {
            let base = origin + round * step;
            if base > until.as_second() {
                return None;
            }
            let fires = self.offsets().into_iter().filter_map(|offset| Timestamp::from_second(base + offset).ok());
            let good = |at: &Timestamp| *at > after && self.fits(&zone.to_datetime(*at));
            if let Some(first) = fires.filter(good).min() {
                return Some(first);
            }
            round += 1;
        }
    }

    /// Where counting begins, in seconds of Unix's time, and the seconds from one round to the next.
    fn rounds(&self, start: DateTime, zone: &TimeZone) -> Option<(i64, i64)> {
        let origin = zone.to_ambiguous_zoned(start).compatible().ok()?.timestamp().as_second();
        let unit = if self.frequency == Frequency::Hour { 3600 } else { 60 };
        let into_the_hour = if self.lists_minutes() { i64::from(start.minute()) * 60 + i64::from(start.second()) } else { 0 };
        Some((origin - into_the_hour, i64::from(self.interval.max(1)) * unit))
    }

    /// The seconds of a round at which it fires.
    fn offsets(&self) -> Vec<i64> {
        if self.lists_minutes() { self.minutes.iter().map(|minute| i64::from(*minute) * 60).collect() } else { vec![0] }
    }

    /// Listed minutes are those of the hour, not of the start.
    fn lists_minutes(&self) -> bool {
        self.frequency == Frequency::Hour && !self.minutes.is_empty()
    }

    fn fits(&self, at: &DateTime) -> bool {
        let among = |numbers: &[i8], number| numbers.is_empty() || numbers.contains(&number);
        among(&self.hours, at.hour()) && among(&self.minutes, at.minute())
    }

    /// The same as an expression of systemd.time(7), without its zone, for what is counted by the calendar; the days, weeks and months in between
    /// are among it.
    pub(super) fn calendar(&self, start: DateTime) -> String {
        let (hours, minutes) = (list(&or(&self.hours, start.hour())), list(&or(&self.minutes, start.minute())));
        let days = match self.frequency {
            Frequency::Week if self.week_days.is_empty() => format!("{:.3} *-*-*", format!("{:?}", start.weekday())),
            Frequency::Week => {
                let names: Vec<String> = self.week_days.iter().map(|day| format!("{day:?}")[..3].to_owned()).collect();
                format!("{} *-*-*", names.join(","))
            }
            Frequency::Month => format!("*-*-{}", list(&or(&self.month_days, start.day()))),
            Frequency::Day | Frequency::Hour | Frequency::Minute => "*-*-*".into(),
        };
        format!("{days} {hours}:{minutes}:{:02}", start.second())
    }

    /// The same for what counts hours or minutes as they pass, in UTC, where no clock changes; what the interval leaves out of a day that it does
    /// not divide is among it.
    pub(super) fn passing(&self, start: DateTime, zone: &TimeZone) -> Option<String> {
        let (base, step) = self.rounds(start, zone)?;
        let (day, hour, minute) = (24 * 3600, 3600, 60);
        let seconds: Vec<i64> = self.offsets().into_iter().map(|offset| (base + offset).rem_euclid(day)).collect();
        let within = |whole: i64, unit: i64| {
            let every = gcd(step, whole);
            let mut all: Vec<i64> =
                seconds.iter().flat_map(|at| (0..whole / every).map(move |k| (at + k * every) % whole / unit)).collect();
            all.sort_unstable();
            all.dedup();
            if i64::try_from(all.len()) == Ok(whole / unit) { "*".into() } else { list(&all) }
        };
        Some(format!("*-*-* {}:{}:{:02}", within(day, hour), within(hour, minute), base.rem_euclid(minute)))
    }
}

fn list<T: std::fmt::Display>(numbers: &[T]) -> String {
    numbers.iter().map(|number| format!("{number:02}")).collect::<Vec<_>>().join(",")
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn or(numbers: &[i8], else_this: i8) -> Vec<i8> {
    if numbers.is_empty() { vec![else_this] } else { numbers.to_vec() }
}
