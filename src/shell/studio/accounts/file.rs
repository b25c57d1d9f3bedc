//! The accounts' file, `<data>/studio/accounts.sqlite3`: a serving node and the command line both write it.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use os::clock;
use studio::lockout::{FORGOTTEN_AFTER, LockoutRule};
use studio::{Operator, Role};

use super::account::{AccountEvent, AccountRow};
use super::error::AccountError;
use super::session::OpenSession;
use super::sip_table;

/// SHA-256 of what is not stored itself: a token, a mistyped name, an address.
pub(super) type Hashed = [u8; 32];

/// The hash of parts, kept apart from other kinds by `kind`.
pub(super) fn hashed(kind: &str, parts: &[&str]) -> Hashed {
    let mut hash = Sha256::new();
    for part in std::iter::once(&kind).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Opens the file, and creates it if there is none.
pub(super) fn open(path: &Path) -> Result<Connection, AccountError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if schema > SCHEMA {
        return Err(AccountError::Newer { path: path.display().to_string(), schema });
    }
    connection.execute_batch(PRAGMAS)?;
    if schema < SCHEMA {
        migrate(&connection)?;
    }
    Ok(connection)
}

/// Creates what the file's schema lacks. It is read again inside the transaction: a node and a command may both migrate.
fn migrate(connection: &Connection) -> Result<(), AccountError> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let schema: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if schema < 1 {
        transaction.execute_batch(TABLES)?;
    }
    if schema < 2 {
        transaction.execute_batch(sip_table::TABLE)?;
    }
    if schema < 3 {
        transaction.execute_batch(MUST_CHANGE)?;
    }
    if schema < 4 {
        transaction.execute_batch(AGENTS)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    Ok(transaction.commit()?)
}

/// An account with its hashes.
pub(super) struct Account {
    pub operator: Operator,
    pub password: String,
    pub pin: Option<String>,
    /// The password was chosen by another person than its holder.
    pub must_change: bool,
}

fn account(row: &Row) -> rusqlite::Result<Account> {
    let (password, pin) = (row.get("password")?, row.get("pin")?);
    Ok(Account { operator: operator(row)?, password, pin, must_change: row.get("must_change")? })
}

fn operator(row: &Row) -> rusqlite::Result<Operator> {
    let role: String = row.get("role")?;
    let role = Role::named(&role).unwrap_or(Role::Operator);
    Ok(Operator { id: row.get("id")?, name: row.get("name")?, number: row.get("number")?, role })
}

/// The account with a name, unless it is removed.
pub(super) fn by_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<Account>> {
    let sql = "SELECT * FROM accounts WHERE name = ?1 AND removed_us IS NULL";
    connection.prepare_cached(sql)?.query_row([name], account).optional()
}

/// The account with a number, unless it is removed.
pub(super) fn by_number(connection: &Connection, number: &str) -> rusqlite::Result<Option<Account>> {
    let sql = "SELECT * FROM accounts WHERE number = ?1 AND removed_us IS NULL";
    connection.prepare_cached(sql)?.query_row([number], account).optional()
}

/// All accounts that are not removed, by name.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<AccountRow>> {
    let sql = "SELECT * FROM accounts WHERE removed_us IS NULL ORDER BY name";
    let row = |row: &Row| {
        let signed_in: Option<i64> = row.get("signed_in_us")?;
        Ok(AccountRow {
            operator: operator(row)?,
            has_pin: row.get::<_, Option<String>>("pin")?.is_some(),
            must_change: row.get("must_change")?,
            sip_realm: sip_table::realm(connection, row.get("id")?)?,
            signed_in: signed_in.and_then(|us| Timestamp::from_microsecond(us).ok()),
        })
    };
    connection.prepare_cached(sql)?.query_map([], row)?.collect()
}

/// Whether there is an account, or was one.
pub(super) fn any(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM accounts)", [], |row| row.get(0))
}

/// The number after the highest of three digits that was ever given; 101 at first.
pub(super) fn next_number(connection: &Connection) -> rusqlite::Result<String> {
    let sql = "SELECT coalesce(max(CAST(number AS INTEGER)), 100) + 1 FROM accounts WHERE length(number) = 3";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|number| number.max(101).to_string())
}

/// Adds an account; its id.
pub(super) fn add(connection: &Connection, account: &Account) -> rusqlite::Result<i64> {
    let Account { operator, password, pin, must_change } = account;
    let sql = "INSERT INTO accounts (name, number, role, password, pin, must_change) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection
        .execute(sql, params![operator.name, operator.number, operator.role.code(), password, pin, must_change])?;
    Ok(connection.last_insert_rowid())
}

/// A field of an account that can be changed.
pub(super) enum Field<'a> {
    Password(&'a str),
    MustChange(bool),
    Pin(&'a str),
    Role(Role),
    Removed(Timestamp),
    SignedIn(Timestamp),
}

pub(super) fn change(connection: &Connection, id: i64, field: &Field) -> rusqlite::Result<()> {
    let set = |column: &str, value: &dyn rusqlite::ToSql| {
        connection.execute(&format!("UPDATE accounts SET {column} = ?2 WHERE id = ?1"), params![id, value]).map(drop)
    };
    match field {
        Field::Password(hash) => set("password", hash),
        Field::MustChange(must) => set("must_change", must),
        Field::Pin(hash) => set("pin", hash),
        Field::Role(role) => set("role", &role.code()),
        Field::Removed(at) => set("removed_us", &at.as_microsecond()),
        Field::SignedIn(at) => set("signed_in_us", &at.as_microsecond()),
    }
}

/// How much longer a key must wait under a rule.
pub(super) fn wait(
    connection: &Connection,
    key: &Hashed,
    rule: &LockoutRule,
    now: Timestamp,
) -> rusqlite::Result<Option<Duration>> {
    let sql = "SELECT failures, last_us FROM tries WHERE key = ?1";
    let found = connection.prepare_cached(sql)?.query_row([key], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
    let Some((failures, last_us)) = found.optional()? else { return Ok(None) };
    Ok(rule.wait(failures, since(last_us, now)))
}

/// The latest time that something stored can be of. What is later was stored while the clock was ahead.
pub(super) fn latest(now: Timestamp) -> Timestamp {
    now.saturating_add(CLOCK_SLACK).unwrap_or(Timestamp::MAX)
}

/// A failure from a time to come is forgotten, or it would lock its account until then.
fn since(last_us: i64, now: Timestamp) -> Duration {
    if last_us > latest(now).as_microsecond() {
        return FORGOTTEN_AFTER;
    }
    Duration::from_micros(u64::try_from(now.as_microsecond().saturating_sub(last_us)).unwrap_or(0))
}

/// Counts a failure. Those of a day ago are deleted; of too many, the oldest.
pub(super) fn failed(connection: &Connection, key: &Hashed, now: Timestamp) -> rusqlite::Result<()> {
    let now_us = now.as_microsecond();
    let old_us = now_us.saturating_sub_unsigned(FORGOTTEN_AFTER.as_micros() as u64);
    let ahead_us = latest(now).as_microsecond();
    connection.execute("DELETE FROM tries WHERE last_us < ?1 OR last_us > ?2", [old_us, ahead_us])?;
    let count: i64 = connection.query_row("SELECT count(*) FROM tries", [], |row| row.get(0))?;
    if count >= ATTEMPTS_MAX {
        let sql = "DELETE FROM tries WHERE key IN (SELECT key FROM tries ORDER BY last_us LIMIT ?1)";
        connection.execute(sql, [ATTEMPTS_MAX / 10])?;
    }
    let sql = "INSERT INTO tries (key, failures, last_us) VALUES (?1, 1, ?2)
               ON CONFLICT (key) DO UPDATE SET failures = failures + 1, last_us = ?2";
    connection.prepare_cached(sql)?.execute(params![key, now_us]).map(drop)
}

/// Takes one failure back.
pub(super) fn forgive(connection: &Connection, key: &Hashed) -> rusqlite::Result<()> {
    connection.execute("UPDATE tries SET failures = failures - 1 WHERE key = ?1 AND failures > 0", [key]).map(drop)
}

/// Deletes all failures of a key.
pub(super) fn clear(connection: &Connection, key: &Hashed) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM tries WHERE key = ?1", [key]).map(drop)
}

/// Whether this browser has signed in to the account before.
pub(super) fn is_known(connection: &Connection, account: i64, device: &Hashed) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM devices WHERE account = ?1 AND device = ?2";
    connection.prepare_cached(sql)?.exists(params![account, device])
}

/// Clears the counters whose keys begin so.
pub(super) fn clear_all(connection: &Connection, prefix: &[u8; 16]) -> rusqlite::Result<()> {
    let (first, last) = ([&prefix[..], &[0; 16]].concat(), [&prefix[..], &[0xFF; 16]].concat());
    connection.execute("DELETE FROM tries WHERE key BETWEEN ?1 AND ?2", [first, last]).map(drop)
}

/// Records a browser or a telephone; an account keeps the 20 used last.
pub(super) fn know(connection: &Connection, account: i64, device: &Hashed, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO devices (account, device, used_us) VALUES (?1, ?2, ?3)
               ON CONFLICT (account, device) DO UPDATE SET used_us = ?3";
    connection.execute(sql, params![account, device, now.as_microsecond()])?;
    let sql = "DELETE FROM devices WHERE account = ?1 AND device NOT IN
               (SELECT device FROM devices WHERE account = ?1 ORDER BY used_us DESC LIMIT 20)";
    connection.execute(sql, [account]).map(drop)
}

/// Begins a session; an account keeps the 20 newest.
pub(super) fn begin(
    connection: &Connection,
    account: i64,
    token: &Hashed,
    agent: &str,
    from: &str,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    let sql =
        "INSERT INTO sessions (account, token, agent, address, began_us, seen_us) VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    connection.execute(sql, params![account, token, agent, from, now.as_microsecond()])?;
    let id = connection.last_insert_rowid();
    let sql = "DELETE FROM sessions WHERE account = ?1 AND id NOT IN
               (SELECT id FROM sessions WHERE account = ?1 ORDER BY began_us DESC, id DESC LIMIT 20)";
    connection.execute(sql, [account])?;
    Ok(id)
}

/// The open session with a token, and its account.
pub(super) fn session(connection: &Connection, token: &Hashed) -> rusqlite::Result<Option<(OpenSession, Account)>> {
    let sql = "SELECT sessions.id AS session, agent, address, began_us, seen_us, accounts.* FROM sessions
               JOIN accounts ON accounts.id = sessions.account WHERE token = ?1 AND removed_us IS NULL";
    connection.prepare_cached(sql)?.query_row([token], |row| Ok((open_session(row)?, account(row)?))).optional()
}

fn open_session(row: &Row) -> rusqlite::Result<OpenSession> {
    let at = |name| Ok::<_, rusqlite::Error>(Timestamp::from_microsecond(row.get(name)?).unwrap_or_default());
    Ok(OpenSession {
        id: row.get("session")?,
        agent: row.get("agent")?,
        address: row.get("address")?,
        began: at("began_us")?,
        seen: at("seen_us")?,
    })
}

/// The sessions of an account, last used first.
pub(super) fn sessions(connection: &Connection, account: i64) -> rusqlite::Result<Vec<OpenSession>> {
    let sql = "SELECT id AS session, agent, address, began_us, seen_us FROM sessions WHERE account = ?1
               ORDER BY seen_us DESC";
    connection.prepare_cached(sql)?.query_map([account], open_session)?.collect()
}

pub(super) fn seen(connection: &Connection, session: i64, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE sessions SET seen_us = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![session, now.as_microsecond()]).map(drop)
}

/// Ends one session of an account; `false` if there was none.
pub(super) fn end(connection: &Connection, account: i64, session: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM sessions WHERE account = ?1 AND id = ?2";
    Ok(connection.execute(sql, params![account, session])? > 0)
}

/// Ends all sessions of an account but one.
pub(super) fn end_others(connection: &Connection, account: i64, but: Option<i64>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM sessions WHERE account = ?1 AND id IS NOT ?2";
    connection.execute(sql, params![account, but]).map(drop)
}

/// Ends sessions that began or were last used before these times, or in a time to come.
pub(super) fn sweep(
    connection: &Connection,
    now: Timestamp,
    began: Timestamp,
    seen: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM sessions WHERE began_us < ?1 OR seen_us < ?2 OR began_us > ?3 OR seen_us > ?3";
    let latest = latest(now).as_microsecond();
    connection.execute(sql, params![began.as_microsecond(), seen.as_microsecond(), latest]).map(drop)
}

/// Records an event. Those older than 400 days are deleted.
pub(super) fn note(connection: &Connection, event: &AccountEvent) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events (at_us, what, who, by, address) VALUES (?1, ?2, ?3, ?4, ?5)";
    let AccountEvent { at, what, who, by, from } = event;
    connection.prepare_cached(sql)?.execute(params![at.as_microsecond(), what, who, by, from])?;
    let old = clock::steady().saturating_sub(EVENTS_KEPT).unwrap_or(Timestamp::MIN);
    connection.execute("DELETE FROM events WHERE at_us < ?1", [old.as_microsecond()]).map(drop)
}

/// The newest events, newest first.
pub(super) fn events(connection: &Connection, max: u32) -> rusqlite::Result<Vec<AccountEvent>> {
    let sql = "SELECT at_us, what, who, by, address FROM events ORDER BY id DESC LIMIT ?1";
    let event = |row: &Row| {
        Ok(AccountEvent {
            at: Timestamp::from_microsecond(row.get(0)?).unwrap_or_default(),
            what: row.get(1)?,
            who: row.get(2)?,
            by: row.get(3)?,
            from: row.get(4)?,
        })
    };
    connection.prepare_cached(sql)?.query_map([max], event)?.collect()
}

const TABLES: &str = "
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, number TEXT NOT NULL, role TEXT NOT NULL,
        password TEXT NOT NULL, pin TEXT, signed_in_us INTEGER, removed_us INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX accounts_name ON accounts (name) WHERE removed_us IS NULL;
    CREATE UNIQUE INDEX accounts_number ON accounts (number) WHERE removed_us IS NULL;
    CREATE TABLE tries (key BLOB PRIMARY KEY, failures INTEGER NOT NULL, last_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX tries_last ON tries (last_us);
    CREATE TABLE devices (
        account INTEGER NOT NULL, device BLOB NOT NULL, used_us INTEGER NOT NULL, PRIMARY KEY (account, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, token BLOB NOT NULL UNIQUE, agent TEXT NOT NULL,
        address TEXT NOT NULL, began_us INTEGER NOT NULL, seen_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL,
        by TEXT NOT NULL, address TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_at ON events (at_us);
    CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event never changes'); END;";
const MUST_CHANGE: &str = "ALTER TABLE accounts ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0;";
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
const SCHEMA: i64 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS_MAX: i64 = 20_000;
/// How far the clock may go back, as it does when a node boots before its upstream is heard.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// The table of agents, added by schema 4.
const AGENTS: &str = "
    CREATE TABLE agents (
        account INTEGER PRIMARY KEY, queues TEXT NOT NULL, skills TEXT NOT NULL, address TEXT
    ) STRICT;";
