//! Bytes → the lines of a session description that an answer depends on (RFC 8866 §5).
//!
//! Unknown, empty and misplaced lines are ignored, lines may end with CR LF or LF, and text in another encoding than
//! UTF-8 (a session name in GBK) is accepted. Only the lines that the answer needs must be well formed.

use std::net::IpAddr;

use super::crypto::Crypto;
use super::{Direction, Rejection};

/// The media lines of a session description.
#[derive(Debug)]
pub(super) struct Description {
    pub media: Vec<Media>,
}

/// One `m=` line with its attributes; session-level values apply where it has none.
#[derive(Debug)]
pub(super) struct Media {
    pub kind: String,
    pub port: u16,
    pub protocol: String,
    /// Formats as written, at most [`FORMATS_MAX`].
    pub formats: Vec<String>,
    pub address: Address,
    pub direction: Direction,
    pub maps: Vec<Map>,
    /// `a=fmtp` lines: payload number and parameters.
    pub parameters: Vec<(u8, String)>,
    pub ptime_ms: Option<u32>,
    pub maxptime_ms: Option<u32>,
    pub rtcp_port: Option<u16>,
    pub rtcp_address: Option<IpAddr>,
    pub rtcp_mux: bool,
    /// The usable `a=crypto` lines (RFC 4568), which are of no meaning at session level.
    pub crypto: Vec<Crypto>,
}

/// One `a=rtpmap` line.
#[derive(Debug)]
pub(super) struct Map {
    pub payload: u8,
    pub encoding: String,
    pub clock: u32,
    pub channels: u32,
}

/// What a `c=` line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// No `c=` line at either level.
    Missing,
    Ip(IpAddr),
    /// A name, or malformed: names are not resolved.
    Name,
    /// A network that is not the Internet.
    OtherNetwork,
    /// A type of address that is neither IP4 nor IP6.
    OtherType,
}

/// The session level, or the level of one `m=` line.
#[derive(Default)]
struct Level {
    address: Option<Address>,
    direction: Option<Direction>,
    ptime_ms: Option<u32>,
    maxptime_ms: Option<u32>,
    rtcp_port: Option<u16>,
    rtcp_address: Option<IpAddr>,
    rtcp_mux: bool,
    crypto: Vec<Crypto>,
    maps: Vec<Map>,
    parameters: Vec<(u8, String)>,
}

struct Section {
    kind: String,
    port: u16,
    protocol: String,
    formats: Vec<String>,
    level: Level,
}

impl Description {
    /// Reads a description.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Description, Rejection> {
        if bytes.len() > BODY_MAX {
            return Err(Rejection::Malformed("it is longer than 64 KiB"));
        }
        let mut session = Level::default();
        let mut sections: Vec<Section> = Vec::new();
        let mut versioned = false;
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let &[kind, b'=', ref value @ ..] = line else { continue };
            let value = String::from_utf8_lossy(value);
            let level = sections.last_mut().map_or(&mut session, |section| &mut section.level);
            match kind {
                b'v' if value.trim() != "0" => return Err(Rejection::Malformed("v= is not 0")),
                b'v' => versioned = true,
                b'c' if level.address.is_none() => level.address = Some(connection(&value)),
                b'a' => level.attribute(value.trim()),
                b'm' if sections.len() == MEDIA_MAX => {
                    return Err(Rejection::Malformed("there are more than 32 m= lines"));
                }
                b'm' => sections.push(Section::parse(&value)?),
                _ignored_line => {}
            }
        }
        if !versioned && sections.is_empty() {
            return Err(Rejection::Malformed("there is neither a v= nor an m= line"));
        }
        Ok(Description { media: sections.into_iter().map(|section| section.under(&session)).collect() })
    }
}

impl Section {
    fn parse(value: &str) -> Result<Section, Rejection> {
        let mut words = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
            return Err(Rejection::Malformed("an m= line lacks media, port or protocol"));
        };
        if !is_token(kind) || !protocol.split('/').all(is_token) {
            return Err(Rejection::Malformed("an m= line has a character that is not allowed in a token"));
        }
        // `49170/2` names two port pairs; the first is used.
        let port = port.split('/').next().unwrap_or(port);
        let port = port.parse().map_err(|_| Rejection::Malformed("an m= line's port is not 0 to 65535"))?;
        let formats: Vec<String> = words.filter(|word| is_token(word)).take(FORMATS_MAX).map(str::to_owned).collect();
        Ok(Section { kind: kind.into(), port, protocol: protocol.into(), formats, level: Level::default() })
    }

    fn under(self, session: &Level) -> Media {
        let Section { kind, port, protocol, formats, level } = self;
        Media {
            kind,
            port,
            protocol,
            formats,
            address: level.address.or(session.address).unwrap_or(Address::Missing),
            direction: level.direction.or(session.direction).unwrap_or(Direction::SendRecv),
            maps: level.maps,
            parameters: level.parameters,
            ptime_ms: level.ptime_ms.or(session.ptime_ms),
            maxptime_ms: level.maxptime_ms.or(session.maxptime_ms),
            rtcp_port: level.rtcp_port,
            rtcp_address: level.rtcp_address,
            rtcp_mux: level.rtcp_mux,
            crypto: level.crypto,
        }
    }
}

impl Level {
    fn attribute(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let (name, value) = (name.trim(), value.trim());
        if let Some(direction) = Direction::from_name(name) {
            self.direction = Some(direction);
            return;
        }
        match name.to_ascii_lowercase().as_str() {
            "rtpmap" if self.maps.len() < ATTRIBUTES_MAX => self.maps.extend(map(value)),
            "fmtp" if self.parameters.len() < ATTRIBUTES_MAX => self.parameters.extend(parameters(value)),
            "ptime" => self.ptime_ms = milliseconds(value),
            "maxptime" => self.maxptime_ms = milliseconds(value),
            "crypto" if self.crypto.len() < CRYPTO_MAX => self.crypto(value),
            "rtcp" => self.rtcp(value),
            "rtcp-mux" | "rtcp-mux-only" => self.rtcp_mux = true,
            _ignored_attribute => {}
        }
    }

    /// Of several lines with one tag only the first counts (RFC 4568 §5.1: tags are unique).
    fn crypto(&mut self, value: &str) {
        let known = |line: &Crypto| self.crypto.iter().any(|earlier| earlier.tag == line.tag);
        self.crypto.extend(Crypto::read(value).filter(|line| !known(line)));
    }

    /// RFC 3605: `a=rtcp:53020` or `a=rtcp:53020 IN IP4 192.0.2.1`.
    fn rtcp(&mut self, value: &str) {
        let (port, rest) = value.split_once(' ').unwrap_or((value, ""));
        self.rtcp_port = port.parse().ok().filter(|port| *port != 0);
        self.rtcp_address = match connection(rest) {
            Address::Ip(ip) => Some(ip),
            Address::Missing | Address::Name | Address::OtherNetwork | Address::OtherType => None,
        };
    }
}

/// `IN IP4 192.0.2.1/127`. Between IP4 and IP6 the form of the address decides, not the word: some peers always write IP4.
fn connection(value: &str) -> Address {
    let mut words = value.split_ascii_whitespace();
    let (network, family, address) = (words.next(), words.next(), words.next());
    if network.is_some_and(|network| !network.eq_ignore_ascii_case("IN")) {
        return Address::OtherNetwork;
    }
    let Some(address) = address else { return Address::Name };
    if family.is_some_and(|family| !["IP4", "IP6"].iter().any(|known| known.eq_ignore_ascii_case(family))) {
        return Address::OtherType;
    }
    let bare = address.split('/').next().unwrap_or(address);
    bare.parse::<IpAddr>().map_or(Address::Name, |ip| Address::Ip(ip.to_canonical()))
}

/// `101 telephone-event/8000/1`
fn map(value: &str) -> Option<Map> {
    let mut words = value.split_ascii_whitespace();
    let payload = payload(words.next()?)?;
    let mut parts = words.next()?.split('/');
    let encoding = parts.next()?.to_owned();
    let clock = parts.next()?.parse().ok()?;
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
    Some(Map { payload, encoding, clock, channels })
}

fn parameters(value: &str) -> Option<(u8, String)> {
    let (number, rest) = value.split_once(char::is_whitespace)?;
    Some((payload(number)?, rest.trim().to_owned()))
}

/// A payload type, 0 to 127 (RFC 3550 §5.1).
pub(super) fn payload(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| *number < 128)
}

/// Whole milliseconds; a fraction is cut off.
fn milliseconds(text: &str) -> Option<u32> {
    text.split('.').next()?.trim().parse().ok()
}

/// RFC 8866 §9 `token`, at most 64 octets.
fn is_token(text: &str) -> bool {
    text.len() <= TOKEN_MAX
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}

const BODY_MAX: usize = 65_536;
const MEDIA_MAX: usize = 32;
const FORMATS_MAX: usize = 64;
const ATTRIBUTES_MAX: usize = 128;
const CRYPTO_MAX: usize = 32;
const TOKEN_MAX: usize = 64;
