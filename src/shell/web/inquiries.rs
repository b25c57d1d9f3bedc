//! Inquiries of strangers: number and second factor, typed or scanned.
//!
//! ```text
//!  number, factor ─► over a limit? 429 ─► a total exceeded? wait, a few at once ─► LookUp::begin ─► replica ─► finish
//! ```
//! A wrong number, a wrong factor and a case that is not known take the same path, count the same and sound the same. What
//! can be neither by its length or form is named as such: that says nothing about any case.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::answers::{Answers, Ended, Trace};
use super::backend::{Backend, Inquiry};
use super::bounds::{
    STRANGERS_PHOTOGRAPHS, STRANGERS_PHOTOGRAPHS_TOTAL, STRANGERS_PHOTOGRAPHS_WINDOW, STRANGERS_UPLOADS_MAX,
    STRANGERS_WAITING_MAX,
};
use super::photographs::{PhotographReader, Photographs};
use super::reply::{self, Reply};
use super::shares::Shares;
use super::tries::Tries;
use base::Lang;
use inquiry::{
    Answer, InquiryLimiter, Limiter, LookUp, Outcome, PublicClient, Rejected, ScanPath, ScanResult, Scanned,
};
use metrics::{Door, Registry};
use web::{CodeKind, InquiryRequest, Kiosk, RequestError, ScanAnswer};

/// Answers inquiries. One for the whole service.
pub(crate) struct InquiryService {
    backend: Arc<dyn Backend>,
    registry: Arc<Registry>,
    limiter: Arc<Mutex<InquiryLimiter>>,
    answers: Arc<Answers>,
    /// Inquiries that wait because a total is exceeded.
    waiting: Semaphore,
    photographs: Photographs,
    photographs_of: Tries,
}

impl InquiryService {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        registry: Arc<Registry>,
        web: &config::Web,
        limiter: Arc<Mutex<InquiryLimiter>>,
        answers: Arc<Answers>,
        shares: Shares,
    ) -> InquiryService {
        InquiryService {
            photographs: Photographs::new(Arc::clone(&backend), web, STRANGERS_UPLOADS_MAX, shares),
            backend,
            registry,
            limiter,
            answers,
            waiting: Semaphore::new(STRANGERS_WAITING_MAX),
            photographs_of: Tries::new(
                STRANGERS_PHOTOGRAPHS,
                STRANGERS_PHOTOGRAPHS_TOTAL,
                STRANGERS_PHOTOGRAPHS_WINDOW,
            ),
        }
    }

    /// The same with another reader of photographs.
    pub(crate) fn read_photographs_by(self, reader: PhotographReader) -> InquiryService {
        InquiryService { photographs: self.photographs.read_by(reader), ..self }
    }

    /// The answer as JSON: `POST /api/inquiry`, and `POST /api/scan` with a second factor.
    pub(crate) async fn json(&self, from: IpAddr, request: &InquiryRequest) -> Result<Reply, RequestError> {
        let outcome = self.look_up(from, request).await?;
        if matches!(outcome.answer, Answer::NotFound) {
            return Ok(reply::json(self.shown(&outcome).to_json()));
        }
        Ok(reply::json(self.answers.body(&outcome)))
    }

    /// What a stranger's screen shows of an outcome.
    pub(crate) fn shown(&self, outcome: &Outcome) -> ScanAnswer {
        self.backend.show(outcome, self.backend.now()).for_stranger(&self.backend.public().factors)
    }

    /// The answer as speech: `POST /api/scan/speech` with a second factor.
    pub(crate) async fn speech(
        &self,
        from: IpAddr,
        request: &InquiryRequest,
        lang: Lang,
    ) -> Result<Reply, RequestError> {
        let outcome = self.look_up(from, request).await?;
        let sound = self.backend.speak(&outcome, lang, self.backend.now());
        Ok(reply::answer(StatusCode::OK, "audio/wav", sound.ok_or(RequestError::NoSpeech)?))
    }

    /// One look-up, by the limits of strangers.
    pub(crate) async fn look_up(&self, from: IpAddr, request: &InquiryRequest) -> Result<Outcome, RequestError> {
        let read = self.backend.inquiry(request.code.expose(), request.tail.expose());
        let Inquiry { receipt, key, query } = match read {
            Ok(inquiry) => inquiry,
            Err(problem) => return Err(self.misread(from, problem).await),
        };
        let client = PublicClient::new(from, key);
        self.wait(&client).await?;
        let began = Instant::now();
        let begun =
            self.limited(|InquiryLimiter { public, shared, .. }| LookUp::begin(public, shared, began, client, query));
        let look_up = begun.map_err(|rejected| self.rejected(rejected))?;
        let answer = match look_up.query() {
            Some(query) => self.answers.answer(query).await,
            None => Answer::NotFound,
        };
        let (reading, limits) = (self.backend.reading(answer), self.backend.age_limits());
        let now = Instant::now();
        let outcome =
            self.limited(|InquiryLimiter { public, shared, .. }| look_up.finish(public, shared, now, reading, limits));
        self.registry.metrics().look_ups.inc(Door::Public, outcome.result);
        let ended = Ended {
            trace: receipt.as_ref().map(Trace::of),
            result: ScanResult::LookUp(outcome.result),
            stage: outcome.stage(),
        };
        self.answers.record(began, &Kiosk::default(), ScanPath::Public, ended);
        Ok(outcome)
    }

    /// What cannot be a number or a second factor counts as no failure, but a client over its limit is rejected all the
    /// same.
    async fn misread(&self, from: IpAddr, problem: RequestError) -> RequestError {
        if let Err(limited) = self.wait(&PublicClient::new(from, None)).await {
            return limited;
        }
        let result = match problem {
            RequestError::NotReceipt { kind: CodeKind::Waybill } => ScanResult::Waybill,
            RequestError::NotReceipt { kind: CodeKind::IdCard } => ScanResult::IdCard,
            _ => ScanResult::Unreadable,
        };
        let ended = Ended { trace: None, result, stage: None };
        self.answers.record(Instant::now(), &Kiosk::default(), ScanPath::Public, ended);
        problem
    }

    /// `POST /api/inquiry/image`: the number in a photograph, for the form's field; nothing is looked up.
    pub(crate) async fn image(
        &self,
        from: IpAddr,
        head: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Reply, RequestError> {
        let (now, client) = (Instant::now(), Tries::client(from));
        let limited = |Rejected { retry_after }| RequestError::Limited { retry_after };
        self.photographs_of.check(now, &client).map_err(limited)?;
        self.photographs_of.count(now, &client);
        let code = self.photographs.read(from, head, body).await??;
        let scanned = self.backend.read(code.expose());
        let kind = CodeKind::of(&scanned);
        let Scanned::Receipt(receipt) = scanned else { return Err(RequestError::NotReceipt { kind }) };
        let number = serde_json::json!({ "number": receipt.number.expose() });
        Ok(reply::json(number.to_string()))
    }

    /// Refuses a client over its limits at once. While a total is exceeded, the others wait, a bounded number of them.
    async fn wait(&self, client: &PublicClient) -> Result<(), RequestError> {
        let now = Instant::now();
        let checked = self.limited(|InquiryLimiter { public, shared, .. }| {
            public.check(shared, now, client).map(|()| shared.delay(now))
        });
        let delay = checked.map_err(|rejected| self.rejected(rejected))?;
        if delay.is_zero() {
            return Ok(());
        }
        let retry_after = delay.max(Duration::from_secs(1));
        let _place = self.waiting.try_acquire().map_err(|_| RequestError::Busy { retry_after })?;
        sleep(delay).await;
        Ok(())
    }

    fn rejected(&self, Rejected { retry_after }: Rejected) -> RequestError {
        self.answers.record_rejection(&Kiosk::default(), ScanPath::Public);
        RequestError::Limited { retry_after }
    }

    fn limited<T>(&self, with: impl FnOnce(&mut InquiryLimiter) -> T) -> T {
        with(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
