//! Keys for SRTP in session descriptions: SDES (RFC 4568), the suites of RFC 3711 and RFC 7714.
//!
//! ```text
//!                     off            optional                       required
//!  RTP/SAVP           488            SRTP, or 488                   SRTP, or 488
//!  RTP/AVP            clear          clear                          488
//!  RTP/AVP, a=crypto  clear          SRTP if a line is usable       SRTP, or 488
//! ```
//!
//! RTP/AVP with `a=crypto` is no protocol of an RFC, but what telephones offer (snom, baresip, Asterisk's "optimistic")
//! when they want SRTP if the other side has it. It is answered as it is offered, with the profile and one `a=crypto`. A
//! local offer is of that kind where SRTP is optional: a peer without SRTP takes it as an offer of RTP/AVP.
//!
//! A line that cannot be used as it is written is passed over: unknown suites, several keys, key derivation rates,
//! parameters that leave out encryption or authentication, and every parameter that is unknown and not marked as
//! optional (RFC 4568 §6.3.7).

use std::fmt::Write;

use base64ct::{Base64, Base64Unpadded, Encoding};
use srtp::{MKI_OCTETS_MAX, MasterKey, PeerKey, Suite};

/// The keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Protects what leaves.
    pub ours: MasterKey,
    /// Protects what arrives.
    pub peer: PeerKey,
}

impl SrtpKeys {
    /// The suite of both directions.
    pub fn suite(&self) -> Suite {
        self.ours.suite()
    }
}

/// One usable `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crypto {
    /// Up to nine digits.
    pub tag: u32,
    pub key: PeerKey,
}

impl Crypto {
    /// Reads the value of `a=crypto`; nothing if the line is malformed or cannot be used.
    pub(super) fn read(value: &str) -> Option<Crypto> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9 && is_digits(tag))?.parse().ok()?;
        let suite = Suite::from_name(words.next()?)?;
        let key = key(suite, words.next()?)?;
        words.all(is_harmless).then_some(Crypto { tag, key })
    }

    pub(super) fn suite(&self) -> Suite {
        self.key.key.suite()
    }

    /// The line of a local description. Local keys have neither lifetime nor MKI.
    pub(super) fn write(&self, text: &mut String) {
        let key = Base64::encode_string(self.key.key.expose());
        let _ = write!(text, "a=crypto:{} {} inline:{key}\r\n", self.tag, self.suite().name());
    }
}

/// `inline:` key and salt `|` lifetime `|` MKI `:` length.
fn key(suite: Suite, text: &str) -> Option<PeerKey> {
    let (method, value) = text.split_once(':')?;
    // `;` would begin another key.
    if !method.eq_ignore_ascii_case("inline") || value.contains(';') {
        return None;
    }
    let mut parts = value.split('|');
    let octets = Base64Unpadded::decode_vec(parts.next()?.trim_end_matches('=')).ok()?;
    let key = MasterKey::new(suite, &octets).ok()?;
    let mut rest = parts.next();
    if let Some(lifetime) = rest.filter(|part| !part.contains(':')) {
        is_lifetime(lifetime).then_some(())?;
        rest = parts.next();
    }
    let mki = rest.map_or(Some(Vec::new()), mki)?;
    parts.next().is_none().then_some(PeerKey { key, mki })
}

/// A number of packets, 1 to 2^48, as such or as a power of two.
fn is_lifetime(text: &str) -> bool {
    let packets = match text.strip_prefix("2^") {
        Some(power) => power.parse().ok().filter(|_| is_digits(power)).and_then(|power| 1_u64.checked_shl(power)),
        None => text.parse().ok().filter(|_| is_digits(text)),
    };
    packets.is_some_and(|packets| (1..=1 << 48).contains(&packets))
}

/// `1:4`: the identifier as a decimal number, and how many octets it has in a packet.
fn mki(text: &str) -> Option<Vec<u8>> {
    let (number, length) = text.split_once(':')?;
    let length = length.parse().ok().filter(|octets| is_digits(length) && (1..=MKI_OCTETS_MAX).contains(octets))?;
    // 128 octets are 309 decimal digits.
    if !is_digits(number) || number.len() > 400 {
        return None;
    }
    let mut octets = vec![0; length];
    for digit in number.bytes() {
        let mut carry = u32::from(digit - b'0');
        for octet in octets.iter_mut().rev() {
            carry += u32::from(*octet) * 10;
            *octet = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(octets)
}

/// Whether a session parameter changes nothing: a hint of the window's size, or one that may be ignored.
fn is_harmless(parameter: &str) -> bool {
    let window = parameter.strip_prefix("WSH=").is_some_and(|size| size.parse::<u32>().is_ok_and(|size| size >= 64));
    window || (parameter.starts_with('-') && parameter.len() > 1)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use srtp::KeyGenerator;

    use super::*;

    const KEY30: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn read(rest: &str) -> Option<Crypto> {
        Crypto::read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}{rest}"))
    }

    #[test]
    fn lines_are_read_with_lifetime_identifier_and_harmless_parameters() {
        for (rest, mki) in [
            ("", vec![]),
            ("|2^20", vec![]),
            ("|1048576", vec![]),
            ("|2^48", vec![]),
            ("|1:1", vec![1]),
            ("|2^20|1:4", vec![0, 0, 0, 1]),
            ("|2^31|1066:2", vec![4, 42]),
            (" WSH=128", vec![]),
            (" -NEW=3 WSH=64", vec![]),
        ] {
            assert_eq!(read(rest).map(|line| line.key.mki), Some(mki), "{rest}");
        }
        let line = Crypto::read(&format!("  9  aes_cm_128_hmac_sha1_32   INLINE:{KEY30} ")).expect("case and spaces");
        assert_eq!((line.tag, line.suite()), (9, Suite::AesCm128HmacSha1Tag32));
    }

    #[test]
    fn lines_that_cannot_be_used_are_passed_over() {
        for rest in [
            "|",
            "|0",
            "|2^49",
            "|2^x",
            "|2^200",
            "|+5",
            "|x",
            "|1:0",
            "|1:129",
            "|1:",
            "|:1",
            "|256:1",
            "|x:1",
            "|-1:1",
            "|2^20|1:4|2",
            "|1:4|2^20",
            " KDR=1",
            " UNENCRYPTED_SRTP",
            " UNENCRYPTED_SRTCP",
            " UNAUTHENTICATED_SRTP",
            " FEC_ORDER=FEC_SRTP",
            " NEW",
            " -",
            " WSH=63",
            " WSH=x",
            "A",
            ";inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        ] {
            assert_eq!(read(rest), None, "{rest}");
        }
        for line in [
            "",
            "1",
            "1 AES_CM_128_HMAC_SHA1_80",
            "x AES_CM_128_HMAC_SHA1_80 inline:",
            "1 F8_128_HMAC_SHA1_80 inline:",
            "1 AES_CM_128_HMAC_SHA1_80 inline:!!!!",
            "1 AES_CM_128_HMAC_SHA1_80 uri:https://example.org/",
        ] {
            assert_eq!(Crypto::read(line), None, "{line}");
        }
        for head in ["1 AEAD_AES_128_GCM", "1 AEAD_AES_256_GCM", "1234567890 AES_CM_128_HMAC_SHA1_80"] {
            assert_eq!(Crypto::read(&format!("{head} inline:{KEY30}")), None, "{head}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(suite in prop::sample::select(Suite::ALL.to_vec()), seed: [u8; 32], tag in 0_u32..1_000_000_000) {
            let line = Crypto { tag, key: KeyGenerator::new(seed).next_key(suite).into() };
            let mut text = String::new();
            line.write(&mut text);
            let value = text.trim_end().strip_prefix("a=crypto:").expect("an attribute");
            prop_assert_eq!(Crypto::read(value), Some(line.clone()));
            // Padding may be missing.
            prop_assert_eq!(Crypto::read(value.trim_end_matches('=')), Some(line));
        }

        #[test]
        fn any_text_is_met(text in "\\PC{0,80}", tail in "[0-9:|^ =;A-Z_-]{0,40}") {
            let _ = (Crypto::read(&text), read(&tail));
        }
    }
}
