//! Whether a guarded file system has room, with hysteresis: free space that swings about its floor changes the answer once.

use crate::model::{ByteSize, TargetPath};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A low file system stays low at least this long, so that a job that fills and frees it in turns does not make an alarm of each.
pub const HOLD: Duration = Duration::from_mins(5);

/// A low file system has room again this far above its floor: what a person frees in one go, and a fifth of Azure's 5 GB.
pub const MARGIN: ByteSize = ByteSize(1_000_000_000);

/// What was measured of one guarded file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where it is mounted.
    pub mount: TargetPath,
    /// Bytes that an ordinary user can still write.
    pub free: ByteSize,
    /// What must stay free.
    pub minimum_free: ByteSize,
}

/// What is thought of one guarded file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The last sample.
    pub sample: Sample,
    /// Since when it is low, by a monotonic clock; `None` where it has room.
    pub low_since: Option<Duration>,
}

/// Whether there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Enough.
    Enough,
    /// Below the floor, or not yet clear of it.
    Low,
}

impl Disk {
    /// The first judgement.
    #[must_use]
    pub fn new(sample: Sample, now: Duration) -> Self {
        let low_since = (sample.free < sample.minimum_free).then_some(now);
        Self { sample, low_since }
    }

    /// The judgement after another sample.
    #[must_use]
    pub fn after(&self, sample: Sample, now: Duration) -> Self {
        // A floor below the margin asks for twice itself: a small file system may not have a margin to give.
        let clear = sample.minimum_free.0.saturating_add(MARGIN.0.min(sample.minimum_free.0));
        let low_since = match self.low_since {
            None => (sample.free < sample.minimum_free).then_some(now),
            Some(since) if sample.free.0 >= clear && now.saturating_sub(since) >= HOLD => None,
            Some(since) => Some(since),
        };
        Self { sample, low_since }
    }

    /// Whether there is room.
    #[must_use]
    pub const fn room(&self) -> Room {
        if self.low_since.is_some() { Room::Low } else { Room::Enough }
    }

    /// What is the matter, and what helps; `None` where nothing is.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let Sample { mount, free, minimum_free } = &self.sample;
        self.low_since.map(|_| format!("{mount} has {free} free; {minimum_free} must stay free"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOR: u64 = 5_000_000_000;

    fn sample(free: u64) -> Sample {
        Sample { mount: TargetPath::root(), free: ByteSize(free), minimum_free: ByteSize(FLOOR) }
    }

    fn rooms(samples: impl IntoIterator<Item = (u64, u64)>) -> Vec<Room> {
        let mut disk = Disk::new(sample(2 * FLOOR), Duration::ZERO);
        let mut seen = vec![disk.room()];
        for (seconds, free) in samples {
            disk = disk.after(sample(free), Duration::from_secs(seconds));
            seen.push(disk.room());
        }
        seen
    }

    fn changes(rooms: &[Room]) -> usize {
        rooms.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    #[test]
    fn the_floor_itself_is_enough_and_a_byte_less_is_not() {
        assert_eq!(Disk::new(sample(FLOOR), Duration::ZERO).room(), Room::Enough);
        assert_eq!(Disk::new(sample(FLOOR - 1), Duration::ZERO).room(), Room::Low);
    }

    #[test]
    fn swinging_about_the_floor_changes_once() {
        let swing = (0..600).map(|second| (second, if second % 2 == 0 { FLOOR - 100_000_000 } else { FLOOR + 100_000_000 }));
        assert_eq!(changes(&rooms(swing)), 1);
    }

    #[test]
    fn recovers_when_clear_of_the_floor_and_the_hold_has_passed() {
        let clear = FLOOR + MARGIN.0;
        let seen = rooms([(0, FLOOR - 1), (10, clear), (299, clear), (300, clear - 1), (310, clear)]);
        assert_eq!(seen, [Room::Enough, Room::Low, Room::Low, Room::Low, Room::Low, Room::Enough]);
    }

    proptest! {
        #[test]
        fn never_says_enough_below_the_floor_and_never_flutters(frees in prop::collection::vec(0..3 * FLOOR, 1..200)) {
            let samples: Vec<(u64, u64)> = frees.iter().enumerate().map(|(n, free)| (n as u64 * 10, *free)).collect();
            let seen = rooms(samples.iter().copied());
            for ((_, free), room) in samples.iter().zip(&seen[1..]) {
                prop_assert!(*free >= FLOOR || *room == Room::Low);
            }
            // Each full swing takes at least the hold.
            prop_assert!(changes(&seen) <= 2 * (samples.len() * 10 / 300 + 1));
        }
    }
}
