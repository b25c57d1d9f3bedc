//! The dialog: identities, sequence numbers, route set and remote target (RFC 3261 §12).

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::arrival::{Arrival, Outgoing, PeerAddresses, Target, Transport, peer_target};
use crate::grammar::{Method, values};
use crate::lexer::HeaderName;
use crate::limits;
use crate::message::{LegKey, Message};
use crate::name_addr::NameAddr;
use crate::response::{Request, host_of, line_of, token};
use crate::uri::Uri;

use super::{Invitation, Local};

/// A dialog; until the 2xx it is only prepared.
#[derive(Clone)]
pub(super) struct Dialog {
    pub key: LegKey,
    pub local_tag: String,
    /// The highest CSeq number of the peer; none before its first request.
    pub remote_cseq: Option<u32>,
    /// The local Contact value.
    pub contact: String,
    /// How the last request arrived: local requests leave by the same socket.
    pub arrival: Arrival,
    seed: u64,
    count: u64,
    local_cseq: u32,
    local_party: String,
    remote_party: String,
    routes: Vec<String>,
    target: String,
    /// Where requests go before the answer to a call of this side.
    first_hop: Option<Target>,
    /// Requests go to where the last one of the peer came from: target or route cannot be reached.
    by_source: bool,
    sent_by: String,
    peers: PeerAddresses,
}

/// Prints nothing that identifies the parties.
impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialog({:?}, {} and {:?})", self.arrival.transport, self.local_cseq, self.remote_cseq)
    }
}

/// A local request before it is sent.
pub(super) struct Drafted {
    pub method: Method,
    pub branch: String,
    pub cseq: u32,
    /// The Request-URI.
    pub uri: String,
    text: String,
    to: Target,
}

impl Drafted {
    pub(super) fn header(mut self, name: &str, value: &str) -> Drafted {
        line_of(&mut self.text, name, value);
        self
    }

    /// The finished request, with a session description or without a body.
    pub(super) fn outgoing(&self, sdp: &[u8]) -> Outgoing {
        let mut text = self.text.clone();
        if !sdp.is_empty() {
            line_of(&mut text, "Content-Type", "application/sdp");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n", sdp.len());
        Outgoing { bytes: [text.as_bytes(), sdp].concat().into(), to: self.to.clone() }
    }
}

impl Dialog {
    /// The dialog that a 2xx to this INVITE creates (RFC 3261 §12.1.1).
    pub(super) fn new(invite: &Message, arrival: &Arrival, local: &Local) -> Dialog {
        let local_tag = token(local.seed, 0);
        let (to, from) = (written(invite, HeaderName::To), written(invite, HeaderName::From));
        let contact = contact_of(&local.contact_uri, invite, arrival.transport);
        let mut dialog = Dialog {
            key: invite.leg_key(),
            local_party: format!("{to};tag={local_tag}"),
            local_tag,
            remote_cseq: Some(invite.cseq().number),
            contact,
            arrival: *arrival,
            seed: local.seed,
            count: 0,
            local_cseq: 0,
            remote_party: from,
            routes: invite.list(HeaderName::RecordRoute).take(limits::ROUTES).map(Into::into).collect(),
            target: invite.from().uri.into(),
            first_hop: None,
            by_source: false,
            sent_by: sent_by(&local.contact_uri, arrival),
            peers: local.peers.clone(),
        };
        dialog.refresh_target(invite);
        // Without a Contact (RFC 2543) the target is only the caller's name.
        dialog.by_source = invite.contact().is_none() && dialog.routes.is_empty();
        dialog
    }

    /// The dialog that a 2xx to this side's INVITE will create (RFC 3261 §12.1.2).
    pub(super) fn calling(call: &Invitation, local: &Local) -> Dialog {
        let local_tag = token(local.seed, 0);
        let arrival = arrival_from(&call.to);
        let call_id = format!("{}{}", token(local.seed, u64::MAX), token(local.seed, u64::MAX - 1));
        Dialog {
            key: LegKey { call_id, remote_tag: String::new() },
            local_party: format!("{};tag={local_tag}", call.from),
            local_tag,
            remote_cseq: None,
            contact: contact_towards(&local.contact_uri, &call.uri, arrival.transport),
            arrival,
            seed: local.seed,
            count: 0,
            local_cseq: 0,
            remote_party: format!("<{}>", call.uri),
            routes: call.routes.iter().take(limits::ROUTES).cloned().collect(),
            target: call.uri.clone(),
            first_hop: Some(call.to.clone()),
            by_source: false,
            sent_by: sent_by(&local.contact_uri, &arrival),
            peers: local.peers.clone(),
        }
    }

    /// The 2xx to this side's INVITE: remote tag, route set and remote target are known (RFC 3261 §12.1.2).
    pub(super) fn confirm(&mut self, response: &Message, arrival: &Arrival) {
        self.arrival = *arrival;
        self.key.remote_tag = response.to_tag().into();
        self.remote_party = written(response, HeaderName::To);
        let mut routes: Vec<String> =
            response.list(HeaderName::RecordRoute).take(limits::ROUTES).map(Into::into).collect();
        routes.reverse();
        self.routes = routes;
        self.by_source = response.contact().is_none() && self.routes.is_empty();
        self.first_hop = None;
        self.refresh_target(response);
    }

    /// Whether the dialog exists.
    pub(super) fn is_confirmed(&self) -> bool {
        self.first_hop.is_none()
    }

    /// The dialog of another 2xx to the same INVITE.
    pub(super) fn fork(&self, response: &Message, arrival: &Arrival) -> Dialog {
        let mut fork = self.clone();
        let mut hasher = DefaultHasher::new();
        (self.seed, response.to_tag()).hash(&mut hasher);
        fork.seed = hasher.finish();
        fork.confirm(response, arrival);
        fork
    }

    /// Takes the remote target from a target refresh request (RFC 3261 §12.2.2).
    pub(super) fn refresh_target(&mut self, request: &Message) {
        if let Some(contact) = request.contact() {
            // A Request-URI has no headers (RFC 3261 §19.1.1).
            let uri = contact.uri.split('?').next().unwrap_or(contact.uri);
            self.by_source &= self.target == uri;
            self.target = uri.into();
        }
    }

    /// Sends what follows to where the last request of the peer came from.
    pub(super) fn distrust_target(&mut self) {
        self.by_source = true;
    }

    /// Whether a request to there could go to the source of the peer's requests as well.
    pub(super) fn has_other_way(&self, to: &Target) -> bool {
        let Arrival { transport, source, .. } = self.arrival;
        let went = match to {
            Target::Same { peer, .. } => Some(*peer),
            Target::Address { to, .. } => Some(*to),
            Target::Host { .. } => None,
        };
        let same =
            |ours: SocketAddr| ours.ip().to_canonical() == source.ip().to_canonical() && ours.port() == source.port();
        to.transport() != transport || !went.is_some_and(same)
    }

    /// A request that did not arrive, as it goes to where the last request of the peer came from: with another branch,
    /// because it is another transaction (RFC 3263 §4.3). `None` if it went there.
    pub(super) fn redirect(&mut self, request: &Outgoing) -> Option<Outgoing> {
        let other_way = self.has_other_way(&request.to);
        self.distrust_target();
        let to = self.to_source();
        if !other_way {
            return None;
        }
        let text = std::str::from_utf8(&request.bytes).expect("this side writes text");
        let (start, rest) = text.split_once("\r\n").expect("a request has a start line");
        let (_, rest) = rest.split_once("\r\n").expect("its Via is the second line");
        let via = self.via(to.transport());
        Some(Outgoing { bytes: format!("{start}\r\nVia: {via}\r\n{rest}").into(), to })
    }

    fn via(&mut self, transport: Transport) -> String {
        let branch = self.branch();
        format!("SIP/2.0/{} {};branch={branch};rport", transport.name(), self.sent_by)
    }

    fn branch(&mut self) -> String {
        self.count += 1;
        format!("z9hG4bK{}", token(self.seed, self.count))
    }

    /// Drafts the next request. A strict router's URI becomes the Request-URI (RFC 3261 §12.2.1.1).
    pub(super) fn draft(&mut self, method: Method) -> Drafted {
        self.local_cseq += 1;
        self.draft_numbered(method, self.local_cseq)
    }

    /// Drafts the ACK of a 2xx: the CSeq number is the INVITE's (RFC 3261 §13.2.2.4).
    pub(super) fn draft_ack(&mut self, cseq: u32) -> Drafted {
        self.draft_numbered(Method::Ack, cseq)
    }

    fn draft_numbered(&mut self, method: Method, cseq: u32) -> Drafted {
        let branch = self.branch();
        let (uri, routes) = self.hops();
        let first = self.routes.first().and_then(|route| uri_of(route));
        let to = self.first_hop.clone().unwrap_or_else(|| self.reach(first.unwrap_or(&self.target)));
        let text = Request {
            method: &method,
            uri: &uri,
            transport: to.transport(),
            sent_by: &self.sent_by,
            branch: &branch,
            routes: &routes,
            from: &self.local_party,
            to: &self.remote_party,
            call_id: &self.key.call_id,
            cseq,
        }
        .head();
        Drafted { method, branch, cseq, uri, text, to }
    }

    fn strict_router(&self) -> Option<&str> {
        let first = uri_of(self.routes.first()?)?;
        let loose = Uri::read(first).is_ok_and(|uri| uri.param("lr").is_some());
        (!loose).then_some(first)
    }

    fn hops(&self) -> (String, Vec<String>) {
        match self.strict_router() {
            Some(router) => {
                let mut routes = self.routes[1..].to_vec();
                routes.push(format!("<{}>", self.target));
                (router.into(), routes)
            }
            None => (self.target.clone(), self.routes.clone()),
        }
    }

    fn to_source(&self) -> Target {
        let Arrival { transport, source, local, connection } = self.arrival;
        Target::Same { transport, local, peer: source, connection, otherwise: None }
    }

    /// On a stream the existing connection of the call comes first: a client behind a NAT is unreachable by another one.
    fn reach(&self, uri: &str) -> Target {
        let Arrival { transport, source, local, connection } = self.arrival;
        let named = peer_target(uri, &self.arrival, &self.peers).filter(|_| !self.by_source);
        match (transport, named) {
            (Transport::Udp, Some(target)) => target,
            (Transport::Udp, None) => Target::Same { transport, local, peer: source, connection, otherwise: None },
            (Transport::Tcp | Transport::Tls, named) => {
                Target::Same { transport, local, peer: source, connection, otherwise: named.map(Box::new) }
            }
        }
    }
}

/// A party's header as requests of this side write it.
fn written(invite: &Message, name: HeaderName) -> String {
    let value = invite.header(name).unwrap_or("");
    let sound = |display: &str| display.is_empty() || display.starts_with('"') || !display.contains([',', '@', ':']);
    match NameAddr::read(value) {
        Ok(party) if !sound(party.display) => party.written(),
        Ok(_) | Err(_) => value.into(),
    }
}

/// The Contact names the transport of the call, and is a SIPS URI where the peer asks for one (RFC 3261 §12.1.1).
fn contact_of(uri: &str, invite: &Message, transport: Transport) -> String {
    let top = invite.list(HeaderName::RecordRoute).next().and_then(uri_of);
    let hop = top.or_else(|| invite.contact().map(|contact| contact.uri)).unwrap_or("");
    if is_sips(invite.request_uri()) || is_sips(hop) {
        return contact_towards(uri, "sips:", transport);
    }
    contact_towards(uri, "", transport)
}

fn is_sips(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("sips"))
}

/// The same where the peer is known by this URI.
fn contact_towards(uri: &str, peer: &str, transport: Transport) -> String {
    if transport == Transport::Tls
        && is_sips(peer)
        && let Some(rest) = uri.strip_prefix("sip:")
    {
        return format!("<sips:{rest}>");
    }
    let named = Uri::read(uri).is_ok_and(|uri| uri.param("transport").is_some());
    format!("<{uri}{}>", if named { "" } else { transport.uri_param() })
}

/// How the first response is expected; the first one that comes says it better.
fn arrival_from(to: &Target) -> Arrival {
    match to {
        Target::Same { transport, local, peer, connection, .. } => {
            Arrival { transport: *transport, source: *peer, local: *local, connection: *connection }
        }
        Target::Address { transport, local, to } => {
            Arrival { transport: *transport, source: *to, local: *local, connection: None }
        }
        Target::Host { transport, local, .. } => {
            let unknown = if local.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            Arrival { transport: *transport, source: SocketAddr::new(unknown, 0), local: *local, connection: None }
        }
    }
}

fn uri_of(route: &str) -> Option<&str> {
    NameAddr::read(values(route).next()?).ok().map(|route| route.uri)
}

fn sent_by(contact_uri: &str, arrival: &Arrival) -> String {
    match Uri::read(contact_uri) {
        Ok(Uri { host, port: Some(port), .. }) => format!("{host}:{port}"),
        Ok(Uri { host, port: None, .. }) if !host.is_empty() => host.into(),
        Ok(_) | Err(_) => format!("{}:{}", host_of(arrival.local.ip()), arrival.local.port()),
    }
}
