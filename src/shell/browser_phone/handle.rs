//! What leads to the telephones in browsers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::gateway;
use super::message::{Asked, Message, Registered};
use base::{Codec, Private};
use webrtc::{Accepted, CallNumber, LineReport, OfferError, PhoneError, PhoneEvent, Press, Ring};

/// Why a browser does not become a telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Its offer was refused.
    Offer(OfferError),
    /// This node does not keep up, or shuts down.
    Busy,
}

/// The telephones in browsers.
pub struct BrowserTelephones {
    messages: mpsc::Sender<Message>,
    registered: Arc<Registered>,
    calls: AtomicU64,
    /// Where media sessions send.
    sound: SocketAddr,
    /// Where browsers send.
    candidate: SocketAddr,
}

/// What a call to a browser begins with.
pub struct BrowserCall<'a> {
    /// The agent's name.
    pub agent: &'a Arc<str>,
    /// The calling number that the page shows; none: it is withheld.
    pub number: Option<String>,
    /// The codec of the caller.
    pub codec: Codec,
    /// How long it may ring.
    pub limit: Duration,
    /// The port of the media session, on the IP address of [`BrowserTelephones::sound`].
    pub media_port: u16,
}

impl BrowserTelephones {
    /// Binds the sockets and starts the task. Needs a runtime.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn start(
        settings: &config::Webrtc,
        sip: SocketAddr,
    ) -> Result<Arc<BrowserTelephones>, (SocketAddr, io::Error)> {
        let sockets = gateway::Sockets::bind(settings.listen, sip)?;
        let (messages, arrivals) = mpsc::channel(MESSAGES_MAX);
        let registered = Arc::new(Registered::default());
        let (sound, bound) = sockets.addresses().map_err(|error| (settings.listen, error))?;
        let candidate = settings.candidate(bound);
        tokio::spawn(gateway::run(sockets, candidate, arrivals, Arc::clone(&registered)));
        Ok(Arc::new(BrowserTelephones { messages, registered, calls: AtomicU64::new(1), sound, candidate }))
    }

    /// Where browsers send: the candidate of ICE.
    pub fn candidate(&self) -> SocketAddr {
        self.candidate
    }

    /// Where media sessions of calls to browsers send, and receive from.
    pub fn sound(&self) -> SocketAddr {
        self.sound
    }

    /// Since when an agent's browser is a telephone; none: it is not.
    pub fn registered_since(&self, agent: &str) -> Option<Instant> {
        self.registered.load().get(agent).copied()
    }

    /// How many agents have their telephone in a browser.
    pub fn count(&self) -> usize {
        self.registered.load().len()
    }

    /// Makes the browser of an agent a telephone.
    ///
    /// # Errors
    /// Why not.
    pub async fn connect(&self, agent: &str, offer: String) -> Result<Accepted, ConnectError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Connect { agent: agent.into(), offer, reply };
        self.messages.try_send(message).map_err(|_| ConnectError::Busy)?;
        answer.await.map_err(|_| ConnectError::Busy)?.map_err(ConnectError::Offer)
    }

    /// Does what the page of an agent asks for.
    ///
    /// # Errors
    /// The page is no telephone any more, or the call is over.
    pub async fn press(&self, agent: &str, id: String, press: Press) -> Result<(), PhoneError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Press { agent: agent.into(), id, press, reply };
        self.messages.send(message).await.map_err(|_| PhoneError::Gone)?;
        answer.await.unwrap_or(Err(PhoneError::Gone))
    }

    /// The events of a page after a number, once there are some, and the number to ask for next; none after
    /// [`HOLD`](crate::HOLD).
    ///
    /// # Errors
    /// The page is no telephone any more.
    pub async fn events(&self, agent: &str, id: String, after: u64) -> Result<(Vec<PhoneEvent>, u64), PhoneError> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked { agent: agent.into(), id, after, reply };
        self.messages.send(Message::Events(asked)).await.map_err(|_| PhoneError::Gone)?;
        answer.await.unwrap_or(Err(PhoneError::Gone))
    }

    /// Calls an agent; `reports` hears of the call until it is over. None: this node does not keep up.
    pub fn ring(&self, call: BrowserCall<'_>, reports: mpsc::Sender<LineReport>) -> Option<CallNumber> {
        let number = CallNumber(self.calls.fetch_add(1, Ordering::Relaxed));
        let ring = Ring { call: number, number: call.number.map(Private::new), codec: call.codec, limit: call.limit };
        let media = SocketAddr::new(self.sound.ip(), call.media_port);
        let message = Message::Ring { agent: Arc::clone(call.agent), ring, media, reports };
        self.messages.try_send(message).ok().map(|()| number)
    }

    /// Withdraws or ends a call. This message waits for room: it must not be lost.
    pub fn release(&self, call: CallNumber) {
        self.insist(Message::Release(call));
    }

    /// Ends all telephones, and the requests of pages that wait.
    pub fn end(&self) {
        self.insist(Message::End);
    }

    fn insist(&self, message: Message) {
        if let Err(mpsc::error::TrySendError::Full(message)) = self.messages.try_send(message) {
            let messages = self.messages.clone();
            tokio::spawn(async move { messages.send(message).await });
        }
    }
}

/// Messages that wait for the task.
const MESSAGES_MAX: usize = 1024;
