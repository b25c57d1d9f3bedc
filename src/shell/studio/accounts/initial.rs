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
    /// What it may do.
    pub role: Role,
    /// The password for browsers.
    pub password: Private<String>,
    /// The operator number for the telephone.
    pub number: String,
    /// The PIN for the studio's telephone; none for those who do not record.
    pub pin: Option<Private<String>>,
    /// The password of an agent's or a supervisor's telephone, which registers as the number.
    pub sip: Option<Private<String>>,
}

/// Creates accounts with random secrets, if there is none: an operator and an approver; and where telephones of a desk register
/// in a realm, two agents and a supervisor.
///
/// # Errors
/// The accounts cannot be written.
pub fn create(accounts: &Accounts, desk_realm: Option<&str>) -> Result<Vec<InitialAccount>, AccountError> {
    if !accounts.list()?.is_empty() {
        return Ok(Vec::new());
    }
    let mut made = vec![one(accounts, "operator", Role::Operator)?, one(accounts, "approver", Role::Approver)?];
    if let Some(realm) = desk_realm {
        for (name, role) in [("agent1", Role::Agent), ("agent2", Role::Agent), ("supervisor", Role::Supervisor)] {
            let (account, sip) = (one(accounts, name, role)?, random_password()?);
            accounts.set_sip_password(name, &sip, realm, FIRST_START)?;
            made.push(InitialAccount { sip: Some(sip), ..account });
        }
    }
    Ok(made)
}

fn one(accounts: &Accounts, name: &'static str, role: Role) -> Result<InitialAccount, AccountError> {
    let pin = if role.may_record() { Some(random_pin()?) } else { None };
    let new = NewAccount { name: name.to_owned(), role, number: None, password: random_password()?, pin };
    let number = accounts.add(&new, FIRST_START)?.number;
    Ok(InitialAccount { name, role, password: new.password, number, pin: new.pin, sip: None })
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

/// Who makes the first accounts, as their log has it.
pub const FIRST_START: &str = "first start";
const UNAMBIGUOUS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn the_first_start_creates_accounts_of_each_role_and_the_second_none() {
        let folder = Folder::new();
        let day = std::time::Duration::from_secs(86_400);
        let accounts = Accounts::open(folder.path(), SessionAges { idle: day, longest: day }).unwrap();
        let made = create(&accounts, Some("desk.test")).unwrap();
        let names: Vec<_> = made.iter().map(|made| made.name).collect();
        assert_eq!(names, ["operator", "approver", "agent1", "agent2", "supervisor"]);
        let telephones: Vec<_> = made.iter().map(|made| (made.pin.is_some(), made.sip.is_some())).collect();
        let (recorder, agent) = ((true, false), (false, true));
        assert_eq!(telephones, [recorder, recorder, agent, agent, agent]);
        assert_eq!((accounts.agents().unwrap().len(), accounts.supervisors().unwrap().len()), (2, 1));
        assert_ne!(made[0].password, made[1].password);
        let caller = super::super::PhoneCaller { trunk: "office".into(), number: None };
        assert_eq!(
            accounts.sign_in_by_phone(&made[1].number, made[1].pin.as_ref().unwrap(), &caller).unwrap().name,
            "approver"
        );
        assert!(create(&accounts, None).unwrap().is_empty());
    }
}
