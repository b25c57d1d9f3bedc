//! The service over real sockets, with a backend of a few cases.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{Timestamp, civil::date, tz::TimeZone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::*;
use base::{Characters, Lang, Private};
use inquiry::{
    AgeLimits, Answer, Case, Factor, Freshness, InquiryLimiter, InquiryLimits, LookUpResult, NumberError, Outcome,
    PhoneLimits, Proof, PublicLimits, Query, Receipt, ReplicaAnswer, ScanFault, ScanLimits, ScanPath, ScanRecord,
    ScanResult, Scanned, Score, SecondFactor, SharedLimits, Stage,
};
use kiosk_store::KioskStore;
use metrics::{CallOutcome, Metrics, Registry};
use support::folder::Folder;
use web::{
    CodeKind, FoundCase, Hall, Health, Kiosk, KioskSettings, NewKiosk, NodeState, PublicSettings, RequestError,
    ScanAnswer, SpeechPiece, StageNames, Wording, speech_wav,
};

mod answers;
mod audiences;
mod bounds;
mod photographs;
mod shares;

const RECEIPT: &str = "440126112300018";
/// Its second factor.
const TAIL: &str = "123X";
const UNKNOWN: &str = "440126112309998";
/// A receipt that is not in memory, and is only answered when the test says so.
const SLOW: &str = "440126112307777";

/// A running service, and what its backend saw.
struct Office {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    seen: Arc<Seen>,
    kiosks: Arc<KioskStore>,
    limiter: Arc<Mutex<InquiryLimiter>>,
    _data: Folder,
}

struct Seen {
    metrics: Arc<Metrics>,
    scans: Mutex<Vec<ScanRecord>>,
    ratings: Mutex<Vec<(Kiosk, Score)>>,
    shown: AtomicU32,
    drawn: AtomicU32,
    version: AtomicU64,
    case: Mutex<Arc<Case>>,
    draining: AtomicU32,
    /// How old the replica is, in seconds.
    age_s: AtomicU64,
    waiting: Notify,
    go_on: Notify,
}

impl Office {
    fn open() -> Office {
        Office::with(64, Duration::from_secs(20))
    }

    fn with(connections_max: usize, request_timeout: Duration) -> Office {
        Office::sharing(connections_max, request_timeout, config::WebShares::default())
    }

    fn sharing(connections_max: usize, request_timeout: Duration, shares: config::WebShares) -> Office {
        Office::of(config::Web { connections_max, request_timeout, shares, ..settings() }, Serves::All)
    }

    fn of(web: config::Web, serves: Serves) -> Office {
        Office::reading_by(PhotographReader::Thread, web, serves)
    }

    fn reading_by(reader: PhotographReader, web: config::Web, serves: Serves) -> Office {
        let seen = Arc::new(Seen {
            metrics: Arc::new(Metrics::new()),
            scans: Mutex::default(),
            ratings: Mutex::default(),
            shown: AtomicU32::new(0),
            drawn: AtomicU32::new(0),
            version: AtomicU64::new(1),
            case: Mutex::new(Arc::new(case(1))),
            draining: AtomicU32::new(0),
            age_s: AtomicU64::new(0),
            waiting: Notify::new(),
            go_on: Notify::new(),
        });
        let data = Folder::new();
        let kiosks = Arc::new(KioskStore::open(data.path()).unwrap());
        let limiter = Arc::new(Mutex::new(InquiryLimiter::new(limits())));
        let registry = Registry::new(Arc::clone(&seen.metrics));
        let service = HttpService::new(Desk(Arc::clone(&seen)), registry, &web, Arc::clone(&limiter));
        let service = Arc::new(service.with_kiosks(Arc::clone(&kiosks)).read_photographs_by(reader));
        let listeners = Listeners::bind(&web.listen, serves).unwrap();
        let address = listeners.addresses().into_iter().chain(listeners.operations()).next().unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving =
            tokio::spawn(async move { serve(listeners, service, &web, stopped, Duration::from_secs(20)).await });
        Office { address, stop, serving, seen, kiosks, limiter, _data: data }
    }

    async fn visitor(&self) -> Visitor {
        Visitor { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// A client at another loopback address.
    async fn visitor_from(&self, address: &str) -> Visitor {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
        Visitor { stream: socket.connect(self.address).await.unwrap(), read: Vec::new() }
    }

    async fn asks(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut visitor = self.visitor().await;
        visitor.says(request).await;
        visitor.hears().await.expect("a reply")
    }
}

fn settings() -> config::Web {
    config::Web {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        proxies: Vec::new(),
        hosts: Vec::new(),
        operations_listen: Vec::new(),
        operations_allow: vec![base::Network::read("127.0.0.0/8").unwrap()],
        try_out_kiosk: true,
        connections_max: 64,
        shares: config::WebShares::default(),
        request_timeout: Duration::from_secs(20),
        image_bytes_max: 300_000,
        answer_shown: Duration::from_secs(45),
        clear_warning: Duration::from_secs(20),
        maintenance: false,
        cantonese_characters: Characters::Simplified,
    }
}

fn limits() -> InquiryLimits {
    let limit = NonZeroU32::new;
    let (failure_window, look_up_window) = (Duration::from_secs(600), Duration::from_secs(3600));
    InquiryLimits {
        phone: PhoneLimits { failures: limit(3), failure_window, look_ups: limit(100), look_up_window },
        scan: ScanLimits { per_kiosk: limit(3), per_address: limit(10), window: failure_window },
        public: PublicLimits { failures: limit(3), failure_window, look_ups: limit(100), look_up_window },
        shared: SharedLimits {
            failures_per_receipt: limit(10),
            failures_total: limit(100),
            failure_window,
            look_ups_per_receipt: limit(20),
            look_ups_total: limit(10_000),
            look_up_window,
        },
    }
}

fn case(version: u64) -> Case {
    Case {
        stage: Stage::Ready,
        document: "passport".into(),
        case_type: "new".into(),
        hall: "north".into(),
        accepted_on: date(2026, 11, 16),
        stage_on: date(2026, 11, 20),
        pauses: Vec::new(),
        items: Vec::new(),
        waybill_tail: None,
        minor: false,
        version,
    }
}

fn now() -> Timestamp {
    "2026-11-23T02:00:30Z".parse().unwrap()
}

fn names() -> Arc<StageNames> {
    Arc::new(StageNames::by(|stage| Wording::by(|lang| format!("{stage:?}-{}", lang.code()))))
}

/// The node of the tests.
struct Desk(Arc<Seen>);

impl Backend for Desk {
    fn now(&self) -> Timestamp {
        now()
    }

    fn read(&self, text: &str) -> Scanned {
        match text.trim() {
            code if code.starts_with("SF") => Scanned::Waybill,
            code if code.len() == 14 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Scanned::Unreadable(ScanFault::Number(NumberError::Length { expected: 15, got: 14 }))
            }
            code if code.len() == 15 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Scanned::Receipt(Receipt { number: Private::new(code.to_owned()), format: 0 })
            }
            _ => Scanned::Unreadable(ScanFault::Other),
        }
    }

    fn inquiry(&self, code: &str, tail: &str) -> Result<Inquiry, RequestError> {
        let scanned = self.read(code);
        let kind = CodeKind::of(&scanned);
        let Scanned::Receipt(receipt) = scanned else {
            return Err(RequestError::NotReceipt { kind });
        };
        let factor = Factor::read(SecondFactor::IdTail, tail).map_err(|factor| RequestError::Factor { factor })?;
        let query = Some(Query { receipt: receipt.clone(), proof: Proof::Factor(factor) });
        Ok(Inquiry { key: receipt.number.expose().parse().ok(), receipt: Some(receipt), query })
    }

    fn cached(&self, query: &Query) -> Option<Answer> {
        let right = Factor::read(SecondFactor::IdTail, TAIL).unwrap();
        let is_proven = [Proof::Paper, Proof::Factor(right)].contains(&query.proof);
        match query.receipt.number.expose().as_str() {
            _ if !is_proven => Some(Answer::NotFound),
            RECEIPT => Some(Answer::Found { case: Arc::clone(&self.0.case.lock().unwrap()), as_of: now() }),
            SLOW => None,
            _ => Some(Answer::NotFound),
        }
    }

    fn look_up<'a>(&'a self, _query: &'a Query) -> Pending<'a, Answer> {
        Box::pin(async {
            self.0.waiting.notify_one();
            self.0.go_on.notified().await;
            Answer::Unavailable
        })
    }

    fn reading(&self, answer: Answer) -> ReplicaAnswer {
        let age = Duration::from_secs(self.0.age_s.load(Relaxed));
        ReplicaAnswer { answer, as_of: Some(now()), now: now() + age }
    }

    fn age_limits(&self) -> AgeLimits {
        AgeLimits { tell_after: Some(Duration::from_secs(60)), refuse_after: Some(Duration::from_secs(3600)) }
    }

    fn key(&self, case: &Case, _now: Timestamp) -> u64 {
        case.stage as u64
    }

    fn show(&self, outcome: &Outcome, _now: Timestamp) -> ScanAnswer {
        self.0.shown.fetch_add(1, Relaxed);
        show(outcome)
    }

    fn show_other(&self, kind: CodeKind) -> ScanAnswer {
        ScanAnswer::other(kind, names())
    }

    fn speak(&self, _outcome: &Outcome, lang: Lang, _now: Timestamp) -> Option<Vec<u8>> {
        Some(speech_wav(8000, [SpeechPiece::Samples(&[lang as i16; 80])].into_iter()))
    }

    fn record(&self, record: ScanRecord) {
        self.0.scans.lock().unwrap().push(record);
    }

    fn rate(&self, _at: Timestamp, kiosk: &Kiosk, score: Score) {
        self.0.ratings.lock().unwrap().push((kiosk.clone(), score));
    }

    fn health(&self) -> Health {
        Health {
            state: if self.0.draining.load(Relaxed) == 0 { NodeState::Ok } else { NodeState::Draining },
            replica_age: Some(Duration::from_secs(7)),
            calls: 2,
            ..Health::default()
        }
    }

    fn kiosk(&self) -> KioskSettings {
        KioskSettings {
            answer_shown: Duration::from_secs(45),
            clear_warning: Duration::from_secs(20),
            maintenance: false,
            image_bytes_max: 300_000,
            receipt_lengths: vec![15],
            desk_number: "96110110".into(),
            cantonese_characters: Characters::Simplified,
        }
    }

    fn public(&self) -> PublicSettings {
        PublicSettings {
            factors: vec![SecondFactor::IdTail],
            desk_number: String::new(),
            maintenance: false,
            cantonese_characters: Characters::Simplified,
        }
    }

    fn picture(&self) -> String {
        self.0.drawn.fetch_add(1, Relaxed);
        "<svg/>".into()
    }
}

fn show(outcome: &Outcome) -> ScanAnswer {
    let words = |text: &str| Wording::by(|lang| format!("{text} {}", lang.code()));
    match (&outcome.answer, outcome.freshness) {
        (Answer::Found { case, as_of }, Freshness::Fresh | Freshness::Old) => ScanAnswer::found(
            FoundCase {
                case,
                expected_by: Some(date(2026, 12, 1)),
                hall: Some(Hall { code: "north".into(), name: words("hall"), address: None, hours: None }),
                as_of: as_of.to_zoned_datetime(TimeZone::get("Asia/Shanghai").unwrap()),
                stale: outcome.freshness == Freshness::Old,
                wording: words("ready"),
            },
            names(),
        ),
        (Answer::NotFound, _) => ScanAnswer::not_found(words("none"), names()),
        (Answer::Unavailable | Answer::Found { .. }, _) => ScanAnswer::unavailable(words("down"), names()),
    }
}

/// A client that sends bytes and reads replies.
struct Visitor {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Visitor {
    async fn says(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has heard enough may close while we speak.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next reply; `None` when the server closes.
    async fn hears(&mut self) -> Option<Reply> {
        let head_end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..head_end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length && self.more().await {}
        let body = self.read.drain(..length.min(self.read.len())).collect();
        Some(Reply { status, head, body })
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                true
            }
        }
    }

    async fn is_hung_up_on(&mut self) -> bool {
        while self.more().await {}
        true
    }
}

impl Reply {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn scan(code: &str) -> Vec<u8> {
    let body = serde_json::json!({ "code": code, "kiosk": "hall-1" }).to_string();
    post("/api/scan", "application/json", body.as_bytes())
}

/// Whether a text holds five digits in a row of a receipt.
fn tells(text: &str, receipt: &str) -> bool {
    receipt.as_bytes().windows(5).any(|digits| text.contains(std::str::from_utf8(digits).unwrap()))
}
