//! The server's side: challenges requests, and verifies their credentials.
//!
//! A nonce holds its time and a MAC, so that nothing is stored for who only asks for one. What is stored is how far the
//! counts of a nonce have come, once its credentials were right: a repeated count is a replay, and stale. Nonces are
//! made with a key of this process; those of an earlier one are stale, and the client repeats its request without
//! asking a person.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::fields::{Credentials, escape_quoted, realm_of, unescape_quoted};
use super::{Algorithm, Ha1, Qop, Question};
use crate::message::Message;
use crate::uri::Uri;

/// Challenges and verifies for one realm.
pub struct DigestServer {
    realm: String,
    algorithms: Vec<Algorithm>,
    key: [u8; 32],
    born: Instant,
    lifetime: Duration,
    issued: u32,
    counts: HashMap<NonceId, Counts>,
    /// The nonces of `counts`, the oldest use first.
    order: VecDeque<NonceId>,
    /// Nonces of before are stale: their counts were forgotten to make room.
    floor: u64,
}

/// Prints no key.
impl fmt::Debug for DigestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestServer({}, {} nonces)", self.realm, self.counts.len())
    }
}

/// Why credentials were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There are none for this realm: the answer is a challenge.
    #[error("the request has no credentials for this realm")]
    Missing,
    /// They are right, but their nonce is too old, of an earlier process, or was used: a challenge with `stale`.
    #[error("the nonce is stale")]
    Stale,
    /// User or password is wrong, or the user unknown; which one is not told.
    #[error("user or password is wrong")]
    Wrong,
    /// They are incomplete, or for another Request-URI (RFC 7616 §3.4.6): 400.
    #[error("the credentials are malformed or for another URI")]
    Malformed,
}

type NonceId = (u64, u32);

/// The counts of a nonce that were used: the highest, and the 64 below it, which UDP may deliver late.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    highest: u32,
    /// Bit `n`: `highest - n`.
    seen: u64,
}

impl Counts {
    /// Takes a count; false if it was used, or is too far behind to know.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            self.seen = self.seen.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let bit = 1u64.checked_shl(self.highest - count).unwrap_or(0);
        let unused = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        unused
    }
}

impl DigestServer {
    /// `algorithms` in the order in which they are offered, the preferred first (RFC 8760 §2.3); `key` is random.
    pub fn new(now: Instant, realm: &str, algorithms: &[Algorithm], key: [u8; 32]) -> DigestServer {
        DigestServer {
            realm: realm.into(),
            algorithms: algorithms.to_vec(),
            key,
            born: now,
            lifetime: NONCE_LIFETIME,
            issued: 0,
            counts: HashMap::new(),
            order: VecDeque::new(),
            floor: 0,
        }
    }

    /// The WWW-Authenticate values of a 401.
    pub fn challenge(&mut self, now: Instant, stale: bool) -> Vec<String> {
        self.issued = self.issued.wrapping_add(1);
        let nonce = self.nonce((self.age(now), self.issued));
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &Algorithm| {
            let (realm, name) = (escape_quoted(&self.realm), algorithm.name());
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\", algorithm={name}{stale}")
        };
        self.algorithms.iter().map(value).collect()
    }

    /// The user whose credentials a request carries. `ha1_of` is given the user and the algorithm.
    ///
    /// # Errors
    /// The credentials are missing, wrong, stale or malformed.
    pub fn verify(
        &mut self,
        now: Instant,
        request: &Message,
        ha1_of: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Result<String, AuthError> {
        let ours = |line: &&str| realm_of(line).is_some_and(|realm| unescape_quoted(realm) == self.realm);
        let line = request.headers_named("Authorization").find(ours).ok_or(AuthError::Missing)?;
        let credentials = Credentials::read(line).ok_or(AuthError::Malformed)?;
        if !self.algorithms.contains(&credentials.algorithm) || !is_same(&credentials.uri, request.request_uri()) {
            return Err(AuthError::Malformed);
        }
        // Only who has asked for a nonce lately can be wrong about the password: others are challenged.
        let id = self.read_nonce(&credentials.nonce).filter(|id| !self.is_old(now, *id)).ok_or(AuthError::Stale)?;
        let known = ha1_of(&credentials.user, credentials.algorithm);
        let ha1 = known.ok_or(AuthError::Wrong)?;
        let method = request.method().map_or("", |method| method.as_str());
        if !self.is_equal(&expected(&credentials, &ha1, method, &request.body), &credentials.response) {
            return Err(AuthError::Wrong);
        }
        let count = match credentials.qop.as_str() {
            "" => 1,
            _ => u32::from_str_radix(&credentials.nc, 16).map_err(|_| AuthError::Malformed)?,
        };
        if !self.take(now, id, count) {
            return Err(AuthError::Stale);
        }
        Ok(credentials.user)
    }

    /// The user that a request says it is of.
    pub(crate) fn claimed(&self, request: &Message) -> Option<String> {
        let ours = |line: &&str| realm_of(line).is_some_and(|realm| unescape_quoted(realm) == self.realm);
        let line = request.headers_named("Authorization").find(ours)?;
        Credentials::read(line).map(|credentials| credentials.user)
    }

    /// Milliseconds since this server began.
    fn age(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    fn is_old(&self, now: Instant, id: NonceId) -> bool {
        id.0 < self.floor || u128::from(self.age(now).saturating_sub(id.0)) > self.lifetime.as_millis()
    }

    fn nonce(&self, (time, serial): NonceId) -> String {
        let text = format!("{time:016x}{serial:08x}");
        let mac = self.mac(text.as_bytes());
        text + &base::hex(&mac[..16])
    }

    fn read_nonce(&self, nonce: &str) -> Option<NonceId> {
        let (time, rest) = nonce.split_at_checked(16)?;
        let serial = rest.split_at_checked(8)?.0;
        let id = (u64::from_str_radix(time, 16).ok()?, u32::from_str_radix(serial, 16).ok()?);
        self.is_equal(&self.nonce(id), nonce).then_some(id)
    }

    fn take(&mut self, now: Instant, id: NonceId, count: u32) -> bool {
        while let Some(oldest) = self.order.front().copied() {
            let full = self.order.len() >= NONCES_MAX && !self.counts.contains_key(&id);
            if !full && !self.is_old(now, oldest) {
                break;
            }
            if full {
                self.floor = self.floor.max(oldest.0.saturating_add(1));
            }
            self.order.pop_front();
            self.counts.remove(&oldest);
        }
        let order = &mut self.order;
        let counts = self.counts.entry(id).or_insert_with(|| {
            order.push_back(id);
            Counts::default()
        });
        count > 0 && counts.take(count)
    }

    fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    /// Compares in a time that tells nothing of where two texts differ.
    fn is_equal(&self, one: &str, other: &str) -> bool {
        self.mac(one.as_bytes()) == self.mac(other.as_bytes())
    }
}

fn expected(credentials: &Credentials, ha1: &Ha1, method: &str, body: &[u8]) -> String {
    let Credentials { session, nonce, cnonce, nc, uri, .. } = credentials;
    let qop = match credentials.qop.as_str() {
        "" => Qop::None,
        "auth" => Qop::Auth,
        _ => Qop::AuthInt(body),
    };
    Question { session: *session, nonce, cnonce, nc, qop, method, uri }.response(ha1)
}

/// Whether the hashed URI names the requested resource: scheme, user, host and port. Senders hash theirs with or without
/// the parameters.
fn is_same(hashed: &str, requested: &str) -> bool {
    let (Ok(one), Ok(other)) = (Uri::read(hashed), Uri::read(requested)) else { return hashed == requested };
    one.scheme == other.scheme
        && one.user == other.user
        && one.host.eq_ignore_ascii_case(other.host)
        && one.port == other.port
}

/// How long a nonce is taken: longer than a registration's refresh costs a phone one more round trip.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// Nonces whose counts are remembered.
const NONCES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::DigestClient;
    use crate::grammar::Method;
    use crate::parse_datagram;
    use crate::test_peer::epoch;

    struct World {
        server: DigestServer,
        client: DigestClient,
        now: Instant,
    }

    const URI: &str = "sip:desk";

    fn world(password: &str) -> World {
        let now = epoch();
        let server = DigestServer::new(now, "desk", &[Algorithm::Sha256, Algorithm::Md5], [7; 32]);
        World { server, client: DigestClient::new("1001", "desk", password, 3), now }
    }

    fn request(headers: &[(&str, String)]) -> Message {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!(
            "REGISTER {URI} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1001@desk>;tag=1\r\n\
             To: <sip:1001@desk>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        parse_datagram(text.as_bytes()).expect("well formed")
    }

    impl World {
        fn verify(&mut self, request: &Message) -> Result<String, AuthError> {
            let ha1 = |user: &str, algorithm| (user == "1001").then(|| Ha1::new(algorithm, user, "desk", "secret"));
            self.server.verify(self.now, request, ha1)
        }

        fn challenge(&mut self, stale: bool) {
            let lines = self.server.challenge(self.now, stale).into_iter();
            let lines: String = lines.map(|value| format!("WWW-Authenticate: {value}\r\n")).collect();
            let text = format!(
                "SIP/2.0 401 X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1001@desk>;tag=1\r\n\
                 To: <sip:1001@desk>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
            );
            let response = parse_datagram(text.as_bytes()).expect("well formed");
            self.client.challenged(&response).expect("answerable");
        }

        fn authorized(&mut self) -> Message {
            request(&self.client.authorize(&Method::Register, URI, b""))
        }
    }

    #[test]
    fn a_client_with_the_password_is_let_in_and_counts_on() {
        let mut world = world("secret");
        assert_eq!(world.verify(&request(&[])), Err(AuthError::Missing));
        world.challenge(false);
        for _ in 0..3 {
            let request = world.authorized();
            assert_eq!(world.verify(&request).as_deref(), Ok("1001"));
            assert_eq!(world.verify(&request), Err(AuthError::Stale), "a replay");
        }
    }

    #[test]
    fn a_wrong_password_or_an_unknown_user_are_the_same() {
        let mut wrong = world("guess");
        wrong.challenge(false);
        let request = wrong.authorized();
        assert_eq!(wrong.verify(&request), Err(AuthError::Wrong));
        let mut unknown = world("secret");
        unknown.client = DigestClient::new("1002", "desk", "secret", 3);
        unknown.challenge(false);
        let request = unknown.authorized();
        assert_eq!(unknown.verify(&request), Err(AuthError::Wrong));
    }

    #[test]
    fn nonces_grow_old_and_those_of_another_process_are_stale_not_wrong() {
        let mut old = world("secret");
        old.challenge(false);
        old.now += NONCE_LIFETIME + Duration::from_secs(1);
        let request = old.authorized();
        assert_eq!(old.verify(&request), Err(AuthError::Stale));
        old.challenge(true);
        let request = old.authorized();
        assert!(old.verify(&request).is_ok());
        let mut restarted = world("secret");
        restarted.challenge(false);
        restarted.server = DigestServer::new(restarted.now, "desk", &Algorithm::ALL, [8; 32]);
        let request = restarted.authorized();
        assert_eq!(restarted.verify(&request), Err(AuthError::Stale));
    }

    #[test]
    fn the_strongest_offer_is_used_and_one_that_was_not_made_is_malformed() {
        let mut world = world("secret");
        world.challenge(false);
        let header = world.client.authorize(&Method::Register, URI, b"").remove(0).1;
        assert!(header.contains("algorithm=SHA-256"));
        let other = request(&[("Authorization", header.replace("SHA-256", "SHA-512-256"))]);
        assert_eq!(world.verify(&other), Err(AuthError::Malformed));
        let elsewhere = request(&[("Authorization", header.replace("uri=\"sip:desk\"", "uri=\"sip:other\""))]);
        assert_eq!(world.verify(&elsewhere), Err(AuthError::Malformed));
        let foreign = request(&[("Authorization", header.replace("realm=\"desk\"", "realm=\"other\""))]);
        assert_eq!(world.verify(&foreign), Err(AuthError::Missing));
    }

    #[test]
    fn counts_come_late_but_never_twice() {
        let mut counts = Counts::default();
        assert!([5, 3, 4, 70, 8].map(|count| counts.take(count)).iter().all(|taken| *taken));
        assert!([5, 70, 3, 8, 0].map(|count| counts.take(count)).iter().all(|taken| !taken));
        assert!(counts.take(u32::MAX) && !counts.take(u32::MAX) && !counts.take(1));
    }

    #[test]
    fn forgotten_nonces_are_stale() {
        let mut world = world("secret");
        world.challenge(false);
        let first = world.authorized();
        assert!(world.verify(&first).is_ok());
        for _ in 0..NONCES_MAX {
            world.now += Duration::from_millis(1);
            world.challenge(true);
            let request = world.authorized();
            assert!(world.verify(&request).is_ok());
            world.client.accepted(&request_ok());
        }
        assert_eq!(world.verify(&first), Err(AuthError::Stale));
        assert!(world.server.counts.len() <= NONCES_MAX && world.server.order.len() <= NONCES_MAX);
    }

    fn request_ok() -> Message {
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1001@desk>;tag=1\r\n\
                    To: <sip:1001@desk>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
        parse_datagram(text.as_bytes()).expect("well formed")
    }

    /// Any text but control characters and U+FFFD, after which no backslash escapes.
    const TEXT: &str = "[ -~\u{a0}-\u{4e2d}\"\\\\]{1,16}";

    proptest! {
        #[test]
        fn any_user_realm_and_password_are_let_in_and_no_other(
            [user, realm, password, other] in [TEXT, TEXT, TEXT, TEXT],
            algorithm in proptest::sample::select(Algorithm::ALL.to_vec()),
        ) {
            let now = epoch();
            let mut server = DigestServer::new(now, &realm, &[algorithm], [7; 32]);
            let mut client = DigestClient::new(&user, &realm, &password, 3);
            let challenge = format!("WWW-Authenticate: {}\r\n", server.challenge(now, false)[0]);
            let response = RESPONSE.replace("Content-Length", &format!("{challenge}Content-Length"));
            prop_assert_eq!(client.challenged(&parse_datagram(response.as_bytes()).expect("well formed")), Ok(()));
            let request = request(&client.authorize(&Method::Register, URI, b""));
            let mut verify = |known: &str| {
                server.verify(now, &request, |user, algorithm| Some(Ha1::new(algorithm, user, &realm, known)))
            };
            prop_assert_eq!(verify(&other), if other == password { Ok(user.clone()) } else { Err(AuthError::Wrong) });
            let expected = if other == password { Err(AuthError::Stale) } else { Ok(user) };
            prop_assert_eq!(verify(&password), expected);
        }
    }

    const RESPONSE: &str = "SIP/2.0 401 X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1001@desk>;tag=1\r\n\
                            To: <sip:1001@desk>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
}
