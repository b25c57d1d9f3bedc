//! One request → one reply.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::backend::{Backend, Outcome, RateRecord, ScanRecord, Trace};
use super::body;
use super::bounds::{BUSY_RETRY, PHOTOGRAPH_WAIT, PHOTOGRAPHS_MAX, RATINGS_PER_MINUTE, REPLIES_MAX, UPLOADS_MAX};
use super::reply::{self, Reply};
use super::studio::StudioDoor;
use base::{Lang, Private};
use config::Network;
use inquiry::{Answer, Receipt, Stage};
use metrics::{Door, HttpClass, LookUpResult, ScanPath, ScanResult, Score};
use web::{
    self, CodeKind, FailureLimits, Failures, JSON_BYTES_MAX, Kiosk, Photograph, PhotographLimits, RateRequest,
    RequestError, Route, ScanAnswer, ScanRequest, Scanned, SpeechRequest,
};

/// Which pages a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Scans, the kiosk and what watches the node.
    Public,
    /// The prompt operators' pages.
    Studio,
    /// Both.
    All,
}

/// Answers requests. One for the whole server.
pub struct Doors {
    backend: Backend,
    proxies: Vec<Network>,
    studio: Option<StudioDoor>,
    request_timeout: Duration,
    image_bytes_max: usize,
    failures: Mutex<Failures>,
    ratings: Mutex<Failures>,
    replies: Cache<Said, Arc<Composed>>,
    uploads: Semaphore,
    photographs: Semaphore,
}

/// What a reply depends on: what is said of the case, the minute of the copy, and the minute of the clock. Cases of
/// which the same is said share one reply, so that a few thousand replies serve every receipt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Said {
    key: u64,
    as_of_minute: i64,
    minute: i64,
}

/// A reply, ready to be sent.
struct Composed {
    body: Bytes,
    result: ScanResult,
}

/// What came of one scan, for the reply, the log, the journal and the numbers.
struct Answered<T> {
    body: T,
    trace: Option<Trace>,
    result: ScanResult,
    stage: Option<Stage>,
}

impl Doors {
    pub fn new(backend: Backend, web: &config::Web, limits: FailureLimits) -> Doors {
        let ratings = FailureLimits {
            per_kiosk: RATINGS_PER_MINUTE,
            per_address: RATINGS_PER_MINUTE,
            total: RATINGS_PER_MINUTE * 1000,
            window: Duration::from_secs(60),
        };
        Doors {
            backend,
            proxies: web.proxies.clone(),
            studio: None,
            request_timeout: web.request_timeout,
            image_bytes_max: web.image_bytes_max,
            failures: Mutex::new(Failures::new(limits)),
            ratings: Mutex::new(Failures::new(ratings)),
            replies: Cache::new(REPLIES_MAX),
            uploads: Semaphore::new(UPLOADS_MAX),
            photographs: Semaphore::new(PHOTOGRAPHS_MAX),
        }
    }

    /// The same with the prompt operators' pages.
    pub fn with_studio(self, studio: StudioDoor) -> Doors {
        Doors { studio: Some(studio), ..self }
    }

    /// The rest of the program.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Answers one request that came in by a socket that serves these pages.
    pub async fn answer(&self, serves: Serves, from: IpAddr, request: Request<Incoming>) -> Reply {
        let began = Instant::now();
        let from = self.client(from, request.headers());
        let path = request.uri().path();
        let asks_studio = path == "/studio" || path.starts_with("/studio/");
        let reply = match (&self.studio, serves, asks_studio) {
            (Some(studio), Serves::Studio | Serves::All, true) => studio.answer(from, request).await,
            (_, Serves::Public | Serves::All, false) => self.public(began, from, request).await,
            (None, _, true) | (_, Serves::Public, true) | (_, Serves::Studio, false) => {
                reply::problem(&RequestError::NotFound)
            }
        };
        let metrics = &self.backend.metrics;
        metrics.http_requests.inc(class(reply.status()));
        metrics.http_time.observe(began.elapsed());
        reply
    }

    fn client(&self, from: IpAddr, head: &HeaderMap) -> IpAddr {
        // Values that are no text are nothing that a proxy writes.
        let forwarded = head.get_all(FORWARDED).into_iter().map(|value| value.to_str().unwrap_or("?"));
        let is_proxy = |address| self.proxies.iter().any(|proxy| proxy.contains(address));
        web::client_address(from, forwarded, is_proxy)
    }

    async fn public(&self, began: Instant, from: IpAddr, request: Request<Incoming>) -> Reply {
        match self.dispatch(began, from, request).await {
            Ok(reply) => reply,
            Err(problem) => {
                tracing::debug!(problem = problem.code(), status = problem.status(), "request refused");
                reply::problem(&problem)
            }
        }
    }

    async fn dispatch(&self, began: Instant, from: IpAddr, request: Request<Incoming>) -> Result<Reply, RequestError> {
        let (head, body) = request.into_parts();
        let route = web::route(head.method.as_str(), head.uri.path())?;
        if let Some(asset) = web::asset(route) {
            return Ok(reply::asset(asset, &head.headers));
        }
        let kind = web::body_of(route);
        kind.check_type(head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
        match route {
            Route::Scan => self.scan(began, from, &self.json_body(&head.headers, body).await?).await,
            Route::ScanSpeech => self.speech(began, from, &self.json_body(&head.headers, body).await?).await,
            Route::ScanImage => self.image(began, from, &head.headers, body).await,
            Route::Rate => self.rate(began, from, &self.json_body(&head.headers, body).await?),
            Route::Settings => Ok(reply::json((self.backend.kiosk)().to_json())),
            Route::Health => Ok(self.health()),
            Route::Metrics => Ok(self.metrics()),
            Route::FlowDiagram => self.picture().await,
            Route::Page | Route::Script | Route::Scanner | Route::Words | Route::Style => Err(RequestError::NotFound),
        }
    }

    async fn scan(&self, began: Instant, from: IpAddr, body: &[u8]) -> Result<Reply, RequestError> {
        let ScanRequest { code, kiosk } = ScanRequest::read(body)?;
        self.scanned(began, from, code, kiosk, ScanPath::Code).await
    }

    async fn scanned(
        &self,
        began: Instant,
        from: IpAddr,
        code: Private<String>,
        kiosk: Kiosk,
        path: ScanPath,
    ) -> Result<Reply, RequestError> {
        self.admit(began, from, &kiosk, path)?;
        let answered = match (self.backend.read)(code.expose()) {
            Scanned::Receipt(receipt) => self.reply_for(receipt).await,
            Scanned::Other(kind) => self.other(kind),
        };
        self.finish(began, from, &code, kiosk, path, &answered);
        Ok(reply::json(answered.body))
    }

    async fn reply_for(&self, receipt: Receipt) -> Answered<Bytes> {
        let answer = self.look_up(&receipt).await;
        let trace = Some(Trace::of(&receipt));
        let now = (self.backend.now)();
        let Answer::Found { case, as_of } = &answer else {
            let Composed { body, result } = self.compose(answer, now);
            return Answered { body, trace, result, stage: None };
        };
        let stage = Some(case.stage);
        let minute = |at: &Timestamp| at.as_second().div_euclid(60);
        let said = Said { key: (self.backend.key)(case, now), as_of_minute: minute(as_of), minute: minute(&now) };
        let composed = self.replies.get(&said).unwrap_or_else(|| {
            let composed = Arc::new(self.compose(answer, now));
            self.replies.insert(said, Arc::clone(&composed));
            composed
        });
        Answered { body: composed.body.clone(), trace, result: composed.result, stage }
    }

    fn compose(&self, answer: Answer, now: Timestamp) -> Composed {
        let shown = (self.backend.show)(&Outcome::Answer(answer), now);
        Composed { body: Bytes::from(shown.to_json()), result: result_of(&shown) }
    }

    async fn look_up(&self, receipt: &Receipt) -> Answer {
        let metrics = &self.backend.metrics;
        let answer = match (self.backend.look_up_now)(receipt) {
            Some(answer) => answer,
            None => {
                let began = Instant::now();
                let answer = (self.backend.look_up)(receipt.clone()).await;
                metrics.look_up_time.observe(began.elapsed());
                answer
            }
        };
        let result = match &answer {
            Answer::Found { .. } => LookUpResult::Found,
            Answer::NotFound => LookUpResult::NotFound,
            Answer::Unavailable => LookUpResult::Unavailable,
        };
        metrics.look_ups.inc(Door::Scan, result);
        answer
    }

    fn other(&self, kind: CodeKind) -> Answered<Bytes> {
        let shown = (self.backend.show)(&Outcome::Other(kind), (self.backend.now)());
        Answered { body: Bytes::from(shown.to_json()), trace: None, result: result_of(&shown), stage: None }
    }

    async fn speech(&self, began: Instant, from: IpAddr, body: &[u8]) -> Result<Reply, RequestError> {
        let SpeechRequest { scan: ScanRequest { code, kiosk }, lang } = SpeechRequest::read(body)?;
        self.admit(began, from, &kiosk, ScanPath::Speech)?;
        let (outcome, trace) = match (self.backend.read)(code.expose()) {
            Scanned::Receipt(receipt) => {
                let trace = Trace::of(&receipt);
                (Outcome::Answer(self.look_up(&receipt).await), Some(trace))
            }
            Scanned::Other(kind) => (Outcome::Other(kind), None),
        };
        let answered = self.spoken(&outcome, trace, lang);
        self.finish(began, from, &code, kiosk, ScanPath::Speech, &answered);
        let sound = answered.body.ok_or(RequestError::NoSpeech)?;
        Ok(reply::answer(StatusCode::OK, "audio/wav", sound))
    }

    fn spoken(&self, outcome: &Outcome, trace: Option<Trace>, lang: Lang) -> Answered<Option<Vec<u8>>> {
        let now = (self.backend.now)();
        let shown = (self.backend.show)(outcome, now);
        let body = (self.backend.speak)(outcome, lang, now);
        Answered { body, trace, result: result_of(&shown), stage: shown.stage }
    }

    async fn image(
        &self,
        began: Instant,
        from: IpAddr,
        head: &HeaderMap,
        body: Incoming,
    ) -> Result<Reply, RequestError> {
        let kiosk = Kiosk::named(head.get(KIOSK).and_then(|name| name.to_str().ok()).unwrap_or(""));
        self.admit(began, from, &kiosk, ScanPath::Image)?;
        let busy = || RequestError::Busy { retry_after: BUSY_RETRY };
        let _upload = self.uploads.try_acquire().map_err(|_| busy())?;
        let bytes = body::whole(head, body, self.image_bytes_max, self.request_timeout).await?;
        let turn = timeout(PHOTOGRAPH_WAIT, self.photographs.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        match self.barcode(bytes).await {
            Ok(code) => self.scanned(began, from, code, kiosk, ScanPath::Image).await,
            Err(problem) => {
                let none = Answered { body: (), trace: None, result: ScanResult::NoBarcode, stage: None };
                self.finish(began, from, &Private::default(), kiosk, ScanPath::Image, &none);
                Err(problem)
            }
        }
    }

    /// Looks for barcodes away from the threads that serve sockets, and takes the one that is a receipt.
    async fn barcode(&self, bytes: Bytes) -> Result<Private<String>, RequestError> {
        let began = Instant::now();
        let limits = PhotographLimits::default();
        let read = Arc::clone(&self.backend.read);
        let search = tokio::task::spawn_blocking(move || {
            let photograph = Photograph::read(&bytes, limits)?;
            photograph.barcode(limits, || began.elapsed(), |text| matches!(read(text), Scanned::Receipt(_)))
        });
        // A panic in a decoder is a picture that cannot be read.
        Ok(search.await.map_err(|_| RequestError::NoPicture)??)
    }

    fn rate(&self, began: Instant, from: IpAddr, body: &[u8]) -> Result<Reply, RequestError> {
        let RateRequest { score, kiosk } = RateRequest::read(body)?;
        let score = match score {
            1 => Score::Satisfied,
            2 => Score::Fair,
            _ => Score::NotSatisfied,
        };
        let at = (self.backend.now)();
        let mut ratings = self.ratings.lock().unwrap_or_else(PoisonError::into_inner);
        if ratings.wait(began, from, &kiosk).is_none() {
            ratings.failed(began, from, &kiosk, &Private::new(at.as_nanosecond().to_string()));
            self.backend.metrics.ratings.inc(Door::Scan, score);
            (self.backend.rate)(RateRecord { at, kiosk, score });
        }
        Ok(reply::json(&br#"{"thanks":true}"#[..]))
    }

    fn health(&self) -> Reply {
        let health = (self.backend.health)();
        let status = StatusCode::from_u16(health.status()).unwrap_or(StatusCode::OK);
        reply::answer(status, reply::JSON, health.to_json())
    }

    /// Drawn from the journal, so not on a thread that others wait for.
    async fn picture(&self) -> Result<Reply, RequestError> {
        let draw = Arc::clone(&self.backend.picture);
        let svg = tokio::task::spawn_blocking(move || draw()).await.map_err(|_| RequestError::NotFound)?;
        let mut reply = reply::answer(StatusCode::OK, "image/svg+xml; charset=utf-8", svg);
        // Attributes of the drawing only: no script, no foreign content.
        reply.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=flow.svg"));
        Ok(reply)
    }

    fn metrics(&self) -> Reply {
        let text = self.backend.metrics.render((self.backend.now)().as_millisecond());
        reply::answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
    }

    /// Refuses a kiosk that has failed too often.
    fn admit(&self, now: Instant, from: IpAddr, kiosk: &Kiosk, path: ScanPath) -> Result<(), RequestError> {
        let wait = self.failures.lock().unwrap_or_else(PoisonError::into_inner).wait(now, from, kiosk);
        let Some(retry_after) = wait else { return Ok(()) };
        self.backend.metrics.scans.inc(path, ScanResult::Limited);
        tracing::info!(%kiosk, path = path.code(), result = ScanResult::Limited.code(), "scan");
        Err(RequestError::Limited { retry_after })
    }

    /// Tells everybody who keeps count.
    fn finish<T>(
        &self,
        began: Instant,
        from: IpAddr,
        code: &Private<String>,
        kiosk: Kiosk,
        path: ScanPath,
        answered: &Answered<T>,
    ) {
        let (result, took) = (answered.result, began.elapsed());
        if result == ScanResult::NotFound {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).failed(began, from, &kiosk, code);
        }
        self.backend.metrics.scans.inc(path, result);
        let (tag, tail) = answered.trace.as_ref().map_or(("-", "-"), |trace| (&*trace.tag, &*trace.tail));
        let took_us = took.as_micros() as u64;
        tracing::info!(%kiosk, path = path.code(), receipt = tag, tail, result = result.code(), took_us, "scan");
        let at = (self.backend.now)();
        (self.backend.record)(ScanRecord { at, kiosk, path, result, stage: answered.stage, took });
    }

    async fn json_body(&self, head: &HeaderMap, body: Incoming) -> Result<Bytes, RequestError> {
        body::whole(head, body, JSON_BYTES_MAX, self.request_timeout).await
    }
}

fn result_of(shown: &ScanAnswer) -> ScanResult {
    match shown.kind {
        _ if shown.found => ScanResult::Found,
        _ if shown.unavailable => ScanResult::Unavailable,
        CodeKind::Receipt => ScanResult::NotFound,
        CodeKind::Waybill => ScanResult::Waybill,
        CodeKind::IdCard => ScanResult::IdCard,
        CodeKind::Unreadable => ScanResult::Unreadable,
    }
}

fn class(status: StatusCode) -> HttpClass {
    match status.as_u16() {
        200..=299 => HttpClass::Success,
        300..=399 => HttpClass::NotModified,
        400..=499 => HttpClass::Refused,
        _ => HttpClass::Failed,
    }
}

/// Where balancers name the address that they were asked from.
const FORWARDED: &str = "x-forwarded-for";
/// The header that names the kiosk where the body is a picture.
const KIOSK: &str = "x-kiosk";
