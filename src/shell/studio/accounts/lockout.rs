//! Counts failed sign-ins and delays further ones, against guessing.

use std::net::IpAddr;

use jiff::Timestamp;
use rusqlite::Connection;

use studio::lockout::{BY_ADDRESS, BY_CALLER, BY_NAME, BY_NUMBER, LockoutRule};

use super::error::{AccountError, SignInError};
use super::file::{self, Account, Hashed, hashed};

/// Who calls the recording service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneCaller {
    /// The name of the trunk.
    pub trunk: String,
    /// What stands for the calling number; none: it is withheld.
    pub number: Option<String>,
}

/// The counters of one sign-in.
pub(super) struct Attempts(Vec<Counter>);

struct Counter {
    key: Hashed,
    rule: LockoutRule,
    /// Several people share it: one success does not clear the failures of others.
    shared: bool,
}

impl Attempts {
    /// A telephone that the operator has signed in by before is counted on its own, so that strangers who try the number
    /// do not lock the operator out. Others count by the number on their trunk, and by themselves.
    pub(super) fn by_phone(
        connection: &Connection,
        number: &str,
        account: Option<&Account>,
        caller: &PhoneCaller,
    ) -> Result<Attempts, AccountError> {
        if let (Some(account), Some(telephone)) = (account, caller.telephone())
            && file::is_known(connection, account.operator.id, &telephone)?
        {
            let key = keyed(&of_number(number), &hashed("telephone", &[&base::hex(&telephone)]));
            return Ok(Attempts(vec![Counter { key, rule: BY_NUMBER, shared: false }]));
        }
        let on_trunk = keyed(&of_number(number), &hashed("trunk", &[&caller.trunk]));
        let by_caller = hashed("caller", &[&caller.trunk, caller.number.as_deref().unwrap_or("")]);
        Ok(Attempts(vec![
            Counter { key: on_trunk, rule: BY_NUMBER, shared: false },
            Counter { key: by_caller, rule: BY_CALLER, shared: true },
        ]))
    }

    /// A command has no address.
    pub(super) fn by_command(name: &str) -> Attempts {
        Attempts(vec![Counter { key: hashed("name", &[name]), rule: BY_NAME, shared: false }])
    }

    pub(super) fn by_browser(
        connection: &Connection,
        name: &str,
        account: Option<&Account>,
        device: Option<Hashed>,
        address: IpAddr,
    ) -> Result<Attempts, AccountError> {
        if let (Some(account), Some(device)) = (account, device)
            && file::is_known(connection, account.operator.id, &device)?
        {
            let key = hashed("known", &[name, &base::hex(&device)]);
            return Ok(Attempts(vec![Counter { key, rule: BY_NAME, shared: false }]));
        }
        Ok(Attempts(vec![
            Counter { key: hashed("name", &[name]), rule: BY_NAME, shared: false },
            Counter { key: hashed("address", &[&network(address)]), rule: BY_ADDRESS, shared: true },
        ]))
    }

    /// Counts a failure in advance; while a counter is locked, the error says how long to wait.
    pub(super) fn charge(&self, connection: &mut Connection, now: Timestamp) -> Result<(), SignInError> {
        let charged = (|| {
            let transaction = connection.transaction()?;
            let mut longest = None;
            for counter in &self.0 {
                longest = longest.max(file::wait(&transaction, &counter.key, &counter.rule, now)?);
            }
            if longest.is_none() {
                for counter in &self.0 {
                    file::failed(&transaction, &counter.key, now)?;
                }
            }
            transaction.commit()?;
            Ok(longest)
        })();
        match charged.map_err(|error: rusqlite::Error| SignInError::Account(error.into()))? {
            Some(retry_after) => Err(SignInError::LockedOut { retry_after }),
            None => Ok(()),
        }
    }

    /// Takes the failure back after a successful sign-in.
    pub(super) fn forgive(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.iter().try_for_each(|counter| {
            if counter.shared { file::forgive(connection, &counter.key) } else { file::clear(connection, &counter.key) }
        })
    }
}

impl PhoneCaller {
    /// What a telephone is known by; none where the number is withheld.
    pub(super) fn telephone(&self) -> Option<Hashed> {
        self.number.as_deref().map(|number| hashed("phone", &[&self.trunk, number]))
    }
}

/// What the keys of all counters of an operator number begin with, on every trunk and telephone.
pub(super) fn of_number(number: &str) -> [u8; 16] {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&hashed("number", &[number])[..16]);
    prefix
}

fn keyed(prefix: &[u8; 16], rest: &Hashed) -> Hashed {
    let mut key = *rest;
    key[..16].copy_from_slice(prefix);
    key
}

/// An IPv4 address, or the /64 prefix of an IPv6 subscriber.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x?}", &address.segments()[..4]),
    }
}
