//! Settings of a PostgreSQL upstream: where it is, what is followed there, and what its columns and codes mean.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use inquiry::Stage;
use replica::upstream::{FactorKind, Heartbeat, Mapping, Origin, Role};

use super::reader::Reader;

/// A PostgreSQL upstream.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Tried in this order, until one is found that is no standby.
    pub servers: Vec<UpstreamServer>,
    pub database: String,
    pub user: String,
    /// A file that holds the password and nothing else.
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds it.
    pub password_env: Option<String>,
    pub tls: Tls,
    pub publication: String,
    pub slot: String,
    pub mapping: Mapping,
    pub heartbeat: Heartbeat,
    /// How often this node writes the heartbeat itself; none: the upstream does.
    pub heartbeat_every: Option<Duration>,
    /// The days of the upstream's times are those of this zone.
    pub time_zone: String,
    /// Another cluster that may take the upstream's place, by its system identifier.
    pub accept_system: Option<String>,
    pub connect_timeout: Duration,
    /// An upstream that says nothing for so long is left and tried again.
    pub silence: Duration,
    pub reconnect_first: Duration,
    pub reconnect_most: Duration,
    /// How long the beginning of a copy may wait for the upstream's open transactions.
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
    pub port: u16,
}

/// How a connection is kept private; it never falls back to less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    Off,
    /// The server's certificate must come from this authority (none: from a public one), and be for this name (none: for
    /// the server's host).
    Verify {
        ca_file: Option<PathBuf>,
        name: Option<String>,
    },
}

impl UpstreamServer {
    /// Whether it is reached over a Unix socket.
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
        reader.complain(&key("password_env"), "give the password in a file or in the environment, not in both");
    }
    let every = reader.number(&key("heartbeat_every_s"), 0..=3600, 5).unsigned_abs();
    let first = reader.milliseconds(&key("reconnect_first_ms"), 10..=60_000, 200);
    let most = reader.seconds(&key("reconnect_most_s"), 1..=3600, 10);
    if most < first {
        reader.complain(&key("reconnect_most_s"), "must be at least reconnect_first_ms");
    }
    Postgres {
        servers,
        database: needed(reader, "database", "crj"),
        user: needed(reader, "user", "jindu"),
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
        reconnect_most: most,
        copy_start_timeout: reader.seconds(&key("copy_start_timeout_s"), 5..=86_400, 300),
    }
}

fn key(name: &str) -> String {
    format!("replica.postgres.{name}")
}

fn text(reader: &mut Reader, name: &str, default: &str) -> Option<String> {
    Some(reader.string(&key(name), default)).filter(|text| !text.is_empty())
}

fn needed(reader: &mut Reader, name: &str, default: &str) -> String {
    let found = text(reader, name, default);
    if found.is_none() {
        reader.complain(&key(name), "must not be empty");
    }
    found.unwrap_or_default()
}

fn servers(reader: &mut Reader) -> Vec<UpstreamServer> {
    let key = key("servers");
    let mut servers = Vec::new();
    for text in reader.strings(&key, &["127.0.0.1:5432"]) {
        match server(&text) {
            Some(server) => servers.push(server),
            None => reader
                .complain(&key, format!("{text} must be HOST:PORT, as in db1.example:5432 or /run/postgresql:5432")),
        }
    }
    if servers.is_empty() {
        reader.complain(&key, "must name at least one server");
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
                reader.complain(&key("tls"), "is off, and ca_file or tls_name is set: remove those, or verify");
            }
            Tls::Off
        }
        "verify-full" => {
            if local {
                reader.complain(&key("tls"), "must be off over a Unix socket");
            }
            Tls::Verify { ca_file, name }
        }
        other => {
            reader.complain(&key("tls"), unknown_tls(other));
            Tls::Off
        }
    }
}

/// What stands for the other modes that PostgreSQL's own clients have.
fn unknown_tls(mode: &str) -> String {
    match mode {
        "disable" => "must be verify-full or off: off is what disable is elsewhere".into(),
        "allow" | "prefer" | "require" => {
            format!("must be verify-full or off: {mode} would talk to whoever answers; give the authority in ca_file")
        }
        "verify-ca" => {
            "must be verify-full or off: for a certificate with another name than the host's set tls_name to a \
                        name in it, which jindu upstream check tells when it does not match"
                .into()
        }
        _ => "must be verify-full or off".into(),
    }
}

fn publication(reader: &mut Reader) -> String {
    let name = needed(reader, "publication", "jindu");
    if name.contains([',', ' ', '\'', '"']) {
        reader.complain(&key("publication"), "must be one name, without commas, blanks and quotes");
    }
    name
}

fn slot(reader: &mut Reader) -> String {
    let name = needed(reader, "slot", "jindu");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > 63 || !name.bytes().all(plain) {
        reader.complain(&key("slot"), "must be 1 to 63 small letters, digits or _, and another one on each node");
    }
    name
}

fn time_zone(reader: &mut Reader) -> String {
    let name = needed(reader, "time_zone", "Asia/Shanghai");
    if jiff::tz::TimeZone::get(&name).is_err() {
        reader.complain(&key("time_zone"), "must be the name of a time zone, as in Asia/Shanghai");
    }
    name
}

/// `schema.table`; without a schema, `public`.
fn table(reader: &mut Reader, name: &str, text: &str) -> (String, String) {
    let (schema, table) = text.split_once('.').unwrap_or(("public", text));
    if schema.is_empty() || table.is_empty() || table.contains('.') {
        reader.complain(&key(name), "must be SCHEMA.TABLE, as in public.cases");
    }
    (schema.to_owned(), table.to_owned())
}

fn heartbeat(reader: &mut Reader) -> Heartbeat {
    let column = needed(reader, "heartbeat_column", "beat_at");
    match text(reader, "heartbeat_table", "public.jindu_heartbeat") {
        Some(name) => {
            let (schema, table) = table(reader, "heartbeat_table", &name);
            Heartbeat::Row { schema, table, column }
        }
        None => Heartbeat::Commits,
    }
}

fn mapping(reader: &mut Reader) -> Mapping {
    let name = needed(reader, "table", "public.cases");
    let (schema, table) = table(reader, "table", &name);
    let mut origins = BTreeMap::new();
    let factor = factor(reader, &mut origins);
    for (role, name, needed) in COLUMNS {
        let key = key(&format!("columns.{name}"));
        match origin(&reader.string(&key, name)) {
            Some(Origin::Fixed(_)) if role == Role::Receipt => reader.complain(&key, "must be a column"),
            Some(origin) => drop(origins.insert(role, origin)),
            None if needed => reader.complain(
                &key,
                "may not be empty: name a column, or a value that is the same for every case, as in \"=new\"",
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

fn factor(reader: &mut Reader, origins: &mut BTreeMap<Role, Origin>) -> FactorKind {
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
            origins.insert(Role::Factor, Origin::Column(column));
            kind
        }
        Ok(_) | Err(_) => {
            reader.complain(
                &key("columns.id_tail"),
                "one of id_tail, birth_date and verifier must name a column, the others \"\"",
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
                reader.complain(&key(&format!("stages.{code}")), format!("must be one of {known}"));
            }
        }
    }
    stages
}

/// A table from the upstream's codes to ours.
fn codes(reader: &mut Reader, name: &str) -> BTreeMap<String, String> {
    let key = key(name);
    let Some(value) = reader.value(&key) else { return BTreeMap::new() };
    let Value::Table(table) = value else {
        reader.complain(&key, "must be a table of codes, as in \"10\" = \"accepted\"");
        return BTreeMap::new();
    };
    let mut codes = BTreeMap::new();
    for (code, ours) in table {
        match ours.as_str() {
            Some(ours) if !ours.is_empty() => drop(codes.insert(code, ours.to_owned())),
            Some(_) | None => reader.complain(&format!("{key}.{code}"), "must be a code in quotes"),
        }
    }
    codes
}

/// Role, its name in the settings and the default of its column, and whether a case needs it.
const COLUMNS: [(Role, &str, bool); 12] = [
    (Role::Receipt, "receipt", true),
    (Role::Stage, "stage", true),
    (Role::Document, "document", true),
    (Role::CaseType, "case_type", true),
    (Role::Hall, "hall", true),
    (Role::AcceptedOn, "accepted_on", true),
    (Role::StageOn, "stage_on", false),
    (Role::Pauses, "pauses", false),
    (Role::Items, "items", false),
    (Role::Waybill, "waybill", false),
    (Role::Minor, "minor", false),
    (Role::Version, "version", false),
];
