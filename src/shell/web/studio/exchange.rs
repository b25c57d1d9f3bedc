//! The script for print, and archives of recordings.

use std::io::Cursor;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderValue};

use super::replies::{json, refused};
use super::service::{Asked, RECORDING_WAIT, StudioService};
use crate::reply::{self, Reply};
use base::Lang;
use studio_store::SlotFilter;
use web::RequestError;
use web::studio::{Query, StudioError};

impl StudioService {
    /// The script for print: a page that stands alone, with a style of its own and nothing that runs.
    pub(super) async fn script(&self, request: Asked) -> Result<Reply, StudioError> {
        let wanted = wanted(&request.query)?;
        let page = self.blocking(move |stores| stores.studio.page(&wanted).map_err(refused)).await?;
        let mut reply = reply::studio(StatusCode::OK, "text/html; charset=utf-8", page);
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAPER));
        Ok(reply)
    }

    /// One archive at a time: it is made in memory.
    pub(super) async fn export(&self, request: Asked) -> Result<Reply, StudioError> {
        let wanted = wanted(&request.query)?;
        let _turn = self.turn(&self.archives, RECORDING_WAIT).await?;
        let archive = self
            .recording(move |studio| {
                let mut archive = Cursor::new(Vec::new());
                studio.export(&mut archive, &wanted).map_err(refused)?;
                Ok(archive.into_inner())
            })
            .await?;
        let mut reply = reply::studio(StatusCode::OK, "application/zip", archive);
        reply.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=prompts.zip"));
        Ok(reply)
    }

    /// Takes an archive in whole, or not at all; the reply names every file.
    pub(super) async fn import(&self, bytes: Bytes, request: Asked) -> Result<Reply, StudioError> {
        let Asked { session, query, .. } = request;
        let label: String =
            query.get("label").unwrap_or("").chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX).collect();
        self.recording(move |studio| {
            let imported = studio.import(&session.operator, Cursor::new(bytes), &label, false).map_err(refused)?;
            Ok(json(&imported))
        })
        .await
    }
}

fn wanted(query: &Query) -> Result<SlotFilter, StudioError> {
    let lang = match query.get("lang") {
        Some(code) => {
            let must = "must be zh, yue or en";
            Some(Lang::from_code(code).ok_or(RequestError::Field { field: "lang", must })?)
        }
        None => None,
    };
    let is = |name| query.get(name) == Some("1");
    Ok(SlotFilter { lang, to_record: is("to_record"), script_only: is("script_only") })
}

const PAPER: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const LABEL_CHARS_MAX: usize = 120;
