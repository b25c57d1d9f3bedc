//! SIP passwords of accounts: their telephones register with the account's number as user.
//!
//! A digest needs the hash of user, realm and password itself, so these passwords are kept apart from those of the sign-in,
//! and should differ from them: this hash is fast to guess.

use rusqlite::{Row, params};

use base::Private;
use sip::digest::{Algorithm, Ha1};
use studio::accounts as rules;

use super::error::AccountError;
use super::handle::Accounts;

/// What a telephone proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipAccount {
    /// The SIP user: the account's number.
    pub user: String,
    /// The hash of each digest that is offered.
    pub ha1: Vec<Ha1>,
}

impl Accounts {
    /// Sets the password with which telephones of an account register; `realm` is part of its hash.
    ///
    /// # Errors
    /// A rule is broken, there is no such account, or the file cannot be written.
    pub fn set_sip_password(
        &self,
        name: &str,
        password: &Private<String>,
        realm: &str,
        by: &str,
    ) -> Result<String, AccountError> {
        rules::check_password(password.expose(), &rules::normalized_name(name)?)?;
        let mut user = String::new();
        self.change(name, "sip_password", by, "", |connection, account| {
            user.clone_from(&account.operator.number);
            let hash = |algorithm| Ha1::new(algorithm, &user, realm, password.expose()).expose().to_owned();
            let sql = "INSERT INTO sip_passwords (account, realm, md5, sha256) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (account) DO UPDATE SET realm = ?2, md5 = ?3, sha256 = ?4";
            let (md5, sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
            connection.execute(sql, params![account.operator.id, realm, md5, sha256]).map(drop)
        })?;
        Ok(user)
    }

    /// Removes the SIP password of an account: its telephones register no more.
    ///
    /// # Errors
    /// There is no such account, or the file cannot be written.
    pub fn remove_sip_password(&self, name: &str, by: &str) -> Result<(), AccountError> {
        self.change(name, "sip_password_removed", by, "", |connection, account| {
            connection.execute("DELETE FROM sip_passwords WHERE account = ?1", [account.operator.id]).map(drop)
        })
    }

    /// What the telephones of a realm prove themselves with, by user.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sip_accounts(&self, realm: &str) -> Result<Vec<SipAccount>, AccountError> {
        let connection = self.lock();
        let sql = "SELECT number, md5, sha256 FROM sip_passwords JOIN accounts ON accounts.id = sip_passwords.account
                   WHERE realm = ?1 AND removed_us IS NULL ORDER BY number";
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_map([realm], sip_account)?.collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }
}

fn sip_account(row: &Row) -> rusqlite::Result<SipAccount> {
    let (md5, sha256): (String, String) = (row.get("md5")?, row.get("sha256")?);
    let read = [Ha1::from_hex(Algorithm::Md5, &md5), Ha1::from_hex(Algorithm::Sha256, &sha256)];
    Ok(SipAccount { user: row.get("number")?, ha1: read.into_iter().flatten().collect() })
}
