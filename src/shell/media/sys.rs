//! What the standard library lacks: epoll, many datagrams in one call, disconnecting, priorities. All `unsafe` code of
//! the media plane is here.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Reports which sockets have something to read.
#[derive(Debug)]
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: epoll_create1 takes no pointer; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` is new and has no other owner.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Reports `token` while there is something to read.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: both descriptors are open for as long as they are borrowed; the kernel copies `event`.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &mut event) })?;
        Ok(())
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        // SAFETY: as for `add`; a null event is allowed for DEL since Linux 2.6.9. An error means that it was not there.
        unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), std::ptr::null_mut()) };
    }

    /// The tokens that are ready, without waiting; at most as many as fit.
    pub(crate) fn ready(&self, tokens: &mut Vec<u64>) {
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
    pub(crate) fn wait(&self, most: Duration) {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let most = libc::timespec { tv_sec: most.as_secs() as _, tv_nsec: most.subsec_nanos().into() };
        // SAFETY: both pointers are to values of this frame; no signal mask is given. Errors end the wait early.
        unsafe { libc::ppoll(&mut poll, 1, &most, std::ptr::null()) };
    }
}

/// Wakes a thread that waits in [`Epoll::wait`].
#[derive(Debug)]
pub(super) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Waker> {
        // SAFETY: eventfd takes no pointer; the result is checked before it is owned.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: `fd` is new and has no other owner.
        Ok(Waker(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight octets are read from `one`. A full counter wakes just as well.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    pub(crate) fn reset(&self) {
        let mut count = 0u64;
        // SAFETY: eight octets are written to `count`. It may be zero already.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Room for some datagrams, used again and again.
pub(super) struct Batch {
    octets: Box<[[u8; DATAGRAM_MAX]; BATCH]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    lengths: [Option<usize>; BATCH],
}

impl Batch {
    pub(crate) fn new() -> Batch {
        // SAFETY: sockaddr_storage is plain data; all zeros is a value of it (AF_UNSPEC).
        let names = Box::new([unsafe { zeroed() }; BATCH]);
        Batch { octets: Box::new([[0; DATAGRAM_MAX]; BATCH]), names, lengths: [None; BATCH] }
    }

    /// Reads what is there, at most [`BATCH`] datagrams; returns how many.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> usize {
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
    pub(crate) fn datagram(&self, n: usize) -> Option<(&[u8], SocketAddr)> {
        let length = self.lengths[n]?;
        let source = os::datagrams::address(&self.names[n])?;
        // Without the scope of a link-local address, which no session description has.
        Some((&self.octets[n][..length], SocketAddr::new(source.ip(), source.port())))
    }
}

/// Lets a connected socket receive from every source again.
pub(super) fn disconnect(socket: &UdpSocket) -> io::Result<()> {
    // SAFETY: sockaddr is plain data; all zeros is a value of it.
    let mut unspecified: libc::sockaddr = unsafe { zeroed() };
    unspecified.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    // SAFETY: `unspecified` lives for the call, and its length is given.
    check(unsafe { libc::connect(socket.as_raw_fd(), &unspecified, size_of::<libc::sockaddr>() as libc::socklen_t) })?;
    Ok(())
}

/// A stream needs two descriptors: asks for as many as the system allows.
pub(super) fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a value of this frame, written and read by the kernel. A refusal changes nothing.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Raises this thread's priority, where that is permitted, and makes its timers exact.
pub(super) fn prefer_this_thread() {
    // SAFETY: neither call takes a pointer; a refusal changes nothing.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
        libc::prctl(libc::PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A full batch means that there may be more.
pub(super) const BATCH: usize = 8;
const READY_MAX: usize = 512;
/// Longer than any Ethernet frame.
const DATAGRAM_MAX: usize = 2048;
const NICE: libc::c_int = -10;
const TIMER_SLACK_NS: libc::c_ulong = 10_000;
