//! What a serving node takes over while it serves: a published release for new calls, the duty officer's switch for
//! all of them. A release is read and checked beside the live one; a bad one changes nothing but the log.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use audio::Bank;
use config::Settings;
use os::aside::step_back;
use phone::{LiveRelease, Registry};
use release::hotline::Hotline;
use release::releases;

/// Watches the data folder for as long as the call registry is there.
pub(crate) fn start(
    settings: Settings,
    live: Arc<ArcSwap<LiveRelease>>,
    registry: &Arc<Registry>,
) -> std::io::Result<()> {
    let registry = Arc::downgrade(registry);
    let seen = releases::live(&settings);
    let watch = Watch { settings, live, registry, seen, told: None, retired: Vec::new() };
    std::thread::Builder::new().name("releases".into()).spawn(move || watch.run()).map(drop)
}

struct Watch {
    settings: Settings,
    live: Arc<ArcSwap<LiveRelease>>,
    registry: Weak<Registry>,
    /// The pointer as it was followed last, with or without success.
    seen: Option<String>,
    /// What every call has been told of the switch.
    told: Option<bool>,
    /// Recordings that calls in progress may still play.
    retired: Vec<Arc<Bank>>,
}

impl Watch {
    fn run(mut self) {
        loop {
            std::thread::sleep(EVERY);
            if !self.switch() {
                return;
            }
            self.release();
            // The last call on an old release should not be the one that frees its recordings.
            self.retired.retain(|bank| Arc::strong_count(bank) > 1);
        }
    }

    /// Whether the call registry is still there.
    fn switch(&mut self) -> bool {
        let Some(registry) = self.registry.upgrade() else { return false };
        let on = releases::emergency(&self.settings).unwrap_or(self.settings.hotline.emergency);
        if self.told != Some(on) && registry.set_emergency(on) {
            if self.told.is_some() {
                tracing::warn!(on, "the emergency notice");
            }
            self.told = Some(on);
        }
        true
    }

    fn release(&mut self) {
        let named = releases::live(&self.settings);
        if named == self.seen {
            return;
        }
        self.seen.clone_from(&named);
        let Some(name) = named else { return };
        let before = self.live.load_full();
        match read_aside(&self.settings, &name, &before) {
            Ok(hotline) => {
                let old = self.live.swap(Arc::new(LiveRelease::of(&hotline)));
                self.retired.push(Arc::clone(&old.bank));
                tracing::info!(release = &name[..12], "a release is live for new calls");
            }
            Err(complaints) => {
                for complaint in complaints.iter().take(COMPLAINTS) {
                    tracing::warn!(release = &name[..12], complaint, "a release cannot go live");
                }
                let live = self.live.load();
                tracing::warn!(release = live.short_name(), "the release that was live stays so");
            }
        }
    }
}

/// Reads a release where calls leave time, and takes from memory what both play. The switch is not slowed by it.
fn read_aside(settings: &Settings, name: &str, before: &LiveRelease) -> Result<Hotline, Vec<String>> {
    let read = || {
        step_back();
        releases::load_beside(settings, name, &before.name, &before.bank)
    };
    std::thread::scope(|scope| scope.spawn(read).join()).unwrap_or_else(|_| Err(vec!["it could not be read".into()]))
}

/// A change is heard within a second.
const EVERY: Duration = Duration::from_millis(400);
const COMPLAINTS: usize = 5;
