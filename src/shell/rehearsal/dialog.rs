//! What every message of a call has in common.

use std::net::SocketAddr;

/// What names the call in every message.
pub(super) struct Dialog {
    pub local: SocketAddr,
    pub user: String,
    pub call_id: String,
    pub tag: String,
    pub to: String,
    pub target: String,
    pub routes: Vec<String>,
    pub cseq: u32,
}

impl Dialog {
    /// A request as it goes out.
    pub(crate) fn text(&self, method: &str, cseq: u32, branch: &str, headers: &str, body: &str) -> String {
        let Dialog { local, user, call_id, tag, to, target, routes, .. } = self;
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{tag}{branch}{cseq};rport\r\n\
             Max-Forwards: 70\r\n{routes}From: <sip:{user}@{local}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{user}@{local}>\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}
