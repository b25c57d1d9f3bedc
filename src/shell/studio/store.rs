//! The studio's store: takes and their states, in SQLite (WAL). A transaction is synced before its method returns. The
//! audit log is only appended to: triggers reject any change.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use base::{Lang, bilingual};
use speech::Clip;
use studio::{TakeName, TakeSource, TakeState};

use crate::rejection::Rejection;
use crate::row::{AuditRow, Person, TakeReport, TakeRow};

/// The file `studio.sqlite3`.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
}

/// One line of the audit log, without actor and time.
#[derive(Debug, Default)]
pub(crate) struct Action<'a> {
    pub what: &'a str,
    pub slot: Option<&'a Clip>,
    pub take: Option<&'a TakeName>,
    pub release: Option<&'a str>,
    pub why: &'a str,
}

/// Who acts, and when.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub who: Person,
    pub at: Timestamp,
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Store, Rejection> {
        let path = folder.join("studio.sqlite3");
        let connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let (application, schema): (i64, i64) = (
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
            connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
        );
        if schema > SCHEMA {
            return Err(Rejection::Fault(bilingual!(
                "{}: written by a newer version: start that version",
                "{}：由更新的版本写成，请启动该版本",
                path.display()
            )));
        }
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        if application != APPLICATION {
            connection.execute_batch(CREATE)?;
        }
        // Files of earlier versions lack it. It is made once the disk allows it; the studio is only slower without it.
        let _ = connection.execute_batch(AUDIT_BY_TAKE);
        Ok(Store { connection })
    }

    /// Runs `work` in one transaction: its changes and its audit lines are stored together, or not at all.
    pub(crate) fn update<T>(
        &mut self,
        actor: &Actor,
        work: impl FnOnce(&Update<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let update = Update { transaction, actor };
        let done = work(&update)?;
        update.transaction.commit()?;
        Ok(done)
    }

    /// Every take that is not discarded, oldest first.
    pub(crate) fn takes(&self) -> Result<Vec<TakeRow>, Rejection> {
        self.select("WHERE state <> 'discarded' ORDER BY rowid", params![])
    }

    /// All takes of a slot, discarded ones too, newest first.
    pub(crate) fn history(&self, slot: &Clip) -> Result<Vec<TakeRow>, Rejection> {
        self.select("WHERE lang = ?1 AND slot = ?2 ORDER BY rowid DESC", params![slot.lang.code(), &*slot.id])
    }

    pub(crate) fn take(&self, name: &TakeName) -> Result<Option<TakeRow>, Rejection> {
        Ok(self.select("WHERE name = ?1", params![name.as_str()])?.pop())
    }

    /// Up to two takes whose name starts with `prefix`.
    pub(crate) fn named(&self, prefix: &str) -> Result<Vec<TakeRow>, Rejection> {
        self.select("WHERE substr(name, 1, length(?1)) = ?1 LIMIT 2", params![prefix])
    }

    /// The take of the same upload for this slot and text.
    pub(crate) fn same(&self, slot: &Clip, text: &str, original: &str) -> Result<Option<TakeRow>, Rejection> {
        let of = "WHERE lang = ?1 AND slot = ?2 AND text = ?3 AND original = ?4 AND state <> 'discarded' LIMIT 1";
        Ok(self.select(of, params![slot.lang.code(), &*slot.id, text, original])?.pop())
    }

    /// The speech levels of a sitting so far, in dBov before any gain.
    pub(crate) fn levels(&self, sitting: &str) -> Result<Vec<f64>, Rejection> {
        let of = "SELECT level_dbov FROM takes WHERE sitting = ?1 AND state <> 'discarded' AND good";
        let mut select = self.connection.prepare_cached(of)?;
        let rows = select.query_map([sitting], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Slots whose factory recording the next publication restores, and who asked for it.
    pub(crate) fn restores(&self) -> Result<Vec<(Clip, Person)>, Rejection> {
        let mut select = self.connection.prepare_cached("SELECT lang, slot, by_id, by_name FROM restores")?;
        let rows = select.query_map([], |row| Ok((clip(row, 0)?, Person { id: row.get(2)?, name: row.get(3)? })))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The numbers of all slots; ids without one are given the next ones.
    pub(crate) fn numbers<'a>(&mut self, ids: impl Iterator<Item = &'a str>) -> Result<Vec<(String, u32)>, Rejection> {
        let known = self.known_numbers()?;
        let have: BTreeSet<&str> = known.iter().map(|(id, _)| &**id).collect();
        let mut new: Vec<&str> = ids.filter(|id| !have.contains(id)).collect();
        if new.is_empty() {
            return Ok(known);
        }
        let mut seen = BTreeSet::new();
        new.retain(|id| seen.insert(*id));
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in new {
            transaction.execute(
                "INSERT OR IGNORE INTO slots (number, id) SELECT coalesce(max(number), ?1) + 1, ?2 FROM slots",
                params![FIRST_NUMBER - 1, id],
            )?;
        }
        transaction.commit()?;
        self.known_numbers()
    }

    fn known_numbers(&self) -> Result<Vec<(String, u32)>, Rejection> {
        let mut select = self.connection.prepare_cached("SELECT id, number FROM slots")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The audit log, newest first.
    pub(crate) fn audit(&self, before: Option<i64>, most: u32) -> Result<Vec<AuditRow>, Rejection> {
        let of = "SELECT id, at, by_id, by_name, what, lang, slot, take, release, why FROM audit WHERE id < ?1
                  ORDER BY id DESC LIMIT ?2";
        let mut select = self.connection.prepare_cached(of)?;
        let rows = select.query_map(params![before.unwrap_or(i64::MAX), most], |row| {
            Ok(AuditRow {
                id: row.get(0)?,
                at: timestamp(row, 1)?,
                who: Person { id: row.get(2)?, name: row.get(3)? },
                what: row.get(4)?,
                lang: row.get(5)?,
                slot: row.get(6)?,
                take: row.get(7)?,
                release: row.get(8)?,
                why: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Takes discarded before a time and never published, whose files exist.
    pub(crate) fn discarded(&self, before: Timestamp) -> Result<Vec<TakeRow>, Rejection> {
        let of = "WHERE state = 'discarded' AND release IS NULL AND NOT tidied AND discarded_at < ?1";
        self.select(of, params![before.as_microsecond()])
    }

    fn select(&self, clause: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<TakeRow>, Rejection> {
        let mut select = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM takes {clause}"))?;
        let rows = select.query_map(values, take)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// A transaction under way.
pub(crate) struct Update<'a> {
    transaction: Transaction<'a>,
    actor: &'a Actor,
}

impl Update<'_> {
    pub(crate) fn note(&self, action: &Action<'_>) -> Result<(), Rejection> {
        self.transaction.execute(
            "INSERT INTO audit (at, by_id, by_name, what, lang, slot, take, release, why)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                self.actor.at.as_microsecond(),
                self.actor.who.id,
                self.actor.who.name,
                action.what,
                action.slot.map(|slot| slot.lang.code()),
                action.slot.map(|slot| &*slot.id),
                action.take.map(TakeName::as_str),
                action.release,
                action.why,
            ],
        )?;
        Ok(())
    }

    /// Adds a take; `false` if it is stored already.
    pub(crate) fn add(&self, take: &TakeRow) -> Result<bool, Rejection> {
        let report = serde_json::to_string(&take.report).map_err(|error| Rejection::Fault(error.to_string().into()))?;
        let added = self.transaction.execute(
            "INSERT INTO takes (name, lang, slot, text, state, kind, label, sitting, by_id, by_name, at, original,
                                original_bytes, master, report, level_dbov, good)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT (name) DO UPDATE SET state = excluded.state, tidied = 0 WHERE state = 'discarded'",
            params![
                take.name.as_str(),
                take.lang.code(),
                take.slot,
                take.text,
                take.state.code(),
                take.kind.code(),
                take.label,
                take.sitting,
                take.by.id,
                take.by.name,
                take.at.as_microsecond(),
                take.original,
                take.original_bytes.cast_signed(),
                take.master,
                report,
                take.report.figures.level_in_dbov,
                take.report.is_good(),
            ],
        )?;
        Ok(added > 0)
    }

    /// The take as it stands in this transaction.
    pub(crate) fn take(&self, name: &TakeName) -> Result<TakeRow, Rejection> {
        let found =
            self.transaction.query_row(&format!("SELECT {COLUMNS} FROM takes WHERE name = ?1"), [name.as_str()], take);
        found.optional()?.ok_or_else(|| Rejection::NoTake(name.short().into()))
    }

    /// Moves a take to another state.
    pub(crate) fn state(&self, name: &TakeName, state: TakeState) -> Result<(), Rejection> {
        let at = (state == TakeState::Discarded).then(|| self.actor.at.as_microsecond());
        self.transaction.execute(
            "UPDATE takes SET state = ?2, discarded_at = ?3 WHERE name = ?1",
            params![name.as_str(), state.code(), at],
        )?;
        Ok(())
    }

    /// Approves a take. Earlier approved takes of the slot become drafts again and are returned.
    pub(crate) fn approve(&self, take: &TakeRow) -> Result<Vec<TakeName>, Rejection> {
        let mut select = self.transaction.prepare_cached(
            "UPDATE takes SET state = 'draft' WHERE lang = ?1 AND slot = ?2 AND state = 'approved' AND name <> ?3
             RETURNING name",
        )?;
        let rows = select.query_map(params![take.lang.code(), take.slot, take.name.as_str()], |row| row.get(0))?;
        let before: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
        self.transaction.execute(
            "UPDATE takes SET state = 'approved', approved_id = ?2, approved_name = ?3, approved_at = ?4 WHERE name = ?1",
            params![take.name.as_str(), self.actor.who.id, self.actor.who.name, self.actor.at.as_microsecond()],
        )?;
        self.restore(&take.clip(), false)?;
        Ok(before.iter().filter_map(|name| TakeName::read(name)).collect())
    }

    /// Marks a take as published in a release.
    pub(crate) fn published(&self, name: &TakeName, release: &str) -> Result<(), Rejection> {
        self.transaction.execute(
            "UPDATE takes SET state = 'published', release = coalesce(release, ?2) WHERE name = ?1",
            params![name.as_str(), release],
        )?;
        Ok(())
    }

    /// Requests the factory's recording of a slot, or withdraws the request.
    pub(crate) fn restore(&self, slot: &Clip, on: bool) -> Result<(), Rejection> {
        let (lang, id) = (slot.lang.code(), &*slot.id);
        if on {
            let who = &self.actor.who;
            self.transaction.execute(
                "INSERT OR REPLACE INTO restores (lang, slot, by_id, by_name) VALUES (?1, ?2, ?3, ?4)",
                params![lang, id, who.id, who.name],
            )?;
        } else {
            self.transaction.execute("DELETE FROM restores WHERE lang = ?1 AND slot = ?2", params![lang, id])?;
        }
        Ok(())
    }

    /// Whether any take names this upload, and this master.
    pub(crate) fn names(&self, original: &str, master: &str) -> Result<(bool, bool), Rejection> {
        let of = "SELECT exists(SELECT 1 FROM takes WHERE original = ?1 AND NOT tidied),
                         exists(SELECT 1 FROM takes WHERE master = ?2 AND NOT tidied)";
        Ok(self.transaction.query_row(of, params![original, master], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Marks a take's files as deleted.
    pub(crate) fn tidied(&self, name: &TakeName) -> Result<(), Rejection> {
        self.transaction.execute("UPDATE takes SET tidied = 1 WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }
}

fn take(row: &Row<'_>) -> rusqlite::Result<TakeRow> {
    let lang: Clip = clip(row, 1)?;
    let approver: Option<i64> = row.get(11)?;
    let approved = match approver {
        Some(id) => Some((Person { id, name: row.get(12)? }, timestamp(row, 13)?)),
        None => None,
    };
    let report: String = row.get(18)?;
    Ok(TakeRow {
        name: read(row, 0, TakeName::read)?,
        lang: lang.lang,
        slot: lang.id.to_string(),
        text: row.get(3)?,
        state: read(row, 4, TakeState::from_code)?,
        live: false,
        kind: read(row, 5, TakeSource::from_code)?,
        label: row.get(6)?,
        sitting: row.get(7)?,
        by: Person { id: row.get(8)?, name: row.get(9)? },
        at: timestamp(row, 10)?,
        unheard: approved.is_some() && row.get(19)?,
        approved,
        release: row.get(14)?,
        original: row.get(15)?,
        original_bytes: row.get::<_, i64>(16)?.cast_unsigned(),
        master: row.get(17)?,
        report: serde_json::from_str::<TakeReport>(&report).map_err(|error| wrong(18, error))?,
    })
}

fn clip(row: &Row<'_>, at: usize) -> rusqlite::Result<Clip> {
    let id: String = row.get(at + 1)?;
    Ok(Clip { lang: read(row, at, Lang::from_code)?, id: id.into() })
}

fn timestamp(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(at)?).map_err(|error| wrong(at, error))
}

fn read<T>(row: &Row<'_>, at: usize, from: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    from(&text).ok_or_else(|| wrong(at, format!("{text:?} is unknown to this version")))
}

fn wrong(at: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, why.into())
}

const COLUMNS: &str = "name, lang, slot, text, state, kind, label, sitting, by_id, by_name, at, approved_id,
    approved_name, approved_at, release, original, original_bytes, master, report,
    coalesce((SELECT what = 'approve unheard' FROM audit
        WHERE audit.take = takes.name AND what IN ('approve', 'approve unheard') ORDER BY id DESC LIMIT 1), 0)";
const CREATE: &str = "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS slots (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS takes (
    name TEXT NOT NULL UNIQUE, lang TEXT NOT NULL, slot TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL,
    kind TEXT NOT NULL, label TEXT NOT NULL, sitting TEXT NOT NULL, by_id INTEGER NOT NULL, by_name TEXT NOT NULL,
    at INTEGER NOT NULL, original TEXT NOT NULL, original_bytes INTEGER NOT NULL, master TEXT NOT NULL,
    report TEXT NOT NULL, level_dbov REAL NOT NULL, good INTEGER NOT NULL,
    approved_id INTEGER, approved_name TEXT, approved_at INTEGER, release TEXT,
    discarded_at INTEGER, tidied INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS takes_by_slot ON takes (lang, slot);
CREATE INDEX IF NOT EXISTS takes_by_sitting ON takes (sitting);
CREATE TABLE IF NOT EXISTS restores (
    lang TEXT NOT NULL, slot TEXT NOT NULL, by_id INTEGER NOT NULL, by_name TEXT NOT NULL, PRIMARY KEY (lang, slot));
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, by_id INTEGER NOT NULL, by_name TEXT NOT NULL,
    what TEXT NOT NULL, lang TEXT, slot TEXT, take TEXT, release TEXT, why TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT raise(ABORT, 'the audit is only appended to'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_kept BEFORE DELETE ON audit
    BEGIN SELECT raise(ABORT, 'the audit is only appended to'); END;
PRAGMA application_id = 0x6a647374;
PRAGMA user_version = 1;
COMMIT;";
const AUDIT_BY_TAKE: &str = "CREATE INDEX IF NOT EXISTS audit_by_take ON audit (take)";
const APPLICATION: i64 = 0x6a64_7374;
const SCHEMA: i64 = 1;
/// The command line and a serving node may both write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Three digits on a telephone from the start.
const FIRST_NUMBER: u32 = 101;
