//! The calls of a node: who may be reached by a message, how many lines are in use, and when the last call has ended.
//!
//! ```text
//!  register ──► in progress ── free_line ──► ended ── settle ──► nothing awaits a response ── drop ──► unknown
//! ```
//!
//! A call is an inbox here; the registry knows nothing of what reads it. Of a call that has ended and awaits nothing a
//! [`sip::EndedLeg`] remains until its late retransmissions are over, without a line and without a task.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::drain::Drain;
use super::ended_calls::EndedCalls;
use super::inbox::Inbox;
use base::Lang;
use call::{Input, OutgoingInput, Purpose};
use inquiry::Capacity;
use media::OpenSession;
use sip::{Arrival, EndedLeg, Late, LegKey, Message};

/// The calls of a node.
pub struct Registry {
    lines: Lines,
    /// Pairs of ports that are reserved for calls to agents.
    reserved: AtomicUsize,
    inboxes: Mutex<HashMap<Arc<LegKey>, Entry<mpsc::Sender<Input>>>>,
    ended: EndedCalls,
    /// The calls of this node, by their Call-IDs, which are its own: their other tags are not known before the answer.
    outgoing: Mutex<HashMap<String, Entry<Inbox>>>,
    in_progress: AtomicUsize,
    /// Of them, calls to the recording service.
    recording: AtomicUsize,
    emergency: AtomicBool,
    drain: Drain,
}

/// A call: where its messages go, and where its sound is.
struct Entry<I> {
    inbox: I,
    sound: CallSound,
}

/// Where a call's sound is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSound {
    /// The address that the far end sends to.
    pub address: IpAddr,
    pub session: OpenSession,
}

/// What a node has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Calls at once.
    pub calls_max: usize,
    /// Pairs of media ports: one for each call, and one for each call to an agent.
    pub media_pairs: usize,
}

impl Lines {
    /// What the settings allow.
    pub fn of(settings: &config::Phone) -> Lines {
        Lines { calls_max: settings.calls_max, media_pairs: settings.media_pairs() }
    }
}

/// The place of one call in the registry. Dropped, it gives back whatever the call still holds.
pub(crate) struct Registration {
    registry: Arc<Registry>,
    key: Key,
    purpose: Purpose,
    has_line: bool,
    is_settled: bool,
    /// Leads to the call itself.
    pub inbox: mpsc::Sender<Input>,
}

/// By what messages find a call.
enum Key {
    /// A call that came in.
    Leg(Arc<LegKey>),
    /// A call of this node.
    CallId(String),
}

impl Registry {
    /// An empty registry. `emergency`: new calls begin with the emergency notice.
    pub fn new(lines: Lines, emergency: bool) -> Arc<Registry> {
        Arc::new(Registry {
            lines,
            reserved: AtomicUsize::new(0),
            inboxes: Mutex::default(),
            ended: EndedCalls::default(),
            outgoing: Mutex::default(),
            in_progress: AtomicUsize::new(0),
            recording: AtomicUsize::new(0),
            emergency: AtomicBool::new(emergency),
            drain: Drain::default(),
        })
    }

    /// How many calls hold a line.
    pub fn calls(&self) -> usize {
        self.in_progress.load(Ordering::Relaxed)
    }

    /// How many calls have ended whose last BYE is not answered: a drain waits for these too.
    pub fn unanswered(&self) -> usize {
        self.drain.unsettled().saturating_sub(self.calls())
    }

    /// The lines in use, their number, and whether the node drains: what SIP, admission and health go by.
    pub fn capacity(&self) -> Capacity {
        let Lines { calls_max, media_pairs } = self.lines;
        let for_callers = media_pairs - self.reserved.load(Ordering::Relaxed).min(media_pairs / 2);
        Capacity { calls: self.calls(), calls_max: calls_max.min(for_callers), draining: self.drain.has_begun() }
    }

    /// Reserves media ports for so many calls to agents, at most half of all ports, so that waiting callers cannot take all of them.
    pub(crate) fn reserve_for_agents(&self, calls: usize) {
        self.reserved.store(calls, Ordering::Relaxed);
    }

    /// Rejects new calls, and returns when the last one has ended and nothing more is due: every BYE of this node is
    /// answered, and a BYE whose response was lost has had time to come again (RFC 3261 §17.1.2.2).
    pub async fn drain(&self) {
        self.drain.run(|| self.calls() > 0).await;
    }

    /// Ends every call.
    pub fn end_calls(&self) {
        self.each_call(|inbox| drop(inbox.try_send(Input::End)));
    }

    /// Whether callers hear the emergency notice.
    pub fn emergency(&self) -> bool {
        self.emergency.load(Ordering::Relaxed)
    }

    /// Turns the emergency notice on or off, for new calls and for those in progress; false if the inbox of some call is
    /// full, so that it must be repeated.
    pub fn set_emergency(&self, on: bool) -> bool {
        self.emergency.store(on, Ordering::Relaxed);
        let mut reached = true;
        self.each_call(|inbox| {
            reached &= !matches!(inbox.try_send(Input::Emergency(on)), Err(TrySendError::Full(_)));
        });
        reached
    }

    /// Changes the language of every call: a call sheet may ask for it, no caller can.
    pub fn set_lang(&self, lang: Lang) {
        self.each_call(|inbox| drop(inbox.try_send(Input::Lang(lang))));
    }

    /// Takes a line for a new call. Returns its place, and what arrives in its inbox.
    pub(crate) fn register(
        self: &Arc<Self>,
        key: LegKey,
        purpose: Purpose,
        sound: CallSound,
    ) -> (Registration, mpsc::Receiver<Input>) {
        let (inbox, arrivals) = mpsc::channel(INBOX_SIZE);
        let key = Arc::new(key);
        self.inboxes().insert(Arc::clone(&key), Entry { inbox: inbox.clone(), sound });
        (self.take_line(Key::Leg(key), purpose, inbox), arrivals)
    }

    /// Takes a line for a call-back, which this node makes.
    pub(crate) fn register_call_back(
        self: &Arc<Self>,
        call_id: &str,
        sound: CallSound,
    ) -> (Registration, mpsc::Receiver<Input>) {
        let (inbox, arrivals) = mpsc::channel(INBOX_SIZE);
        self.outgoing().insert(call_id.to_owned(), Entry { inbox: Inbox::Call(inbox.clone()), sound });
        (self.take_line(Key::CallId(call_id.to_owned()), Purpose::Hotline, inbox), arrivals)
    }

    fn take_line(self: &Arc<Self>, key: Key, purpose: Purpose, inbox: mpsc::Sender<Input>) -> Registration {
        self.in_progress.fetch_add(1, Ordering::Relaxed);
        self.drain.owe();
        if purpose == Purpose::Studio {
            self.recording.fetch_add(1, Ordering::Relaxed);
        }
        Registration { registry: Arc::clone(self), key, purpose, has_line: true, is_settled: false, inbox }
    }

    /// Every call with an application.
    fn each_call(&self, mut act: impl FnMut(&mpsc::Sender<Input>)) {
        self.inboxes().values().for_each(|call| act(&call.inbox));
        for call in self.outgoing().values() {
            match &call.inbox {
                Inbox::Call(inbox) => act(inbox),
                Inbox::Agent(_) => {}
            }
        }
    }

    /// Enters a call to an agent. It holds no line; a drain waits for its last response.
    pub(crate) fn register_outgoing(
        self: &Arc<Self>,
        call_id: &str,
        inbox: mpsc::Sender<OutgoingInput>,
        sound: CallSound,
    ) -> OutgoingRegistration {
        self.outgoing().insert(call_id.to_owned(), Entry { inbox: Inbox::Agent(inbox), sound });
        self.drain.owe();
        OutgoingRegistration { registry: Arc::clone(self), call_id: call_id.to_owned(), is_settled: false }
    }

    /// The inbox of the call that a message belongs to.
    pub(crate) fn inbox(&self, key: &LegKey) -> Option<Inbox> {
        let incoming = self.inboxes().get(key).map(|call| Inbox::Call(call.inbox.clone()));
        incoming.or_else(|| self.outgoing().get(&key.call_id).map(|call| call.inbox.clone()))
    }

    /// Where the sound of a call in progress is. Looks through all calls: for what an engineer asks.
    pub(crate) fn sound(&self, call_id: &str) -> Option<CallSound> {
        let of_us = self.outgoing().get(call_id).map(|call| call.sound);
        of_us.or_else(|| self.inboxes().iter().find(|(key, _)| key.call_id == call_id).map(|(_, call)| call.sound))
    }

    /// Whether a message with this key belongs to a call, also to one that has ended.
    pub(crate) fn contains(&self, key: &LegKey) -> bool {
        self.inboxes().contains_key(key) || self.ended.contains(key)
    }

    /// The calls that have ended, for their late messages.
    pub(crate) fn ended(&self) -> &EndedCalls {
        &self.ended
    }

    /// How many of the calls are to the recording service.
    pub(crate) fn recording_calls(&self) -> usize {
        self.recording.load(Ordering::Relaxed)
    }

    /// A message of some call came: while the node drains, more may follow.
    pub(crate) fn heard(&self) {
        if self.drain.has_begun() {
            self.drain.heard();
        }
    }

    fn outgoing(&self) -> MutexGuard<'_, HashMap<String, Entry<Inbox>>> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inboxes(&self) -> MutexGuard<'_, HashMap<Arc<LegKey>, Entry<mpsc::Sender<Input>>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// What the call is for.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether a new call begins with the emergency notice.
    pub(crate) fn emergency(&self) -> bool {
        self.registry.emergency.load(Ordering::Relaxed)
    }

    /// The call has ended: its line is free.
    pub(crate) fn free_line(&mut self) {
        if !std::mem::replace(&mut self.has_line, false) {
            return;
        }
        let registry = &self.registry;
        registry.drain.heard();
        if self.purpose == Purpose::Studio {
            registry.recording.fetch_sub(1, Ordering::Relaxed);
        }
        if registry.in_progress.fetch_sub(1, Ordering::Relaxed) == 1 {
            registry.drain.wake();
        }
    }

    /// What remains of the call answers late messages from here on; its task ends once it has read what is in its inbox.
    pub(crate) fn leave(&mut self, remains: EndedLeg) {
        // First the remains, then the key: at no moment is the call unknown.
        if let Key::Leg(key) = &self.key {
            self.registry.ended.keep(key, remains);
        }
        self.withdraw();
        self.settle();
    }

    /// No more messages come to the call, except from those who look for room in its inbox already.
    pub(crate) fn withdraw(&self) {
        let key = match &self.key {
            Key::Leg(key) => key,
            Key::CallId(call_id) => return drop(self.registry.outgoing().remove(call_id)),
        };
        let mut inboxes = self.registry.inboxes();
        // The next call under the same key may have its inbox there.
        if inboxes.get(key).is_some_and(|call| call.inbox.same_channel(&self.inbox)) {
            inboxes.remove(key);
        }
    }

    /// Answers a message that came to the call's task when that had ended already.
    pub(crate) fn receive_late(&self, message: Message, arrival: &Arrival) -> Result<Late, Box<Message>> {
        match &self.key {
            Key::Leg(key) => self.registry.ended.receive(key, message, arrival),
            Key::CallId(_) => Err(Box::new(message)),
        }
    }

    /// Nothing of the call awaits a response: a draining node need not stay for it.
    pub(crate) fn settle(&mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            self.registry.drain.settle();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.free_line();
        self.withdraw();
        self.settle();
    }
}

/// The place of a call of this node in the registry. Dropped, it gives it back.
pub(crate) struct OutgoingRegistration {
    registry: Arc<Registry>,
    call_id: String,
    is_settled: bool,
}

impl OutgoingRegistration {
    /// Nothing of the call awaits a response.
    pub(crate) fn settle(&mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            self.registry.drain.settle();
        }
    }
}

impl Drop for OutgoingRegistration {
    fn drop(&mut self) {
        self.registry.outgoing().remove(&self.call_id);
        self.settle();
    }
}

/// Inputs that wait for one call.
const INBOX_SIZE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of a plane that has ended: its place alone matters here.
    fn sound() -> CallSound {
        let address = IpAddr::from([127, 0, 0, 1]);
        let free = || {
            let port = std::net::UdpSocket::bind((address, 0)).and_then(|socket| socket.local_addr()).ok()?.port() & !1;
            let config = media::MediaConfig {
                addresses: vec![address],
                ports: (port, port.checked_add(1)?),
                threads: 1,
                media_timeout: std::time::Duration::from_secs(60),
                hold_timeout: std::time::Duration::from_secs(60),
                media_io: base::MediaIo::Epoll,
                pinned: false,
            };
            media::MediaPlane::start(&config).ok()?.open(address, 1).ok()
        };
        let session = std::iter::repeat_with(free).take(100).flatten().next().expect("a pair of ports is free");
        CallSound { address, session }
    }

    const TWO: Lines = Lines { calls_max: 2, media_pairs: 200 };

    #[test]
    fn ports_are_reserved_for_agents_and_half_of_them_for_callers() {
        let registry = Registry::new(Lines { calls_max: 8, media_pairs: 10 }, false);
        for (agents, calls_max) in [(0, 8), (2, 8), (3, 7), (5, 5), (500, 5)] {
            registry.reserve_for_agents(agents);
            assert_eq!(registry.capacity().calls_max, calls_max, "{agents} agents");
        }
    }

    fn key(call_id: &str) -> LegKey {
        LegKey { call_id: call_id.into(), remote_tag: "t".into() }
    }

    #[test]
    fn a_call_keeps_its_inbox_when_its_line_is_free_and_loses_it_when_it_is_gone() {
        let registry = Registry::new(TWO, false);
        let (mut call, _arrivals) = registry.register(key("a"), Purpose::Studio, sound());
        assert_eq!((registry.calls(), registry.recording_calls()), (1, 1));
        call.free_line();
        call.free_line();
        assert_eq!((registry.calls(), registry.recording_calls()), (0, 0));
        assert!(registry.inbox(&key("a")).is_some() && registry.inbox(&key("b")).is_none());
        drop(call);
        assert!(registry.inbox(&key("a")).is_none());
    }

    #[test]
    fn a_call_that_ends_late_leaves_the_next_one_under_its_key_alone() {
        let registry = Registry::new(TWO, false);
        let (first, _arrivals) = registry.register(key("a"), Purpose::Hotline, sound());
        first.withdraw();
        assert!(registry.inbox(&key("a")).is_none());
        let (next, mut arrivals) = registry.register(key("a"), Purpose::Hotline, sound());
        drop(first);
        assert!(registry.inbox(&key("a")).is_some_and(|inbox| !inbox.is_closed()));
        registry.end_calls();
        assert!(matches!(arrivals.try_recv(), Ok(Input::End)));
        drop(next);
        assert!(registry.inbox(&key("a")).is_none());
    }

    #[test]
    fn a_call_of_this_node_is_found_by_its_call_id_whatever_the_other_tag() {
        let registry = Registry::new(TWO, false);
        let (sender, _arrivals) = mpsc::channel(1);
        let call = registry.register_outgoing("mine", sender, sound());
        assert!(matches!(registry.inbox(&key("mine")), Some(Inbox::Agent(_))));
        assert_eq!((registry.calls(), registry.unanswered()), (0, 1), "it holds no line");
        drop(call);
        assert!(registry.inbox(&key("mine")).is_none());
        assert_eq!(registry.unanswered(), 0);
    }

    #[test]
    fn a_call_back_holds_a_line_and_is_found_by_its_call_id() {
        let registry = Registry::new(TWO, false);
        let (call, mut arrivals) = registry.register_call_back("mine", sound());
        assert!(matches!(registry.inbox(&key("mine")), Some(Inbox::Call(_))));
        assert_eq!(registry.calls(), 1);
        assert!(registry.set_emergency(true));
        assert!(matches!(arrivals.try_recv(), Ok(Input::Emergency(true))));
        registry.end_calls();
        assert!(matches!(arrivals.try_recv(), Ok(Input::End)));
        drop(call);
        assert!(registry.inbox(&key("mine")).is_none());
        assert_eq!(registry.calls(), 0);
    }

    #[test]
    fn a_dropped_call_frees_its_line_once() {
        let registry = Registry::new(TWO, false);
        let (call, _arrivals) = registry.register(key("a"), Purpose::Hotline, sound());
        let (mut other, _others) = registry.register(key("b"), Purpose::Hotline, sound());
        other.free_line();
        drop((call, other));
        assert_eq!(registry.calls(), 0);
    }

    #[test]
    fn the_emergency_notice_reaches_calls_in_progress_and_new_ones() {
        let registry = Registry::new(TWO, false);
        let (call, mut arrivals) = registry.register(key("a"), Purpose::Hotline, sound());
        assert!(registry.set_emergency(true));
        assert!(matches!(arrivals.try_recv(), Ok(Input::Emergency(true))));
        assert!(call.emergency());
        for _ in 0..INBOX_SIZE {
            assert!(registry.set_emergency(false));
        }
        assert!(!registry.set_emergency(false), "a full inbox was not reached");
        drop(arrivals);
        assert!(registry.set_emergency(false), "a call that is gone needs none");
    }
}
