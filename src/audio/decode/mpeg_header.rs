//! The header of a frame of MPEG audio (ISO/IEC 11172-3 §2.4.1.3) or of AAC in ADTS (ISO/IEC 13818-7 §6.2).

/// Whether it begins as a frame does.
pub(super) fn is_frame(bytes: &[u8]) -> bool {
    Header::read(bytes).is_some()
}

/// What the headers of one stream have in common, and the extent of one frame.
#[derive(Clone, Copy)]
pub(super) struct Header {
    /// Version, layer or profile, and rate: the same in every frame.
    pub key: u32,
    pub adts: bool,
    /// The profile of AAC.
    pub profile: u8,
    pub channels: u8,
    /// Octets with the header.
    pub octets: usize,
    pub samples: u64,
    pub rate: u32,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let word = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
        if word >> 20 != 0xFFF && word >> 21 != 0x7FF {
            return None;
        }
        if word >> 17 & 3 == 0 { Header::adts(bytes) } else { Header::mpeg(word) }
    }

    fn mpeg(word: u32) -> Option<Header> {
        let (version, layer) = (word >> 19 & 3, 4 - (word >> 17 & 3));
        let (index, rate) = ((word >> 12 & 15) as usize, (word >> 10 & 3) as usize);
        let half = match version {
            0 => 4,
            2 => 2,
            3 => 1,
            _ => return None,
        };
        let rate = [44_100, 48_000, 32_000].get(rate)? / half;
        let table = match (version, layer) {
            (3, 1) => &BIT_RATES[0],
            (3, 2) => &BIT_RATES[1],
            (3, _) => &BIT_RATES[2],
            (_, 1) => &BIT_RATES[3],
            _ => &BIT_RATES[4],
        };
        let bit_rate = table.get(index.checked_sub(1)?)? * 1000;
        let padding = word >> 9 & 1;
        let (octets, samples) = match (layer, version) {
            (1, _) => ((12 * bit_rate / rate + padding) * 4, 384),
            (3, 0 | 2) => (72 * bit_rate / rate + padding, 576),
            _ => (144 * bit_rate / rate + padding, 1152),
        };
        let key = word & 0xFFFE_0C00;
        Some(Header { key, adts: false, profile: 0, channels: 0, octets: octets as usize, samples, rate })
    }

    fn adts(bytes: &[u8]) -> Option<Header> {
        let head = bytes.get(..7)?;
        let rate = *ADTS_RATES.get(usize::from(head[2] >> 2 & 15))?;
        let octets = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        if head[0] != 0xFF || head[1] & 0xF6 != 0xF0 || octets < 8 {
            return None;
        }
        let key = u32::from_be_bytes([head[0], head[1] & 0xFE, head[2] & 0xFD, head[3] & 0xC0]);
        let channels = (head[2] & 1) << 2 | head[3] >> 6;
        Some(Header { key, adts: true, profile: head[2] >> 6, channels, octets, samples: 1024, rate })
    }
}

const ADTS_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// kbit/s of MPEG 1 by layer, then of MPEG 2: layer 1, layers 2 and 3.
const BIT_RATES: [[u32; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
