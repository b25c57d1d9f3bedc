//! Values that several tables of settings hold: counts, addresses, networks, codecs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{Bilingual, Codec, Codecs, CodecsError, NumberPattern, PatternError, bilingual};

use super::network::Network;
use super::table_reader::Reader;
use sip::Number;

pub(super) fn count<T: TryFrom<i64> + Default>(
    reader: &mut Reader,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
    default: i64,
) -> T {
    T::try_from(reader.number(key, range, default)).unwrap_or_default()
}

pub(super) fn reachable_address(reader: &mut Reader, key: &str) -> Option<IpAddr> {
    let text = reader.optional_string(key).filter(|text| !text.is_empty())?;
    let address = text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
    if address.is_none() {
        reader.report(
            key,
            Bilingual::fixed(
                "must be an IP address that peers can reach, not 0.0.0.0 or [::]",
                "应为对端可到达的 IP 地址，不能是 0.0.0.0 或 [::]",
            ),
        );
    }
    address
}

pub(super) fn networks(reader: &mut Reader, key: &str, default: &[&str]) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in reader.strings(key, default) {
        match Network::read(&text) {
            Some(network) => networks.push(network),
            None => reader.report(
                key,
                bilingual!(
                    "{text} must be an address or a network, as in 192.0.2.0/24",
                    "{text} 应为地址或网络，如 192.0.2.0/24"
                ),
            ),
        }
    }
    networks
}

/// Addresses, networks and host names; none of them where one is wrong.
pub(super) fn sources(reader: &mut Reader, key: &str) -> Option<(Vec<Network>, Vec<String>)> {
    let before = reader.diagnostics.len();
    let (mut networks, mut hosts) = (Vec::new(), Vec::new());
    for text in reader.strings(key, &[]) {
        match Network::read(&text) {
            Some(network) => networks.push(network),
            None if is_host_name(&text) => hosts.push(text.trim_end_matches('.').to_ascii_lowercase()),
            None => {
                let what = Bilingual::fixed(
                    "must be an address, a network or a host name, as in 192.0.2.0/24 or sbc.carrier.example",
                    "应为地址、网络或主机名，如 192.0.2.0/24 或 sbc.carrier.example",
                );
                reader.report(key, bilingual!("{text} {what}", "{text} {what:#}"));
            }
        }
    }
    (reader.diagnostics.len() == before).then_some((networks, hosts))
}

/// The numbers that a call may be for, or names of users.
pub(super) fn called_users(reader: &mut Reader, key: &str) -> Vec<String> {
    let users = reader.strings(key, &[]);
    users.iter().for_each(|user| report_user(reader, key, user));
    users
}

/// One of them; none: it is not set.
pub(super) fn called_user(reader: &mut Reader, key: &str) -> Option<String> {
    let user = reader.optional_string(key).filter(|user| !user.is_empty())?;
    report_user(reader, key, &user);
    Some(user)
}

/// A called number is compared with the user part of a URI, so that a whole URI is the number of no call.
fn report_user(reader: &mut Reader, key: &str, user: &str) {
    let is_of_a_user = |c: char| !c.is_whitespace() && !c.is_control() && !"@:<>\"".contains(c);
    if Number::read(user).is_some() || user.chars().all(is_of_a_user) {
        return;
    }
    let bare = user.trim_start_matches(|c: char| c == '<' || c.is_whitespace());
    let bare = ["sips:", "sip:", "tel:"].iter().find_map(|scheme| bare.strip_prefix(scheme)).unwrap_or(bare);
    let bare = bare.split(['@', ':', '>', ';']).next().unwrap_or_default();
    let alone = if Number::read(bare).is_some() { bare } else { "96110110" };
    let what = bilingual!(
        "{user} must be the number alone, or the name of a user: write {alone}",
        "{user} 应只写号码或用户名：请写 {alone}"
    );
    reader.report_as("phone.number", key, what);
}

/// Name servers: addresses, with port 53 where none is written.
pub(super) fn name_servers(reader: &mut Reader, key: &str) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for text in reader.strings(key, &[]) {
        let server = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
        match server.filter(|server| !server.ip().is_unspecified() && server.port() != 0) {
            Some(server) => servers.push(server),
            None => reader.report(
                key,
                bilingual!(
                    "{text} must be ADDRESS or ADDRESS:PORT, as in 192.0.2.53",
                    "{text} 应为 地址 或 地址:端口，如 192.0.2.53"
                ),
            ),
        }
    }
    servers
}

/// Codecs by their registered names, the preferred first; an empty list is the default.
pub(super) fn codecs(reader: &mut Reader, key: &str, default: Codecs) -> Codecs {
    let written = reader.strings(key, &[]);
    if written.is_empty() {
        return default;
    }
    let known: Vec<Codec> = written.iter().filter_map(|name| Codec::named(name)).collect();
    if known.len() != written.len() {
        let unknown: Vec<&str> =
            written.iter().filter(|name| Codec::named(name).is_none()).map(String::as_str).collect();
        let what = bilingual!("{} is not supported: name {}", "不支持 {}：可用 {}", unknown.join(", "), supported());
        reader.report_as("trunk.codecs", key, what);
        return default;
    }
    Codecs::new(&known).unwrap_or_else(|error| {
        let what = match error {
            CodecsError::Empty => bilingual!("must name one of {}", "应写其中之一：{}", supported()),
            CodecsError::Repeated(codec) => {
                bilingual!(
                    "names {} twice: name each codec of {} once",
                    "{} 写了两次：{} 中每种编码只写一次",
                    codec.name(),
                    supported()
                )
            }
        };
        reader.report_as("trunk.codecs", key, what);
        default
    })
}

fn supported() -> String {
    Codec::ALL.map(Codec::name).join(", ")
}

/// The time of one packet of sound.
pub(super) fn packet_time(reader: &mut Reader, key: &str, default: Duration) -> Duration {
    let Some(written) = reader.value(key) else { return default };
    let known = |ms: &u64| written.as_integer() == i64::try_from(*ms).ok();
    let ms = PACKET_TIMES_MS.iter().find(|ms| known(ms));
    ms.map_or_else(
        || {
            let all = PACKET_TIMES_MS.map(|ms| ms.to_string()).join(", ");
            reader.report_as("trunk.ptime", key, bilingual!("must be one of {all}", "应为其中之一：{all}"));
            default
        },
        |ms| Duration::from_millis(*ms),
    )
}

/// What networks use; the media threads send packets of any whole number of milliseconds from 10 to 60.
const PACKET_TIMES_MS: [u64; 5] = [10, 20, 30, 40, 60];

/// Whether a text is a host name and no address (RFC 1123 §2.1): labels of letters, digits and hyphens, the last one not all
/// digits. A dot may follow.
pub(super) fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let top = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(label) && !top.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Patterns of telephone numbers.
pub(super) fn patterns(reader: &mut Reader, key: &str) -> Vec<NumberPattern> {
    let mut patterns = Vec::new();
    for text in reader.strings(key, &[]) {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let error: PatternError = error;
                let why = error.text();
                reader.report(key, bilingual!("{text}: {why}", "{text}：{why:#}"));
            }
        }
    }
    patterns
}
