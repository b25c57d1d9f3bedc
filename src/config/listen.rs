//! Addresses that the node listens on; each is written once.

use std::net::SocketAddr;

use super::network::Transport;
use super::table_reader::Reader;
use base::{Bilingual, bilingual};

/// Reads `phone.listen`. An address without a transport is for UDP and TCP.
pub(super) fn phone_listen(reader: &mut Reader) -> Vec<(Transport, SocketAddr)> {
    const KEY: &str = "phone.listen";
    let mut listen = Vec::new();
    let asked = reader.strings(KEY, &["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]);
    let none = asked.is_empty();
    for text in asked {
        let (transports, address) = transports(&text);
        let Ok(address) = address.parse() else {
            reader.report(
                KEY,
                bilingual!(
                    "{text} must be TRANSPORT:ADDRESS:PORT with a port up to 65535, as in udp:127.0.0.1:5060, tcp:[::1]:5060 or tls:127.0.0.1:5061", "{text} 应为 传输方式:地址:端口，端口不大于 65535，如 udp:127.0.0.1:5060、tcp:[::1]:5060、tls:127.0.0.1:5061"
                ),
            );
            continue;
        };
        let taken = transports.iter().find_map(|transport| taken(&listen, (*transport, address)));
        if let Some(what) = taken {
            reader.report_as("phone.listen", KEY, bilingual!("{text} {what}", "{text} {what:#}"));
        }
        listen.extend(transports.iter().map(|transport| (*transport, address)));
    }
    if none {
        reader.report(KEY, Bilingual::fixed("must name at least one address to listen on", "至少应写一个监听地址"));
    }
    listen
}

/// The transports that an entry is for, and its address.
fn transports(text: &str) -> (&'static [Transport], &str) {
    match text.split_once(':') {
        Some(("udp", rest)) => (&[Transport::Udp], rest),
        Some(("tcp", rest)) => (&[Transport::Tcp], rest),
        Some(("tls", rest)) => (&[Transport::Tls], rest),
        _ => (&[Transport::Udp, Transport::Tcp], text),
    }
}

/// Why a socket cannot be opened beside those that are listed before it. A port that the system chooses is always free.
fn taken(listen: &[(Transport, SocketAddr)], (transport, address): (Transport, SocketAddr)) -> Option<Bilingual> {
    let is_stream = |transport: Transport| transport != Transport::Udp;
    let same = |known: &&(Transport, SocketAddr)| known.1 == address && is_stream(known.0) == is_stream(transport);
    let (known, _) = listen.iter().find(same).filter(|_| address.port() != 0)?;
    let name = transport.name();
    Some(if *known == transport {
        bilingual!(
            "names {name}:{address} again: write each address once; without udp:, tcp: or tls: it is for UDP and TCP",
            "重复写了 {name}:{address}：每个地址只写一次；不写 udp:、tcp: 或 tls: 时表示 UDP 和 TCP"
        )
    } else {
        bilingual!(
            "takes {address}, which is for {} already: give tls a port of its own, as 5061",
            "占用了已用于 {} 的 {address}：请为 tls 另设端口，如 5061",
            known.name()
        )
    })
}

/// Reads a list of addresses of the HTTP service.
pub(super) fn web_listen(reader: &mut Reader, key: &str, default: &[&str]) -> Vec<SocketAddr> {
    let mut listen = Vec::new();
    for text in reader.strings(key, default) {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 && listen.contains(&address) => reader.report(
                key,
                bilingual!("names {address} twice: write each address once", "重复写了 {address}：每个地址只写一次"),
            ),
            Ok(address) => listen.push(address),
            Err(_) => reader.report(
                key,
                bilingual!(
                    "{text} must be ADDRESS:PORT, as in 127.0.0.1:8080 or [::1]:8080",
                    "{text} 应为 地址:端口，如 127.0.0.1:8080 或 [::1]:8080"
                ),
            ),
        }
    }
    listen
}
