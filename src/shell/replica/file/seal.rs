//! Encrypts quarantined rows, and the numbers that callers leave with a message: AES-256-GCM under a key derived from the installation's secret.
//!
//! AEAD comes from aws-lc-rs; all hashes and HMACs of the workspace come from `sha2` and `hmac`.
//!
//! ```text
//!  nonce 12 │ ciphertext │ tag 16
//! ```

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use base::Private;
use inquiry::Keys;

/// Encrypts a text; `None` when the system gives no random number.
pub fn seal(keys: &Keys, text: &str) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).ok()?;
    let mut sealed = text.as_bytes().to_vec();
    key(keys).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).ok()?;
    Some([&nonce[..], &sealed].concat())
}

/// Decrypts what [`seal`] encrypted under the same secret; `None` under another secret, or when it is damaged.
pub fn open(keys: &Keys, sealed: &[u8]) -> Option<Private<String>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut text = sealed.to_vec();
    let text = key(keys).open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text).ok()?;
    String::from_utf8(text.to_vec()).ok().map(Private::new)
}

fn key(keys: &Keys) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &keys.sealing_key()).expect("a key of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_under_the_same_secret_only_and_undamaged() {
        let keys = Keys::new(&[1; 32]);
        let sealed = seal(&keys, "4401 and more").unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"4401"));
        assert_eq!(open(&keys, &sealed), Some(Private::new("4401 and more".into())));
        assert_eq!(open(&Keys::new(&[2; 32]), &sealed), None);
        assert_eq!(open(&keys, &sealed[..sealed.len() - 1]), None);
        assert_eq!(open(&keys, &[]), None);
        assert_ne!(seal(&keys, "4401 and more").unwrap(), sealed);
    }
}
