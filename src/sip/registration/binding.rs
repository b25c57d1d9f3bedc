//! Reads what a registrar grants (RFC 3261 §10.2.4, RFC 3608 §6).

use std::time::Duration;

use crate::grammar::param;
use crate::lexer::HeaderName;
use crate::limits;
use crate::message::Message;
use crate::name_addr::NameAddr;
use crate::uri::{self, Uri};

/// The time that a 200 grants to this node's contact; never more than was asked for. `None`: it is not bound.
///
/// Without any Contact the Expires header, or the time asked for, is believed: such registrars exist. A request is applied as a whole
/// or not at all (RFC 3261 §10.3), so where all contacts are foreign, a border controller has rewritten this node's: of several the
/// shortest time is believed.
pub(super) fn granted(message: &Message, contact_uri: &str, asked: Duration) -> Option<Duration> {
    let header = message.header_named("Expires").and_then(leading_seconds);
    let contacts: Vec<_> = message.list(HeaderName::Contact).filter_map(|value| NameAddr::read(value).ok()).collect();
    let ours = contacts.iter().find(|contact| is_same(contact.uri, contact_uri));
    let time = |contact: &NameAddr<'_>| {
        let own = param(contact.params, "expires").map(|time| time.trim_matches('"'));
        own.and_then(leading_seconds).or(header).unwrap_or(asked)
    };
    let granted = match ours {
        Some(contact) => time(contact),
        None if contacts.is_empty() => header.unwrap_or(asked),
        None => contacts.iter().map(time).filter(|time| !time.is_zero()).min().unwrap_or_default(),
    };
    Some(granted.min(asked)).filter(|granted| !granted.is_zero())
}

/// Whether two contacts name the same address (RFC 3261 §19.1.4, the parts that registrars keep).
fn is_same(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (Uri::read(one), Uri::read(other)) else { return one == other };
    one.user == other.user && one.host.eq_ignore_ascii_case(other.host) && one.port == other.port
}

/// Whether calls come by the connection of this answer alone: the registrar says so (RFC 5626 §6), or it sees another address than
/// the one that Via and Contact name, as behind NAT.
pub(super) fn needs_flow(message: &Message, sent_by: &str) -> bool {
    let says_so = message.list(HeaderName::Require).any(|option| option.eq_ignore_ascii_case("outbound"));
    let via = message.header(HeaderName::Via).unwrap_or("");
    let received = via.find(';').and_then(|at| param(&via[at..], "received"));
    let host = uri::address(sent_by.rsplit_once(':').map_or(sent_by, |(host, _)| host));
    let is_translated = received.is_some_and(|received| uri::address(received) != host);
    says_so || message.header_named("Flow-Timer").is_some() || is_translated
}

/// The Service-Route values, in order; `None` of them more than a route set may hold.
pub(super) fn service_route(message: &Message) -> Vec<String> {
    let lines = message.headers_named("Service-Route").flat_map(crate::grammar::values);
    lines.filter(|value| NameAddr::read(value).is_ok()).take(limits::ROUTES).map(Into::into).collect()
}

/// The number of seconds that a value begins with: `3600`, `120;duration=60`, `18 (maintenance)`. Too large counts as the
/// largest.
pub(super) fn leading_seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 {
        return None;
    }
    Some(Duration::from_secs(text[..end].parse::<u32>().unwrap_or(u32::MAX).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_datagram;

    fn response(headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        parse_datagram(text.as_bytes()).expect("well formed")
    }

    fn seconds(headers: &str) -> Option<u64> {
        let asked = Duration::from_secs(600);
        granted(&response(headers), "sip:1001@192.0.2.1:5060", asked).map(|granted| granted.as_secs())
    }

    #[test]
    fn the_time_of_this_contact_is_believed_up_to_what_was_asked_for() {
        let other = "Contact: <sip:1001@192.0.2.7:5060>;expires=60\r\n";
        for (headers, granted) in [
            ("Contact: <sip:1001@192.0.2.1:5060>;expires=300\r\n".to_owned(), Some(300)),
            ("Contact: <sip:1001@192.0.2.1:5060>;expires=\"60\"\r\n".to_owned(), Some(60)),
            (format!("{other}Contact: <sip:1001@192.0.2.1:5060;transport=udp>;expires=120\r\n"), Some(120)),
            ("Contact: <sip:1001@192.0.2.1:5060>\r\nExpires: 90\r\n".to_owned(), Some(90)),
            ("Contact: <sip:1001@192.0.2.1:5060>;expires=99999999999\r\n".to_owned(), Some(600)),
            ("Contact: <sip:1001@192.0.2.1:5060>;expires=many\r\n".to_owned(), Some(600)),
            ("Contact: <sip:1001@192.0.2.1:5060>;expires=0\r\n".to_owned(), None),
            (other.to_owned(), Some(60)),
            (format!("{other}Contact: <sip:1001@192.0.2.8>;expires=45\r\n"), Some(45)),
            ("Expires: 45\r\n".to_owned(), Some(45)),
            (String::new(), Some(600)),
        ] {
            assert_eq!(seconds(&headers), granted, "{headers}");
        }
    }

    #[test]
    fn service_routes_keep_their_order() {
        let message = response("Service-Route: <sip:a;lr>, <sip:b;lr>\r\nservice-route: <sip:c;lr>, junk\r\n");
        assert_eq!(service_route(&message), ["<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>"]);
    }

    #[test]
    fn seconds_are_read_from_what_follows_them() {
        let seconds = |text| leading_seconds(text).map(|time| time.as_secs());
        assert_eq!(seconds("120;duration=60"), Some(120));
        assert_eq!(seconds(" 18 (later)"), Some(18));
        assert_eq!(seconds("99999999999999999999"), Some(u32::MAX.into()));
        assert_eq!(seconds("-5"), None);
        assert_eq!(seconds(""), None);
    }
}
