//! `jindu studio account …`: accounts from the command line. Passwords and PINs come from the terminal, unseen, or from
//! the standard input, a line each; never from the command line, which other users of the machine can read.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use super::{AccountError, AccountRow, Accounts, NewAccount, SessionAges};
use base::Private;
use config::Settings;
use os::folder;
use studio::accounts::{self as rules, Role};

/// What is to be done with accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountCommand {
    Add { name: String, role: Role, number: Option<String> },
    List,
    Password { name: String },
    Pin { name: String },
    Role { name: String, role: Role },
    Remove { name: String },
    Unlock { name: String },
}

/// Does it, beside a serving node or without one.
///
/// # Errors
/// Lines that say what is wrong with the command.
pub fn run(settings: &Settings, command: &AccountCommand) -> Result<ExitCode, Vec<String>> {
    let told = |error: AccountError| vec![error.to_string()];
    folder::make(&settings.data.folder).map_err(|error| vec![error])?;
    let accounts = open(settings).map_err(told)?;
    let said = match command {
        AccountCommand::Add { name, role, number } => {
            add(&accounts, name, *role, number.as_ref()).map_err(|error| vec![error])?
        }
        AccountCommand::List => table(&accounts.list().map_err(told)?),
        AccountCommand::Password { name } => {
            let password = ask("password", true).map_err(|error| vec![error])?;
            accounts.set_password(name, &password, None, COMMAND_LINE).map_err(told)?;
            format!("{name} has a new password; its sessions have ended\n")
        }
        AccountCommand::Pin { name } => {
            let pin = ask("PIN for the telephone", true).map_err(|error| vec![error])?;
            accounts.set_pin(name, &pin, COMMAND_LINE).map_err(told)?;
            format!("{name} has a new PIN\n")
        }
        AccountCommand::Role { name, role } => {
            accounts.set_role(name, *role, COMMAND_LINE).map_err(told)?;
            format!("{name} is an {}\n", role.code())
        }
        AccountCommand::Remove { name } => {
            accounts.remove(name, COMMAND_LINE).map_err(told)?;
            format!("{name} is removed; its takes and its place in the audit stay\n")
        }
        AccountCommand::Unlock { name } => {
            accounts.unlock(name, COMMAND_LINE).map_err(told)?;
            format!("{name} may try again at once\n")
        }
    };
    print(&said);
    Ok(ExitCode::SUCCESS)
}

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

fn add(accounts: &Accounts, name: &str, role: Role, number: Option<&String>) -> Result<String, String> {
    let told = |error: AccountError| error.to_string();
    // Before anything is typed in vain.
    rules::name(name).map_err(|error| error.to_string())?;
    let password = ask("password", true)?;
    let pin = ask("PIN for the telephone (empty: none)", false)?;
    let pin = Some(pin).filter(|pin| !pin.expose().is_empty());
    let new = NewAccount { name: name.to_owned(), role, number: number.cloned(), password, pin };
    let operator = accounts.add(&new, COMMAND_LINE).map_err(told)?;
    let phone = if new.pin.is_some() { "with a PIN" } else { "without a PIN: no telephone" };
    Ok(format!("{} may sign in: {}, operator number {}, {phone}\n", operator.name, role.code(), operator.number))
}

fn table(rows: &[AccountRow]) -> String {
    let mut text = format!("{:<24} {:<10} {:<8} {:<4} last signed in\n", "name", "role", "number", "PIN");
    for AccountRow { operator, has_pin, signed_in } in rows {
        let pin = if *has_pin { "yes" } else { "no" };
        let signed_in = signed_in.map_or_else(|| "never".into(), |at| at.to_string());
        let (name, role, number) = (&operator.name, operator.role.code(), &operator.number);
        text.push_str(&format!("{name:<24} {role:<10} {number:<8} {pin:<4} {signed_in}\n"));
    }
    text
}

/// Asks for a secret: twice on a terminal, one line of the standard input otherwise.
fn ask(what: &str, needed: bool) -> Result<Private<String>, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock(), what, needed);
    }
    let unseen = Unseen::begin().map_err(|error| format!("the terminal cannot hide what is typed: {error}"))?;
    let secret = prompted(what, needed)?;
    let again = if secret.expose().is_empty() { secret.clone() } else { prompted("the same again", needed)? };
    drop(unseen);
    if secret == again { Ok(secret) } else { Err("the two are not the same: try again".into()) }
}

fn prompted(what: &str, needed: bool) -> Result<Private<String>, String> {
    let mut stderr = io::stderr();
    let asked = write!(stderr, "{what}: ").and_then(|()| stderr.flush());
    asked.map_err(|error| error.to_string())?;
    let secret = line(&mut io::stdin().lock(), what, needed);
    let _ = writeln!(stderr);
    secret
}

fn line(from: &mut impl BufRead, what: &str, needed: bool) -> Result<Private<String>, String> {
    let mut bytes = Vec::new();
    let read = io::Read::take(from, LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
    read.map_err(|error| format!("the {what} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the {what} must be UTF-8"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if needed && text.is_empty() {
        return Err(format!("a {what} is needed: type it, or give it on the standard input, one line"));
    }
    Ok(Private::new(text.to_owned()))
}

/// A terminal that does not show what is typed, until this goes.
struct Unseen(libc::termios);

impl Unseen {
    fn begin() -> io::Result<Unseen> {
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: tcgetattr fills the struct that it is given, or fails.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was filled.
        let before = unsafe { before.assume_init() };
        let mut silent = before;
        silent.c_lflag &= !libc::ECHO;
        // SAFETY: a terminal's own settings with one flag less.
        if unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &raw const silent) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Unseen(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // SAFETY: the settings that the terminal had before.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &raw const self.0) };
    }
}

fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

const CLEAR: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const COMMAND_LINE: &str = "command line";
const LINE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn a_secret_is_one_line_of_the_standard_input() {
        let mut input = &b"correct horse\r\n730518\n"[..];
        assert_eq!(line(&mut input, "password", true).unwrap().expose(), "correct horse");
        assert_eq!(line(&mut input, "PIN", true).unwrap().expose(), "730518");
        assert!(line(&mut input, "password", true).unwrap_err().contains("a password is needed"));
        assert_eq!(line(&mut input, "PIN", false).unwrap().expose(), "");
        assert!(line(&mut &b"\xff\xfe\n"[..], "password", true).is_err());
    }

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
