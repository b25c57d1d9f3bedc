//! The codecs and the packet time that a trunk's settings prefer, in answers, offers and later descriptions.

use super::*;

const ORDERS: [&[Codec]; 4] =
    [&[Codec::Alaw], &[Codec::Ulaw], &[Codec::Alaw, Codec::Ulaw], &[Codec::Ulaw, Codec::Alaw]];

fn ours(codecs: &[Codec], ms: u64) -> LocalMedia {
    let codecs = Codecs::new(codecs).expect("a list");
    LocalMedia { codecs, ptime: Duration::from_millis(ms), ..OURS }
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).expect("ASCII")
}

fn times(description: &str) -> Vec<&str> {
    description.lines().filter_map(|line| line.strip_prefix("a=ptime:")).collect()
}

#[test]
fn answers_take_the_preferred_codec_and_refuse_what_is_not_listed() {
    for (codecs, offered, agreed) in [
        (&[Codec::Ulaw, Codec::Alaw][..], "8 0", Some((Codec::Ulaw, 0))),
        (&[Codec::Ulaw, Codec::Alaw], "8", Some((Codec::Alaw, 8))),
        (&[Codec::Alaw, Codec::Ulaw], "0 8", Some((Codec::Alaw, 8))),
        (&[Codec::Ulaw], "8 0", Some((Codec::Ulaw, 0))),
        (&[Codec::Ulaw], "8", None),
        (&[Codec::Alaw], "0 18", None),
    ] {
        let offer = offer_of(&format!("m=audio 4000 RTP/AVP {offered}"));
        match (answer(&offer, &ours(codecs, 20)), agreed) {
            (Ok((negotiated, answer)), Some((codec, payload))) => {
                assert_eq!((negotiated.codec, negotiated.payload), (codec, payload), "{codecs:?} of {offered}");
                assert_eq!(m_lines(&text(answer)), [format!("m=audio 20000 RTP/AVP {payload}")]);
            }
            (Err(Rejection::NotAcceptable { warning, .. }), None) => assert_eq!(warning, 305),
            (other, _) => panic!("{codecs:?} of {offered}: {other:?}"),
        }
    }
}

#[test]
fn the_next_audio_line_is_taken_if_the_first_has_no_usable_codec() {
    let offer = offer_of("m=audio 4000 RTP/AVP 8|m=audio 4002 RTP/AVP 0");
    let (_, answer) = answer(&offer, &ours(&[Codec::Ulaw], 20)).expect("usable");
    assert_eq!(m_lines(&text(answer)), ["m=audio 0 RTP/AVP 8", "m=audio 20000 RTP/AVP 0"]);
}

#[test]
fn offers_list_the_codecs_in_their_order() {
    for (codecs, line) in [
        (&[Codec::Alaw][..], "m=audio 20000 RTP/AVP 8 101"),
        (&[Codec::Ulaw], "m=audio 20000 RTP/AVP 0 101"),
        (&[Codec::Ulaw, Codec::Alaw], "m=audio 20000 RTP/AVP 0 8 101"),
    ] {
        let offer = text(offer(&ours(codecs, 30)));
        assert_eq!((m_lines(&offer), times(&offer)), (vec![line], vec!["30"]));
        assert_eq!(offer.matches("PCMA").count(), usize::from(codecs.contains(&Codec::Alaw)));
    }
    let only = ours(&[Codec::Ulaw], 20);
    assert!(accept(&offer_of("m=audio 4000 RTP/AVP 8"), &only).is_err(), "an answer with what was not offered");
}

#[test]
fn a_later_offer_keeps_the_numbers_of_the_call_and_the_codecs_of_the_settings() {
    let mut session = LocalSession::new(ours(&[Codec::Ulaw, Codec::Alaw], 40));
    session.answer(&offer_of("m=audio 4000 RTP/AVP 97 8|a=rtpmap:97 PCMU/8000|a=ptime:10")).expect("usable");
    let later = text(session.offer());
    assert_eq!((m_lines(&later), times(&later)), (vec!["m=audio 20000 RTP/AVP 97 8 101"], vec!["40"]));
    let mut session = LocalSession::new(ours(&[Codec::Alaw], 20));
    session.answer(&offer_of("m=audio 4000 RTP/AVP 101 8|a=rtpmap:101 PCMU/8000")).expect("usable");
    assert_eq!(m_lines(&text(session.offer())), ["m=audio 20000 RTP/AVP 8 96"], "101 is PCMU to the peer");
}

#[test]
fn the_peers_packet_time_comes_before_the_settings() {
    for (ms, attributes, agreed) in [
        (30, "", 30),
        (60, "a=ptime:20", 20),
        (10, "a=ptime:60", 60),
        (60, "a=maxptime:40", 40),
        (60, "a=maxptime:40|a=ptime:60", 40),
        (20, "a=maxptime:40", 20),
        (40, "a=ptime:200", 40),
        (40, "a=ptime:0|a=maxptime:0", 40),
    ] {
        let lines = format!("m=audio 4000 RTP/AVP 8|{attributes}");
        let (negotiated, answer) = answer(&offer_of(&lines), &ours(&Codec::ALL, ms)).expect("usable");
        let (written, agreed) = (agreed.to_string(), Duration::from_millis(agreed));
        assert_eq!((negotiated.ptime, times(&text(answer))), (agreed, vec![written.as_str()]), "{ms} {attributes}");
        let accepted = accept(&offer_of(&lines), &ours(&Codec::ALL, ms)).expect("usable");
        assert_eq!(accepted.ptime, agreed, "{ms} {attributes}");
    }
}

proptest! {
    #[test]
    fn what_is_agreed_is_listed_and_both_sides_agree_on_it(
        order in 0..ORDERS.len(), theirs in 0..ORDERS.len(), ms in 1u64..=6, their_ms in 1u64..=6,
    ) {
        let (near, far) = (ours(ORDERS[order], ms * 10), ours(ORDERS[theirs], their_ms * 10));
        let common = ORDERS[order].iter().find(|codec| ORDERS[theirs].contains(codec)).copied();
        let mut offering = LocalSession::new(far);
        match LocalSession::new(near).answer(&offering.offer()) {
            Ok((negotiated, answer)) => {
                prop_assert_eq!(Some(negotiated.codec), common);
                prop_assert!(negotiated.receive.iter().all(|(_, codec)| near.codecs.contains(*codec)));
                let accepted = offering.accept(&answer).expect("usable");
                prop_assert_eq!((accepted.codec, accepted.ptime), (negotiated.codec, negotiated.ptime));
            }
            Err(_) => prop_assert_eq!(common, None),
        }
    }
}
