//! The inbox of a call: of one that came in, or of one that this node makes.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use call::{Input, OutgoingInput};
use sip::{Arrival, Message};

/// A message, and how it came.
pub(crate) type Received = Box<(Message, Arrival)>;

/// Leads to a call.
#[derive(Clone)]
pub(crate) enum Inbox {
    /// A call that came in.
    Incoming(mpsc::Sender<Input>),
    /// A call of this node.
    Outgoing(mpsc::Sender<OutgoingInput>),
}

/// Why a message could not be given to its call; it comes back.
pub(crate) enum Undeliverable {
    /// The inbox is full.
    Full(Received),
    /// The call has gone.
    Gone(Received),
}

impl Inbox {
    /// Gives a message to the call, if there is room.
    pub(crate) fn deliver(&self, message: Received) -> Result<(), Undeliverable> {
        let refused = |error: TrySendError<()>, message| match error {
            TrySendError::Full(()) => Undeliverable::Full(message),
            TrySendError::Closed(()) => Undeliverable::Gone(message),
        };
        match self {
            Inbox::Incoming(inbox) => match inbox.try_reserve() {
                Ok(place) => place.send(Input::Sip(message)),
                Err(error) => return Err(refused(error, message)),
            },
            Inbox::Outgoing(inbox) => match inbox.try_reserve() {
                Ok(place) => place.send(OutgoingInput::Sip(message)),
                Err(error) => return Err(refused(error, message)),
            },
        }
        Ok(())
    }

    /// The same; waits for room.
    pub(crate) async fn deliver_within(&self, limit: Duration, message: Received) -> Result<(), Undeliverable> {
        match self {
            Inbox::Incoming(inbox) => match timeout(limit, inbox.reserve()).await {
                Ok(Ok(place)) => place.send(Input::Sip(message)),
                Ok(Err(_)) => return Err(Undeliverable::Gone(message)),
                Err(_) => return Err(Undeliverable::Full(message)),
            },
            Inbox::Outgoing(inbox) => match timeout(limit, inbox.reserve()).await {
                Ok(Ok(place)) => place.send(OutgoingInput::Sip(message)),
                Ok(Err(_)) => return Err(Undeliverable::Gone(message)),
                Err(_) => return Err(Undeliverable::Full(message)),
            },
        }
        Ok(())
    }
}
