//! The one place that reads the time.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use replica::ClockReading;

/// A moment for deadlines. Follows tokio's clock, so that tests can pause it.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The moment on the wall.
pub fn timestamp() -> Timestamp {
    Timestamp::now()
}

/// The local time of a zone.
pub fn local(zone: &TimeZone) -> DateTime {
    timestamp().to_zoned_datetime(zone.clone()).datetime()
}

/// Both of the node's clocks at once.
pub fn moment() -> ClockReading {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone, which is a whole `timespec`.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    assert_eq!(read, 0, "every Linux since 2.6.39 has this clock");
    let boot = Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default());
    ClockReading { boot, wall: timestamp() }
}

/// Names this boot of the machine; empty when the system does not say.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A number that nobody can guess, for tags, branches and synchronisation sources.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u64::from_ne_bytes(bytes)
}
