//! RTP and RTCP (RFC 3550) and telephone events (RFC 4733), sans-IO.
//!
//! ```text
//!  datagram ─► Packet ─► Reception (what is new, what was lost, jitter) ─► sound
//!                 └────► EventKeys (RFC 4733) ─► one key per press
//!  datagram ─► rtcp::read ─► Report        rtcp::write ─► datagram
//! ```

mod packet;
mod reception;
pub mod rtcp;
mod telephone_event;

pub use packet::{HEADER_OCTETS, Header, Packet, PacketError, is_rtcp};
pub use reception::{Reception, ReceptionReport, SequencePlace};
pub use telephone_event::TelephoneEvents;

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
                    let _ = TelephoneEvents::default().packet(&packet.header, packet.payload);
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
