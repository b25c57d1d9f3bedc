//! Values that identify a person and must not appear in logs.
//!
//! A [`Private`] value prints as a keyed tag: equal values have equal tags within one installation, so that an
//! operator can follow a receipt through the log, while the value cannot be read or guessed without the key.

use std::fmt;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Keyed, so that a tag costs the hash of its value alone.
static TAG_KEY: OnceLock<Hmac<Sha256>> = OnceLock::new();

/// Sets the key of all tags, once, before the first log line. Later calls have no effect.
pub fn set_tag_key(key: [u8; 32]) {
    let _ = TAG_KEY.set(Hmac::new_from_slice(&key).expect("HMAC takes a key of any length"));
}

/// The tag of a value: 12 hex digits of HMAC-SHA-256 (RFC 2104) under the installation's key, or `~` before the key is set.
pub fn tag(value: &str) -> String {
    let Some(keyed) = TAG_KEY.get() else { return "~".into() };
    let mut mac = keyed.clone();
    mac.update(value.as_bytes());
    let digest = mac.finalize().into_bytes();
    crate::hex(&digest[..6])
}

/// A phone number, receipt number or second factor: comparable, and printed only as a tag.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Private(value)
    }

    /// The value itself, for look-ups and protocols, not for logs.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: AsRef<str>> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&tag(self.0.as_ref()))
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(_)")
    }
}
