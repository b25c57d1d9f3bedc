//! From the text of `jindu.toml` and `--set KEY=VALUE` to checked settings, with every error at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bilingual, Characters, Codecs, DtmfMode, MediaIo, SrtpPolicy, bilingual};

use super::listen::{phone_listen, web_listen};
use super::overrides::{self, name_trunks, set_all};
use super::places;
use super::settings::{Data, Hotline, Inquiry, Journal, Log, Phone, Replica, Scanner, Settings, Source, Studio, Web};
use super::sound_key::SoundKey;
use super::table_reader::{Diagnostic, Reader, SettingPlace};
use super::trunk_check::{dtmf_mode, number_plan, srtp_policy};
use super::values::{
    LOOPBACK, called_user, called_users, codecs, count, name_servers, networks, packet_time, reachable_address,
};
use replica::gate::{GateKey, GateKeys, is_key_name, read_public};

/// Reads settings. `text` is the file's; `overrides` are the `--set` values in order; relative paths are
/// taken from `base`.
///
/// # Errors
/// Every diagnostic at once, also where a part of the file is not TOML.
pub fn read(text: &str, overrides: &[String], base: &Path) -> Result<Settings, Vec<Diagnostic>> {
    let (settings, diagnostics) = read_all(text, overrides, base);
    if diagnostics.is_empty() { Ok(settings) } else { Err(diagnostics) }
}

/// The same with the settings as far as they can be read: defaults stand in the places of those that are wrong. For a check of
/// what does not depend on these; nothing may be served with them.
pub fn read_all(text: &str, overrides: &[String], base: &Path) -> (Settings, Vec<Diagnostic>) {
    let (mut table, places, mut diagnostics) = places::parse(text);
    let is_whole = diagnostics.is_empty();
    set_all(&mut table, overrides, &mut diagnostics);
    let trunks = name_trunks(&mut table, &mut diagnostics);
    let mut reader = Reader::new(table);
    reader.diagnostics = diagnostics;
    old_keys(&mut reader);
    let inquiry = inquiry(&mut reader, is_whole);
    let settings = Settings {
        data: data(&mut reader, base),
        phone: phone(&mut reader, &trunks, base),
        web: web(&mut reader),
        hotline: hotline(&mut reader, base),
        studio: studio(&mut reader),
        replica: replica(&mut reader, base, inquiry.formats.clone()),
        inquiry,
        journal: journal(&mut reader),
        messages: super::messages::messages(&mut reader),
        sms: super::sms::sms(&mut reader, base),
        messages_wait: Duration::from_secs(reader.number("messages.wait_h", 1..=8760, 24).unsigned_abs() * 3600),
        log: log(&mut reader),
    };
    super::recording::check_key(&mut reader, &settings.phone.recording, settings.data.sound_key.as_ref());
    // Below a heading that cannot be read, keys seem to belong elsewhere.
    if is_whole {
        reader.unknown_keys();
    }
    let mut diagnostics = reader.diagnostics;
    for diagnostic in &mut diagnostics {
        overrides::locate(diagnostic, overrides);
        places.locate(diagnostic);
        overrides::locate_above(diagnostic, overrides);
    }
    // In the file's order first; the sort is stable.
    diagnostics.sort_by_key(|diagnostic| match diagnostic.place {
        SettingPlace::Line(line) => line,
        SettingPlace::CommandLine | SettingPlace::Unknown => u32::MAX,
    });
    (settings, diagnostics)
}

fn days(n: i64) -> Duration {
    Duration::from_secs(n.unsigned_abs() * 86_400)
}

fn path(reader: &mut Reader, base: &Path, key: &str, default: &str) -> PathBuf {
    let written = reader.string(key, default);
    if written.is_empty() {
        reader.report(key, Bilingual::fixed("must name a file or folder", "应写明文件或文件夹"));
    }
    base.join(written)
}

fn data(reader: &mut Reader, base: &Path) -> Data {
    Data {
        folder: path(reader, base, "data.folder", "data"),
        sample_cases: count(reader, "data.sample_cases", 0..=20_000_000, 50_000),
        sample_heartbeat: reader.boolean("data.sample_heartbeat", true),
        sound_key: sound_key(reader, base),
    }
}

fn sound_key(reader: &mut Reader, base: &Path) -> Option<SoundKey> {
    let written = reader.optional_string("data.sound_key").filter(|written| !written.is_empty())?;
    let Some(name) = written.strip_prefix("credential:") else { return Some(SoundKey::File(base.join(written))) };
    if name.is_empty() || name.contains('/') {
        reader.report(
            "data.sound_key",
            Bilingual::fixed(
                "must be a file, or credential: and a name without a slash",
                "应为文件，或 credential: 加不含斜线的名称",
            ),
        );
    }
    Some(SoundKey::Credential(name.to_owned()))
}

/// `phone.desk` is an address, or a queue of this node.
fn check_desk(reader: &mut Reader, desk: Option<&str>, queues: &queue::Settings) {
    let Some(desk) = desk else { return };
    let named = |name: &str| queues.queues.iter().any(|queue| *queue.name == *name);
    if desk.strip_prefix("queue:").is_some_and(|name| !named(name)) {
        let what =
            Bilingual::fixed("must name a queue that there is in a table [[queue]]", "应为 [[queue]] 表中已有的队列");
        reader.report("phone.desk", what);
    } else if !["sip:", "sips:", "tel:", "queue:"].iter().any(|scheme| desk.starts_with(scheme)) {
        let what = Bilingual::fixed(
            "must be a SIP or tel URI, as in sip:desk@192.0.2.7, or a queue, as in queue:desk",
            "应为 SIP 或 tel URI（如 sip:desk@192.0.2.7）或队列（如 queue:desk）",
        );
        reader.report("phone.desk", what);
    }
}

/// Where transfers go, and the number that callers hear for it.
fn desk(reader: &mut Reader, queues: &queue::Settings) -> (Option<String>, String) {
    let desk = reader.optional_string("phone.desk").filter(|uri| !uri.is_empty());
    check_desk(reader, desk.as_deref(), queues);
    let desk_number = reader.string("phone.desk_number", "96110110");
    if !desk_number.chars().all(|c| c.is_ascii_digit()) {
        reader.report(
            "phone.desk_number",
            Bilingual::fixed(
                "must be digits, since callers hear it digit by digit",
                "应为数字，因为会向来电人逐位播报",
            ),
        );
    }
    (desk, desk_number)
}

/// The longest and the shortest time of a drain.
fn drain(reader: &mut Reader) -> (Duration, Duration) {
    let drain_limit = reader.seconds("phone.drain_limit_s", 0..=86_400, 120);
    let drain_least = reader.seconds("phone.drain_least_s", 0..=300, 0);
    if drain_least > drain_limit {
        reader.report(
            "phone.drain_least_s",
            Bilingual::fixed("must be at most phone.drain_limit_s", "不得大于 phone.drain_limit_s"),
        );
    }
    (drain_limit, drain_least)
}

/// People are called by lines of trunks alone.
fn outgoing_lines(reader: &mut Reader, phone: &Phone) {
    let call_back = phone.call_back.as_ref().map(|line| &line.dial);
    super::call_back::check_trunk(reader, "call_back.dial", call_back, &phone.trunks);
    let transfer = phone.transfer.as_ref().map(|line| &line.dial);
    super::call_back::check_trunk(reader, "transfer.dial", transfer, &phone.trunks);
    super::queues::check_addresses(reader, &phone.queue_addresses, &phone.trunks);
}

/// The smallest session interval that is accepted, and the one that is requested (RFC 4028).
fn session_timer(reader: &mut Reader) -> (Duration, Duration) {
    let min_se = reader.seconds("phone.min_se_s", 90..=7200, 90);
    let session_expires = reader.seconds("phone.session_expires_s", 90..=86_400, 1800);
    if session_expires < min_se {
        reader.report(
            "phone.session_expires_s",
            Bilingual::fixed("must be at least phone.min_se_s", "不得小于 phone.min_se_s"),
        );
    }
    (min_se, session_expires)
}

fn phone(reader: &mut Reader, trunks: &[String], base: &Path) -> Phone {
    let (call_back, call_back_hours, call_backs) = super::call_back::call_back(reader);
    let (queues, queue_addresses, recorded) = super::queues::queues(reader, call_backs);
    let (desk, desk_number) = desk(reader, &queues);
    let (min_se, session_expires) = session_timer(reader);
    let (drain_limit, drain_least) = drain(reader);
    let line_test = called_user(reader, "phone.line_test");
    let studio = called_user(reader, "phone.studio");
    if studio.is_some() && studio == line_test {
        reader.report(
            "phone.studio",
            Bilingual::fixed("must differ from phone.line_test", "不得与 phone.line_test 相同"),
        );
    }
    let listen = phone_listen(reader);
    let public_address = reachable_address(reader, "phone.public_address");
    let first = listen.first().map(|(_, address)| address.ip());
    let mut phone = Phone {
        tls: super::tls::phone_tls(reader, base, listen.iter().map(|(transport, _)| *transport)),
        queues,
        queue_addresses,
        recording: super::recording::recording(reader, recorded),
        call_back,
        call_back_hours,
        transfer: super::transfer::transfer(reader),
        registrar: super::registrar::phone_registrar(reader),
        listen,
        public_address,
        webrtc: super::webrtc::webrtc(reader, first, public_address),
        dns: name_servers(reader, "phone.dns"),
        media_ports: media_ports(reader),
        media_threads: count(reader, "phone.media_threads", 0..=64, 0),
        media_io: media_io(reader),
        media_pinned: reader.boolean("phone.media_pinned", false),
        calls_max: count(reader, "phone.calls_max", 1..=30_000, 2000),
        calls_per_caller_max: super::trunk_check::most(count(reader, "phone.calls_per_caller_max", 0..=30_000, 20)),
        retry_after: reader.seconds("phone.retry_after_s", 1..=3600, 5),
        calls_per_second_max: count(reader, "phone.calls_per_second_max", 1..=100_000, 5000),
        trunks: Vec::new(),
        numbers: called_users(reader, "phone.numbers"),
        line_test,
        studio,
        studio_calls_max: count(reader, "phone.studio_calls_max", 1..=1000, 4),
        studio_limit: reader.seconds("phone.studio_limit_s", 60..=86_400, 1800),
        desk,
        desk_number,
        call_reasons: reader.strings("phone.call_reasons", &CALL_REASONS),
        media_timeout: reader.seconds("phone.media_timeout_s", 1..=86_400, 60),
        shares: super::call_shares::call_shares(reader),
        call_limit: reader.seconds("phone.call_limit_s", 10..=86_400, 3600),
        drain_limit,
        drain_min: drain_least,
        session_expires,
        min_se,
        refer: reader.boolean("phone.refer", true),
        codecs: codecs(reader, "phone.codecs", Codecs::ALL),
        ptime: packet_time(reader, "phone.ptime_ms", Duration::from_millis(20)),
        dtmf: dtmf_mode(reader, "phone.dtmf", DtmfMode::Auto),
        lead_in: reader.milliseconds("phone.lead_in_ms", 0..=2000, 300),
        jitter_buffer: reader.milliseconds("phone.jitter_buffer_ms", 0..=100, 0),
        number_plan: number_plan(reader),
        srtp: srtp_policy(reader, "phone.srtp", SrtpPolicy::Off),
        hep: super::hep::hep(reader, base),
    };
    phone.trunks = super::trunk_check::trunks(reader, trunks, &phone, base);
    outgoing_lines(reader, &phone);
    phone
}

/// Settings of earlier versions, each with its new spelling.
fn old_keys(reader: &mut Reader) {
    let trunks = reader.old_strings("phone.trunks");
    if let Some(addresses) = trunks {
        let what = bilingual!(
            "is replaced by tables, one for each trunk: write\n  [[trunk]]\n  name = \"carrier\"\n  addresses = {addresses}\n  \
             or on the command line --set 'trunk.carrier.addresses={addresses}'",
            "已改为每条中继一个表，请写\n  [[trunk]]\n  name = \"carrier\"\n  addresses = {addresses}\n  或在命令行写 --set 'trunk.carrier.addresses={addresses}'"
        );
        reader.report_as("trunk.old_key", "phone.trunks", what);
    }
    if let Some(addresses) = reader.old_strings("phone.studio_trunks") {
        let what = bilingual!(
            "is replaced: write studio = true in the [[trunk]] of {addresses}, or on the command line \
             --set trunk.NAME.studio=true",
            "已停用：请在 {addresses} 的 [[trunk]] 中写 studio = true，或在命令行写 --set trunk.NAME.studio=true"
        );
        reader.report_as("trunk.old_key", "phone.studio_trunks", what);
    }
}

fn media_ports(reader: &mut Reader) -> (u16, u16) {
    const KEY: &str = "phone.media_ports";
    let text = reader.string(KEY, "20000-29999");
    let ports =
        text.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    let what = match ports {
        Some((first, last)) if (1024..last).contains(&first) => return (first, last),
        Some((first, last)) if first >= last => bilingual!(
            "must be FIRST-LAST with the smaller port first: {first} is not below {last}",
            "应为 起始-结束，起始端口应小于结束端口：{first} 不小于 {last}"
        ),
        _ => Bilingual::fixed(
            "must be FIRST-LAST, ports from 1024 to 65535, as in 20000-29999",
            "应为 起始-结束，端口 1024 至 65535，如 20000-29999",
        ),
    };
    reader.report(KEY, what);
    (20_000, 29_999)
}

fn media_io(reader: &mut Reader) -> MediaIo {
    const KEY: &str = "phone.media_io";
    let name = reader.string(KEY, MediaIo::default().name());
    MediaIo::ALL.into_iter().find(|way| way.name() == name).unwrap_or_else(|| {
        let known = MediaIo::ALL.map(MediaIo::name).join(", ");
        reader.report(KEY, bilingual!("must be one of {known}", "应为 {known} 之一"));
        MediaIo::default()
    })
}

fn studio(reader: &mut Reader) -> Studio {
    Studio {
        listen: web_listen(reader, "studio.listen", &[]),
        allow: networks(reader, "studio.allow", &LOOPBACK),
        proxies: networks(reader, "studio.proxies", &[]),
        allow_insecure: reader.boolean("studio.in_the_clear", false),
        session_idle: reader.seconds("studio.session_idle_s", 60..=86_400, 3600),
        session: reader.seconds("studio.session_s", 300..=604_800, 43_200),
        upload_bytes_max: count(reader, "studio.upload_bytes_max", 100_000..=1_000_000_000, 134_217_728),
        upload_longest: reader.seconds("studio.upload_longest_s", 10..=1800, 660),
        disk_bytes_max: count::<u64>(reader, "studio.disk_mb_max", 50..=10_000_000, 20_000) * 1_000_000,
    }
}

fn web(reader: &mut Reader) -> Web {
    let listen = web_listen(reader, "web.listen", &["127.0.0.1:8080"]);
    let proxies = networks(reader, "web.proxies", &[]);
    let local = proxies.is_empty() && listen.iter().all(|address| address.ip().is_loopback());
    Web {
        listen,
        proxies,
        hosts: web_hosts(reader),
        operations_listen: web_listen(reader, "web.operations_listen", &[]),
        operations_allow: networks(reader, "web.operations_allow", &LOOPBACK),
        try_out_kiosk: reader.boolean("web.try_out_kiosk", true),
        connections_max: count(reader, "web.connections_max", 1..=100_000, 2000),
        shares: super::web_shares::web_shares(reader, local),
        request_timeout: reader.seconds("web.request_timeout_s", 1..=300, 10),
        image_bytes_max: count(reader, "web.image_bytes_max", 1024..=67_108_864, 12_582_912),
        answer_shown: reader.seconds("web.answer_shown_s", 5..=600, 40),
        clear_warning: reader.seconds("web.clear_warning_s", 20..=120, 20),
        maintenance: reader.boolean("web.maintenance", false),
        cantonese_characters: characters(reader, "web.cantonese_characters"),
    }
}

fn characters(reader: &mut Reader, key: &str) -> Characters {
    let written = reader.string(key, Characters::default().code());
    Characters::ALL.into_iter().find(|characters| characters.code() == written).unwrap_or_else(|| {
        reader.report(key, Bilingual::fixed("must be simplified or traditional", "应为 simplified 或 traditional"));
        Characters::default()
    })
}

/// Names and addresses without a port, in lower case, as a Host header has them.
fn web_hosts(reader: &mut Reader) -> Vec<String> {
    const KEY: &str = "web.hosts";
    let mut hosts = Vec::new();
    for text in reader.strings(KEY, &[]) {
        let plain = text.trim_start_matches('[').trim_end_matches(']');
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        match plain.parse::<std::net::IpAddr>() {
            Ok(address) => hosts.push(address.to_string()),
            Err(_) if is_name && !text.is_empty() => hosts.push(text.to_ascii_lowercase()),
            Err(_) => {
                reader.report(
                    KEY,
                    bilingual!(
                        "{text} must be a name or an address without a port, as in kiosk.example",
                        "{text} 应为不带端口的主机名或地址，如 kiosk.example"
                    ),
                );
            }
        }
    }
    hosts
}

fn hotline(reader: &mut Reader, base: &Path) -> Hotline {
    Hotline {
        flow: path(reader, base, "hotline.flow", "config/hotline/flow.toml"),
        script: path(reader, base, "hotline.script", "prompts/script.toml"),
        calendar: path(reader, base, "hotline.calendar", "config/calendar.toml"),
        audio: path(reader, base, "hotline.audio", "prompts/audio"),
        manifest: path(reader, base, "hotline.manifest", "prompts/manifest.json"),
        call_sheets: path(reader, base, "hotline.sheets", "config/hotline/calls"),
        emergency: reader.boolean("hotline.emergency", false),
    }
}

/// `is_whole`: the whole file could be read.
fn inquiry(reader: &mut Reader, is_whole: bool) -> Inquiry {
    let errors = reader.diagnostics.len();
    let formats = reader.tables("inquiry.receipt");
    if is_whole && formats.is_empty() && reader.diagnostics.len() == errors {
        reader.report(
            "inquiry.receipt",
            Bilingual::fixed(
                "must describe at least one receipt format, in a table [[inquiry.receipt]]",
                "至少应写明一种回执格式，写在 [[inquiry.receipt]] 表中",
            ),
        );
    }
    if !formats.is_empty() && reader.diagnostics.len() == errors {
        check_formats(reader, &formats);
    }
    let errors = reader.diagnostics.len();
    let limits: Vec<inquiry::TimeLimit> = reader.tables("inquiry.limit");
    if reader.diagnostics.len() == errors {
        check_limits(reader, &limits);
    }
    Inquiry {
        formats,
        limits,
        scanner: scanner(reader),
        failures_per_caller: count(reader, "inquiry.failures_per_caller", 1..=1_000_000, 60),
        failures_per_kiosk: count(reader, "inquiry.failures_per_kiosk", 1..=1_000_000, 600),
        failures_per_receipt: count(reader, "inquiry.failures_per_receipt", 1..=1_000_000, 10),
        failures_total: count(reader, "inquiry.failures_total", 1..=100_000_000, 20_000),
        failure_window: reader.seconds("inquiry.failure_window_s", 10..=86_400, 600),
        look_ups_per_client: count(reader, "inquiry.lookups_per_client", 1..=1_000_000, 600),
        look_ups_per_receipt: count(reader, "inquiry.lookups_per_receipt", 1..=1_000_000, 20),
        look_ups_total: count(reader, "inquiry.lookups_total", 1..=1_000_000_000, 200_000),
    }
}

/// Errors of the formats among each other, where the tables themselves can be read.
fn check_formats(reader: &mut Reader, formats: &[inquiry::ReceiptFormat]) {
    for error in inquiry::Formats::new(formats.to_vec()).err().into_iter().flatten() {
        let key = match error {
            inquiry::FormatError::Length { format, .. }
            | inquiry::FormatError::Prefix { format, .. }
            | inquiry::FormatError::Groups { format, .. }
            | inquiry::FormatError::Name { format, .. }
            | inquiry::FormatError::Ambiguous { second: format, .. } => format!("inquiry.receipt[{format}]"),
            inquiry::FormatError::Empty | inquiry::FormatError::TooMany(_) => "inquiry.receipt".to_owned(),
        };
        reader.report(&key, error.text());
    }
}

/// The same of the time limits.
fn check_limits(reader: &mut Reader, limits: &[inquiry::TimeLimit]) {
    for error in inquiry::TimeLimits::new(limits).err().into_iter().flatten() {
        let is_it = |limit: &inquiry::TimeLimit| match &error {
            inquiry::TimeLimitError::Range { document, n } => limit.document == *document && limit.n == *n,
            inquiry::TimeLimitError::Twice { document, .. } => limit.document == *document,
        };
        // Of two for one document the second is the one too many.
        let place = match error {
            inquiry::TimeLimitError::Range { .. } => limits.iter().position(is_it),
            inquiry::TimeLimitError::Twice { .. } => limits.iter().rposition(is_it),
        };
        let key = place.map_or_else(|| "inquiry.limit".to_owned(), |place| format!("inquiry.limit[{place}]"));
        reader.report(&key, error.text());
    }
}

fn scanner(reader: &mut Reader) -> Scanner {
    const KEY: &str = "inquiry.scanner.qr_patterns";
    let qr_patterns = reader.strings(KEY, &[]);
    if qr_patterns.iter().any(|pattern| pattern.matches("{receipt}").count() != 1) {
        reader.report(
            KEY,
            Bilingual::fixed("each pattern must contain {receipt} exactly once", "每个模式须恰好包含一次 {receipt}"),
        );
    }
    Scanner {
        prefixes: reader.strings("inquiry.scanner.prefixes", &[]),
        suffixes: reader.strings("inquiry.scanner.suffixes", &[]),
        qr_patterns,
    }
}

fn replica(reader: &mut Reader, base: &Path, formats: Vec<inquiry::ReceiptFormat>) -> Replica {
    let source = match reader.string("replica.source", "spool").as_str() {
        "postgres" => Source::Postgres,
        "spool" => Source::Spool,
        _ => {
            reader.report("replica.source", Bilingual::fixed("must be spool or postgres", "应为 spool 或 postgres"));
            Source::Spool
        }
    };
    Replica {
        source,
        reader_threads: count(reader, "replica.reader_threads", 1..=64, 2),
        cache_entries: count(reader, "replica.cache_entries", 100..=10_000_000, 100_000),
        look_up_timeout: reader.milliseconds("replica.look_up_timeout_ms", 10..=60_000, 2000),
        look_ups_waiting_max: count(reader, "replica.look_ups_waiting_max", 1..=1_000_000, 10_000),
        scrub_rows_per_second: u32::try_from(reader.number("replica.scrub_rows_per_s", 10..=1_000_000, 20_000))
            .unwrap_or(u32::MAX),
        spool_poll: reader.milliseconds("replica.spool_poll_ms", 20..=60_000, 200),
        postgres: super::postgres::postgres(reader, base),
        spool_source: spool_source(reader),
        spool_settle: reader.seconds("replica.spool_settle_s", 0..=3600, 10),
        spool_gap: reader.seconds("replica.spool_gap_s", 0..=86_400, 30),
        spool_keep: days(reader.number("replica.spool_keep_days", 1..=365, 7)),
        keys: keys(reader),
        formats,
    }
}

fn spool_source(reader: &mut Reader) -> Option<String> {
    const KEY: &str = "replica.spool_source";
    let source = reader.string(KEY, "");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if source.len() > 40 || !source.bytes().all(plain) {
        reader.report(
            KEY,
            Bilingual::fixed(
                "must be 1 to 40 lower-case letters, digits or _, as in the names of the feed files, or empty for any",
                "应为 1 至 40 个小写字母、数字或 _，与数据文件名中的一致；留空表示不限",
            ),
        );
    }
    Some(source).filter(|source| !source.is_empty())
}

/// `[[replica.key]]` as written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    public: String,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
}

fn keys(reader: &mut Reader) -> GateKeys {
    const KEY: &str = "replica.key";
    let mut keys = Vec::new();
    for (n, Key { name, public, first_sequence, last_sequence }) in reader.tables(KEY).into_iter().enumerate() {
        if !is_key_name(&name) {
            reader.report(
                &format!("{KEY}[{n}].name"),
                Bilingual::fixed(
                    "must be 1 to 40 lower-case letters, digits, _ or -",
                    "应为 1 至 40 个小写字母、数字、_ 或 -",
                ),
            );
        }
        let (first_sequence, last_sequence) = (first_sequence.unwrap_or(1), last_sequence.unwrap_or(u64::MAX));
        if first_sequence > last_sequence {
            reader.report(
                &format!("{KEY}[{n}].last_sequence"),
                Bilingual::fixed("must be at least first_sequence", "不得小于 first_sequence"),
            );
        }
        match read_public(&public) {
            Ok(public) => keys.push(GateKey { name, public, first_sequence, last_sequence }),
            Err(error) => {
                reader.report(&format!("{KEY}[{n}].public"), bilingual!("{error}", "不是可用的公钥：{error}"));
            }
        }
    }
    GateKeys::new(keys)
}

fn journal(reader: &mut Reader) -> Journal {
    Journal {
        keep: days(reader.number("journal.keep_days", 1..=3650, 180)),
        bytes_max: count(reader, "journal.bytes_max", 1_000_000..=1_000_000_000_000, 10_000_000_000),
    }
}

fn log(reader: &mut Reader) -> Log {
    let level = reader.string("log.level", "info");
    if !["error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
        reader.report(
            "log.level",
            Bilingual::fixed("must be error, warn, info, debug or trace", "应为 error、warn、info、debug 或 trace"),
        );
    }
    Log {
        level,
        json: reader.boolean("log.json", false),
        lines_per_second_max: count(reader, "log.lines_per_second_max", 1..=1_000_000, 100),
    }
}

/// What agents note as the reason of a conversation, unless the settings say otherwise.
const CALL_REASONS: [&str; 5] = ["progress", "papers", "collection", "complaint", "other"];
