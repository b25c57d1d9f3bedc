//! Ranges of media ports: a gateway binds its ports one by one as calls come, so that the whole range must be its own.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::wait::{SOON, eventually};

/// A range that no other gateway of any test uses while this lives.
#[derive(Debug)]
pub struct MediaPorts {
    first: u16,
    /// A port that stands for the range: bound by one process alone, and free again whenever that process ends.
    _lease: UdpSocket,
}

impl MediaPorts {
    /// Ports of a range: RTP and RTCP of 200 calls.
    pub const COUNT: u16 = 400;

    /// Waits for a range and takes it.
    pub fn lease() -> MediaPorts {
        // Ranges are taken in turn: late packets of an ended call reach no other test.
        static TURN: AtomicU16 = AtomicU16::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() as u16);
        eventually(SOON, "a range of media ports", || {
            (0..RANGES).map(|n| turn.wrapping_add(n) % RANGES).find_map(|range| {
                let lease = UdpSocket::bind((Ipv4Addr::LOCALHOST, LEASES + range)).ok()?;
                Some(MediaPorts { first: FIRST + range * MediaPorts::COUNT, _lease: lease })
            })
        })
    }

    /// The setting that gives a gateway the first `count` ports of the range.
    pub fn setting(&self, count: u16) -> String {
        format!("phone.media_ports={}-{}", self.first, self.first + count - 1)
    }
}

/// Below the shipped range, which a node beside the tests may be using, and below the ports that the system chooses.
const FIRST: u16 = 7000;
const RANGES: u16 = 32;
const LEASES: u16 = FIRST + RANGES * MediaPorts::COUNT;
