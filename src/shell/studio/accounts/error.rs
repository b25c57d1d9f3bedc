//! Why a sign-in fails, or an account cannot be changed.

use std::time::Duration;

use base::{Bilingual, bilingual, plural};
use studio::accounts::RuleError;

/// Why a sign-in is rejected.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum SignInError {
    /// Wrong name, number, password or PIN; which of them is not said.
    Credentials,
    /// Too many failed attempts.
    LockedOut {
        /// When the next attempt is allowed.
        retry_after: Duration,
    },
    /// The password is right, and was chosen by another person.
    MustChange {
        /// The account.
        name: String,
    },
    /// Too many sign-ins are being verified.
    Busy,
    /// The accounts cannot be used, or a new password or PIN breaks a rule.
    Account(#[from] AccountError),
}

impl SignInError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            SignInError::Credentials => {
                bilingual!("name and password do not match: try again", "账号与密码不符，请重试")
            }
            SignInError::LockedOut { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                let s = plural(seconds);
                bilingual!("too many failed attempts: wait {seconds} second{s}", "尝试次数过多：请等候 {seconds} 秒")
            }
            SignInError::MustChange { name } => bilingual!(
                "the password of {name} was set by another person and must be changed first: jindu studio passwd {name}, or sign in at /studio",
                "{name} 的密码由他人设定，须先更改：jindu studio passwd {name}，或在 /studio 登录"
            ),
            SignInError::Busy => {
                bilingual!("too many people are signing in: try again in a moment", "登录人数过多，请稍候再试")
            }
            SignInError::Account(error) => error.text(),
        }
    }
}

/// Why an account cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum AccountError {
    /// SQLite cannot open or write the file.
    Sqlite(#[from] rusqlite::Error),
    /// The file's schema is newer than this program.
    Newer {
        /// The accounts' file.
        path: String,
        /// `PRAGMA user_version` of the file.
        schema: i64,
    },
    /// The data folder cannot be created.
    Folder(Bilingual),
    /// A name, number, password or PIN breaks a rule.
    Rule(#[from] RuleError),
    /// No account has this name.
    Unknown(String),
    /// An account has this name.
    NameTaken(String),
    /// An account has this operator number.
    NumberTaken(String),
    /// Too many passwords are being hashed, or the system has no random numbers.
    Busy,
}

impl AccountError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            AccountError::Sqlite(error) => bilingual!(
                "the accounts cannot be read or written: {error}; the data folder must be writable by this user, with room",
                "账号库无法读写：{error}；数据文件夹须可由本用户写入，且有空间"
            ),
            AccountError::Newer { path, schema } => bilingual!(
                "{path}: written by a newer version (schema {schema}): start that version, or move the file away",
                "{path}：由更新的版本写成（schema {schema}）：请启动该版本，或移走该文件"
            ),
            AccountError::Folder(text) => text.clone(),
            AccountError::Rule(error) => error.text(),
            AccountError::Unknown(name) => bilingual!(
                "there is no account {name}; see jindu studio account list",
                "没有账号 {name}；见 jindu studio account list"
            ),
            AccountError::NameTaken(name) => bilingual!(
                "there is an account {name} already: choose another name",
                "账号 {name} 已存在：请换一个名称"
            ),
            AccountError::NumberTaken(number) => bilingual!(
                "the number {number} is taken: choose another one, or leave --number out",
                "编号 {number} 已被使用：请换一个，或不写 --number"
            ),
            AccountError::Busy => bilingual!(
                "too many requests at once, or the system gives no random numbers: try again",
                "同时请求过多，或系统不提供随机数：请重试"
            ),
        }
    }
}
