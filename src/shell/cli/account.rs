//! `jindu studio account …`: accounts from the command line. Passwords and PINs come from the terminal without
//! echo, or from the standard input, a line each; never from the command line, which other users of the machine can read.

use std::path::Path;
use std::process::ExitCode;

use config::Settings;
use os::folder;
use studio::accounts::{self as rules, Role};
use studio_store::accounts::{AccountError, AccountRow, Accounts, NewAccount, initial};

use crate::args::account::AccountCommand;
use crate::exit::{Errors, print};
use crate::secrets::{ask, ask_new, read_file};

/// Runs the command, with a serving node or without one.
///
/// # Errors
/// What is wrong with the command, a line each.
pub(crate) fn run(settings: &Settings, command: &AccountCommand) -> Result<ExitCode, Errors> {
    let lines = |error: AccountError| vec![error.to_string()];
    folder::create(&settings.data.folder).map_err(|error| vec![error])?;
    let accounts = initial::open(settings).map_err(lines)?;
    let text = match command {
        AccountCommand::Add { name, role, number } => {
            add(&accounts, name, *role, number.as_ref()).map_err(|error| vec![error])?
        }
        AccountCommand::List => table(&accounts.list().map_err(lines)?),
        AccountCommand::Password { name } => {
            let password = ask_new("first password", true).map_err(|error| vec![error])?;
            accounts.reset_password(name, &password, COMMAND_LINE).map_err(lines)?;
            format!("{name} has a first password, and must change it; its sessions have ended\n")
        }
        AccountCommand::Pin { name } => {
            let pin = ask_new("PIN for the telephone", true).map_err(|error| vec![error])?;
            accounts.set_pin(name, &pin, COMMAND_LINE).map_err(lines)?;
            format!("{name} has a new PIN\n")
        }
        AccountCommand::Sip { name, remove: true } => {
            accounts.remove_sip_password(name, COMMAND_LINE).map_err(lines)?;
            format!("{name}'s telephones register no more\n")
        }
        AccountCommand::Sip { name, remove: false } => sip(settings, &accounts, name).map_err(|error| vec![error])?,
        AccountCommand::Role { name, role } => {
            accounts.set_role(name, *role, COMMAND_LINE).map_err(lines)?;
            format!("{name} is an {}\n", role.code())
        }
        AccountCommand::Remove { name } => {
            accounts.remove(name, COMMAND_LINE).map_err(lines)?;
            format!("{name} is removed; its takes and its entries in the audit log stay\n")
        }
        AccountCommand::Unlock { name } => {
            accounts.unlock(name, COMMAND_LINE).map_err(lines)?;
            format!("{name} may sign in again\n")
        }
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Changes the caller's own password.
///
/// # Errors
/// The present one is wrong, the new one breaks a rule, or the accounts cannot be written.
pub(crate) fn change_own(
    settings: &Settings,
    name: &str,
    old: Option<&Path>,
    new: Option<&Path>,
) -> Result<ExitCode, Errors> {
    let one = |error: String| vec![error];
    let accounts = initial::open(settings).map_err(|error| one(error.to_string()))?;
    let old = ask(&format!("present password of {name}"), old).map_err(one)?;
    let new = match new {
        Some(path) => read_file("new password", path),
        None => ask_new("new password", true),
    };
    accounts.replace_password(name, &old, &new.map_err(one)?).map_err(|error| one(error.to_string()))?;
    print(format!("{name} has a new password; its sessions have ended\n"));
    Ok(ExitCode::SUCCESS)
}

fn add(accounts: &Accounts, name: &str, role: Role, number: Option<&String>) -> Result<String, String> {
    let line = |error: AccountError| error.to_string();
    // Before the secrets are asked for.
    rules::normalized_name(name).map_err(|error| error.to_string())?;
    let password = ask_new("first password", true)?;
    let pin = ask_new("PIN for the telephone (empty: none)", false)?;
    let pin = Some(pin).filter(|pin| !pin.expose().is_empty());
    let new = NewAccount { name: name.to_owned(), role, number: number.cloned(), password, pin };
    let operator = accounts.add(&new, COMMAND_LINE).map_err(line)?;
    let phone = if new.pin.is_some() { "with a PIN" } else { "without a PIN: no telephone" };
    Ok(format!(
        "{} may sign in, and must change the password first: {}, operator number {}, {phone}\n",
        operator.name,
        role.code(),
        operator.number
    ))
}

/// Sets the password of an account's telephones.
fn sip(settings: &Settings, accounts: &Accounts, name: &str) -> Result<String, String> {
    let registrar = settings.phone.registrar.as_ref();
    let realm = &registrar.ok_or("no telephone may register: set phone.registrar.realm first")?.realm;
    let password = ask_new("password for the telephone", true)?;
    let set = accounts.set_sip_password(name, &password, realm, COMMAND_LINE);
    let user = set.map_err(|error| error.to_string())?;
    Ok(format!("{name}'s telephones register as {user} in the realm {realm}\n"))
}

fn table(rows: &[AccountRow]) -> String {
    let mut text = format!(
        "{:<24} {:<10} {:<8} {:<9} {:<4} {:<4} last signed in\n",
        "name", "role", "number", "password", "PIN", "SIP"
    );
    for AccountRow { operator, has_pin, must_change, sip_realm, signed_in } in rows {
        let password = if *must_change { "to change" } else { "own" };
        let pin = if *has_pin { "yes" } else { "no" };
        let sip = if sip_realm.is_some() { "yes" } else { "no" };
        let signed_in = signed_in.map_or_else(|| "never".into(), |at| at.to_string());
        let (name, role, number) = (&operator.name, operator.role.code(), &operator.number);
        text.push_str(&format!("{name:<24} {role:<10} {number:<8} {password:<9} {pin:<4} {sip:<4} {signed_in}\n"));
    }
    text
}

const COMMAND_LINE: &str = "command line";
