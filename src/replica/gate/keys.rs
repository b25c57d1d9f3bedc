//! The upstream's public keys, and the sequence numbers for which each is valid.
//!
//! A key is changed without a gap by giving the node the new one first, and then the old one a last number
//! (`last_sequence`): what the old key signs after that is refused.

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::file_reader::VerifiedFile;
use super::header::{Hash, Seal, from_hex};

/// One key of the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateKey {
    /// As the seal names it.
    pub name: String,
    /// The Ed25519 public key.
    pub public: VerifyingKey,
    /// The sequence numbers that it is good for.
    pub first_sequence: u64,
    /// The last such number.
    pub last_sequence: u64,
}

/// The keys that a node trusts; none: it accepts every complete file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateKeys(Vec<GateKey>);

/// Why a seal is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The file is not signed, and only signed files are accepted.
    #[error("not signed, and this node takes signed files only: pack it with a key")]
    Unsigned,
    /// The node has no key of this name.
    #[error("signed with key {0}, which this node does not know: add it as [[replica.key]], or pack with a known key")]
    Unknown(String),
    /// The key is not valid for the file's number.
    #[error("key {key} is not good for sequence {sequence}: pack it with the key that is, or change its numbers")]
    OutOfTurn {
        /// The key's name.
        key: String,
        /// The number it was checked for.
        sequence: u64,
    },
    /// The signature does not match the key of this name.
    #[error("the signature is not that of key {0}: the file was changed on the way or forged; find out by whom")]
    Signature(String),
}

impl GateKeys {
    /// These keys; several may share a name, each with numbers of its own.
    pub fn new(keys: Vec<GateKey>) -> GateKeys {
        GateKeys(keys)
    }

    /// Whether every file is accepted without a signature.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that the key of the file's seal is valid for the file's sequence number.
    pub fn check(&self, whole: &VerifiedFile) -> Result<(), SealError> {
        self.check_at(whole, whole.header.sequence)
    }

    /// Checks that the key of the file's seal is valid for this sequence number. A snapshot that resets a copy to a low
    /// number is checked at the replica's next number: an expired key cannot start again from one.
    pub fn check_at(&self, whole: &VerifiedFile, sequence: u64) -> Result<(), SealError> {
        if self.is_empty() {
            return Ok(());
        }
        let (name, signature) = match (&whole.seal.key, &whole.seal.signature) {
            (Some(name), Some(signature)) => (name, signature),
            (None, _) | (_, None) => return Err(SealError::Unsigned),
        };
        let mut named = self.0.iter().filter(|key| key.name == *name).peekable();
        if named.peek().is_none() {
            return Err(SealError::Unknown(printable(name)));
        }
        let key = named
            .find(|key| (key.first_sequence..=key.last_sequence).contains(&sequence))
            .ok_or_else(|| SealError::OutOfTurn { key: name.clone(), sequence })?;
        let wrong = || SealError::Signature(name.clone());
        let signature = Signature::from_bytes(&from_hex(signature).ok_or_else(wrong)?);
        key.public.verify_strict(signed_text(&whole.hash).as_bytes(), &signature).map_err(|_| wrong())
    }
}

/// The seal of a content, signed.
pub fn sign(sha256: Hash, name: &str, key: &SigningKey) -> Seal {
    let signature = key.sign(signed_text(&sha256).as_bytes()).to_bytes();
    Seal { sha256, key: Some(name.to_owned()), signature: Some(base::hex(&signature)) }
}

/// Whether a key may be named so.
pub fn is_key_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(plain)
}

/// What is signed: the format's name and the content's hash, so that a signature is good for nothing else.
pub fn signed_text(hash: &Hash) -> String {
    format!("jindu feed 1\n{hash}\n")
}

/// Reads a public key: PEM (RFC 8410 §4, as `jindu feed keygen` and OpenSSL write it), its base64 alone, or 64 hex digits.
pub fn read_public(text: &str) -> Result<VerifyingKey, &'static str> {
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let bytes = match from_hex::<32>(&body) {
        Some(bytes) => bytes,
        None => {
            let der = Base64::decode_vec(&body).map_err(|_| PUBLIC_WANTS)?;
            let raw = der.strip_prefix(&PUBLIC_START).ok_or(PUBLIC_WANTS)?;
            raw.try_into().map_err(|_| PUBLIC_WANTS)?
        }
    };
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| PUBLIC_WANTS)?;
    if key.is_weak() { Err("is a weak key: make another one with jindu feed keygen") } else { Ok(key) }
}

/// A name from outside, fit to be printed.
fn printable(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_default).collect()
}

/// DER before the 32 bytes of an Ed25519 public key (RFC 8410 §4).
pub const PUBLIC_START: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PUBLIC_WANTS: &str =
    "must be an Ed25519 public key: the PEM that jindu feed keygen wrote, its line of base64, or 64 hex digits";
