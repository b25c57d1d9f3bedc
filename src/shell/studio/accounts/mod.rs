//! Accounts of the studio: sign-in by password in a browser and by PIN on a telephone, and the sessions of browsers.
//!
//! ```text
//!  name + password ─┐                    ┌─ wrong: counted ─► Refused::Wrong, after a few Refused::Wait
//!                   ├─► waits? ─► Gate ──┤
//!  number + PIN ────┘   (tries)  argon2id└─ right ─► Session: a token for its cookie, kept here as a hash
//! ```
//! A try is counted before it is verified and forgiven afterwards, so that tries at once, and a crash, count as well.
//! Unknown names cost the same time and are counted the same way. A browser that its holder has signed in with before
//! is counted by itself: whoever guesses from elsewhere cannot lock the holder out.
//!
//! All methods block; call them from a thread that may.

mod change;
mod file;
pub mod first;
mod gate;
mod tries;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

pub use self::change::NewAccount;
use self::file::{Field, hashed};
use self::gate::{Gate, Inside};
use self::tries::Tries;
use base::Private;
use os::clock;
use os::folder;
use studio::Operator;
use studio::accounts::{self as rules, RuleError};

/// The accounts of one data folder.
pub struct Accounts {
    connection: Mutex<Connection>,
    gate: Gate,
    ages: SessionAges,
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionAges {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub longest: Duration,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Wrong name, number, password or PIN: which of them is not told.
    #[error("name and password do not belong together: try again")]
    Wrong,
    #[error("too many wrong tries: wait {} seconds", .retry_after.as_secs().max(1))]
    Wait { retry_after: Duration },
    #[error("too many people sign in at once: try again in a moment")]
    Busy,
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Why an account cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the accounts cannot be read or written: {0}; the data folder must be writable by this user, with room")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{path}: written by a newer version (schema {schema}): start that version, or move the file away")]
    Newer { path: String, schema: i64 },
    #[error("{0}")]
    Folder(String),
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error("there is no account {0}; see jindu studio account list")]
    Unknown(String),
    #[error("there is an account {0} already: choose another name")]
    NameTaken(String),
    #[error("the operator number {0} is taken: choose another one, or leave --number out")]
    NumberTaken(String),
    #[error("too much is asked at once, or the system gives no random numbers: try again")]
    Busy,
}

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its place in the list of its operator's sessions.
    pub id: i64,
    pub operator: Operator,
    /// What every request that changes something must carry besides the cookie.
    pub csrf: Private<String>,
    /// When it ends at the latest.
    pub ends: Timestamp,
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub session: Session,
    /// For the session's cookie.
    pub token: Private<String>,
    /// For the cookie that makes this browser known; the one that was sent, if it was.
    pub device: Private<String>,
}

/// Where a sign-in comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub address: IpAddr,
    /// The browser's name for itself.
    pub agent: String,
    /// The cookie that makes the browser known.
    pub device: Option<Private<String>>,
}

/// An open session in its operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub id: i64,
    pub agent: String,
    pub address: String,
    pub began: Timestamp,
    pub seen: Timestamp,
}

/// An account in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    pub operator: Operator,
    pub has_pin: bool,
    pub signed_in: Option<Timestamp>,
}

/// Something that happened to an account, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    /// `sign_in`, `sign_in_failed`, `phone_sign_in`, `phone_sign_in_failed`, `sign_out`, `password`, `pin`, `role`,
    /// `add`, `remove`, `unlock`, `end_session`.
    pub what: String,
    /// The account; `-` where the name is nobody's.
    pub who: String,
    /// Who did it, where that is somebody else.
    pub by: String,
    pub from: String,
}

impl Accounts {
    /// Opens the accounts of a data folder, and makes their file if there is none.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(data: &Path, ages: SessionAges) -> Result<Accounts, AccountError> {
        let studio = data.join("studio");
        folder::make(&studio).map_err(AccountError::Folder)?;
        let connection = file::open(&studio.join("accounts.sqlite3"))?;
        Ok(Accounts { connection: Mutex::new(connection), gate: Gate::default(), ages })
    }

    /// Everybody who can sign in, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<AccountRow>, AccountError> {
        Ok(file::list(&self.lock())?)
    }

    /// Signs a browser in.
    ///
    /// # Errors
    /// Why not.
    pub fn sign_in(&self, name: &str, password: &Private<String>, from: &Origin) -> Result<SignedIn, Refused> {
        self.sign_in_at(clock::timestamp(), name, password, from)
    }

    fn sign_in_at(
        &self,
        now: Timestamp,
        name: &str,
        password: &Private<String>,
        from: &Origin,
    ) -> Result<SignedIn, Refused> {
        let name = rules::normalized_name(name).unwrap_or_default();
        let device = from.device.as_ref().map(|device| hashed("device", &[device.expose()]));
        let inside = self.gate.enter().ok_or(Refused::Busy)?;
        let (account, tries) = {
            let mut connection = self.lock();
            let account = file::by_name(&connection, &name).map_err(AccountError::from)?;
            let tries = Tries::by_browser(&connection, &name, account.as_ref(), device, from.address)?;
            tries.charge(&mut connection, now)?;
            (account, tries)
        };
        let right = verifies(inside, password, account.as_ref().map(|account| &*account.password));
        let known = account.is_some();
        let Some(account) = account.filter(|_| right) else {
            return Err(self.wrong("sign_in_failed", known.then_some(name), from.address.to_string(), now));
        };
        let mut connection = self.lock();
        Ok(self.begin(&mut connection, account.operator, &tries, from, now)?)
    }

    fn begin(
        &self,
        connection: &mut Connection,
        operator: Operator,
        tries: &Tries,
        from: &Origin,
        now: Timestamp,
    ) -> Result<SignedIn, AccountError> {
        let token = token()?;
        let device = match &from.device {
            Some(device) => device.clone(),
            None => self::token()?,
        };
        let transaction = connection.transaction()?;
        tries.forgive(&transaction)?;
        file::know(&transaction, operator.id, &hashed("device", &[device.expose()]), now)?;
        let agent: String = from.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
        let address = from.address.to_string();
        let id = file::begin(&transaction, operator.id, &hashed("session", &[token.expose()]), &agent, &address, now)?;
        file::change(&transaction, operator.id, &Field::SignedIn(now))?;
        file::note(&transaction, &Event::of(now, "sign_in", &operator.name, "", &address))?;
        file::sweep(&transaction, before(now, self.ages.longest), before(now, self.ages.idle))?;
        transaction.commit()?;
        let session = self.session_of(id, operator, &token, now);
        Ok(SignedIn { session, token, device })
    }

    fn session_of(&self, id: i64, operator: Operator, token: &Private<String>, began: Timestamp) -> Session {
        let ends = began.saturating_add(signed(self.ages.longest)).unwrap_or(Timestamp::MAX);
        Session { id, operator, csrf: Private::new(hex(&hashed("csrf", &[token.expose()]))), ends }
    }

    /// Who a session's cookie belongs to; `None` when the session has ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn by_token(&self, token: &Private<String>) -> Result<Option<Session>, AccountError> {
        self.by_token_at(clock::timestamp(), token)
    }

    fn by_token_at(&self, now: Timestamp, token: &Private<String>) -> Result<Option<Session>, AccountError> {
        let connection = self.lock();
        let Some((open, operator)) = file::session(&connection, &hashed("session", &[token.expose()]))? else {
            return Ok(None);
        };
        if open.began < before(now, self.ages.longest) || open.seen < before(now, self.ages.idle) {
            file::end(&connection, operator.id, open.id)?;
            return Ok(None);
        }
        if open.seen < before(now, SEEN_EVERY) {
            file::seen(&connection, open.id, now)?;
        }
        Ok(Some(self.session_of(open.id, operator, token, open.began)))
    }

    /// Who keyed in this number and PIN. `caller` is whatever tells one caller from another.
    ///
    /// # Errors
    /// Why nobody did.
    pub fn pin(&self, number: &str, pin: &Private<String>, caller: &str) -> Result<Operator, Refused> {
        self.pin_at(clock::timestamp(), number, pin, caller)
    }

    fn pin_at(&self, now: Timestamp, number: &str, pin: &Private<String>, caller: &str) -> Result<Operator, Refused> {
        let inside = self.gate.enter().ok_or(Refused::Busy)?;
        let tries = Tries::by_phone(number, caller);
        let account = {
            let mut connection = self.lock();
            tries.charge(&mut connection, now)?;
            file::by_number(&connection, number).map_err(AccountError::from)?
        };
        let right = verifies(inside, pin, account.as_ref().and_then(|account| account.pin.as_deref()));
        let known = account.as_ref().map(|account| account.operator.name.clone());
        let Some(account) = account.filter(|_| right) else {
            return Err(self.wrong("phone_sign_in_failed", known, "phone".into(), now));
        };
        let mut connection = self.lock();
        let committed = (|| {
            let transaction = connection.transaction()?;
            tries.forgive(&transaction)?;
            file::note(&transaction, &Event::of(now, "phone_sign_in", &account.operator.name, "", "phone"))?;
            transaction.commit()
        })();
        committed.map_err(AccountError::from)?;
        Ok(account.operator)
    }

    /// Notes a failed sign-in. A name that is nobody's is not kept: it may be a password in the wrong field.
    fn wrong(&self, what: &str, name: Option<String>, from: String, now: Timestamp) -> Refused {
        let who = name.as_deref().unwrap_or("-");
        match file::note(&self.lock(), &Event::of(now, what, who, "", &from)) {
            Ok(()) => Refused::Wrong,
            Err(error) => Refused::Account(error.into()),
        }
    }

    /// Ends a session of its own operator; whether there was one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end_session(&self, operator: &Operator, session: i64, what: &'static str) -> Result<bool, AccountError> {
        let connection = self.lock();
        let ended = file::end(&connection, operator.id, session)?;
        if ended {
            file::note(&connection, &Event::of(clock::timestamp(), what, &operator.name, "", ""))?;
        }
        Ok(ended)
    }

    /// The open sessions of an operator, the one used last first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sessions(&self, operator: &Operator) -> Result<Vec<Open>, AccountError> {
        let now = clock::timestamp();
        let connection = self.lock();
        file::sweep(&connection, before(now, self.ages.longest), before(now, self.ages.idle))?;
        Ok(file::sessions(&connection, operator.id)?)
    }

    /// What happened to accounts, the newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn events(&self, max: u32) -> Result<Vec<Event>, AccountError> {
        Ok(file::events(&self.lock(), max)?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    fn of(at: Timestamp, what: &str, who: &str, by: &str, from: &str) -> Event {
        Event { at, what: what.into(), who: who.into(), by: by.into(), from: from.into() }
    }
}

/// Whether a secret is the one of this hash; leaves the gate. Argon2 reads the whole text, so that one longer than any
/// secret may be is not given to it.
fn verifies(inside: Inside, secret: &Private<String>, hash: Option<&str>) -> bool {
    secret.expose().len() <= rules::PASSWORD_BYTES_MAX && inside.verifies(secret.expose(), hash)
}

/// 256 bits that nobody can guess, as hex.
fn token() -> Result<Private<String>, AccountError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Busy)?;
    Ok(Private::new(hex(&bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.saturating_sub(signed(age)).unwrap_or(Timestamp::MIN)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

const AGENT_CHARS_MAX: usize = 120;
/// A session's last use is written down at most so often.
const SEEN_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
