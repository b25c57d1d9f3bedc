//! Seals what must be kept and never lies in clear: AES-256-GCM under a key of the installation's secret.
//!
//! ```text
//!  nonce 12 │ ciphertext │ tag 16
//! ```

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use base::Private;
use inquiry::Keys;

/// Seals a text; none when the system gives no random number.
pub(super) fn seal(keys: &Keys, text: &str) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).ok()?;
    let mut sealed = text.as_bytes().to_vec();
    key(keys).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).ok()?;
    Some([&nonce[..], &sealed].concat())
}

/// Opens what [`seal`] made under the same secret; none when it was not, or is damaged.
pub(super) fn open(keys: &Keys, sealed: &[u8]) -> Option<Private<String>> {
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
    fn what_was_sealed_is_opened_by_the_same_secret_only_and_whole() {
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
