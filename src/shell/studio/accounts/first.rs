//! The accounts of a data folder, and those that a first start makes.

use super::{AccountError, Accounts, NewAccount, SessionAges};
use base::Private;
use config::Settings;
use studio::accounts::{self as rules, Role};

/// The accounts of the settings' data folder.
///
/// # Errors
/// Their file cannot be used.
pub fn open(settings: &Settings) -> Result<Accounts, AccountError> {
    let ages = SessionAges { idle: settings.studio.session_idle, longest: settings.studio.session };
    Accounts::open(&settings.data.folder, ages)
}

/// An account that was made for a first look, with what was made up for it.
#[derive(Clone, Debug)]
pub struct Made {
    pub name: &'static str,
    pub password: Private<String>,
    pub number: String,
    pub pin: Private<String>,
}

/// Where nobody has an account yet, makes one of each role with secrets that nobody knows.
///
/// # Errors
/// The accounts cannot be written.
pub fn first(accounts: &Accounts) -> Result<Vec<Made>, AccountError> {
    if !accounts.list()?.is_empty() {
        return Ok(Vec::new());
    }
    let one = |name, role| -> Result<Made, AccountError> {
        let (password, pin) = (random_password()?, random_pin()?);
        let new = NewAccount { name: String::from(name), role, number: None, password, pin: Some(pin) };
        let operator = accounts.add(&new, "first start")?;
        let (password, pin) = (new.password, new.pin.unwrap_or_default());
        Ok(Made { name, password, number: operator.number, pin })
    };
    Ok(vec![one("operator", Role::Operator)?, one("approver", Role::Approver)?])
}

/// Sixteen letters and digits that look like no other: 79 bits.
fn random_password() -> Result<Private<String>, AccountError> {
    let mut password = String::new();
    for n in 0..16 {
        if n > 0 && n % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(CLEAR[random_below(CLEAR.len())?]));
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
    // Of 2^64 values, so few more fall on the first ones that nobody could tell.
    Ok((u64::from_ne_bytes(bytes) % n as u64) as usize)
}

const CLEAR: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn the_first_start_makes_one_account_of_each_role_and_the_second_none() {
        let folder = Folder::new();
        let day = std::time::Duration::from_secs(86_400);
        let accounts = Accounts::open(folder.path(), SessionAges { idle: day, longest: day }).unwrap();
        let made = first(&accounts).unwrap();
        assert_eq!(made.iter().map(|made| made.name).collect::<Vec<_>>(), ["operator", "approver"]);
        assert_ne!(made[0].password, made[1].password);
        assert_eq!(accounts.pin(&made[1].number, &made[1].pin, "caller").unwrap().name, "approver");
        assert!(first(&accounts).unwrap().is_empty());
    }
}
