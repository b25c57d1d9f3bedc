//! The ring itself, with more packets than it takes at once.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::arrival::{Arrival, Channel};
use crate::id::SessionId;
use crate::sys::Waker;
use crate::uring::{SUBMISSIONS, Uring};

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback")
}

/// Takes what has come: each packet's number, by where it came from.
fn take(from: &UdpSocket, into: &mut Vec<(SocketAddr, u32)>) {
    let mut octets = [0; 64];
    while let Ok((length, source)) = from.recv_from(&mut octets) {
        into.push((source, u32::from_be_bytes(octets[..length].try_into().expect("a number"))));
    }
}

#[test]
fn many_packets_of_one_turn_leave_by_their_own_sockets_with_their_own_octets() {
    let waker = Waker::new().expect("a waker");
    // Forbidden in many containers.
    let Ok(mut uring) = Uring::new(waker.as_fd(), 8) else { return };
    let far = socket();
    let to = far.local_addr().expect("bound");
    far.set_nonblocking(true).expect("a socket");
    let pairs = [[socket(), socket()], [socket(), socket()]];
    pairs[1][0].connect(to).expect("loopback");
    let id = |n| SessionId { place: n, serial: 7 };
    // With the waker's, which is queued already, these are an odd number of entries.
    let slots = [0, 1].map(|n: usize| {
        let slot = uring.register(&pairs[n][0], &pairs[n][1]).expect("places are free");
        uring.listen(id(n as u32), slot);
        slot
    });
    let mut arrived = Vec::new();
    let all = 2 * SUBMISSIONS + 9;
    for n in 0..all {
        let way = (n % 2) as usize;
        uring.send(slots[way], (way == 0).then_some(to), &n.to_be_bytes());
        // The socket's buffer does not hold them all.
        take(&far, &mut arrived);
    }
    uring.turn();
    take(&far, &mut arrived);
    assert_eq!((uring.take_send_errors(), arrived.len()), (0, all as usize));
    let sources = [0, 1].map(|n: usize| pairs[n][0].local_addr().expect("bound"));
    for (source, n) in &arrived {
        assert_eq!(*source, sources[(n % 2) as usize], "packet {n}");
    }
    let mut numbers: Vec<u32> = arrived.iter().map(|(_, n)| *n).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..all));
    slots.into_iter().for_each(|slot| uring.forget(slot));
}

/// What arrives for each session until something does.
fn arrivals(uring: &mut Uring) -> Vec<(SessionId, Vec<u8>)> {
    let mut arrived = Vec::new();
    for _ in 0..100 {
        uring.turn();
        while let Some(Arrival { id, channel }) = uring.next() {
            if channel != Channel::Waker {
                arrived.push((id, uring.datagram().expect("short").0.to_vec()));
            }
        }
        if !arrived.is_empty() {
            break;
        }
        uring.wait(Duration::from_millis(10));
    }
    arrived
}

#[test]
fn a_place_goes_to_the_next_pair_and_its_datagrams_to_that_alone() {
    let waker = Waker::new().expect("a waker");
    let Ok(mut uring) = Uring::new(waker.as_fd(), 2) else { return };
    let far = socket();
    let pairs = [[socket(), socket()], [socket(), socket()]];
    let id = |n| SessionId { place: 0, serial: n };
    let first = uring.register(&pairs[0][0], &pairs[0][1]).expect("the place is free");
    uring.listen(id(1), first);
    let refused = uring.register(&pairs[1][0], &pairs[1][1]).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::OutOfMemory));
    uring.forget(first);
    let next = uring.register(&pairs[1][0], &pairs[1][1]).expect("the place is free again");
    assert_eq!(next, first);
    uring.listen(id(3), next);
    for pair in &pairs {
        far.send_to(b"x", pair[0].local_addr().expect("bound")).expect("loopback");
    }
    assert_eq!(arrivals(&mut uring), [(id(3), b"x".to_vec())]);
}

#[test]
fn what_comes_between_two_sessions_of_a_pair_is_for_neither() {
    let waker = Waker::new().expect("a waker");
    let Ok(mut uring) = Uring::new(waker.as_fd(), 2) else { return };
    let far = socket();
    let pair = [socket(), socket()];
    let id = |n| SessionId { place: 0, serial: n };
    let slot = uring.register(&pair[0], &pair[1]).expect("a place is free");
    let send = |text: &str| {
        for socket in &pair {
            far.send_to(text.as_bytes(), socket.local_addr().expect("bound")).expect("loopback");
        }
    };
    for (n, taken_between) in [(1, true), (2, false), (3, true)] {
        uring.listen(id(n), slot);
        send("in time");
        let in_time = (id(n), b"in time".to_vec());
        assert_eq!(arrivals(&mut uring), [in_time.clone(), in_time]);
        uring.ignore(slot);
        for _ in 0..10 {
            send("late");
        }
        for _ in 0..3 {
            uring.turn();
            if taken_between {
                assert!(uring.next().is_none());
            }
        }
    }
}
