//! Clocks and random numbers: the one place that reads them.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use replica::{ClockReading, SteadyClock};

/// The monotonic time, for deadlines. Follows tokio's clock, so that tests can pause it.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall-clock time.
pub fn timestamp() -> Timestamp {
    Timestamp::now()
}

/// The wall-clock time in a zone.
pub fn local(zone: &TimeZone) -> DateTime {
    timestamp().to_zoned_datetime(zone.clone()).datetime()
}

/// The time since boot (`CLOCK_BOOTTIME`, which counts suspended time) and the wall-clock time.
pub fn moment() -> ClockReading {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes only to `time`, which is a complete `timespec`.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    assert_eq!(read, 0, "every Linux since 2.6.39 has this clock");
    let boot = Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default());
    ClockReading { boot, wall: timestamp() }
}

/// The time by which records and files are deleted, sessions end and lock-outs run out. A wall clock that is wrong changes
/// none of these; see [`SteadyClock`].
pub fn steady() -> Timestamp {
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    steady.get_or_insert_with(|| SteadyClock::start(moment(), &boot_id(), None, None)).now(moment())
}

/// Sets the clock of [`steady`] for the whole program: the replica does, which knows the upstream.
pub fn set_steady(clock: SteadyClock) {
    *STEADY.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
}

static STEADY: Mutex<Option<SteadyClock>> = Mutex::new(None);

/// The identifier of this boot of the machine; empty when the system gives none.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Unpredictable octets, for keys. The system is asked for many at once; what is handed out is erased here.
pub fn random_octets<const COUNT: usize>() -> [u8; COUNT] {
    let mut octets = [0; COUNT];
    if COUNT > POOL_OCTETS {
        getrandom::fill(&mut octets).expect("the system gives random numbers");
        return octets;
    }
    POOL.with_borrow_mut(|(pool, left)| {
        if *left < COUNT {
            getrandom::fill(pool).expect("the system gives random numbers");
            *left = POOL_OCTETS;
        }
        let taken = &mut pool[*left - COUNT..*left];
        octets.copy_from_slice(taken);
        taken.fill(0);
        *left -= COUNT;
    });
    octets
}

thread_local! {
    /// Unpredictable octets, and how many of them were not handed out.
    static POOL: RefCell<([u8; POOL_OCTETS], usize)> = const { RefCell::new(([0; POOL_OCTETS], 0)) };
}

const POOL_OCTETS: usize = 512;

/// An unpredictable number, for SIP tags and branches and RTP synchronization sources.
pub fn random_u64() -> u64 {
    u64::from_ne_bytes(random_octets())
}
