//! The body of a request, within its limits of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{EXPECT, HeaderMap};
use tokio::time::{Instant, timeout, timeout_at};

use super::bounds::{LEFTOVER_PAUSE, LEFTOVER_TIME, PHOTOGRAPH_BYTES_MIN, PHOTOGRAPH_UPLOAD_TIME};
use web::RequestError;

/// How fast a body must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// In each period…
    period: Duration,
    /// … so many bytes, …
    bytes_min: usize,
    /// … and all of it within this time.
    time: Duration,
}

impl Pace {
    /// The pace of photographs: a telephone's network may be weak.
    pub(crate) fn of_photographs(period: Duration) -> Pace {
        Pace { period, bytes_min: PHOTOGRAPH_BYTES_MIN, time: PHOTOGRAPH_UPLOAD_TIME.max(period) }
    }
}

/// A small body, all of it within a time.
pub(crate) async fn whole(
    head: &HeaderMap,
    body: &mut Incoming,
    limit: usize,
    time: Duration,
) -> Result<Bytes, RequestError> {
    refuse_larger(head, body, limit).await?;
    // One timer for the whole: a pause within it cannot be longer.
    match timeout(time, collected(body, limit, None)).await {
        Ok(collected) => collected,
        Err(_) => Err(RequestError::Slow),
    }
}

/// A large body: each piece of it comes within `pause`, all of it within `time`.
pub(crate) async fn upload(
    head: &HeaderMap,
    body: &mut Incoming,
    limit: usize,
    pause: Duration,
    time: Duration,
) -> Result<Bytes, RequestError> {
    refuse_larger(head, body, limit).await?;
    match timeout(time, collected(body, limit, Some(pause))).await {
        Ok(collected) => collected,
        Err(_) => Err(RequestError::Slow),
    }
}

/// A photograph, at a pace. `room` makes room for so many bytes in all, or refuses them.
pub(crate) async fn photograph(
    head: &HeaderMap,
    body: &mut Incoming,
    limit: usize,
    pace: Pace,
    mut room: impl FnMut(usize) -> Result<(), RequestError>,
) -> Result<Bytes, RequestError> {
    refuse_larger(head, body, limit).await?;
    let mut pieces = Pieces::expected(body, limit);
    let end = Instant::now() + pace.time;
    let (mut period_end, mut enough) = (Instant::now() + pace.period, pace.bytes_min);
    loop {
        match timeout_at(period_end.min(end), body.frame()).await {
            Ok(None) => return Ok(pieces.joined()),
            Ok(Some(frame)) => {
                let Ok(data) = frame.map_err(|_| RequestError::Broken)?.into_data() else { continue };
                room(pieces.length() + data.len())?;
                pieces.add(data)?;
            }
            Err(_) if period_end < end && pieces.length() >= enough => {
                period_end += pace.period;
                enough = pieces.length() + pace.bytes_min;
            }
            Err(_) => return Err(RequestError::Slow),
        }
    }
}

/// Reads the rest of a refused body for a while, so that a sender who does not listen before it has sent gets to see the
/// reply. One that asked before it sends has sent nothing.
pub(crate) async fn drop_rest(head: &HeaderMap, body: &mut Incoming, limit: usize) {
    if !body.is_end_stream() && !head.contains_key(EXPECT) {
        let _ = timeout(LEFTOVER_TIME, leftover(body, limit)).await;
    }
}

async fn refuse_larger(head: &HeaderMap, body: &mut Incoming, limit: usize) -> Result<(), RequestError> {
    if body.size_hint().lower() <= limit as u64 {
        return Ok(());
    }
    drop_rest(head, body, limit).await;
    Err(RequestError::TooLarge { limit })
}

async fn collected(body: &mut Incoming, limit: usize, pause: Option<Duration>) -> Result<Bytes, RequestError> {
    let mut pieces = Pieces::expected(body, limit);
    loop {
        let frame = match pause {
            Some(pause) => timeout(pause, body.frame()).await.map_err(|_| RequestError::Slow)?,
            None => body.frame().await,
        };
        let Some(frame) = frame else { return Ok(pieces.joined()) };
        let Ok(data) = frame.map_err(|_| RequestError::Broken)?.into_data() else { continue };
        pieces.add(data)?;
    }
}

/// The pieces of a body. Most bodies are one piece, which is not copied.
struct Pieces {
    first: Bytes,
    rest: BytesMut,
    expected: usize,
    limit: usize,
}

impl Pieces {
    fn expected(body: &Incoming, limit: usize) -> Pieces {
        let expected = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
        Pieces { first: Bytes::new(), rest: BytesMut::new(), expected, limit }
    }

    fn length(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn add(&mut self, data: Bytes) -> Result<(), RequestError> {
        if self.length() + data.len() > self.limit {
            return Err(RequestError::TooLarge { limit: self.limit });
        }
        match (self.first.is_empty(), self.rest.is_empty()) {
            (true, true) => self.first = data,
            (false, true) => {
                self.rest.reserve(self.expected.max(self.first.len() + data.len()));
                self.rest.extend_from_slice(&std::mem::take(&mut self.first));
                self.rest.extend_from_slice(&data);
            }
            (_, false) => self.rest.extend_from_slice(&data),
        }
        Ok(())
    }

    fn joined(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

async fn leftover(body: &mut Incoming, limit: usize) {
    let mut left = limit;
    while let Ok(Some(Ok(frame))) = timeout(LEFTOVER_PAUSE, body.frame()).await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}
