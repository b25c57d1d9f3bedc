//! Keyed hashes that stand for receipt numbers and second factors, so that the replica holds neither.
//!
//! One secret of the installation gives six keys, one for each use; the outputs of one reveal nothing about the others.
//! All are HMAC-SHA-256 (RFC 2104) with the key's blocks precomputed: two compressions a hash.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::factor::Factor;

/// The keys of one installation.
#[derive(Clone)]
pub struct Keys {
    row: Hmac<Sha256>,
    verifier: Hmac<Sha256>,
    asker: Hmac<Sha256>,
    token: Hmac<Sha256>,
    tag: [u8; 32],
    sealing: [u8; 32],
    fingerprint: [u8; 8],
}

/// Where a receipt's row is: the table's integer key, and 64 more bits that distinguish two receipts of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// 0 or more.
    pub key: i64,
    /// Compared after the row is read.
    pub check: u64,
}

/// What a second factor must hash to. `==` is for tests and storage; [`Keys::proves`] compares in constant time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Verifier(pub [u8; 16]);

impl Keys {
    /// Derives the keys from the installation's secret.
    pub fn new(secret: &[u8; 32]) -> Keys {
        let derived = |label: &str| -> [u8; 32] {
            let mut mac = keyed(secret);
            mac.update(label.as_bytes());
            mac.finalize().into_bytes().into()
        };
        let fingerprint = derived("jindu fingerprint")[..8].try_into().expect("8 of 32 bytes");
        Keys {
            row: keyed(&derived("jindu row")),
            verifier: keyed(&derived("jindu verifier")),
            asker: keyed(&derived("jindu asker")),
            token: keyed(&derived("jindu token")),
            tag: derived("jindu tag"),
            sealing: derived("jindu sealing"),
            fingerprint,
        }
    }

    /// The key of the tags in logs, for [`base::set_tag_key`].
    pub fn tag_key(&self) -> [u8; 32] {
        self.tag
    }

    /// The key that quarantined rows are sealed with.
    pub fn sealing_key(&self) -> [u8; 32] {
        self.sealing
    }

    /// The key that the file with this random salt is sealed with.
    pub fn file_key(&self, salt: &[u8; 16]) -> [u8; 32] {
        let mut mac = keyed(&self.sealing);
        mac.update(b"jindu sealed file");
        mac.update(salt);
        mac.finalize().into_bytes().into()
    }

    /// Identifies the secret without revealing it: stored in files that were made with it.
    pub fn fingerprint(&self) -> [u8; 8] {
        self.fingerprint
    }

    /// Where the row of a normalised receipt number is.
    pub fn row(&self, number: &str) -> RowKey {
        let mut mac = self.row.clone();
        mac.update(number.as_bytes());
        let digest = mac.finalize().into_bytes();
        let (key, check) = (word(&digest[..8]), word(&digest[8..16]));
        RowKey { key: (key >> 1) as i64, check }
    }

    /// What the factor of a receipt must hash to.
    pub fn verifier(&self, number: &str, factor: &Factor) -> Verifier {
        let digest = self.proof(number, factor).finalize().into_bytes();
        Verifier(digest[..16].try_into().expect("16 of 32 bytes"))
    }

    /// Whether a factor is the right one, compared in constant time.
    ///
    /// An absent row is compared with [`Verifier::NONE`], so that it costs the same as a present one.
    pub fn proves(&self, number: &str, factor: &Factor, verifier: Verifier) -> bool {
        let fits = self.proof(number, factor).verify_truncated_left(&verifier.0).is_ok();
        fits && verifier != Verifier::NONE
    }

    /// Stands for a caller or a receipt in [`super::PhoneLimiter`] and in the journal; `kind` keeps them apart.
    pub fn client(&self, kind: &str, value: &str) -> u64 {
        let mut mac = self.asker.clone();
        mac.update(&[kind.len() as u8]);
        mac.update(kind.as_bytes());
        mac.update(value.as_bytes());
        word(&mac.finalize().into_bytes()[..8])
    }

    /// Stands for a receipt number where its look-ups are counted, at every door alike.
    pub fn receipt(&self, number: &str) -> u64 {
        self.client("receipt", number)
    }

    /// Stands for a secret token that is not stored itself; `kind` keeps uses apart.
    pub fn token(&self, kind: &str, token: &str) -> [u8; 32] {
        let mut mac = self.token.clone();
        mac.update(&[kind.len() as u8]);
        mac.update(kind.as_bytes());
        mac.update(token.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn proof(&self, number: &str, factor: &Factor) -> Hmac<Sha256> {
        let mut mac = self.verifier.clone();
        mac.update(&[number.len() as u8]);
        mac.update(number.as_bytes());
        mac.update(factor.expose().as_bytes());
        mac
    }
}

impl Verifier {
    /// Fits no factor.
    pub const NONE: Verifier = Verifier([0; 16]);

    /// Reads 32 hex digits.
    pub fn from_hex(text: &str) -> Option<Verifier> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Verifier(bytes))
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(_)")
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(_)")
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("callers give 8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecondFactor;

    fn factor(entry: &str) -> Factor {
        Factor::read(SecondFactor::IdTail, entry).unwrap()
    }

    #[test]
    fn the_right_factor_proves_and_every_other_does_not() {
        let keys = Keys::new(&[7; 32]);
        let verifier = keys.verifier("440100000000123", &factor("123X"));
        assert!(keys.proves("440100000000123", &factor("123*"), verifier));
        assert!(!keys.proves("440100000000123", &factor("1234"), verifier));
        assert!(!keys.proves("440100000000124", &factor("123X"), verifier), "another receipt's verifier is of no use");
        assert!(!keys.proves("440100000000123", &factor("123X"), Verifier::NONE));
    }

    #[test]
    fn another_secret_makes_other_keys() {
        let (one, other) = (Keys::new(&[1; 32]), Keys::new(&[2; 32]));
        assert_ne!(one.row("440100000000123"), other.row("440100000000123"));
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_ne!(one.client("caller", "1"), one.client("kiosk", "1"));
    }

    #[test]
    fn row_keys_are_never_negative() {
        let keys = Keys::new(&[3; 32]);
        assert!((0..1000).all(|n| keys.row(&n.to_string()).key >= 0));
    }

    #[test]
    fn a_verifier_is_read_from_hex_and_from_nothing_else() {
        assert_eq!(Verifier::from_hex(&"0f".repeat(16)), Some(Verifier([15; 16])));
        for text in ["", "0f", &"0g".repeat(16), &"é".repeat(16)] {
            assert_eq!(Verifier::from_hex(text), None, "{text}");
        }
    }
}
