//! Bytes → HTTP replies, with the headers that every reply has.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use web::studio::StudioError;
use web::{Asset, RequestError};

/// A whole reply.
pub(crate) type Reply = Response<Full<Bytes>>;

/// A reply that no cache on its way stores.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = bare(status, content_type, body.into());
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING));
    reply
}

/// JSON with status 200.
pub(crate) fn json(body: impl Into<Bytes>) -> Reply {
    answer(StatusCode::OK, JSON, body)
}

/// A page that is composed for one request.
pub(crate) fn page_of(status: StatusCode, html: String) -> Reply {
    let mut reply = bare(status, "text/html; charset=utf-8", html.into());
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(WITH_FORM));
    headers.insert(PERMISSIONS, HeaderValue::from_static("camera=(self), microphone=(), geolocation=()"));
    reply
}

/// An error as a page, with the status and the headers that it has as JSON.
pub(crate) fn problem_page(of: &RequestError, html: String) -> Reply {
    let mut reply = page_of(StatusCode::OK, html);
    let as_json = problem(of);
    *reply.status_mut() = as_json.status();
    for name in [header::RETRY_AFTER, header::CONNECTION] {
        if let Some(value) = as_json.headers().get(&name) {
            reply.headers_mut().insert(name, value.clone());
        }
    }
    reply
}

/// An error: its status, its JSON, and the headers that say what would be accepted.
pub(crate) fn problem(problem: &RequestError) -> Reply {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = answer(status, JSON, problem.to_json());
    let headers = reply.headers_mut();
    if let Some(wait) = problem.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    if let Some(allow) = problem.allow() {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if problem.closes_connection() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

/// A reply of the studio: for its own page alone (Fetch §3.7, HTML §7.1.3).
pub(crate) fn studio(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    isolated(answer(status, content_type, body))
}

/// A request that the studio refused.
pub(crate) fn trouble(trouble: &StudioError) -> Reply {
    let status = StatusCode::from_u16(trouble.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = match trouble {
        StudioError::Request(of_request) => problem(of_request),
        _ => answer(status, JSON, Bytes::new()),
    };
    *reply.body_mut() = Full::new(trouble.to_json().into());
    if let Some(wait) = trouble.retry_after() {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    isolated(reply)
}

/// A file of a page with sessions, for a request that reads it.
pub(crate) fn page(file: &'static Asset, head: &Parts, permissions: &'static str) -> Reply {
    if !matches!(head.method.as_str(), "GET" | "HEAD") {
        return problem(&RequestError::Method { allow: "GET, HEAD" });
    }
    let mut reply = isolated(asset(file, &head.headers));
    reply.headers_mut().insert(PERMISSIONS, HeaderValue::from_static(permissions));
    reply
}

fn isolated(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    reply
}

/// A file of the page, or 304 when the browser has it.
pub(crate) fn asset(asset: &'static Asset, request: &HeaderMap) -> Reply {
    let known = request.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let mut reply = if known.is_some_and(|tags| asset.is_known_to(tags)) {
        bare(StatusCode::NOT_MODIFIED, asset.content_type, Bytes::new())
    } else {
        bare(StatusCode::OK, asset.content_type, Bytes::from_static(asset.body))
    };
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(OURS));
    headers.insert(PERMISSIONS, HeaderValue::from_static("camera=(self), microphone=(), geolocation=()"));
    if let Ok(tag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, tag);
    }
    reply
}

fn bare(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}

pub(crate) const JSON: &str = "application/json";
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
/// For pages with a form that is sent here.
const WITH_FORM: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                         img-src 'self' data: blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// For replies that are no page.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// For the page: itself, sound that it fetched, and pictures in its own style.
const OURS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                    media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
