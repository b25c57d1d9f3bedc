//! The first passwords: kept in their file from the moment at which the accounts are made, so that a start that fails does not lose
//! them, and shown by the first start that serves.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use base::{Bilingual, bilingual};
use config::Settings;
use os::language;
use studio_store::accounts::initial::InitialAccount;
use studio_store::accounts::initial_file;

/// Keeps the passwords of accounts that were just made; `page` is where the studio is.
pub(crate) fn keep(settings: &Settings, page: SocketAddr, accounts: &[InitialAccount]) {
    if accounts.is_empty() {
        return;
    }
    let secrets: String = accounts.iter().map(|account| format!("{}\n", secrets(page, account))).collect();
    if let Err(error) = initial_file::write(&settings.data.folder, &secrets) {
        tracing::error!(%error, "initial_passwords_not_written: jindu studio account password");
    }
}

/// What a start says of them. A terminal shows those of `accounts`, which this start has made. What is not a terminal is kept by
/// somebody, as a journal or a file: it gets the name of the passwords' file alone, as every later start does.
pub(crate) fn shown(settings: &Settings, page: SocketAddr, accounts: &[InitialAccount]) -> String {
    let data = &settings.data.folder;
    let line = |text: &Bilingual| format!("{}\n", language::shown(text));
    if !accounts.is_empty() && io::stdout().is_terminal() {
        let secrets = accounts.iter().map(|account| line(&secrets(page, account))).collect::<String>();
        let once = Bilingual::fixed(
            "  These passwords are shown only once; the first sign-in asks for new ones.\n",
            "  这些密码只显示一次；首次登录时须更改。\n",
        );
        return format!("{secrets}{}", line(&once));
    }
    let Some(path) = initial_file::path(data) else { return String::new() };
    let path = path.display();
    if accounts.is_empty() {
        return line(&bilingual!(
            "  first passwords that were not changed yet: {path}",
            "  尚未更改的初始密码：{path}"
        ));
    }
    line(&bilingual!(
        "  studio http://{page}/studio  first passwords in {path}: the first sign-in asks for new ones and removes them there\n",
        "  录音工作室 http://{page}/studio  初始密码在 {path}：首次登录时须更改，更改后即从该文件删除\n"
    ))
}

/// Removes the file once a terminal has shown what it holds.
pub(crate) fn were_shown(settings: &Settings, accounts: &[InitialAccount]) {
    if accounts.is_empty() || !io::stdout().is_terminal() {
        return;
    }
    if let Err(error) = initial_file::remove(&settings.data.folder) {
        tracing::warn!(%error, "initial_passwords_not_removed: delete the file");
    }
}

/// The line of an account. In a file it is English, by which the program finds the account.
fn secrets(page: SocketAddr, account: &InitialAccount) -> Bilingual {
    let InitialAccount { name, role, password, number, pin, sip } = account;
    let password = password.expose();
    let telephone = match (pin, sip) {
        (Some(pin), _) => {
            let pin = pin.expose();
            bilingual!("  (telephone: {number}, PIN {pin})", "  （电话：{number}，PIN {pin}）")
        }
        (None, Some(sip)) => {
            let sip = sip.expose();
            bilingual!(
                "  (telephone: registers as {number}, password {sip})",
                "  （话机：以 {number} 注册，密码 {sip}）"
            )
        }
        (None, None) => Bilingual::default(),
    };
    if role.may_answer() {
        return bilingual!(
            "  agents http://{page}/agent  name {name}  password {password}{telephone}",
            "  坐席 http://{page}/agent  账号 {name}  密码 {password}{telephone:#}"
        );
    }
    bilingual!(
        "  studio http://{page}/studio  name {name}  password {password}{telephone}",
        "  录音工作室 http://{page}/studio  账号 {name}  密码 {password}{telephone:#}"
    )
}
