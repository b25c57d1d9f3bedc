//! The kiosks of a serving node: the register is followed while it serves, and what each kiosk did is written and counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inquiry::{InquiryLimiter, SharedCounts};
use kiosk_store::{Activity, KioskStore};
use metrics::{Collect, Page};
use os::clock;

/// Starts a thread that follows the register for as long as anybody uses the store.
pub(crate) fn start_watch(kiosks: &Arc<KioskStore>) -> std::io::Result<()> {
    let kiosks = Arc::downgrade(kiosks);
    let watch = move || {
        for turn in 1_u32.. {
            std::thread::sleep(FOLLOWED_EVERY);
            let Some(kiosks) = kiosks.upgrade() else { return };
            kiosks.follow();
            if turn.is_multiple_of(WRITTEN_EVERY) {
                kiosks.write_activities();
            }
        }
    };
    std::thread::Builder::new().name("kiosks".into()).spawn(watch).map(drop)
}

/// Enrolled kiosks, and whether a total of look-ups is exceeded.
pub(crate) struct KioskCollector {
    pub kiosks: Arc<KioskStore>,
    pub limiter: Arc<Mutex<InquiryLimiter>>,
}

impl Collect for KioskCollector {
    fn collect(&self, page: &mut Page) {
        let is_exceeded = shared(&self.limiter, |shared| shared.is_exceeded(clock::now()));
        page.gauge(
            "jindu_lookups_exceeded",
            "1 while look-ups of all clients, or those that match nothing, exceed their limit.",
            u8::from(is_exceeded),
        );
        let register = self.kiosks.register();
        let kiosks: Vec<(&str, &str, Activity)> = register
            .kiosks()
            .iter()
            .map(|kiosk| (kiosk.name.as_str(), kiosk.hall.as_str(), self.kiosks.activity(&kiosk.name)))
            .collect();
        let labels = |kiosk, hall| vec![("kiosk", kiosk), ("hall", hall)];
        page.samples(
            "jindu_kiosk_scans_total",
            "Scans of enrolled kiosks, photographs and spoken answers included.",
            kiosks.iter().map(|(kiosk, hall, activity)| (labels(*kiosk, *hall), activity.scans)),
        );
        page.samples(
            "jindu_kiosk_faults_total",
            "Requests of enrolled kiosks that were refused or failed.",
            kiosks.iter().map(|(kiosk, hall, activity)| (labels(*kiosk, *hall), activity.faults)),
        );
        let now = clock::timestamp().as_second();
        page.samples(
            "jindu_kiosk_unseen_seconds",
            "Since an enrolled kiosk asked last; absent until it has.",
            kiosks.iter().filter(|(_, _, activity)| activity.seen_s > 0).map(|(kiosk, hall, activity)| {
                (labels(*kiosk, *hall), u64::try_from(now - activity.seen_s).unwrap_or(0))
            }),
        );
        page.samples(
            "jindu_kiosk_info",
            "1; the label page is the version of the page that an enrolled kiosk shows.",
            kiosks.iter().map(|(kiosk, hall, activity)| {
                (vec![("kiosk", *kiosk), ("hall", *hall), ("page", activity.version.as_str())], 1)
            }),
        );
    }
}

/// Looks at what all doors count together.
pub(crate) fn shared<T>(limiter: &Mutex<InquiryLimiter>, with: impl FnOnce(&mut SharedCounts) -> T) -> T {
    with(&mut limiter.lock().unwrap_or_else(PoisonError::into_inner).shared)
}

/// A change takes effect within a second.
const FOLLOWED_EVERY: Duration = Duration::from_millis(500);
/// Of the turns above: what kiosks did is written every two seconds.
const WRITTEN_EVERY: u32 = 4;
