//! Follows the data folder while the node serves: a published release for new calls, the duty officer's switch for all
//! calls. A release is read and checked before it goes live; an unreadable one is logged and ignored.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use audio::Bank;
use base::Bilingual;
use config::Settings;
use jiff::Timestamp;
use jiff::civil::Date;
use os::background::lower_priority;
use os::clock;
use phone::{LiveRelease, Registry};
use release::hotline::Hotline;
use release::releases;

/// Starts a thread that follows the data folder for as long as the call registry exists.
pub(crate) fn start(
    settings: Settings,
    live: Arc<ArcSwap<LiveRelease>>,
    registry: &Arc<Registry>,
) -> std::io::Result<()> {
    let registry = Arc::downgrade(registry);
    let seen = releases::live(&settings);
    let watch = Watch {
        settings,
        live,
        registry,
        seen,
        announced: None,
        calendar_day: None,
        calendar_logged: false,
        retired: Vec::new(),
    };
    std::thread::Builder::new().name("releases".into()).spawn(move || watch.run()).map(drop)
}

struct Watch {
    settings: Settings,
    live: Arc<ArcSwap<LiveRelease>>,
    registry: Weak<Registry>,
    /// The last value of the live pointer that was followed, with or without success.
    seen: Option<String>,
    /// The last value of the switch that every call has received.
    announced: Option<bool>,
    /// The day for which the end of the working calendar was last judged.
    calendar_day: Option<Date>,
    /// Whether an end that is near was logged.
    calendar_logged: bool,
    /// Recordings that calls in progress may still play.
    retired: Vec<Arc<Bank>>,
}

impl Watch {
    fn run(mut self) {
        loop {
            std::thread::sleep(EVERY);
            if !self.follow_switch() {
                return;
            }
            self.follow_release();
            self.follow_calendar(clock::timestamp());
            // Freed here, so that no call pays for freeing the recordings of its release.
            self.retired.retain(|bank| Arc::strong_count(bank) > 1);
        }
    }

    /// Passes the switch on; `false` once the call registry is gone.
    fn follow_switch(&mut self) -> bool {
        let Some(registry) = self.registry.upgrade() else { return false };
        let on = releases::emergency(&self.settings).unwrap_or(self.settings.hotline.emergency);
        if self.announced != Some(on) && registry.set_emergency(on) {
            if self.announced.is_some() {
                tracing::warn!(on, "the emergency notice");
            }
            self.announced = Some(on);
        }
        true
    }

    /// Logs that the working calendar ends soon, once, and past its end every day.
    fn follow_calendar(&mut self, now: Timestamp) {
        let live = self.live.load();
        let today = now.to_zoned_datetime(live.zone.clone()).date();
        if self.calendar_day == Some(today) {
            return;
        }
        self.calendar_day = Some(today);
        match live.calendar_end(now) {
            Some(end) if end.days_left < 0 || !self.calendar_logged => {
                self.calendar_logged = true;
                tracing::warn!(last = %end.last, days_left = end.days_left, "calendar_ends: {end}");
            }
            Some(_) => {}
            None => self.calendar_logged = false,
        }
    }

    /// Makes the release that the pointer names live for new calls.
    fn follow_release(&mut self) {
        let named = releases::live(&self.settings);
        if named == self.seen {
            return;
        }
        self.seen.clone_from(&named);
        let Some(name) = named else { return };
        let before = self.live.load_full();
        match read_release(&self.settings, &name, &before) {
            Ok(hotline) => {
                let old = self.live.swap(Arc::new(LiveRelease::of(&hotline)));
                self.retired.push(Arc::clone(&old.bank));
                tracing::info!(release = &name[..12], "a release is live for new calls");
            }
            Err(errors) => {
                for error in errors.iter().take(ERRORS_LOGGED) {
                    tracing::warn!(release = &name[..12], error = &*error.en, "a release cannot go live");
                }
                let live = self.live.load();
                tracing::warn!(release = live.short_name(), "the release that was live stays so");
            }
        }
    }
}

/// Reads a release on a thread of low priority, so that neither calls nor the switch wait. What both releases play is
/// taken from memory.
fn read_release(settings: &Settings, name: &str, before: &LiveRelease) -> Result<Hotline, Vec<Bilingual>> {
    let read = || {
        lower_priority();
        releases::load_beside(settings, name, &before.name, &before.bank)
    };
    std::thread::scope(|scope| scope.spawn(read).join()).unwrap_or_else(|_| Err(vec!["reading it panicked".into()]))
}

/// A change takes effect within a second.
const EVERY: Duration = Duration::from_millis(400);
/// Errors of one release that are logged.
const ERRORS_LOGGED: usize = 5;
