//! Settings of a PostgreSQL upstream: its servers, what is replicated, and what its columns and codes mean.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use base::{Bilingual, bilingual};
use inquiry::Stage;
use replica::upstream::{CaseField, FactorKind, Heartbeat, Mapping, Origin};

use super::table_reader::Reader;

/// A PostgreSQL upstream.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Tried in this order; the first that is not a standby is used.
    pub servers: Vec<UpstreamServer>,
    /// The database that holds the table.
    pub database: String,
    /// A role with REPLICATION and SELECT.
    pub user: String,
    /// A file that holds the password and nothing else.
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// Whether the connection is encrypted and the server verified.
    pub tls: Tls,
    /// The publication that holds the table and the heartbeat.
    pub publication: String,
    /// The logical replication slot, one for each node.
    pub slot: String,
    /// Which table, and what its columns and codes mean.
    pub mapping: Mapping,
    /// What the age of the replica is taken from.
    pub heartbeat: Heartbeat,
    /// How often this node writes the heartbeat row; none if the upstream writes it.
    pub heartbeat_every: Option<Duration>,
    /// The time zone in which the upstream's times become days.
    pub time_zone: String,
    /// The system identifier of another cluster that may replace the upstream.
    pub accept_system: Option<String>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// A connection without any message for this long is closed and opened again.
    pub silence: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub reconnect_first: Duration,
    /// The longest wait between two attempts.
    pub reconnect_max: Duration,
    /// How long a table copy waits for the upstream's open transactions before it starts.
    pub copy_start_timeout: Duration,
}

impl Default for Postgres {
    fn default() -> Self {
        postgres(&mut Reader::new(toml::Table::new()), Path::new(""))
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamServer {
    /// A name, an address, or the folder of a Unix socket.
    pub host: String,
    /// A TCP port, or the number in the socket's name.
    pub port: u16,
}

/// How a connection is protected. It never falls back to less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// In the clear.
    Off,
    /// The server's certificate must be signed by the authority in `ca_file` (none: one of this machine's) and hold
    /// `name` (none: the server's host).
    Verify {
        /// Certificates in PEM.
        ca_file: Option<PathBuf>,
        /// The name that the certificate must hold.
        name: Option<String>,
    },
}

impl UpstreamServer {
    /// Whether it is a Unix socket.
    pub fn is_local(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl std::fmt::Display for UpstreamServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bracket = self.host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
        if bracket { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

pub(super) fn postgres(reader: &mut Reader, base: &Path) -> Postgres {
    let servers = servers(reader);
    let tls = tls(reader, base, servers.iter().all(UpstreamServer::is_local));
    let password_file = text(reader, "password_file", "").map(|path| base.join(path));
    let password_env = text(reader, "password_env", "");
    if password_file.is_some() && password_env.is_some() {
        reader.report(
            &key("password_env"),
            Bilingual::fixed(
                "must be empty when password_file is set: give the password once",
                "已设 password_file 时应留空：密码只写一处",
            ),
        );
    }
    let every = reader.number(&key("heartbeat_every_s"), 0..=3600, 5).unsigned_abs();
    let first = reader.milliseconds(&key("reconnect_first_ms"), 10..=60_000, 200);
    let most = reader.seconds(&key("reconnect_most_s"), 1..=3600, 10);
    if most < first {
        reader.report(
            &key("reconnect_most_s"),
            Bilingual::fixed("must be at least reconnect_first_ms", "不得小于 reconnect_first_ms"),
        );
    }
    Postgres {
        servers,
        database: required(reader, "database", "crj"),
        user: required(reader, "user", "jindu"),
        password_file,
        password_env,
        tls,
        publication: publication(reader),
        slot: slot(reader),
        mapping: mapping(reader),
        heartbeat: heartbeat(reader),
        heartbeat_every: (every > 0).then(|| Duration::from_secs(every)),
        time_zone: time_zone(reader),
        accept_system: text(reader, "accept_system", ""),
        connect_timeout: reader.seconds(&key("connect_timeout_s"), 1..=300, 10),
        silence: reader.seconds(&key("silence_s"), 5..=3600, 60),
        reconnect_first: first,
        reconnect_max: most,
        copy_start_timeout: reader.seconds(&key("copy_start_timeout_s"), 5..=86_400, 300),
    }
}

fn key(name: &str) -> String {
    format!("replica.postgres.{name}")
}

fn text(reader: &mut Reader, name: &str, default: &str) -> Option<String> {
    Some(reader.string(&key(name), default)).filter(|text| !text.is_empty())
}

fn required(reader: &mut Reader, name: &str, default: &str) -> String {
    let found = text(reader, name, default);
    if found.is_none() {
        reader.report(&key(name), Bilingual::fixed("must not be empty", "不得为空"));
    }
    found.unwrap_or_default()
}

fn servers(reader: &mut Reader) -> Vec<UpstreamServer> {
    let key = key("servers");
    let mut servers = Vec::new();
    for text in reader.strings(&key, &["127.0.0.1:5432"]) {
        match server(&text) {
            Some(server) => servers.push(server),
            None => reader.report(
                &key,
                bilingual!(
                    "{text} must be HOST:PORT, as in db1.example:5432 or /run/postgresql:5432",
                    "{text} 应为 主机:端口，如 db1.example:5432 或 /run/postgresql:5432"
                ),
            ),
        }
    }
    if servers.is_empty() {
        reader.report(&key, Bilingual::fixed("must name at least one server", "至少应写一台服务器"));
    }
    servers
}

fn server(text: &str) -> Option<UpstreamServer> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
            (host, port.parse().ok().filter(|port| *port != 0)?)
        }
        Some(_) | None => (text, 5432),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let sound = !host.is_empty() && !host.contains([' ', '\'', '"', ',']);
    sound.then(|| UpstreamServer { host: host.to_owned(), port })
}

fn tls(reader: &mut Reader, base: &Path, local: bool) -> Tls {
    let mode = reader.string(&key("tls"), "verify-full");
    let ca_file = text(reader, "ca_file", "").map(|path| base.join(path));
    let name = text(reader, "tls_name", "");
    match mode.as_str() {
        "off" => {
            if ca_file.is_some() || name.is_some() {
                reader.report(
                    &key("tls"),
                    Bilingual::fixed(
                        "must be verify-full when ca_file or tls_name is set: set it, or remove those two",
                        "已设 ca_file 或 tls_name 时应为 verify-full：请改设，或删除那两项",
                    ),
                );
            }
            Tls::Off
        }
        "verify-full" => {
            if local {
                reader.report(
                    &key("tls"),
                    Bilingual::fixed("must be off over a Unix socket", "使用 Unix 套接字时应为 off"),
                );
            }
            Tls::Verify { ca_file, name }
        }
        other => {
            reader.report(&key("tls"), unknown_tls(other));
            Tls::Off
        }
    }
}

/// Explains the modes of PostgreSQL's own clients that are not accepted here.
fn unknown_tls(mode: &str) -> Bilingual {
    match mode {
        "disable" => Bilingual::fixed(
            "must be verify-full or off: write off for what PostgreSQL's clients call disable",
            "应为 verify-full 或 off：PostgreSQL 客户端所称的 disable 请写 off",
        ),
        "allow" | "prefer" | "require" => {
            bilingual!(
                "must be verify-full or off: {mode} does not verify the server; name the authority in ca_file",
                "应为 verify-full 或 off：{mode} 不核验服务器；请在 ca_file 中写明证书机构"
            )
        }
        "verify-ca" => Bilingual::fixed(
            "must be verify-full or off: if the certificate has another name than the host, set tls_name to a name in \
                        it; jindu upstream check prints the names",
            "应为 verify-full 或 off：证书名称与主机名不同时，请把 tls_name 设为证书中的名称；jindu upstream check 会列出这些名称",
        ),
        _ => Bilingual::fixed("must be verify-full or off", "应为 verify-full 或 off"),
    }
}

fn publication(reader: &mut Reader) -> String {
    let name = required(reader, "publication", "jindu");
    if name.contains([',', ' ', '\'', '"']) {
        reader.report(
            &key("publication"),
            Bilingual::fixed(
                "must be one name, without commas, spaces and quotes",
                "应为一个名称，不含逗号、空格和引号",
            ),
        );
    }
    name
}

fn slot(reader: &mut Reader) -> String {
    let name = required(reader, "slot", "jindu");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > 63 || !name.bytes().all(plain) {
        reader.report(
            &key("slot"),
            Bilingual::fixed(
                "must be 1 to 63 lower-case letters, digits or _, and differ on each node",
                "应为 1 至 63 个小写字母、数字或 _，且各节点不同",
            ),
        );
    }
    name
}

fn time_zone(reader: &mut Reader) -> String {
    let name = required(reader, "time_zone", "Asia/Shanghai");
    if jiff::tz::TimeZone::get(&name).is_err() {
        reader.report(
            &key("time_zone"),
            Bilingual::fixed("must be the name of a time zone, as in Asia/Shanghai", "应为时区名称，如 Asia/Shanghai"),
        );
    }
    name
}

/// `schema.table`; without a schema, `public`.
fn table(reader: &mut Reader, name: &str, text: &str) -> (String, String) {
    let (schema, table) = text.split_once('.').unwrap_or(("public", text));
    if schema.is_empty() || table.is_empty() || table.contains('.') {
        reader.report(
            &key(name),
            Bilingual::fixed("must be SCHEMA.TABLE, as in public.cases", "应为 模式.表，如 public.cases"),
        );
    }
    (schema.to_owned(), table.to_owned())
}

fn heartbeat(reader: &mut Reader) -> Heartbeat {
    let column = required(reader, "heartbeat_column", "beat_at");
    match text(reader, "heartbeat_table", "public.jindu_heartbeat") {
        Some(name) => {
            let (schema, table) = table(reader, "heartbeat_table", &name);
            Heartbeat::Row { schema, table, column }
        }
        None => Heartbeat::Commits,
    }
}

fn mapping(reader: &mut Reader) -> Mapping {
    let name = required(reader, "table", "public.cases");
    let (schema, table) = table(reader, "table", &name);
    let mut origins = BTreeMap::new();
    let factor = factor(reader, &mut origins);
    for (role, name, required) in COLUMNS {
        let key = key(&format!("columns.{name}"));
        match origin(&reader.string(&key, name)) {
            Some(Origin::Fixed(_)) if role == CaseField::Receipt => {
                reader.report(&key, Bilingual::fixed("must be a column, not a fixed value", "应为列，不能是固定值"))
            }
            Some(origin) => drop(origins.insert(role, origin)),
            None if required => reader.report(
                &key,
                Bilingual::fixed(
                    "must not be empty: name a column, or a value that is the same for every case, as in \"=new\"",
                    "不得为空：请写列名，或写所有案件相同的值，如 \"=new\"",
                ),
            ),
            None => {}
        }
    }
    Mapping {
        schema,
        table,
        factor,
        origins,
        stages: stages(reader),
        documents: codes(reader, "documents"),
        case_types: codes(reader, "case_types"),
        halls: codes(reader, "halls"),
        items: codes(reader, "items"),
    }
}

fn factor(reader: &mut Reader, origins: &mut BTreeMap<CaseField, Origin>) -> FactorKind {
    let kinds = [
        ("id_tail", "id_tail", FactorKind::IdTail),
        ("birth_date", "", FactorKind::BirthDate),
        ("verifier", "", FactorKind::Verifier),
    ];
    let mut found = Vec::new();
    for (name, default, kind) in kinds {
        let column = reader.string(&key(&format!("columns.{name}")), default);
        if !column.is_empty() {
            found.push((column, kind));
        }
    }
    match <[_; 1]>::try_from(found) {
        Ok([(column, kind)]) if !column.starts_with('=') => {
            origins.insert(CaseField::Factor, Origin::Column(column));
            kind
        }
        Ok(_) | Err(_) => {
            reader.report(
                &key("columns.id_tail"),
                Bilingual::fixed(
                    "exactly one of id_tail, birth_date and verifier must name a column; the others must be \"\"",
                    "id_tail、birth_date、verifier 中须恰有一项写列名，其余写 \"\"",
                ),
            );
            FactorKind::IdTail
        }
    }
}

fn origin(text: &str) -> Option<Origin> {
    match text.strip_prefix('=') {
        Some(value) => Some(Origin::Fixed(value.trim().to_owned())),
        None => (!text.is_empty()).then(|| Origin::Column(text.to_owned())),
    }
}

fn stages(reader: &mut Reader) -> BTreeMap<String, Stage> {
    let mut stages = BTreeMap::new();
    for (code, name) in codes(reader, "stages") {
        match Stage::ALL.into_iter().find(|stage| stage.code() == name) {
            Some(stage) => drop(stages.insert(code, stage)),
            None => {
                let known = Stage::ALL.map(Stage::code).join(", ");
                reader.report(
                    &key(&format!("stages.{code}")),
                    bilingual!("must be one of {known}", "应为其中之一：{known}"),
                );
            }
        }
    }
    stages
}

/// Reads a table of codes: the upstream's → this program's.
fn codes(reader: &mut Reader, name: &str) -> BTreeMap<String, String> {
    let key = key(name);
    let Some(value) = reader.value(&key) else { return BTreeMap::new() };
    let Value::Table(table) = value else {
        reader.report(
            &key,
            Bilingual::fixed(
                "must be a table of codes, as in \"10\" = \"accepted\"",
                "应为代码表，如 \"10\" = \"accepted\"",
            ),
        );
        return BTreeMap::new();
    };
    let mut codes = BTreeMap::new();
    for (code, ours) in table {
        match ours.as_str() {
            Some(ours) if !ours.is_empty() => drop(codes.insert(code, ours.to_owned())),
            Some(_) | None => reader
                .report(&format!("{key}.{code}"), Bilingual::fixed("must be a code in quotes", "应为加引号的代码")),
        }
    }
    codes
}

/// Role, its name in the settings and the default of its column, and whether a case needs it.
const COLUMNS: [(CaseField, &str, bool); 12] = [
    (CaseField::Receipt, "receipt", true),
    (CaseField::Stage, "stage", true),
    (CaseField::Document, "document", true),
    (CaseField::CaseType, "case_type", true),
    (CaseField::Hall, "hall", true),
    (CaseField::AcceptedOn, "accepted_on", true),
    (CaseField::StageOn, "stage_on", false),
    (CaseField::Pauses, "pauses", false),
    (CaseField::Items, "items", false),
    (CaseField::Waybill, "waybill", false),
    (CaseField::Minor, "minor", false),
    (CaseField::Version, "version", false),
];
