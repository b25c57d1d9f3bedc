//! Scans: a text or a photograph becomes a look-up, and its outcome a reply.
//!
//! ```text
//!  code, speech ──────────────────► read ─┬─ receipt ─► LookUp::begin ─► replica ─► finish ─► reply, maybe kept
//!  image ─► upload ─► barcode ──────►     └─ other ──► its own words             │
//!     └ each rejected with 429 while its kiosk is over the limit                 └─► metrics, log, journal
//! ```

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use jiff::Timestamp;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::backend::Backend;
use super::body;
use super::bounds::{BUSY_RETRY, PHOTOGRAPH_WAIT, PHOTOGRAPHS_MAX, REPLIES_MAX, UPLOADS_MAX};
use super::reply::{self, Reply};
use base::{Private, tag};
use inquiry::{
    Answer, Freshness, Limiter, LookUp, LookUpResult, Outcome, Proof, Query, Receipt, Rejected, ScanClient,
    ScanLimiter, ScanLimits, ScanPath, ScanRecord, ScanResult, Scanned, Stage,
};
use metrics::{Door, Registry};
use web::{CodeKind, Kiosk, Photograph, PhotographLimits, RequestError, ScanRequest, SpeechRequest};

/// Answers scans. One for the whole service.
pub(crate) struct ScanService {
    backend: Arc<dyn Backend>,
    registry: Arc<Registry>,
    limiter: Mutex<ScanLimiter>,
    replies: Cache<ReplyKey, Bytes>,
    uploads: Semaphore,
    photographs: Semaphore,
    image_bytes_max: usize,
    request_timeout: Duration,
}

/// What a reply depends on: what is said of the case, how old it is, the minute of the replica and the minute of the
/// clock. Cases of which the same is said share one reply, so that a few thousand replies serve every receipt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ReplyKey {
    case: u64,
    freshness: Freshness,
    as_of_minute: i64,
    minute: i64,
}

/// One scan in progress.
struct Scan {
    began: Instant,
    from: IpAddr,
    kiosk: Kiosk,
    path: ScanPath,
}

/// A receipt as a log may name it: a keyed tag and its last four characters.
struct Trace {
    tag: String,
    tail: String,
}

/// What a scan gave, for metrics, log and journal.
struct Ended {
    trace: Option<Trace>,
    result: ScanResult,
    stage: Option<Stage>,
}

impl ScanService {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        registry: Arc<Registry>,
        web: &config::Web,
        limits: ScanLimits,
    ) -> ScanService {
        ScanService {
            backend,
            registry,
            limiter: Mutex::new(ScanLimiter::new(limits)),
            replies: Cache::new(REPLIES_MAX),
            uploads: Semaphore::new(UPLOADS_MAX),
            photographs: Semaphore::new(PHOTOGRAPHS_MAX),
            image_bytes_max: web.image_bytes_max,
            request_timeout: web.request_timeout,
        }
    }

    /// `POST /api/scan`.
    pub(crate) async fn code(&self, began: Instant, from: IpAddr, body: &[u8]) -> Result<Reply, RequestError> {
        let ScanRequest { code, kiosk } = ScanRequest::read(body)?;
        self.shown(&Scan { began, from, kiosk, path: ScanPath::Code }, &code).await
    }

    /// `POST /api/scan/speech`.
    pub(crate) async fn speech(&self, began: Instant, from: IpAddr, body: &[u8]) -> Result<Reply, RequestError> {
        let SpeechRequest { scan: ScanRequest { code, kiosk }, lang } = SpeechRequest::read(body)?;
        let scan = Scan { began, from, kiosk, path: ScanPath::Speech };
        let (sound, ended) = match self.backend.read(code.expose()) {
            Scanned::Receipt(receipt) => {
                let (outcome, ended) = self.look_up(&scan, &code, receipt).await?;
                (self.backend.speak(&outcome, lang, self.backend.now()), ended)
            }
            other => (None, self.other(&scan, &other)?),
        };
        self.finish(&scan, ended);
        Ok(reply::answer(StatusCode::OK, "audio/wav", sound.ok_or(RequestError::NoSpeech)?))
    }

    /// `POST /api/scan/image`.
    pub(crate) async fn image(
        &self,
        began: Instant,
        from: IpAddr,
        head: &HeaderMap,
        body: Incoming,
    ) -> Result<Reply, RequestError> {
        let kiosk = Kiosk::named(head.get(KIOSK).and_then(|name| name.to_str().ok()).unwrap_or(""));
        let scan = Scan { began, from, kiosk, path: ScanPath::Image };
        self.check(&scan)?;
        let busy = || RequestError::Busy { retry_after: BUSY_RETRY };
        let _upload = self.uploads.try_acquire().map_err(|_| busy())?;
        let bytes = body::whole(head, body, self.image_bytes_max, self.request_timeout).await?;
        let turn = timeout(PHOTOGRAPH_WAIT, self.photographs.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        match self.barcode(bytes).await {
            Ok(code) => self.shown(&scan, &code).await,
            Err(problem) => {
                self.finish(&scan, Ended { trace: None, result: ScanResult::NoBarcode, stage: None });
                Err(problem)
            }
        }
    }

    /// Looks for barcodes away from the threads that serve sockets, and takes the one that is a receipt.
    async fn barcode(&self, bytes: Bytes) -> Result<Private<String>, RequestError> {
        let began = Instant::now();
        let limits = PhotographLimits::default();
        let backend = Arc::clone(&self.backend);
        let search = tokio::task::spawn_blocking(move || {
            let photograph = Photograph::read(&bytes, limits)?;
            let is_receipt = |text: &str| matches!(backend.read(text), Scanned::Receipt(_));
            photograph.barcode(limits, || began.elapsed(), is_receipt)
        });
        // A panic in a decoder is a picture that cannot be read.
        Ok(search.await.map_err(|_| RequestError::PictureDamaged)??)
    }

    async fn shown(&self, scan: &Scan, code: &Private<String>) -> Result<Reply, RequestError> {
        let (body, ended) = match self.backend.read(code.expose()) {
            Scanned::Receipt(receipt) => {
                let (outcome, ended) = self.look_up(scan, code, receipt).await?;
                (self.body(&outcome), ended)
            }
            other => {
                let ended = self.other(scan, &other)?;
                (Bytes::from(self.backend.show_other(CodeKind::of(&other)).to_json()), ended)
            }
        };
        self.finish(scan, ended);
        Ok(reply::json(body))
    }

    /// The look-up of both doors ([`LookUp`]), by the limits of scans.
    async fn look_up(
        &self,
        scan: &Scan,
        code: &Private<String>,
        receipt: Receipt,
    ) -> Result<(Outcome, Ended), RequestError> {
        let trace = Some(Trace::of(&receipt));
        let client = scan.client().with_code(code.expose());
        let query = Some(Query { receipt, proof: Proof::Paper });
        let begun = self.limited(|limiter| LookUp::begin(limiter, scan.began, client, query));
        let look_up = begun.map_err(|rejected| self.rejected(scan, rejected))?;
        let answer = match look_up.query() {
            Some(query) => self.answer(query).await,
            None => Answer::NotFound,
        };
        let (reading, limits) = (self.backend.reading(answer), self.backend.age_limits());
        let now = Instant::now();
        let outcome = self.limited(|limiter| look_up.finish(limiter, now, reading, limits));
        self.registry.metrics().look_ups.inc(Door::Scan, outcome.result);
        let ended = Ended { trace, result: ScanResult::LookUp(outcome.result), stage: outcome.stage() };
        Ok((outcome, ended))
    }

    async fn answer(&self, query: &Query) -> Answer {
        if let Some(answer) = self.backend.cached(query) {
            return answer;
        }
        let began = Instant::now();
        let answer = self.backend.look_up(query).await;
        self.registry.metrics().look_up_time.observe(began.elapsed());
        answer
    }

    /// The reply's body, composed or kept.
    fn body(&self, outcome: &Outcome) -> Bytes {
        let now = self.backend.now();
        let compose = || Bytes::from(self.backend.show(outcome, now).to_json());
        let Answer::Found { case, as_of } = &outcome.answer else { return compose() };
        let minute = |at: &Timestamp| at.as_second().div_euclid(60);
        let key = ReplyKey {
            case: self.backend.key(case, now),
            freshness: outcome.freshness,
            as_of_minute: minute(as_of),
            minute: minute(&now),
        };
        self.replies.get(&key).unwrap_or_else(|| {
            let body = compose();
            self.replies.insert(key, body.clone());
            body
        })
    }

    /// A code that is no receipt counts as no failure, but a kiosk over its limit is rejected all the same.
    fn other(&self, scan: &Scan, scanned: &Scanned) -> Result<Ended, RequestError> {
        self.check(scan)?;
        let result = match scanned {
            Scanned::Waybill => ScanResult::Waybill,
            Scanned::IdCard => ScanResult::IdCard,
            Scanned::Unreadable(_) | Scanned::Receipt(_) => ScanResult::Unreadable,
        };
        Ok(Ended { trace: None, result, stage: None })
    }

    fn check(&self, scan: &Scan) -> Result<(), RequestError> {
        let client = scan.client();
        let checked = self.limited(|limiter| limiter.check(scan.began, &client));
        checked.map_err(|rejected| self.rejected(scan, rejected))
    }

    fn limited<T>(&self, with: impl FnOnce(&mut ScanLimiter) -> T) -> T {
        with(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn rejected(&self, scan: &Scan, Rejected { retry_after }: Rejected) -> RequestError {
        let result = ScanResult::LookUp(LookUpResult::Rejected);
        self.registry.metrics().scans.inc(scan.path, result);
        tracing::info!(kiosk = %scan.kiosk, path = scan.path.name(), result = result.name(), "scan");
        RequestError::Limited { retry_after }
    }

    /// Notes the scan in metrics, log and journal.
    fn finish(&self, scan: &Scan, Ended { trace, result, stage }: Ended) {
        let (kiosk, path, duration) = (&scan.kiosk, scan.path, scan.began.elapsed());
        self.registry.metrics().scans.inc(path, result);
        let (tag, tail) = trace.as_ref().map_or(("-", "-"), |trace| (&*trace.tag, &*trace.tail));
        let took_us = duration.as_micros() as u64;
        tracing::info!(%kiosk, path = path.name(), receipt = tag, tail, result = result.name(), took_us, "scan");
        let (at, kiosk) = (self.backend.now(), kiosk.as_str().to_owned());
        self.backend.record(ScanRecord { at, kiosk, path, result, stage, receipt: None, duration });
    }
}

impl Scan {
    fn client(&self) -> ScanClient {
        ScanClient::new(self.from, self.kiosk.as_str())
    }
}

impl Trace {
    fn of(receipt: &Receipt) -> Trace {
        let number = receipt.number.expose();
        let tail = number.char_indices().rev().nth(3).map_or("", |(at, _)| &number[at..]);
        Trace { tag: tag(number), tail: tail.to_owned() }
    }
}

/// The header that names the kiosk where the body is a picture.
const KIOSK: &str = "x-kiosk";
