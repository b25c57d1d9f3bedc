//! The sockets of a media thread, in one of two ways: io_uring where the system has it, else epoll. Both deliver the same
//! datagrams and send the same packets; the rest of the thread does not know which it is.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::arrival::Arrival;
use super::epoll::EpollSockets;
use super::id::SessionId;
use super::ports::Pair;
use super::uring::Uring;
use base::MediaIo;

/// The way that was taken, and why if it is not the first choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaIoInUse {
    /// `io_uring` or `epoll`.
    pub name: &'static str,
    /// Why io_uring is not in use although it may be.
    pub instead: Option<String>,
}

/// The sockets of one thread; they must be used by the thread that made them.
pub(super) enum Sockets {
    Epoll(Box<EpollSockets>),
    Uring(Box<Uring>),
}

impl MediaIoInUse {
    /// Every name.
    pub const NAMES: [&'static str; 2] = [URING, EPOLL];
}

impl Sockets {
    /// Chooses a way by trying. `most` is how many sockets there can be.
    ///
    /// # Errors
    /// That of the way that was asked for.
    pub(super) fn new(asked: MediaIo, waker: BorrowedFd<'_>, most: usize) -> io::Result<(Sockets, MediaIoInUse)> {
        let in_use = |name, instead| MediaIoInUse { name, instead };
        let instead = match asked {
            MediaIo::Epoll => None,
            MediaIo::Auto | MediaIo::Uring => match Uring::new(waker, most) {
                Ok(uring) => return Ok((Sockets::Uring(Box::new(uring)), in_use(URING, None))),
                Err(error) if asked == MediaIo::Uring => return Err(error),
                Err(error) => Some(error.to_string()),
            },
        };
        Ok((Sockets::Epoll(Box::new(EpollSockets::new(waker)?)), in_use(EPOLL, instead)))
    }

    /// Gives a session what both sockets of a pair receive from now on.
    pub(super) fn listen(&mut self, id: SessionId, pair: &mut Pair) -> io::Result<()> {
        match self {
            Sockets::Epoll(epoll) => epoll.listen(id, &pair.rtp, &pair.rtcp),
            Sockets::Uring(uring) => {
                let slot = match pair.slot {
                    Some(slot) => slot,
                    None => *pair.slot.insert(uring.register(&pair.rtp, &pair.rtcp)?),
                };
                uring.listen(id, slot);
                Ok(())
            }
        }
    }

    /// Drops what a pair receives from now on. What its session has sent still goes out.
    pub(super) fn ignore(&mut self, pair: &Pair) {
        match (self, pair.slot) {
            (Sockets::Epoll(epoll), _) => epoll.ignore(&pair.rtp, &pair.rtcp),
            (Sockets::Uring(uring), Some(slot)) => uring.ignore(slot),
            (Sockets::Uring(_), None) => {}
        }
    }

    /// Sends what waits to be sent: a socket that is disconnected or closed afterwards has sent it.
    pub(super) fn flush(&mut self) {
        match self {
            Sockets::Epoll(_) => {}
            Sockets::Uring(uring) => uring.submit(),
        }
    }

    /// Keeps nothing of a pair that will be closed.
    pub(super) fn forget(&mut self, pair: &mut Pair) {
        if let (Sockets::Uring(uring), Some(slot)) = (self, pair.slot.take()) {
            uring.forget(slot);
        }
    }

    /// Sends an RTP packet, at the latest with the next turn; without an address the socket is connected. Returns whether it
    /// was taken; [`Sockets::take_send_errors`] counts those that failed later.
    pub(super) fn send(&mut self, pair: &Pair, to: Option<SocketAddr>, octets: &[u8]) -> bool {
        match (self, pair.slot) {
            (Sockets::Uring(uring), Some(slot)) => {
                uring.send(slot, to, octets);
                true
            }
            (Sockets::Epoll(_) | Sockets::Uring(_), _) => match to {
                Some(to) => pair.rtp.send_to(octets, to).is_ok(),
                None => pair.rtp.send(octets).is_ok(),
            },
        }
    }

    /// How many packets that were taken could not be sent, since this was last asked.
    pub(super) fn take_send_errors(&mut self) -> u64 {
        match self {
            Sockets::Epoll(_) => 0,
            Sockets::Uring(uring) => uring.take_send_errors(),
        }
    }

    /// Sends what is queued, and looks at what has arrived.
    pub(super) fn turn(&mut self) {
        match self {
            Sockets::Epoll(epoll) => epoll.turn(),
            Sockets::Uring(uring) => uring.turn(),
        }
    }

    /// The next of what has arrived in this turn. `pair_at` is asked for the session that has a place, and its sockets.
    pub(super) fn next<'a>(&mut self, pair_at: impl Fn(u32) -> Option<(SessionId, &'a Pair)>) -> Option<Arrival> {
        match self {
            Sockets::Epoll(epoll) => epoll.next(pair_at),
            Sockets::Uring(uring) => uring.next(),
        }
    }

    /// The datagram of the last [`Sockets::next`] and its source; none if it was longer than any RTP packet.
    pub(super) fn datagram(&self) -> Option<(&[u8], SocketAddr)> {
        match self {
            Sockets::Epoll(epoll) => epoll.datagram(),
            Sockets::Uring(uring) => uring.datagram(),
        }
    }

    /// Waits until something arrives, at most `most`.
    pub(super) fn wait(&mut self, most: Duration) {
        match self {
            Sockets::Epoll(epoll) => epoll.wait(most),
            Sockets::Uring(uring) => uring.wait(most),
        }
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Sockets::Epoll(_)) { EPOLL } else { URING })
    }
}

const URING: &str = "io_uring";
const EPOLL: &str = "epoll";
