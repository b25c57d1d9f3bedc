//! Inputs and outputs of a leg, and the local side that it speaks for.

use std::time::Duration;

use bytes::Bytes;

use crate::arrival::{Arrival, Outgoing, PeerAddresses};
use crate::grammar::Method;
use crate::message::Message;
use base::Key;

/// The local side of a call.
#[derive(Clone, Debug)]
pub struct Local {
    /// The URI of the Contact, without angle brackets: `sip:192.0.2.1:5060`, never an unspecified address. The leg adds
    /// `;transport=tcp` to a call that came over TCP.
    pub contact_uri: String,
    /// Seed of tags and branches: a random number for this call alone.
    pub seed: u64,
    /// The session interval that the leg asks for (RFC 4028 §4).
    pub session_expires: Duration,
    /// The smallest session interval that the leg accepts (RFC 4028 §5).
    pub min_se: Duration,
    /// Where its requests may go: what the peer names elsewhere is ignored, and they go to where the peer's come from.
    pub peers: PeerAddresses,
}

/// An input of a leg.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every input is a message")]
pub enum LegInput {
    /// A message of this call arrived; a retransmission of the first INVITE is one.
    Received {
        /// The message, dispatched to this leg.
        message: Message,
        /// How it arrived.
        arrival: Arrival,
    },
    /// Answers the oldest offer; after `Offer { sdp: None }` it is the local offer.
    Answer {
        /// The session description of the 200.
        sdp: Vec<u8>,
    },
    /// Rejects the oldest offer; rejecting the first one ends the call.
    Reject {
        /// 300 to 699.
        status: u16,
        /// A warn-code of RFC 3261 §20.43 and a text for the peer's engineers.
        warning: Option<(u16, String)>,
        /// The Retry-After value.
        retry_after: Option<Duration>,
    },
    /// Transfers the caller (RFC 3515).
    Refer {
        /// The Refer-To URI, without angle brackets.
        target_uri: String,
        /// The Referred-By URI (RFC 3892), without angle brackets.
        referred_by: Option<String>,
    },
    /// Ends the call.
    HangUp {
        /// A whole Reason value (RFC 3326): `Q.850;cause=16;text="Normal call clearing"`.
        reason: Option<&'static str>,
    },
    /// A message of this leg certainly did not leave.
    Undelivered {
        /// The message, as [`LegOutput::Send`] gave it.
        message: Bytes,
    },
    /// [`Leg::deadline`](super::Leg::deadline) is due.
    Deadline,
}

/// An output of a leg: an action or an event.
#[derive(Debug)]
pub enum LegOutput {
    /// Send this message.
    Send(Outgoing),
    /// An offer arrived and waits for its answer.
    Offer {
        /// The offer; `None`: the peer asks for a local offer (RFC 3261 §13.2.1).
        sdp: Option<Bytes>,
    },
    /// The answer to a local offer arrived.
    AnswerReceived {
        /// The answer.
        sdp: Bytes,
    },
    /// The peer of an outgoing call is being alerted, or its call progresses.
    Progress {
        /// 101 to 199.
        status: u16,
    },
    /// Both sides have the 2xx: the conversation begins.
    Established,
    /// A key arrived in an INFO.
    Key {
        /// The key.
        key: Key,
        /// How long it was pressed before the INFO, if the INFO tells that.
        held: Option<Duration>,
    },
    /// The transfer progressed.
    Referred(TransferProgress),
    /// A local request could not be delivered, or nothing answered it: further ones go to where the peer's requests come
    /// from.
    Unreachable(Method),
    /// The call is over: media and line are free.
    Ended {
        /// The cause.
        why: EndCause,
    },
    /// An INVITE begins another call under the key of this leg, whose call is over: a rejected caller tries again with
    /// the same Call-ID and tag (RFC 4028 §7.3, RFC 3261 §22.2). `Gone` follows; then the INVITE goes to the dispatcher.
    NextCall {
        /// The INVITE.
        message: Box<Message>,
        /// How it arrived.
        arrival: Arrival,
    },
    /// The last timer has run out: the leg can be dropped.
    Gone,
}

/// The progress of a transfer, from the status in its NOTIFYs (RFC 3515 §2.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferProgress {
    /// 2xx to the REFER: the peer transfers the caller, and may report no more than its BYE.
    Accepted,
    /// 100.
    Trying,
    /// 101 to 199.
    Ringing,
    /// 2xx: the transfer target has answered.
    Done,
    /// 486 or 600.
    Busy(u16),
    /// Another final status, of the REFER or of the referred call; none: the peer reported none, or the REFER could not
    /// be sent.
    Failed(Option<u16>),
}

/// The cause of the end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The peer sent BYE.
    ByeReceived,
    /// The peer sent CANCEL before the answer.
    Cancelled,
    /// No ACK of the 2xx arrived within 64·T1.
    NoAck,
    /// The ACK, or the 2xx to an INVITE of this side, contained no answer to the local offer.
    NoAnswer,
    /// The session was not refreshed in time (RFC 4028 §10).
    SessionExpired,
    /// The peer does not know the call (481), or answers no refresh of the session (408).
    PeerLost,
    /// The answer to the INVITE could not be delivered.
    TransportFailed,
    /// This side hung up.
    HungUp,
    /// The INVITE was rejected.
    Rejected,
    /// The INVITE of this side failed.
    CallFailed {
        /// The status of its final response; 408 where none came, 503 where the INVITE could not leave.
        status: u16,
    },
}
