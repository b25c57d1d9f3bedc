//! Senders and receivers against each other, against a model of what is accepted, and against any bytes.

mod vectors;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
fn start() -> Instant {
    Instant::now()
}

fn key(suite: Suite, number: u8) -> MasterKey {
    MasterKey::new(suite, &vec![number; suite.master_octets()]).expect("its length")
}

/// A telephone that protects what it sends, and can send any packet again.
struct Phone(Sender);

impl Phone {
    fn new(key: MasterKey) -> Phone {
        Phone(Sender::new(key))
    }

    fn rtp(&mut self, sequence: u16) -> Vec<u8> {
        sealed_rtp(&mut self.0, sequence, 7)
    }

    fn rtcp(&mut self) -> Vec<u8> {
        let mut buffer = [0x81, 201, 0, 1, 0, 0, 0, 7].to_vec();
        buffer.resize(8 + RTCP_TRAILER_MAX, 0);
        let length = self.0.protect_rtcp(&mut buffer, 8).expect("room");
        buffer.truncate(length);
        buffer
    }
}

fn plain_rtp(sequence: u16, ssrc: u8) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    [&[0x80, 8, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc][..], &[0xD5; 160]].concat()
}

fn sealed_rtp(sender: &mut Sender, sequence: u16, ssrc: u8) -> Vec<u8> {
    let mut buffer = plain_rtp(sequence, ssrc);
    let length = buffer.len();
    buffer.resize(length + RTP_TRAILER_MAX, 0);
    let length = sender.protect_rtp(&mut buffer, length).expect("in order, with room");
    buffer.truncate(length);
    buffer
}

fn open(receiver: &mut Receiver, now: Instant, packet: &[u8]) -> Result<Vec<u8>, PacketError> {
    let mut plain = Vec::new();
    receiver.unprotect_rtp(now, packet, &mut plain).map(|()| plain)
}

fn open_rtcp(receiver: &mut Receiver, now: Instant, packet: &[u8]) -> Result<Vec<u8>, PacketError> {
    let mut plain = Vec::new();
    receiver.unprotect_rtcp(now, packet, &mut plain).map(|()| plain)
}

#[test]
fn each_packet_is_accepted_once_and_a_forged_one_never() {
    for suite in Suite::ALL {
        let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let (now, packet, report) = (start(), phone.rtp(5), phone.rtcp());
        for at in 0..packet.len() {
            let mut forged = packet.clone();
            forged[at] ^= 1;
            assert!(open(&mut receiver, now, &forged).is_err(), "{suite:?} {at}");
        }
        for at in 0..report.len() {
            let mut forged = report.clone();
            forged[at] ^= 0x80;
            assert!(open_rtcp(&mut receiver, now, &forged).is_err(), "{suite:?} {at}");
        }
        assert_eq!(open(&mut receiver, now, &plain_rtp(5, 7)), Err(PacketError::Forged), "not protected at all");
        assert_eq!(open(&mut receiver, now, &packet), Ok(plain_rtp(5, 7)));
        assert_eq!(open(&mut receiver, now, &packet), Err(PacketError::Replayed));
        assert_eq!(open_rtcp(&mut receiver, now, &report), Ok(vec![0x81, 201, 0, 1, 0, 0, 0, 7]));
        assert_eq!(open_rtcp(&mut receiver, now, &report), Err(PacketError::Replayed));
    }
}

#[test]
fn rtcp_that_is_only_authenticated_is_refused() {
    for suite in Suite::ALL {
        let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let mut report = phone.rtcp();
        let word = if suite.is_gcm() { report.len() - 4 } else { report.len() - suite.rtcp_tag() - 4 };
        report[word] &= 0x7F;
        assert_eq!(open_rtcp(&mut receiver, start(), &report), Err(PacketError::NotEncrypted), "{suite:?}");
    }
}

#[test]
fn packets_too_short_for_header_and_tag_are_refused() {
    for suite in Suite::ALL {
        let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let (packet, report, now) = (phone.rtp(5), phone.rtcp(), start());
        for length in 0..12 + suite.rtp_tag() {
            assert_eq!(open(&mut receiver, now, &packet[..length]), Err(PacketError::TooShort), "{length}");
        }
        for length in 0..8 {
            assert_eq!(open_rtcp(&mut receiver, now, &report[..length]), Err(PacketError::TooShort), "{length}");
        }
        let endless = [&[0x9F, 8, 0, 5][..], &[0xFF; 300]].concat();
        assert_eq!(open(&mut receiver, now, &endless), Err(PacketError::TooShort), "an extension past the end");
    }
}

#[test]
fn a_stream_goes_on_over_the_wrap_of_its_sequence_numbers() {
    for suite in Suite::ALL {
        let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let now = start();
        for number in 0..200_000_u32 {
            let packet = phone.rtp((number + 0x7FF0) as u16);
            if number % 13 == 0 {
                assert!(open(&mut receiver, now, &packet).is_ok(), "{suite:?} {number}");
            }
        }
    }
}

#[test]
fn a_receiver_that_missed_the_first_wrap_or_much_of_the_stream_finds_the_counter() {
    let suite = Suite::AeadAes128Gcm;
    for heard in [[65_530_u32, 65_537], [65_540, 65_541], [90_000, 90_001], [10, 50_000], [60_000, 125_000]] {
        let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let packets: Vec<Vec<u8>> = (0..=heard[1]).map(|number| phone.rtp(number as u16)).collect();
        for number in heard {
            assert!(open(&mut receiver, start(), &packets[number as usize]).is_ok(), "{heard:?} {number}");
        }
    }
    // The first packet to arrive is the one after the wrap, and those before it are late.
    let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
    let mut packets: Vec<Vec<u8>> = (65_500..65_600_u32).map(|number| phone.rtp(number as u16)).collect();
    packets.reverse();
    assert!(packets.iter().all(|packet| open(&mut receiver, start(), packet).is_ok()));
    assert!(packets.iter().all(|packet| open(&mut receiver, start(), packet) == Err(PacketError::Replayed)));
}

#[test]
fn packets_of_the_earlier_key_are_accepted_for_a_while() {
    let suite = Suite::AesCm128HmacSha1Tag80;
    for (next, both) in [(suite, false), (Suite::AeadAes256Gcm, false), (suite, true)] {
        let (mut before, mut after) = (Phone::new(key(suite, 1)), Phone::new(key(next, 2)));
        let mut receiver = Receiver::new(key(suite, 1).into());
        let now = start();
        let old: Vec<Vec<u8>> = (0..8).map(|number| before.rtp(number)).collect();
        assert!(open(&mut receiver, now, &old[0]).is_ok());
        receiver.set_key(now, &key(next, 2).into());
        assert_eq!(open(&mut receiver, now, &old[0]), Err(PacketError::Replayed));
        let last = now + EARLIER_KEY_TIME - Duration::from_millis(1);
        assert!(open(&mut receiver, if both { now } else { last }, &old[1]).is_ok());
        if both {
            assert!(open(&mut receiver, now, &after.rtp(8)).is_ok());
            assert!(open(&mut receiver, now + REORDER_TIME / 2, &old[2]).is_ok());
            assert_eq!(open(&mut receiver, now + REORDER_TIME, &old[3]), Err(PacketError::Forged));
        } else {
            assert_eq!(open(&mut receiver, now + EARLIER_KEY_TIME, &old[3]), Err(PacketError::Forged));
            assert!(open(&mut receiver, now + EARLIER_KEY_TIME, &after.rtp(9)).is_ok());
        }
    }
}

#[test]
fn the_same_key_keeps_the_counter_and_the_window() {
    let suite = Suite::AeadAes128Gcm;
    let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
    let now = start();
    let packets: Vec<Vec<u8>> = (0..200_000_u32).map(|number| phone.rtp(number as u16)).collect();
    assert!(packets.iter().step_by(999).all(|packet| open(&mut receiver, now, packet).is_ok()));
    receiver.set_key(now, &key(suite, 1).into());
    assert_eq!(open(&mut receiver, now, &packets[199_800]), Err(PacketError::Replayed));
    assert!(open(&mut receiver, now, &packets[199_999]).is_ok());
    // Away from a key and back to it: what was received under it is still known.
    receiver.set_key(now, &key(suite, 2).into());
    receiver.set_key(now, &key(suite, 1).into());
    assert_eq!(open(&mut receiver, now, &packets[199_999]), Err(PacketError::Replayed));
}

/// libsrtp keeps the counter when its key is replaced; a stream that begins again has none.
#[test]
fn a_peer_may_keep_its_counter_over_a_change_of_key() {
    let suite = Suite::AeadAes128Gcm;
    for kept in [true, false] {
        let (mut before, mut after) = (Phone::new(key(suite, 1)), Phone::new(key(suite, 2)));
        let mut receiver = Receiver::new(key(suite, 1).into());
        for number in 0..200_000_u32 {
            let (old, new) = (before.rtp(number as u16), after.rtp(number as u16));
            match number {
                ..190_000 => assert!(open(&mut receiver, start(), &old).is_ok()),
                190_000 if kept => receiver.set_key(start(), &key(suite, 2).into()),
                190_000 => {
                    receiver.set_key(start(), &key(suite, 2).into());
                    after = Phone::new(key(suite, 2));
                }
                _ => assert!(open(&mut receiver, start(), &new).is_ok(), "{kept} {number}"),
            }
            if number == 190_000 && !kept {
                after.rtp(number as u16);
            }
        }
    }
}

#[test]
fn a_master_key_identifier_is_expected_and_cut_off() {
    for suite in Suite::ALL {
        let mki = vec![0, 0, 0, 1];
        let mut phone = Phone::new(key(suite, 1));
        let mut receiver = Receiver::new(PeerKey { key: key(suite, 1), mki: mki.clone() });
        let with = |packet: &[u8], tag: usize, mki: &[u8]| {
            let (rest, tag) = packet.split_at(packet.len() - if suite.is_gcm() { 0 } else { tag });
            [rest, mki, tag].concat()
        };
        let packet = phone.rtp(3);
        assert_eq!(open(&mut receiver, start(), &packet), Err(PacketError::Forged));
        assert!(open(&mut receiver, start(), &with(&packet, suite.rtp_tag(), &[0, 0, 0, 2])).is_err());
        assert!(open(&mut receiver, start(), &with(&packet, suite.rtp_tag(), &mki)).is_ok());
        let report = phone.rtcp();
        assert!(open_rtcp(&mut receiver, start(), &report).is_err());
        assert!(open_rtcp(&mut receiver, start(), &with(&report, suite.rtcp_tag(), &mki)).is_ok());
    }
}

#[test]
fn several_sources_have_windows_of_their_own_up_to_a_bound() {
    let suite = Suite::AeadAes128Gcm;
    let mut receiver = Receiver::new(key(suite, 1).into());
    let packets: Vec<Vec<u8>> = (0..=255).map(|ssrc| sealed_rtp(&mut Sender::new(key(suite, 1)), 9, ssrc)).collect();
    for packet in &packets[..STREAMS_MAX] {
        assert!(open(&mut receiver, start(), packet).is_ok());
    }
    for packet in &packets[..STREAMS_MAX] {
        assert_eq!(open(&mut receiver, start(), packet), Err(PacketError::Replayed));
    }
    assert!(packets[STREAMS_MAX..].iter().all(|packet| open(&mut receiver, start(), packet).is_ok()));
}

#[test]
fn a_sender_uses_no_index_twice() {
    let mut phone = Sender::new(key(Suite::AeadAes256Gcm, 1));
    let mut protect = |sequence, ssrc, room: usize| {
        let mut buffer = plain_rtp(sequence, ssrc);
        buffer.resize(172 + room, 0);
        phone.protect_rtp(&mut buffer, 172)
    };
    assert_eq!(protect(65_535, 7, 15), Err(SendError::NoRoom));
    assert_eq!(protect(65_535, 7, 16), Ok(188));
    assert_eq!(protect(65_535, 7, 16), Err(SendError::Reused));
    assert_eq!(protect(65_534, 7, 16), Err(SendError::Reused));
    assert_eq!(protect(0, 8, 16), Err(SendError::OtherSource));
    assert_eq!(protect(0, 7, 16), Ok(188));
    assert_eq!(phone.protect_rtp(&mut [0x80; 40], 41), Err(SendError::Packet));
    assert_eq!(phone.protect_rtcp(&mut [0x80; 40], 7), Err(SendError::Packet));
}

#[test]
fn keys_are_new_each_time_and_never_printed() {
    let mut generator = KeyGenerator::new([7; 32]);
    for suite in Suite::ALL {
        let (one, other) = (generator.next_key(suite), generator.next_key(suite));
        assert!(one != other && one.expose().len() == suite.master_octets());
        assert_eq!(one, MasterKey::new(suite, one.expose()).expect("its length"));
        assert_eq!(format!("{one:?}"), format!("MasterKey({}, _)", suite.name()));
        assert_eq!(Suite::from_name(&suite.name().to_lowercase()), Some(suite));
        let expected = suite.master_octets();
        assert_eq!(MasterKey::new(suite, &[0; 9]).expect_err("too short"), KeyLengthError { expected, got: 9 });
    }
    assert_eq!(format!("{generator:?}"), "KeyGenerator(_, 8 made)");
}

/// What a receiver must accept: what it has not had, unless it is behind the window.
#[derive(Default)]
struct Model {
    had: BTreeSet<u64>,
}

impl Model {
    fn expected(&mut self, index: u64) -> Result<(), PacketError> {
        let newest = self.had.last().copied().unwrap_or(index);
        if index + WINDOW <= newest {
            return Err(PacketError::TooOld);
        }
        if self.had.insert(index) { Ok(()) } else { Err(PacketError::Replayed) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Loss, duplicates and disorder in any mixture, around the wrap.
    #[test]
    fn what_is_accepted_is_what_the_model_says(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        first in 65_000_u32..65_530,
        picks in prop::collection::vec(0_usize..600, 1..400),
        steady in 0_usize..400,
    ) {
        let (mut phone, mut receiver) = (Phone::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let packets: Vec<Vec<u8>> = (first..first + 600).map(|number| phone.rtp(number as u16)).collect();
        let mut model = Model::default();
        for at in (0..steady).chain(picks) {
            let result = open(&mut receiver, start(), &packets[at]).map(|_| ());
            prop_assert_eq!(result, model.expected(u64::from(first) + at as u64), "{}", at);
        }
    }

    #[test]
    fn any_bytes_are_met_and_refused(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        mki in prop::collection::vec(any::<u8>(), 0..5),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        version in any::<bool>(),
        rekeyed in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut().filter(|_| version) {
            *first = *first & 0x3F | 0x80;
        }
        let mut receiver = Receiver::new(PeerKey { key: key(suite, 1), mki });
        if rekeyed {
            receiver.set_key(start(), &key(Suite::AeadAes128Gcm, 2).into());
        }
        prop_assert!(open(&mut receiver, start(), &bytes).is_err());
        prop_assert!(open_rtcp(&mut receiver, start(), &bytes).is_err());
    }

    #[test]
    fn what_is_protected_is_restored(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        payload in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        // The SSRC stands where RTP has it and where RTCP has it.
        let plain = [&[0x80, 8, 0, 1, 0, 0, 0, 7, 0, 0, 0, 7][..], &payload].concat();
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + RTCP_TRAILER_MAX, 0);
        let (mut sender, mut receiver) = (Sender::new(key(suite, 1)), Receiver::new(key(suite, 1).into()));
        let length = sender.protect_rtp(&mut buffer, plain.len()).expect("room");
        prop_assert_eq!(open(&mut receiver, start(), &buffer[..length]), Ok(plain.clone()));
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + RTCP_TRAILER_MAX, 0);
        let length = sender.protect_rtcp(&mut buffer, plain.len()).expect("room");
        prop_assert_eq!(open_rtcp(&mut receiver, start(), &buffer[..length]), Ok(plain));
    }
}
