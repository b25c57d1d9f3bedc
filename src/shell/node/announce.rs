//! What a start prints: what to try with the sample, initial passwords, and the ready line.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use config::Settings;
use media::MediaIoInUse;
use release::hotline::{self, Hotline};
use release::releases;
use replica::sample::Example;
use studio_store::accounts::initial::InitialAccount;

use crate::sockets::Sockets;

/// What a start prints before the ready line.
pub(crate) struct Welcome<'a> {
    /// Sample cases to try; `None` where the node serves real ones.
    pub examples: Option<&'a [Example]>,
    /// Accounts that this start created.
    pub accounts: &'a [InitialAccount],
    /// What is served.
    pub hotline: &'a Hotline,
    /// How each media thread reads and writes its sockets.
    pub media_io: &'a [MediaIoInUse],
}

/// Prints the welcome, then the ready line, by which a program knows that every socket is open.
pub(crate) fn announce(settings: &Settings, sockets: &Sockets, welcome: &Welcome<'_>) {
    let phone: Vec<String> =
        sockets.sip.listening().iter().map(|(transport, address)| format!("{}:{address}", transport.name())).collect();
    let pages: Vec<String> = sockets.web.addresses().iter().map(|address| format!("http://{address}")).collect();
    let mut text = String::new();
    if let Some(examples) = welcome.examples {
        text.push_str(&what_to_try(settings, &phone, &pages, examples));
    }
    if let Some(page) = sockets.web.studio().filter(|_| !welcome.accounts.is_empty()) {
        text.push_str(&shown_once(settings, page, &initial_passwords(page, welcome.accounts)));
    }
    text.push_str(&served(settings, welcome.hotline));
    let media = media_sockets(welcome.media_io);
    text.push_str(&format!("media {media}\n"));
    if let Some(page) = sockets.web.studio().filter(|_| welcome.accounts.is_empty()) {
        text.push_str(&format!("studio http://{page}/studio\n"));
    }
    let operations: Vec<String> = sockets.web.operations().iter().map(|address| format!("http://{address}")).collect();
    let operations =
        if operations.is_empty() { String::new() } else { format!(" operations={}", operations.join(",")) };
    text.push_str(&format!("ready phone={} web={}{operations}\n", phone.join(","), pages.join(",")));
    let mut out = io::stdout().lock();
    // A node serves, whoever reads its output: a closed terminal or pipe ends no call.
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "the standard output cannot be written");
    }
    tracing::info!(phone = phone.join(","), web = pages.join(","), media, "ready");
}

/// How media threads read and write their sockets, and why not by io_uring if that was to be tried.
fn media_sockets(threads: &[MediaIoInUse]) -> String {
    let of = |thread: &MediaIoInUse| match &thread.instead {
        Some(reason) => format!("{} (io_uring cannot be used here: {reason})", thread.name),
        None => thread.name.to_owned(),
    };
    let mut ways: Vec<String> = threads.iter().map(of).collect();
    ways.dedup();
    ways.join(", ")
}

/// Which release callers hear, and whether the edited files are another.
fn served(settings: &Settings, hotline: &Hotline) -> String {
    let name = hotline.release.short_name();
    if releases::live(settings).is_none() {
        return format!("release {name}: the files in {}; none is published yet\n", folder_of(&settings.hotline.flow));
    }
    let edited = match hotline::release(settings) {
        Ok(edited) if edited.short_name() == name => String::new(),
        Ok(_) => ", and the edited files differ: jindu publish makes them live".to_owned(),
        Err(errors) => format!(", and the edited files have {} errors: see jindu check", errors.len()),
    };
    format!("release {name} is live{edited}\n")
}

fn folder_of(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}

fn what_to_try(settings: &Settings, phone: &[String], pages: &[String], examples: &[Example]) -> String {
    let address = phone.first().and_then(|address| address.split_once(':')).map_or("", |(_, address)| address);
    let number = settings.phone.number().unwrap_or("96110110");
    let page = pages.first().map_or("", String::as_str);
    let mut text = format!(
        "What to try (sample cases):\n  dial   sip:{number}@{address}, then 1 for Mandarin, 1 for progress, the receipt, the ID tail (* for X)\n"
    );
    if let Some(test) = &settings.phone.line_test {
        text.push_str(&format!("  dial   sip:{test}@{address} for the line test\n"));
    }
    if let Some(studio) = &settings.phone.studio {
        text.push_str(&format!("  dial   sip:{studio}@{address} to record prompts by telephone\n"));
    }
    text.push_str(&format!(
        "  open   {page} and scan or type a receipt; {page}/public is the page for everybody else\n\n  {:<16} {:<8} state\n",
        "receipt", "ID tail"
    ));
    for example in examples {
        let tail = example.case.id_tail.as_deref().unwrap_or("");
        text.push_str(&format!("  {:<16} {tail:<8} {}\n", example.case.receipt, example.shows));
    }
    text.push('\n');
    text
}

/// The text for a terminal. What is not one is kept by somebody: a journal, a file; there the secrets go to a file of
/// their own.
fn shown_once(settings: &Settings, page: SocketAddr, secrets: &str) -> String {
    if io::stdout().is_terminal() {
        return format!("{secrets}  These passwords are shown only once; the first sign-in asks for new ones.\n\n");
    }
    let path = settings.data.folder.join("studio").join(INITIAL_PASSWORDS);
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    match made.and_then(|mut file| file.write_all(secrets.as_bytes())) {
        Ok(()) => format!(
            "  studio http://{page}/studio  first passwords in {}: the first sign-in asks for new ones; delete it then\n\n",
            path.display()
        ),
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "initial_passwords_not_written: jindu studio account password");
            String::new()
        }
    }
}

fn initial_passwords(page: SocketAddr, accounts: &[InitialAccount]) -> String {
    let mut text = String::new();
    for InitialAccount { name, password, number, pin } in accounts {
        let (password, pin) = (password.expose(), pin.expose());
        text.push_str(&format!(
            "  studio http://{page}/studio  name {name}  password {password}  (telephone: {number}, PIN {pin})\n"
        ));
    }
    text
}

/// In the data folder's `studio`.
const INITIAL_PASSWORDS: &str = "initial-passwords";
