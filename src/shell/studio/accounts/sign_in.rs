//! Sign-in by password in a browser, and by PIN on a telephone.

use jiff::Timestamp;
use rusqlite::Connection;

use base::Private;
use os::clock;
use studio::Operator;
use studio::accounts as rules;

use super::account::AccountEvent;
use super::error::{AccountError, SignInError};
use super::file::{self, Account, Field, hashed};
use super::handle::{Accounts, before, token};
use super::hashing::HashPermit;
use super::lockout::{Attempts, PhoneCaller};
use super::session::{Origin, SignedIn};

impl Accounts {
    /// Signs a browser in.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub fn sign_in(&self, name: &str, password: &Private<String>, from: &Origin) -> Result<SignedIn, SignInError> {
        self.sign_in_at(clock::steady(), name, password, from)
    }

    pub(super) fn sign_in_at(
        &self,
        now: Timestamp,
        name: &str,
        password: &Private<String>,
        from: &Origin,
    ) -> Result<SignedIn, SignInError> {
        let name = rules::normalized_name(name).unwrap_or_default();
        let device = from.device.as_ref().map(|device| hashed("device", &[device.expose()]));
        let permit = self.hashing.acquire().ok_or(SignInError::Busy)?;
        let (account, attempts) = {
            let mut connection = self.lock();
            let account = file::by_name(&connection, &name).map_err(AccountError::from)?;
            let attempts = Attempts::by_browser(&connection, &name, account.as_ref(), device, from.address)?;
            attempts.charge(&mut connection, now)?;
            (account, attempts)
        };
        let right = verifies(permit, password, account.as_ref().map(|account| &*account.password));
        let known = account.is_some();
        let Some(account) = account.filter(|_| right) else {
            return Err(self.wrong("sign_in_failed", known.then_some(name), from.address.to_string()));
        };
        let mut connection = self.lock();
        Ok(self.begin(&mut connection, account, &attempts, from, now)?)
    }

    fn begin(
        &self,
        connection: &mut Connection,
        account: Account,
        attempts: &Attempts,
        from: &Origin,
        now: Timestamp,
    ) -> Result<SignedIn, AccountError> {
        let (token, operator) = (token()?, &account.operator);
        let device = match &from.device {
            Some(device) => device.clone(),
            None => self::token()?,
        };
        let transaction = connection.transaction()?;
        attempts.forgive(&transaction)?;
        file::know(&transaction, operator.id, &hashed("device", &[device.expose()]), now)?;
        let agent: String = from.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
        let address = from.address.to_string();
        let id = file::begin(&transaction, operator.id, &hashed("session", &[token.expose()]), &agent, &address, now)?;
        let at = clock::timestamp();
        file::change(&transaction, operator.id, &Field::SignedIn(at))?;
        file::note(&transaction, &AccountEvent::of(at, "sign_in", &operator.name, "", &address))?;
        file::sweep(&transaction, now, before(now, self.ages.longest), before(now, self.ages.idle))?;
        transaction.commit()?;
        let session = self.session_of(id, account, &token, now);
        Ok(SignedIn { session, token, device })
    }

    /// The operator with this number and PIN. `caller` distinguishes callers, for the lockout.
    ///
    /// # Errors
    /// [`Refused`] says why there is none.
    pub fn sign_in_by_phone(
        &self,
        number: &str,
        pin: &Private<String>,
        caller: &PhoneCaller,
    ) -> Result<Operator, SignInError> {
        self.pin_at(clock::steady(), number, pin, caller)
    }

    pub(super) fn pin_at(
        &self,
        now: Timestamp,
        number: &str,
        pin: &Private<String>,
        caller: &PhoneCaller,
    ) -> Result<Operator, SignInError> {
        let permit = self.hashing.acquire().ok_or(SignInError::Busy)?;
        let (account, attempts) = {
            let mut connection = self.lock();
            let account = file::by_number(&connection, number).map_err(AccountError::from)?;
            let attempts = Attempts::by_phone(&connection, number, account.as_ref(), caller)?;
            attempts.charge(&mut connection, now)?;
            (account, attempts)
        };
        let right = verifies(permit, pin, account.as_ref().and_then(|account| account.pin.as_deref()));
        let known = account.as_ref().map(|account| account.operator.name.clone());
        let Some(account) = account.filter(|account| right && account.operator.role.may_record()) else {
            return Err(self.wrong("phone_sign_in_failed", known, "phone".into()));
        };
        let mut connection = self.lock();
        let committed = (|| {
            let transaction = connection.transaction()?;
            attempts.forgive(&transaction)?;
            if let Some(telephone) = caller.telephone() {
                file::know(&transaction, account.operator.id, &telephone, now)?;
            }
            file::note(
                &transaction,
                &AccountEvent::of(clock::timestamp(), "phone_sign_in", &account.operator.name, "", "phone"),
            )?;
            transaction.commit()
        })();
        committed.map_err(AccountError::from)?;
        Ok(account.operator)
    }

    /// Records a failed sign-in. An unknown name is not stored: it may be a password in the wrong field.
    pub(super) fn wrong(&self, what: &str, name: Option<String>, from: String) -> SignInError {
        let who = name.as_deref().unwrap_or("-");
        match file::note(&self.lock(), &AccountEvent::of(clock::timestamp(), what, who, "", &from)) {
            Ok(()) => SignInError::Credentials,
            Err(error) => SignInError::Account(error.into()),
        }
    }
}

/// Whether a secret matches a hash; gives the permit back. Argon2 reads the whole text, so longer ones than allowed are
/// rejected before.
pub(super) fn verifies(permit: HashPermit<'_>, secret: &Private<String>, hash: Option<&str>) -> bool {
    secret.expose().len() <= rules::PASSWORD_BYTES_MAX && permit.verifies(secret.expose(), hash)
}

const AGENT_CHARS_MAX: usize = 120;
