//! The slots of the edited flow, with the live recording of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use config::Settings;
use flow::Release;
use release::hotline;
use release::recordings;
use release::releases;
use speech::Clip;
use studio::{self, Manifest, Slot, SlotState, TakeName, TakeState, text_hash};

use crate::rejection::Rejection;
use crate::row::{LiveRecording, SlotRow, TakeRow};
use crate::store::Store;

/// Modification time and size of each file that was read.
pub(crate) type Stamp = Vec<Option<(SystemTime, u64)>>;

/// What there is to record, and what callers hear.
pub(crate) struct Catalogue {
    pub stamp: Stamp,
    pub release: Arc<Release>,
    pub slots: Vec<Slot>,
    index: BTreeMap<Clip, usize>,
    numbers: BTreeMap<String, u32>,
    heard: BTreeMap<Clip, LiveRecording>,
    /// The files of the live recordings.
    paths: BTreeMap<Clip, PathBuf>,
}

impl Catalogue {
    /// Changes with every file that a catalogue is made of.
    pub(crate) fn stamp(settings: &Settings) -> Stamp {
        let files = &settings.hotline;
        let live = settings.data.folder.join("releases/live");
        let lang = |lang: base::Lang| files.audio.join(lang.code());
        let folders = base::Lang::ALL.map(lang);
        let paths = [&files.flow, &files.script, &files.calendar, &files.manifest, &live];
        paths.into_iter().chain(&folders).map(|path| modified(path)).collect()
    }

    /// Reads the edited files; while they have errors, the live release.
    pub(crate) fn read(settings: &Settings, stamp: Stamp) -> Result<Catalogue, Rejection> {
        let live = releases::live(settings).map(|name| releases::settings_of(settings, &name));
        let release = hotline::release(settings).or_else(|errors| {
            let live = live.as_ref().ok_or_else(|| errors.clone())?;
            hotline::release(live).map_err(|_| errors)
        });
        let release = release.map_err(Rejection::Flow)?;
        let needed = hotline::needed(&release);
        let slots = studio::slots(&release, &needed);
        let index = slots.iter().enumerate().map(|(at, slot)| (slot.clip.clone(), at)).collect();
        let mut catalogue = Catalogue {
            stamp,
            release,
            slots,
            index,
            numbers: BTreeMap::new(),
            heard: BTreeMap::new(),
            paths: BTreeMap::new(),
        };
        catalogue.find_live(settings, live.as_ref())?;
        Ok(catalogue)
    }

    /// Finds the recording that callers hear of each slot: the live release's, else the factory's.
    fn find_live(&mut self, settings: &Settings, live: Option<&Settings>) -> Result<(), Rejection> {
        let factory = recordings::manifest(&settings.hotline.manifest).map_err(|error| Rejection::Flow(vec![error]));
        let factory = factory?;
        let own = live.map(|live| recordings::manifest(&live.hotline.manifest).unwrap_or_default()).unwrap_or_default();
        let takes = releases::live_takes(settings);
        for slot in &self.slots {
            let take = takes.get(&slot.clip).and_then(|master| TakeName::read(master.take.as_deref()?));
            let places = live.map(|live| (live, &own)).into_iter().chain([(settings, &factory)]);
            for (place, manifest) in places {
                let path = recordings::path_of(&place.hotline.audio, &slot.clip);
                if path.exists() {
                    self.heard.insert(slot.clip.clone(), heard(slot, manifest, take));
                    self.paths.insert(slot.clip.clone(), path);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Numbers every slot.
    pub(crate) fn number(&mut self, store: &mut Store) -> Result<(), Rejection> {
        let mut ids: Vec<&str> = self.slots.iter().map(|slot| &*slot.clip.id).collect();
        ids.sort_by_key(|id| studio::set_of(id));
        self.numbers = store.numbers(ids.into_iter())?.into_iter().collect();
        Ok(())
    }

    pub(crate) fn number_of(&self, slot: &Slot) -> u32 {
        self.numbers.get(&*slot.clip.id).copied().unwrap_or_default()
    }

    pub(crate) fn slot(&self, clip: &Clip) -> Result<&Slot, Rejection> {
        let at = self.index.get(clip).ok_or_else(|| Rejection::NoSlot(format!("{}/{}", clip.lang.code(), clip.id)))?;
        Ok(&self.slots[*at])
    }

    pub(crate) fn heard(&self, clip: &Clip) -> Option<&LiveRecording> {
        self.heard.get(clip)
    }

    /// The file of the recording that callers hear.
    pub(crate) fn path(&self, clip: &Clip) -> Option<&Path> {
        self.paths.get(clip).map(PathBuf::as_path)
    }

    /// The take, with `live` set if callers hear it.
    pub(crate) fn marked(&self, take: TakeRow) -> TakeRow {
        let live = self.heard.get(&take.clip()).is_some_and(|heard| heard.take.as_ref() == Some(&take.name));
        TakeRow { live, ..take }
    }

    /// The row of a slot. `takes` are its own, oldest first.
    pub(crate) fn row(&self, slot: &Slot, takes: &[TakeRow], restored: bool) -> SlotRow {
        let live = self.heard.get(&slot.clip).cloned();
        let of = |state| takes.iter().rev().find(move |take| take.state == state && take.text == slot.text);
        let waiting = of(TakeState::Approved).or_else(|| of(TakeState::Draft)).or_else(|| of(TakeState::Fresh));
        let state = match (waiting.map(|take| take.state), &live) {
            (Some(TakeState::Approved), _) => SlotState::Approved,
            (Some(TakeState::Draft), _) => SlotState::Recorded,
            (_, None) => SlotState::Missing,
            (_, Some(live)) if !live.fresh => SlotState::Stale,
            (_, Some(live)) if live.placeholder => SlotState::Placeholder,
            (_, Some(_)) => SlotState::Live,
        };
        let waiting = waiting.cloned();
        SlotRow { slot: slot.clone(), number: self.number_of(slot), state, live, waiting, restored }
    }
}

fn heard(slot: &Slot, manifest: &Manifest, take: Option<TakeName>) -> LiveRecording {
    let recorded = manifest.get(&slot.clip);
    let read_from = recorded.and_then(|recorded| recorded.text_sha256.as_deref());
    LiveRecording {
        take,
        fresh: read_from == Some(&*text_hash(&slot.text)),
        placeholder: recorded.is_some_and(|recorded| recorded.placeholder),
    }
}

fn modified(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
