//! The scan door's counter clerk: gives the web server what it asks of the rest of the program.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use audio::{Bank, g711};
use base::{Codec, Lang};
use flow::{self, Utterance};
use inquiry::{self, Answer, Case, Freshness, LookUpResult, Promise, Proof, ScanResult, ScanRules};
use journal::Journal;
use metrics::{self, Metrics, ScanPath};
use os::clock;
use os::folder;
use phone::{Door, Live};
use replica_store::Replica;
use speech::{Clip, Piece};
use web::{
    self, CodeKind, FoundCase, Hall, Health, KioskSettings, NodeState, ScanAnswer, SpeechPiece, StageNames, Trouble,
    Wording,
};
use web_service::{Backend, Outcome, ScanRecord};

/// What the clerk works with.
pub(crate) struct Counter {
    pub live: Arc<ArcSwap<Live>>,
    pub scan_rules: ScanRules,
    pub replica: Arc<Replica>,
    pub journal: Arc<Journal>,
    pub door: Arc<Door>,
    pub metrics: Arc<Metrics>,
    pub settings: config::Web,
    pub desk_number: String,
    /// The data folder, for its disk.
    pub data: PathBuf,
    /// The journal's file, for the calls of the last day.
    pub past_calls: PathBuf,
}

/// The clerk's answers, as the web server asks for them.
pub(crate) fn backend(counter: Counter) -> Backend {
    let metrics = Arc::clone(&counter.metrics);
    let counter = Arc::new(counter);
    let with = || Arc::clone(&counter);
    let (reader, finder, asker, screen, voice) = (with(), with(), with(), with(), with());
    let (scans, ratings, health, kiosk, said, picture) = (with(), with(), with(), with(), with(), with());
    Backend {
        read: Arc::new(move |text| reader.read(text)),
        look_up_now: Box::new(move |receipt| finder.replica.cached(receipt, &Proof::Paper)),
        look_up: Box::new(move |receipt| {
            let replica = Arc::clone(&asker.replica);
            Box::pin(async move { replica.look_up(&receipt, &Proof::Paper).await })
        }),
        key: Box::new(move |case, now| said.key(case, now)),
        show: Box::new(move |outcome, now| screen.show(outcome, now)),
        speak: Box::new(move |outcome, lang, now| voice.speak(outcome, lang, now)),
        record: Box::new(move |record| scans.record(record)),
        rate: Box::new(move |record| ratings.journal.rating(record.at, record.kiosk.as_str(), score(record.score))),
        health: Box::new(move || health.health()),
        kiosk: Box::new(move || kiosk.kiosk()),
        picture: Arc::new(move || picture.picture()),
        now: Box::new(clock::timestamp),
        metrics,
    }
}

impl Counter {
    fn read(&self, text: &str) -> web::Scanned {
        match self.live.load().rules.formats.from_scan(text, &self.scan_rules) {
            inquiry::Scanned::Receipt(receipt) => web::Scanned::Receipt(receipt),
            inquiry::Scanned::Waybill => web::Scanned::Other(CodeKind::Waybill),
            inquiry::Scanned::IdCard => web::Scanned::Other(CodeKind::IdCard),
            inquiry::Scanned::Unreadable(_) => web::Scanned::Other(CodeKind::Unreadable),
        }
    }

    /// Equal for cases of which the same is said today, by the release that is live.
    fn key(&self, case: &Case, now: Timestamp) -> u64 {
        let live = self.live.load();
        let today = now.to_zoned_datetime(live.zone.clone()).date();
        let mut hasher = DefaultHasher::new();
        live.serial.hash(&mut hasher);
        live.rules.progress(case, today).hash(&mut hasher);
        hasher.finish()
    }

    /// What is said of an outcome, in one language: the phone's own sentences.
    fn say(&self, live: &Live, answer: &Answer, lang: Lang, now: Timestamp) -> Vec<Utterance> {
        let local = now.to_zoned_datetime(live.zone.clone()).datetime();
        let (findings, _) = call::findings(&live.rules, answer, local.date(), self.replica.now());
        flow::answer(&live.release, lang, findings.into(), local, clock::now())
    }

    /// Every word of one screen is of one release.
    fn show(&self, outcome: &Outcome, now: Timestamp) -> ScanAnswer {
        let live = &*self.live.load_full();
        let stages = Arc::new(stage_names(live));
        let answer = match outcome {
            Outcome::Answer(answer) => &self.believed(live, answer),
            Outcome::Other(kind) => return ScanAnswer::other(*kind, stages),
        };
        let wording = Wording::by(|lang| text_of(&self.say(live, answer, lang, now), lang));
        match answer {
            Answer::Found { case, as_of } => match freshness(live, inquiry::age(*as_of, self.replica.now())) {
                Freshness::TooOld => ScanAnswer::unavailable(wording, stages),
                fresh => {
                    let today = now.to_zoned_datetime(live.zone.clone()).date();
                    let progress = live.rules.progress(case, today);
                    let found = FoundCase {
                        case,
                        expected_by: match progress.promise {
                            Promise::By(date) => Some(date),
                            Promise::WorkingDays(_) | Promise::Days(_) | Promise::Over | Promise::None => None,
                        },
                        hall: progress
                            .hall
                            .as_deref()
                            .map(|hall| Hall { code: hall.to_owned(), name: word(live, "hall", hall) }),
                        as_of: as_of.to_zoned_datetime(live.zone.clone()),
                        stale: fresh == Freshness::Old,
                        wording,
                    };
                    ScanAnswer::found(found, stages)
                }
            },
            Answer::NotFound => ScanAnswer::not_found(wording, stages),
            Answer::Unavailable => ScanAnswer::unavailable(wording, stages),
        }
    }

    fn believed(&self, live: &Live, answer: &Answer) -> Answer {
        call::believed(answer.clone(), self.replica.as_of(), self.replica.now(), live.release.stale_after().1)
    }

    fn speak(&self, outcome: &Outcome, lang: Lang, now: Timestamp) -> Option<Vec<u8>> {
        let Outcome::Answer(answer) = outcome else { return None };
        let live = self.live.load_full();
        let answer = &self.believed(&live, answer);
        let mut sounds = Vec::new();
        for utterance in self.say(&live, answer, lang, now) {
            for piece in utterance.pieces {
                match piece {
                    Piece::Clip(clip) => sounds.push(Ok(decoded(&live.bank, &clip)?)),
                    Piece::Silence(length) => sounds.push(Err(length)),
                    Piece::Tone(_) | Piece::Message => {}
                }
            }
        }
        let sounds = sounds.iter().map(|sound| match sound {
            Ok(samples) => SpeechPiece::Samples(samples),
            Err(length) => SpeechPiece::Silence(*length),
        });
        Some(web::speech_wav(RATE, sounds))
    }

    fn record(&self, record: ScanRecord) {
        let result = match record.result {
            metrics::ScanResult::Found => ScanResult::LookUp(LookUpResult::Found),
            metrics::ScanResult::NotFound => ScanResult::LookUp(LookUpResult::NotFound),
            metrics::ScanResult::Unavailable => ScanResult::LookUp(LookUpResult::Unavailable),
            metrics::ScanResult::Limited => ScanResult::LookUp(LookUpResult::Rejected),
            metrics::ScanResult::Waybill => ScanResult::Waybill,
            metrics::ScanResult::IdCard => ScanResult::IdCard,
            metrics::ScanResult::Unreadable | metrics::ScanResult::NoBarcode => ScanResult::Unreadable,
        };
        let door = match record.path {
            ScanPath::Code | ScanPath::Speech => inquiry::ScanPath::Code,
            ScanPath::Image => inquiry::ScanPath::Image,
        };
        self.journal.scan(inquiry::ScanRecord {
            at: record.at,
            kiosk: record.kiosk.as_str().to_owned(),
            path: door,
            result,
            stage: record.stage,
            receipt: None,
            duration: record.took,
        });
    }

    fn health(&self) -> Health {
        let age = self.replica.age();
        let live = self.live.load();
        let stale = age.is_none_or(|age| freshness(&live, age) != Freshness::Fresh);
        let state = match (self.door.is_draining(), stale) {
            (true, _) => NodeState::Draining,
            (false, true) => NodeState::Stale,
            (false, false) => NodeState::Ok,
        };
        let copy = self.replica.metrics();
        let (calls, calls_max) = (self.door.calls(), self.door.lines_max());
        let free = folder::free_bytes(&self.data);
        let alarms: Vec<String> = self.replica.alarms().into_iter().map(|alarm| alarm.kind).collect();
        let troubles = [
            (age.is_none(), Trouble::NoCopy),
            (stale, Trouble::Stale),
            (calls >= calls_max, Trouble::LinesFull),
            (free.is_some_and(|free| free < folder::LOW_BYTES), Trouble::DiskLow),
            (!alarms.is_empty(), Trouble::Copy),
        ];
        Health {
            state,
            replica_age: age,
            replica_cases: copy.rows.load(Ordering::Relaxed),
            calls,
            calls_max,
            maintenance: self.settings.maintenance,
            release: live.short_name().to_owned(),
            disk_free_bytes: free,
            troubles: troubles.into_iter().filter_map(|(is_so, trouble)| is_so.then_some(trouble)).collect(),
            alarms,
        }
    }

    /// The live flow, with the calls of the last day where the journal can be read.
    fn picture(&self) -> String {
        let live = self.live.load_full();
        let traffic = journal::traffic(&self.past_calls, journal::DAY).ok().flatten();
        flow::diagram(&live.release.flow, "", &[], traffic.as_ref())
    }

    fn kiosk(&self) -> KioskSettings {
        KioskSettings {
            answer_shown: self.settings.answer_shown,
            clear_warning: self.settings.clear_warning,
            maintenance: self.settings.maintenance,
            image_bytes_max: self.settings.image_bytes_max,
            receipt_lengths: self.live.load().rules.formats.all().iter().map(|format| format.length).collect(),
            desk_number: self.desk_number.clone(),
        }
    }
}

/// How old an answer may be is the flow's to say: it is the one that tells or refuses it.
fn freshness(live: &Live, age: Duration) -> Freshness {
    let (tell_after, refuse_after) = live.release.stale_after();
    if refuse_after.is_some_and(|limit| age > limit) {
        Freshness::TooOld
    } else if tell_after.is_some_and(|limit| age > limit) {
        Freshness::Old
    } else {
        Freshness::Fresh
    }
}

/// A member of an enum, by the word that callers hear for it.
fn word(live: &Live, family: &str, member: &str) -> Wording {
    let entry = live.release.script.entry(&format!("opt.{family}.{member}"));
    Wording::by(|lang| entry.and_then(|entry| entry.plain(lang)).unwrap_or(member).to_owned())
}

fn stage_names(live: &Live) -> StageNames {
    StageNames::by(|stage| word(live, "case_status", stage.code()))
}

/// Sentences one after the other, as a reader of the language expects them.
fn text_of(said: &[Utterance], lang: Lang) -> String {
    let space = match lang {
        Lang::Zh | Lang::Yue => "",
        Lang::En => " ",
    };
    said.iter().map(|utterance| utterance.text.as_str()).collect::<Vec<_>>().join(space)
}

/// A score as the journal keeps it: 1 is the best.
fn score(score: metrics::Score) -> u8 {
    match score {
        metrics::Score::Satisfied => 1,
        metrics::Score::Fair => 2,
        metrics::Score::NotSatisfied => 3,
    }
}

/// A clip as callers hear it.
fn decoded(bank: &Bank, clip: &Clip) -> Option<Vec<i16>> {
    let octets = bank.octets(clip.lang, &clip.id, Codec::Alaw)?;
    Some(octets.iter().map(|octet| g711::decode(Codec::Alaw, *octet)).collect())
}

/// Samples a second of what callers hear.
const RATE: u32 = 8000;
