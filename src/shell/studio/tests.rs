//! Takes from a recording to a caller's ear and back, over the shipped hotline.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use base::{Codec, Lang};
use config::{self, Settings};
use os::clock;
use release::hotline;
use release::recordings;
use release::recordings::MissingPolicy;
use release::releases::{self, Entry};
use speech::Clip;
use studio::{Operator, Role, SlotState, TakeSource, TakeState, text_hash};
use support::folder::Folder;
use support::speaker::Speaker;

struct Office {
    folder: Folder,
    settings: Settings,
    studio: Arc<Studio>,
}

impl Office {
    fn new() -> Office {
        Office::with(&[])
    }

    fn with(more: &[String]) -> Office {
        let folder = Folder::new();
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
        let mut overrides = vec![format!("data.folder={}", folder.path().display())];
        overrides.extend(more.iter().cloned());
        let settings = config::read(include_str!("../../../config/jindu.toml"), &overrides, root).expect("right");
        let studio = Studio::open(&settings).expect("opens");
        Office { folder, settings, studio }
    }

    fn record(&self, by: &Operator, slot: &Clip, speaker: &Speaker) -> TakeRow {
        self.studio.submit(by, slot, upload(speaker)).expect("taken in")
    }

    /// Recorded by one, approved by another.
    fn approved(&self, slot: &Clip, speaker: &Speaker) -> TakeRow {
        let take = self.record(&li(), slot, speaker);
        self.studio.keep(&li(), &take.name).expect("kept");
        self.studio.approve(&wang(), &take.name).expect("approved")
    }

    /// What a caller of a new call would hear of a slot.
    fn heard(&self, slot: &Clip) -> Vec<u8> {
        let hotline = releases::to_serve(&self.settings).expect("a hotline");
        hotline.bank.octets(slot.lang, &slot.id, Codec::Alaw).expect("a clip").to_vec()
    }
}

fn operator(id: i64, name: &str, role: Role) -> Operator {
    Operator { id, name: name.into(), number: id.to_string(), role }
}

fn li() -> Operator {
    operator(1, "li", Role::Operator)
}

fn chen() -> Operator {
    operator(2, "chen", Role::Operator)
}

fn wang() -> Operator {
    operator(3, "wang", Role::Approver)
}

fn slot(lang: Lang, id: &str) -> Clip {
    Clip { lang, id: id.into() }
}

fn bye() -> Clip {
    slot(Lang::Yue, "prompt.bye")
}

fn upload(speaker: &Speaker) -> Upload {
    Upload { bytes: speaker.wav(), kind: TakeSource::Browser, label: "take 1".into(), sitting: String::new() }
}

const NEW_WORDS: &str = "多謝來電，後會有期。";

fn speaker(pitch_hz: f64) -> Speaker {
    Speaker { pitch_hz, speech_s: 1.5, ..Speaker::default() }
}

fn encoded(path: &Path) -> Vec<u8> {
    let (samples, rate) = recordings::samples(path).expect("a master");
    let samples = audio::to_telephone_rate(&samples, rate).expect("a rate");
    samples.into_iter().map(|sample| audio::g711::encode(Codec::Alaw, sample)).collect()
}

#[test]
fn a_take_is_recorded_approved_by_another_published_and_taken_back() {
    let office = Office::new();
    let before = office.heard(&bye());
    assert_eq!(office.studio.slot(&bye()).unwrap().state, SlotState::Placeholder);
    let take = office.record(&li(), &bye(), &speaker(140.0));
    assert_eq!((take.state, take.report.findings.len()), (TakeState::Fresh, 0));
    assert_eq!(
        fs::read(office.folder.path().join("studio/originals").join(&take.original)).unwrap(),
        speaker(140.0).wav()
    );
    office.studio.keep(&li(), &take.name).unwrap();
    assert_eq!(office.studio.slot(&bye()).unwrap().state, SlotState::Recorded);
    let own = operator(1, "li", Role::Approver);
    assert_eq!(office.studio.approve(&own, &take.name), Err(Rejection::OwnTake));
    assert_eq!(office.studio.approve(&chen(), &take.name), Err(Rejection::NotApprover));
    office.studio.approve(&wang(), &take.name).unwrap();
    assert_eq!(office.studio.slot(&bye()).unwrap().state, SlotState::Approved);
    assert_eq!(office.heard(&bye()), before, "callers do not hear it yet");
    assert!(matches!(office.studio.publish(&wang(), " ", false), Err(Rejection::NoReason)));
    let (release, publication) = office.studio.publish(&wang(), "a friendlier farewell", false).unwrap();
    assert_eq!(publication.changes.len(), 1);
    let row = office.studio.slot(&bye()).unwrap();
    assert_eq!((row.state, row.live.unwrap().take), (SlotState::Live, Some(take.name.clone())));
    let master = office.folder.path().join("studio/masters").join(format!("{}.wav", take.master));
    assert_eq!(office.heard(&bye()), encoded(&master));
    assert!(matches!(office.studio.discard(&wang(), &take.name), Err(Rejection::IsLive)));
    // What was shipped is a release too, so that the first publication can be undone, and that again.
    office.studio.rollback(&wang(), None, "oops").unwrap();
    assert_eq!(office.heard(&bye()), before);
    assert_eq!(office.studio.rollback(&wang(), None, "once more"), Err(Rejection::NothingBefore));
    office.studio.rollback(&wang(), Some(&release), "it was right").unwrap();
    assert_eq!(office.heard(&bye()), encoded(&master));
    office.studio.restore(&wang(), &bye(), true).unwrap();
    let (factory, _) = office.studio.publish(&wang(), "back", false).unwrap();
    assert_ne!(factory, release);
    assert_eq!(office.heard(&bye()), before);
    assert_eq!(office.studio.slot(&bye()).unwrap().state, SlotState::Placeholder);
    assert_eq!(office.studio.rollback(&wang(), None, "it was good").unwrap(), release);
    assert_eq!(office.heard(&bye()), encoded(&master));
}

#[test]
fn a_take_that_its_approver_did_not_listen_to_is_marked_until_it_is_approved_again() {
    let office = Office::new();
    let take = office.record(&li(), &bye(), &speaker(140.0));
    office.studio.keep(&li(), &take.name).unwrap();
    assert!(office.studio.approve_unheard(&wang(), &take.name).unwrap().unheard);
    assert!(office.studio.pending().unwrap().changes[0].unheard);
    let (_, published) = office.studio.publish(&wang(), "at once", false).unwrap();
    assert!(published.changes[0].unheard);
    let audit = office.studio.audit(None, 10).unwrap();
    assert!(audit.iter().any(|row| row.what == "approve unheard"), "{audit:?}");
    office.studio.rollback(&wang(), None, "to listen first").unwrap();
    assert!(!office.studio.approve(&wang(), &take.name).unwrap().unheard);
    assert!(!office.studio.pending().unwrap().changes[0].unheard);
}

#[test]
fn one_release_is_live_however_often_it_went_live() {
    let office = Office::new();
    office.approved(&bye(), &speaker(140.0));
    let (release, _) = office.studio.publish(&wang(), "one", false).unwrap();
    office.studio.rollback(&wang(), None, "back").unwrap();
    office.studio.rollback(&wang(), Some(&release), "and forward").unwrap();
    let rows = office.studio.releases();
    let live: Vec<usize> = rows.iter().enumerate().filter(|(_, row)| row.live).map(|(n, _)| n).collect();
    assert_eq!(live, [0], "{rows:?}");
    assert_eq!(rows[0].release.as_ref(), Some(&release));
}

#[test]
fn two_operators_at_once_lose_nothing_and_the_last_approval_counts() {
    let office = Office::new();
    let [first, second] = [(li(), 140.0), (chen(), 150.0)].map(|(by, pitch)| {
        let studio = Arc::clone(&office.studio);
        std::thread::spawn(move || studio.submit(&by, &bye(), upload(&speaker(pitch))).expect("taken in"))
    });
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert_ne!(first.name, second.name);
    assert_eq!(office.studio.history(&bye()).unwrap().len(), 2);
    assert_eq!(office.studio.keep(&chen(), &first.name), Err(Rejection::NotYours("li".into())));
    office.studio.approve(&wang(), &first.name).unwrap();
    office.studio.approve(&wang(), &second.name).unwrap();
    assert_eq!(office.studio.take(&first.name).unwrap().state, TakeState::Draft, "it waits again");
    let (_, publication) = office.studio.publish(&wang(), "chen's", false).unwrap();
    assert_eq!(publication.changes[0].take.as_ref(), Some(&second.name));
    assert_eq!(office.studio.history(&bye()).unwrap().len(), 2, "both are kept");
}

#[test]
fn the_same_upload_twice_is_one_take() {
    let office = Office::new();
    let one = office.record(&li(), &bye(), &speaker(140.0));
    let two = office.record(&li(), &bye(), &speaker(140.0));
    assert_eq!(one, two);
    assert_eq!(office.studio.history(&bye()).unwrap().len(), 1);
    let elsewhere = office.record(&li(), &slot(Lang::Zh, "prompt.bye"), &speaker(140.0));
    assert_ne!(one.name, elsewhere.name);
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_and_half_written_files_are_not() {
    let office = Office::new();
    let take = office.record(&li(), &bye(), &speaker(140.0));
    // Nothing is closed: only what is on the disk counts.
    std::mem::forget(Arc::clone(&office.studio));
    let again = Studio::open(&office.settings).unwrap();
    assert_eq!(again.take(&take.name).unwrap(), take);
    assert!(again.sound(&SoundSource::Take(take.name), &SoundForm::Original).unwrap().bytes == speaker(140.0).wav());
}

#[test]
fn a_rejected_take_can_be_heard_and_neither_kept_nor_approved() {
    let office = Office::new();
    let take = office.record(&li(), &bye(), &Speaker { level: 0.0, ..Speaker::default() });
    assert!(!take.report.is_good());
    assert!(matches!(office.studio.keep(&li(), &take.name), Err(Rejection::ChecksFailed(_))));
    assert!(matches!(office.studio.approve(&wang(), &take.name), Err(Rejection::ChecksFailed(_))));
    assert!(office.studio.sound(&SoundSource::Take(take.name), &SoundForm::Phone).unwrap().bytes.len() > 1000);
    let error = office.studio.submit(&li(), &bye(), Upload { bytes: b"hello".to_vec(), ..upload(&speaker(1.0)) });
    assert!(matches!(error, Err(Rejection::Unreadable(_))), "{error:?}");
    assert!(matches!(office.studio.publish(&wang(), "now", false), Err(Rejection::NothingApproved { waiting: 0 })));
}

#[test]
fn half_a_set_of_digits_goes_live_only_with_confirmation() {
    let office = Office::new();
    for d in 0..3 {
        office.approved(&slot(Lang::Yue, &format!("digit.m.{d}")), &speaker(140.0 + f64::from(d)));
    }
    let refused = office.studio.publish(&wang(), "three digits", false);
    let Err(Rejection::HalfRecorded(warnings)) = refused else { panic!("{refused:?}") };
    assert!(warnings[0].en.contains("3 of 21"), "{warnings:?}");
    assert!(releases::live(&office.settings).is_none());
    let (_, publication) = office.studio.publish(&wang(), "three digits", true).unwrap();
    assert_eq!(publication.changes.len(), 3);
}

/// The steps of `jindu publish`.
fn publish_flow(settings: &Settings, missing: MissingPolicy) -> Result<Published, Vec<base::Bilingual>> {
    let publication = FlowPublication::prepare(settings, missing)?;
    assert!(publication.run_sheets()?.iter().all(|sheet| sheet.failed() == 0), "the call sheets pass");
    publication.replay()?;
    let (what, who) = ("publish".into(), "test".into());
    publication.go_live(Entry { at: clock::timestamp(), what, release: None, who, why: String::new() })
}

#[test]
fn a_publication_of_the_flow_keeps_the_takes_that_fit_and_takes_approved_ones_along() {
    let office = Office::new();
    let script = office.folder.path().join("script.toml");
    let text = fs::read_to_string(&office.settings.hotline.script).unwrap();
    fs::write(&script, &text).unwrap();
    let mut settings = office.settings;
    settings.hotline.script.clone_from(&script);
    let studio = Studio::open(&settings).unwrap();
    let (kept, changed) = (slot(Lang::Zh, "prompt.bye"), slot(Lang::En, "prompt.bye"));
    for clip in [&kept, &changed] {
        let take = studio.submit(&li(), clip, upload(&speaker(140.0))).unwrap();
        studio.approve(&wang(), &take.name).unwrap();
    }
    studio.publish(&wang(), "both", false).unwrap();
    let english = hotline::needed(&hotline::release(&settings).unwrap());
    let old = english.iter().find(|n| n.lang == Lang::En && &*n.id == "prompt.bye").unwrap().text.clone();
    fs::write(&script, text.replace(&old, "So long, and thanks for calling.")).unwrap();
    assert_eq!(studio.slot(&changed).unwrap().state, SlotState::Stale);
    assert_eq!(studio.slot(&kept).unwrap().state, SlotState::Live);
    // Recorded for the new text before it is live.
    let take = studio.submit(&li(), &changed, upload(&speaker(150.0))).unwrap();
    studio.approve(&wang(), &take.name).unwrap();
    let pending = studio.pending().unwrap();
    assert_eq!((pending.changes.len(), pending.behind.len()), (0, 1), "callers still hear the old text");
    publish_flow(&settings, MissingPolicy::Reject).unwrap();
    assert_eq!(studio.slot(&changed).unwrap().live.unwrap().take, Some(take.name.clone()));
    assert_eq!(studio.take(&take.name).unwrap().state, TakeState::Published);
    assert_eq!(studio.slot(&kept).unwrap().state, SlotState::Live, "the other take stays");
}

/// The office with files of its own in place of the script and the manifest, and a take live for [`bye`].
fn with_a_take_live(manifest: impl FnOnce(&str) -> String) -> (Office, Settings, String) {
    let office = Office::new();
    let mut settings = office.settings.clone();
    let files = [("script.toml", &mut settings.hotline.script), ("manifest.json", &mut settings.hotline.manifest)];
    for (name, path) in files {
        let own = office.folder.path().join(name);
        fs::copy(&*path, &own).unwrap();
        *path = own;
    }
    office.approved(&bye(), &speaker(140.0));
    office.studio.publish(&wang(), "one", false).unwrap();
    let needed = hotline::needed(&hotline::release(&settings).unwrap());
    let old = needed.into_iter().find(|needed| needed.lang == bye().lang && needed.id == bye().id).unwrap().text;
    let script = fs::read_to_string(&settings.hotline.script).unwrap();
    fs::write(&settings.hotline.script, script.replace(&*old, NEW_WORDS)).unwrap();
    let shipped = fs::read_to_string(&settings.hotline.manifest).unwrap();
    fs::write(&settings.hotline.manifest, manifest(&shipped.replace(&text_hash(&old), "@@"))).unwrap();
    (office, settings, text_hash(&old))
}

#[test]
fn words_that_only_a_take_of_the_old_ones_is_there_for_do_not_go_live() {
    let (office, settings, old) = with_a_take_live(|manifest| manifest.replace("@@", &text_hash("旧")));
    assert_ne!(old, text_hash(NEW_WORDS));
    let live = releases::live(&settings);
    let refused = publish_flow(&settings, MissingPolicy::Substitute).unwrap_err();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].en.contains("E48") && refused[0].en.contains("prompt.bye in yue"), "{refused:?}");
    assert!(refused[0].en.contains(NEW_WORDS) && refused[0].en.contains("script.toml:"), "{refused:?}");
    assert_eq!(releases::live(&settings), live, "callers hear what they heard");
    let studio = Studio::open(&settings).unwrap();
    let take = studio.submit(&li(), &bye(), upload(&speaker(150.0))).unwrap();
    let draft = edited(&settings, MissingPolicy::Reject).err().expect("a draft is no approved take");
    assert!(draft[0].en.contains("E48"), "{draft:?}");
    studio.approve(&wang(), &take.name).unwrap();
    let (_, above) = edited(&settings, MissingPolicy::Reject).unwrap();
    assert_eq!(above[&bye()].take.as_deref(), Some(take.name.as_str()), "the new take goes along");
    drop(office);
}

/// The office with a script of its own, in which the words of [`bye`] are other ones than the factory recorded.
fn with_other_words() -> (Office, Settings) {
    let office = Office::new();
    let mut settings = office.settings.clone();
    let script = fs::read_to_string(&settings.hotline.script).unwrap();
    let needed = hotline::needed(&hotline::release(&settings).unwrap());
    let old = needed.into_iter().find(|needed| needed.lang == bye().lang && needed.id == bye().id).unwrap().text;
    settings.hotline.script = office.folder.path().join("script.toml");
    fs::write(&settings.hotline.script, script.replace(&*old, NEW_WORDS)).unwrap();
    (office, settings)
}

#[test]
fn changed_words_do_not_go_live_with_the_factorys_recording_of_the_old_ones() {
    let (office, settings) = with_other_words();
    for policy in [MissingPolicy::Reject, MissingPolicy::Substitute] {
        let refused = publish_flow(&settings, policy).unwrap_err();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].en.contains("E48") && refused[0].en.contains("prompt.bye in yue"), "{refused:?}");
    }
    assert_eq!(releases::live(&settings), None);
    assert!(releases::to_serve(&settings).is_err(), "nor are they served unpublished");
    assert!(hotline::read(&settings, MissingPolicy::Tolerate).is_ok(), "a trial plays them");
    let studio = Studio::open(&settings).unwrap();
    let refused = studio.restore(&wang(), &bye(), true);
    assert!(matches!(refused, Err(Rejection::FactoryWords(_))), "{refused:?}");
    let take = studio.submit(&li(), &bye(), upload(&speaker(150.0))).unwrap();
    studio.approve(&wang(), &take.name).unwrap();
    publish_flow(&settings, MissingPolicy::Reject).unwrap();
    drop(office);
}

#[test]
fn a_file_that_the_office_put_in_place_of_the_factorys_is_played_with_a_remark() {
    let (office, mut settings) = with_other_words();
    let shipped = settings.hotline.audio.clone();
    settings.hotline.audio = office.folder.path().join("audio");
    for lang in Lang::ALL {
        let own = settings.hotline.audio.join(lang.code());
        fs::create_dir_all(&own).unwrap();
        for file in fs::read_dir(shipped.join(lang.code())).unwrap() {
            let file = file.unwrap();
            std::os::unix::fs::symlink(file.path(), own.join(file.file_name())).unwrap();
        }
    }
    let path = recordings::path_of(&settings.hotline.audio, &bye());
    fs::remove_file(&path).unwrap();
    let another = Clip { lang: bye().lang, id: "prompt.welcome".into() };
    fs::copy(recordings::path_of(&shipped, &another), &path).unwrap();
    let (hotline, _) = edited(&settings, MissingPolicy::Reject).unwrap();
    let remarks: Vec<&base::Bilingual> = hotline.remarks.iter().filter(|remark| remark.en.contains("W08")).collect();
    assert!(remarks.len() == 1 && remarks[0].en.contains("prompt.bye in yue"), "{remarks:?}");
    drop(office);
}

#[test]
fn a_take_of_other_words_gives_way_to_a_factory_recording_of_the_right_ones() {
    let (office, settings, _) = with_a_take_live(|manifest| manifest.replace("@@", &text_hash(NEW_WORDS)));
    let (hotline, above) = edited(&settings, MissingPolicy::Reject).unwrap();
    assert!(!above.contains_key(&bye()));
    let warnings: Vec<&str> =
        hotline.remarks.iter().map(|remark| &*remark.en).filter(|remark| remark.contains("W14")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains(NEW_WORDS), "{:?}", hotline.remarks);
    let factory = recordings::path_of(&settings.hotline.audio, &bye());
    assert_eq!(hotline.bank.octets(Lang::Yue, &bye().id, Codec::Alaw).unwrap(), encoded(&factory));
    assert_eq!(releases::live_takes(&settings).len(), 1, "what is live keeps its take");
    drop(office);
}

#[test]
fn publications_and_rollbacks_of_takes_remove_old_releases_too() {
    let office = Office::new();
    office.approved(&bye(), &speaker(140.0));
    office.studio.publish(&wang(), "one", false).unwrap();
    let root = office.folder.path().join("releases");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let forgotten = |n: u32| {
        let old = root.join(format!("{n:064x}"));
        fs::create_dir_all(&old).unwrap();
        fs::File::open(&old).and_then(|folder| folder.set_modified(long_ago)).unwrap();
        old
    };
    let old = forgotten(1);
    office.approved(&bye(), &speaker(150.0));
    office.studio.publish(&wang(), "two", false).unwrap();
    assert!(!old.exists(), "a publication of takes removes old releases");
    let old = forgotten(2);
    office.studio.rollback(&wang(), None, "one was better").unwrap();
    assert!(!old.exists(), "and so does a rollback");
    assert_eq!(releases::names(&office.settings).len(), 3, "what was shipped, one, two");
}

#[test]
fn slots_have_short_numbers_that_stay_and_are_found_by_them() {
    let office = Office::new();
    let rows = office.studio.slots().unwrap();
    let row = rows.iter().find(|row| row.slot.clip == bye()).unwrap();
    assert!((101..1000).contains(&row.number));
    assert_eq!(office.studio.by_number(Lang::Yue, row.number).unwrap().slot.clip, bye());
    let zh = office.studio.by_number(Lang::Zh, row.number).unwrap();
    assert_eq!(&*zh.slot.clip.id, "prompt.bye", "one number in every language");
    let again = Studio::open(&office.settings).unwrap();
    assert_eq!(again.slot(&bye()).unwrap().number, row.number);
    assert!(matches!(office.studio.by_number(Lang::Yue, 7), Err(Rejection::NoSlot(_))));
}

#[test]
fn the_next_one_to_record_comes_after_the_last_and_from_the_beginning_again() {
    let office = Office::new();
    let first = office.studio.next_missing(Some(Lang::Yue), None).unwrap().unwrap().slot.clip;
    let second = office.studio.next_missing(Some(Lang::Yue), Some(&first)).unwrap().unwrap().slot.clip;
    assert_ne!(first, second);
    let rows = office.studio.slots().unwrap();
    let last = rows.iter().rev().find(|row| row.slot.clip.lang == Lang::Yue).unwrap();
    let wrapped = office.studio.next_missing(Some(Lang::Yue), Some(&last.slot.clip)).unwrap().unwrap();
    assert_eq!(wrapped.slot.clip, first);
    let take = office.record(&li(), &first, &speaker(140.0));
    office.studio.keep(&li(), &take.name).unwrap();
    assert_eq!(office.studio.next_missing(Some(Lang::Yue), None).unwrap().unwrap().slot.clip, second);
}

#[test]
fn a_take_is_heard_in_its_sentence_with_a_number_of_one_s_own() {
    let office = Office::new();
    let digit = slot(Lang::Yue, "digit.f.7");
    let take = office.record(&li(), &digit, &Speaker { speech_s: 0.5, ..Speaker::default() });
    let values = [("receipt".to_owned(), "440126112233457".to_owned())].into();
    let form = SoundForm::InSentence { values, seed: 0, with: Vec::new() };
    let said = office.studio.sound(&SoundSource::Take(take.name), &form).unwrap();
    assert!(said.text.as_deref().is_some_and(|text| text.contains("457")), "{:?}", said.text);
    let reader = hound::WavReader::new(&said.bytes[..]).unwrap();
    assert_eq!(reader.spec().sample_rate, 8000);
    assert!(reader.duration() > 4 * 8000, "a whole number is heard");
    let random = office.studio.sound(
        &SoundSource::Live(digit),
        &SoundForm::InSentence { values: Default::default(), seed: 7, with: Vec::new() },
    );
    assert!(random.unwrap().text.is_some());
}

#[test]
fn the_audit_log_shows_who_did_what_and_cannot_be_changed() {
    let office = Office::new();
    let take = office.approved(&bye(), &speaker(140.0));
    office.studio.publish(&wang(), "because", false).unwrap();
    let audit = office.studio.audit(None, 100).unwrap();
    let actions: Vec<(&str, &str)> = audit.iter().map(|row| (&*row.what, &*row.who.name)).collect();
    assert_eq!(actions, [("publish", "wang"), ("approve", "wang"), ("keep", "li"), ("record", "li")]);
    assert_eq!(audit[0].take.as_deref(), Some(take.name.as_str()));
    let file = office.folder.path().join("studio/studio.sqlite3");
    let connection = rusqlite::Connection::open(file).unwrap();
    assert!(connection.execute("UPDATE audit SET who = 'x'", []).is_err());
    assert!(connection.execute("UPDATE audit SET why = 'x'", []).is_err());
    assert!(connection.execute("DELETE FROM audit", []).is_err());
}

#[test]
fn a_full_studio_refuses_with_the_figures_and_tidying_makes_room() {
    let office = Office::with(&["studio.disk_mb_max=50".into(), "studio.upload_bytes_max=100000".into()]);
    let refused = office.studio.submit(&li(), &bye(), upload(&speaker(140.0)));
    assert!(matches!(refused, Err(Rejection::TooLarge { most: 100_000, .. })), "{refused:?}");
    let office = Office::new();
    let take = office.record(&li(), &bye(), &speaker(140.0));
    office.studio.discard(&li(), &take.name).unwrap();
    let (none, _) = office.studio.tidy(&wang(), jiff::SignedDuration::from_hours(1)).unwrap();
    assert_eq!(none, 0, "it may have been a slip");
    let (one, bytes) = office.studio.tidy(&wang(), jiff::SignedDuration::from_hours(-1)).unwrap();
    assert_eq!((one, bytes > 100_000), (1, true));
    assert_eq!(office.studio.history(&bye()).unwrap().len(), 1, "that it was made stays known");
    let again = office.record(&li(), &bye(), &speaker(140.0));
    assert_eq!((again.state, &again.name), (TakeState::Fresh, &take.name), "it may be sent again");
    assert!(office.studio.sound(&SoundSource::Take(again.name), &SoundForm::Original).is_ok());
}

fn archive(files: &[(&str, &[u8])]) -> Cursor<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn an_archive_goes_out_and_what_was_recorded_comes_back() {
    let office = Office::new();
    let mut out = Cursor::new(Vec::new());
    let wanted = SlotFilter { lang: Some(Lang::Yue), ..SlotFilter::default() };
    let files = office.studio.export(&mut out, &wanted).unwrap();
    assert!(files > 300, "{files}");
    out.set_position(0);
    let untouched = office.studio.import(&chen(), out, "same.zip", false).unwrap();
    assert!(!untouched.done && untouched.files.iter().all(|file| !file.refused && file.take.is_none()));
    let (farewell, digit) = (speaker(140.0).wav(), Speaker { speech_s: 0.5, ..Speaker::default() }.wav());
    let csv = "lang,slot,text\nyue,prompt.bye,多謝來電\n".as_bytes();
    let zip = || {
        archive(&[
            ("yue/prompt.bye__f.wav", &farewell),
            ("yue/digit.m.1.wav", &digit),
            ("script.csv", csv),
            ("__MACOSX/yue/._a.wav", b"x"),
        ])
    };
    let checked = office.studio.import(&chen(), zip(), "studio.zip", true).unwrap();
    assert!(!checked.done && office.studio.history(&bye()).unwrap().is_empty());
    let imported = office.studio.import(&chen(), zip(), "studio.zip", false).unwrap();
    assert!(imported.done, "{imported:?}");
    assert_eq!((imported.files.len(), imported.texts.len()), (2, 1));
    assert_eq!(imported.texts[0].table, "多謝來電");
    let take = &office.studio.history(&bye()).unwrap()[0];
    assert_eq!((take.state, &*take.text, &*take.by.name), (TakeState::Draft, "多謝來電", "chen"));
    assert!(matches!(office.studio.approve(&chen(), &take.name), Err(Rejection::NotApprover)));
}

#[test]
fn an_archive_with_one_bad_file_is_taken_in_by_no_part() {
    let office = Office::new();
    let good = speaker(140.0).wav();
    for (bad, bytes) in [
        ("../yue/prompt.bye.wav", &good[..]),
        ("/yue/prompt.bye.wav", &good),
        ("yue/prompt.by.wav", &good),
        ("fr/prompt.bye.wav", &good),
        ("yue/prompt.bye__m.wav", &good),
        ("yue/prompt.bye.wav", b"RIFF"),
        ("zh/prompt.welcome.wav", &good),
        ("zh/prompt.bye.wav", &good),
    ] {
        let imported =
            office.studio.import(&chen(), archive(&[("en/prompt.bye.wav", &good), (bad, bytes)]), "a.zip", false);
        let imported = imported.unwrap_or_else(|refusal| panic!("{bad}: {refusal}"));
        assert!(!imported.done && imported.files.iter().any(|file| file.refused), "{bad}: {imported:?}");
        assert!(imported.files.iter().filter(|file| file.refused).all(|file| !file.words[0].en.is_empty()));
    }
    assert!(office.studio.waiting().unwrap().is_empty());
    let left = fs::read_dir(office.folder.path().join("studio/originals")).unwrap().count();
    assert_eq!(left, 0, "and nothing of it stays on the disk");
}

#[test]
fn archives_that_are_bombs_links_or_rubble_are_refused() {
    let office = Office::with(&["studio.upload_bytes_max=5000000".into()]);
    let import = |bytes: Cursor<Vec<u8>>| office.studio.import(&chen(), bytes, "a.zip", false);
    let zeros = vec![0; 4_000_000];
    let bomb = import(archive(&[("yue/prompt.bye.wav", &zeros)])).expect_err("a bomb");
    assert!(bomb.to_string().contains("bomb"), "{bomb}");
    let zeros = vec![0; 6_000_000];
    assert!(import(archive(&[("yue/prompt.bye.wav", &zeros)])).is_err());
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink("yue/prompt.bye.wav", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert!(import(link.finish().unwrap()).expect_err("a link").to_string().contains("links"));
    for rubble in [&b""[..], b"PK\x03\x04", &zeros[..1000]] {
        assert!(matches!(import(Cursor::new(rubble.to_vec())), Err(Rejection::Unreadable(_))));
    }
    let good = archive(&[("yue/prompt.bye.wav", &speaker(140.0).wav())]).into_inner();
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut broken = good.clone();
        broken[at] ^= 0x55;
        let _ = import(Cursor::new(broken));
        let _ = import(Cursor::new(good[..at].to_vec()));
    }
}
