//! Packets that tell when they were sent: their octets pass a bridge unchanged, in other packets if need be.

/// A packet of 20 ms that was sent at this time, in nanoseconds of the wall clock.
pub(crate) fn mark(sent: u64) -> [u8; 160] {
    let mut sound = [0xD5; 160];
    sound[..4].copy_from_slice(&MAGIC);
    sound[4..12].copy_from_slice(&sent.to_be_bytes());
    sound
}

/// What a telephone heard of marks.
#[derive(Default)]
pub(crate) struct Ear {
    /// The end of the last packet: a mark may begin there.
    end: Vec<u8>,
    /// When the first mark was heard.
    pub(crate) first: Option<u64>,
}

impl Ear {
    /// Finds the marks of a packet that came at this time. A mark in the middle of a packet is heard so much later than its beginning.
    pub(crate) fn hears(&mut self, sound: &[u8], at: u64, measuring: Option<u64>, delays: &mut Vec<f64>) {
        let before = self.end.len();
        let octets = [&self.end[..], sound].concat();
        for (n, found) in octets.windows(12).enumerate().filter(|(_, window)| window[..4] == MAGIC) {
            let sent = u64::from_be_bytes(found[4..].try_into().expect("eight octets"));
            self.first.get_or_insert(at);
            if measuring.is_some_and(|since| sent >= since) {
                let into = (n as f64 - before as f64) / 8.0;
                delays.push(at as f64 / 1e6 - sent as f64 / 1e6 + into);
            }
        }
        self.end = octets[octets.len().saturating_sub(11)..].to_vec();
    }
}

const MAGIC: [u8; 4] = [0x11, 0xEE, 0x22, 0xDD];
