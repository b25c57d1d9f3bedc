//! `GET /flow.svg`: drawn once in some seconds however many ask, by one of them; the others wait for it or get it kept.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{AGE, CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use tokio::sync::Mutex;

use super::backend::Backend;
use super::bounds::DIAGRAM_KEPT;
use super::reply::{self, Reply};
use web::RequestError;

/// The diagram as last drawn.
#[derive(Default)]
pub(crate) struct FlowDiagram(Arc<Mutex<Option<Drawn>>>);

#[derive(Clone)]
struct Drawn {
    svg: Bytes,
    tag: HeaderValue,
    at: Instant,
}

impl FlowDiagram {
    /// The diagram, or 304 when the asker has it.
    pub(crate) async fn reply(&self, backend: &Arc<dyn Backend>, head: &HeaderMap) -> Result<Reply, RequestError> {
        let drawn = self.drawn(backend).await?;
        let known = head.get(IF_NONE_MATCH).is_some_and(|known| *known == drawn.tag);
        let (status, body) = if known { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (StatusCode::OK, drawn.svg) };
        let mut reply = reply::answer(status, "image/svg+xml; charset=utf-8", body);
        let headers = reply.headers_mut();
        // Attributes of the drawing only: no script, no foreign content.
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=flow.svg"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(AGE, HeaderValue::from(drawn.at.elapsed().as_secs()));
        headers.insert(ETAG, drawn.tag);
        Ok(reply)
    }

    /// Draws under the lock, which the drawing thread holds even if the asker has gone: one thread at most is at it.
    async fn drawn(&self, backend: &Arc<dyn Backend>) -> Result<Drawn, RequestError> {
        let mut kept = Arc::clone(&self.0).lock_owned().await;
        if let Some(drawn) = kept.as_ref().filter(|drawn| drawn.at.elapsed() < DIAGRAM_KEPT) {
            return Ok(drawn.clone());
        }
        let backend = Arc::clone(backend);
        let drawing = tokio::task::spawn_blocking(move || {
            let svg = backend.picture();
            let tag = web::entity_tag(svg.as_bytes()).parse().unwrap_or(HeaderValue::from_static("\"flow\""));
            kept.insert(Drawn { svg: Bytes::from(svg), tag, at: Instant::now() }).clone()
        });
        drawing.await.map_err(|_| RequestError::NotFound)
    }
}
