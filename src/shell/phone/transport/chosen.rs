//! Which server of a host the requests of one transaction go to: all to the same (RFC 3261 §9.1, §17.1.1.3: CANCEL and ACK go where the
//! INVITE went), until one that stays silent gives way to the next (RFC 3263 §4.3).
//!
//! A request is repeated only while nothing has answered it, so that repeats by UDP show that its server is silent.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The servers that were chosen lately, by the branch of the transaction.
#[derive(Debug, Default)]
pub(super) struct Chosen(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    choices: HashMap<Box<[u8]>, Choice>,
    /// When old ones were last removed.
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Choice {
    server: SocketAddr,
    sent: u32,
    until: Instant,
}

impl Chosen {
    /// Puts the servers of a host in the order in which a request takes them; the one that has been silent, if the request leaves it.
    /// `repeats`: it is sent again as long as nothing has answered it.
    pub(super) fn order(
        &self,
        now: Instant,
        branch: Option<&[u8]>,
        servers: &mut VecDeque<SocketAddr>,
        repeats: bool,
    ) -> Option<SocketAddr> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let choice = state.choices.get_mut(branch?).filter(|choice| choice.until > now)?;
        choice.sent += u32::from(repeats);
        let before = choice.server;
        let leaves = repeats && choice.sent > SENT_MAX && servers.iter().any(|server| *server != before);
        servers.retain(|server| *server != before);
        if leaves {
            return Some(before);
        }
        servers.push_front(before);
        None
    }

    /// A request goes to a server.
    pub(super) fn goes_to(&self, now: Instant, branch: Option<&[u8]>, server: SocketAddr) {
        let Some(branch) = branch else { return };
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let choices = &mut state.choices;
        if choices.len() >= CHOICES_MAX && state.swept.is_none_or(|swept| swept + SWEEP_EVERY <= now) {
            state.swept = Some(now);
            choices.retain(|_, choice| choice.until > now);
        }
        let (until, has_room) = (now + KEPT, choices.len() < CHOICES_MAX);
        match choices.get_mut(branch) {
            Some(choice) if choice.server == server => {}
            Some(choice) => *choice = Choice { server, sent: 1, until },
            None if has_room => {
                choices.insert(branch.into(), Choice { server, sent: 1, until });
            }
            None => {}
        }
    }

    /// The server of a request.
    pub(super) fn server(&self, branch: &[u8]) -> Option<SocketAddr> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.choices.get(branch).map(|choice| choice.server)
    }
}

/// The branch of a request of this node; none of a response.
pub(super) fn branch_of(message: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b";branch=";
    if message.starts_with(b"SIP/2.0 ") {
        return None;
    }
    let head = &message[..message.len().min(HEAD)];
    let at = head.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let rest = &head[at..];
    let end = rest.iter().position(|byte| matches!(byte, b';' | b',' | b'\r' | b'\n' | b' '))?;
    Some(&rest[..end])
}

/// Whether a request of this branch shows, when it is sent again, that its server is silent: an ACK and a CANCEL follow responses.
pub(super) fn is_repeated(message: &[u8]) -> bool {
    !message.starts_with(b"ACK ") && !message.starts_with(b"CANCEL ")
}

/// Sent at 0, 0.5 and 1.5 s; the repeat at 3.5 s (RFC 3261 §17.1.1.2) goes elsewhere.
const SENT_MAX: u32 = 3;
/// Longer than a telephone rings.
const KEPT: Duration = Duration::from_secs(240);
const CHOICES_MAX: usize = 8_192;
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The Via of this node is the first header.
const HEAD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use os::clock;

    fn server(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 5060))
    }

    #[test]
    fn a_transaction_stays_at_its_server_until_that_is_silent() {
        let (chosen, now) = (Chosen::default(), clock::now());
        let invite = b"INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK7;rport\r\n\r\n";
        let branch = branch_of(invite);
        assert_eq!(branch, Some(&b"z9hG4bK7"[..]));
        assert_eq!(branch_of(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK7\r\n\r\n"), None);
        let order = |of: &[u8], repeats| {
            let mut servers: VecDeque<_> = of.iter().map(|n| server(*n)).collect();
            let left = chosen.order(now, branch, &mut servers, repeats);
            chosen.goes_to(now, branch, servers[0]);
            (servers[0], left)
        };
        assert_eq!(order(&[1, 2], true), (server(1), None));
        assert_eq!(order(&[2, 1], true), (server(1), None), "DNS has drawn again");
        assert_eq!(order(&[2], true), (server(1), None), "also where DNS does not name it any more");
        assert_eq!(order(&[1, 2], true), (server(2), Some(server(1))), "it is silent");
        assert_eq!(order(&[1, 2], true), (server(2), None));
        assert_eq!(chosen.server(b"z9hG4bK7"), Some(server(2)));
        for _ in 0..8 {
            assert_eq!(order(&[1, 2], false), (server(2), None), "a stream repeats nothing");
        }
    }

    #[test]
    fn a_host_of_one_server_keeps_it() {
        let (chosen, now) = (Chosen::default(), clock::now());
        for _ in 0..8 {
            let mut servers = VecDeque::from([server(1)]);
            assert_eq!(chosen.order(now, Some(b"b"), &mut servers, true), None);
            chosen.goes_to(now, Some(b"b"), servers[0]);
            assert_eq!(servers, [server(1)]);
        }
    }
}
