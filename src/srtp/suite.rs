//! The crypto suites (RFC 4568 §6.2, RFC 7714 §14.2).

/// A cipher with its authentication, by the name that an `a=crypto` line gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// `AEAD_AES_256_GCM`
    AeadAes256Gcm,
    /// `AEAD_AES_128_GCM`
    AeadAes128Gcm,
    /// `AES_CM_128_HMAC_SHA1_80`
    AesCm128HmacSha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`: 32-bit tags on RTP, 80-bit tags on RTCP.
    AesCm128HmacSha1Tag32,
}

impl Suite {
    /// All suites, the preferred one first: authenticated ciphers, which also cost less, then the longer tag.
    pub const ALL: [Suite; 4] =
        [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1Tag80, Suite::AesCm128HmacSha1Tag32];

    /// The name in an `a=crypto` line, in records and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Reads a name; ABNF strings have no case (RFC 5234 §2.3).
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Octets of a master key.
    pub fn key_octets(self) -> usize {
        match self {
            Suite::AeadAes256Gcm => 32,
            Suite::AeadAes128Gcm | Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 => 16,
        }
    }

    /// Octets of a master salt.
    pub fn salt_octets(self) -> usize {
        match self {
            Suite::AeadAes256Gcm | Suite::AeadAes128Gcm => 12,
            Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 => 14,
        }
    }

    /// Octets of key and salt together, as `inline:` carries them.
    pub fn master_octets(self) -> usize {
        self.key_octets() + self.salt_octets()
    }

    pub(crate) fn is_gcm(self) -> bool {
        matches!(self, Suite::AeadAes256Gcm | Suite::AeadAes128Gcm)
    }

    /// Octets of the authentication tag of an RTP packet.
    pub(crate) fn rtp_tag(self) -> usize {
        match self {
            Suite::AeadAes256Gcm | Suite::AeadAes128Gcm => GCM_TAG,
            Suite::AesCm128HmacSha1Tag80 => 10,
            Suite::AesCm128HmacSha1Tag32 => 4,
        }
    }

    /// Octets of the authentication tag of an RTCP packet (RFC 4568 §6.2.2: 80 bits with both SHA-1 suites).
    pub(crate) fn rtcp_tag(self) -> usize {
        match self {
            Suite::AeadAes256Gcm | Suite::AeadAes128Gcm => GCM_TAG,
            Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 => 10,
        }
    }
}

/// RFC 7714 §13.2.
const GCM_TAG: usize = 16;
