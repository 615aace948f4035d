//! How long is waited, how often is tried: numbers, and nothing else, so that tests can have them smaller.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// What a client puts up with.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// For a connection to be made.
    pub connect: Duration,
    /// For the head of an answer, the connection included where none is open.
    pub head: Duration,
    /// Over this long, a body must bring [`SLOWEST`] bytes a second.
    pub window: Duration,
    /// For one download, whatever it brings meanwhile: what came is kept, and the next run goes on from there.
    pub overall: Duration,
    /// The pause after the first failure; the next ones are [`GROWTH`] times as long.
    pub pause: Duration,
    /// The longest pause that no server asked for.
    pub longest_pause: Duration,
    /// The longest pause that a server may ask for with `Retry-After`.
    pub longest_wait: Duration,
    /// How long a connection is watched before it is judged slow.
    pub sample: Duration,
    /// A connection that brings this much a second is fast: others beside it would gain little, for that is what hashing and disks take.
    pub fast: u64,
    /// How large a part of a file is that comes in parts: a request of its own must be small beside it.
    pub part: u64,
}

/// Failures in a row after which a download is given up.
pub(super) const ATTEMPTS: u32 = 5;
/// Slower than this, a body is as good as none.
pub(super) const SLOWEST: u64 = 1024;
/// A try that brought this much does not count as one that failed.
pub(super) const WORTHWHILE: u64 = 1 << 20;
/// From 100 ms to 5 s in as many steps as there are pauses.
const GROWTH: u32 = 4;

impl Default for Limits {
    /// As Ignition has them, whose machines must also come up alone; the last one as long as 120 s of politeness can be borne.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(10),
            window: Duration::from_secs(30),
            overall: Duration::from_hours(6),
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            longest_wait: Duration::from_mins(2),
            sample: Duration::from_secs(1),
            fast: 200 << 20,
            part: 8 << 20,
        }
    }
}

impl Limits {
    /// The pause after so many failures in a row, or what the server asked for. A fifth of it is chance, so that machines that
    /// failed together do not all come back together.
    pub fn pause_after(&self, failures: u32, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.min(self.longest_wait);
        }
        let pause = self.pause.saturating_mul(GROWTH.saturating_pow(failures.saturating_sub(1))).min(self.longest_pause);
        pause.mul_f64(0.8 + 0.2 * chance())
    }

    /// The same, all times shorter.
    #[cfg(test)]
    pub fn over(&self, by: u32) -> Self {
        Self {
            connect: self.connect / by,
            head: self.head / by,
            window: self.window / by,
            overall: self.overall / by,
            pause: self.pause / by,
            longest_pause: self.longest_pause / by,
            longest_wait: self.longest_wait / by,
            ..*self
        }
    }
}

/// From 0 to 1; the standard library seeds its hashers with what nobody can guess.
fn chance() -> f64 {
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(drawn >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// How long a server asks to be left alone: seconds, or the date until when. That date is held against the server's own, not against
/// this machine's clock, which may lie.
pub(super) fn retry_after(text: &str, now: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let date = |text: &str| parser.parse_timestamp(text.trim()).ok();
    // A date that is over asks for nothing.
    Some(Duration::try_from(date(text)?.duration_since(date(now?)?)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_never_the_same_for_all() {
        let limits = Limits::default();
        for (failures, longest) in [(1, 100), (2, 400), (3, 1600), (4, 5000), (40, 5000)] {
            let (pause, longest) = (limits.pause_after(failures, None), Duration::from_millis(longest));
            assert!(pause <= longest && pause >= longest.mul_f64(0.8), "{failures}: {pause:?}");
        }
    }

    #[test]
    fn servers_say_when_to_come_back() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let cases = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", None), None);
        let limits = Limits::default();
        assert_eq!(limits.pause_after(1, Some(Duration::from_hours(5))), limits.longest_wait);
        assert_eq!(limits.pause_after(1, Some(Duration::ZERO)), Duration::ZERO);
    }
}
