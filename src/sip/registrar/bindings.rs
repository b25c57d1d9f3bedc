//! Bindings of an account, and how one REGISTER changes them (RFC 3261 §10.3 steps 6 and 7).

use std::time::{Duration, Instant};

use super::RegistrarRules;
use crate::arrival::{Arrival, PeerAddresses, Target, peer_target};
use crate::grammar::{param, params};
use crate::lexer::HeaderName;
use crate::limits;
use crate::message::Message;
use crate::name_addr::NameAddr;
use crate::uri::{Scheme, Uri, unescape};

/// One place where an account is reachable.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The contact's URI as registered.
    pub uri: String,
    /// Preference in thousandths; 1,000 where the phone states none.
    pub q: u16,
    /// When it expires.
    pub until: Instant,
    /// How the REGISTER came.
    pub arrival: Arrival,
    /// The proxies in front of the phone (RFC 3327): the route set of requests to it.
    pub path: Vec<String>,
    instance: Option<String>,
    call_id: String,
    cseq: u32,
    updated: Instant,
}

impl Binding {
    /// Where a request to the phone goes: the first proxy of its path; the connection or, behind a NAT, the address that
    /// the REGISTER came from; else the contact.
    pub fn target(&self) -> Option<Target> {
        // A telephone names no address but its own, and a path that of the proxy which the REGISTER came from.
        let own = |uri: &str| peer_target(uri, &self.arrival, &PeerAddresses::new(|_| false));
        let Arrival { transport, source, local, connection } = self.arrival;
        if let Some(first) = self.path.first() {
            let hop = NameAddr::read(first).map_or(first.as_str(), |hop| hop.uri);
            return own(hop).or(Some(Target::Same { transport, local, peer: source, connection, otherwise: None }));
        }
        let named = own(&self.uri);
        if transport.is_unreliable() && named.is_some() {
            return named;
        }
        Some(Target::Same { transport, local, peer: source, connection, otherwise: named.map(Box::new) })
    }

    /// The Contact value of a 200.
    pub(super) fn contact(&self, now: Instant) -> String {
        let seconds = self.until.saturating_duration_since(now).as_secs_f64().ceil();
        let mut text = format!("<{}>;expires={seconds}", self.uri);
        if self.q != Q_MAX {
            text.push_str(&format!(";q=0.{:03}", self.q));
        }
        if let Some(instance) = &self.instance {
            text.push_str(&format!(";+sip.instance={instance}"));
        }
        text
    }
}

/// Why bindings stay as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeError {
    /// A contact cannot be read, or `*` stands beside others or without Expires: 0.
    Malformed,
    /// A contact is neither `sip:` nor `sips:`.
    Scheme,
    /// A time below the minimum.
    TooBrief,
    /// The request is older than one that was served (step 7).
    OutOfOrder,
    /// More contacts than an account may have.
    TooMany,
}

impl ChangeError {
    pub(super) fn status(self) -> u16 {
        match self {
            ChangeError::Malformed => 400,
            ChangeError::Scheme => 416,
            ChangeError::TooBrief => 423,
            ChangeError::OutOfOrder => 500,
            ChangeError::TooMany => 403,
        }
    }
}

/// What a REGISTER asks for.
#[derive(Debug)]
pub(super) enum Change {
    /// The bindings as they are.
    Fetch,
    /// None is left.
    RemoveAll,
    Set(Vec<Wanted>),
}

#[derive(Debug)]
pub(super) struct Wanted {
    uri: String,
    q: u16,
    instance: Option<String>,
    expires: Duration,
}

impl Change {
    pub(super) fn read(request: &Message, rules: &RegistrarRules) -> Result<Change, ChangeError> {
        let header = request.header_named("Expires").and_then(seconds);
        let values: Vec<_> = request.list(HeaderName::Contact).take(VALUES_MAX).collect();
        if values.contains(&"*") {
            let alone = values.len() == 1 && header == Some(Duration::ZERO);
            return if alone { Ok(Change::RemoveAll) } else { Err(ChangeError::Malformed) };
        }
        if values.is_empty() {
            return Ok(Change::Fetch);
        }
        let wanted = values.into_iter().map(|value| Wanted::read(value, header, rules));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        let added = wanted.iter().filter(|wanted| !wanted.expires.is_zero()).count();
        if added > rules.contacts_max { Err(ChangeError::TooMany) } else { Ok(Change::Set(wanted)) }
    }

    pub(super) fn apply(
        self,
        now: Instant,
        request: &Message,
        arrival: &Arrival,
        bindings: &mut Vec<Binding>,
        contacts_max: usize,
    ) -> Result<(), ChangeError> {
        let (call_id, cseq) = (request.call_id(), request.cseq().number);
        let in_order = |binding: &Binding| binding.call_id != call_id || binding.cseq < cseq;
        let wanted = match self {
            Change::Fetch => return Ok(()),
            Change::RemoveAll if bindings.iter().all(in_order) => {
                bindings.clear();
                return Ok(());
            }
            Change::RemoveAll => return Err(ChangeError::OutOfOrder),
            Change::Set(wanted) => wanted,
        };
        let touched = |binding: &&Binding| wanted.iter().any(|wanted| wanted.is_for(binding));
        if !bindings.iter().filter(touched).all(in_order) {
            return Err(ChangeError::OutOfOrder);
        }
        let path: Vec<String> = request
            .headers_named("Path")
            .flat_map(crate::grammar::values)
            .take(limits::ROUTES)
            .map(Into::into)
            .collect();
        for Wanted { uri, q, instance, expires } in wanted {
            let key = Wanted { uri, q, instance, expires };
            bindings.retain(|binding| !key.is_for(binding));
            let Wanted { uri, q, instance, expires } = key;
            if expires.is_zero() {
                continue;
            }
            let (until, path, call_id) = (now + expires, path.clone(), call_id.to_owned());
            let binding = Binding { uri, q, until, arrival: *arrival, path, instance, call_id, cseq, updated: now };
            bindings.push(binding);
        }
        while bindings.len() > contacts_max {
            let oldest = bindings.iter().enumerate().min_by_key(|(_, binding)| binding.updated).map(|(at, _)| at);
            bindings.remove(oldest.unwrap_or(0));
        }
        Ok(())
    }
}

impl Wanted {
    fn read(value: &str, header: Option<Duration>, rules: &RegistrarRules) -> Result<Wanted, ChangeError> {
        let contact = NameAddr::read(value).map_err(|_| ChangeError::Malformed)?;
        let uri = Uri::read(contact.uri).map_err(|_| ChangeError::Malformed)?;
        if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
            return Err(ChangeError::Scheme);
        }
        if contact.uri.len() > CONTACT_BYTES {
            return Err(ChangeError::Malformed);
        }
        // A malformed time counts as the default (RFC 3261 §10.2.1.1 asks for that of 2^32 and above).
        let asked = param(contact.params, "expires").map(seconds).unwrap_or(header).unwrap_or(EXPIRES_DEFAULT);
        if !asked.is_zero() && asked < rules.expires_min {
            return Err(ChangeError::TooBrief);
        }
        let instance = param(contact.params, "+sip.instance").filter(|text| text.len() <= CONTACT_BYTES);
        Ok(Wanted {
            uri: contact.uri.into(),
            q: param(contact.params, "q").and_then(thousandths).unwrap_or(Q_MAX),
            instance: instance.map(Into::into),
            expires: asked.min(rules.expires_max),
        })
    }

    /// The same URI, or the same phone that has moved (RFC 5626 §4.1).
    fn is_for(&self, binding: &Binding) -> bool {
        let same_phone = self.instance.is_some() && self.instance == binding.instance;
        same_phone || is_equal(&self.uri, &binding.uri)
    }
}

/// RFC 3261 §19.1.4: transport, user, ttl, method and maddr count wherever they stand, other parameters where both have them.
fn is_equal(one: &str, other: &str) -> bool {
    let (Ok(a), Ok(b)) = (Uri::read(one), Uri::read(other)) else { return one == other };
    let same_param = |name: &str, needed: bool| match (a.param(name), b.param(name)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => !needed,
    };
    a.scheme == b.scheme
        && a.user.map(unescape) == b.user.map(unescape)
        && a.host.eq_ignore_ascii_case(b.host)
        && a.port == b.port
        && ["transport", "user", "ttl", "method", "maddr"].iter().all(|name| same_param(name, true))
        && params(a.params).flatten().all(|param| same_param(param.name, false))
}

/// `delta-seconds`; more than 2^32 - 1, or no number, is none.
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse::<u32>().ok()).flatten().map(|seconds| Duration::from_secs(seconds.into()))
}

/// A q value: 0 to 1 with up to three digits (RFC 3261 §25.1).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = format!("{part:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(Q_MAX),
        _ => None,
    }
}

const Q_MAX: u16 = 1000;
/// Contacts of one request that are read.
const VALUES_MAX: usize = 32;
/// Octets of one contact's URI.
const CONTACT_BYTES: usize = 1024;
/// RFC 3261 §10.2.
const EXPIRES_DEFAULT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_equal_as_rfc_3261_says() {
        for (one, other, equal) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;newparam=6", false),
            ("SIP:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
            ("sip:a@h", "sips:a@h", false),
        ] {
            assert_eq!(is_equal(one, other), equal, "{one} {other}");
            assert_eq!(is_equal(other, one), equal, "{other} {one}");
        }
    }

    #[test]
    fn q_is_read_in_thousandths() {
        assert_eq!(thousandths("0.5"), Some(500));
        assert_eq!(thousandths("1"), Some(1000));
        assert_eq!(thousandths("1.000"), Some(1000));
        assert_eq!(thousandths("0"), Some(0));
        for text in ["1.1", "0.1234", "-1", "", "0.x"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
