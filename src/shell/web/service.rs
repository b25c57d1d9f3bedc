//! The HTTP service: one request → one reply.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};

use super::backend::Backend;
use super::body;
use super::bounds::{RATINGS_PER_MINUTE, RATINGS_TOTAL_PER_MINUTE};
use super::reply::{self, Reply};
use super::scan::ScanService;
use super::studio::StudioService;
use config::Network;
use inquiry::{Limiter, ScanClient, ScanLimiter, ScanLimits};
use metrics::{Door, HttpClass, Metrics, Registry};
use web::{self, JSON_BYTES_MAX, RateRequest, RequestError, Route};

/// Which pages a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Scans, the kiosk's page, health and metrics.
    Public,
    /// The prompt operators' pages.
    Studio,
    /// Both.
    All,
}

/// Answers requests. One for all sockets.
pub struct HttpService {
    backend: Arc<dyn Backend>,
    registry: Arc<Registry>,
    proxies: Vec<Network>,
    scans: ScanService,
    studio: Option<StudioService>,
    request_timeout: Duration,
    ratings: Mutex<ScanLimiter>,
}

impl HttpService {
    /// A service without the prompt operators' pages. `limits` are those of failed look-ups by scan.
    pub fn new(
        backend: impl Backend + 'static,
        registry: Registry,
        web: &config::Web,
        limits: ScanLimits,
    ) -> HttpService {
        let (backend, registry): (Arc<dyn Backend>, _) = (Arc::new(backend), Arc::new(registry));
        let ratings = ScanLimits {
            per_kiosk: RATINGS_PER_MINUTE,
            per_address: RATINGS_PER_MINUTE,
            total: RATINGS_TOTAL_PER_MINUTE,
            window: Duration::from_secs(60),
        };
        HttpService {
            scans: ScanService::new(Arc::clone(&backend), Arc::clone(&registry), web, limits),
            backend,
            registry,
            proxies: web.proxies.clone(),
            studio: None,
            request_timeout: web.request_timeout,
            ratings: Mutex::new(ScanLimiter::new(ratings)),
        }
    }

    /// The same with the prompt operators' pages.
    #[must_use]
    pub fn with_studio(self, studio: StudioService) -> HttpService {
        HttpService { studio: Some(studio), ..self }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.registry.metrics()
    }

    /// Answers one request that came in by a socket that serves these pages.
    pub(crate) async fn answer(&self, serves: Serves, from: IpAddr, request: Request<Incoming>) -> Reply {
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
        self.metrics().http_requests.inc(class(reply.status()));
        self.metrics().http_time.observe(began.elapsed());
        reply
    }

    fn client(&self, from: IpAddr, head: &HeaderMap) -> IpAddr {
        // No proxy writes a value that is not text.
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
            Route::Scan => self.scans.code(began, from, &self.json_body(&head.headers, body).await?).await,
            Route::ScanSpeech => self.scans.speech(began, from, &self.json_body(&head.headers, body).await?).await,
            Route::ScanImage => self.scans.image(began, from, &head.headers, body).await,
            Route::Rate => self.rate(began, from, &self.json_body(&head.headers, body).await?),
            Route::Settings => Ok(reply::json(self.backend.kiosk().to_json())),
            Route::Health => Ok(self.health()),
            Route::Metrics => Ok(self.metrics_page()),
            Route::FlowDiagram => self.picture().await,
            Route::Page | Route::Script | Route::Scanner | Route::Words | Route::Style => Err(RequestError::NotFound),
        }
    }

    async fn json_body(&self, head: &HeaderMap, body: Incoming) -> Result<Bytes, RequestError> {
        body::whole(head, body, JSON_BYTES_MAX, self.request_timeout).await
    }

    /// Each rating counts against its kiosk; one over the limit is thanked for and not recorded.
    fn rate(&self, began: Instant, from: IpAddr, body: &[u8]) -> Result<Reply, RequestError> {
        let RateRequest { score, kiosk } = RateRequest::read(body)?;
        let client = ScanClient::new(from, kiosk.as_str());
        let mut ratings = self.ratings.lock().unwrap_or_else(PoisonError::into_inner);
        if ratings.check(began, &client).is_ok() {
            ratings.failed(began, &client);
            self.metrics().ratings.inc(Door::Scan, score);
            self.backend.rate(self.backend.now(), &kiosk, score);
        }
        Ok(reply::json(&br#"{"thanks":true}"#[..]))
    }

    fn health(&self) -> Reply {
        let health = self.backend.health();
        let status = StatusCode::from_u16(health.status()).unwrap_or(StatusCode::OK);
        reply::answer(status, reply::JSON, health.to_json())
    }

    /// Drawn from the journal, so on a thread for work that blocks.
    async fn picture(&self) -> Result<Reply, RequestError> {
        let backend = Arc::clone(&self.backend);
        let svg = tokio::task::spawn_blocking(move || backend.picture()).await.map_err(|_| RequestError::NotFound)?;
        let mut reply = reply::answer(StatusCode::OK, "image/svg+xml; charset=utf-8", svg);
        // Attributes of the drawing only: no script, no foreign content.
        reply.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=flow.svg"));
        Ok(reply)
    }

    fn metrics_page(&self) -> Reply {
        reply::answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.registry.render())
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
