//! Rows that are asked for one by one: those that came without a large value, and those in quarantine.

use std::collections::HashSet;

use base::Private;
use replica::Change;
use replica::upstream::{Field, NAMELESS, UpstreamError, gone, row_id};

use super::catalogue::literal;
use super::copy::change;
use super::out::{copy_out, select};
use super::session::Session;
use super::{Following, Met};

impl Following {
    /// The change that brings a case as the upstream has it by now. What comes later in the stream comes after it.
    pub(super) async fn look(&self, met: &Met, receipt: &Private<String>) -> Result<Change, UpstreamError> {
        let found = self.find(met, &equal(self, receipt)).await?;
        // Written with blanks or strokes, it is found the long way.
        let found = if found.is_empty() { self.find(met, &plain(self, receipt)).await? } else { found };
        Ok(found.into_iter().next_back().unwrap_or_else(|| Change::Delete { receipt: receipt.clone() }))
    }

    /// Rows of the quarantine as the upstream has them by now, by their ids. One without a readable receipt number that
    /// is there no more leaves; one with such a number leaves when the stream tells of it.
    pub(super) async fn again(&self, met: &Met, ids: Vec<String>) -> Result<Vec<(String, Change)>, UpstreamError> {
        let mut ids: HashSet<String> = ids.into_iter().collect();
        let (mapping, bound) = (&self.settings.mapping, self.settings.mapping.bind_copied());
        let mut found = Vec::new();
        let wanted = |row: &[Field<'_>]| {
            let change = change(mapping, &bound, row, 0);
            let id = match &change {
                Change::Bad(bad) => Some(bad.id.clone()),
                Change::Replace(case) => Some(row_id(&Private::new(case.receipt.clone()))),
                Change::Put(_) | Change::Delete { .. } | Change::Truncate | Change::Gone { .. } => None,
            };
            if let Some(id) = id.filter(|id| ids.remove(id)) {
                found.push((id, change));
            }
            Ok(())
        };
        let session = Session::open(&self.settings, &met.server).await?;
        copy_out(&self.settings, &met.server, &session, &select(mapping, &met.catalogue, None), wanted).await?;
        let nameless = ids.into_iter().filter_map(|id| {
            let name = id.strip_prefix("postgres:")?;
            name.starts_with(NAMELESS).then(|| (id.clone(), gone(name)))
        });
        found.extend(nameless);
        Ok(found)
    }

    async fn find(&self, met: &Met, only: &str) -> Result<Vec<Change>, UpstreamError> {
        let mapping = &self.settings.mapping;
        let bound = mapping.bind_copied();
        let sql = select(mapping, &met.catalogue, Some(only));
        let mut found = Vec::new();
        let add = |row: &[Field<'_>]| {
            found.push(change(mapping, &bound, row, 0));
            Ok(())
        };
        copy_out(&self.settings, &met.server, &met.session, &sql, add).await?;
        Ok(found)
    }
}

/// By the number as it is: an index finds it.
fn equal(following: &Following, receipt: &Private<String>) -> String {
    let column = super::catalogue::identifier(following.settings.mapping.receipt_column());
    format!("{column} = {}", literal(receipt.expose()))
}

/// By the number's digits.
fn plain(following: &Following, receipt: &Private<String>) -> String {
    let column = super::catalogue::identifier(following.settings.mapping.receipt_column());
    format!("pg_catalog.translate({column}::text, ' -', '') = {}", literal(receipt.expose()))
}
