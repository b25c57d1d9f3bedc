//! Reads rows of the table with COPY, over an SQL connection.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use futures_core::Stream;

use config::{Postgres, UpstreamServer};
use replica::upstream::{Catalogue, CopiedRows, Field, Mapping, UpstreamError, UpstreamErrorKind};

use crate::postgres::catalogue::identifier;
use crate::postgres::session::{self, Session};

/// The statement that selects the mapped columns in their order, of the rows that pass the publication's row filter.
pub(super) fn select(mapping: &Mapping, catalogue: &Catalogue, only: Option<&str>) -> String {
    let columns: Vec<String> = mapping.columns().map(|(_, name)| identifier(name)).collect();
    let filter = catalogue.publication.as_ref().and_then(|publication| publication.row_filter.as_deref());
    let wheres: Vec<String> = filter.into_iter().chain(only).map(|condition| format!("({condition})")).collect();
    let wheres = if wheres.is_empty() { String::new() } else { format!(" WHERE {}", wheres.join(" AND ")) };
    format!("SELECT {} FROM {}.{}{wheres}", columns.join(", "), identifier(&mapping.schema), identifier(&mapping.table))
}

/// Runs a SELECT, and calls `row` for each row. Each may take `replica.postgres.silence_s`.
pub(super) async fn copy_out(
    settings: &Postgres,
    server: &UpstreamServer,
    session: &Session,
    select: &str,
    mut row: impl FnMut(&[Field<'_>]) -> Result<(), UpstreamError>,
) -> Result<(), UpstreamError> {
    let wrong = |error| session::of_sql(settings, server, &error);
    let stream = session.client.copy_out(&format!("COPY ({select}) TO STDOUT")).await.map_err(wrong)?;
    let mut stream = pin!(stream);
    let mut copied = CopiedRows::default();
    let limit = settings.silence;
    loop {
        let next = poll_fn(|cx| stream.as_mut().poll_next(cx));
        let chunk: Option<Result<Bytes, _>> = tokio::time::timeout(limit, next).await.map_err(|_| {
            UpstreamError::new(UpstreamErrorKind::Silent, format!("the copy has made no progress for {limit:?}"))
        })?;
        match chunk {
            Some(chunk) => copied.take(&chunk.map_err(wrong)?, &mut row)?,
            None => break,
        }
    }
    Ok(copied.end()?)
}
