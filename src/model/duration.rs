//! Lengths of time as manifests write them.

use super::Invalid;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A length of time: `30m`, `1h30m`, `90s`, `2d`, ISO 8601 `PT30M`, or coreutils' bare seconds and decimals (`90`, `1.5h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Span(Duration);

/// A hundred years in seconds: beyond any purpose, within every timer's range.
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;

impl Span {
    /// A length of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A length of whole minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// Reads a length of time.
    ///
    /// # Errors
    /// The text is in none of the accepted forms, or is longer than a hundred years.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new(format!("`{text}` is not a length of time; write 90s, 15m, 1h30m, 2d or PT15M"));
        let body = match text.strip_prefix('P') {
            Some(iso) => iso.replacen('T', "", 1).to_ascii_lowercase(),
            None => text.to_owned(),
        };
        let seconds = parts(&body).ok_or_else(wrong)?;
        if seconds > LONGEST { Err(wrong()) } else { Ok(Self(Duration::from_secs_f64(seconds))) }
    }

    /// The length for timers.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

/// The sum of parts such as `1h30m`, in seconds; a bare number is seconds, as in coreutils' `timeout`.
fn parts(text: &str) -> Option<f64> {
    let (mut rest, mut total, mut smallest) = (text, 0.0, f64::INFINITY);
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next();
        let scale = match unit {
            Some('d') => 86_400.0,
            Some('h') => 3_600.0,
            Some('m') => 60.0,
            Some('s') => 1.0,
            None if total == 0.0 => 1.0,
            _ => return None,
        };
        if scale >= smallest {
            return None; // `30m1h` and `1m1m` are slips, not sums
        }
        smallest = scale;
        total += number * scale;
        rest = &rest[digits + usize::from(unit.is_some())..];
    }
    Some(total)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_secs();
        let mut written = false;
        for (scale, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
            let count = match unit {
                'd' => total / scale,
                'h' => total % 86_400 / scale,
                _ => total % 3_600 / scale,
            };
            if count > 0 {
                write!(f, "{count}{unit}")?;
                written = true;
            }
        }
        let millis = self.0.subsec_millis();
        match (total % 60, millis) {
            (0, 0) if written => Ok(()),
            (seconds, 0) => write!(f, "{seconds}s"),
            (seconds, millis) => write!(f, "{seconds}.{millis:03}s"),
        }
    }
}

/// By hand, because a number without quotes lacks its unit, not its quotes.
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text =
            String::deserialize(deserializer).map_err(|_| D::Error::custom("write a length of time with its unit, such as 90s or 15m"))?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl TryFrom<String> for Span {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("PT1H30M", 5400), ("P1DT1S", 86_401), ("1.5h", 5400)]
        {
            assert_eq!(Span::parse(text).unwrap(), Span::seconds(seconds), "{text}");
        }
        for bad in ["", "m", "30m1h", "1x", "PT", "-5s", "1h 30m", "99999999d"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["1h30m", "45s", "2d", "0s", "1.500s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }
}
