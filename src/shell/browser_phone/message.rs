//! What the task of the telephones hears, and what it publishes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use webrtc::{Accepted, CallNumber, LineReport, OfferError, PhoneError, PhoneEvent, Press, Ring};

/// What the task hears.
pub(crate) enum Message {
    Connect { agent: Arc<str>, offer: String, reply: oneshot::Sender<Result<Accepted, OfferError>> },
    Press { agent: Arc<str>, id: String, press: Press, reply: oneshot::Sender<Result<(), PhoneError>> },
    Events(Asked),
    Ring { agent: Arc<str>, ring: Ring, media: SocketAddr, reports: mpsc::Sender<LineReport> },
    Release(CallNumber),
    End,
}

/// A page's request for events.
pub(crate) struct Asked {
    pub agent: Arc<str>,
    pub id: String,
    pub after: u64,
    pub reply: oneshot::Sender<Result<(Vec<PhoneEvent>, u64), PhoneError>>,
}

/// Agents who can be called, and since when.
pub(crate) type Registered = ArcSwap<HashMap<Arc<str>, Instant>>;

/// How long a page's request for events waits for some.
pub const HOLD: Duration = Duration::from_secs(20);
