//! `jindu studio account …`: accounts from the command line. Passwords and PINs come from the terminal without
//! echo, or from the standard input, a line each; never from the command line, which other users of the machine can read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::tz::TimeZone;

use base::{Bilingual, Private, bilingual, padded};
use config::Settings;
use os::folder;
use os::language::current;
use studio::accounts::{self as rules, Role};
use studio_store::accounts::{AccountError, AccountRow, Accounts, NewAccount, initial};

use crate::approver::has_approver;
use crate::args::account::AccountCommand;
use crate::args::by::By;
use crate::exit::{Errors, print};
use crate::local_time::{shown, zone};
use crate::say::text;
use crate::secrets::{ask, ask_new, read_file};

/// Runs the command, with a serving node or without one.
///
/// # Errors
/// What is wrong with the command, a line each.
pub(crate) fn run(settings: &Settings, command: &AccountCommand) -> Result<ExitCode, Errors> {
    let lines = |error: AccountError| vec![error.text()];
    folder::create(&settings.data.folder).map_err(|error| vec![error])?;
    let accounts = initial::open(settings).map_err(lines)?;
    let text = match command {
        AccountCommand::Add { name, role, number, password_file } => {
            add(&accounts, name, *role, number.as_ref(), password_file.as_deref()).map_err(|error| vec![error])?
        }
        AccountCommand::List => table(&accounts.list().map_err(lines)?, &zone(settings)),
        AccountCommand::Password { name, password_file } => {
            let password =
                new_password(&FIRST_PASSWORD, name, password_file.as_deref()).map_err(|error| vec![error])?;
            let initial = accounts.initial_password_file(name);
            accounts.reset_password(name, &password, &actor()).map_err(lines)?;
            let done = text!(
                "{name} has a first password, and must change it; its sessions have ended",
                "已为 {name} 设定初始密码，本人须更改；其登录已结束"
            );
            done + &forgotten(&accounts, name, initial)
        }
        AccountCommand::Pin { name } => {
            may_have_pin(&accounts, name).map_err(|error| vec![error])?;
            let what = Bilingual::fixed("PIN for the telephone", "电话 PIN");
            let pin = ask_new(&what, Some(&rules::PIN_RULES), true, pin_fits).map_err(|error| vec![error])?;
            accounts.set_pin(name, &pin, &actor()).map_err(lines)?;
            text!("{name} has a new PIN", "{name} 的 PIN 已更新")
        }
        AccountCommand::Sip { name, remove: true } => {
            accounts.remove_sip_password(name, &actor()).map_err(lines)?;
            text!("{name}'s telephones register no more", "{name} 的话机不再注册")
        }
        AccountCommand::Sip { name, remove: false } => sip(settings, &accounts, name).map_err(|error| vec![error])?,
        AccountCommand::Role { name, role } => {
            accounts.set_role(name, *role, &actor()).map_err(lines)?;
            let a = if matches!(role, Role::Supervisor) { "a" } else { "an" };
            let done = text!("{name} is {a} {}", "{name} 现为{}", role_name(*role).of(current()));
            done + &no_approver(&accounts)
        }
        AccountCommand::Remove { name } => {
            let initial = accounts.initial_password_file(name);
            accounts.remove(name, &actor()).map_err(lines)?;
            let done = text!(
                "{name} is removed; its takes and its entries in the audit log stay",
                "{name} 已删除；其录音和审计记录保留"
            );
            done + &forgotten(&accounts, name, initial) + &no_approver(&accounts)
        }
        AccountCommand::Unlock { name } => {
            accounts.unlock(name, &actor()).map_err(lines)?;
            text!("{name} may sign in again", "{name} 可以重新登录")
        }
    };
    print(format!("{}\n", text.trim_end()));
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
    let one = |error: Bilingual| vec![error];
    let accounts = initial::open(settings).map_err(|error| one(error.text()))?;
    let old = ask(&bilingual!("current password of {name}", "{name} 的现密码"), old).map_err(one)?;
    let new = new_password(&NEW_PASSWORD, name, new).map_err(one)?;
    let initial = accounts.initial_password_file(name);
    accounts.replace_password(name, &old, &new).map_err(|error| one(error.text()))?;
    let done = text!("{name} has a new password; its sessions have ended", "{name} 的密码已更新；其登录已结束");
    print(format!("{done}{}\n", forgotten(&accounts, name, initial)));
    Ok(ExitCode::SUCCESS)
}

/// A password to be set: the first line of `file`, else asked for.
fn new_password(what: &Bilingual, name: &str, file: Option<&Path>) -> Result<Private<String>, Bilingual> {
    match file {
        Some(path) => read_file(what, path),
        None => ask_new(what, Some(&rules::PASSWORD_RULES), true, |password| password_fits(password, name)),
    }
}

/// A password as it is typed for the account of this name.
fn password_fits(password: &str, name: &str) -> Result<(), Bilingual> {
    let checked = rules::normalized_name(name).and_then(|name| rules::check_password(password, &name));
    checked.map_err(|error| error.text())
}

/// A PIN as it is typed; that it does not hold the account's number is seen when it is stored.
fn pin_fits(pin: &str) -> Result<(), Bilingual> {
    rules::check_pin(pin, "").map_err(|error| error.text())
}

/// Only those who record use the studio's telephone.
fn may_have_pin(accounts: &Accounts, name: &str) -> Result<(), Bilingual> {
    let rows = accounts.list().map_err(|error| error.text())?;
    let name = rules::normalized_name(name).map_err(|error| error.text())?;
    match rows.iter().find(|row| row.operator.name == name) {
        Some(row) if !row.operator.role.may_record() => Err(bilingual!(
            "{name} has the role {}: only operators and approvers record by telephone, with a PIN",
            "{name} 是{}：只有录音员和审核员用 PIN 电话录音",
            role_name(row.operator.role).of(current())
        )),
        Some(_) | None => Ok(()),
    }
}

/// A warning if no approver is left.
fn no_approver(accounts: &Accounts) -> String {
    match has_approver(accounts) {
        Ok(true) | Err(_) => String::new(),
        Ok(false) => text!(
            "\nnobody may approve and publish now: jindu studio account add NAME --role approver",
            "\n现在无人可以审核和发布：jindu studio account add 账号 --role approver"
        ),
    }
}

fn add(
    accounts: &Accounts,
    name: &str,
    role: Role,
    number: Option<&String>,
    password_file: Option<&Path>,
) -> Result<String, Bilingual> {
    let line = |error: AccountError| error.text();
    // Before the secrets are asked for.
    rules::normalized_name(name).map_err(|error| error.text())?;
    let password = new_password(&FIRST_PASSWORD, name, password_file)?;
    // Only those who record use the studio's telephone.
    let pin = match role.may_record() {
        true => Some(ask_new(
            &Bilingual::fixed("PIN for the telephone (empty: none)", "电话 PIN（留空则没有）"),
            Some(&rules::PIN_RULES),
            false,
            pin_fits,
        )?),
        false => None,
    };
    let pin = pin.filter(|pin| !pin.expose().is_empty());
    let new = NewAccount { name: name.to_owned(), role, number: number.cloned(), password, pin };
    let operator = accounts.add(&new, &actor()).map_err(line)?;
    let phone = match new.pin {
        _ if role.may_answer() => Bilingual::fixed("at /agent", "网址 /agent"),
        Some(_) => Bilingual::fixed("with a PIN", "有 PIN"),
        None => Bilingual::fixed("without a PIN: no telephone", "没有 PIN：不能用电话录音"),
    };
    let (name, number, role) = (&operator.name, &operator.number, role_name(role));
    Ok(text!(
        "{name} may sign in, and must change the password first: {role}, number {number}, {phone}",
        "{name} 可以登录，须先更改密码：{role:#}，编号 {number}，{phone:#}"
    ))
}

/// Sets the password of an account's telephones.
fn sip(settings: &Settings, accounts: &Accounts, name: &str) -> Result<String, Bilingual> {
    let registrar = settings.phone.registrar.as_ref();
    let realm = &registrar
        .ok_or(Bilingual::fixed(
            "no telephone may register: set phone.registrar.realm first",
            "尚不允许话机注册：请先设 phone.registrar.realm",
        ))?
        .realm;
    let what = Bilingual::fixed("password for the telephone", "话机密码");
    let password = ask_new(&what, None, true, |password| password_fits(password, name))?;
    let set = accounts.set_sip_password(name, &password, realm, &actor());
    let user = set.map_err(|error| error.text())?;
    Ok(text!(
        "{name}'s telephones register as {user} in the realm {realm}",
        "{name} 的话机以 {user} 注册，realm 为 {realm}"
    ))
}

fn table(rows: &[AccountRow], zone: &TimeZone) -> String {
    let row = |cells: [&str; 7]| {
        let widths = [24, 10, 8, 9, 4, 4, 0];
        let cells = cells.iter().zip(widths).map(|(cell, width)| padded(cell, width));
        format!("{}\n", cells.collect::<Vec<_>>().join(" ").trim_end())
    };
    let lang = current();
    let mut text = row(lang.choose(
        ["name", "role", "number", "password", "PIN", "SIP", "last signed in"],
        ["账号", "角色", "编号", "密码", "PIN", "SIP", "最近登录"],
    ));
    let yes = |is: bool| if is { lang.choose("yes", "有") } else { lang.choose("no", "无") };
    for AccountRow { operator, has_pin, must_change, sip_realm, signed_in } in rows {
        let password =
            if *must_change { lang.choose("to change", "待更改") } else { lang.choose("own", "已自设") };
        let signed_in = signed_in.map_or_else(|| lang.choose("never", "从未").to_owned(), |at| shown(at, zone));
        let role = role_name(operator.role);
        let (name, role) = (operator.name.as_str(), role.of(lang));
        text.push_str(&row([
            name,
            role,
            &operator.number,
            password,
            yes(*has_pin),
            yes(sip_realm.is_some()),
            &signed_in,
        ]));
    }
    text
}

pub(crate) fn role_name(role: Role) -> Bilingual {
    Bilingual::fixed(
        role.code(),
        match role {
            Role::Operator => "录音员",
            Role::Approver => "审核员",
            Role::Agent => "坐席",
            Role::Supervisor => "班长",
        },
    )
}

/// A further line where the first password of the account is no longer in its file.
fn forgotten(accounts: &Accounts, name: &str, file: Option<PathBuf>) -> String {
    match file.filter(|_| accounts.initial_password_file(name).is_none()) {
        None => String::new(),
        Some(file) => {
            let file = file.display();
            text!(
                "\nits first password and PIN were removed from {file}; jindu studio account pin sets another PIN",
                "\n其初始密码和 PIN 已从 {file} 中删除；可用 jindu studio account pin 另设 PIN"
            )
        }
    }
}

const FIRST_PASSWORD: Bilingual = Bilingual::fixed("first password", "初始密码");
const NEW_PASSWORD: Bilingual = Bilingual::fixed("new password", "新密码");
/// Who acts, in the audit log: the command line, and the user of the terminal.
pub(crate) fn actor() -> String {
    format!("command line: {}", By::default().name())
}
