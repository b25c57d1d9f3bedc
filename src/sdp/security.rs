//! Which lines of SDES keys an offer and an answer agree on, by the policy of a trunk.

use std::sync::Arc;

use srtp::{KeyGenerator, Suite};

use super::crypto::{Crypto, SrtpKeys};
use super::description::Media;
use super::{Rejection, SrtpPolicy};

/// What an `m=` line's protocol says of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    Clear,
    Secure,
}

impl Profile {
    pub(super) fn of(media: &Media) -> Option<Profile> {
        let is = |known: &[&str]| known.iter().any(|known| media.protocol.eq_ignore_ascii_case(known));
        if is(&["RTP/AVP", "RTP/AVPF"]) {
            Some(Profile::Clear)
        } else {
            is(&["RTP/SAVP", "RTP/SAVPF"]).then_some(Profile::Secure)
        }
    }
}

/// The `a=crypto` line of an offered `m=` line that is answered; none: the answer is in the clear.
pub(super) fn choose_crypto(media: &Media, policy: SrtpPolicy) -> Result<Option<&Crypto>, Rejection> {
    let of_suite = |suite| media.crypto.iter().find(|line| line.suite() == suite);
    let best = Suite::ALL.into_iter().find_map(of_suite);
    match (Profile::of(media).ok_or(OTHER_TRANSPORT)?, policy) {
        (Profile::Clear, SrtpPolicy::Off) => Ok(None),
        (Profile::Clear, SrtpPolicy::Optional) => Ok(best),
        (Profile::Clear, SrtpPolicy::Required) => best.map(Some).ok_or(REQUIRED),
        (Profile::Secure, SrtpPolicy::Off) => Err(OFF),
        (Profile::Secure, SrtpPolicy::Optional | SrtpPolicy::Required) => best.map(Some).ok_or(NO_SUITE),
    }
}

/// The keys that an answered `m=` line and the offered one agree on; none: both are in the clear.
///
/// The answer must repeat tag and suite of an offered line (RFC 4568 §5.1.3). That its profile is the other one of
/// RTP/AVP and RTP/SAVP does not matter where it does.
pub(super) fn accept_crypto(
    answer: &Media,
    offered: Option<&Media>,
    policy: SrtpPolicy,
) -> Result<Option<SrtpKeys>, Rejection> {
    let profile = Profile::of(answer).ok_or(OTHER_TRANSPORT)?;
    let pair = answer.crypto.iter().find_map(|theirs| {
        let repeats = |ours: &&Crypto| ours.tag == theirs.tag && ours.suite() == theirs.suite();
        Some((offered?.crypto.iter().find(repeats)?, theirs))
    });
    if let Some((ours, theirs)) = pair {
        return Ok(Some(SrtpKeys { ours: ours.key.key.clone(), peer: theirs.key.clone() }));
    }
    let both_clear = profile == Profile::Clear && offered.and_then(Profile::of) == Some(Profile::Clear);
    if both_clear && policy != SrtpPolicy::Required { Ok(None) } else { Err(NO_SUITE) }
}

/// The local side of the keys of one call.
#[derive(Debug, Default)]
pub(super) struct SrtpSession {
    policy: SrtpPolicy,
    generator: Option<KeyGenerator>,
    agreed: Option<Arc<SrtpKeys>>,
}

impl SrtpSession {
    /// `policy` is in force from now on, with keys of this generator.
    pub(super) fn new(policy: SrtpPolicy, generator: KeyGenerator) -> SrtpSession {
        SrtpSession { policy, generator: Some(generator), agreed: None }
    }

    pub(super) fn policy(&self) -> SrtpPolicy {
        self.policy
    }

    /// The local line that answers one of the peer's: with the key in use as long as the peer's is the same, so that both
    /// contexts go on, else with a new one.
    pub(super) fn answer(&mut self, theirs: Option<&Crypto>) -> Option<Crypto> {
        let theirs = theirs?;
        let kept = self.agreed.as_ref().filter(|agreed| agreed.peer == theirs.key).map(|agreed| agreed.ours.clone());
        let ours = kept.unwrap_or_else(|| {
            let generator = self.generator.as_mut().expect("a policy other than Off comes with a generator");
            generator.next_key(theirs.suite())
        });
        Some(Crypto { tag: theirs.tag, key: ours.into() })
    }

    /// The lines of the first local offer: each suite with a key of its own.
    pub(super) fn offer(&mut self) -> Vec<Crypto> {
        let Some(generator) = self.generator.as_mut().filter(|_| self.policy != SrtpPolicy::Off) else {
            return Vec::new();
        };
        let line = |(tag, suite)| Crypto { tag, key: generator.next_key(suite).into() };
        (1..).zip(Suite::ALL).map(line).collect()
    }

    /// The profile of the first local offer.
    pub(super) fn protocol(&self) -> &'static str {
        match self.policy {
            SrtpPolicy::Off | SrtpPolicy::Optional => "RTP/AVP",
            SrtpPolicy::Required => "RTP/SAVP",
        }
    }

    /// Takes over what was agreed.
    pub(super) fn agree(&mut self, keys: Option<SrtpKeys>) -> Option<Arc<SrtpKeys>> {
        let unchanged = self.agreed.as_deref() == keys.as_ref();
        if !unchanged {
            self.agreed = keys.map(Arc::new);
        }
        self.agreed.clone()
    }
}

// RFC 3261 §20.43: incompatible transport protocol.
const OTHER_TRANSPORT: Rejection =
    Rejection::NotAcceptable { warning: 302, text: "only RTP/AVP, RTP/AVPF, RTP/SAVP and RTP/SAVPF are supported" };
const OFF: Rejection = Rejection::NotAcceptable { warning: 302, text: "SRTP is switched off for this trunk" };
const REQUIRED: Rejection = Rejection::NotAcceptable { warning: 302, text: "SRTP is required for this trunk" };
const NO_SUITE: Rejection =
    Rejection::NotAcceptable { warning: 302, text: "there is no a=crypto line with a suite and key that can be used" };
