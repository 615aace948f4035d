//! Whether a machine is idle, from signs of use. What cannot be told counts as use: a machine that stops under somebody's work costs more than one that
//! runs an hour too long, and what cannot be told is said, so that it does not run forever unnoticed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A gap between two looks that is longer than this says nothing about the time between them: the machine slept, or the agent did not run.
const GAP: Duration = Duration::from_mins(3);

/// What a sign of use says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It is in use now.
    Now,
    /// It was in use when this last changed, and for so long after.
    Changing(String, Duration),
}

/// A sign of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// What it is, in words: `notebook kernel python3 of ada`.
    pub what: String,
    /// What it says.
    pub life: Life,
}

/// What one look at a machine showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Signs of use.
    pub signs: Vec<Sign>,
    /// What could not be told, and why.
    pub unknown: Vec<String>,
}

/// What is thought of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Idleness {
    /// Since when nothing is in use, by the clock since boot.
    pub quiet_since: Option<Duration>,
    /// What is in use.
    pub busy: Vec<String>,
    /// What cannot be told.
    pub unknown: Vec<String>,
    looked: Option<Duration>,
    stamps: BTreeMap<String, (String, Duration)>,
}

/// The same for everyone to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleLine {
    /// Seconds without use after which the machine stops.
    pub stops_after_seconds: u64,
    /// Seconds since it was last in use; none where it is.
    pub quiet_seconds: Option<u64>,
    /// What is in use.
    pub in_use: Vec<String>,
    /// What cannot be told, and counts as use.
    pub unknown: Vec<String>,
}

impl Idleness {
    /// After another look.
    #[must_use]
    pub fn after(mut self, seen: Seen, now: Duration) -> Self {
        let stamps = std::mem::take(&mut self.stamps);
        self.busy.clear();
        for Sign { what, life } in seen.signs {
            let active = match life {
                Life::Now => true,
                Life::Changing(stamp, lasts) => {
                    let same = stamps.get(&what).filter(|(before, _)| *before == stamp);
                    let changed = same.map_or(now, |(_, changed)| *changed);
                    self.stamps.insert(what.clone(), (stamp, changed));
                    now.saturating_sub(changed) <= lasts
                }
            };
            if active {
                self.busy.push(what);
            }
        }
        let unseen = self.looked.is_none_or(|looked| now.saturating_sub(looked) > GAP);
        self.quiet_since = match self.quiet_since {
            _ if !self.busy.is_empty() || !seen.unknown.is_empty() => None,
            Some(since) if !unseen => Some(since),
            _ => Some(now),
        };
        (self.unknown, self.looked) = (seen.unknown, Some(now));
        self
    }

    /// How long nothing was in use; none where something is, or nobody has looked for a while.
    #[must_use]
    pub fn quiet(&self, now: Duration) -> Option<Duration> {
        let fresh = self.looked.is_some_and(|looked| now.saturating_sub(looked) <= GAP);
        self.quiet_since.filter(|_| fresh).map(|since| now.saturating_sub(since))
    }

    /// When somebody last looked.
    #[must_use]
    pub const fn looked(&self) -> Option<Duration> {
        self.looked
    }

    /// Counts from now on.
    pub fn restart(&mut self, now: Duration) {
        self.quiet_since = self.quiet_since.map(|_| now);
    }

    /// What everyone may know.
    #[must_use]
    pub fn line(&self, limit: Duration, now: Duration) -> IdleLine {
        IdleLine {
            stops_after_seconds: limit.as_secs(),
            quiet_seconds: self.quiet(now).map(|quiet| quiet.as_secs()),
            in_use: self.busy.clone(),
            unknown: self.unknown.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    fn seen(signs: &[(&str, Life)]) -> Seen {
        Seen { signs: signs.iter().map(|(what, life)| Sign { what: (*what).into(), life: life.clone() }).collect(), unknown: vec![] }
    }

    fn changing(stamp: &str) -> Life {
        Life::Changing(stamp.into(), Duration::ZERO)
    }

    fn quiet(looks: &[(u64, Seen)]) -> Option<u64> {
        let idle = looks.iter().fold(Idleness::default(), |idle, (at, seen)| idle.after(seen.clone(), Duration::from_secs(*at)));
        idle.quiet(Duration::from_secs(looks.last()?.0)).map(|quiet| quiet.as_secs())
    }

    #[test]
    fn is_quiet_from_the_first_look_that_shows_nothing() {
        assert_eq!(quiet(&[(60, seen(&[]))]), Some(0));
        assert_eq!(quiet(&[(60, seen(&[("job", Life::Now)])), (120, seen(&[])), (180, seen(&[]))]), Some(60));
        assert_eq!(quiet(&[(60, seen(&[])), (120, seen(&[("job", Life::Now)]))]), None);
    }

    #[test]
    fn what_changes_is_in_use_and_what_does_not_is_not() {
        let at = |stamp: &str| seen(&[("terminal 1", changing(stamp))]);
        assert_eq!(quiet(&[(60, at("a")), (120, at("a")), (180, at("a"))]), Some(60));
        assert_eq!(quiet(&[(60, at("a")), (120, at("a")), (180, at("b"))]), None);
        let editor = |stamp: &str| seen(&[("editor", Life::Changing(stamp.into(), Duration::from_mins(3)))]);
        assert_eq!(quiet(&[(60, editor("a")), (120, editor("a")), (240, editor("a"))]), None);
        assert_eq!(quiet(&[(60, editor("a")), (120, editor("a")), (240, editor("a")), (300, editor("a"))]), Some(0));
    }

    #[test]
    fn what_cannot_be_told_is_no_idleness() {
        let unknown = Seen { signs: vec![], unknown: vec!["Jupyter does not answer".into()] };
        assert_eq!(quiet(&[(60, seen(&[])), (120, unknown.clone())]), None);
        assert_eq!(quiet(&[(60, seen(&[])), (120, unknown), (180, seen(&[]))]), Some(0));
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        assert_eq!(quiet(&[(60, seen(&[])), (120, seen(&[])), (120 + 60 * MINUTE, seen(&[]))]), Some(0));
        let idle = Idleness::default().after(seen(&[]), Duration::from_mins(1));
        assert_eq!(idle.quiet(Duration::from_secs(60 + 4 * MINUTE)), None);
    }
}
