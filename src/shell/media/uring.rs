//! Sockets by io_uring: each delivers what arrives by itself (multishot receive into a ring of provided buffers), and the
//! packets of a turn leave in one system call. Needs Linux 6.1; [`Uring::new`] proves on a socket of its own that all of
//! it works here.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{BufRingEntry, Fd, Fixed, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};
use socket2::SockAddr;

use super::arrival::{Arrival, Channel};
use super::id::SessionId;
use super::sys::{self, DATAGRAM_MAX, Mapping};

/// The ring of one media thread; it must be used by the thread that made it.
pub(super) struct Uring {
    /// First, so that it is closed before the memory that the kernel writes to is freed.
    ring: IoUring,
    buffers: Buffers,
    outgoing: Box<[Outgoing]>,
    queued: usize,
    /// Says how much room a received datagram's source needs.
    room: Box<libc::msghdr>,
    done: Vec<Done>,
    taken: usize,
    /// The buffer of the datagram that was taken last.
    lent: Option<u16>,
    /// Free places for pairs among the registered sockets.
    slots: Vec<u32>,
    /// Receptions that ended by themselves, and go on before the next look.
    ended: Vec<(Channel, u32)>,
    /// Receptions whose end could not be asked for yet.
    unended: Vec<u64>,
    /// Places of pairs that are gone, which the kernel may still be asked to send by.
    leaving: Vec<u32>,
    /// Nothing watches the waker.
    is_unwatched: bool,
    /// Who has which place.
    places: Vec<Place>,
    send_errors: u64,
    waker: RawFd,
}

/// Room for one packet until the kernel has taken it.
struct Outgoing {
    octets: [u8; OUTGOING_OCTETS],
    name: SockAddr,
    part: libc::iovec,
    message: libc::msghdr,
}

/// A place among the registered sockets, for the two of a pair. Both receive for as long as the pair has it, whether a session uses
/// them or not: to begin and to end that for each call would cost it six operations of the kernel.
#[derive(Clone, Copy)]
struct Place {
    /// Counts the pairs that had it; what the kernel still has to say about an earlier one is ignored.
    pair: u32,
    /// The session that gets what arrives; without one it is dropped.
    session: Option<SessionId>,
}

/// What the kernel says of one operation.
#[derive(Clone, Copy)]
struct Done {
    user_data: u64,
    result: i32,
    flags: u32,
}

/// The buffers that the kernel puts datagrams in, and the ring by which it gets them.
struct Buffers {
    ring: Mapping,
    octets: Box<[[u8; BUFFER_OCTETS]]>,
    tail: u16,
}

impl Uring {
    /// A ring for so many sockets that wakes for `waker`, too.
    ///
    /// # Errors
    /// Where the kernel lacks something, forbids it, or has no memory to lock for it.
    pub(super) fn new(waker: BorrowedFd<'_>, sockets: usize) -> io::Result<Uring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_skip_cqe_on_success() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let pairs = (sockets.min(sys::file_limit()) / 2).max(1);
        ring.submitter().register_files_sparse(2 * pairs as u32)?;
        let buffers = Buffers::new()?;
        // SAFETY: the memory lives as long as the ring: it is dropped after it.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(buffers.ring.address() as u64, BUFFERS as u16, GROUP, 0)?;
        }
        // SAFETY: msghdr is plain data; all zeros is a value of it, null pointers included.
        let mut room: Box<libc::msghdr> = Box::new(unsafe { zeroed() });
        room.msg_namelen = NAME_OCTETS as libc::socklen_t;
        let mut uring = Uring {
            ring,
            buffers,
            outgoing: (0..SUBMISSIONS).map(|_| Outgoing::new()).collect(),
            queued: 0,
            room,
            done: Vec::new(),
            taken: 0,
            lent: None,
            slots: (0..pairs as u32).rev().collect(),
            ended: Vec::new(),
            unended: Vec::new(),
            leaving: Vec::new(),
            is_unwatched: false,
            places: vec![Place { pair: 0, session: None }; pairs],
            send_errors: 0,
            waker: waker.as_raw_fd(),
        };
        uring.prove()?;
        uring.watch_waker();
        Ok(uring)
    }

    /// Sends a datagram to itself.
    fn prove(&mut self) -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let id = SessionId { place: 0, serial: 1 };
        let slot = self.register(&socket, &socket)?;
        self.listen(id, slot);
        self.send(slot, Some(address), b"jindu");
        for _ in 0..PROOF_TURNS {
            self.turn();
            while let Some(arrival) = self.next() {
                let proved = self.datagram() == Some((&b"jindu"[..], address));
                if proved && arrival.id == id {
                    self.forget(slot);
                    return Ok(());
                }
            }
            self.wait(Duration::from_millis(1));
        }
        Err(io::Error::other("a datagram to itself did not come back"))
    }

    fn watch_waker(&mut self) {
        let poll = opcode::PollAdd::new(Fd(self.waker), libc::POLLIN as u32).multi(true).build();
        self.is_unwatched = !self.push(poll.user_data(WAKER));
    }

    /// Gives a pair a place, and begins to receive from both of its sockets.
    ///
    /// # Errors
    /// No place is free, or that of the kernel.
    pub(super) fn register(&mut self, rtp: &UdpSocket, rtcp: &UdpSocket) -> io::Result<u32> {
        let slot = self.slots.pop().ok_or(io::ErrorKind::OutOfMemory)?;
        let files = [rtp.as_raw_fd(), rtcp.as_raw_fd()];
        if let Err(error) = self.ring.submitter().register_files_update(2 * slot, &files) {
            self.slots.push(slot);
            return Err(error);
        }
        self.receive(Channel::Rtp, slot);
        self.receive(Channel::Rtcp, slot);
        Ok(slot)
    }

    /// Gives a session what the sockets of a place receive from now on.
    pub(super) fn listen(&mut self, id: SessionId, slot: u32) {
        // What has arrived already is not for it.
        let mut next = self.taken;
        while let Some(done) = self.done.get(next).copied() {
            if done.user_data < SEND && slot_of(done.user_data) == slot {
                self.done.remove(next);
                let _of_nobody = self.arrival(done);
            } else {
                next += 1;
            }
        }
        self.places[slot as usize].session = Some(id);
    }

    /// Drops what the sockets of a place receive from now on.
    pub(super) fn ignore(&mut self, slot: u32) {
        self.places[slot as usize].session = None;
    }

    /// Receives no more from a pair, and frees its place.
    pub(super) fn forget(&mut self, slot: u32) {
        for channel in [Channel::Rtp, Channel::Rtcp] {
            self.cancel(self.reception(channel, slot));
        }
        // What was queued for these sockets goes out first.
        self.submit();
        self.ended.retain(|(_, ended)| *ended != slot);
        let Place { pair, session } = &mut self.places[slot as usize];
        (*pair, *session) = (pair.wrapping_add(1), None);
        self.leaving.push(slot);
        self.vacate();
    }

    fn cancel(&mut self, reception: u64) {
        let cancel = opcode::AsyncCancel::new(reception).build();
        if !self.push(cancel.user_data(QUIET).flags(Flags::SKIP_SUCCESS)) {
            self.unended.push(reception);
        }
    }

    /// Frees the places of pairs that are gone, unless the kernel has not taken all that names them.
    fn vacate(&mut self) {
        if self.leaving.is_empty() || !self.unended.is_empty() || !self.ring.submission().is_empty() {
            return;
        }
        for slot in self.leaving.drain(..) {
            let _ = self.ring.submitter().register_files_update(2 * slot, &[-1, -1]);
            self.slots.push(slot);
        }
    }

    /// Asks the kernel again for what it has ended, or could not be asked for.
    fn resume(&mut self) {
        for reception in std::mem::take(&mut self.unended) {
            self.cancel(reception);
        }
        for (channel, slot) in std::mem::take(&mut self.ended) {
            self.receive(channel, slot);
        }
        if self.is_unwatched {
            self.watch_waker();
        }
    }

    fn receive(&mut self, channel: Channel, slot: u32) {
        let socket = Fixed(2 * slot + channel as u32);
        let receive = opcode::RecvMsgMulti::new(socket, &raw const *self.room, GROUP).build();
        if !self.push(receive.user_data(self.reception(channel, slot))) {
            self.ended.push((channel, slot));
        }
    }

    /// Names the reception of one socket by the pair that it belongs to.
    fn reception(&self, channel: Channel, slot: u32) -> u64 {
        u64::from(self.places[slot as usize].pair & PAIRS_COUNTED) << 32 | u64::from(slot) << 2 | channel as u64
    }

    /// Queues an RTP packet; without an address the socket is connected.
    pub(super) fn send(&mut self, slot: u32, to: Option<SocketAddr>, octets: &[u8]) {
        if self.queued == self.outgoing.len() || self.ring.submission().is_full() {
            self.submit();
        }
        // No place is taken that `push` could need: the entry must name the place whose octets it sends.
        let has_room = self.queued < self.outgoing.len() && !self.ring.submission().is_full();
        if !has_room || octets.len() > OUTGOING_OCTETS {
            self.send_errors += 1;
            return;
        }
        let outgoing = &mut self.outgoing[self.queued];
        self.queued += 1;
        let length = octets.len();
        outgoing.octets[..length].copy_from_slice(&octets[..length]);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let send = match to {
            None => opcode::Send::new(Fixed(2 * slot), outgoing.octets.as_ptr(), length as u32).flags(flags).build(),
            Some(to) => {
                let message = outgoing.address(to, length);
                opcode::SendMsg::new(Fixed(2 * slot), message).flags(flags as u32).build()
            }
        };
        if !self.push(send.user_data(SEND).flags(Flags::SKIP_SUCCESS)) {
            self.send_errors += 1;
        }
    }

    /// Sends what is queued, and takes note of what has arrived.
    pub(super) fn turn(&mut self) {
        self.resume();
        self.enter(EnterFlags::GETEVENTS);
        self.collect();
        self.vacate();
    }

    /// How many packets the kernel has refused to send since this was asked.
    pub(super) fn take_send_errors(&mut self) -> u64 {
        std::mem::take(&mut self.send_errors)
    }

    /// The next of the datagrams that have arrived; [`Uring::datagram`] is the datagram itself.
    pub(super) fn next(&mut self) -> Option<Arrival> {
        self.give_back();
        while let Some(done) = self.done.get(self.taken).copied() {
            self.taken += 1;
            match done.user_data {
                SEND => self.send_errors += 1,
                QUIET => {}
                WAKER => {
                    if !cqueue::more(done.flags) {
                        self.watch_waker();
                    }
                    return Some(Arrival { id: WAKER_ID, channel: Channel::Waker });
                }
                _ => {
                    if let Some(arrival) = self.arrival(done) {
                        return Some(arrival);
                    }
                }
            }
        }
        self.done.clear();
        self.taken = 0;
        None
    }

    fn arrival(&mut self, done: Done) -> Option<Arrival> {
        let slot = slot_of(done.user_data);
        let channel = if done.user_data & 1 == 0 { Channel::Rtp } else { Channel::Rtcp };
        let is_current = done.user_data == self.reception(channel, slot);
        if !cqueue::more(done.flags) && is_current {
            self.ended.push((channel, slot));
        }
        self.lent = cqueue::buffer_select(done.flags);
        let session = self.places[slot as usize].session.filter(|_| is_current && done.result >= 0);
        match session.filter(|_| self.lent.is_some()) {
            Some(id) => Some(Arrival { id, channel }),
            None => {
                self.give_back();
                None
            }
        }
    }

    /// The datagram of the last [`Uring::next`] and its source; none if it was longer than any RTP packet.
    pub(super) fn datagram(&self) -> Option<(&[u8], SocketAddr)> {
        let buffer = &self.buffers.octets[usize::from(self.lent?)];
        let message = RecvMsgOut::parse(buffer, &self.room).ok()?;
        if message.is_payload_truncated() {
            return None;
        }
        // SAFETY: sockaddr_storage is plain data; all zeros is a value of it (AF_UNSPEC).
        let mut name: libc::sockaddr_storage = unsafe { zeroed() };
        let octets = message.name_data();
        // SAFETY: a name is at most NAME_OCTETS long, and sockaddr_storage is longer than that.
        unsafe { ptr::copy_nonoverlapping(octets.as_ptr(), (&raw mut name).cast(), octets.len()) };
        let payload = buffer.get(PAYLOAD_START..)?.get(..message.payload_data().len())?;
        Some((payload, os::datagrams::address(&name)?))
    }

    fn give_back(&mut self) {
        if let Some(buffer) = self.lent.take() {
            self.buffers.give(buffer);
        }
    }

    /// Waits until something happens, at most `most`.
    pub(super) fn wait(&mut self, most: Duration) {
        self.resume();
        let most = Timespec::from(most);
        // An error ends the wait early.
        let _ = self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&most));
        self.handed_over();
        self.collect();
    }

    /// Queues an entry; false if the kernel takes nothing, so that there is no room for it.
    fn push(&mut self, entry: Entry) -> bool {
        for _ in 0..PUSH_TRIES {
            // SAFETY: what `entry` points to lives in `self` and stays as it is until the kernel has taken it.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return true;
            }
            self.submit();
            // A kernel whose completions have no room takes nothing more.
            self.collect();
        }
        false
    }

    /// Hands over all that is queued.
    pub(super) fn submit(&mut self) {
        self.enter(EnterFlags::empty());
    }

    /// Enters the kernel at least once, until it has taken what is queued.
    fn enter(&mut self, flags: EnterFlags) {
        loop {
            let queued = self.ring.submission().len() as u32;
            // SAFETY: no argument is given, and `queued` entries are in the ring.
            let entered = unsafe { self.ring.submitter().enter::<libc::sigset_t>(queued, 0, flags.bits(), None) };
            match entered {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "io_uring takes nothing in this turn");
                    break;
                }
                Ok(_) if self.ring.submission().is_empty() => break,
                Ok(_) => {}
            }
        }
        self.handed_over();
    }

    /// The room of packets that the kernel has taken is free again.
    fn handed_over(&mut self) {
        if self.ring.submission().is_empty() {
            self.queued = 0;
        }
    }

    fn collect(&mut self) {
        let completions = self.ring.completion().map(|entry| Done {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        });
        self.done.extend(completions);
    }
}

fn slot_of(reception: u64) -> u32 {
    (reception as u32) >> 2
}

impl Outgoing {
    fn new() -> Outgoing {
        Outgoing {
            octets: [0; OUTGOING_OCTETS],
            name: SockAddr::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            part: libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 },
            // SAFETY: msghdr is plain data; all zeros is a value of it, null pointers included.
            message: unsafe { zeroed() },
        }
    }

    /// The message to `to` of the first octets.
    fn address(&mut self, to: SocketAddr, length: usize) -> *const libc::msghdr {
        self.name = SockAddr::from(to);
        self.part = libc::iovec { iov_base: self.octets.as_mut_ptr().cast(), iov_len: length };
        self.message.msg_name = self.name.as_ptr().cast_mut().cast();
        self.message.msg_namelen = self.name.len();
        self.message.msg_iov = &raw mut self.part;
        self.message.msg_iovlen = 1;
        &raw const self.message
    }
}

impl Buffers {
    fn new() -> io::Result<Buffers> {
        let ring = Mapping::new(BUFFERS * size_of::<BufRingEntry>())?;
        let octets = vec![[0; BUFFER_OCTETS]; BUFFERS].into_boxed_slice();
        let mut buffers = Buffers { ring, octets, tail: 0 };
        for buffer in 0..BUFFERS {
            buffers.give(buffer as u16);
        }
        Ok(buffers)
    }

    /// Gives a buffer to the kernel.
    fn give(&mut self, buffer: u16) {
        let entries = self.ring.address().cast::<BufRingEntry>();
        let octets = self.octets[usize::from(buffer)].as_mut_ptr();
        // SAFETY: the mapping holds BUFFERS entries, all zeros at first, which is a value of them; the kernel reads an entry
        // only once the tail has passed it.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail) % BUFFERS);
            entry.set_addr(octets as u64);
            entry.set_len(BUFFER_OCTETS as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(entries).cast::<std::sync::atomic::AtomicU16>();
            (*tail).store(self.tail, std::sync::atomic::Ordering::Release);
        }
    }
}

/// Packets that wait for one submission; more are submitted in parts.
pub(super) const SUBMISSIONS: u32 = 256;
/// More than one: a submission makes room for the entry.
const PUSH_TRIES: usize = 4;
/// More than can arrive in a turn; what does not fit stays with the kernel.
const COMPLETIONS: u32 = 8192;
/// A power of two. Datagrams for which there is no buffer stay in their sockets.
const BUFFERS: usize = 512;
const GROUP: u16 = 0;
/// More than a packet of 60 ms with its trailer.
const OUTGOING_OCTETS: usize = 1024;
/// Room for an IPv6 address.
const NAME_OCTETS: usize = size_of::<libc::sockaddr_in6>();
/// After the kernel's header (struct io_uring_recvmsg_out) and the source.
const PAYLOAD_START: usize = 16 + NAME_OCTETS;
const BUFFER_OCTETS: usize = PAYLOAD_START + DATAGRAM_MAX;
/// Low two bits of user data: 0 RTP, 1 RTCP, 3 one of these.
const WAKER: u64 = u64::MAX;
/// So many pairs of one place are told apart; fewer than all, so that no name is one of the three below.
const PAIRS_COUNTED: u32 = u32::MAX >> 1;
const QUIET: u64 = u64::MAX - 4;
const SEND: u64 = u64::MAX - 8;
const WAKER_ID: SessionId = SessionId { place: u32::MAX, serial: 0 };
const PROOF_TURNS: usize = 200;
