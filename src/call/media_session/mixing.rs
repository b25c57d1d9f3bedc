//! The sound of other sessions in one packet. That of one passes octet by octet; that of several is decoded, added and encoded.
//!
//! ```text
//!  relay ──► octets ──► samples ─┐
//!                                ├─ sum, limited to 16 bits ──► octets of the packet
//!  relay ──► octets ──► samples ─┘
//! ```
//!
//! A source that is silent changes nothing: the smallest values of A-law, ±8, count as 0, or each silent source would move the sum
//! by half a step. So the octets of the one who speaks come out as they went in, whoever else is connected. Loud sources together
//! are limited, not wrapped (ITU-T G.711 has no room above 16 bits).

use super::relay::Relay;
use audio::g711;
use base::Codec;

/// So many other sessions one session hears at most.
pub const SOURCES_MAX: usize = 2;
/// So many other sessions hear one session at most.
pub const LISTENERS_MAX: usize = 2;

/// Fills a packet of this codec with what is due of each relay.
pub(super) fn take(relays: &mut [Option<Box<Relay>>], codec: Codec, to: &mut [u8]) {
    let mut present = relays.iter_mut().flatten();
    match (present.next(), present.next()) {
        (None, _) => to.fill(g711::idle(codec)),
        (Some(only), None) => only.take(codec, to),
        (Some(one), Some(other)) => {
            let mut sum = Sum::of(to.len());
            [one, other].into_iter().chain(present).for_each(|relay| sum.add(relay, codec));
            sum.encode(codec, to);
        }
    }
}

/// Passes over what is due.
pub(super) fn skip(relays: &mut [Option<Box<Relay>>], samples: u32) {
    relays.iter_mut().flatten().for_each(|relay| relay.skip(samples));
}

/// Samples that are added up, on the stack: nothing is allocated for a packet.
struct Sum {
    samples: [i32; PACKET_MAX],
    length: usize,
}

impl Sum {
    fn of(length: usize) -> Sum {
        Sum { samples: [0; PACKET_MAX], length: length.min(PACKET_MAX) }
    }

    fn add(&mut self, relay: &mut Relay, codec: Codec) {
        let mut octets = [0; PACKET_MAX];
        let octets = &mut octets[..self.length];
        relay.take(codec, octets);
        for (sum, octet) in self.samples.iter_mut().zip(octets) {
            *sum += level(codec, *octet);
        }
    }

    fn encode(&self, codec: Codec, to: &mut [u8]) {
        for (octet, sum) in to.iter_mut().zip(&self.samples) {
            *octet = g711::encode(codec, (*sum).clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        }
    }
}

/// An octet as a sample, silence as 0.
fn level(codec: Codec, octet: u8) -> i32 {
    let is_silence = (octet ^ g711::idle(codec)) & 0x7F == 0;
    if is_silence { 0 } else { g711::decode(codec, octet).into() }
}

/// 60 ms: no packet holds more.
const PACKET_MAX: usize = 480;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::relay::tests::start;
    use super::*;

    const LAWS: [Codec; 2] = [Codec::Alaw, Codec::Ulaw];

    /// A relay in which these octets wait.
    fn relay(codec: Codec, octets: &[u8]) -> Option<Box<Relay>> {
        let mut relay = Relay::new(codec, 160);
        relay.push(start(), 0, (codec, octets), (true, false));
        relay.skip(160);
        Some(Box::new(relay))
    }

    fn mixed(codec: Codec, sources: &[(Codec, &[u8])]) -> Vec<u8> {
        let mut relays: Vec<_> = sources.iter().map(|(law, octets)| relay(*law, octets)).collect();
        let mut packet = vec![0; sources[0].1.len()];
        take(&mut relays, codec, &mut packet);
        packet
    }

    #[test]
    fn without_a_source_there_is_silence_and_one_source_passes_unchanged() {
        for codec in LAWS {
            let every: Vec<u8> = (0..=255).collect();
            assert_eq!(mixed(codec, &[(codec, &every)]), every);
            let mut packet = [0; 160];
            take(&mut [None, None], codec, &mut packet);
            assert_eq!(packet, [g711::idle(codec); 160]);
        }
    }

    #[test]
    fn a_silent_source_changes_no_octet_of_the_other_one() {
        for codec in LAWS {
            // Silence has two codes; the sum has the positive one.
            let negative = g711::idle(codec) & 0x7F;
            let every: Vec<u8> = (0..=255).filter(|octet| *octet != negative).collect();
            for silence in [g711::idle(codec), negative] {
                let silent = vec![silence; every.len()];
                assert_eq!(mixed(codec, &[(codec, &every), (codec, &silent)]), every, "{codec:?}");
                assert_eq!(mixed(codec, &[(codec, &silent), (codec, &every)]), every, "{codec:?}");
            }
        }
    }

    #[test]
    fn two_loud_sources_are_limited_and_never_wrap() {
        for codec in LAWS {
            for (loud, sample) in [(g711::encode(codec, i16::MAX), 1), (g711::encode(codec, i16::MIN), -1)] {
                let sum = mixed(codec, &[(codec, &[loud; 80]), (codec, &[loud; 80])]);
                assert!(sum.iter().all(|octet| *octet == loud), "{codec:?} {sample}");
            }
            let (up, down) = (g711::encode(codec, 20_000), g711::encode(codec, -20_000));
            let sum = mixed(codec, &[(codec, &[up; 80]), (codec, &[down; 80])]);
            assert!(sum.iter().all(|octet| *octet == g711::idle(codec)), "opposite sounds are silence");
        }
    }

    #[test]
    fn a_lost_packet_of_one_source_is_silence_of_that_one_alone() {
        let codec = Codec::Alaw;
        let (mut relays, voice) = ([relay(codec, &[0x91; 160]), Some(Box::new(Relay::new(codec, 160)))], [0x91; 160]);
        let mut packet = [0; 160];
        take(&mut relays, codec, &mut packet);
        assert_eq!(packet, voice, "nothing has come of the other");
    }

    proptest! {
        #[test]
        fn a_sum_is_the_nearest_code_of_both_samples_in_any_order(
            one in proptest::collection::vec(any::<u8>(), 80),
            other in proptest::collection::vec(any::<u8>(), 80),
            laws in (0usize..2, 0usize..2, 0usize..2),
        ) {
            let (first, second, codec) = (LAWS[laws.0], LAWS[laws.1], LAWS[laws.2]);
            let sum = mixed(codec, &[(first, &one), (second, &other)]);
            prop_assert_eq!(&sum, &mixed(codec, &[(second, &other), (first, &one)]));
            for ((one, other), sum) in one.iter().zip(&other).zip(&sum) {
                let in_law = |law, octet: &u8| level(codec, g711::transcode(law, codec, *octet));
                let exact = (in_law(first, one) + in_law(second, other)).clamp(i16::MIN.into(), i16::MAX.into());
                prop_assert_eq!(*sum, g711::encode(codec, exact as i16));
                // A step of either law is at most 1/16 of its value.
                let error = (i32::from(g711::decode(codec, *sum)) - exact).abs();
                prop_assert!(error <= 16 + exact.abs() / 16, "{} for {}", error, exact);
            }
        }
    }
}
