//! RTP (RFC 3550), RTCP and RFC 4733 keys, sans-IO.
//!
//! ```text
//!  datagram ─► Packet ─► Reception (what is new, what was lost, jitter) ─► sound
//!                 └────► EventKeys (RFC 4733) ─► one key per press
//!  datagram ─► rtcp::read ─► Report        rtcp::write ─► datagram
//! ```

mod keys;
mod packet;
mod reception;
pub mod rtcp;

pub use keys::EventKeys;
pub use packet::{HEADER, Header, Packet, PacketError, is_rtcp};
pub use reception::{Arrival, Reception, ReceptionReport};

#[cfg(test)]
mod tests {
    use super::*;

    /// The fuzzer's corpus: the ending of a name is what the datagram is.
    #[test]
    fn the_corpus_is_read_as_its_names_say() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/fuzz/corpus/rtp");
        let mut count = 0;
        for file in std::fs::read_dir(folder).expect("the corpus is committed").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let datagram = std::fs::read(file.path()).expect("a file");
            let kind = match (Packet::read(&datagram), rtcp::read(&datagram, 9)) {
                (Ok(packet), None) => {
                    let _ = EventKeys::default().packet(&packet.header, packet.payload);
                    "rtp"
                }
                (Err(_), Some(_)) => "rtcp",
                (Err(_), None) if is_rtcp(&datagram) => "badrtcp",
                (Err(_), None) => "bad",
                (Ok(_), Some(_)) => "both",
            };
            assert_eq!(name.rsplit('.').next(), Some(kind), "{name}");
            count += 1;
        }
        assert!(count >= 30, "{count}");
    }
}
