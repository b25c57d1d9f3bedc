//! The dialog: identities, sequence numbers, route set and remote target (RFC 3261 §12).

use std::fmt::{self, Write as _};

use crate::arrival::{Arrival, Outgoing, Target, Transport, request_target};
use crate::grammar::{Method, values};
use crate::lexer::HeaderName;
use crate::limits;
use crate::message::{LegKey, Message};
use crate::name_addr::NameAddr;
use crate::response::{Request, host_of, line_of, token};
use crate::uri::Uri;

use super::Local;

/// A dialog; until the 2xx it is only prepared.
pub(super) struct Dialog {
    pub key: LegKey,
    pub local_tag: String,
    /// The highest CSeq number of the peer.
    pub remote_cseq: u32,
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
    sent_by: String,
}

/// Prints nothing that identifies the parties.
impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialog({:?}, {} and {})", self.arrival.transport, self.local_cseq, self.remote_cseq)
    }
}

/// A local request before it is sent.
pub(super) struct Drafted {
    pub method: Method,
    pub branch: String,
    pub cseq: u32,
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
        let to = invite.header(HeaderName::To).unwrap_or("");
        let contact = match arrival.transport {
            Transport::Tcp if Uri::read(&local.contact_uri).is_ok_and(|uri| uri.param("transport").is_none()) => {
                format!("<{};transport=tcp>", local.contact_uri)
            }
            Transport::Tcp | Transport::Udp => format!("<{}>", local.contact_uri),
        };
        let mut dialog = Dialog {
            key: invite.leg_key(),
            local_party: format!("{to};tag={local_tag}"),
            local_tag,
            remote_cseq: invite.cseq().number,
            contact,
            arrival: *arrival,
            seed: local.seed,
            count: 0,
            local_cseq: 0,
            remote_party: invite.header(HeaderName::From).unwrap_or("").into(),
            routes: invite.list(HeaderName::RecordRoute).take(limits::ROUTES).map(Into::into).collect(),
            target: invite.from().uri.into(),
            sent_by: sent_by(&local.contact_uri, arrival),
        };
        dialog.refresh_target(invite);
        dialog
    }

    /// Takes the remote target from a target refresh request (RFC 3261 §12.2.2).
    pub(super) fn refresh_target(&mut self, request: &Message) {
        if let Some(contact) = request.contact() {
            self.target = contact.uri.into();
        }
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
        self.count += 1;
        let branch = format!("z9hG4bK{}", token(self.seed, self.count));
        let (uri, routes) = self.hops();
        let first = self.routes.first().and_then(|route| uri_of(route));
        let to = self.reach(first.unwrap_or(&self.target));
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
        Drafted { method, branch, cseq, text, to }
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

    /// Over TCP the existing connection of the call comes first: a client behind a NAT is unreachable by another one.
    fn reach(&self, uri: &str) -> Target {
        let Arrival { transport, source, local } = self.arrival;
        let named = request_target(uri, &self.arrival);
        match (transport, named) {
            (Transport::Udp, Some(target)) => target,
            (Transport::Udp, None) => Target::Same { transport, local, peer: source, otherwise: None },
            (Transport::Tcp, named) => Target::Same { transport, local, peer: source, otherwise: named.map(Box::new) },
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
