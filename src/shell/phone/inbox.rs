//! The inbox of a call: of one that came in, or of one that this node makes.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use call::{Input, OutgoingInput};
use sip::{Arrival, Message};

/// A message, and how it came.
pub(crate) type Received = Box<(Message, Arrival)>;

/// Gives an input that must not be lost to a call: if there is no room for it, a task waits for that.
pub(crate) fn insist<T: Send + 'static>(inbox: &mpsc::Sender<T>, input: T) {
    if let Err(TrySendError::Full(input)) = inbox.try_send(input)
        // None: the runtime has ended, and every call with it.
        && let Ok(runtime) = Handle::try_current()
    {
        let inbox = inbox.clone();
        runtime.spawn(async move { inbox.send(input).await });
    }
}

/// Leads to a call.
#[derive(Clone)]
pub(crate) enum Inbox {
    /// A call with an application: one that came in, or a call-back.
    Call(mpsc::Sender<Input>),
    /// A call to an agent.
    Agent(mpsc::Sender<OutgoingInput>),
}

/// Why a message could not be given to its call; it comes back.
pub(crate) enum Undeliverable {
    /// The inbox is full.
    Full(Received),
    /// The call has gone.
    Gone(Received),
}

impl Inbox {
    /// Whether the call reads no more.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Inbox::Call(inbox) => inbox.is_closed(),
            Inbox::Agent(inbox) => inbox.is_closed(),
        }
    }

    /// Gives a message to the call, if there is room.
    pub(crate) fn deliver(&self, message: Received) -> Result<(), Undeliverable> {
        let refused = |error: TrySendError<()>, message| match error {
            TrySendError::Full(()) => Undeliverable::Full(message),
            TrySendError::Closed(()) => Undeliverable::Gone(message),
        };
        match self {
            Inbox::Call(inbox) => match inbox.try_reserve() {
                Ok(place) => place.send(Input::Sip(message)),
                Err(error) => return Err(refused(error, message)),
            },
            Inbox::Agent(inbox) => match inbox.try_reserve() {
                Ok(place) => place.send(OutgoingInput::Sip(message)),
                Err(error) => return Err(refused(error, message)),
            },
        }
        Ok(())
    }

    /// The same; waits for room.
    pub(crate) async fn deliver_within(&self, limit: Duration, message: Received) -> Result<(), Undeliverable> {
        match self {
            Inbox::Call(inbox) => match timeout(limit, inbox.reserve()).await {
                Ok(Ok(place)) => place.send(Input::Sip(message)),
                Ok(Err(_)) => return Err(Undeliverable::Gone(message)),
                Err(_) => return Err(Undeliverable::Full(message)),
            },
            Inbox::Agent(inbox) => match timeout(limit, inbox.reserve()).await {
                Ok(Ok(place)) => place.send(OutgoingInput::Sip(message)),
                Ok(Err(_)) => return Err(Undeliverable::Gone(message)),
                Err(_) => return Err(Undeliverable::Full(message)),
            },
        }
        Ok(())
    }
}
