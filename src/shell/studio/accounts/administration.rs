//! Creating, changing and removing accounts.

use rusqlite::Connection;

use base::Private;
use os::clock;
use studio::accounts::{self as rules, RuleError};
use studio::{Operator, Role};

use super::account::{AccountEvent, NewAccount};
use super::error::{AccountError, SignInError};
use super::file::{self, Account, Field, hashed};
use super::handle::Accounts;
use super::initial_file;
use super::lockout::{Attempts, of_number};
use super::session::{Origin, Session};
use super::sign_in::verifies;

impl Accounts {
    /// Creates an account, whose password its holder must change.
    ///
    /// # Errors
    /// A rule is broken, the name or number is taken, or the file cannot be written.
    pub fn add(&self, new: &NewAccount, by: &str) -> Result<Operator, AccountError> {
        let name = rules::normalized_name(&new.name)?;
        rules::check_password(new.password.expose(), &name)?;
        let number = match &new.number {
            Some(number) => number.clone(),
            None => file::next_number(&self.lock())?,
        };
        rules::check_number(&number)?;
        if let Some(pin) = &new.pin {
            rules::check_pin(pin.expose(), &number)?;
        }
        let password = self.hash(&new.password)?;
        let pin = new.pin.as_ref().map(|pin| self.hash(pin)).transpose()?;
        let mut connection = self.lock();
        if file::by_name(&connection, &name)?.is_some() {
            return Err(AccountError::NameTaken(name));
        }
        if file::by_number(&connection, &number)?.is_some() {
            return Err(AccountError::NumberTaken(number));
        }
        let operator = Operator { id: 0, name, number, role: new.role };
        let transaction = connection.transaction()?;
        let account = Account { operator, password, pin, must_change: true };
        let id = file::add(&transaction, &account)?;
        file::note(&transaction, &AccountEvent::of(clock::timestamp(), "add", &account.operator.name, by, ""))?;
        transaction.commit()?;
        Ok(Operator { id, ..account.operator })
    }

    /// Sets the password of another person's account, who must change it, and ends all sessions of the account.
    ///
    /// # Errors
    /// A rule is broken, there is no such account, or the file cannot be written.
    pub fn reset_password(&self, name: &str, password: &Private<String>, by: &str) -> Result<(), AccountError> {
        rules::check_password(password.expose(), &rules::normalized_name(name)?)?;
        self.store_password(name, password, true, None, by)
    }

    /// Changes the password of the holder, who knows the old one, on the command line. Wrong ones count like failed
    /// sign-ins; all sessions of the account end.
    ///
    /// # Errors
    /// [`SignInError`] says why not.
    pub fn replace_password(
        &self,
        name: &str,
        old: &Private<String>,
        new: &Private<String>,
    ) -> Result<(), SignInError> {
        let operator = self.checked(name, old)?.operator;
        check_new(&operator.name, old, new)?;
        Ok(self.store_password(&operator.name, new, false, None, &operator.name)?)
    }

    fn store_password(
        &self,
        name: &str,
        password: &Private<String>,
        must_change: bool,
        keep: Option<i64>,
        by: &str,
    ) -> Result<(), AccountError> {
        let hash = self.hash(password)?;
        self.change(name, "password", by, "", |connection, account| {
            file::change(connection, account.operator.id, &Field::Password(&hash))?;
            file::change(connection, account.operator.id, &Field::MustChange(must_change))?;
            file::end_others(connection, account.operator.id, keep)
        })?;
        initial_file::forget(&self.studio, &rules::normalized_name(name)?);
        Ok(())
    }

    /// Changes the password of a signed-in operator who knows the old one. Wrong ones count like failed sign-ins.
    ///
    /// # Errors
    /// [`SignInError`] says why not.
    pub fn change_password(
        &self,
        session: &Session,
        old: &Private<String>,
        new: &Private<String>,
        from: &Origin,
    ) -> Result<(), SignInError> {
        let name = &session.operator.name;
        check_new(name, old, new)?;
        self.confirm(name, old, from)?;
        Ok(self.store_password(name, new, false, Some(session.id), name)?)
    }

    /// Sets the PIN of a signed-in operator who knows the password.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub fn change_pin(
        &self,
        session: &Session,
        password: &Private<String>,
        pin: &Private<String>,
        from: &Origin,
    ) -> Result<(), SignInError> {
        rules::check_pin(pin.expose(), &session.operator.number).map_err(AccountError::from)?;
        self.confirm(&session.operator.name, password, from)?;
        Ok(self.set_pin(&session.operator.name, pin, &session.operator.name)?)
    }

    /// Checks the password of an account; counted like a sign-in.
    fn confirm(&self, name: &str, password: &Private<String>, from: &Origin) -> Result<(), SignInError> {
        let now = clock::steady();
        let device = from.device.as_ref().map(|device| hashed("device", &[device.expose()]));
        let permit = self.hashing.acquire().ok_or(SignInError::Busy)?;
        let mut connection = self.lock();
        let account = file::by_name(&connection, name).map_err(AccountError::from)?;
        let attempts = Attempts::by_browser(&connection, name, account.as_ref(), device, from.address)?;
        attempts.charge(&mut connection, now)?;
        drop(connection);
        if !verifies(permit, password, account.as_ref().map(|account| &*account.password)) {
            return Err(self.wrong("password_wrong", Some(name.to_owned()), from.address.to_string()));
        }
        Ok(attempts.forgive(&self.lock()).map_err(AccountError::from)?)
    }

    /// The operator of this name and password, for a command; counted like a sign-in.
    ///
    /// # Errors
    /// [`SignInError`] says why there is none; [`SignInError::MustChange`] where another person chose the password.
    pub fn by_password(&self, name: &str, password: &Private<String>) -> Result<Operator, SignInError> {
        let account = self.checked(name, password)?;
        match account.must_change {
            true => Err(SignInError::MustChange { name: account.operator.name }),
            false => Ok(account.operator),
        }
    }

    /// The account of this name and password; counted like a sign-in.
    fn checked(&self, name: &str, password: &Private<String>) -> Result<Account, SignInError> {
        let name = rules::normalized_name(name).unwrap_or_default();
        let permit = self.hashing.acquire().ok_or(SignInError::Busy)?;
        let mut connection = self.lock();
        let account = file::by_name(&connection, &name).map_err(AccountError::from)?;
        let attempts = Attempts::by_command(&name);
        attempts.charge(&mut connection, clock::steady())?;
        drop(connection);
        let right = verifies(permit, password, account.as_ref().map(|account| &*account.password));
        let known = account.is_some();
        let Some(account) = account.filter(|_| right) else {
            return Err(self.wrong("sign_in_failed", known.then_some(name), String::new()));
        };
        attempts.forgive(&self.lock()).map_err(AccountError::from)?;
        Ok(account)
    }

    /// Sets a PIN.
    ///
    /// # Errors
    /// A rule is broken, there is no such account, or the file cannot be written.
    pub fn set_pin(&self, name: &str, pin: &Private<String>, by: &str) -> Result<(), AccountError> {
        let account = self.find(name)?;
        rules::check_pin(pin.expose(), &account.operator.number)?;
        let hash = self.hash(pin)?;
        self.change(name, "pin", by, "", |connection, account| {
            file::change(connection, account.operator.id, &Field::Pin(&hash))?;
            file::clear_all(connection, &of_number(&account.operator.number))
        })
    }

    /// Gives an account another role; its sessions have it with their next request.
    ///
    /// # Errors
    /// There is no such account, or the file cannot be written.
    pub fn set_role(&self, name: &str, role: Role, by: &str) -> Result<(), AccountError> {
        self.change(name, "role", by, role.code(), |connection, account| {
            file::change(connection, account.operator.id, &Field::Role(role))
        })
    }

    /// Removes an account and ends its sessions. The audit log keeps its name.
    ///
    /// # Errors
    /// There is no such account, or the file cannot be written.
    pub fn remove(&self, name: &str, by: &str) -> Result<(), AccountError> {
        self.change(name, "remove", by, "", |connection, account| {
            file::end_others(connection, account.operator.id, None)?;
            file::change(connection, account.operator.id, &Field::Removed(clock::timestamp()))
        })?;
        initial_file::forget(&self.studio, &rules::normalized_name(name)?);
        Ok(())
    }

    /// Clears the failed attempts of an account.
    ///
    /// # Errors
    /// There is no such account, or the file cannot be written.
    pub fn unlock(&self, name: &str, by: &str) -> Result<(), AccountError> {
        self.change(name, "unlock", by, "", |connection, account| {
            file::clear(connection, &hashed("name", &[&account.operator.name]))?;
            file::clear_all(connection, &of_number(&account.operator.number))
        })
    }

    fn find(&self, name: &str) -> Result<Account, AccountError> {
        let name = rules::normalized_name(name)?;
        file::by_name(&self.lock(), &name)?.ok_or(AccountError::Unknown(name))
    }

    /// Changes an account; the audit log gets `what` was done, `by` whom, and what it was `about`.
    pub(super) fn change(
        &self,
        name: &str,
        what: &str,
        by: &str,
        about: &str,
        change: impl FnOnce(&Connection, &Account) -> rusqlite::Result<()>,
    ) -> Result<(), AccountError> {
        let name = rules::normalized_name(name)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let account = file::by_name(&transaction, &name)?.ok_or(AccountError::Unknown(name))?;
        change(&transaction, &account)?;
        file::note(&transaction, &AccountEvent::of(clock::timestamp(), what, &account.operator.name, by, about))?;
        Ok(transaction.commit()?)
    }

    fn hash(&self, secret: &Private<String>) -> Result<String, AccountError> {
        let permit = self.hashing.acquire().ok_or(AccountError::Busy)?;
        permit.hash(secret.expose()).ok_or(AccountError::Busy)
    }
}

/// Checks a password that its holder chooses.
fn check_new(name: &str, old: &Private<String>, new: &Private<String>) -> Result<(), AccountError> {
    rules::check_password(new.expose(), name)?;
    if old == new { Err(RuleError::PasswordSame.into()) } else { Ok(()) }
}
