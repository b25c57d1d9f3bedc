//! RTP and RTCP (RFC 3550) and telephone events (RFC 4733), sans-IO.
//!
//! ```text
//!  datagram ─► Packet ─► Sources: of each SSRC ┬ Reception (what is new, what was lost, jitter) ─► sound
//!                                              └ TelephoneEvents (RFC 4733) ─► one key per press
//!  datagram ─► rtcp::read ─► Report        rtcp::write ─► datagram
//! ```

mod emodel;
mod packet;
mod reception;
pub mod rtcp;
mod sources;
mod telephone_event;

pub use emodel::{Mos, mouth_to_ear};
pub use packet::{HEADER_OCTETS, Header, Packet, PacketError, is_rtcp};
pub use reception::{Reception, ReceptionReport, SequencePlace};
pub use sources::{SoundPlace, Sources};
pub use telephone_event::{EventKey, TelephoneEvents};

#[cfg(test)]
mod tests {
    use super::*;

    /// The fuzzer's corpus: the extension of a name is the kind of the datagram.
    #[test]
    fn the_corpus_is_read_as_its_names_say() {
        let files = support::corpus::files("rtp");
        for (name, datagram) in &files {
            let kind = match (Packet::read(datagram), rtcp::read(datagram, 9)) {
                (Ok(packet), None) => {
                    #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
                    let now = std::time::Instant::now();
                    TelephoneEvents::default().packet(now, &packet.header, packet.payload, |_| ());
                    "rtp"
                }
                (Err(_), Some(_)) => "rtcp",
                (Err(_), None) if is_rtcp(datagram) => "badrtcp",
                (Err(_), None) => "bad",
                (Ok(_), Some(_)) => "both",
            };
            assert_eq!(name.rsplit('.').next(), Some(kind), "{name}");
        }
        assert!(files.len() >= 30, "{}", files.len());
    }
}
