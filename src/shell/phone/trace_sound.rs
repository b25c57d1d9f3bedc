//! The headers of a traced call's RTP and RTCP packets: found by its Call-ID, taken on the media threads.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::registry::{CallSound, Registry};
use media::{MediaPlane, PacketTraceReceiver, packet_trace};
use sip::Transport;
use sip::capture::{Packet, pcap};

/// Where a call's packets are looked for, and what came of them.
pub(crate) struct TraceSound {
    registry: Arc<Registry>,
    media: Arc<MediaPlane>,
    is_sought: AtomicBool,
    found: Mutex<Option<(CallSound, PacketTraceReceiver)>>,
}

impl TraceSound {
    pub(crate) fn new(registry: Arc<Registry>, media: Arc<MediaPlane>) -> TraceSound {
        TraceSound { registry, media, is_sought: AtomicBool::new(true), found: Mutex::default() }
    }

    fn found(&self) -> MutexGuard<'_, Option<(CallSound, PacketTraceReceiver)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the call's session is not known yet.
    pub(crate) fn is_sought(&self) -> bool {
        self.is_sought.load(Ordering::Relaxed)
    }

    /// Has the packets of the call with this Call-ID taken, if it is in progress.
    pub(crate) fn seek(&self, call_id: &str) {
        let Some(sound) = self.registry.sound(call_id) else { return };
        let (sender, receiver) = packet_trace();
        if self.is_sought.swap(false, Ordering::Relaxed) && self.media.trace(sound.session.id, sender).is_ok() {
            *self.found() = Some((sound, receiver));
        }
    }

    /// The next header as a record of a pcap file, and its time.
    pub(crate) fn next(&self) -> Option<(Duration, Vec<u8>)> {
        let found = self.found();
        let (CallSound { address, session }, receiver) = found.as_ref()?;
        let packet = receiver.next()?;
        let own = SocketAddr::new(*address, if packet.at_rtcp_port { session.rtcp_port } else { session.rtp_port });
        let (source, destination) = if packet.is_sent { (own, packet.peer) } else { (packet.peer, own) };
        let beginning = Packet { at: packet.at, transport: Transport::Udp, source, destination, octets: packet.head() };
        Some((packet.at, pcap::record_of_beginning(&beginning, packet.length)))
    }

    /// Packets for which there was no room.
    pub(crate) fn lost(&self) -> u64 {
        self.found().as_ref().map_or(0, |(_, receiver)| receiver.lost())
    }
}
