//! The registrar of the desk's own phones (RFC 3261 §10.3): who is reachable where.
//!
//! ```text
//! REGISTER ─► a retransmission? its response again
//!          ─► Require (420) ─► digest (401) ─► To is the account's own (403) ─► contacts (400, 423, 500) ─► 200
//! ```
//!
//! A request changes all of its bindings or none. Phones behind a NAT are reached where their REGISTER came from
//! ([`Binding::target`]). Bindings are kept in memory: after a restart a phone is unknown until its next refresh.

mod bindings;
mod guard;
mod offers;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use self::bindings::Binding;
use self::bindings::{Change, ChangeError};
use self::guard::Guard;
use self::offers::Offers;
use super::arrival::{Arrival, Outgoing};
use super::digest::{Algorithm, AuthError, DigestServer, Ha1};
use super::lexer::HeaderName;
use super::limits;
use super::message::Message;
use super::name_addr::NameAddr;
use super::response::{Response, stateless_tag};
use super::uri::{Scheme, Uri, unescape};

/// The rules of a registrar.
#[derive(Clone, Debug)]
pub struct RegistrarRules {
    /// The realm that phones authenticate for.
    pub realm: String,
    /// The digests that are offered, the preferred first.
    pub algorithms: Vec<Algorithm>,
    /// A shorter time gets 423.
    pub expires_min: Duration,
    /// A longer time is shortened to it.
    pub expires_max: Duration,
    /// Contacts of one account at once; one more takes the place of the one that was refreshed longest ago.
    pub contacts_max: usize,
}

/// What became of a REGISTER, for log and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrarOutcome {
    /// A challenge went out: the first request, or a stale nonce.
    Challenged,
    /// User or password was wrong.
    WrongPassword,
    /// The account has so many contacts.
    Bound {
        /// The account.
        account: String,
        /// Its contacts.
        contacts: usize,
    },
    /// Refused with this status.
    Refused(u16),
    /// A retransmission got the earlier response.
    Repeated,
}

/// The accounts' bindings, and who may change them.
#[derive(Debug)]
pub struct Registrar {
    rules: RegistrarRules,
    seed: u64,
    digest: DigestServer,
    guard: Guard,
    offers: Offers,
    accounts: HashMap<String, Vec<Binding>>,
    replies: VecDeque<Replied>,
}

/// A response that a retransmitted request gets again.
#[derive(Debug)]
struct Replied {
    until: Instant,
    request: RequestKey,
    response: Outgoing,
}

/// What a retransmission has in common with its request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RequestKey {
    source: SocketAddr,
    branch: String,
    call_id: String,
    cseq: u32,
}

impl Registrar {
    /// A registrar without bindings. `key` is random; it protects the nonces.
    pub fn new(now: Instant, rules: RegistrarRules, key: [u8; 32]) -> Registrar {
        let seed = u64::from_be_bytes(key[..8].try_into().expect("eight of 32 octets"));
        Registrar {
            digest: DigestServer::new(now, &rules.realm, &rules.algorithms, key),
            rules,
            seed,
            guard: Guard::default(),
            offers: Offers::default(),
            accounts: HashMap::new(),
            replies: VecDeque::new(),
        }
    }

    /// Answers a REGISTER. `ha1_of` is given an account and an algorithm.
    pub fn register(
        &mut self,
        now: Instant,
        request: &Message,
        arrival: &Arrival,
        ha1_of: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> (Outgoing, RegistrarOutcome) {
        let key = RequestKey {
            source: arrival.source,
            branch: request.via().branch.clone(),
            call_id: request.call_id().into(),
            cseq: request.cseq().number,
        };
        while self.replies.front().is_some_and(|replied| replied.until <= now || self.replies.len() > REPLIES_MAX) {
            self.replies.pop_front();
        }
        if let Some(replied) = self.replies.iter().find(|replied| replied.request == key) {
            return (replied.response.clone(), RegistrarOutcome::Repeated);
        }
        let (response, outcome) = self.answer(now, request, arrival, ha1_of);
        if arrival.transport.is_unreliable() && matches!(outcome, RegistrarOutcome::Bound { .. }) {
            self.replies.push_back(Replied { until: now + limits::GIVE_UP, request: key, response: response.clone() });
        }
        (response, outcome)
    }

    fn answer(
        &mut self,
        now: Instant,
        request: &Message,
        arrival: &Arrival,
        ha1_of: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> (Outgoing, RegistrarOutcome) {
        let seed = self.seed;
        let respond = |status| respond(seed, request, arrival, status);
        let foreign: Vec<_> = request
            .list(HeaderName::Require)
            .filter(|tag| !tag.eq_ignore_ascii_case("path"))
            .take(limits::UNSUPPORTED_TAGS)
            .collect();
        if !foreign.is_empty() {
            return refuse(420, respond(420).header("Unsupported", &foreign.join(", ")));
        }
        let user = match self.authenticate(now, request, arrival, ha1_of) {
            Ok(user) => user,
            Err(refused) => return *refused,
        };
        if !is_own(request.to(), &user) {
            return refuse(403, respond(403));
        }
        match self.change(now, request, arrival, &user) {
            Ok(()) => self.accept(now, request, arrival, user),
            Err(ChangeError::TooBrief) => {
                let min = self.rules.expires_min.as_secs().to_string();
                refuse(423, respond(423).header("Min-Expires", &min))
            }
            Err(error) => refuse(error.status(), respond(error.status())),
        }
    }

    /// The account of a request other than REGISTER, whose From must be its own; else the response to it, which may be a challenge.
    ///
    /// # Errors
    /// The credentials are missing or wrong, or are those of another account.
    pub fn identify(
        &mut self,
        now: Instant,
        request: &Message,
        arrival: &Arrival,
        ha1_of: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Result<String, Box<(Outgoing, RegistrarOutcome)>> {
        let user = self.authenticate(now, request, arrival, ha1_of)?;
        if is_own(request.from(), &user) {
            Ok(user)
        } else {
            Err(Box::new(refuse(403, respond(self.seed, request, arrival, 403))))
        }
    }

    /// Whose credentials a request carries; else the response to it.
    fn authenticate(
        &mut self,
        now: Instant,
        request: &Message,
        arrival: &Arrival,
        ha1_of: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Result<String, Box<(Outgoing, RegistrarOutcome)>> {
        let seed = self.seed;
        let respond = |status| respond(seed, request, arrival, status);
        let claimed = self.digest.claimed(request);
        if let Some(wait) = claimed.as_ref().and_then(|user| self.guard.wait(now, arrival.source.ip(), user)) {
            let response = respond(503).header("Retry-After", &wait.as_secs().max(1).to_string());
            return Err(Box::new(refuse(503, response)));
        }
        let verified = self.digest.verify(now, request, ha1_of);
        let source = arrival.source.ip();
        let plain = match verified {
            Err(AuthError::Missing) => self.offers.unanswered(now, request, source),
            Ok(_) | Err(AuthError::Stale | AuthError::Wrong | AuthError::Malformed) => {
                self.offers.answered(request, source)
            }
        };
        match verified {
            Ok(user) => Ok(user),
            Err(AuthError::Malformed) => Err(Box::new(refuse(400, respond(400)))),
            Err(error @ (AuthError::Missing | AuthError::Stale | AuthError::Wrong)) => {
                let values = self.digest.challenge(now, error == AuthError::Stale);
                let offered = if plain { &values[values.len().saturating_sub(1)..] } else { &values[..] };
                let challenge =
                    offered.iter().fold(respond(401), |response, value| response.header("WWW-Authenticate", value));
                if error != AuthError::Wrong {
                    return Err(Box::new((challenge.done(), RegistrarOutcome::Challenged)));
                }
                self.guard.note_failure(now, arrival.source.ip(), claimed.as_deref().unwrap_or_default());
                Err(Box::new((challenge.done(), RegistrarOutcome::WrongPassword)))
            }
        }
    }

    fn change(&mut self, now: Instant, request: &Message, arrival: &Arrival, user: &str) -> Result<(), ChangeError> {
        let change = Change::read(request, &self.rules)?;
        let mut bindings = self.accounts.get(user).cloned().unwrap_or_default();
        bindings.retain(|binding| binding.until > now);
        change.apply(now, request, arrival, &mut bindings, self.rules.contacts_max)?;
        if bindings.is_empty() {
            self.accounts.remove(user);
        } else {
            self.accounts.insert(user.into(), bindings);
        }
        Ok(())
    }

    /// The 200 lists every binding with the time that is left of it (RFC 3261 §10.3 step 8).
    fn accept(
        &mut self,
        now: Instant,
        request: &Message,
        arrival: &Arrival,
        account: String,
    ) -> (Outgoing, RegistrarOutcome) {
        let bindings = self.bindings(now, &account);
        let mut response = respond(self.seed, request, arrival, 200);
        for binding in &bindings {
            response = response.header("Contact", &binding.contact(now));
        }
        if request.lists(HeaderName::Supported, "path") {
            for path in request.headers_named("Path") {
                response = response.header("Path", path);
            }
        }
        let contacts = bindings.len();
        (response.header("Supported", "path").done(), RegistrarOutcome::Bound { account, contacts })
    }

    /// Where an account is reachable, the preferred contact first (RFC 3261 §16.6 step 1: by q).
    pub fn bindings(&self, now: Instant, account: &str) -> Vec<&Binding> {
        let all = self.accounts.get(account).map_or(&[][..], Vec::as_slice);
        let mut current: Vec<_> = all.iter().filter(|binding| binding.until > now).collect();
        current.sort_by_key(|binding| std::cmp::Reverse((binding.q, binding.until)));
        current
    }

    /// How many accounts have a binding.
    pub fn reachable(&self, now: Instant) -> usize {
        let current = |bindings: &&Vec<Binding>| bindings.iter().any(|binding| binding.until > now);
        self.accounts.values().filter(current).count()
    }

    /// Removes what has expired, and the bindings of accounts that are no longer there.
    pub fn clean(&mut self, now: Instant, exists: impl Fn(&str) -> bool) {
        self.accounts.retain(|account, bindings| {
            bindings.retain(|binding| binding.until > now);
            !bindings.is_empty() && exists(account)
        });
    }
}

fn respond(seed: u64, request: &Message, arrival: &Arrival, status: u16) -> Response {
    request.respond(arrival, status, &stateless_tag(seed, &request.head))
}

fn refuse(status: u16, response: Response) -> (Outgoing, RegistrarOutcome) {
    (response.done(), RegistrarOutcome::Refused(status))
}

/// An account registers its own address of record, and no other (RFC 3261 §10.3 step 4).
fn is_own(party: NameAddr<'_>, user: &str) -> bool {
    Uri::read(party.uri).is_ok_and(|uri| {
        matches!(uri.scheme, Scheme::Sip | Scheme::Sips) && uri.user.map(unescape).as_deref() == Some(user)
    })
}

/// Responses that are kept for retransmissions.
const REPLIES_MAX: usize = 256;
