//! A carrier by HTTP: one request, one answer.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use os::clock;
use sms::{Answer, Attempt, HttpCarrier, HttpRequest, HttpSecret, Outcome, answer_code, judge, request};
use tls::OutgoingTls;

use crate::secret;

/// Sends a message once.
pub(crate) async fn attempt(carrier: &HttpCarrier, tls: &OutgoingTls, attempt: &Attempt) -> Outcome {
    let secret = match secret::read(carrier.secret_file.as_deref()).await {
        Ok(secret) => secret,
        Err(why) => return Outcome::Unreachable(why),
    };
    let (number, text, id) = (attempt.number.expose(), attempt.text.expose(), attempt.id.to_string());
    let request = request(carrier, HttpSecret(&secret), number, text, &id, clock::timestamp().as_second());
    let Some((request, place)) = prepared(&request) else {
        return Outcome::Unreachable("the request cannot be made: see sms.http");
    };
    let stream = match timeout(carrier.timeout, TcpStream::connect((place.host.as_str(), place.port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) | Err(_) => return Outcome::Unreachable("no connection to the carrier"),
    };
    let _ = stream.set_nodelay(true);
    let answer = if place.is_tls {
        let connect = tls.connect(&place.host, stream);
        match timeout(carrier.timeout, connect).await {
            Ok(Ok(stream)) => timeout(carrier.timeout, exchange(stream, request)).await,
            Ok(Err(why)) => {
                tracing::warn!(why, "sms_carrier_tls");
                return Outcome::Unreachable("no TLS with the carrier: see the log, and sms.http.ca_file");
            }
            Err(_) => return Outcome::Unreachable("no TLS with the carrier in time"),
        }
    } else {
        timeout(carrier.timeout, exchange(stream, request)).await
    };
    match answer {
        Ok(Some((status, body))) => {
            let answer = Answer { status, body: &body };
            let outcome = judge(&carrier.success, answer);
            if outcome != Outcome::Sent {
                let code = answer_code(&carrier.success, answer);
                tracing::warn!(id = %attempt.id, status, code = code.as_deref().unwrap_or("-"), "sms_carrier_answered");
            }
            outcome
        }
        // The request may have arrived: it is sent again under the same identifier.
        Ok(None) => Outcome::Later("the connection ended without an answer"),
        Err(_) => Outcome::Later("no answer in time"),
    }
}

/// Where a request goes.
struct Place {
    host: String,
    port: u16,
    is_tls: bool,
}

fn prepared(made: &HttpRequest) -> Option<(Request<Full<Bytes>>, Place)> {
    let uri: Uri = made.url.parse().ok()?;
    let is_tls = uri.scheme_str() == Some("https");
    let authority = uri.authority()?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(Method::from_bytes(made.method.as_bytes()).ok()?)
        .uri(path)
        .header(HOST, authority.as_str().rsplit('@').next()?);
    for (name, value) in &made.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(made.body.clone()))).ok()?;
    Some((request, Place { host, port, is_tls }))
}

/// One request over a connection; the status and the body, as far as it is short.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Option<(u16, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        // A body that is too long, or breaks off, says no more than the status.
        Some((status, body.map_or_else(|_| Bytes::new(), |body| body.to_bytes())))
    };
    let answer = answer.await;
    connection.abort();
    answer
}

/// A longer answer is not read.
const ANSWER_MAX: usize = 64 * 1024;

/// Kept for all requests, since reading the authorities takes time.
pub(crate) fn tls(carrier: &HttpCarrier) -> Arc<OutgoingTls> {
    Arc::new(OutgoingTls::new("sms.http.ca_file", carrier.ca_file.clone()))
}
