//! Writes REGISTER requests (RFC 3261 §10.2, RFC 5626 §4.2, RFC 3327 §5.1).

use std::fmt::Write as _;
use std::time::Duration;

use super::{RegistrarAddress, RegistrationSettings};
use crate::arrival::{Outgoing, Target};
use crate::grammar::Method;
use crate::response::{Request, line_of, token};

/// What all requests of a registration share.
#[derive(Debug)]
pub(super) struct Identity {
    pub call_id: String,
    /// The registrar may know the binding by instance and flow (RFC 5626 §4.2); off after a 439.
    pub outbound: bool,
    tag: String,
    cseq: u32,
    branches: u64,
}

/// A written request.
pub(super) struct Written {
    pub branch: String,
    pub cseq: u32,
    pub outgoing: Outgoing,
}

impl Identity {
    pub(super) fn new(settings: &RegistrationSettings) -> Identity {
        let call_id = format!("{}{}", token(settings.seed, 1), token(settings.seed, 2));
        Identity { call_id, outbound: true, tag: token(settings.seed, 3), cseq: 0, branches: 3 }
    }

    /// A REGISTER of this node's contact for so long; zero removes it.
    pub(super) fn register(
        &mut self,
        settings: &RegistrationSettings,
        registrar: &RegistrarAddress,
        to: Target,
        expires: Duration,
        authorization: &[(&'static str, String)],
    ) -> Written {
        self.cseq += 1;
        self.branches += 1;
        let branch = format!("z9hG4bK{}", token(settings.seed, self.branches));
        let mut text = Request {
            method: &Method::Register,
            uri: &registrar.domain,
            transport: to.transport(),
            sent_by: &registrar.sent_by,
            branch: &branch,
            routes: &[],
            from: &format!("<{}>;tag={}", settings.address, self.tag),
            to: &format!("<{}>", settings.address),
            call_id: &self.call_id,
            cseq: self.cseq,
        }
        .head();
        let seconds = expires.as_secs();
        let mut contact = format!("<{}>;expires={seconds}", registrar.contact_uri);
        if self.outbound {
            let _ = write!(contact, ";+sip.instance=\"<{}>\";reg-id=1", settings.instance);
        }
        line_of(&mut text, "Contact", &contact);
        line_of(&mut text, "Expires", &seconds.to_string());
        line_of(&mut text, "Supported", if self.outbound { "path, outbound" } else { "path" });
        for (name, value) in authorization {
            line_of(&mut text, name, value);
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        Written { branch, cseq: self.cseq, outgoing: Outgoing { bytes: text.into(), to } }
    }
}
