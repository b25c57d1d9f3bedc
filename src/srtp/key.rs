//! Master keys: what an `a=crypto` line carries. They are erased when dropped, and never printed.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use zeroize::{Zeroize, Zeroizing};

use crate::Suite;

/// The master key and salt of one direction.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    octets: [u8; MASTER_OCTETS_MAX],
}

/// A key and salt of another length than the suite's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key and salt have {expected} octets, not {got}")]
pub struct KeyLengthError {
    /// What the suite needs.
    pub expected: usize,
    /// What came.
    pub got: usize,
}

impl MasterKey {
    /// Takes the key with the salt behind it: 30 octets for AES-128 in counter mode, 28 and 44 for AES-128 and AES-256 in GCM
    /// (RFC 4568 §6.2, RFC 7714 §14).
    ///
    /// # Errors
    /// It has another length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<MasterKey, KeyLengthError> {
        let expected = suite.master_octets();
        if key_and_salt.len() != expected {
            return Err(KeyLengthError { expected, got: key_and_salt.len() });
        }
        let mut octets = [0; MASTER_OCTETS_MAX];
        octets[..expected].copy_from_slice(key_and_salt);
        Ok(MasterKey { suite, octets })
    }

    /// The suite that the key is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key with the salt behind it, for the `a=crypto` line alone.
    pub fn expose(&self) -> &[u8] {
        &self.octets[..self.suite.master_octets()]
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.octets[..self.suite.key_octets()]
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.octets[self.suite.key_octets()..self.suite.master_octets()]
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &MasterKey) -> bool {
        self.suite == other.suite && verify_slices_are_equal(&self.octets, &other.octets).is_ok()
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, _)", self.suite.name())
    }
}

/// The peer's master key, and what its packets carry to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerKey {
    /// The key.
    pub key: MasterKey,
    /// The master key identifier in every packet (RFC 3711 §3.1), at most [`MKI_OCTETS_MAX`] octets; usually none.
    pub mki: Vec<u8>,
}

impl From<MasterKey> for PeerKey {
    fn from(key: MasterKey) -> PeerKey {
        PeerKey { key, mki: Vec::new() }
    }
}

/// Makes the keys of one call from random octets that come in once: HKDF-Expand (RFC 5869 §2.3), a new key each time.
pub struct KeyGenerator {
    secret: Zeroizing<[u8; 32]>,
    made: u64,
}

impl KeyGenerator {
    /// Takes 32 unpredictable octets, which nothing else may use.
    pub fn new(secret: [u8; 32]) -> KeyGenerator {
        KeyGenerator { secret: Zeroizing::new(secret), made: 0 }
    }

    /// A key that was never made before.
    pub fn next_key(&mut self, suite: Suite) -> MasterKey {
        self.made += 1;
        let secret = Prk::new_less_safe(HKDF_SHA256, self.secret.as_slice());
        let count = self.made.to_be_bytes();
        let label: [&[u8]; 2] = [b"srtp master key", &count];
        let mut octets = Zeroizing::new([0; MASTER_OCTETS_MAX]);
        let master = &mut octets[..suite.master_octets()];
        let expanded = secret.expand(&label, Length(master.len())).expect("less than 255 hashes are asked for");
        expanded.fill(master).expect("the length is the one asked for");
        MasterKey::new(suite, master).expect("the length is the suite's")
    }
}

impl fmt::Debug for KeyGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyGenerator(_, {} made)", self.made)
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// 32 octets of key and 12 of salt; those of AES-CM are 30.
const MASTER_OCTETS_MAX: usize = 44;
/// RFC 4568 §6.1: the length of an MKI is 1 to 128.
pub const MKI_OCTETS_MAX: usize = 128;
