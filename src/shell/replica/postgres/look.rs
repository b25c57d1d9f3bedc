//! Rows that are asked for one by one: those that came without a large value, and those in quarantine.

use std::collections::HashSet;

use crate::base::Private;
use crate::replica::upstream::{Field, Step, Trouble, bad};
use crate::replica::{Change, upstream};

use super::catalogue::literal;
use super::copy::change;
use super::out::{copy_out, select, select_receipts};
use super::session::Session;
use super::{Following, Met};

impl Following {
    /// The change that brings a case as the upstream has it by now. What comes later in the stream comes after it.
    pub(super) async fn look(&self, met: &Met, receipt: &Private<String>) -> Result<Change, Trouble> {
        let found = self.find(met, &equal(self, receipt)).await?;
        // Written with blanks or strokes, it is found the long way.
        let found = if found.is_empty() { self.find(met, &plain(self, receipt)).await? } else { found };
        Ok(found.into_iter().next_back().unwrap_or_else(|| Change::Delete { receipt: receipt.clone() }))
    }

    /// Steps that bring rows of the quarantine again. One whose receipt number cannot be read stays there.
    pub(super) async fn again(&self, met: &Met, ids: Vec<String>) -> Result<Vec<Step>, Trouble> {
        let ids: HashSet<String> = ids.into_iter().collect();
        let mapping = &self.settings.mapping;
        let mut steps = Vec::new();
        let wanted = |row: &[Field<'_>]| {
            let [Field::Text(bytes)] = row else { return Ok(()) };
            let Some(receipt) = std::str::from_utf8(bytes).ok().and_then(upstream::receipt) else { return Ok(()) };
            if let Change::Bad(bad) = bad(Some(receipt.clone()), String::new(), 0)
                && ids.contains(&bad.id)
            {
                steps.push(Step::Look(receipt));
            }
            Ok(())
        };
        let session = Session::open(&self.settings, &met.server).await?;
        let sql = select_receipts(mapping, &met.catalogue);
        copy_out(&self.settings, &met.server, &session, &sql, wanted).await?;
        Ok(steps)
    }

    async fn find(&self, met: &Met, only: &str) -> Result<Vec<Change>, Trouble> {
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
