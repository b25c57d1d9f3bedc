//! The scan door against a bare hyper reply of the same size, on one server thread each, in one run.
//!
//! `cargo bench --bench scan` prints requests per second of both and their ratio, the processor time per request of both
//! (which a busy machine distorts less), and the 99th percentile of the scan door at half of its load. The client is plain blocking sockets on the machine's other cores; rounds alternate, so
//! that a noisy neighbour meets both sides.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base::{Characters, Lang, Private};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use inquiry::{
    AgeLimits, Answer, Case, InquiryLimiter, InquiryLimits, Outcome, PhoneLimits, PublicLimits, Query, Receipt,
    ReplicaAnswer, ScanFault, ScanLimits, ScanRecord, Scanned, Score, SharedLimits, Stage,
};
use jiff::{Timestamp, civil::date, tz::TimeZone};
use metrics::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::{CodeKind, FoundCase, Hall, Health, Kiosk, KioskSettings, PublicSettings, ScanAnswer, StageNames, Wording};
use web_service::{Backend, HttpService, Inquiry, Listeners, Pending, Serves, serve};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 32;
const CASES: u32 = 50_000;

fn main() {
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let scan = on_its_own_thread(scan_server);
    let size = ask(scan.address, &request(1)).len();
    let bare = on_its_own_thread(move || bare_server(size));
    println!("reply: {size} bytes; {CONNECTIONS} connections; {ROUNDS} rounds of {ROUND:?}");
    let requests: Vec<Vec<u8>> = (0..CASES).map(request).collect();
    for (name, requests) in [("one receipt", &requests[..1]), ("50,000 receipts, 1,000 answers", &requests[..])] {
        let mut rates: Vec<_> = (0..ROUNDS).map(|_| (rate(&bare, requests), rate(&scan, requests))).collect();
        rates.sort_by(|a, b| (a.1.0 / a.0.0).total_cmp(&(b.1.0 / b.0.0)));
        let ((bare_rate, bare_us), (scan_rate, scan_us)) = rates[ROUNDS / 2];
        println!("{name}: bare {bare_rate:.0}/s, scan {scan_rate:.0}/s, ratio {:.2}", scan_rate / bare_rate);
        println!("  processor time: bare {bare_us:.1} us, scan {scan_us:.1} us, ratio {:.2}", bare_us / scan_us);
        let (p50, p99) = at_rate(scan.address, requests, scan_rate / 2.0);
        println!("  at half load: p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
}

/// A server under test, and where the system says how long its thread has run.
#[derive(Clone)]
struct Running {
    address: SocketAddr,
    task: PathBuf,
}

impl Running {
    /// Nanoseconds on a processor so far.
    fn ran_ns(&self) -> f64 {
        let stat = std::fs::read_to_string(self.task.join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(f64::NAN)
    }
}

fn on_its_own_thread(server: impl FnOnce() -> Server + Send + 'static) -> Running {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            let (address, serving) = server();
            let task = Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap_or_default());
            tell.send(Running { address, task }).expect("main waits for the address");
            serving.await;
        });
    });
    told.recv().expect("the server binds")
}

type Server = (SocketAddr, std::pin::Pin<Box<dyn Future<Output = ()>>>);

/// What hyper can do: the same builder, the body read, a ready reply with one header.
fn bare_server(size: usize) -> Server {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a socket can be made non-blocking");
    let address = listener.local_addr().expect("a bound socket has an address");
    let body_size = size.saturating_sub(HEAD_ABOUT);
    let serving = async move {
        let listener = TcpListener::from_std(listener).expect("tokio takes the socket");
        let body = Bytes::from(vec![b'x'; body_size]);
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let body = body.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let body = body.clone();
                    async move {
                        let _ = http_body_util::BodyExt::collect(request.into_body()).await;
                        let mut reply = Response::new(Full::new(body));
                        let json = hyper::header::HeaderValue::from_static("application/json");
                        reply.headers_mut().insert("content-type", json);
                        Ok::<_, Infallible>(reply)
                    }
                });
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    };
    (address, Box::pin(serving))
}

fn scan_server() -> Server {
    let web = config::Web {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        proxies: Vec::new(),
        hosts: Vec::new(),
        operations_listen: Vec::new(),
        operations_allow: Vec::new(),
        try_out_kiosk: true,
        connections_max: 1000,
        shares: config::WebShares { connections_max: 1000, requests_per_second_max: 1_000_000, ..Default::default() },
        request_timeout: Duration::from_secs(10),
        image_bytes_max: 8_000_000,
        answer_shown: Duration::from_secs(45),
        clear_warning: Duration::from_secs(20),
        maintenance: false,
        cantonese_characters: Characters::Simplified,
    };
    let limit = NonZeroU32::new;
    let window = Duration::from_secs(600);
    let limits = InquiryLimits {
        phone: PhoneLimits { failures: None, failure_window: window, look_ups: None, look_up_window: window },
        scan: ScanLimits { per_kiosk: limit(10), per_address: limit(100), window },
        public: PublicLimits { failures: None, failure_window: window, look_ups: None, look_up_window: window },
        shared: SharedLimits {
            failures_total: limit(1000),
            failure_window: window,
            look_ups_total: limit(u32::MAX),
            look_up_window: window,
            ..SharedLimits::NONE
        },
    };
    let limiter = Arc::new(Mutex::new(InquiryLimiter::new(limits)));
    let service = Arc::new(HttpService::new(Office::new(), Registry::new(Arc::default()), &web, limiter));
    let listeners = Listeners::bind(&web.listen, Serves::Public).expect("a port is free");
    let address = listeners.addresses()[0];
    let serving = async move {
        let (_stop, stopped) = watch::channel(false);
        serve(listeners, service, &web, stopped, Duration::ZERO).await;
    };
    (address, Box::pin(serving))
}

/// A node of many cases.
struct Office {
    cases: Vec<Arc<Case>>,
    names: Arc<StageNames>,
    zone: TimeZone,
    as_of: Timestamp,
}

impl Office {
    fn new() -> Office {
        Office {
            cases: (0..CASES).map(|n| Arc::new(case(n))).collect(),
            names: Arc::new(StageNames::by(|stage| Wording::by(|lang| format!("{stage:?} {}", lang.code())))),
            zone: TimeZone::get("Asia/Shanghai").expect("the zone is built in"),
            as_of: Timestamp::now(),
        }
    }
}

impl Backend for Office {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn read(&self, text: &str) -> Scanned {
        match text.len() {
            15 => Scanned::Receipt(Receipt { number: Private::new(text.to_owned()), format: 0 }),
            _ => Scanned::Unreadable(ScanFault::Other),
        }
    }

    fn inquiry(&self, _code: &str, _tail: &str) -> Result<Inquiry, web::RequestError> {
        Ok(Inquiry::default())
    }

    fn cached(&self, query: &Query) -> Option<Answer> {
        let n: usize = query.receipt.number.expose().get(7..)?.parse().ok()?;
        let found = |case: &Arc<Case>| Answer::Found { case: Arc::clone(case), as_of: self.as_of };
        Some(self.cases.get(n).map_or(Answer::NotFound, found))
    }

    fn look_up<'a>(&'a self, _query: &'a Query) -> Pending<'a, Answer> {
        Box::pin(async { Answer::Unavailable })
    }

    fn reading(&self, answer: Answer) -> ReplicaAnswer {
        ReplicaAnswer { answer, as_of: Some(self.as_of), now: Timestamp::now() }
    }

    fn age_limits(&self) -> AgeLimits {
        AgeLimits { tell_after: Some(Duration::from_secs(1800)), refuse_after: Some(Duration::from_secs(86_400)) }
    }

    fn key(&self, case: &Case, _now: Timestamp) -> u64 {
        case.stage as u64 * 1000 + case.version % 1000
    }

    fn show(&self, outcome: &Outcome, _now: Timestamp) -> ScanAnswer {
        show(outcome, &self.names, &self.zone)
    }

    fn show_other(&self, kind: CodeKind) -> ScanAnswer {
        ScanAnswer::other(kind, Arc::clone(&self.names))
    }

    fn speak(&self, _outcome: &Outcome, _lang: Lang, _now: Timestamp) -> Option<Vec<u8>> {
        None
    }

    fn record(&self, _record: ScanRecord) {}

    fn rate(&self, _at: Timestamp, _kiosk: &Kiosk, _score: Score) {}

    fn health(&self) -> Health {
        Health::default()
    }

    fn kiosk(&self) -> KioskSettings {
        KioskSettings {
            answer_shown: Duration::from_secs(45),
            clear_warning: Duration::from_secs(20),
            maintenance: false,
            image_bytes_max: 8_000_000,
            receipt_lengths: vec![15],
            desk_number: String::new(),
            cantonese_characters: Characters::Simplified,
        }
    }

    fn public(&self) -> PublicSettings {
        PublicSettings {
            factors: Vec::new(),
            desk_number: String::new(),
            maintenance: false,
            cantonese_characters: Characters::Simplified,
        }
    }

    fn picture(&self) -> String {
        String::new()
    }
}

fn case(n: u32) -> Case {
    Case {
        stage: if n.is_multiple_of(2) { Stage::Review } else { Stage::Ready },
        document: "hkmo_endorsement".into(),
        case_type: "new".into(),
        hall: "north".into(),
        accepted_on: date(2026, 11, 16),
        stage_on: date(2026, 11, 20),
        pauses: Vec::new(),
        items: Vec::new(),
        waybill_tail: None,
        minor: false,
        version: u64::from(n),
    }
}

fn show(outcome: &Outcome, names: &Arc<StageNames>, zone: &TimeZone) -> ScanAnswer {
    let words = || Wording::by(|lang| format!("{} {}", "a sentence as long as they are ".repeat(3), lang.code()));
    match &outcome.answer {
        Answer::Found { case, as_of } => ScanAnswer::found(
            FoundCase {
                case,
                expected_by: Some(date(2026, 12, 1)),
                hall: Some(Hall { code: "north".into(), name: words(), address: None, hours: None }),
                as_of: as_of.to_zoned_datetime(zone.clone()),
                stale: false,
                wording: words(),
            },
            Arc::clone(names),
        ),
        Answer::NotFound => ScanAnswer::not_found(words(), Arc::clone(names)),
        Answer::Unavailable => ScanAnswer::unavailable(words(), Arc::clone(names)),
    }
}

fn request(n: u32) -> Vec<u8> {
    let body = format!(r#"{{"code":"4401261{n:08}","kiosk":"hall-1"}}"#);
    let head = "POST /api/scan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.write_all(request).expect("the server reads");
    let mut buffer = vec![0; 16 * 1024];
    let n = reply(&mut stream, &mut buffer);
    buffer.truncate(n);
    buffer
}

/// Reads one whole reply.
fn reply(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut read = 0;
    let mut whole = None;
    while whole.is_none_or(|whole| read < whole) {
        let n = stream.read(&mut buffer[read..]).expect("the server answers");
        assert!(n > 0, "the server hung up");
        read += n;
        if whole.is_none()
            && let Some(end) = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&buffer[..end]).expect("a head is text");
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            whole = Some(end + 4 + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0));
        }
    }
    read
}

/// Requests per second with one request under way on each connection, and the server's microseconds for each.
fn rate(server: &Running, requests: &[Vec<u8>]) -> (f64, f64) {
    let mut streams: Vec<TcpStream> =
        (0..CONNECTIONS).map(|_| TcpStream::connect(server.address).expect("the server accepts")).collect();
    let mut buffer = vec![0; 16 * 1024];
    let (began, ran, mut n) = (Instant::now(), server.ran_ns(), 0);
    while began.elapsed() < ROUND {
        for stream in &mut streams {
            stream.write_all(&requests[pick(n, requests.len())]).expect("the server reads");
            n += 1;
        }
        for stream in &mut streams {
            reply(stream, &mut buffer);
        }
    }
    (n as f64 / began.elapsed().as_secs_f64(), (server.ran_ns() - ran) / 1000.0 / n as f64)
}

/// The 50th and 99th percentile in milliseconds at a fixed rate, from the moment a request was due.
fn at_rate(address: SocketAddr, requests: &[Vec<u8>], rate: f64) -> (f64, f64) {
    const CLIENTS: usize = 8;
    let mut times: Vec<f64> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || paced(address, requests, client, rate / CLIENTS as f64)))
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client ends well")).collect()
    });
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn paced(address: SocketAddr, requests: &[Vec<u8>], client: usize, rate: f64) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; 16 * 1024];
    let mut times = Vec::new();
    let began = Instant::now();
    for n in 0.. {
        let due = began + Duration::from_secs_f64((n as f64 + client as f64 / 8.0) / rate);
        if due.duration_since(began) > 2 * ROUND {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&requests[pick(n * 8 + client, requests.len())]).expect("the server reads");
        reply(&mut stream, &mut buffer);
        times.push(due.elapsed().as_secs_f64() * 1000.0);
    }
    times
}

/// Spreads the requests over the receipts: a step that shares no factor with their number.
fn pick(n: usize, of: usize) -> usize {
    n.wrapping_mul(7919) % of
}

/// A reply's head with the bare server's headers.
const HEAD_ABOUT: usize = 110;
