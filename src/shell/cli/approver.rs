//! Who answers for what callers hear: an approver, proven by the password of the account.
//!
//! An installation that has never had an account of the studio has no password to ask for. There `--who` must name the
//! person, and the audit log says that no account proved it, with the number of the system's user that ran the command.

use base::{Bilingual, bilingual};
use config::Settings;
use studio::Operator;
use studio_store::accounts::{AccountError, Accounts, initial};

use crate::args::by::ByApprover;
use crate::secrets::ask;

/// The approver that `--who` names.
///
/// # Errors
/// The password is wrong or must be changed, or the account may not approve.
pub(crate) fn approver(settings: &Settings, by: &ByApprover) -> Result<Operator, Bilingual> {
    let accounts = initial::open(settings).map_err(|error| error.text())?;
    if !has_approver(&accounts).map_err(|error| error.text())? {
        return Err(Bilingual::fixed(
            "there is no approver: jindu studio account add NAME --role approver",
            "没有审核员：请用 jindu studio account add 账号 --role approver 添加",
        ));
    }
    let name = by.by.who.clone().ok_or(Bilingual::fixed(
        "name yourself with --who NAME: an approver's account of the studio",
        "请用 --who 写明您的账号：须为录音工作室的审核员",
    ))?;
    let password = ask(&bilingual!("password of {name}", "{name} 的密码"), by.password_file.as_deref())?;
    let operator = accounts.by_password(&name, &password).map_err(|error| error.text())?;
    if operator.role.may_approve() {
        Ok(operator)
    } else {
        Err(bilingual!(
            "{name} may not approve or publish: name an approver with --who",
            "{name} 无权审核或发布：请用 --who 写明审核员"
        ))
    }
}

/// Whether any account may approve.
pub(crate) fn has_approver(accounts: &Accounts) -> Result<bool, AccountError> {
    Ok(accounts.list()?.iter().any(|row| row.operator.role.may_approve()))
}

/// Who publishes the flow or rolls it back, as the audit log names the person.
///
/// # Errors
/// As [`approver`]; without any account, `--who` is missing.
pub(crate) fn publisher(settings: &Settings, by: &ByApprover) -> Result<String, Bilingual> {
    let accounts = initial::open(settings).map_err(|error| error.text())?;
    if accounts.ever_had_one().map_err(|error| error.text())? {
        return Ok(approver(settings, by)?.name);
    }
    if by.password_file.is_some() {
        return Err(Bilingual::fixed(
            "there is no account with a password: jindu studio account add NAME --role approver",
            "没有带密码的账号：jindu studio account add NAME --role approver",
        ));
    }
    let who = by.by.who.as_deref().map(str::trim).filter(|who| !who.is_empty());
    let who = who.ok_or(Bilingual::fixed(
        "name who publishes with --who NAME: the studio has no accounts that would prove it (jindu studio account add NAME --role approver)",
        "请用 --who 写明由谁发布：录音工作室没有可供核验的账号（jindu studio account add NAME --role approver）",
    ))?;
    // SAFETY: it takes no argument and always succeeds (POSIX).
    let user = unsafe { libc::getuid() };
    Ok(format!("{who} (no account, uid {user})"))
}
