//! Many datagrams in one system call, with the kernel's own time of arrival.

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

/// Nanoseconds on the wall, as the kernel stamps datagrams.
pub(crate) fn wall_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos() as u64)
}

/// A socket on loopback whose arrivals are stamped by the kernel.
pub(crate) fn stamped() -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
    force(&socket, libc::SO_RCVBUFFORCE);
    force(&socket, libc::SO_SNDBUFFORCE);
    let _ = socket.set_recv_buffer_size(BUFFER as usize);
    set(&socket, libc::SO_TIMESTAMPNS, 1);
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("loopback");
    socket.set_nonblocking(true).expect("a socket");
    socket.into()
}

fn force(socket: &socket2::Socket, option: libc::c_int) {
    set(socket, option, BUFFER);
}

fn set(socket: &socket2::Socket, option: libc::c_int, value: libc::c_int) {
    // SAFETY: the kernel reads the given number of octets of `value`. A refusal leaves the default.
    unsafe {
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), length);
    }
}

/// Room for arrivals.
pub(crate) struct Inbound {
    octets: Vec<[u8; SIZE]>,
    control: Vec<[u64; 8]>,
    names: Vec<libc::sockaddr_in>,
}

impl Inbound {
    pub(crate) fn new() -> Inbound {
        // SAFETY: sockaddr_in is plain data.
        let names = vec![unsafe { zeroed() }; BATCH];
        Inbound { octets: vec![[0; SIZE]; BATCH], control: vec![[0; 8]; BATCH], names }
    }

    /// Gives every datagram that waits, with its time and its source's port.
    pub(crate) fn drain(&mut self, socket: &UdpSocket, mut each: impl FnMut(&[u8], u64, u16)) {
        loop {
            let messages = self.receive(socket);
            for (n, message) in messages.iter().enumerate() {
                let length = message.msg_len as usize;
                let port = u16::from_be(self.names[n].sin_port);
                each(&self.octets[n][..length], stamp(&message.msg_hdr), port);
            }
            if messages.len() < BATCH {
                return;
            }
        }
    }

    fn receive(&mut self, socket: &UdpSocket) -> Vec<libc::mmsghdr> {
        // SAFETY: iovec and mmsghdr are plain data; every pointer is to memory of `self` or this frame.
        unsafe {
            let mut parts: [libc::iovec; BATCH] = zeroed();
            let mut messages: Vec<libc::mmsghdr> = vec![zeroed(); BATCH];
            for n in 0..BATCH {
                parts[n] = libc::iovec { iov_base: self.octets[n].as_mut_ptr().cast(), iov_len: SIZE };
                let header = &mut messages[n].msg_hdr;
                header.msg_iov = &mut parts[n];
                header.msg_iovlen = 1;
                header.msg_control = self.control[n].as_mut_ptr().cast();
                header.msg_controllen = size_of::<[u64; 8]>();
                header.msg_name = (&raw mut self.names[n]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            let fd = socket.as_raw_fd();
            let got = libc::recvmmsg(fd, messages.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, std::ptr::null_mut());
            messages.truncate(usize::try_from(got).unwrap_or(0));
            messages
        }
    }
}

fn stamp(header: &libc::msghdr) -> u64 {
    // SAFETY: the kernel has filled the control part; the macros stay inside it.
    unsafe {
        let control = libc::CMSG_FIRSTHDR(header);
        if control.is_null() || (*control).cmsg_type != libc::SCM_TIMESTAMPNS {
            return wall_ns();
        }
        let time = libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned();
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// Datagrams that go out together.
#[derive(Default)]
pub(crate) struct Outbound {
    octets: Vec<([u8; PACKET], usize)>,
    names: Vec<libc::sockaddr_in>,
}

impl Outbound {
    pub(crate) fn push(&mut self, bytes: &[u8], to: SocketAddrV4) {
        let mut octets = [0; PACKET];
        octets[..bytes.len()].copy_from_slice(bytes);
        self.octets.push((octets, bytes.len()));
        // SAFETY: sockaddr_in is plain data.
        let mut name: libc::sockaddr_in = unsafe { zeroed() };
        name.sin_family = libc::AF_INET as libc::sa_family_t;
        name.sin_port = to.port().to_be();
        name.sin_addr.s_addr = u32::from(*to.ip()).to_be();
        self.names.push(name);
    }

    /// Sends and forgets; returns how many went out.
    pub(crate) fn send(&mut self, socket: &UdpSocket) -> usize {
        let count = self.octets.len();
        let mut sent = 0;
        // SAFETY: every pointer is to memory of `self` or this frame that lives for the call.
        unsafe {
            let mut parts: Vec<libc::iovec> = Vec::with_capacity(count);
            for (octets, length) in &mut self.octets {
                parts.push(libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: *length });
            }
            let mut messages: Vec<libc::mmsghdr> = vec![zeroed(); count];
            for (n, message) in messages.iter_mut().enumerate() {
                message.msg_hdr.msg_iov = &mut parts[n];
                message.msg_hdr.msg_iovlen = 1;
                message.msg_hdr.msg_name = (&raw mut self.names[n]).cast();
                message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            for chunk in messages.chunks_mut(512) {
                let got =
                    libc::sendmmsg(socket.as_raw_fd(), chunk.as_mut_ptr(), chunk.len() as u32, libc::MSG_DONTWAIT);
                sent += usize::try_from(got).unwrap_or(0);
            }
        }
        self.octets.clear();
        self.names.clear();
        sent
    }
}

/// Sleeps until a moment of the monotonic clock, without the usual 50 µs of slack.
pub(crate) fn exact_sleeps() {
    // SAFETY: no pointer is passed.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000 as libc::c_ulong, 0, 0, 0) };
}

const BATCH: usize = 64;
const SIZE: usize = 2048;
/// 20 ms of sound with its header, and the tag of SRTP.
const PACKET: usize = 172 + 16;
const BUFFER: libc::c_int = 16 << 20;
