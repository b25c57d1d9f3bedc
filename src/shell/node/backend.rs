//! What the HTTP service asks of the node.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use audio::{Bank, g711};
use base::{Codec, Lang};
use flow::{self, Utterance};
use inquiry::{
    AgeLimits, Answer, Availability, Case, Factor, Freshness, InquiryLimiter, Keys, Outcome, Promise, Proof, Query,
    ReplicaAnswer, ScanRecord, ScanRules, Scanned, Score,
};
use journal::{Journal, MessagesWatch};
use os::clock;
use os::folder;
use phone::{LiveRelease, Registry};
use replica_store::Replica;
use sms_service::SmsService;
use speech::{Clip, Piece};
use web::{
    self, CodeKind, FoundCase, Hall, Health, Kiosk, KioskSettings, NodeState, PublicSettings, RequestError, ScanAnswer,
    SpeechPiece, StageNames, Trouble, Wording,
};
use web_service::{Backend, Inquiry, Pending};

use crate::carriers::Carriers;
use crate::kiosks;

/// The node, as the HTTP service knows it.
pub(crate) struct NodeBackend {
    pub live: Arc<ArcSwap<LiveRelease>>,
    pub scan_rules: ScanRules,
    pub replica: Arc<Replica>,
    pub journal: Arc<Journal>,
    pub registry: Arc<Registry>,
    pub carriers: Carriers,
    /// Hash receipt numbers, as the telephone does.
    pub keys: Keys,
    pub limiter: Arc<Mutex<InquiryLimiter>>,
    pub settings: config::Web,
    pub desk_number: String,
    /// The data folder, for its disk.
    pub data: PathBuf,
    /// Messages that wait to be listened to.
    pub messages: Arc<MessagesWatch>,
    /// How long one may wait.
    pub messages_wait: Duration,
    /// Text messages.
    pub sms: Option<Arc<SmsService>>,
}

impl Backend for NodeBackend {
    fn now(&self) -> Timestamp {
        clock::timestamp()
    }

    fn read(&self, text: &str) -> Scanned {
        self.live.load().rules.formats.from_scan(text, &self.scan_rules)
    }

    fn inquiry(&self, code: &str, tail: &str) -> Result<Inquiry, RequestError> {
        let live = self.live.load();
        let scanned = live.rules.formats.from_scan(code, &self.scan_rules);
        let receipt = match (CodeKind::of(&scanned), scanned) {
            (_, Scanned::Receipt(receipt)) => receipt,
            (CodeKind::Receipt, _) => return Ok(Inquiry::default()),
            (
                kind @ (CodeKind::Unreadable | CodeKind::WrongLength { .. } | CodeKind::Waybill | CodeKind::IdCard),
                _,
            ) => {
                return Err(RequestError::NotReceipt { kind });
            }
        };
        let key = Some(self.keys.receipt(receipt.number.expose()));
        let kind = live.rules.formats.all().get(usize::from(receipt.format)).map(|format| format.second_factor);
        let factor = kind.map(|kind| Factor::read(kind, tail)).transpose();
        let factor = factor.map_err(|factor| RequestError::Factor { factor })?;
        let query = factor.map(|factor| Query { receipt: receipt.clone(), proof: Proof::Factor(factor) });
        Ok(Inquiry { receipt: Some(receipt), key, query })
    }

    fn cached(&self, query: &Query) -> Option<Answer> {
        self.replica.cached(&query.receipt, &query.proof)
    }

    fn look_up<'a>(&'a self, query: &'a Query) -> Pending<'a, Answer> {
        Box::pin(self.replica.look_up(&query.receipt, &query.proof))
    }

    fn reading(&self, answer: Answer) -> ReplicaAnswer {
        ReplicaAnswer { answer, as_of: self.replica.as_of(), now: self.replica.now() }
    }

    fn age_limits(&self) -> AgeLimits {
        self.live.load().release.age_limits()
    }

    /// Depends on the release as well: the words of another one are other words.
    fn key(&self, case: &Case, now: Timestamp) -> u64 {
        let live = self.live.load();
        let today = now.to_zoned_datetime(live.zone.clone()).date();
        let mut hasher = DefaultHasher::new();
        live.serial.hash(&mut hasher);
        live.rules.progress(case, today).hash(&mut hasher);
        hasher.finish()
    }

    /// Every word of one screen is of one release.
    fn show(&self, outcome: &Outcome, now: Timestamp) -> ScanAnswer {
        let live = &*self.live.load_full();
        let stages = Arc::new(stage_names(live));
        let mut wording = Wording::by(|lang| text_of(&self.sentences(live, &outcome.answer, lang, now), lang));
        if let Answer::Found { case, .. } = &outcome.answer
            && Lang::ALL.iter().any(|lang| wording.text(*lang).is_empty())
        {
            // The flow cannot say what the case holds, as an unknown hall: the state alone is said.
            self.report_unsayable(live, case, now);
            let state = word(live, "case_status", case.stage.code());
            wording = Wording::by(|lang| match lang {
                Lang::Zh | Lang::Yue => format!("{}。", state.text(lang)),
                Lang::En => format!("{}.", state.text(lang)),
            });
        }
        match (&outcome.answer, outcome.freshness) {
            (Answer::Found { case, as_of }, freshness @ (Freshness::Fresh | Freshness::Old)) => {
                let today = now.to_zoned_datetime(live.zone.clone()).date();
                let progress = live.rules.progress(case, today);
                let found = FoundCase {
                    case,
                    expected_by: match progress.promise {
                        Promise::By(date) => Some(date),
                        Promise::WorkingDays(_) | Promise::Days(_) | Promise::Over | Promise::None => None,
                    },
                    hall: progress.hall.as_deref().map(|hall| hall_of(live, hall)),
                    as_of: as_of.to_zoned_datetime(live.zone.clone()),
                    stale: freshness == Freshness::Old,
                    wording,
                };
                ScanAnswer::found(found, stages)
            }
            (Answer::NotFound, _) => ScanAnswer::not_found(wording, stages),
            (Answer::Found { .. } | Answer::Unavailable, _) => ScanAnswer::unavailable(wording, stages),
        }
    }

    fn show_other(&self, kind: CodeKind) -> ScanAnswer {
        ScanAnswer::other(kind, Arc::new(stage_names(&self.live.load())))
    }

    fn speak(&self, outcome: &Outcome, lang: Lang, now: Timestamp) -> Option<Vec<u8>> {
        let live = self.live.load_full();
        let mut sounds = Vec::new();
        for utterance in self.sentences(&live, &outcome.answer, lang, now) {
            for piece in utterance.pieces {
                match piece {
                    Piece::Clip(clip) => sounds.push(Ok(decoded(&live.bank, &clip)?)),
                    Piece::Silence(length) => sounds.push(Err(length)),
                    Piece::Tone(_) | Piece::Ringing(_) | Piece::Message => {}
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
        self.journal.record_scan(record);
    }

    fn rate(&self, at: Timestamp, kiosk: &Kiosk, score: Score) {
        self.journal.record_rating(at, kiosk.as_str(), score.key());
    }

    fn health(&self) -> Health {
        let live = self.live.load();
        let capacity = self.registry.capacity();
        let age = self.replica.age();
        let stale = live.release.age_limits().judge(age) != Freshness::Fresh;
        let free = folder::free_bytes(&self.data);
        let waiting = self.messages.waiting();
        let oldest = waiting.oldest_for(clock::timestamp());
        let alarms: Vec<String> = self.replica.alarms().into_iter().map(|alarm| alarm.kind).collect();
        let troubles = [
            (age.is_none(), Trouble::NoCopy),
            (stale, Trouble::Stale),
            (capacity.is_full(), Trouble::LinesFull),
            (free.is_some_and(|free| free < folder::LOW_SPACE_BYTES), Trouble::DiskLow),
            (!alarms.is_empty(), Trouble::Copy),
            (oldest.is_some_and(|oldest| oldest > self.messages_wait), Trouble::Messages),
            (live.calendar_end(clock::timestamp()).is_some(), Trouble::Calendar),
            (self.sms.as_ref().is_some_and(|sms| sms.is_alarming()), Trouble::TextMessages),
            (self.journal.metrics().deletion_held.load(Ordering::Relaxed) > 0, Trouble::Deletion),
            (self.journal.metrics().recordings.failed_lately(clock::timestamp()), Trouble::Recording),
        ];
        let exceeded = kiosks::shared(&self.limiter, |shared| shared.is_exceeded(clock::now()));
        let troubles = troubles.into_iter().chain(self.carriers.troubles()).chain([(exceeded, Trouble::LookUps)]);
        Health {
            state: match (capacity.availability(), stale) {
                (Availability::Draining, _) => NodeState::Draining,
                (Availability::Open | Availability::Full, true) => NodeState::Stale,
                (Availability::Open | Availability::Full, false) => NodeState::Ok,
            },
            replica_age: age,
            replica_cases: self.replica.metrics().rows.load(Ordering::Relaxed),
            calls: capacity.calls,
            calls_max: capacity.calls_max,
            maintenance: self.settings.maintenance,
            emergency: self.registry.emergency(),
            release: live.short_name().to_owned(),
            disk_free_bytes: free,
            messages_waiting: waiting.count,
            messages_oldest: oldest,
            troubles: troubles.filter_map(|(is_so, trouble)| is_so.then_some(trouble)).collect(),
            alarms,
        }
    }

    fn kiosk(&self) -> KioskSettings {
        KioskSettings {
            answer_shown: self.settings.answer_shown,
            clear_warning: self.settings.clear_warning,
            maintenance: self.settings.maintenance,
            image_bytes_max: self.settings.image_bytes_max,
            receipt_lengths: self.live.load().rules.formats.all().iter().map(|format| format.length).collect(),
            desk_number: self.desk_number.clone(),
            cantonese_characters: self.settings.cantonese_characters,
        }
    }

    fn public(&self) -> PublicSettings {
        let mut factors = Vec::new();
        for format in self.live.load().rules.formats.all() {
            if !factors.contains(&format.second_factor) {
                factors.push(format.second_factor);
            }
        }
        let (desk_number, maintenance) = (self.desk_number.clone(), self.settings.maintenance);
        PublicSettings { factors, desk_number, maintenance, cantonese_characters: self.settings.cantonese_characters }
    }

    /// The live flow, with the calls of the last day.
    fn picture(&self) -> String {
        let live = self.live.load_full();
        flow::diagram(&live.release.flow, "", &[], Some(&self.journal.traffic()))
    }
}

impl NodeBackend {
    /// Raises the alarm for a case that the flow has no words for.
    fn report_unsayable(&self, live: &LiveRelease, case: &Case, now: Timestamp) {
        let today = now.to_zoned_datetime(live.zone.clone()).date();
        let facts = flow::facts(&live.rules.progress(case, today));
        if let Some((variable, word)) = flow::unknown_word(&live.release.flow, &facts) {
            self.replica.report_unknown_word(&variable, &word);
        }
    }

    /// What is said of a receipt, in one language: the phone's own sentences.
    fn sentences(&self, live: &LiveRelease, answer: &Answer, lang: Lang, now: Timestamp) -> Vec<Utterance> {
        let local = now.to_zoned_datetime(live.zone.clone()).datetime();
        let (findings, _) = call::findings(&live.rules, answer, local.date(), self.replica.now());
        flow::answer(&live.release, lang, findings.into(), local, clock::now())
    }
}

fn hall_of(live: &LiveRelease, code: &str) -> Hall {
    let on_card = |family: &str| {
        let entry = live.release.script.entry(&format!("screen.{family}.{code}"))?;
        Some(Wording::by(|lang| entry.plain(lang).unwrap_or_default().to_owned()))
    };
    let (address, hours) = (on_card("hall_address"), on_card("hall_hours"));
    Hall { code: code.to_owned(), name: word(live, "hall", code), address, hours }
}

/// A member of an enum, by its word on screens, else by the word that callers hear for it.
fn word(live: &LiveRelease, family: &str, member: &str) -> Wording {
    let script = &live.release.script;
    let on_screen = script.entry(&format!("screen.{family}.{member}"));
    let entry = on_screen.or_else(|| script.entry(&format!("opt.{family}.{member}")));
    Wording::by(|lang| entry.and_then(|entry| entry.plain(lang)).unwrap_or(member).to_owned())
}

fn stage_names(live: &LiveRelease) -> StageNames {
    StageNames::by(|stage| word(live, "case_status", stage.code()))
}

/// Sentences one after the other, as a reader of the language expects them.
fn text_of(said: &[Utterance], lang: Lang) -> String {
    let space = match lang {
        Lang::Zh | Lang::Yue => "",
        Lang::En => " ",
    };
    let texts = said.iter().map(|utterance| utterance.text.as_str()).filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(space)
}

/// A clip as callers hear it.
fn decoded(bank: &Bank, clip: &Clip) -> Option<Vec<i16>> {
    let octets = bank.octets(clip.lang, &clip.id, Codec::Alaw)?;
    Some(octets.iter().map(|octet| g711::decode(Codec::Alaw, *octet)).collect())
}

/// Samples a second of what callers hear.
const RATE: u32 = 8000;
