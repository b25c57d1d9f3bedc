//! What the standard library lacks: wakers, disconnecting, limits, priorities, pages of memory. The other `unsafe` code of the
//! media plane is in `epoll` and `uring`.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

/// Wakes a thread that waits for its sockets.
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

/// How many descriptors this process may have.
pub(super) fn file_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a value of this frame, written by the kernel.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if known { limit.rlim_cur as usize } else { FILES }
}

/// Pages of memory of their own, all zeros at first.
#[derive(Debug)]
pub(super) struct Mapping {
    address: NonNull<libc::c_void>,
    octets: usize,
}

// SAFETY: the pages belong to this value alone, and move with it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// # Errors
    /// That of mmap.
    pub(crate) fn new(octets: usize) -> io::Result<Mapping> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new pages are asked for, wherever there is room.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), octets, access, kind, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address)
            .map(|address| Mapping { address, octets })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub(crate) fn address(&self) -> *mut libc::c_void {
        self.address.as_ptr()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: these pages were mapped in `new`, and are unmapped once.
        unsafe { libc::munmap(self.address.as_ptr(), self.octets) };
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

/// Binds this thread to one of the cores that this process may use: the nth, counted around.
pub(super) fn stay_on_core(n: usize) {
    // SAFETY: cpu_set_t is plain data; the kernel writes and reads sets of this frame. A refusal changes nothing.
    unsafe {
        let mut allowed: libc::cpu_set_t = zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) < 0 {
            return;
        }
        let cores: Vec<usize> =
            (0..libc::CPU_SETSIZE as usize).filter(|core| libc::CPU_ISSET(*core, &allowed)).collect();
        if let Some(core) = cores.get(n % cores.len().max(1)) {
            let mut only: libc::cpu_set_t = zeroed();
            libc::CPU_SET(*core, &mut only);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &only);
        }
    }
}

pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Longer than any Ethernet frame.
pub(super) const DATAGRAM_MAX: usize = 2048;
/// As many descriptors as Linux gives by itself.
const FILES: usize = 1024;
const NICE: libc::c_int = -10;
const TIMER_SLACK_NS: libc::c_ulong = 10_000;
