//! Sockets by epoll: it says which have something to read, and up to eight datagrams are read in one call. Works on
//! every Linux.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::arrival::{Arrival, Channel};
use super::id::SessionId;
use super::ports::Pair;
use super::sys::{DATAGRAM_MAX, check};

/// The sockets of one media thread.
pub(super) struct EpollSockets {
    epoll: Epoll,
    batch: Batch,
    /// What is ready in this turn, and how far it has been read.
    ready: Vec<u64>,
    taken: usize,
    /// The socket that the datagrams of the batch are from, how many they are, how many were taken, and how many more
    /// batches of it may follow in this turn.
    reading: Option<Reading>,
}

#[derive(Clone, Copy)]
struct Reading {
    arrival: Arrival,
    count: usize,
    taken: usize,
    rounds: usize,
}

impl EpollSockets {
    pub(super) fn new(waker: BorrowedFd<'_>) -> io::Result<EpollSockets> {
        let epoll = Epoll::new()?;
        epoll.add(waker, WAKER)?;
        Ok(EpollSockets { epoll, batch: Batch::new(), ready: Vec::new(), taken: 0, reading: None })
    }

    pub(super) fn listen(&self, id: SessionId, rtp: &UdpSocket, rtcp: &UdpSocket) -> io::Result<()> {
        let token = u64::from(id.place) << 1;
        self.epoll.add(rtp.as_fd(), token | Channel::Rtp as u64)?;
        // A pair is listened to as a whole or not at all: its place may go to another one.
        self.epoll.add(rtcp.as_fd(), token | Channel::Rtcp as u64).inspect_err(|_| self.epoll.remove(rtp.as_fd()))
    }

    pub(super) fn ignore(&self, rtp: &UdpSocket, rtcp: &UdpSocket) {
        self.epoll.remove(rtp.as_fd());
        self.epoll.remove(rtcp.as_fd());
    }

    /// Asks which sockets have something to read.
    pub(super) fn turn(&mut self) {
        self.taken = 0;
        self.epoll.ready(&mut self.ready);
    }

    /// The next datagram that has arrived; [`EpollSockets::datagram`] is the datagram itself.
    pub(super) fn next<'a>(&mut self, pair_at: impl Fn(u32) -> Option<(SessionId, &'a Pair)>) -> Option<Arrival> {
        loop {
            if let Some(reading) = &mut self.reading {
                if reading.taken < reading.count {
                    reading.taken += 1;
                    return Some(reading.arrival);
                }
                let again = (reading.count == BATCH && reading.rounds > 1).then_some(*reading);
                self.reading = again.and_then(|Reading { arrival, rounds, .. }| {
                    let (_, pair) = pair_at(arrival.id.place).filter(|(id, _)| *id == arrival.id)?;
                    Some(self.read(pair, arrival, rounds - 1))
                });
                continue;
            }
            let token = self.ready.get(self.taken).copied()?;
            self.taken += 1;
            if token == WAKER {
                return Some(Arrival { id: NO_SESSION, channel: Channel::Waker });
            }
            let channel = if token & 1 == 0 { Channel::Rtp } else { Channel::Rtcp };
            let rounds = if channel == Channel::Rtp { ROUNDS } else { 1 };
            let found = pair_at((token >> 1) as u32);
            self.reading = found.map(|(id, pair)| self.read(pair, Arrival { id, channel }, rounds));
        }
    }

    fn read(&mut self, pair: &Pair, arrival: Arrival, rounds: usize) -> Reading {
        let socket = if arrival.channel == Channel::Rtp { &pair.rtp } else { &pair.rtcp };
        Reading { arrival, count: self.batch.receive(socket), taken: 0, rounds }
    }

    /// The datagram of the last [`EpollSockets::next`] and its source; none if it was longer than any RTP packet.
    pub(super) fn datagram(&self) -> Option<(&[u8], SocketAddr)> {
        self.batch.datagram(self.reading?.taken.checked_sub(1)?)
    }

    /// Waits until something is there to read, at most `most`.
    pub(super) fn wait(&self, most: Duration) {
        self.epoll.wait(most);
    }
}

/// Reports which sockets have something to read.
#[derive(Debug)]
struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Epoll> {
        // SAFETY: epoll_create1 takes no pointer; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` is new and has no other owner.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Reports `token` while there is something to read.
    fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: both descriptors are open for as long as they are borrowed; the kernel copies `event`.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &mut event) })?;
        Ok(())
    }

    fn remove(&self, fd: BorrowedFd<'_>) {
        // SAFETY: as for `add`; a null event is allowed for DEL since Linux 2.6.9. An error means that it was not there.
        unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), std::ptr::null_mut()) };
    }

    /// The tokens that are ready, without waiting; at most as many as fit.
    fn ready(&self, tokens: &mut Vec<u64>) {
        tokens.clear();
        let mut events = [const { MaybeUninit::<libc::epoll_event>::uninit() }; READY_MAX];
        // SAFETY: the kernel writes at most READY_MAX events, and says how many.
        let count =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr().cast(), READY_MAX as libc::c_int, 0) };
        for event in &events[..usize::try_from(count).unwrap_or(0)] {
            // SAFETY: the kernel has written this event.
            tokens.push(unsafe { event.assume_init() }.u64);
        }
    }

    /// Waits until the socket is readable, at most `most`.
    fn wait(&self, most: Duration) {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let most = libc::timespec { tv_sec: most.as_secs() as _, tv_nsec: most.subsec_nanos().into() };
        // SAFETY: both pointers are to values of this frame; no signal mask is given. Errors end the wait early.
        unsafe { libc::ppoll(&mut poll, 1, &most, std::ptr::null()) };
    }
}

/// Room for some datagrams, used again and again.
struct Batch {
    octets: Box<[[u8; DATAGRAM_MAX]; BATCH]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    lengths: [Option<usize>; BATCH],
}

impl Batch {
    fn new() -> Batch {
        // SAFETY: sockaddr_storage is plain data; all zeros is a value of it (AF_UNSPEC).
        let names = Box::new([unsafe { zeroed() }; BATCH]);
        Batch { octets: Box::new([[0; DATAGRAM_MAX]; BATCH]), names, lengths: [None; BATCH] }
    }

    /// Reads what is there, at most [`BATCH`] datagrams; returns how many.
    fn receive(&mut self, socket: &UdpSocket) -> usize {
        // SAFETY: iovec and mmsghdr are plain data; all zeros is a value of them, null pointers included.
        let (mut parts, mut messages): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
        for n in 0..BATCH {
            parts[n] = libc::iovec { iov_base: self.octets[n].as_mut_ptr().cast(), iov_len: DATAGRAM_MAX };
            let header = &mut messages[n].msg_hdr;
            header.msg_iov = &mut parts[n];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut self.names[n]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: every pointer in `messages` is to memory of `self` or this frame with the length given beside it.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        for (length, message) in self.lengths.iter_mut().zip(&messages[..count]) {
            let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            *length = whole.then_some(message.msg_len as usize);
        }
        count
    }

    /// One of the datagrams of the last [`Batch::receive`]; none if it was longer than any RTP packet.
    fn datagram(&self, n: usize) -> Option<(&[u8], SocketAddr)> {
        let length = self.lengths[n]?;
        let source = os::datagrams::address(&self.names[n])?;
        // Without the scope of a link-local address, which no session description has.
        Some((&self.octets[n][..length], SocketAddr::new(source.ip(), source.port())))
    }
}

const WAKER: u64 = u64::MAX;
const NO_SESSION: SessionId = SessionId { place: u32::MAX, serial: 0 };
/// A full batch means that there may be more.
const BATCH: usize = 8;
/// Batches read from one socket before the others have their turn.
const ROUNDS: usize = 4;
const READY_MAX: usize = 512;
