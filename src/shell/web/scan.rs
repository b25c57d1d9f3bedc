//! Scans: a text or a photograph becomes a look-up, and its outcome a reply.
//!
//! ```text
//!  code, speech ──────────────────► read ─┬─ receipt ─► LookUp::begin ─► replica ─► finish ─► reply, maybe kept
//!  image ─► upload ─► barcode ──────►     └─ other ──► its own words             │
//!     └ each rejected with 429 while its kiosk is over the limit                 └─► metrics, log, journal
//! ```

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::HeaderMap;

use super::answers::{Answers, Ended, Trace};
use super::backend::Backend;
use super::bounds::UPLOADS_MAX;
use super::photographs::{PhotographReader, Photographs};
use super::reply::{self, Reply};
use super::shares::Shares;
use base::{Lang, Private};
use inquiry::{
    Answer, InquiryLimiter, Limiter, LookUp, Outcome, Proof, Query, Receipt, Rejected, ScanClient, ScanPath,
    ScanResult, Scanned,
};
use metrics::{Door, Registry};
use web::{Client, CodeKind, Kiosk, RequestError, ScanRequest, SpeechRequest};

/// Answers the scans of kiosks. One for the whole service.
pub(crate) struct ScanService {
    backend: Arc<dyn Backend>,
    registry: Arc<Registry>,
    limiter: Arc<Mutex<InquiryLimiter>>,
    answers: Arc<Answers>,
    photographs: Photographs,
}

/// Where a scan comes from.
pub(crate) struct Origin<'a> {
    /// When its request came.
    pub began: Instant,
    /// Its address.
    pub from: IpAddr,
    /// The kiosk.
    pub client: &'a Client,
}

/// One scan in progress.
struct Scan {
    began: Instant,
    limited_as: ScanClient,
    kiosk: Kiosk,
    path: ScanPath,
}

impl ScanService {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        registry: Arc<Registry>,
        web: &config::Web,
        limiter: Arc<Mutex<InquiryLimiter>>,
        answers: Arc<Answers>,
        shares: Shares,
    ) -> ScanService {
        let photographs = Photographs::new(Arc::clone(&backend), web, UPLOADS_MAX, shares);
        ScanService { backend, registry, limiter, answers, photographs }
    }

    /// The same with another reader of photographs.
    pub(crate) fn read_photographs_by(self, reader: PhotographReader) -> ScanService {
        ScanService { photographs: self.photographs.read_by(reader), ..self }
    }

    /// `POST /api/scan`.
    pub(crate) async fn code(&self, origin: &Origin<'_>, request: &ScanRequest) -> Result<Reply, RequestError> {
        self.shown(&origin.scan(&request.kiosk, ScanPath::Code), &request.code).await
    }

    /// `POST /api/scan/speech`.
    pub(crate) async fn speech(&self, origin: &Origin<'_>, request: &SpeechRequest) -> Result<Reply, RequestError> {
        let SpeechRequest { scan: ScanRequest { code, kiosk, .. }, lang } = request;
        self.spoken(&origin.scan(kiosk, ScanPath::Speech), code, *lang).await
    }

    async fn spoken(&self, scan: &Scan, code: &Private<String>, lang: Lang) -> Result<Reply, RequestError> {
        let (sound, ended) = match self.backend.read(code.expose()) {
            Scanned::Receipt(receipt) => {
                let (outcome, ended) = self.look_up(scan, code, receipt).await?;
                (self.backend.speak(&outcome, lang, self.backend.now()), ended)
            }
            other => (None, self.other(scan, &other)?),
        };
        self.finish(scan, ended);
        Ok(reply::answer(StatusCode::OK, "audio/wav", sound.ok_or(RequestError::NoSpeech)?))
    }

    /// `POST /api/scan/image`.
    pub(crate) async fn image(
        &self,
        origin: &Origin<'_>,
        head: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Reply, RequestError> {
        let stated = Kiosk::named(head.get(KIOSK).and_then(|name| name.to_str().ok()).unwrap_or(""));
        let scan = origin.scan(&stated, ScanPath::Image);
        self.check(&scan)?;
        match self.photographs.read(origin.from, head, body).await? {
            Ok(code) => self.shown(&scan, &code).await,
            Err(problem) => {
                self.finish(&scan, Ended { trace: None, result: ScanResult::NoBarcode, stage: None });
                Err(problem)
            }
        }
    }

    /// `POST /api/scan/image/speech`: the kiosk knows its photograph, and not the number that it shows.
    pub(crate) async fn image_speech(
        &self,
        origin: &Origin<'_>,
        lang: Lang,
        head: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Reply, RequestError> {
        let stated = Kiosk::named(head.get(KIOSK).and_then(|name| name.to_str().ok()).unwrap_or(""));
        let scan = origin.scan(&stated, ScanPath::Speech);
        self.check(&scan)?;
        match self.photographs.read(origin.from, head, body).await? {
            Ok(code) => self.spoken(&scan, &code, lang).await,
            Err(problem) => {
                self.finish(&scan, Ended { trace: None, result: ScanResult::NoBarcode, stage: None });
                Err(problem)
            }
        }
    }

    async fn shown(&self, scan: &Scan, code: &Private<String>) -> Result<Reply, RequestError> {
        let (body, ended) = match self.backend.read(code.expose()) {
            Scanned::Receipt(receipt) => {
                let (outcome, ended) = self.look_up(scan, code, receipt).await?;
                (self.answers.body(&outcome), ended)
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
        let client = scan.limited_as.with_code(code.expose());
        let query = Some(Query { receipt, proof: Proof::Paper });
        let begun = self.limited(|InquiryLimiter { scan: scans, shared, .. }| {
            LookUp::begin(scans, shared, scan.began, client, query)
        });
        let look_up = begun.map_err(|rejected| self.rejected(scan, rejected))?;
        let answer = match look_up.query() {
            Some(query) => self.answers.answer(query).await,
            None => Answer::NotFound,
        };
        let (reading, limits) = (self.backend.reading(answer), self.backend.age_limits());
        let now = Instant::now();
        let outcome = self
            .limited(|InquiryLimiter { scan: scans, shared, .. }| look_up.finish(scans, shared, now, reading, limits));
        self.registry.metrics().look_ups.inc(Door::Scan, outcome.result);
        let ended = Ended { trace, result: ScanResult::LookUp(outcome.result), stage: outcome.stage() };
        Ok((outcome, ended))
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
        let checked = self
            .limited(|InquiryLimiter { scan: scans, shared, .. }| scans.check(shared, scan.began, &scan.limited_as));
        checked.map_err(|rejected| self.rejected(scan, rejected))
    }

    fn limited<T>(&self, with: impl FnOnce(&mut InquiryLimiter) -> T) -> T {
        with(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn rejected(&self, scan: &Scan, Rejected { retry_after }: Rejected) -> RequestError {
        self.answers.record_rejection(&scan.kiosk, scan.path);
        RequestError::Limited { retry_after }
    }

    fn finish(&self, scan: &Scan, ended: Ended) {
        self.answers.record(scan.began, &scan.kiosk, scan.path, ended);
    }
}

impl Origin<'_> {
    /// A scan under the kiosk's name; `stated` is what the request calls it.
    fn scan(&self, stated: &Kiosk, path: ScanPath) -> Scan {
        let kiosk = self.client.kiosk(stated);
        let limited_as = match self.client {
            Client::Kiosk(name) => ScanClient::enrolled(name.as_str()),
            Client::TryOut | Client::Public => ScanClient::new(self.from, kiosk.as_str()),
        };
        Scan { began: self.began, limited_as, kiosk, path }
    }
}

/// The header that names the kiosk where the body is a picture.
const KIOSK: &str = "x-kiosk";
