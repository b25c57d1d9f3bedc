//! The sessions of browsers: found by their cookie, listed, ended.

use std::time::Duration;

use jiff::Timestamp;

use base::Private;
use os::clock;
use studio::Operator;

use super::account::AccountEvent;
use super::error::AccountError;
use super::file::{self, Account, hashed};
use super::handle::{Accounts, before, signed};
use super::session::{OpenSession, RequestBy, Session};

impl Accounts {
    pub(super) fn session_of(&self, id: i64, account: Account, token: &Private<String>, began: Timestamp) -> Session {
        let ends = began.saturating_add(signed(self.ages.longest)).unwrap_or(Timestamp::MAX);
        let csrf = Private::new(base::hex(&hashed("csrf", &[token.expose()])));
        Session { id, operator: account.operator, must_change: account.must_change, csrf, ends }
    }

    /// The session of a cookie; `None` if it has ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn session(&self, token: &Private<String>, by: RequestBy) -> Result<Option<Session>, AccountError> {
        self.by_token_at(clock::steady(), token, by)
    }

    pub(super) fn by_token_at(
        &self,
        now: Timestamp,
        token: &Private<String>,
        by: RequestBy,
    ) -> Result<Option<Session>, AccountError> {
        let connection = self.lock();
        let Some((open, account)) = file::session(&connection, &hashed("session", &[token.expose()]))? else {
            return Ok(None);
        };
        // One from a time to come was begun while the clock was ahead: it would outlive its length.
        let latest = file::latest(now);
        let ahead = open.began > latest || open.seen > latest;
        if ahead || open.began < before(now, self.ages.longest) || open.seen < before(now, self.ages.idle) {
            file::end(&connection, account.operator.id, open.id)?;
            return Ok(None);
        }
        if by == RequestBy::Person && open.seen < before(now, SEEN_EVERY) {
            file::seen(&connection, open.id, now)?;
        }
        Ok(Some(self.session_of(open.id, account, token, open.began)))
    }

    /// Ends a session of an operator; `false` if there was none. `what` names the event.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end_session(&self, operator: &Operator, session: i64, what: &'static str) -> Result<bool, AccountError> {
        let connection = self.lock();
        let ended = file::end(&connection, operator.id, session)?;
        if ended {
            file::note(&connection, &AccountEvent::of(clock::timestamp(), what, &operator.name, "", ""))?;
        }
        Ok(ended)
    }

    /// The open sessions of an operator, last used first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sessions(&self, operator: &Operator) -> Result<Vec<OpenSession>, AccountError> {
        let now = clock::steady();
        let connection = self.lock();
        file::sweep(&connection, now, before(now, self.ages.longest), before(now, self.ages.idle))?;
        Ok(file::sessions(&connection, operator.id)?)
    }
}

/// How often the last use of a session is written.
const SEEN_EVERY: Duration = Duration::from_secs(30);
