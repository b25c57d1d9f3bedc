//! ITU-T G.711: 16-bit samples ↔ A-law and µ-law octets, value for value as ITU-T G.191's reference code.

use base::Codec;

/// The octet of silence: the code of the smallest value (A-law 0xD5, µ-law 0xFF).
pub fn idle(codec: Codec) -> u8 {
    match codec {
        Codec::Alaw => 0xD5,
        Codec::Ulaw => 0xFF,
    }
}

/// One sample as an octet.
pub fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Alaw => encode_alaw(sample),
        Codec::Ulaw => encode_ulaw(sample),
    }
}

/// One octet as a sample.
pub fn decode(codec: Codec, octet: u8) -> i16 {
    match codec {
        Codec::Alaw => ALAW[usize::from(octet)],
        Codec::Ulaw => ULAW[usize::from(octet)],
    }
}

/// Whether each sample's magnitude is below `limit`, which is positive.
pub fn is_softer_than(codec: Codec, octets: &[u8], limit: i16) -> bool {
    // Without its sign, and turned as it is sent, an octet grows with the magnitude in both laws.
    let turned = match codec {
        Codec::Alaw => 0x55,
        Codec::Ulaw => 0xFF,
    };
    let loudest = octets.iter().fold(0, |loudest: u8, octet| loudest.max((octet ^ turned) & 0x7F));
    octets.is_empty() || decode(codec, loudest ^ turned).saturating_abs() < limit
}

/// An octet of one law in the other.
pub fn transcode(from: Codec, to: Codec, octet: u8) -> u8 {
    match (from, to) {
        (Codec::Alaw, Codec::Ulaw) => ALAW_IN_ULAW[usize::from(octet)],
        (Codec::Ulaw, Codec::Alaw) => ULAW_IN_ALAW[usize::from(octet)],
        (Codec::Alaw, Codec::Alaw) | (Codec::Ulaw, Codec::Ulaw) => octet,
    }
}

const fn encode_alaw(sample: i16) -> u8 {
    let magnitude = if sample < 0 { !sample } else { sample } >> 4;
    let mut code = magnitude;
    if code > 15 {
        // The highest bit gives the segment, the four bits below it the step.
        let exponent = 12 - magnitude.leading_zeros() as i16;
        code = (magnitude >> (exponent - 1)) - 16 + (exponent << 4);
    }
    let sign = if sample >= 0 { 0x80 } else { 0 };
    (code as u8 | sign) ^ 0x55
}

const fn encode_ulaw(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample } >> 2) + 33;
    let magnitude = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    // At least 33, so that the highest bit gives the segment, from 1 on.
    let segment = 11 - magnitude.leading_zeros();
    let high = (8 - segment) as u8;
    let low = 0x0F - ((magnitude >> segment) & 0x0F) as u8;
    let sign = if sample >= 0 { 0x80 } else { 0 };
    (high << 4) | low | sign
}

const fn decode_alaw(octet: u8) -> i16 {
    let code = (octet ^ 0x55) & 0x7F;
    let exponent = code >> 4;
    let mut value = (code & 0x0F) as i16;
    if exponent > 0 {
        value += 16;
    }
    value = (value << 4) + 8;
    if exponent > 1 {
        value <<= exponent - 1;
    }
    if octet > 127 { value } else { -value }
}

const fn decode_ulaw(octet: u8) -> i16 {
    let inverted = !octet;
    let exponent = (inverted >> 4) & 7;
    let mantissa = (inverted & 0x0F) as i16;
    let step = 8 << exponent;
    let value = (0x80 << exponent) + step * mantissa + step / 2 - 132;
    if octet < 128 { -value } else { value }
}

const fn table(ulaw: bool) -> [i16; 256] {
    let mut values = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        values[octet] = if ulaw { decode_ulaw(octet as u8) } else { decode_alaw(octet as u8) };
        octet += 1;
    }
    values
}

const fn exchange(ulaw: bool) -> [u8; 256] {
    let mut octets = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let code = octet as u8;
        octets[octet] = if ulaw { encode_alaw(decode_ulaw(code)) } else { encode_ulaw(decode_alaw(code)) };
        octet += 1;
    }
    octets
}

static ALAW_IN_ULAW: [u8; 256] = exchange(false);
static ULAW_IN_ALAW: [u8; 256] = exchange(true);
static ALAW: [i16; 256] = table(false);
static ULAW: [i16; 256] = table(true);

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: [Codec; 2] = [Codec::Alaw, Codec::Ulaw];

    #[test]
    fn sound_is_softer_than_a_limit_if_each_sample_is() {
        for codec in LAWS {
            for octet in 0..=255 {
                let magnitude = decode(codec, octet).saturating_abs();
                assert!(is_softer_than(codec, &[idle(codec), octet], magnitude + 1));
                assert!(magnitude <= 8 || !is_softer_than(codec, &[idle(codec), octet], magnitude));
            }
            assert!(is_softer_than(codec, &[], 1));
        }
    }

    #[test]
    fn known_values_are_those_of_the_standard() {
        // ITU-T G.711 tables 1a and 2a: the largest values, the smallest, and the idle codes.
        for (codec, octet, sample) in [
            (Codec::Alaw, 0xAA, 32256),
            (Codec::Alaw, 0x2A, -32256),
            (Codec::Alaw, 0xD5, 8),
            (Codec::Alaw, 0x55, -8),
            (Codec::Ulaw, 0x80, 32124),
            (Codec::Ulaw, 0x00, -32124),
            (Codec::Ulaw, 0xFF, 0),
            (Codec::Ulaw, 0x7F, 0),
        ] {
            assert_eq!(decode(codec, octet), sample, "{codec:?} {octet:#x}");
        }
        for (codec, sample, octet) in [
            (Codec::Alaw, 0, 0xD5),
            (Codec::Alaw, -1, 0x55),
            (Codec::Alaw, i16::MAX, 0xAA),
            (Codec::Alaw, i16::MIN, 0x2A),
            (Codec::Alaw, 1000, 0xFA),
            (Codec::Ulaw, 0, 0xFF),
            (Codec::Ulaw, i16::MAX, 0x80),
            (Codec::Ulaw, i16::MIN, 0x00),
            (Codec::Ulaw, 1000, 0xCE),
        ] {
            assert_eq!(encode(codec, sample), octet, "{codec:?} {sample}");
        }
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for codec in LAWS {
            for octet in 0..=255 {
                let again = encode(codec, decode(codec, octet));
                // µ-law has two codes for zero.
                let expected = if codec == Codec::Ulaw && octet == 0x7F { 0xFF } else { octet };
                assert_eq!(again, expected, "{codec:?} {octet:#x}");
            }
        }
    }

    #[test]
    fn a_louder_sample_never_becomes_a_softer_one_and_the_error_is_bounded() {
        for codec in LAWS {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let decoded = decode(codec, encode(codec, sample));
                assert!(decoded >= last, "{codec:?} {sample}");
                last = decoded;
                let error = (i32::from(decoded) - i32::from(sample)).abs();
                assert!(error <= (i32::from(sample).abs() / 16).clamp(16, 1024), "{codec:?} {sample} {decoded}");
            }
        }
    }

    #[test]
    fn idle_is_silence_in_either_law() {
        for codec in LAWS {
            assert_eq!(encode(codec, 0), idle(codec));
            assert!(decode(codec, idle(codec)).abs() <= 8);
        }
        for octet in 0..=255 {
            for (from, to) in [(Codec::Alaw, Codec::Ulaw), (Codec::Ulaw, Codec::Alaw)] {
                assert_eq!(transcode(from, to, octet), encode(to, decode(from, octet)), "{from:?} {octet}");
            }
        }
    }
}
