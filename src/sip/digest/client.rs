//! The client's side: answers the challenges of one realm.
//!
//! ```text
//!            401, 407 of the realm          2xx
//!  Unknown ───────────────────────► Fresh ───────► Known ── further requests carry the credentials, nc counts
//!                                     │              └── 401: Fresh again (stale, or the server has forgotten)
//!                                     └── 401, not stale ──► Rejected: the password is wrong
//! ```
//!
//! Registrar and proxies challenge separately (401, 407), so each has its own nonce. A challenge of another realm gets
//! no credentials: whoever sends it would collect material to guess the password with.

use std::fmt;

use sha2::{Digest, Sha256};

use super::fields::{Challenge, escape_quoted, info_value, unescape_quoted};
use super::{Algorithm, Ha1, Qop, Question};
use crate::grammar::Method;
use crate::message::Message;

/// The credentials of one account, and the challenges that it answers.
#[derive(Clone)]
pub struct DigestClient {
    user: String,
    realm: String,
    /// One for each algorithm: the password itself is not kept.
    ha1: [Ha1; 3],
    seed: u64,
    cnonces: u64,
    server: Option<Session>,
    proxy: Option<Session>,
}

/// Prints no credentials.
impl fmt::Debug for DigestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestClient({})", self.realm)
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// No Digest challenge with a known algorithm and quality of protection.
    #[error("the challenge asks for no digest that is known here")]
    Unusable,
    /// Only challenges of realms that are not the configured one.
    #[error("the challenge is for another realm")]
    OtherRealm,
    /// The credentials for this very challenge were refused.
    #[error("user or password is wrong")]
    Rejected,
}

#[derive(Clone, Debug)]
struct Session {
    challenge: Challenge,
    nc: u32,
    /// No success since the challenge.
    fresh: bool,
    /// Challenges since the last success.
    tries: u8,
}

impl DigestClient {
    /// `seed` is random: it makes the client's nonces.
    pub fn new(user: &str, realm: &str, password: &str, seed: u64) -> DigestClient {
        let ha1 = Algorithm::ALL.map(|algorithm| Ha1::new(algorithm, user, realm, password));
        DigestClient { user: user.into(), realm: realm.into(), ha1, seed, cnonces: 0, server: None, proxy: None }
    }

    /// Takes the challenge of a 401 or 407. `Ok`: the request is sent again with [`authorize`](Self::authorize).
    ///
    /// Of several the strongest known one is taken; of equal ones the first (RFC 8760 §2.4).
    ///
    /// # Errors
    /// The request fails for good.
    pub fn challenged(&mut self, response: &Message) -> Result<(), ChallengeError> {
        let (header, session) = match response.status() {
            Some(407) => ("Proxy-Authenticate", &mut self.proxy),
            Some(_) | None => ("WWW-Authenticate", &mut self.server),
        };
        let offered: Vec<_> = response.headers_named(header).flat_map(Challenge::read_all).collect();
        let any = !offered.is_empty();
        let ours = offered.into_iter().filter(|challenge| unescape_quoted(&challenge.realm) == self.realm);
        let strongest = ours.reduce(|best, next| if next.algorithm > best.algorithm { next } else { best });
        let challenge = strongest.ok_or(if any { ChallengeError::OtherRealm } else { ChallengeError::Unusable })?;
        let tries = session.as_ref().map_or(0, |session| session.tries) + 1;
        let refused = session.as_ref().is_some_and(|session| session.fresh && session.nc > 0) && !challenge.stale;
        if refused || tries > TRIES_MAX {
            *session = None;
            return Err(ChallengeError::Rejected);
        }
        *session = Some(Session { challenge, nc: 0, fresh: true, tries });
        Ok(())
    }

    /// A request with these credentials has succeeded: its nonces stay in use, or the next one is taken (RFC 7616 §3.5).
    pub fn accepted(&mut self, response: &Message) {
        for (session, header) in
            [(&mut self.server, "Authentication-Info"), (&mut self.proxy, "Proxy-Authentication-Info")]
        {
            let Some(session) = session else { continue };
            (session.fresh, session.tries) = (false, 0);
            let next = response.header_named(header).and_then(|line| info_value(line, "nextnonce"));
            if let Some(nonce) = next.filter(|nonce| !nonce.is_empty() && *nonce != session.challenge.nonce) {
                session.challenge.nonce = nonce;
                session.nc = 0;
            }
        }
    }

    /// Forgets every nonce: another server takes over.
    pub fn forget(&mut self) {
        (self.server, self.proxy) = (None, None);
    }

    /// The headers that authorize a request; none before the first challenge. Each call uses up one nonce count.
    pub fn authorize(&mut self, method: &Method, uri: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        for (name, proxy) in [("Authorization", false), ("Proxy-Authorization", true)] {
            let session = if proxy { &mut self.proxy } else { &mut self.server };
            let Some(session) = session else { continue };
            session.nc = session.nc.saturating_add(1);
            let session = session.clone();
            headers.push((name, self.answer(&session, method, uri, body)));
        }
        headers
    }

    fn answer(&mut self, session: &Session, method: &Method, uri: &str, body: &[u8]) -> String {
        let Challenge { realm, nonce, opaque, algorithm, auth, auth_int, .. } = &session.challenge;
        let qop = match (auth, auth_int) {
            (true, _) => Qop::Auth,
            (false, true) => Qop::AuthInt(body),
            (false, false) => Qop::None,
        };
        let (cnonce, nc) = (self.cnonce(), format!("{:08x}", session.nc));
        let question = Question {
            session: session.challenge.session,
            nonce,
            cnonce: &cnonce,
            nc: &nc,
            qop,
            method: method.as_str(),
            uri,
        };
        let ha1 = self.ha1.iter().find(|ha1| ha1.algorithm == *algorithm).expect("one for each algorithm");
        let response = question.response(ha1);
        let sess = if session.challenge.session { "-sess" } else { "" };
        let mut text = format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm={}{sess}",
            escape_quoted(&self.user),
            algorithm.name(),
        );
        match qop {
            Qop::None if session.challenge.session => text.push_str(&format!(", cnonce=\"{cnonce}\"")),
            Qop::None => {}
            Qop::Auth | Qop::AuthInt(_) => {
                text.push_str(&format!(", qop={}, nc={nc}, cnonce=\"{cnonce}\"", qop.name()));
            }
        }
        if let Some(opaque) = opaque {
            text.push_str(&format!(", opaque=\"{opaque}\""));
        }
        text
    }

    fn cnonce(&mut self) -> String {
        self.cnonces += 1;
        let hash = Sha256::digest([self.seed.to_be_bytes(), self.cnonces.to_be_bytes()].concat());
        base::hex(&hash[..16])
    }
}

/// Challenges in a row, stale ones included: a server whose every nonce is stale is not asked for ever.
const TRIES_MAX: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Credentials;
    use crate::parse_datagram;

    fn response(status: u16, headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        parse_datagram(text.as_bytes()).expect("well formed")
    }

    fn client() -> DigestClient {
        DigestClient::new("1001", "carrier", "secret", 7)
    }

    fn challenge(params: &str) -> String {
        format!("WWW-Authenticate: Digest realm=\"carrier\", {params}\r\n")
    }

    fn credentials(client: &mut DigestClient) -> Credentials {
        let headers = client.authorize(&Method::Register, "sip:carrier", b"");
        Credentials::read(&headers[0].1).expect("complete")
    }

    #[test]
    fn of_several_challenges_the_strongest_is_answered() {
        let mut client = client();
        let offered = [
            challenge("nonce=\"m\", algorithm=MD5, qop=\"auth\""),
            challenge("nonce=\"x\", algorithm=SHA-3"),
            challenge("nonce=\"s\", algorithm=SHA-256, qop=\"auth\""),
            challenge("nonce=\"t\", algorithm=SHA-256, qop=\"auth\""),
        ];
        assert_eq!(client.challenged(&response(401, &offered.concat())), Ok(()));
        let sent = credentials(&mut client);
        assert_eq!((sent.nonce.as_str(), sent.algorithm, sent.nc.as_str()), ("s", Algorithm::Sha256, "00000001"));
    }

    #[test]
    fn another_realm_gets_no_credentials() {
        let mut client = client();
        let other = "WWW-Authenticate: Digest realm=\"evil\", nonce=\"n\"\r\n";
        assert_eq!(client.challenged(&response(401, other)), Err(ChallengeError::OtherRealm));
        assert!(client.authorize(&Method::Register, "sip:h", b"").is_empty());
        assert_eq!(client.challenged(&response(401, "")), Err(ChallengeError::Unusable));
        let both = format!("{other}{}", challenge("nonce=\"ours\""));
        assert_eq!(client.challenged(&response(401, &both)), Ok(()));
        assert_eq!(credentials(&mut client).nonce, "ours");
    }

    #[test]
    fn credentials_are_sent_again_only_for_a_stale_nonce() {
        let mut client = client();
        assert_eq!(client.challenged(&response(401, &challenge("nonce=\"1\", qop=\"auth\""))), Ok(()));
        credentials(&mut client);
        assert_eq!(client.challenged(&response(401, &challenge("nonce=\"2\", stale=true, qop=\"auth\""))), Ok(()));
        credentials(&mut client);
        let again = response(401, &challenge("nonce=\"3\", qop=\"auth\""));
        assert_eq!(client.challenged(&again), Err(ChallengeError::Rejected));
        assert!(client.authorize(&Method::Register, "sip:h", b"").is_empty());
    }

    #[test]
    fn after_a_success_the_nonce_counts_on_and_a_forgetful_server_is_answered_again() {
        let mut client = client();
        assert_eq!(client.challenged(&response(401, &challenge("nonce=\"1\", qop=\"auth\""))), Ok(()));
        let first = credentials(&mut client);
        client.accepted(&response(200, ""));
        let second = credentials(&mut client);
        assert_eq!((first.nc.as_str(), second.nc.as_str(), second.nonce.as_str()), ("00000001", "00000002", "1"));
        assert_ne!(first.cnonce, second.cnonce);
        assert_eq!(client.challenged(&response(401, &challenge("nonce=\"2\", qop=\"auth\""))), Ok(()));
        client.accepted(&response(200, "Authentication-Info: qop=auth, nextnonce=\"3\"\r\n"));
        let third = credentials(&mut client);
        assert_eq!((third.nonce.as_str(), third.nc.as_str()), ("3", "00000001"));
    }

    #[test]
    fn a_server_whose_every_nonce_is_stale_is_given_up() {
        let mut client = client();
        let mut asked = 0;
        while client.challenged(&response(401, &challenge("nonce=\"n\", stale=true, qop=\"auth\""))).is_ok() {
            credentials(&mut client);
            asked += 1;
        }
        assert_eq!(asked, TRIES_MAX);
    }

    #[test]
    fn proxy_and_registrar_are_answered_together() {
        let mut client = client();
        let proxy = challenge("nonce=\"p\", qop=\"auth\"").replace("WWW", "Proxy");
        assert_eq!(client.challenged(&response(407, &proxy)), Ok(()));
        client.authorize(&Method::Register, "sip:h", b"");
        assert_eq!(client.challenged(&response(401, &challenge("nonce=\"r\", opaque=\"o\""))), Ok(()));
        let headers = client.authorize(&Method::Register, "sip:h", b"");
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Authorization", "Proxy-Authorization"]);
        assert!(headers[0].1.ends_with(", opaque=\"o\"") && !headers[0].1.contains("qop"));
    }

    #[test]
    fn auth_int_is_used_where_nothing_else_is_offered() {
        let mut client = client();
        assert_eq!(client.challenged(&response(401, &challenge("nonce=\"1\", qop=\"auth-int\""))), Ok(()));
        assert_eq!(credentials(&mut client).qop, "auth-int");
        assert_eq!(format!("{client:?}"), "DigestClient(carrier)");
    }
}
