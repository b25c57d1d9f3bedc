//! `jindu studio account …`: accounts from the command line. Passwords and PINs come from the terminal without
//! echo, or from the standard input, a line each; never from the command line, which other users of the machine can read.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use base::Private;
use config::Settings;
use os::folder;
use studio::accounts::{self as rules, Role};
use studio_store::accounts::{AccountError, AccountRow, Accounts, NewAccount, initial};

use crate::args::account::AccountCommand;
use crate::exit::{Errors, print};

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
            let password = ask("password", true).map_err(|error| vec![error])?;
            accounts.set_password(name, &password, None, COMMAND_LINE).map_err(lines)?;
            format!("{name} has a new password; its sessions have ended\n")
        }
        AccountCommand::Pin { name } => {
            let pin = ask("PIN for the telephone", true).map_err(|error| vec![error])?;
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

fn add(accounts: &Accounts, name: &str, role: Role, number: Option<&String>) -> Result<String, String> {
    let line = |error: AccountError| error.to_string();
    // Before the secrets are asked for.
    rules::normalized_name(name).map_err(|error| error.to_string())?;
    let password = ask("password", true)?;
    let pin = ask("PIN for the telephone (empty: none)", false)?;
    let pin = Some(pin).filter(|pin| !pin.expose().is_empty());
    let new = NewAccount { name: name.to_owned(), role, number: number.cloned(), password, pin };
    let operator = accounts.add(&new, COMMAND_LINE).map_err(line)?;
    let phone = if new.pin.is_some() { "with a PIN" } else { "without a PIN: no telephone" };
    Ok(format!("{} may sign in: {}, operator number {}, {phone}\n", operator.name, role.code(), operator.number))
}

/// Sets the password of an account's telephones.
fn sip(settings: &Settings, accounts: &Accounts, name: &str) -> Result<String, String> {
    let registrar = settings.phone.registrar.as_ref();
    let realm = &registrar.ok_or("no telephone may register: set phone.registrar.realm first")?.realm;
    let password = ask("password for the telephone", true)?;
    let set = accounts.set_sip_password(name, &password, realm, COMMAND_LINE);
    let user = set.map_err(|error| error.to_string())?;
    Ok(format!("{name}'s telephones register as {user} in the realm {realm}\n"))
}

fn table(rows: &[AccountRow]) -> String {
    let mut text = format!("{:<24} {:<10} {:<8} {:<4} {:<4} last signed in\n", "name", "role", "number", "PIN", "SIP");
    for AccountRow { operator, has_pin, sip_realm, signed_in } in rows {
        let pin = if *has_pin { "yes" } else { "no" };
        let sip = if sip_realm.is_some() { "yes" } else { "no" };
        let signed_in = signed_in.map_or_else(|| "never".into(), |at| at.to_string());
        let (name, role, number) = (&operator.name, operator.role.code(), &operator.number);
        text.push_str(&format!("{name:<24} {role:<10} {number:<8} {pin:<4} {sip:<4} {signed_in}\n"));
    }
    text
}

/// Asks for a secret: twice on a terminal, one line of the standard input otherwise.
fn ask(what: &str, needed: bool) -> Result<Private<String>, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock(), what, needed);
    }
    let secret = prompted(what, needed)?;
    let again = if secret.expose().is_empty() { secret.clone() } else { prompted("the same again", needed)? };
    if secret == again { Ok(secret) } else { Err("the two entries differ: try again".into()) }
}

fn prompted(what: &str, needed: bool) -> Result<Private<String>, String> {
    let typed = rpassword::prompt_password(format!("{what}: "));
    let typed = typed.map_err(|error| format!("the {what} cannot be read from the terminal: {error}"))?;
    checked(typed, what, needed)
}

fn line(from: &mut impl BufRead, what: &str, needed: bool) -> Result<Private<String>, String> {
    let mut bytes = Vec::new();
    let read = io::Read::take(from, LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
    read.map_err(|error| format!("the {what} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the {what} must be UTF-8"))?;
    checked(text.trim_end_matches(['\r', '\n']).to_owned(), what, needed)
}

fn checked(secret: String, what: &str, needed: bool) -> Result<Private<String>, String> {
    if needed && secret.is_empty() {
        return Err(format!("a {what} is needed: type it, or give it on the standard input, one line"));
    }
    Ok(Private::new(secret))
}

const COMMAND_LINE: &str = "command line";
const LINE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_of_the_standard_input() {
        let mut input = &b"correct horse\r\n730518\n"[..];
        assert_eq!(line(&mut input, "password", true).unwrap().expose(), "correct horse");
        assert_eq!(line(&mut input, "PIN", true).unwrap().expose(), "730518");
        assert!(line(&mut input, "password", true).unwrap_err().contains("a password is needed"));
        assert_eq!(line(&mut input, "PIN", false).unwrap().expose(), "");
        assert!(line(&mut &b"\xff\xfe\n"[..], "password", true).is_err());
    }
}
