//! The signature of a request: HMAC-SHA256 (RFC 2104, FIPS 180-4).

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits in lower case.
    Hex,
    /// Base64 with padding (RFC 4648 §4).
    Base64,
}

/// The signature of a text by a secret.
pub fn signature(secret: &[u8], text: &str, encoding: Encoding) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(text.as_bytes());
    let octets = mac.finalize().into_bytes();
    match encoding {
        Encoding::Hex => base::hex(&octets),
        Encoding::Base64 => Base64::encode_string(&octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3.
    #[test]
    fn the_signature_is_the_one_of_the_standards_example() {
        let text = "what do ya want for nothing?";
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(b"Jefe", text, Encoding::Hex), expected);
        assert_eq!(signature(b"Jefe", text, Encoding::Base64), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }
}
