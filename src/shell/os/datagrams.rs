//! Many datagrams in one system call, each with the time that it waited in the kernel.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use socket2::SockAddr;

/// Room for some datagrams, used again and again.
pub struct Datagrams {
    octets: Box<[[u8; STRIDE]]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    controls: Box<[Control; BATCH]>,
    lengths: [usize; BATCH],
}

/// Room for one control message with a time, aligned as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// A datagram that was read.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// All of its octets.
    pub octets: &'a [u8],
    /// Who sent it.
    pub source: SocketAddr,
}

/// Asks the kernel for the time at which each datagram came in ([`Datagrams::receive`] reads it).
///
/// # Errors
/// That of setsockopt.
pub fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `on` lives for the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Default for Datagrams {
    fn default() -> Self {
        // SAFETY: sockaddr_storage is plain data; all zeros is a value of it (AF_UNSPEC).
        let names = Box::new([unsafe { zeroed() }; BATCH]);
        Datagrams {
            octets: vec![[0; STRIDE]; BATCH].into_boxed_slice(),
            names,
            controls: Box::new([Control([0; CONTROL_BYTES]); BATCH]),
            lengths: [0; BATCH],
        }
    }
}

impl Datagrams {
    /// Reads what is there, without waiting. Returns how many datagrams came, and how long the oldest had waited; zero if the
    /// socket's arrivals are not stamped.
    ///
    /// # Errors
    /// That of recvmmsg; [`io::ErrorKind::WouldBlock`] if nothing is there.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<(usize, Duration)> {
        // SAFETY: iovec and mmsghdr are plain data; all zeros is a value of them, null pointers included.
        let (mut parts, mut messages): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
        for n in 0..BATCH {
            parts[n] = libc::iovec { iov_base: self.octets[n].as_mut_ptr().cast(), iov_len: DATAGRAM_BYTES };
            let header = &mut messages[n].msg_hdr;
            header.msg_iov = &mut parts[n];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut self.names[n]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_control = (&raw mut self.controls[n]).cast();
            header.msg_controllen = CONTROL_BYTES as _;
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
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (length, message) in self.lengths.iter_mut().zip(&messages[..count]) {
            *length = message.msg_len as usize;
        }
        Ok((count, messages[..count].first().and_then(stamp).map_or(Duration::ZERO, age)))
    }

    /// One of the datagrams of the last [`Datagrams::receive`].
    pub fn get(&self, n: usize) -> Option<Datagram<'_>> {
        Some(Datagram { octets: &self.octets[n][..self.lengths[n]], source: address(&self.names[n])? })
    }
}

/// Sends datagrams in few system calls, in order, without waiting. Neighbours of one length to one receiver pass the kernel as
/// one and are parted at its end (UDP segmentation, Linux 4.18), which costs a third of sending each; where a system or a network
/// card does not do that, they are sent one by one. Returns how many went out and, if not all did, the error of the next one
/// ([`io::ErrorKind::WouldBlock`]: the socket's buffer is full).
pub fn send<T: AsRef<[u8]>>(socket: BorrowedFd<'_>, datagrams: &[(T, SocketAddr)]) -> (usize, Option<io::Error>) {
    let (mut sent, mut one_by_one) = (0, 0);
    while sent < datagrams.len() {
        let together = if sent < one_by_one { 1 } else { TOGETHER_MAX };
        match send_batch(socket, &datagrams[sent..], together) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // One of them may be at fault, or all of them as one.
            Err(error) if together > 1 && error.kind() != io::ErrorKind::WouldBlock => {
                one_by_one = sent + alike(&datagrams[sent..]).min(TOGETHER_MAX);
            }
            Err(error) => return (sent, Some(error)),
        }
    }
    (sent, None)
}

/// How many of the datagrams, from the first on, are as long as it and go to the same receiver, as far as they pass as one.
fn alike<T: AsRef<[u8]>>(datagrams: &[(T, SocketAddr)]) -> usize {
    let Some((first, to)) = datagrams.first().map(|(octets, to)| (octets.as_ref().len(), to)) else { return 0 };
    if first == 0 || first > SEGMENT_MAX {
        return 1;
    }
    datagrams.iter().take_while(|(octets, other)| octets.as_ref().len() == first && other == to).count()
}

/// Sends some of the datagrams, up to so many as one; returns how many.
fn send_batch<T: AsRef<[u8]>>(
    socket: BorrowedFd<'_>,
    datagrams: &[(T, SocketAddr)],
    together: usize,
) -> io::Result<usize> {
    let datagrams = &datagrams[..datagrams.len().min(BATCH)];
    // SAFETY: iovec and mmsghdr are plain data; all zeros is a value of them, null pointers included.
    let (mut parts, mut messages): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
    for (part, (octets, _)) in parts.iter_mut().zip(datagrams) {
        let octets = octets.as_ref();
        *part = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    }
    let mut names = [const { MaybeUninit::<SockAddr>::uninit() }; BATCH];
    let mut controls = [Control([0; CONTROL_BYTES]); BATCH];
    // How many datagrams each message is.
    let mut counts = [0; BATCH];
    let (mut begin, mut count) = (0, 0);
    while let Some((octets, to)) = datagrams.get(begin) {
        let run = alike(&datagrams[begin..]).min(together);
        let name = names[count].write(SockAddr::from(*to));
        let header = &mut messages[count].msg_hdr;
        header.msg_iov = &mut parts[begin];
        header.msg_iovlen = run as _;
        header.msg_name = name.as_ptr().cast_mut().cast();
        header.msg_namelen = name.len();
        if run > 1 {
            segment(header, &mut controls[count], octets.as_ref().len() as u16);
        }
        counts[count] = run;
        (begin, count) = (begin + run, count + 1);
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: every pointer in `messages` is to memory of `datagrams` or this frame with the length given beside it; the
    // kernel only reads what is to be sent.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count as libc::c_uint, flags as _) };
    let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
    Ok(counts[..sent].iter().sum())
}

/// Asks the kernel to part a message into datagrams of this length.
fn segment(header: &mut libc::msghdr, control: &mut Control, length: u16) {
    header.msg_control = (&raw mut control.0).cast();
    // SAFETY: these compute sizes alone.
    let (space, whole) = unsafe { (libc::CMSG_SPACE(2), libc::CMSG_LEN(2)) };
    header.msg_controllen = space as _;
    // SAFETY: the control buffer is larger than the space for one message of two octets, and aligned for it.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = whole as _;
        libc::CMSG_DATA(message).cast::<u16>().write_unaligned(length);
    }
}

/// When the kernel received a datagram, by its own clock (CLOCK_REALTIME).
fn stamp(message: &libc::mmsghdr) -> Option<libc::timespec> {
    // SAFETY: the kernel has filled in `msg_control`, which points to memory of the caller, and its length.
    let control = unsafe { libc::CMSG_FIRSTHDR(&raw const message.msg_hdr).as_ref() }?;
    let is_time = control.cmsg_level == libc::SOL_SOCKET && control.cmsg_type == libc::SCM_TIMESTAMPNS;
    // SAFETY: a control message of this type holds a timespec.
    is_time.then(|| unsafe { libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned() })
}

/// How long ago that was; zero if it is longer than any datagram waits: then the clock was set, or is not the kernel's.
fn age(stamp: libc::timespec) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a value of this frame.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    let nanos = |time: libc::timespec| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    let waited = u64::try_from(nanos(now) - nanos(stamp)).map_or(Duration::ZERO, Duration::from_nanos);
    if waited <= AGE_MAX { waited } else { Duration::ZERO }
}

/// The address that the kernel wrote; `None` for another family than IP.
pub fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in, which is no larger than the storage and no stricter aligned.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above for sockaddr_in6.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
        }
        _other_family => None,
    }
}

/// Datagrams that are read at once.
const BATCH: usize = 32;
const DATAGRAM_BYTES: usize = 65_536;
/// Buffers that are whole pages apart would take turns in the same few lines of the processor's cache.
const STRIDE: usize = DATAGRAM_BYTES + 832;
/// Datagrams that pass the kernel as one; it takes 64.
const TOGETHER_MAX: usize = BATCH;
/// Longer ones may not fit into a packet of the network, and go alone.
const SEGMENT_MAX: usize = 1_200;
const CONTROL_BYTES: usize = 64;
/// The kernel holds a second or two of datagrams at most.
const AGE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn datagrams_come_whole_with_their_source_and_age() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let (to, from) = (UdpSocket::bind(local).expect("a port"), UdpSocket::bind(local).expect("a port"));
            stamp_arrivals(to.as_fd()).expect("stamps");
            let place = to.local_addr().expect("bound");
            let sizes = [1_usize, 1500, 60_000];
            let mut datagrams = Datagrams::default();
            // The kernel begins to stamp a moment after the first socket of the machine asks for it.
            let is_stamped = (0..100).any(|_| {
                for size in sizes {
                    from.send_to(&vec![7; size], place).expect("it goes out");
                }
                std::thread::sleep(Duration::from_millis(20));
                let (count, age) = datagrams.receive(to.as_fd()).expect("datagrams");
                assert_eq!(count, sizes.len());
                age >= Duration::from_millis(20) && age < AGE_MAX
            });
            assert!(is_stamped, "the age is known");
            for (n, size) in sizes.into_iter().enumerate() {
                let datagram = datagrams.get(n).expect("a source");
                assert_eq!(datagram.octets, vec![7; size]);
                assert_eq!(datagram.source, from.local_addr().expect("bound"));
            }
            let nothing = datagrams.receive(to.as_fd()).expect_err("nothing is left");
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn datagrams_that_pass_as_one_are_parted_where_each_ends() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let [from, one, other] = [(); 3].map(|()| UdpSocket::bind(local).expect("a port"));
            let places = [&one, &other].map(|socket| socket.local_addr().expect("bound"));
            // Runs of one length and receiver, longer than a batch, and neighbours that differ in one of both.
            let runs = [(0, 400, 3 * BATCH), (1, 400, 5), (1, 401, 1), (1, 400, 2), (0, 0, 2), (0, 1_400, 2)];
            let run = |(to, length, count): (usize, usize, usize)| (0..count).map(move |n| (to, vec![n as u8; length]));
            let datagrams: Vec<_> = runs.into_iter().flat_map(run).collect();
            let batch: Vec<_> = datagrams.iter().map(|(to, octets)| (octets, places[*to])).collect();
            assert!(matches!(send(from.as_fd(), &batch), (sent, None) if sent == batch.len()));
            let mut octets = [0; 2_000];
            for (to, expected) in &datagrams {
                let socket = [&one, &other][*to];
                socket.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
                let length = socket.recv(&mut octets).expect("a datagram");
                assert_eq!(octets[..length], expected[..]);
            }
        }
    }

    #[test]
    fn datagrams_go_out_one_by_one_where_they_cannot_go_as_one() {
        let [from, to] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        to.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
        // The kernel segments nothing for a socket that makes no checksums.
        let on: libc::c_int = 1;
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: `on` lives for the call, and its length is given.
        let set = unsafe {
            libc::setsockopt(from.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const on).cast(), length)
        };
        assert_eq!(set, 0);
        let place = to.local_addr().expect("bound");
        let datagrams: Vec<_> = (0..BATCH + 9).map(|n| ([n as u8; 300], place)).collect();
        assert!(send_batch(from.as_fd(), &datagrams, TOGETHER_MAX).is_err());
        assert!(matches!(send(from.as_fd(), &datagrams), (sent, None) if sent == datagrams.len()));
        let mut octets = [0; 400];
        for (expected, _) in &datagrams {
            let length = to.recv(&mut octets).expect("a datagram");
            assert_eq!(octets[..length], expected[..]);
        }
    }

    #[test]
    fn datagrams_go_out_in_order_to_their_receivers_and_an_error_is_of_the_next_one() {
        let [from, one, other] = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let places = [&one, &other].map(|socket| socket.local_addr().expect("bound"));
        let count = 2 * BATCH + 3;
        let datagrams: Vec<_> = (0..count).map(|n| (vec![n as u8; 1 + n], places[n % 2])).collect();
        assert!(matches!(send(from.as_fd(), &datagrams), (sent, None) if sent == count));
        let mut octets = [0; 256];
        for (n, (expected, _)) in datagrams.iter().enumerate() {
            let length = [&one, &other][n % 2].recv(&mut octets).expect("a datagram");
            assert_eq!(octets[..length], expected[..]);
        }
        let too_long = [(vec![1; 8], places[0]), (vec![1; 70_000], places[0]), (vec![1; 8], places[0])];
        let (sent, error) = send(from.as_fd(), &too_long);
        assert_eq!((sent, error.and_then(|error| error.raw_os_error())), (1, Some(libc::EMSGSIZE)));
        assert_eq!(send(from.as_fd(), &too_long[..0]).0, 0);
    }
}
