//! Session keys from a master key (RFC 3711 §4.3, RFC 7714 §11), at a key derivation rate of 0.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use crate::MasterKey;

/// What a session key is for (RFC 3711 §4.3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label {
    RtpCipher = 0,
    RtpTag = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpTag = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key of this label: the key stream of AES-CM under the master key.
pub(crate) fn derive(master: &MasterKey, label: Label, out: &mut [u8]) {
    let mut counter = [0; 16];
    counter[..master.salt().len()].copy_from_slice(master.salt());
    // The label stands before 48 bits of packet index, which stay 0, at the end of the 112-bit salt.
    counter[7] ^= label as u8;
    out.fill(0);
    apply_key_stream(&counter_mode(master.key()), &counter, out);
}

/// AES in counter mode, for a key of 16 or 32 octets.
pub(crate) fn counter_mode(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).expect("a session key has the length of its cipher");
    EncryptingKey::ctr(key).expect("AES has a counter mode")
}

/// Adds the key stream that begins at this counter block (RFC 3711 §4.1.1); twice is plain text again.
pub(crate) fn apply_key_stream(cipher: &EncryptingKey, counter: &[u8; 16], octets: &mut [u8]) {
    let begin = EncryptionContext::Iv128(FixedLength::from(counter));
    cipher.less_safe_encrypt(octets, begin).expect("counter mode takes any length and a block as its counter");
}
