//! Digest authentication (RFC 7616, RFC 8760 for SIP; RFC 2617 for MD5).
//!
//! ```text
//! server's challenge ─► Challenge ─► DigestClient ─► Authorization or Proxy-Authorization
//! Authorization ──────► Credentials ─► DigestServer ─► who it is, or a new challenge
//! ```
//!
//! Both sides keep a password only as [`Ha1`], its hash with user and realm. A client answers a challenge of its own realm
//! and of no other. rsip's digest service is not used: it knows neither `stale` nor several challenges, and its hashes are
//! another generation than those of the rest of the program.

mod client;
mod fields;
mod server;

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

pub use client::{ChallengeError, DigestClient};
pub use fields::{Challenge, Credentials};
pub use server::{AuthError, DigestServer};

/// A hash of digest authentication, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RFC 2617; still what most carriers use.
    Md5,
    /// RFC 7616, required by RFC 8760.
    Sha256,
    /// RFC 7616: SHA-512 with other start values, cut to 256 bits.
    Sha512Trunc256,
}

impl Algorithm {
    /// All of them, the strongest first.
    pub const ALL: [Algorithm; 3] = [Algorithm::Sha512Trunc256, Algorithm::Sha256, Algorithm::Md5];

    /// The name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512Trunc256 => "SHA-512-256",
        }
    }

    /// Reads a name without regard to case, and whether it is the `-sess` variant.
    pub(crate) fn read(name: &str) -> Option<(Algorithm, bool)> {
        let (base, session) = match name.len().checked_sub(5).and_then(|at| name.split_at_checked(at)) {
            Some((base, end)) if end.eq_ignore_ascii_case("-sess") => (base, true),
            Some(_) | None => (name, false),
        };
        Algorithm::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(base)).map(|known| (known, session))
    }

    /// The hash of the parts with a colon between them, in lower-case hex.
    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(b":".as_slice());
        match self {
            Algorithm::Md5 => base::hex(&Md5::digest(&joined)),
            Algorithm::Sha256 => base::hex(&Sha256::digest(&joined)),
            Algorithm::Sha512Trunc256 => base::hex(&Sha512_256::digest(&joined)),
        }
    }
}

/// The hash of user, realm and password: enough to authenticate, in this realm only. Treated as a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    /// The hash that made it.
    pub algorithm: Algorithm,
    hex: String,
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm.name())
    }
}

impl Ha1 {
    /// The hash of a password (RFC 7616 §3.4.2).
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Ha1 {
        let hex = algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()]);
        Ha1 { algorithm, hex }
    }

    /// A stored hash; `None` if it has not the length of its algorithm, or is not lower-case hex.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Ha1> {
        let length = if algorithm == Algorithm::Md5 { 32 } else { 64 };
        let sound = hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Ha1 { algorithm, hex: hex.into() })
    }

    /// The hash as hex, to be stored where passwords are.
    pub fn expose(&self) -> &str {
        &self.hex
    }
}

/// The quality of protection of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qop<'a> {
    /// RFC 2069: none was offered.
    None,
    /// The request line is protected.
    Auth,
    /// The body is protected too.
    AuthInt(&'a [u8]),
}

impl Qop<'_> {
    fn name(self) -> &'static str {
        match self {
            Qop::None => "",
            Qop::Auth => "auth",
            Qop::AuthInt(_) => "auth-int",
        }
    }
}

/// What a response is computed from, beside the password.
struct Question<'a> {
    session: bool,
    nonce: &'a str,
    cnonce: &'a str,
    /// Eight hex digits as sent.
    nc: &'a str,
    qop: Qop<'a>,
    method: &'a str,
    uri: &'a str,
}

impl Question<'_> {
    /// The `response` value (RFC 7616 §3.4.1).
    fn response(&self, ha1: &Ha1) -> String {
        let hash = |parts: &[&str]| ha1.algorithm.hash(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
        let ha1_hex = if self.session { hash(&[&ha1.hex, self.nonce, self.cnonce]) } else { ha1.hex.clone() };
        let ha2 = match self.qop {
            Qop::None | Qop::Auth => hash(&[self.method, self.uri]),
            Qop::AuthInt(body) => hash(&[self.method, self.uri, &ha1.algorithm.hash(&[body])]),
        };
        match self.qop {
            Qop::None => hash(&[&ha1_hex, self.nonce, &ha2]),
            Qop::Auth | Qop::AuthInt(_) => hash(&[&ha1_hex, self.nonce, self.nc, self.cnonce, self.qop.name(), &ha2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question<'a>(qop: Qop<'a>, nonce: &'a str, cnonce: &'a str, method: &'a str, uri: &'a str) -> Question<'a> {
        Question { session: false, nonce, cnonce, nc: "00000001", qop, method, uri }
    }

    #[test]
    fn the_example_of_rfc_2617_is_computed() {
        let ha1 = Ha1::new(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1.expose(), "939e7578ed9e3c518a452acee763bce9");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let question = question(Qop::Auth, nonce, "0a4f113b", "GET", "/dir/index.html");
        assert_eq!(question.response(&ha1), "6629fae49393a05397450978507c4ef1");
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_examples_of_rfc_7616_are_computed() {
        let (nonce, cnonce) =
            ("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        let question = question(Qop::Auth, nonce, cnonce, "GET", "/dir/index.html");
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let ha1 = Ha1::new(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
            assert_eq!(question.response(&ha1), response);
        }
    }

    /// RFC 7616 §3.9.2, with the response of erratum 4897.
    #[test]
    fn the_sha_512_256_example_is_computed() {
        let (nonce, cnonce) =
            ("5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v");
        let question = question(Qop::Auth, nonce, cnonce, "GET", "/doe.json");
        let ha1 = Ha1::new(Algorithm::Sha512Trunc256, "J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?");
        assert_eq!(question.response(&ha1), "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
    }

    #[test]
    fn the_example_of_rfc_2069_and_a_session_key_are_computed() {
        let ha1 = Ha1::new(Algorithm::Md5, "Mufasa", "testrealm@host.com", "CircleOfLife");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let old = question(Qop::None, nonce, "", "GET", "/dir/index.html");
        assert_eq!(old.response(&ha1), "1949323746fe6a43ef61f9606e7febea");
        let session = Question { session: true, ..question(Qop::Auth, nonce, "0a4f113b", "GET", "/dir/index.html") };
        let key = Ha1 {
            algorithm: Algorithm::Md5,
            hex: Algorithm::Md5.hash(&[ha1.hex.as_bytes(), nonce.as_bytes(), b"0a4f113b"]),
        };
        let plain = question(Qop::Auth, nonce, "0a4f113b", "GET", "/dir/index.html");
        assert_eq!(session.response(&ha1), plain.response(&key));
    }

    #[test]
    fn names_are_read_in_any_case_and_with_sess() {
        assert_eq!(Algorithm::read("md5"), Some((Algorithm::Md5, false)));
        assert_eq!(Algorithm::read("SHA-256-SESS"), Some((Algorithm::Sha256, true)));
        assert_eq!(Algorithm::read("sha-512-256"), Some((Algorithm::Sha512Trunc256, false)));
        assert_eq!(Algorithm::read("SHA-1"), None);
        assert_eq!(Algorithm::read(""), None);
        assert_eq!(Algorithm::read("\u{e4}\u{e4}\u{e4}"), None);
    }

    #[test]
    fn a_stored_hash_is_checked_and_never_printed() {
        let ha1 = Ha1::new(Algorithm::Sha256, "desk1", "jindu", "geheim");
        assert_eq!(Ha1::from_hex(Algorithm::Sha256, ha1.expose()), Some(ha1.clone()));
        assert_eq!(Ha1::from_hex(Algorithm::Md5, ha1.expose()), None);
        assert_eq!(Ha1::from_hex(Algorithm::Md5, "939E7578ED9E3C518A452ACEE763BCE9"), None);
        assert_eq!(format!("{ha1:?}"), "Ha1(SHA-256)");
    }
}
