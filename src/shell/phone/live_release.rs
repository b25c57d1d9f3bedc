//! The live release: what new calls and scans work with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use audio::Bank;
use flow::Release;
use inquiry::{CalendarEnd, Rules};
use release::hotline::Hotline;

/// A release in service. It is swapped as a whole when another one goes live; a call keeps the one it began with.
pub struct LiveRelease {
    /// The hash that it was published under.
    pub name: String,
    /// The flow and its words.
    pub release: Arc<Release>,
    /// Its recordings, encoded for every codec.
    pub bank: Arc<Bank>,
    /// Receipt formats and promised days, which follow the release's calendar.
    pub rules: Arc<Rules>,
    /// The time zone of its opening hours and dates.
    pub zone: TimeZone,
    /// Different each time a release goes live: separates the cached replies of one release from another's.
    pub serial: u64,
}

impl LiveRelease {
    /// Puts a release that was read into service.
    pub fn of(hotline: &Hotline) -> LiveRelease {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        LiveRelease {
            name: hotline.name.clone(),
            release: Arc::clone(&hotline.release),
            bank: Arc::clone(&hotline.bank),
            rules: Arc::clone(&hotline.rules),
            zone: hotline.zone.clone(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Days from today to the last one of the working calendar; negative when it is past. `None` for a flow without one.
    pub fn calendar_days_left(&self, now: Timestamp) -> Option<i32> {
        let last = self.release.calendar.working.published_to?;
        Some(CalendarEnd::at(last, now.to_zoned_datetime(self.zone.clone()).date()).days_left)
    }

    /// The end of the working calendar, if it is near or past.
    pub fn calendar_end(&self, now: Timestamp) -> Option<CalendarEnd> {
        let last = self.release.calendar.working.published_to?;
        Some(CalendarEnd::at(last, now.to_zoned_datetime(self.zone.clone()).date())).filter(CalendarEnd::is_near)
    }

    /// The first characters of the name, for logs and records.
    pub fn short_name(&self) -> &str {
        self.name.get(..12).unwrap_or(&self.name)
    }
}
