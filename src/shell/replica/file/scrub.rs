//! Scrubs the file continuously: every row's checksum, the order of the keys, the number of rows.
//!
//! ```text
//!  count the rows, compare with `state` ─ slice of rows ─ wait ─ slice ─ … ─ the last key
//!        └ rows are missing                    └ a row or a page is damaged
//!                  └──────────────┬───────────────────┘
//!                  alarm; the row is not served; a full snapshot is requested from the source
//! ```
//!
//! SQLite's integrity check does not detect a flipped bit in a value, and scanning the rows reads every page of their tree.
//! No read transaction lasts longer than a slice, except the count, which takes seconds on the largest copies. The count
//! comes first, since rows hidden by a damaged page would be answered as "not found".

use rusqlite::Connection;

use replica::Row;

use crate::file::{failure, state};

/// One pass over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    counted: bool,
    /// The last key that was checked.
    after: Option<i64>,
    /// Rows checked so far.
    pub rows: u64,
    pub damage: Damage,
}

/// The damage that a pass found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Damage {
    /// Rows whose checksum or version does not match.
    pub rows: u64,
    /// Structural faults in SQLite's words; at most 20, since one fault causes many.
    pub structure: Vec<String>,
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slice {
    More,
    /// The pass is over.
    Last,
}

impl Damage {
    /// Whether the file is sound.
    pub fn is_none(&self) -> bool {
        self.rows == 0 && self.structure.is_empty()
    }

    fn note(&mut self, what: String) {
        if self.structure.len() < STRUCTURE_MAX && !self.structure.contains(&what) {
            self.structure.push(what);
        }
    }
}

impl Pass {
    /// Checks the next rows. An unreadable page ends the pass, since the rows behind it cannot be reached.
    pub(crate) fn slice(&mut self, connection: &Connection, rows: u32) -> rusqlite::Result<Slice> {
        if !self.counted {
            self.count(connection)?;
            self.counted = true;
        }
        match self.rows_after(connection, rows) {
            Ok(seen) if seen == rows => Ok(Slice::More),
            Ok(_) => Ok(Slice::Last),
            Err(error) => self.failed(error),
        }
    }

    fn rows_after(&mut self, connection: &Connection, most: u32) -> rusqlite::Result<u32> {
        // Keys are 0 or more.
        let sql = "SELECT key, version, row FROM cases WHERE key > ?1 ORDER BY key LIMIT ?2";
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query((self.after.unwrap_or(-1), most))?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            if self.after.is_some_and(|after| key <= after) {
                self.damage.note("the keys are out of order".into());
                // Continuing from a key that goes backwards might never end.
                return Ok(0);
            }
            self.after = Some(key);
            let version: i64 = row.get(1).unwrap_or(-1);
            let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
            let sound = Row::decode(key, bytes).is_ok_and(|row| row.case.version.cast_signed() == version);
            self.damage.rows += u64::from(!sound);
            self.rows += 1;
            seen += 1;
        }
        Ok(seen)
    }

    fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT (SELECT count(*) FROM cases), (SELECT rows FROM state)";
        let counted = connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        if let Err(error) = state::read(connection) {
            return self.failed(error).map(drop);
        }
        match counted {
            Ok((held, said)) if held == said => Ok(()),
            Ok((held, said)) => {
                self.damage.note(format!("{held} rows found, {said} expected"));
                Ok(())
            }
            Err(error) => self.failed(error).map(drop),
        }
    }

    fn failed(&mut self, error: rusqlite::Error) -> rusqlite::Result<Slice> {
        if failure::is_damage(&error) {
            self.damage.note(error.to_string());
            return Ok(Slice::Last);
        }
        Err(error)
    }
}

/// Scrubs the whole file at once, and runs SQLite's integrity check.
pub(crate) fn whole(connection: &Connection) -> rusqlite::Result<Pass> {
    let mut pass = Pass::default();
    while pass.slice(connection, WHOLE_SLICE)? == Slice::More {}
    let mut check = connection.prepare("PRAGMA integrity_check(20)")?;
    let said = check.query_map([], |row| row.get::<_, String>(0)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match said {
        Ok(said) => said.into_iter().filter(|line| line != "ok").for_each(|line| pass.damage.note(line)),
        Err(error) => drop(pass.failed(error)?),
    }
    Ok(pass)
}

const STRUCTURE_MAX: usize = 20;
const WHOLE_SLICE: u32 = 10_000;
