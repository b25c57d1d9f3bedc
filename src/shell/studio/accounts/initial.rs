//! The accounts of the settings, and those that a first start creates.

use base::Private;
use config::Settings;
use studio::accounts::{self as rules, Role};

use super::account::NewAccount;
use super::error::AccountError;
use super::handle::Accounts;
use super::session::SessionAges;

/// Opens the accounts of the settings' data folder.
///
/// # Errors
/// Their file cannot be used.
pub fn open(settings: &Settings) -> Result<Accounts, AccountError> {
    let ages = SessionAges { idle: settings.studio.session_idle, longest: settings.studio.session };
    Accounts::open(&settings.data.folder, ages)
}

/// An account that the first start created, with its random secrets.
#[derive(Clone, Debug)]
pub struct InitialAccount {
    /// The name to sign in with.
    pub name: &'static str,
    /// The password for browsers.
    pub password: Private<String>,
    /// The operator number for the telephone.
    pub number: String,
    /// The PIN for the telephone.
    pub pin: Private<String>,
}

/// Creates one account of each role with random secrets, if there is no account.
///
/// # Errors
/// The accounts cannot be written.
pub fn create(accounts: &Accounts) -> Result<Vec<InitialAccount>, AccountError> {
    if !accounts.list()?.is_empty() {
        return Ok(Vec::new());
    }
    let one = |name, role| -> Result<InitialAccount, AccountError> {
        let (password, pin) = (random_password()?, random_pin()?);
        let new = NewAccount { name: String::from(name), role, number: None, password, pin: Some(pin) };
        let operator = accounts.add(&new, "first start")?;
        let (password, pin) = (new.password, new.pin.unwrap_or_default());
        Ok(InitialAccount { name, password, number: operator.number, pin })
    };
    Ok(vec![one("operator", Role::Operator)?, one("approver", Role::Approver)?])
}

/// Sixteen letters and digits that cannot be confused: 79 bits.
fn random_password() -> Result<Private<String>, AccountError> {
    let mut password = String::new();
    for n in 0..16 {
        if n > 0 && n % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(UNAMBIGUOUS[random_below(UNAMBIGUOUS.len())?]));
    }
    Ok(Private::new(password))
}

fn random_pin() -> Result<Private<String>, AccountError> {
    loop {
        let pin: String = (0..6).map(|_| random_below(10).map(|digit| digit.to_string())).collect::<Result<_, _>>()?;
        if rules::check_pin(&pin, "").is_ok() {
            return Ok(Private::new(pin));
        }
    }
}

fn random_below(n: usize) -> Result<usize, AccountError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Busy)?;
    // The bias of 2^64 values is negligible.
    Ok((u64::from_ne_bytes(bytes) % n as u64) as usize)
}

const UNAMBIGUOUS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn the_first_start_creates_one_account_of_each_role_and_the_second_none() {
        let folder = Folder::new();
        let day = std::time::Duration::from_secs(86_400);
        let accounts = Accounts::open(folder.path(), SessionAges { idle: day, longest: day }).unwrap();
        let made = create(&accounts).unwrap();
        assert_eq!(made.iter().map(|made| made.name).collect::<Vec<_>>(), ["operator", "approver"]);
        assert_ne!(made[0].password, made[1].password);
        let caller = super::super::PhoneCaller { trunk: "office".into(), number: None };
        assert_eq!(accounts.sign_in_by_phone(&made[1].number, &made[1].pin, &caller).unwrap().name, "approver");
        assert!(create(&accounts).unwrap().is_empty());
    }
}
