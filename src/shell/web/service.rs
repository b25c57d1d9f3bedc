//! The HTTP service: one request → one reply.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::agent::AgentService;
use super::answers::Answers;
use super::backend::Backend;
use super::body;
use super::bounds::{RATINGS_PER_MINUTE, RATINGS_TOTAL_PER_MINUTE};
use super::diagram::FlowDiagram;
use super::enrolment::{EnrolmentService, set_kiosk_cookie};
use super::inquiries::InquiryService;
use super::peer::{Peer, Peers, client_address};
use super::photographs::PhotographReader;
use super::reply::{self, Reply};
use super::scan::{Origin, ScanService};
use super::serves::Serves;
use super::shares::Shares;
use super::studio::StudioService;
use super::tries::Tries;
use inquiry::{InquiryLimiter, ScanClient};
use journal::Journal;
use kiosk_store::KioskStore;
use metrics::{Door, HttpClass, Metrics, Registry};
use phone::QueueHandle;
use web::telephone::is_telephone;
use web::{
    self, Audience, Client, InquiryRequest, JSON_BYTES_MAX, PublicPage, RateRequest, RequestError, Route, ScanRequest,
    Shows, SpeechRequest, speech_language,
};

/// Answers requests. One for all sockets.
pub struct HttpService {
    backend: Arc<dyn Backend>,
    registry: Arc<Registry>,
    peers: Peers,
    scans: ScanService,
    inquiries: InquiryService,
    enrolment: EnrolmentService,
    studio: Option<Arc<StudioService>>,
    agents: Option<AgentService>,
    diagram: FlowDiagram,
    shares: Shares,
    request_timeout: Duration,
    image_bytes_max: usize,
    ratings: Tries,
}

impl HttpService {
    /// A service without enrolled kiosks and without the prompt operators' pages. All doors share the limiter.
    pub fn new(
        backend: impl Backend + 'static,
        registry: Registry,
        web: &config::Web,
        limiter: Arc<Mutex<InquiryLimiter>>,
    ) -> HttpService {
        let (backend, registry): (Arc<dyn Backend>, _) = (Arc::new(backend), Arc::new(registry));
        let shares = Shares::new(web.shares);
        let answers = Arc::new(Answers::new(Arc::clone(&backend), Arc::clone(&registry)));
        let shared = || (Arc::clone(&backend), Arc::clone(&registry), Arc::clone(&limiter), Arc::clone(&answers));
        let scans = {
            let (backend, registry, limiter, answers) = shared();
            ScanService::new(backend, registry, web, limiter, answers, shares.clone())
        };
        let inquiries = {
            let (backend, registry, limiter, answers) = shared();
            InquiryService::new(backend, registry, web, limiter, answers, shares.clone())
        };
        HttpService {
            scans,
            inquiries,
            enrolment: EnrolmentService::new(),
            backend,
            registry,
            peers: Peers::new(web),
            studio: None,
            agents: None,
            diagram: FlowDiagram::default(),
            shares,
            request_timeout: web.request_timeout,
            image_bytes_max: web.image_bytes_max,
            ratings: Tries::new(RATINGS_PER_MINUTE, RATINGS_TOTAL_PER_MINUTE, Duration::from_secs(60)),
        }
    }

    /// The same with the prompt operators' pages.
    #[must_use]
    pub fn with_studio(self, studio: StudioService) -> HttpService {
        HttpService { studio: Some(Arc::new(studio)), ..self }
    }

    /// The same with the agents' page, which uses the sessions of the studio: after [`HttpService::with_studio`].
    #[must_use]
    pub fn with_agents(self, queue: QueueHandle, journal: Arc<Journal>, phone: &config::Phone) -> HttpService {
        let studio = self.studio.as_ref().map(Arc::clone);
        HttpService { agents: studio.map(|studio| AgentService::new(studio, queue, journal, phone)), ..self }
    }

    /// The same with a reader of photographs; without it they are read in threads.
    #[must_use]
    pub fn read_photographs_by(self, reader: PhotographReader) -> HttpService {
        HttpService {
            scans: self.scans.read_photographs_by(reader.clone()),
            inquiries: self.inquiries.read_photographs_by(reader),
            ..self
        }
    }

    /// The same with enrolled kiosks.
    #[must_use]
    pub fn with_kiosks(self, kiosks: Arc<KioskStore>) -> HttpService {
        HttpService { peers: self.peers.with_kiosks(kiosks), ..self }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.registry.metrics()
    }

    /// Whether an address is that of a balancer, or of a TLS proxy of the studio: its connections are those of many clients.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.peers.is_proxy(address) || self.studio.as_ref().is_some_and(|studio| studio.access.is_proxy(address))
    }

    /// Answers one request that came in by a socket that serves these pages; `ends` are the other end and this one.
    pub(crate) async fn answer(&self, serves: Serves, ends: (IpAddr, IpAddr), request: Request<Incoming>) -> Reply {
        let began = Instant::now();
        let path = request.uri().path();
        let address = self.peers.address(ends.0, request.headers());
        // A browser behind a TLS proxy of the studio has a share of its own, too.
        let is_proxy = |address| self.is_proxy(address);
        if let Err(problem) = self.shares.request(began, client_address(ends.0, request.headers(), is_proxy)) {
            self.metrics().http_requests.inc(HttpClass::Refused);
            let (head, mut body) = request.into_parts();
            body::drop_rest(&head.headers, &mut body, self.image_bytes_max).await;
            return reply::problem(&problem);
        }
        let below = |page: &str| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let asks_telephone = is_telephone(path);
        let asks_agents = below("/agent") && !asks_telephone;
        let asks_studio = asks_agents || asks_telephone || below("/studio");
        let reply = match self.peers.judge(serves, address, ends, &request) {
            Err(problem) => refused(&problem),
            Ok(peer) => match (&self.studio, serves, asks_studio) {
                (Some(studio), Serves::Studio | Serves::All, true) => match &self.agents {
                    Some(agents) if asks_agents => agents.answer((ends.0, peer.address), request).await,
                    None if asks_agents => reply::problem(&RequestError::NotFound),
                    Some(_) | None => studio.answer((ends.0, peer.address), request).await,
                },
                (_, Serves::Public | Serves::All | Serves::Operations, false) => {
                    self.public(began, serves, &peer, request).await
                }
                (None, _, true) | (_, Serves::Public | Serves::Operations, true) | (_, Serves::Studio, false) => {
                    reply::problem(&RequestError::NotFound)
                }
            },
        };
        self.metrics().http_requests.inc(class(reply.status()));
        self.metrics().http_time.observe(began.elapsed());
        reply
    }

    async fn public(&self, began: Instant, serves: Serves, peer: &Peer, request: Request<Incoming>) -> Reply {
        let (head, mut body) = request.into_parts();
        let route = match web::route(head.method.as_str(), head.uri.path()) {
            Ok(route) if is_served(route, serves, peer) => route,
            Ok(_) => return refused(&RequestError::NotFound),
            Err(problem) => return self.nothing_here(serves, &head, &problem),
        };
        let mut reply = match self.dispatch(began, route, peer, &head, &mut body).await {
            Ok(reply) => reply,
            Err(problem) => {
                if !problem.closes_connection() {
                    body::drop_rest(&head.headers, &mut body, self.image_bytes_max).await;
                }
                refused(&problem)
            }
        };
        if let (Client::Kiosk(kiosk), Some(kiosks)) = (&peer.client, self.peers.kiosks()) {
            let version = head.headers.get(KIOSK_VERSION).and_then(|version| version.to_str().ok());
            let is_scan = matches!(route, Route::Scan | Route::ScanImage | Route::ScanSpeech | Route::ScanImageSpeech);
            kiosks.note(kiosk, version, is_scan, reply.status().as_u16() >= 400);
        }
        if let (Route::Home | Route::Page, Some(token)) = (route, &peer.token) {
            set_kiosk_cookie(&mut reply, token, peer.is_secure);
        }
        reply
    }

    /// A path without a page, or a page that is not opened in this way: people at a browser see a page.
    fn nothing_here(&self, serves: Serves, head: &Parts, problem: &RequestError) -> Reply {
        let accept = head.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let is_person = head.method == Method::GET && accept.is_some_and(|accept| accept.contains("text/html"));
        if !is_person || serves == Serves::Operations {
            return refused(problem);
        }
        // The address of an answer, from the history or reloaded: its form.
        if matches!(web::route("POST", head.uri.path()), Ok(Route::PublicInquiry)) {
            return self.page(head, Shows::Form);
        }
        self.page(head, Shows::Problem(problem))
    }

    async fn dispatch(
        &self,
        began: Instant,
        route: Route,
        peer: &Peer,
        head: &Parts,
        body: &mut Incoming,
    ) -> Result<Reply, RequestError> {
        if let Some(asset) = web::asset(route) {
            return Ok(reply::asset(asset, &head.headers));
        }
        let kind = web::body_of(route);
        kind.check_type(head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
        let origin = Origin { began, from: peer.address, client: &peer.client };
        match route {
            Route::Home => Ok(self.home(peer, head)),
            Route::PublicPage => Ok(self.page(head, Shows::Form)),
            Route::EnrolPage => Ok(self.enrolment.page(head.uri.query())),
            Route::Settings => Ok(reply::json(self.backend.kiosk().to_json(peer.client.is_kiosk()))),
            Route::Health => Ok(self.health(peer.is_operator)),
            Route::Metrics => Ok(self.metrics_page()),
            Route::FlowDiagram => self.diagram.reply(&self.backend, &head.headers).await,
            Route::Scan => self.scan(&origin, &self.small_body(&head.headers, body).await?).await,
            Route::ScanSpeech => self.speech(&origin, &self.small_body(&head.headers, body).await?).await,
            Route::ScanImage if peer.client.is_kiosk() => self.scans.image(&origin, &head.headers, body).await,
            Route::ScanImageSpeech if peer.client.is_kiosk() => {
                let lang = speech_language(head.uri.query())?;
                self.scans.image_speech(&origin, lang, &head.headers, body).await
            }
            Route::ScanImage | Route::ScanImageSpeech => Err(RequestError::NotEnrolled),
            Route::Inquiry => {
                let request = InquiryRequest::read(&self.small_body(&head.headers, body).await?)?;
                self.inquiries.json(peer.address, &request).await
            }
            Route::InquiryImage => self.inquiries.image(peer.address, &head.headers, body).await,
            Route::PublicInquiry => Ok(self.form(peer, head, body).await),
            Route::Enrol => {
                let body = self.small_body(&head.headers, body).await?;
                Ok(self.enrolment.redeem(self.peers.kiosks(), peer, &body).await)
            }
            Route::Rate => self.rate(&origin, &self.small_body(&head.headers, body).await?),
            Route::Page
            | Route::Script
            | Route::Shapes
            | Route::Screen
            | Route::Scanner
            | Route::Words
            | Route::Style
            | Route::PublicScript
            | Route::PublicStyle => Err(RequestError::NotFound),
        }
    }

    async fn small_body(&self, head: &HeaderMap, body: &mut Incoming) -> Result<Bytes, RequestError> {
        body::whole(head, body, JSON_BYTES_MAX, self.request_timeout).await
    }

    /// The kiosk's page for kiosks, the public page for others.
    fn home(&self, peer: &Peer, head: &Parts) -> Reply {
        let mut reply = match web::asset(Route::Page).filter(|_| peer.client.is_kiosk()) {
            Some(asset) => reply::asset(asset, &head.headers),
            None => self.page(head, Shows::Form),
        };
        reply.headers_mut().insert(VARY, HeaderValue::from_static("cookie, accept-language"));
        reply
    }

    fn page(&self, head: &Parts, shows: Shows<'_>) -> Reply {
        let accept = head.headers.get(ACCEPT_LANGUAGE).and_then(|accept| accept.to_str().ok());
        let lang = web::page_language(head.uri.query(), accept);
        let html = PublicPage { lang, settings: &self.backend.public(), shows }.to_html();
        match shows {
            Shows::Problem(problem) => reply::problem_page(problem, html),
            Shows::Form | Shows::Answer(_) => reply::page_of(StatusCode::OK, html),
        }
    }

    /// `POST /public/inquiry`: every outcome is a page.
    async fn form(&self, peer: &Peer, head: &Parts, body: &mut Incoming) -> Reply {
        let answered = async {
            let request = InquiryRequest::read_form(&self.small_body(&head.headers, body).await?)?;
            self.inquiries.look_up(peer.address, &request).await
        };
        match answered.await {
            Ok(outcome) => self.page(head, Shows::Answer(&self.inquiries.shown(&outcome))),
            Err(problem) => self.page(head, Shows::Problem(&problem)),
        }
    }

    /// `POST /api/scan`: the paper is the proof at a kiosk; others state a second factor.
    async fn scan(&self, origin: &Origin<'_>, body: &[u8]) -> Result<Reply, RequestError> {
        let request = ScanRequest::read(body)?;
        if origin.client.is_kiosk() {
            return self.scans.code(origin, &request).await;
        }
        self.inquiries.json(origin.from, &with_factor(request)?).await
    }

    /// `POST /api/scan/speech`.
    async fn speech(&self, origin: &Origin<'_>, body: &[u8]) -> Result<Reply, RequestError> {
        let request = SpeechRequest::read(body)?;
        if origin.client.is_kiosk() {
            return self.scans.speech(origin, &request).await;
        }
        self.inquiries.speech(origin.from, &with_factor(request.scan)?, request.lang).await
    }

    /// Each rating counts against its kiosk; one over the limit is thanked for and not recorded.
    fn rate(&self, origin: &Origin<'_>, body: &[u8]) -> Result<Reply, RequestError> {
        let RateRequest { score, kiosk } = RateRequest::read(body)?;
        let kiosk = origin.client.kiosk(&kiosk);
        let client = match origin.client {
            Client::Kiosk(name) => ScanClient::enrolled(name.as_str()),
            Client::TryOut | Client::Public => ScanClient::new(origin.from, kiosk.as_str()),
        };
        if self.ratings.check(origin.began, &client).is_ok() {
            self.ratings.count(origin.began, &client);
            self.metrics().ratings.inc(Door::Scan, score);
            self.backend.rate(self.backend.now(), &kiosk, score);
        }
        Ok(reply::json(&br#"{"thanks":true}"#[..]))
    }

    fn health(&self, is_operator: bool) -> Reply {
        let health = self.backend.health();
        let status = StatusCode::from_u16(health.status()).unwrap_or(StatusCode::OK);
        let json = if is_operator { health.to_json() } else { health.to_public_json() };
        reply::answer(status, reply::JSON, json)
    }

    fn metrics_page(&self) -> Reply {
        reply::answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.registry.render())
    }
}

/// Whether a socket serves a route to a peer. Strangers find no route of operators.
fn is_served(route: Route, serves: Serves, peer: &Peer) -> bool {
    match web::audience_of(route) {
        Audience::Operator => peer.is_operator,
        Audience::Everyone | Audience::Kiosk | Audience::KioskOrFactor => {
            serves != Serves::Operations || route == Route::Health
        }
    }
}

/// The inquiry of a scan that no kiosk makes.
fn with_factor(request: ScanRequest) -> Result<InquiryRequest, RequestError> {
    let tail = request.tail.ok_or(RequestError::NotEnrolled)?;
    Ok(InquiryRequest { code: request.code, tail })
}

fn refused(problem: &RequestError) -> Reply {
    tracing::debug!(problem = problem.code(), status = problem.status(), "request refused");
    reply::problem(problem)
}

fn class(status: StatusCode) -> HttpClass {
    match status.as_u16() {
        200..=299 => HttpClass::Success,
        300..=399 => HttpClass::NotModified,
        400..=499 => HttpClass::Refused,
        _ => HttpClass::Failed,
    }
}

/// The header by which a kiosk's page names its version.
const KIOSK_VERSION: &str = "x-kiosk-version";
