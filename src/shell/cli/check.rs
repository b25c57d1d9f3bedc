//! `jindu check`: settings, flow, words, calendar, recordings and the files that the settings name.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use base::{Bilingual, bilingual, plural};
use config::{Diagnostic, PhoneTls, Settings, Source, Tls};
use inquiry::CalendarEnd;
use os::language::shown;
use release::hotline::{self, Hotline};
use release::recordings::MissingPolicy;
use sms::Carrier;
use tls::{EXPIRY_ALARM, OutgoingTls, TlsContext};

use crate::exit::{print, problems};
use crate::say::say;

/// What a check has found.
#[derive(Default)]
struct Findings {
    errors: Vec<Bilingual>,
    remarks: Vec<Bilingual>,
}

/// Reports all errors at once. `wrong` are those of the settings: in their places stand defaults, and what depends on such a
/// setting is not checked.
pub(crate) fn check(settings: &Settings, wrong: &[Diagnostic], file: &str) -> ExitCode {
    let mut found = Findings::default();
    found.errors.extend(wrong.iter().map(|diagnostic| diagnostic.in_file(file)));
    let is_wrong = |table: &str| wrong.iter().any(|diagnostic| diagnostic.key.starts_with(table));
    found.errors.extend(unreadable_files(settings));
    found.errors.extend(foreign_addresses(settings));
    if !is_wrong("phone.tls") && !is_wrong("trunk") {
        found.take_tls(check_tls(settings));
    }
    if !is_wrong("sms") {
        check_sms(settings, &mut found);
    }
    if !is_wrong("data") {
        found.errors.extend(os::sound_key::check(&settings.data).err().map(|error| error.text()));
    }
    let hotline = if is_wrong("hotline") {
        None
    } else {
        check_hotline(settings, wrong.is_empty(), !is_wrong("inquiry.receipt"), &mut found)
    };
    match hotline.filter(|_| found.errors.is_empty()) {
        Some(hotline) => all_right(&hotline, found.remarks),
        None => {
            print_all(&found.remarks);
            problems(&found.errors, found.remarks.len())
        }
    }
}

/// Certificate authorities of a carrier, and what its settings mean.
fn check_sms(settings: &Settings, found: &mut Findings) {
    let (key, ca_file, is_protected) = match &settings.sms.carrier {
        Some(Carrier::Http(http)) => {
            ("sms.http.ca_file", http.ca_file.clone(), http.url.to_string().starts_with("https:"))
        }
        Some(Carrier::Smpp(centre)) => ("sms.smpp.ca_file", centre.ca_file.clone(), centre.tls),
        None => return,
    };
    if is_protected {
        found.errors.extend(OutgoingTls::new(key, ca_file).check().err().map(|error| error.text()));
    } else {
        found.remarks.push(Bilingual::fixed(
            "text messages go to their carrier in clear; use https, or sms.smpp.tls, unless the line is private",
            "短信以明文发往短信服务；除专线外，请使用 https 或 sms.smpp.tls",
        ));
    }
}

/// Checks flow, words and calendar, and then the recordings.
fn check_hotline(
    settings: &Settings,
    with_recordings: bool,
    with_formats: bool,
    found: &mut Findings,
) -> Option<Hotline> {
    let (errors, remarks) = hotline::findings(settings, with_formats);
    let is_right = errors.is_empty();
    found.errors.extend(errors);
    if !is_right || !with_recordings {
        found.remarks.extend(remarks);
        return None;
    }
    match studio_store::edited(settings, MissingPolicy::Reject) {
        Ok((hotline, _)) => {
            found.remarks.extend(hotline.remarks.iter().cloned());
            Some(hotline)
        }
        Err(errors) => {
            found.remarks.extend(remarks);
            say!("flow, words and calendar are right; recordings are not:", "流程、文案和日历无误；录音有问题：");
            found.errors.extend(errors);
            None
        }
    }
}

impl Findings {
    fn take_tls(&mut self, checked: Result<Option<Bilingual>, Bilingual>) {
        match checked {
            Ok(remark) => self.remarks.extend(remark),
            Err(error) => self.errors.push(error),
        }
    }
}

fn print_all(lines: &[Bilingual]) {
    lines.iter().for_each(|line| print(format!("{}\n", shown(line))));
}

/// Files that the settings name and a later command needs.
fn unreadable_files(settings: &Settings) -> Vec<Bilingual> {
    let mut errors = Vec::new();
    let mut expect = |key: &str, path: &Path, found: bool| {
        if !found {
            errors.push(bilingual!(
                "{key} = {}: it does not exist, or may not be read",
                "{key} = {}：不存在，或无权读取",
                path.display()
            ));
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
    match &settings.sms.carrier {
        Some(Carrier::Http(http)) => {
            http.secret_file.iter().for_each(|path| expect("sms.http.secret_file", path, fs::File::open(path).is_ok()));
        }
        Some(Carrier::Smpp(centre)) => {
            let path = &centre.password_file;
            expect("sms.smpp.password_file", path, fs::File::open(path).is_ok());
        }
        None => {}
    }
    if let Some(path) = settings.phone.hep.as_ref().and_then(|hep| hep.password_file.as_ref()) {
        expect("phone.hep.password_file", path, fs::File::open(path).is_ok());
    }
    for trunk in &settings.phone.trunks {
        if let Some(register) = trunk.register.as_ref().filter(|register| register.password_file.file_name().is_some())
        {
            let key = format!("trunk.{}.register.password_file", trunk.name);
            expect(&key, &register.password_file, fs::File::open(&register.password_file).is_ok());
        }
    }
    errors
}

/// Addresses to listen on that no interface of this machine has.
fn foreign_addresses(Settings { phone, web, studio, .. }: &Settings) -> Vec<Bilingual> {
    let phone = phone.listen.iter().map(|(_, address)| ("phone.listen", *address));
    let pages = web.listen.iter().map(|address| ("web.listen", *address));
    let operations = web.operations_listen.iter().map(|address| ("web.operations_listen", *address));
    let studio = studio.listen.iter().map(|address| ("studio.listen", *address));
    let mut asked: Vec<(&str, IpAddr)> =
        phone.chain(pages).chain(operations).chain(studio).map(|(key, address)| (key, address.ip())).collect();
    asked.dedup();
    let is_foreign = |(_, ip): &(&str, IpAddr)| !ip.is_unspecified() && !os::sockets::is_local_address(*ip);
    let shown = |(key, ip)| {
        bilingual!(
            "{key}: this machine has no address {ip}; `ip address` lists those that it has",
            "{key}：本机没有地址 {ip}；`ip address` 会列出本机地址"
        )
    };
    asked.into_iter().filter(is_foreign).map(shown).collect()
}

/// Reads the files of TLS; a remark when the node's certificate expires soon.
fn check_tls(settings: &Settings) -> Result<Option<Bilingual>, Bilingual> {
    let (files, trunks) = (&settings.phone.tls, &settings.phone.trunks);
    if *files == PhoneTls::default() && trunks.iter().all(|trunk| trunk.ca_file.is_none()) {
        return Ok(None);
    }
    let expires = TlsContext::load(files, trunks).map_err(|error| error.text())?.expires();
    let left = expires.map(|expires| expires.duration_since(SystemTime::now()).unwrap_or_default());
    Ok(left.filter(|left| *left < EXPIRY_ALARM).map(|left| {
        bilingual!(
            "phone.tls.certificate expires in {} days: renew it [tls.expiry]",
            "phone.tls.certificate 将在 {} 天后到期：请更换 [tls.expiry]",
            left.as_secs() / 86_400
        )
    }))
}

fn all_right(hotline: &Hotline, mut remarks: Vec<Bilingual>) -> ExitCode {
    let today = os::clock::local(&hotline.zone).date();
    let end = hotline.release.calendar.working.published_to.map(|last| CalendarEnd::at(last, today));
    remarks.splice(..0, end.filter(CalendarEnd::is_near).map(|end| end.text()));
    print_all(&remarks);
    for time in &hotline.answer_times {
        let (lang, shown) = (time.lang.code(), time.shown());
        say!("the result in {lang} ends after {shown}", "{lang} 的结果播完用时 {shown:#}");
    }
    let (flow, recordings) = (hotline.release.short_name(), hotline::needed(&hotline.release).len());
    let remarks = match remarks.len() {
        0 => Bilingual::default(),
        n => {
            let s = plural(n);
            bilingual!(", {n} remark{s}", "，{n} 条提示")
        }
    };
    say!(
        "all right: flow {flow}, {recordings} recordings{remarks}",
        "检查通过：流程 {flow}，录音 {recordings} 条{remarks:#}"
    );
    ExitCode::SUCCESS
}
