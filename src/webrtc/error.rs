//! Why a browser does not become a telephone, or is none any more.

/// Why an offer was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It is not a session description, or lacks what WebRTC needs.
    #[error("the offer cannot be used: {0}")]
    Malformed(String),
    /// It holds no audio with PCMA or PCMU at 8 kHz.
    #[error("the offer has no audio in PCMA or PCMU")]
    NoCodec,
    /// So many browsers are connected that no other one may be.
    #[error("no more than {max} browsers can be telephones")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// Why a request of a browser's telephone has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Another browser, or another page, of the agent has taken its place.
    #[error("another page of this agent is the telephone")]
    Replaced,
    /// It was lost, or closed.
    #[error("this page is no longer a telephone")]
    Gone,
    /// The call that was named is over.
    #[error("the call is over")]
    CallOver,
}
