//! What goes into a registration and comes out of it.

use std::time::Duration;

use base::Bilingual;

use crate::arrival::{Arrival, Outgoing, Target};
use crate::digest::ChallengeError;
use crate::message::Message;

/// One registrar, and how this node is seen from it.
#[derive(Clone, Debug)]
pub struct RegistrarAddress {
    /// Its URI as configured, for status and log.
    pub uri: String,
    /// The Request-URI: the domain that is registered with, without user or parameters.
    pub domain: String,
    /// Where requests go.
    pub target: Target,
    /// Host and port of Via, where responses arrive.
    pub sent_by: String,
    /// The URI that calls are to be sent to.
    pub contact_uri: String,
    /// Whether this node listens there for the registrar's transport; else calls come by the flow alone.
    pub is_listened: bool,
}

/// What one registration is made of.
#[derive(Clone, Debug)]
pub struct RegistrationSettings {
    /// The registrars, the preferred first; at least one.
    pub registrars: Vec<RegistrarAddress>,
    /// The address of record: `sip:1001@carrier.example`.
    pub address: String,
    /// The time that is asked for.
    pub expires: Duration,
    /// A URN that stays the same over restarts (RFC 5626 §4.1): `urn:uuid:…`.
    pub instance: String,
    /// Random; makes tags, branches and pauses.
    pub seed: u64,
}

/// What happens to a registration.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every input is a response")]
pub enum RegistrationInput {
    /// A response with this registration's Call-ID.
    Received {
        /// The response.
        message: Message,
        /// How it came.
        arrival: Arrival,
    },
    /// The pending request certainly did not go out.
    SendFailed,
    /// The host of the registrar that is asked has so many addresses: if one is silent or answers 503, the next one is
    /// asked (RFC 3263 §4.3).
    Addresses(usize),
    /// The stream connection of this arrival has ended.
    FlowLost(Arrival),
    /// A pong came by the stream connection of this arrival (RFC 5626 §3.5.1).
    Ponged(Arrival),
    /// The deadline of [`Registration::deadline`] is due.
    Deadline,
    /// The node takes no more calls.
    Drain,
}

/// What a registration wants done.
#[derive(Debug)]
pub enum RegistrationOutput {
    /// To be sent.
    Send(Outgoing),
    /// Registered, for the first time or after a failure.
    Registered {
        /// The registrar's URI.
        registrar: String,
        /// The time that was granted.
        expires: Duration,
    },
    /// A registrar has failed at one of its addresses, or altogether.
    Failed {
        /// The registrar's URI.
        registrar: String,
        /// Why.
        error: RegistrationError,
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// The stream connection of this arrival answers no keep-alive: it is to be closed, which [`RegistrationInput::FlowLost`] follows.
    CloseFlow(Arrival),
    /// The node is no longer registered, or stops trying: nothing follows.
    Over,
}

/// Why a registrar did not register this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// No final response within 32 s (RFC 3261 §17.1.2.2).
    #[error("the registrar does not answer")]
    Timeout,
    /// The request could not be sent, or the connection has ended.
    #[error("the registrar cannot be reached")]
    Unreachable,
    /// A final response that refuses.
    #[error("the registrar refuses with {0}")]
    Refused(u16),
    /// Its challenge is not answered, or was answered in vain.
    #[error("{0}")]
    Credentials(#[from] ChallengeError),
    /// A 200 that does not hold this node's binding, or grants it no time.
    #[error("the registrar answers 200 without a binding")]
    NotBound,
}

impl RegistrationError {
    /// The same in both languages.
    pub fn text(&self) -> Bilingual {
        let zh = match self {
            RegistrationError::Timeout => "注册服务器没有应答".to_owned(),
            RegistrationError::Unreachable => "无法连接注册服务器".to_owned(),
            RegistrationError::Refused(status) => format!("注册服务器拒绝，状态码 {status}"),
            RegistrationError::Credentials(ChallengeError::Unusable) => "注册服务器要求的认证方式不受支持".to_owned(),
            RegistrationError::Credentials(ChallengeError::OtherRealm) => "认证域与设置不符".to_owned(),
            RegistrationError::Credentials(ChallengeError::Rejected) => "用户名或密码错误".to_owned(),
            RegistrationError::NotBound => "注册服务器应答 200，但没有登记地址".to_owned(),
        };
        Bilingual::new(self.to_string(), zh)
    }
}

/// What a registration is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// The registrar that holds the binding, and how long it still counts.
    pub registered: Option<(String, Duration)>,
    /// The last failure since the last success.
    pub error: Option<RegistrationError>,
    /// Until the next attempt; none while one is going on.
    pub next_in: Option<Duration>,
}
