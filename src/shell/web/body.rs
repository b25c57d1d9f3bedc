//! The body of a request, within its limits of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{EXPECT, HeaderMap};
use tokio::time::timeout;

use super::bounds::LEFTOVER_TIME;
use web::RequestError;

/// A small body, all of it within a time.
pub(crate) async fn whole(
    head: &HeaderMap,
    mut body: Incoming,
    limit: usize,
    time: Duration,
) -> Result<Bytes, RequestError> {
    refuse_larger(head, &mut body, limit).await?;
    // One timer for the whole: a pause within it cannot be longer.
    match timeout(time, collected(&mut body, limit, None)).await {
        Ok(collected) => collected,
        Err(_) => Err(RequestError::Slow),
    }
}

/// A large body: each piece of it comes within `pause`, all of it within `time`.
pub(crate) async fn upload(
    head: &HeaderMap,
    mut body: Incoming,
    limit: usize,
    pause: Duration,
    time: Duration,
) -> Result<Bytes, RequestError> {
    refuse_larger(head, &mut body, limit).await?;
    match timeout(time, collected(&mut body, limit, Some(pause))).await {
        Ok(collected) => collected,
        Err(_) => Err(RequestError::Slow),
    }
}

async fn refuse_larger(head: &HeaderMap, body: &mut Incoming, limit: usize) -> Result<(), RequestError> {
    if body.size_hint().lower() <= limit as u64 {
        return Ok(());
    }
    if !head.contains_key(EXPECT) {
        let _ = timeout(LEFTOVER_TIME, leftover(body, limit)).await;
    }
    Err(RequestError::TooLarge { limit })
}

async fn collected(body: &mut Incoming, limit: usize, pause: Option<Duration>) -> Result<Bytes, RequestError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = match pause {
            Some(pause) => timeout(pause, body.frame()).await.map_err(|_| RequestError::Slow)?,
            None => body.frame().await,
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| RequestError::Broken)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(RequestError::TooLarge { limit });
        }
        // Most bodies are one piece, which is not copied.
        match (first.is_empty(), rest.is_empty()) {
            (true, true) => first = data,
            (false, true) => {
                rest.reserve(expected.max(first.len() + data.len()));
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
            (_, false) => rest.extend_from_slice(&data),
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Reads on for a while, so that a sender who does not listen before it has sent gets to see the reply.
async fn leftover(body: &mut Incoming, limit: usize) {
    let mut left = limit;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}
