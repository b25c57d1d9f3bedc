//! `jindu check`: settings, flow, words, calendar, recordings and the files that the settings name.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use config::{PhoneTls, Settings, Source, Tls};
use inquiry::CalendarEnd;
use release::hotline::{self, Hotline};
use release::recordings::MissingPolicy;
use tls::{EXPIRY_ALARM, TlsContext};

use crate::exit::problems;

/// Reports all errors at once. Errors of flow, words and calendar come before missing recordings.
pub(crate) fn check(settings: &Settings) -> ExitCode {
    let release = match hotline::release(settings) {
        Ok(release) => release,
        Err(errors) => return problems(&errors),
    };
    let mut unusable = unreadable_files(settings);
    unusable.extend(foreign_addresses(settings));
    unusable.extend(check_tls(settings).err());
    unusable.extend(os::sound_key::check(&settings.data).err().map(|error| error.to_string()));
    match studio_store::edited(settings, MissingPolicy::Reject) {
        Ok((hotline, _)) if unusable.is_empty() => all_right(&hotline),
        Ok(_) => problems(&unusable),
        Err(errors) => {
            release.warnings.iter().for_each(|warning| println!("{warning}"));
            let short = release.short_name();
            println!("flow, words and calendar are right ({short}); recordings are not:");
            problems(&errors)
        }
    }
}

/// Files that the settings name and a later command needs.
fn unreadable_files(settings: &Settings) -> Vec<String> {
    let mut errors = Vec::new();
    let mut expect = |key: &str, path: &Path, found: bool| {
        if !found {
            errors.push(format!("{key} = {}: it does not exist, or may not be read", path.display()));
        }
    };
    let sheets = &settings.hotline.call_sheets;
    expect("hotline.sheets", sheets, sheets.is_dir());
    if settings.replica.source == Source::Postgres {
        let upstream = &settings.replica.postgres;
        let mut file = |key, path: &Path| expect(key, path, fs::File::open(path).is_ok());
        upstream.password_file.iter().for_each(|path| file("replica.postgres.password_file", path));
        if let Tls::Verify { ca_file: Some(path), .. } = &upstream.tls {
            file("replica.postgres.ca_file", path);
        }
    }
    if let Some(path) = settings.phone.hep.as_ref().and_then(|hep| hep.password_file.as_ref()) {
        expect("phone.hep.password_file", path, fs::File::open(path).is_ok());
    }
    for trunk in &settings.phone.trunks {
        if let Some(register) = &trunk.register {
            let key = format!("trunk.{}.register.password_file", trunk.name);
            expect(&key, &register.password_file, fs::File::open(&register.password_file).is_ok());
        }
    }
    errors
}

/// Addresses to listen on that no interface of this machine has.
fn foreign_addresses(Settings { phone, web, studio, .. }: &Settings) -> Vec<String> {
    let phone = phone.listen.iter().map(|(_, address)| ("phone.listen", *address));
    let pages = web.listen.iter().map(|address| ("web.listen", *address));
    let operations = web.operations_listen.iter().map(|address| ("web.operations_listen", *address));
    let studio = studio.listen.iter().map(|address| ("studio.listen", *address));
    let mut asked: Vec<(&str, IpAddr)> =
        phone.chain(pages).chain(operations).chain(studio).map(|(key, address)| (key, address.ip())).collect();
    asked.dedup();
    let is_foreign = |(_, ip): &(&str, IpAddr)| !ip.is_unspecified() && !os::sockets::is_local_address(*ip);
    let shown = |(key, ip)| format!("{key}: this machine has no address {ip}; `ip address` lists those that it has");
    asked.into_iter().filter(is_foreign).map(shown).collect()
}

/// Reads the files of TLS, and prints when the node's certificate expires soon.
fn check_tls(settings: &Settings) -> Result<(), String> {
    let (files, trunks) = (&settings.phone.tls, &settings.phone.trunks);
    if *files == PhoneTls::default() && trunks.iter().all(|trunk| trunk.ca_file.is_none()) {
        return Ok(());
    }
    let expires = TlsContext::load(files, trunks).map_err(|error| error.to_string())?.expires();
    let left = expires.map(|expires| expires.duration_since(SystemTime::now()).unwrap_or_default());
    if let Some(left) = left.filter(|left| *left < EXPIRY_ALARM) {
        println!("phone.tls.certificate expires in {} days: renew it [tls.expiry]", left.as_secs() / 86_400);
    }
    Ok(())
}

fn all_right(hotline: &Hotline) -> ExitCode {
    let today = os::clock::local(&hotline.zone).date();
    let end = hotline.release.calendar.working.published_to.map(|last| CalendarEnd::at(last, today));
    if let Some(end) = end.filter(CalendarEnd::is_near) {
        println!("{end}");
    }
    for remark in &hotline.remarks {
        println!("{remark}");
    }
    for time in &hotline.answer_times {
        println!("the result in {} ends after {}", time.lang.code(), time.shown());
    }
    println!(
        "all right: flow {}, {} recordings",
        hotline.release.short_name(),
        hotline::needed(&hotline.release).len()
    );
    ExitCode::SUCCESS
}
