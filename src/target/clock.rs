//! This machine's clocks: the one on the wall, which people and networks set, and the one that only counts.

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The time on the wall. It jumps, and lies at first boot: nothing is measured with it.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Time since this machine started, with the time that it slept; nobody can set it.
#[must_use]
pub fn since_boot() -> Duration {
    // It cannot fail for a clock that every Linux has.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}
