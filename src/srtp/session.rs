//! The transforms of one protocol, RTP or RTCP, under one master key (RFC 3711 §4, RFC 7714 §8–9).
//!
//! ```text
//!  AES-CM   RTP   header │ encrypted payload │ MKI │ tag
//!           RTCP  8 octets │ encrypted rest │ E, index │ MKI │ tag
//!  AES-GCM  RTP   header │ encrypted payload │ tag │ MKI
//!           RTCP  8 octets │ encrypted rest │ tag │ E, index │ MKI
//! ```

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::MasterKey;
use crate::derivation::{Label, apply_key_stream, counter_mode, derive};
use crate::packet::RTCP_CLEAR;

/// The most octets that protection adds to an RTP packet.
pub const RTP_TRAILER_MAX: usize = TAG_MAX;
/// The most octets that protection adds to an RTCP packet.
pub const RTCP_TRAILER_MAX: usize = TAG_MAX + INDEX_OCTETS;

/// The session keys of one protocol.
pub(crate) struct Session {
    cipher: Cipher,
    salt: Zeroizing<[u8; 14]>,
    tag: usize,
}

enum Cipher {
    /// AES in counter mode with HMAC-SHA1.
    Counter(Box<(EncryptingKey, hmac::Key)>),
    /// AES-GCM.
    Gcm(Box<LessSafeKey>),
}

/// Which packet of a stream it is: the nonce follows from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub ssrc: u32,
    /// 48 bits in RTP, 31 in RTCP.
    pub index: u64,
}

impl Session {
    pub(crate) fn rtp(master: &MasterKey) -> Session {
        Session::new(master, [Label::RtpCipher, Label::RtpTag, Label::RtpSalt], master.suite().rtp_tag())
    }

    pub(crate) fn rtcp(master: &MasterKey) -> Session {
        Session::new(master, [Label::RtcpCipher, Label::RtcpTag, Label::RtcpSalt], master.suite().rtcp_tag())
    }

    fn new(master: &MasterKey, [cipher, tag, salt]: [Label; 3], tag_octets: usize) -> Session {
        let mut key = Zeroizing::new([0; 32]);
        let key = &mut key[..master.key().len()];
        derive(master, cipher, key);
        let mut session_salt = Zeroizing::new([0; 14]);
        derive(master, salt, &mut session_salt[..master.salt().len()]);
        let mut tag_key = Zeroizing::new([0; 20]);
        derive(master, tag, tag_key.as_mut_slice());
        let gcm = master.suite().is_gcm();
        Session::of_session_keys(gcm, key, session_salt, tag_key.as_slice(), tag_octets)
    }

    pub(crate) fn of_session_keys(
        gcm: bool,
        key: &[u8],
        salt: Zeroizing<[u8; 14]>,
        tag_key: &[u8],
        tag: usize,
    ) -> Session {
        let cipher = if gcm {
            let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
            let key = UnboundKey::new(algorithm, key).expect("a session key has the length of its cipher");
            Cipher::Gcm(Box::new(LessSafeKey::new(key)))
        } else {
            let tag_key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, tag_key);
            Cipher::Counter(Box::new((counter_mode(key), tag_key)))
        };
        Session { cipher, salt, tag }
    }

    /// Octets that protection adds to an RTP packet, without an MKI.
    pub(crate) fn rtp_trailer(&self) -> usize {
        self.tag
    }

    /// Octets that protection adds to an RTCP packet, without an MKI.
    pub(crate) fn rtcp_trailer(&self) -> usize {
        self.tag + INDEX_OCTETS
    }

    /// Encrypts what follows the header, and writes the tag into the packet's last octets.
    pub(crate) fn seal_rtp(&self, position: Position, header: usize, packet: &mut [u8]) {
        let (plain, tag) = packet.split_at_mut(packet.len() - self.tag);
        match &self.cipher {
            Cipher::Counter(keys) => {
                apply_key_stream(&keys.0, &self.counter(position), &mut plain[header..]);
                tag.copy_from_slice(&self.mac(&keys.1, plain, &rollover_counter(position)).as_ref()[..self.tag]);
            }
            Cipher::Gcm(key) => {
                let (header, payload) = plain.split_at_mut(header);
                tag.copy_from_slice(&seal(key, self.nonce(position), header, payload));
            }
        }
    }

    /// The plain packet, or nothing if the packet is not authentic. The packet has room for header, MKI and tag.
    #[must_use]
    pub(crate) fn open_rtp(
        &self,
        position: Position,
        header: usize,
        packet: &[u8],
        mki: &[u8],
        to: &mut Vec<u8>,
    ) -> bool {
        let Some((sealed, tag)) = self.split_rtp(packet, mki) else { return false };
        match &self.cipher {
            Cipher::Counter(keys) => {
                let mac = self.mac(&keys.1, sealed, &rollover_counter(position));
                if verify_slices_are_equal(&mac.as_ref()[..self.tag], tag).is_err() {
                    return false;
                }
                replace(to, sealed);
                apply_key_stream(&keys.0, &self.counter(position), &mut to[header..]);
                true
            }
            Cipher::Gcm(key) => {
                replace(to, sealed);
                let (header, encrypted) = sealed.split_at(header);
                let aad = Aad::from(header);
                key.open_separate_gather(self.nonce(position), aad, encrypted, tag, &mut to[header.len()..]).is_ok()
            }
        }
    }

    /// What is authenticated, and its tag; nothing if the packet names another key.
    fn split_rtp<'a>(&self, packet: &'a [u8], mki: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
        match self.cipher {
            Cipher::Counter(_) => {
                let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(self.tag)?)?;
                Some((rest.strip_suffix(mki)?, tag))
            }
            Cipher::Gcm(_) => {
                let rest = packet.strip_suffix(mki)?;
                rest.split_at_checked(rest.len().checked_sub(self.tag)?)
            }
        }
    }

    /// Encrypts what follows the first eight octets, and writes index and tag into the packet's last octets.
    pub(crate) fn seal_rtcp(&self, position: Position, packet: &mut [u8]) {
        let word = ENCRYPTED | position.index as u32;
        let length = packet.len() - self.rtcp_trailer();
        let (plain, trailer) = packet.split_at_mut(length);
        match &self.cipher {
            Cipher::Counter(keys) => {
                apply_key_stream(&keys.0, &self.counter(position), &mut plain[RTCP_CLEAR..]);
                let (index, tag) = trailer.split_at_mut(INDEX_OCTETS);
                index.copy_from_slice(&word.to_be_bytes());
                tag.copy_from_slice(&self.mac(&keys.1, plain, &word.to_be_bytes()).as_ref()[..self.tag]);
            }
            Cipher::Gcm(key) => {
                let (clear, encrypted) = plain.split_at_mut(RTCP_CLEAR);
                let aad = rtcp_aad(clear, word);
                let (tag, index) = trailer.split_at_mut(self.tag);
                tag.copy_from_slice(&seal(key, self.nonce(position), &aad, encrypted));
                index.copy_from_slice(&word.to_be_bytes());
            }
        }
    }

    /// The plain packet, or nothing if the packet is not authentic.
    #[must_use]
    pub(crate) fn open_rtcp(&self, ssrc: u32, parts: &RtcpParts<'_>, to: &mut Vec<u8>) -> bool {
        let position = Position { ssrc, index: parts.index() };
        replace(to, parts.sealed);
        match &self.cipher {
            Cipher::Counter(keys) => {
                let mac = self.mac(&keys.1, parts.sealed, &parts.word.to_be_bytes());
                if verify_slices_are_equal(&mac.as_ref()[..self.tag], parts.tag).is_err() {
                    return false;
                }
                apply_key_stream(&keys.0, &self.counter(position), &mut to[RTCP_CLEAR..]);
                true
            }
            Cipher::Gcm(key) => {
                let (clear, encrypted) = parts.sealed.split_at(RTCP_CLEAR);
                let aad = Aad::from(rtcp_aad(clear, parts.word));
                let nonce = self.nonce(position);
                key.open_separate_gather(nonce, aad, encrypted, parts.tag, &mut to[RTCP_CLEAR..]).is_ok()
            }
        }
    }

    /// The parts of an SRTCP packet; nothing if it is too short or names another key.
    pub(crate) fn split_rtcp<'a>(&self, packet: &'a [u8], mki: &[u8]) -> Option<RtcpParts<'a>> {
        let (sealed, word, tag) = match self.cipher {
            Cipher::Counter(_) => {
                let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(self.tag)?)?;
                let (sealed, word) = rest.strip_suffix(mki)?.split_last_chunk()?;
                (sealed, word, tag)
            }
            Cipher::Gcm(_) => {
                let (rest, word) = packet.strip_suffix(mki)?.split_last_chunk()?;
                let (sealed, tag) = rest.split_at_checked(rest.len().checked_sub(self.tag)?)?;
                (sealed, word, tag)
            }
        };
        (sealed.len() >= RTCP_CLEAR).then_some(RtcpParts { sealed, word: u32::from_be_bytes(*word), tag })
    }

    fn mac(&self, key: &hmac::Key, packet: &[u8], behind: &[u8; 4]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(key);
        mac.update(packet);
        mac.update(behind);
        mac.sign()
    }

    /// RFC 3711 §4.1.1: salt, SSRC and index, then 16 bits that count blocks.
    fn counter(&self, Position { ssrc, index }: Position) -> [u8; 16] {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(self.salt.as_slice());
        add(&mut counter[4..8], &ssrc.to_be_bytes());
        add(&mut counter[8..14], &index.to_be_bytes()[2..]);
        counter
    }

    /// RFC 7714 §8.1, §9.1.
    fn nonce(&self, Position { ssrc, index }: Position) -> Nonce {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt[..12]);
        add(&mut nonce[2..6], &ssrc.to_be_bytes());
        add(&mut nonce[6..], &index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(_)")
    }
}

/// An SRTCP packet taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtcpParts<'a> {
    sealed: &'a [u8],
    word: u32,
    tag: &'a [u8],
}

impl RtcpParts<'_> {
    pub(crate) fn is_encrypted(&self) -> bool {
        self.word & ENCRYPTED != 0
    }

    pub(crate) fn index(&self) -> u64 {
        u64::from(self.word & !ENCRYPTED)
    }
}

fn seal(key: &LessSafeKey, nonce: Nonce, aad: &[u8], octets: &mut [u8]) -> [u8; 16] {
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), octets).expect("a packet is not too long for GCM");
    tag.as_ref().try_into().expect("GCM's tag has 16 octets")
}

/// RFC 7714 §9.2: what is in the clear, and the word with the index.
fn rtcp_aad(clear: &[u8], word: u32) -> [u8; RTCP_CLEAR + INDEX_OCTETS] {
    let mut aad = [0; RTCP_CLEAR + INDEX_OCTETS];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&word.to_be_bytes());
    aad
}

fn rollover_counter(position: Position) -> [u8; 4] {
    ((position.index >> 16) as u32).to_be_bytes()
}

fn add(to: &mut [u8], octets: &[u8]) {
    to.iter_mut().zip(octets).for_each(|(to, octet)| *to ^= octet);
}

fn replace(to: &mut Vec<u8>, octets: &[u8]) {
    to.clear();
    to.extend_from_slice(octets);
}

const TAG_MAX: usize = 16;
const INDEX_OCTETS: usize = 4;
/// The E flag (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;
