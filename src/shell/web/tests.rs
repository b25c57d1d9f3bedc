//! The server over real sockets, with a backend of a few cases.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{Timestamp, civil::date, tz::TimeZone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::base::Private;
use crate::inquiry::{Answer, Case, Receipt, Stage};
use crate::shell::metrics::{CallOutcome, Metrics, ScanPath, ScanResult, Score};
use crate::web::{
    CodeKind, FailureLimits, Found, Hall, Health, KioskSettings, NodeState, Scanned, Shown, Sound, StageNames, Wording,
    wav,
};

const RECEIPT: &str = "440126112300018";
const UNKNOWN: &str = "440126112309998";
/// A receipt that is not in memory, and is only answered when the test says so.
const SLOW: &str = "440126112307777";

/// A running server and what it was told.
struct Office {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    told: Arc<Told>,
}

struct Told {
    metrics: Arc<Metrics>,
    scans: Mutex<Vec<ScanRecord>>,
    ratings: Mutex<Vec<RateRecord>>,
    shown: AtomicU32,
    version: AtomicU64,
    case: Mutex<Arc<Case>>,
    draining: AtomicU32,
    waiting: Notify,
    go_on: Notify,
}

impl Office {
    fn open() -> Office {
        Office::with(64, Duration::from_secs(20))
    }

    fn with(connections_max: usize, request_timeout: Duration) -> Office {
        let web = crate::config::Web {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            proxies: Vec::new(),
            connections_max,
            request_timeout,
            image_bytes_max: 300_000,
            answer_shown: Duration::from_secs(45),
            clear_warning: Duration::from_secs(20),
            maintenance: false,
        };
        let told = Arc::new(Told {
            metrics: Arc::new(Metrics::new()),
            scans: Mutex::default(),
            ratings: Mutex::default(),
            shown: AtomicU32::new(0),
            version: AtomicU64::new(1),
            case: Mutex::new(Arc::new(case(1))),
            draining: AtomicU32::new(0),
            waiting: Notify::new(),
            go_on: Notify::new(),
        });
        let limits = FailureLimits { per_kiosk: 3, per_address: 10, total: 100, window: Duration::from_secs(600) };
        let doors = Arc::new(Doors::new(backend(&told), &web, limits));
        let listeners = Listeners::bind(&web.listen, Serves::All).unwrap();
        let address = listeners.addresses()[0];
        let (stop, stopped) = watch::channel(false);
        let serving =
            tokio::spawn(async move { serve(listeners, doors, &web, stopped, Duration::from_secs(20)).await });
        Office { address, stop, serving, told }
    }

    async fn visitor(&self) -> Visitor {
        Visitor { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    async fn asks(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut visitor = self.visitor().await;
        visitor.says(request).await;
        visitor.hears().await.expect("a reply")
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

fn backend(told: &Arc<Told>) -> Backend {
    let (at_hand, far, shown) = (Arc::clone(told), Arc::clone(told), Arc::clone(told));
    let (scans, ratings, health) = (Arc::clone(told), Arc::clone(told), Arc::clone(told));
    Backend {
        read: Arc::new(|text| match text.trim() {
            code if code.starts_with("SF") => Scanned::Other(CodeKind::Waybill),
            code if code.len() == 15 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Scanned::Receipt(Receipt { number: Private::new(code.to_owned()), format: 0 })
            }
            _ => Scanned::Other(CodeKind::Unreadable),
        }),
        look_up_now: Box::new(move |receipt| match receipt.number.expose().as_str() {
            RECEIPT => Some(Answer::Found { case: Arc::clone(&at_hand.case.lock().unwrap()), as_of: now() }),
            SLOW => None,
            _ => Some(Answer::NotFound),
        }),
        look_up: Box::new(move |_| {
            let told = Arc::clone(&far);
            Box::pin(async move {
                told.waiting.notify_one();
                told.go_on.notified().await;
                Answer::Down
            })
        }),
        key: Box::new(|case, _| case.stage as u64),
        picture: Arc::new(|| "<svg/>".into()),
        show: Box::new(move |outcome, _| {
            shown.shown.fetch_add(1, Relaxed);
            show(outcome)
        }),
        speak: Box::new(|outcome, lang, _| match outcome {
            Outcome::Answer(_) => Some(wav(8000, [Sound::Samples(&[lang as i16; 80])].into_iter())),
            Outcome::Other(_) => None,
        }),
        record: Box::new(move |record| scans.scans.lock().unwrap().push(record)),
        rate: Box::new(move |record| ratings.ratings.lock().unwrap().push(record)),
        health: Box::new(move || Health {
            state: if health.draining.load(Relaxed) == 0 { NodeState::Ok } else { NodeState::Draining },
            replica_age: Some(Duration::from_secs(7)),
            calls: 2,
            ..Health::default()
        }),
        kiosk: Box::new(|| KioskSettings {
            answer_shown: Duration::from_secs(45),
            clear_warning: Duration::from_secs(20),
            maintenance: false,
            image_bytes_max: 300_000,
            receipt_lengths: vec![15],
            desk_number: "96110110".into(),
        }),
        now: Box::new(now),
        metrics: Arc::clone(&told.metrics),
    }
}

fn show(outcome: &Outcome) -> Shown {
    let words = |text: &str| Wording::by(|lang| format!("{text} {}", lang.code()));
    match outcome {
        Outcome::Answer(Answer::Found { case, as_of }) => Shown::found(
            Found {
                case,
                expected_by: Some(date(2026, 12, 1)),
                hall: Some(Hall { code: "north".into(), name: words("hall") }),
                as_of: as_of.to_zoned_datetime(TimeZone::get("Asia/Shanghai").unwrap()),
                stale: false,
                wording: words("ready"),
            },
            names(),
        ),
        Outcome::Answer(Answer::NotFound) => Shown::not_found(words("none"), names()),
        Outcome::Answer(Answer::Down) => Shown::unavailable(words("down"), names()),
        Outcome::Other(kind) => Shown::other(*kind, names()),
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
    format!("GET {path} HTTP/1.1\r\nHost: kiosk\r\n\r\n")
}

fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: kiosk\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
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

#[tokio::test]
async fn a_scan_gets_its_answer_and_no_part_of_its_number() {
    let office = Office::open();
    for (code, found) in
        [(RECEIPT, true), (UNKNOWN, false), ("SF1234567890123", false), ("9".repeat(40).as_str(), false)]
    {
        let reply = office.asks(scan(code)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["found"], found);
        let all = format!("{}{}", reply.head, String::from_utf8_lossy(&reply.body));
        assert!(!tells(&all, code), "{all}");
    }
    let told = office.asks(scan(RECEIPT)).await.json();
    assert_eq!(told["stage"], "ready");
    assert_eq!(told["hall"]["yue"], "hall yue");
    assert_eq!(told["as_of"], "2026-11-23T10:00:00+08:00");
    assert_eq!(office.asks(scan("SF1234567890123")).await.json()["kind"], "waybill");
}

#[tokio::test]
async fn no_log_line_and_no_record_holds_a_receipt() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let office = Office::open();
    let broken = format!(r#"{{"code":{RECEIPT}}}"#);
    for request in [
        scan(RECEIPT),
        scan(UNKNOWN),
        scan(&format!("{RECEIPT}1")),
        post("/api/scan", "application/json", broken.as_bytes()),
        post("/api/scan", "application/json", &broken.as_bytes()[..12]),
        get(&format!("/api/scan?code={RECEIPT}")).into_bytes(),
        get(&format!("/{RECEIPT}")).into_bytes(),
    ] {
        office.asks(request).await;
    }
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("scan") && log.contains("tail=\"0018\""), "{log}");
    let records = format!("{:?}", office.told.scans.lock().unwrap());
    for receipt in [RECEIPT, UNKNOWN] {
        assert!(!tells(&log, receipt), "{log}");
        assert!(!tells(&records, receipt), "{records}");
    }
}

#[tokio::test]
async fn a_reply_is_composed_once_until_something_else_is_said_of_the_case() {
    let office = Office::open();
    let mut visitor = office.visitor().await;
    for _ in 0..5 {
        visitor.says(scan(RECEIPT)).await;
        assert_eq!(visitor.hears().await.unwrap().status, 200);
    }
    assert_eq!(office.told.shown.load(Relaxed), 1);
    let version = office.told.version.fetch_add(1, Relaxed) + 1;
    *office.told.case.lock().unwrap() = Arc::new(Case { stage: Stage::Collected, ..case(version) });
    visitor.says(scan(RECEIPT)).await;
    assert_eq!(visitor.hears().await.unwrap().json()["stage"], "collected");
    assert_eq!(office.told.shown.load(Relaxed), 2);
    let scans = office.told.scans.lock().unwrap();
    assert_eq!(scans.len(), 6);
    assert_eq!(
        (scans[5].stage, scans[5].path, scans[5].result),
        (Some(Stage::Collected), ScanPath::Code, ScanResult::Found)
    );
}

#[tokio::test]
async fn answers_are_not_stored_and_pages_are_checked_for_freshness() {
    let office = Office::open();
    let answer = office.asks(scan(RECEIPT)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    let page = office.asks(get("/")).await;
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let tag = page.header("etag").unwrap();
    let again = office.asks(format!("GET /kiosk HTTP/1.1\r\nHost: kiosk\r\nIf-None-Match: {tag}\r\n\r\n")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    for path in ["/kiosk/app.js", "/kiosk/scanner.js", "/kiosk/words.js", "/kiosk/style.css", "/kiosk/config.json"] {
        assert_eq!(office.asks(get(path)).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_wrong_path_method_or_type_is_told_what_would_do() {
    let office = Office::open();
    assert_eq!(office.asks(get("/scan")).await.json()["error"], "not_found");
    let method = office.asks(get("/api/scan")).await;
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!(office.asks(post("/api/scan", "text/plain", b"{}")).await.status, 415);
    assert_eq!(office.asks(post("/api/scan", "application/json", b"{")).await.status, 400);
    let mut visitor = office.visitor().await;
    visitor.says("HEAD /kiosk HTTP/1.1\r\nHost: kiosk\r\nConnection: close\r\n\r\n").await;
    while visitor.more().await {}
    assert!(visitor.read.ends_with(b"\r\n\r\n"));
    assert_eq!(office.told.metrics.http_requests.value(crate::shell::metrics::HttpClass::Refused), 4);
}

#[tokio::test]
async fn a_large_body_is_refused_whether_it_names_its_length_or_not() {
    let office = Office::open();
    let large = vec![b' '; 9000];
    let named = office.asks(post("/api/scan", "application/json", &large)).await;
    assert_eq!((named.status, named.header("connection")), (413, Some("close")));
    let mut chunked = b"POST /api/scan HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\n\r\n2328\r\n"
        .to_vec();
    chunked.extend_from_slice(&large);
    assert_eq!(office.asks(chunked).await.status, 413);
    let claim = "POST /api/scan HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\n\
                 Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(office.asks(claim).await.status, 413);
}

#[tokio::test]
async fn large_heads_and_nonsense_are_refused_by_the_book() {
    let office = Office::open();
    let long = format!("GET / HTTP/1.1\r\nHost: k\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(office.asks(long).await.status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: k\r\n{}\r\n", "A: b\r\n".repeat(300));
    assert_eq!(office.asks(many).await.status, 431);
    for nonsense in ["\x16\x03\x01\x02\x00\x01\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nHost k\r\n\r\n"] {
        assert_eq!(office.asks(nonsense).await.status, 400, "{nonsense:?}");
    }
    let both = "POST /api/scan HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n";
    assert_eq!(office.asks(both).await.status, 400);
}

#[tokio::test]
async fn a_head_that_does_not_come_and_a_body_that_drips_end_the_connection() {
    let office = Office::with(64, Duration::from_millis(60));
    let mut silent = office.visitor().await;
    assert!(silent.is_hung_up_on().await);
    let mut half = office.visitor().await;
    half.says("POST /api/scan HTTP/1.1\r\nHost:").await;
    assert!(half.is_hung_up_on().await);
    let mut drip = office.visitor().await;
    drip.says("POST /api/scan HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
        .await;
    let reply = drip.hears().await.unwrap();
    assert_eq!((reply.status, reply.json()["error"].as_str()), (408, Some("slow")));
    assert!(drip.is_hung_up_on().await);
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let office = Office::open();
    let mut visitor = office.visitor().await;
    visitor
        .says([scan(RECEIPT), get("/health").into_bytes(), scan(UNKNOWN), get("/nowhere").into_bytes()].concat())
        .await;
    assert_eq!(visitor.hears().await.unwrap().json()["found"], true);
    assert_eq!(visitor.hears().await.unwrap().json()["status"], "ok");
    assert_eq!(visitor.hears().await.unwrap().json()["found"], false);
    assert_eq!(visitor.hears().await.unwrap().status, 404);
    visitor.says(scan(RECEIPT)).await;
    assert_eq!(visitor.hears().await.unwrap().status, 200);
}

#[tokio::test]
async fn silent_connections_make_room_for_one_that_asks() {
    let office = Office::with(3, Duration::from_secs(20));
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(office.visitor().await);
    }
    assert_eq!(office.asks(scan(RECEIPT)).await.status, 200);
    assert_eq!(office.asks(scan(RECEIPT)).await.status, 200);
    assert!(silent[0].is_hung_up_on().await);
}

#[tokio::test]
async fn when_every_connection_is_in_a_request_the_next_is_told_to_come_back() {
    let office = Office::with(2, Duration::from_secs(20));
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut visitor = office.visitor().await;
        visitor.says(scan(SLOW)).await;
        office.told.waiting.notified().await;
        busy.push(visitor);
    }
    let mut late = office.visitor().await;
    let refused = late.hears().await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["error"], "busy");
    assert!(late.is_hung_up_on().await);
    office.told.go_on.notify_waiters();
    for visitor in &mut busy {
        assert_eq!(visitor.hears().await.unwrap().json()["unavailable"], true);
    }
}

#[tokio::test]
async fn stopping_lets_a_request_finish_and_takes_no_new_one() {
    let office = Office::open();
    let mut idle = office.visitor().await;
    idle.says(get("/health")).await;
    idle.hears().await.unwrap();
    let mut asking = office.visitor().await;
    asking.says(scan(SLOW)).await;
    office.told.waiting.notified().await;
    office.stop.send(true).unwrap();
    assert!(idle.is_hung_up_on().await);
    assert!(TcpStream::connect(office.address).await.is_err());
    office.told.go_on.notify_waiters();
    assert_eq!(asking.hears().await.unwrap().status, 200);
    assert!(asking.is_hung_up_on().await);
    office.serving.await.unwrap();
    assert_eq!(office.told.metrics.http_connections.value(), 0);
}

#[tokio::test]
async fn after_three_unknown_receipts_a_kiosk_must_wait() {
    let office = Office::open();
    for last in 0..3 {
        assert_eq!(office.asks(scan(&format!("44012611230999{last}"))).await.status, 200);
    }
    let refused = office.asks(scan(RECEIPT)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() <= 600);
    assert!(refused.json()["wording"]["yue"].as_str().unwrap().contains("等"));
    let other = serde_json::json!({ "code": RECEIPT, "kiosk": "hall-2" }).to_string();
    assert_eq!(office.asks(post("/api/scan", "application/json", other.as_bytes())).await.status, 200);
}

#[tokio::test]
async fn an_answer_can_be_heard_and_a_waybill_cannot() {
    let office = Office::open();
    let ask = |code: &str| {
        let body = serde_json::json!({ "code": code, "lang": "yue", "kiosk": "hall-1" }).to_string();
        post("/api/scan/speech", "application/json", body.as_bytes())
    };
    let sound = office.asks(ask(RECEIPT)).await;
    assert_eq!((sound.status, sound.header("content-type")), (200, Some("audio/wav")));
    assert_eq!(hound::WavReader::new(sound.body.as_slice()).unwrap().duration(), 80);
    let none = office.asks(ask("SF1234567890123")).await;
    assert_eq!((none.status, none.json()["error"].as_str()), (404, Some("no_speech")));
}

#[tokio::test]
async fn both_families_of_addresses_are_bound_or_none() {
    let both = Listeners::bind(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()], Serves::All).unwrap();
    let addresses = both.addresses();
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6());
    assert!(addresses.iter().all(|address| address.port() != 0));
    let (taken, _) = Listeners::bind(&["127.0.0.1:0".parse().unwrap(), addresses[0]], Serves::All).err().unwrap();
    assert_eq!(taken, addresses[0]);
}

#[tokio::test]
async fn a_rating_is_recorded_and_thanked_for() {
    let office = Office::open();
    let reply = office.asks(post("/api/rate", "application/json", br#"{"score":3,"kiosk":"hall-1"}"#)).await;
    assert_eq!(reply.json()["thanks"], true);
    assert_eq!(office.asks(post("/api/rate", "application/json", br#"{"score":4}"#)).await.status, 400);
    let ratings = office.told.ratings.lock().unwrap();
    assert_eq!(ratings.len(), 1);
    assert_eq!(ratings[0].score, Score::NotSatisfied);
}

#[tokio::test]
async fn health_tells_a_balancer_and_metrics_tell_an_operator() {
    let office = Office::open();
    office.told.metrics.calls.inc(CallOutcome::Finished);
    office.asks(scan(RECEIPT)).await;
    assert_eq!(office.asks(get("/health")).await.status, 200);
    office.told.draining.store(1, Relaxed);
    let draining = office.asks(get("/health")).await;
    assert_eq!((draining.status, draining.json()["status"].as_str()), (503, Some("draining")));
    let metrics = String::from_utf8(office.asks(get("/metrics")).await.body).unwrap();
    for line in [
        "jindu_calls_total{outcome=\"finished\"} 1",
        "jindu_scans_total{path=\"code\",result=\"found\"} 1",
        "jindu_lookups_total{door=\"scan\",result=\"found\"} 1",
        "jindu_http_requests_total{class=\"5xx\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_photograph_is_answered_like_a_scan() {
    use rxing::Writer;
    let office = Office::open();
    let code = rxing::MultiFormatWriter.encode(RECEIPT, &rxing::BarcodeFormat::CODE_128, 400, 100).unwrap();
    let mut picture = image::GrayImage::from_pixel(code.getWidth() + 80, code.getHeight() + 120, image::Luma([230]));
    for y in 0..code.getHeight() {
        for x in 0..code.getWidth() {
            picture.put_pixel(x + 40, y + 60, image::Luma([if code.get(x, y) { 30 } else { 230 }]));
        }
    }
    let png = |picture: &image::GrayImage| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let reply = office.asks(post("/api/scan/image", "image/png", &png(&picture))).await;
    assert_eq!((reply.status, reply.json()["stage"].as_str()), (200, Some("ready")));
    let blank = png(&image::GrayImage::from_pixel(60, 60, image::Luma([230])));
    let none = office.asks(post("/api/scan/image", "image/png", &blank)).await;
    assert_eq!((none.status, none.json()["error"].as_str()), (422, Some("no_barcode")));
    assert!(!none.json()["wording"]["en"].as_str().unwrap().is_empty());
    assert_eq!(office.asks(post("/api/scan/image", "image/png", b"no picture")).await.status, 415);
    assert_eq!(office.asks(post("/api/scan/image", "image/png", &vec![0; 400_000])).await.status, 413);
    let results: Vec<ScanResult> = office.told.scans.lock().unwrap().iter().map(|scan| scan.result).collect();
    assert_eq!(results, [ScanResult::Found, ScanResult::NoBarcode, ScanResult::NoBarcode]);
}
