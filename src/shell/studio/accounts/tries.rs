//! Tries to sign in, counted against those who guess.

use std::net::IpAddr;

use jiff::Timestamp;
use rusqlite::Connection;

use super::file::{self, Account, Hashed, hashed};
use super::{AccountError, Refused, hex};
use studio::tries::{BY_ADDRESS, BY_CALLER, BY_NAME, BY_NUMBER, LockoutRule};

/// What one sign-in is counted by.
pub(super) struct Tries(Vec<Try>);

struct Try {
    key: Hashed,
    rule: LockoutRule,
    /// By several people: one success does not forgive the failures of others.
    shared: bool,
}

impl Tries {
    pub(super) fn by_phone(number: &str, caller: &str) -> Tries {
        Tries(vec![
            Try { key: hashed("number", &[number]), rule: BY_NUMBER, shared: false },
            Try { key: hashed("caller", &[caller]), rule: BY_CALLER, shared: true },
        ])
    }

    pub(super) fn by_browser(
        connection: &Connection,
        name: &str,
        account: Option<&Account>,
        device: Option<Hashed>,
        address: IpAddr,
    ) -> Result<Tries, AccountError> {
        if let (Some(account), Some(device)) = (account, device)
            && file::is_known(connection, account.operator.id, &device)?
        {
            let key = hashed("known", &[name, &hex(&device)]);
            return Ok(Tries(vec![Try { key, rule: BY_NAME, shared: false }]));
        }
        Ok(Tries(vec![
            Try { key: hashed("name", &[name]), rule: BY_NAME, shared: false },
            Try { key: hashed("address", &[&neighbourhood(address)]), rule: BY_ADDRESS, shared: true },
        ]))
    }

    /// Counts a failure ahead, or tells how long to wait.
    pub(super) fn charge(&self, connection: &mut Connection, now: Timestamp) -> Result<(), Refused> {
        let charged = (|| {
            let transaction = connection.transaction()?;
            let mut longest = None;
            for one in &self.0 {
                longest = longest.max(file::wait(&transaction, &one.key, &one.rule, now)?);
            }
            if longest.is_none() {
                for one in &self.0 {
                    file::failed(&transaction, &one.key, now)?;
                }
            }
            transaction.commit()?;
            Ok(longest)
        })();
        match charged.map_err(|error: rusqlite::Error| Refused::Account(error.into()))? {
            Some(retry_after) => Err(Refused::Wait { retry_after }),
            None => Ok(()),
        }
    }

    pub(super) fn forgive(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.iter().try_for_each(|one| {
            if one.shared { file::forgive(connection, &one.key) } else { file::clear(connection, &one.key) }
        })
    }
}

/// An IPv4 address, or the /64 that one IPv6 subscriber has.
fn neighbourhood(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x?}", &address.segments()[..4]),
    }
}
