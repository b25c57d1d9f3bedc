//! The telephones of all agents whose browsers are connected, by one socket.
//!
//! A datagram finds its telephone by the address that it comes from. An address is learnt from a connectivity check, which names
//! the unguessable user fragment of its connection; str0m verifies the check itself, and everything after it.
//!
//! str0m panics where an assumption of its own is broken. That ends the telephone that it happened in, and no other one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::connection::{Connection, Secrets, fragment};
use super::error::{OfferError, PhoneError};
use super::event::{CallNumber, PhoneEvent};
use super::line::{LineInput, LineReport, Ring};
use super::phone::{Phone, PhoneOutput};
use base::{Deadline, earliest};

/// What the telephones want done; outputs stand in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram to a browser.
    Transmit {
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        octets: Vec<u8>,
    },
    /// Send an RTP packet to a media session.
    Sound {
        /// Where to.
        to: SocketAddr,
        /// The packet.
        octets: Vec<u8>,
    },
    /// Tell who called.
    Report(CallNumber, LineReport),
    /// Pages have something to read, or other agents can be called.
    News,
}

/// An answered offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Names the telephone in requests of its page.
    pub id: String,
    /// The answer.
    pub answer: String,
}

/// What a page asks its telephone to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Answers the call that rings.
    Answer(CallNumber),
    /// Declines it.
    Decline(CallNumber),
    /// Ends the conversation.
    HangUp(CallNumber),
    /// The page is closed.
    Leave,
}

/// The telephones.
pub struct BrowserPhones {
    /// Where browsers reach this node: one address of each IP version at most.
    local: Arc<[SocketAddr]>,
    phones: HashMap<Arc<str>, Phone>,
    by_fragment: HashMap<String, Arc<str>>,
    by_source: HashMap<SocketAddr, Arc<str>>,
}

impl BrowserPhones {
    /// No telephone yet.
    pub fn new(local: &[SocketAddr]) -> BrowserPhones {
        let (phones, by_fragment, by_source) = (HashMap::new(), HashMap::new(), HashMap::new());
        BrowserPhones { local: local.into(), phones, by_fragment, by_source }
    }

    /// Makes the browser of an agent a telephone; it takes the place of another one of the same agent, and its call.
    ///
    /// # Errors
    /// The offer cannot be used; then an earlier telephone of the agent stays.
    pub fn connect(
        &mut self,
        now: Instant,
        agent: &Arc<str>,
        offer: &str,
        secrets: &Secrets,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, OfferError> {
        if self.phones.len() >= PHONES_MAX && !self.phones.contains_key(agent) {
            return Err(OfferError::Full { max: PHONES_MAX });
        }
        let (mut first, local) = (Vec::new(), Arc::clone(&self.local));
        let accepted = catch_unwind(AssertUnwindSafe(|| Connection::accept(now, offer, local, secrets, &mut first)));
        let (connection, answer) =
            accepted.unwrap_or_else(|_panicked| Err(OfferError::Malformed("str0m cannot read it".into())))?;
        self.forget_addresses(agent);
        self.by_fragment.insert(secrets.fragment.clone(), Arc::clone(agent));
        let id = secrets.id.clone();
        let phone = match self.phones.remove(agent) {
            Some(mut phone) => {
                phone.reconnect(now, id.clone(), connection);
                phone
            }
            None => Phone::new(now, id.clone(), connection),
        };
        let phone = self.phones.entry(Arc::clone(agent)).or_insert(phone);
        let mut of_phone = Vec::new();
        phone.follow(now, first, &mut of_phone);
        give(of_phone, out);
        out.push(Output::News);
        Ok(Accepted { id, answer })
    }

    /// A datagram came from a browser.
    pub fn datagram(&mut self, now: Instant, from: SocketAddr, octets: &[u8], out: &mut Vec<Output>) {
        // Nothing is known of a connectivity check's sender yet.
        let named = catch_unwind(|| fragment(octets)).unwrap_or_default();
        let checked = named.and_then(|fragment| self.by_fragment.get(&fragment)).cloned();
        if let Some(agent) = &checked
            && self.by_source.get(&from) != Some(agent)
        {
            let known = self.by_source.values().filter(|known| *known == agent).count();
            if known >= SOURCES_MAX {
                self.by_source.retain(|_, known| known != agent);
            }
            self.by_source.insert(from, Arc::clone(agent));
        }
        if let Some(agent) = checked.or_else(|| self.by_source.get(&from).cloned()) {
            self.with(now, &agent, out, |phone, out| phone.datagram(now, from, octets, out));
        }
    }

    /// An RTP packet came from a media session.
    pub fn sound(&mut self, now: Instant, from: SocketAddr, octets: &[u8], out: &mut Vec<Output>) {
        let talking = self.phones.iter().find(|(_, phone)| phone.media() == Some(from));
        if let Some(agent) = talking.map(|(agent, _)| Arc::clone(agent)) {
            self.with(now, &agent, out, |phone, out| phone.sound(now, octets, out));
        }
    }

    /// Calls an agent, whose sound is exchanged with the media session at an address. False: the agent has no telephone here, and
    /// nothing is reported.
    pub fn ring(&mut self, now: Instant, agent: &str, ring: Ring, media: SocketAddr, out: &mut Vec<Output>) -> bool {
        let Some(phone) = self.phones.get_mut(agent).filter(|phone| phone.since().is_some()) else { return false };
        let mut of_phone = Vec::new();
        phone.ring(now, ring, media, &mut of_phone);
        give(of_phone, out);
        true
    }

    /// Withdraws or ends a call.
    pub fn release(&mut self, now: Instant, call: CallNumber, out: &mut Vec<Output>) {
        if let Some(phone) = self.phones.values_mut().find(|phone| phone.call() == Some(call)) {
            let mut of_phone = Vec::new();
            phone.input(now, LineInput::Release(call), &mut of_phone);
            give(of_phone, out);
        }
    }

    /// Does what the page of an agent asks for.
    ///
    /// # Errors
    /// The page is no telephone any more, or the call is over.
    pub fn press(
        &mut self,
        now: Instant,
        agent: &str,
        id: &str,
        press: Press,
        out: &mut Vec<Output>,
    ) -> Result<(), PhoneError> {
        let phone = self.phone_of(agent, id)?;
        let input = match press {
            Press::Answer(call) => LineInput::Answer(call),
            Press::Decline(call) => LineInput::Decline(call),
            Press::HangUp(call) => LineInput::HangUp(call),
            Press::Leave => {
                phone.leave(now);
                out.push(Output::News);
                return Ok(());
            }
        };
        let mut of_phone = Vec::new();
        let had_effect = phone.input(now, input, &mut of_phone);
        give(of_phone, out);
        if had_effect { Ok(()) } else { Err(PhoneError::CallOver) }
    }

    /// What the page of an agent has not read yet, and the number to ask for next.
    ///
    /// # Errors
    /// The page is no telephone any more.
    pub fn events(
        &mut self,
        now: Instant,
        agent: &str,
        id: &str,
        after: u64,
    ) -> Result<(Vec<PhoneEvent>, u64), PhoneError> {
        Ok(self.phone_of(agent, id)?.events(now, after))
    }

    /// The agents who can be called, and since when.
    pub fn registered(&self) -> impl Iterator<Item = (&Arc<str>, Instant)> {
        self.phones.iter().filter_map(|(agent, phone)| Some((agent, phone.since()?)))
    }

    /// Does what is due.
    pub fn time(&mut self, now: Instant, out: &mut Vec<Output>) {
        let due = self.phones.iter().filter(|(_, phone)| phone.deadline().is_some_and(|due| due.at <= now));
        let due: Vec<Arc<str>> = due.map(|(agent, _)| Arc::clone(agent)).collect();
        for agent in due {
            let mut is_there = true;
            self.with(now, &agent, out, |phone, out| is_there = phone.time(now, out));
            if !is_there {
                self.forget_addresses(&agent);
                self.phones.remove(&agent);
            }
        }
    }

    /// Work on the telephone of an agent, which is lost if it panics.
    fn with(
        &mut self,
        now: Instant,
        agent: &Arc<str>,
        out: &mut Vec<Output>,
        work: impl FnOnce(&mut Phone, &mut Vec<PhoneOutput>),
    ) {
        let Some(phone) = self.phones.get_mut(agent) else { return };
        let mut of_phone = Vec::new();
        let done = catch_unwind(AssertUnwindSafe(|| work(phone, &mut of_phone)));
        if done.is_err() {
            phone.input(now, LineInput::Lost, &mut of_phone);
            of_phone.push(PhoneOutput::News);
            self.phones.remove(agent);
            self.forget_addresses(agent);
        }
        give(of_phone, out);
    }

    /// When [`BrowserPhones::time`] is due.
    pub fn deadline(&self) -> Option<Deadline> {
        earliest(self.phones.values().map(Phone::deadline))
    }

    fn phone_of(&mut self, agent: &str, id: &str) -> Result<&mut Phone, PhoneError> {
        let phone = self.phones.get_mut(agent).ok_or(PhoneError::Gone)?;
        phone.check(id)?;
        Ok(phone)
    }

    fn forget_addresses(&mut self, agent: &Arc<str>) {
        self.by_fragment.retain(|_, known| known != agent);
        self.by_source.retain(|_, known| known != agent);
    }
}

fn give(outputs: Vec<PhoneOutput>, out: &mut Vec<Output>) {
    out.extend(outputs.into_iter().map(|output| match output {
        PhoneOutput::Transmit { to, octets } => Output::Transmit { to, octets },
        PhoneOutput::Sound { to, octets } => Output::Sound { to, octets },
        PhoneOutput::Report(call, report) => Output::Report(call, report),
        PhoneOutput::News => Output::News,
    }));
}

/// Agents of one office at work.
const PHONES_MAX: usize = 512;
/// Addresses of one browser: its networks, IPv4 and IPv6.
const SOURCES_MAX: usize = 16;
