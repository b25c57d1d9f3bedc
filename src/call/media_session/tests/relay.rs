//! Sessions that send what others receive: two, and a third that hears both.

use super::*;

/// The octets that a telephone sends in its nth packet.
fn sound(n: u32, samples: u32) -> Vec<u8> {
    (0..samples).map(|sample| ((n * samples + sample) % 241) as u8).collect()
}

/// A bridge on one clock.
struct Bridge {
    caller: Peer,
    agent: Peer,
}

impl Bridge {
    fn of(caller: MediaSetup, agent: MediaSetup) -> Bridge {
        let (caller, mut agent) = (Peer::new(caller), Peer::new(agent));
        // Schedules of two sessions never meet.
        agent.stream.start_at(agent.now + ms(7));
        Bridge { caller, agent }
    }

    fn join(&mut self) {
        self.caller.stream.set_relaying(0, true);
        self.agent.stream.set_relaying(0, true);
    }

    /// Lets time pass; the telephones speak when `says` lets them, each by its packet time.
    fn pass(&mut self, time: Duration, says: impl Fn(u32) -> bool) {
        let (start, until) = (self.caller.now, self.caller.now + time);
        let mut told = [0, 0];
        loop {
            let due = self.caller.stream.deadline().min(self.agent.stream.deadline());
            let next = start + ms(3) + self.ptime() * told[0];
            let at = due.min(next);
            if at >= until {
                break;
            }
            (self.caller.now, self.agent.now) = (at, at);
            if next <= due {
                let samples = samples_in(self.ptime()) as u32;
                for (peer, told) in [&mut self.caller, &mut self.agent].into_iter().zip(&mut told) {
                    let n = *told;
                    *told += 1;
                    peer.sequence = peer.sequence.wrapping_add(u16::from(!says(n)));
                    if says(n) {
                        peer.hear(PEER, 5000 + n * samples, &sound(n, samples));
                    }
                }
                continue;
            }
            let (one, other) = match self.caller.stream.deadline() == due {
                true => (&mut self.caller, &mut self.agent),
                false => (&mut self.agent, &mut self.caller),
            };
            let mut relays = [other.stream.lend_relay(0)];
            let mut frame = MediaFrame::default();
            one.stream.tick(at, &mut relays, &mut frame, &mut one.events);
            relays.into_iter().flatten().for_each(|relay| other.stream.return_relay(0, relay));
            if !frame.rtp().is_empty() {
                one.sent.push(frame.rtp().to_vec());
            }
        }
        (self.caller.now, self.agent.now) = (until, until);
    }

    fn ptime(&self) -> Duration {
        self.agent.stream.ptime()
    }
}

fn headers(peer: &Peer) -> Vec<Header> {
    peer.sent.iter().map(|packet| Packet::read(packet).expect("we write RTP").header).collect()
}

#[test]
fn the_joining_leaves_no_gap_and_continues_ssrc_sequence_and_clock() {
    let mut bridge = Bridge::of(setup(), setup());
    bridge.caller.play(1, &[clip("a")]);
    bridge.pass(ms(400), |_| true);
    let before = bridge.caller.sent.len();
    bridge.caller.tell(MediaCommand::Stop);
    bridge.join();
    bridge.pass(ms(1000), |_| true);
    let headers = headers(&bridge.caller);
    for pair in headers.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
        assert_eq!((pair[1].ssrc, pair[1].marker), (pair[0].ssrc, false));
    }
    let after: Vec<u8> =
        bridge.caller.sent[before..].iter().flat_map(|packet| packet[HEADER_OCTETS..].to_vec()).collect();
    let spoken: Vec<u8> = (0..40).flat_map(|n| sound(n, 160)).collect();
    let begins = after.windows(4000).position(|window| window == &spoken[..4000]);
    assert!(begins.is_some_and(|samples| samples <= 480), "heard within 60 ms, and without a hole: {begins:?}");
    assert!(bridge.agent.sound().windows(4000).any(|window| window == &spoken[..4000]), "both ways");
}

#[test]
fn packets_leave_half_a_packet_time_after_those_of_the_other_side_come() {
    for ptime in [ms(10), ms(20)] {
        let mut bridge = Bridge::of(MediaSetup { ptime, ..setup() }, MediaSetup { ptime, ..setup() });
        bridge.pass(ms(300), |_| true);
        let start = bridge.caller.now;
        bridge.join();
        bridge.pass(ms(600), |_| true);
        for peer in [&bridge.caller, &bridge.agent] {
            let phase = (peer.stream.deadline() - start).as_micros() % ptime.as_micros();
            assert_eq!(phase, 3000 + (ptime / 2).as_micros());
        }
        let spoken: Vec<u8> = (0..10).flat_map(|n| sound(n, samples_in(ptime) as u32)).collect();
        assert!(bridge.caller.sound().windows(spoken.len()).any(|window| window == spoken), "no hole");
    }
}

#[test]
fn a_lost_packet_moves_nothing_that_follows() {
    let mut bridge = Bridge::of(setup(), setup());
    bridge.join();
    bridge.pass(ms(1000), |n| n % 10 != 7);
    let heard = bridge.caller.sound();
    let first = heard.windows(160).position(|window| window == sound(0, 160)).expect("the first packet");
    for n in (0..40).filter(|n| n % 10 != 7) {
        let at = first + n as usize * 160;
        assert_eq!(heard[at..at + 160], sound(n, 160), "{n}");
    }
}

#[test]
fn laws_and_packet_times_of_both_sides_may_differ() {
    let agent = MediaSetup { codec: Codec::Ulaw, payload: 0, ptime: ms(30), ..setup() };
    let mut bridge = Bridge::of(setup(), agent);
    bridge.join();
    bridge.pass(ms(1200), |_| true);
    let spoken: Vec<u8> = (0..20).flat_map(|n| sound(n, 240)).collect();
    let in_alaw: Vec<u8> = spoken.iter().map(|octet| g711::transcode(Codec::Ulaw, Codec::Alaw, *octet)).collect();
    let in_ulaw: Vec<u8> = spoken.iter().map(|octet| g711::transcode(Codec::Alaw, Codec::Ulaw, *octet)).collect();
    assert!(bridge.caller.sound().windows(3000).any(|window| window == &in_alaw[..3000]));
    assert!(bridge.agent.sound().windows(3000).any(|window| window == &in_ulaw[..3000]));
    assert!(bridge.agent.sent.iter().all(|packet| packet.len() == HEADER_OCTETS + 240));
}

#[test]
fn a_side_on_hold_hears_nothing_and_goes_on_at_the_present_sound() {
    let mut bridge = Bridge::of(setup(), setup());
    bridge.join();
    bridge.pass(ms(300), |_| true);
    let mut held = setup();
    held.sending = false;
    bridge.agent.tell(MediaCommand::Setup(Box::new(held)));
    let before = bridge.agent.sent.len();
    bridge.pass(ms(2000), |_| true);
    assert_eq!(bridge.agent.sent.len(), before);
    bridge.agent.tell(MediaCommand::Setup(Box::new(setup())));
    bridge.pass(ms(300), |_| true);
    let resumed: Vec<u8> =
        bridge.agent.sent[before..].iter().flat_map(|packet| packet[HEADER_OCTETS..].to_vec()).collect();
    let spoken: Vec<u8> = (0..8).flat_map(|n| sound(n, 160)).collect();
    assert!(resumed.windows(1200).any(|window| window == &spoken[..1200]), "nothing of the hold is left");
}

#[test]
fn a_key_is_pressed_by_the_payload_type_of_its_receiver_and_a_prompt_comes_before_the_bridge() {
    let mut bridge = Bridge::of(setup(), MediaSetup { event_payload: Some(96), ..setup() });
    bridge.join();
    bridge.agent.tell(MediaCommand::SendKey(Key::Digit(4)));
    bridge.pass(ms(400), |_| true);
    let events: Vec<_> = headers(&bridge.agent).into_iter().filter(|header| header.payload_type == 96).collect();
    assert_eq!(events.len(), 7);
    assert!(events[0].marker && events.iter().all(|header| header.timestamp == events[0].timestamp));
    let all = headers(&bridge.agent);
    assert!(all.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    bridge.caller.play(2, &[clip("a")]);
    let before = bridge.caller.sent.len();
    bridge.pass(ms(200), |_| true);
    let prompt = g711::encode(Codec::Alaw, 1000);
    assert!(
        bridge.caller.sent[before..].iter().all(|packet| packet[HEADER_OCTETS..].iter().all(|octet| *octet == prompt))
    );
    bridge.caller.stream.set_relaying(0, false);
    bridge.agent.stream.set_relaying(0, false);
    bridge.caller.tell(MediaCommand::Stop);
    let before = bridge.caller.sent.len();
    bridge.pass(ms(200), |_| true);
    let idle = g711::idle(Codec::Alaw);
    assert!(
        bridge.caller.sent[before..].iter().all(|packet| packet[HEADER_OCTETS..].iter().all(|octet| *octet == idle))
    );
}

/// Packets of 20 ms of one sample's value, from one of those who are heard by a third.
fn says(peer: &mut Peer, n: u32, sample: i16) {
    let codec = peer.stream.setup.codec;
    peer.hear(PEER, 5000 + n * 160, &[g711::encode(codec, sample); 160]);
}

#[test]
fn a_third_session_hears_both_at_once_in_its_own_law_and_packet_time_while_they_hear_each_other() {
    let (mut caller, mut agent) =
        (Peer::new(setup()), Peer::new(MediaSetup { codec: Codec::Ulaw, payload: 0, ..setup() }));
    let mut listener = Peer::new(MediaSetup { ptime: ms(30), ..setup() });
    for peer in [&mut caller, &mut agent] {
        (0..2).for_each(|place| peer.stream.set_relaying(place, true));
    }
    let start = listener.start;
    for peer in [&mut caller, &mut agent, &mut listener] {
        peer.stream.start_at(start);
    }
    for n in 0..60 {
        // Of the agent every tenth packet is lost.
        says(&mut caller, n, 4000);
        if n % 10 == 9 {
            agent.sequence += 1;
        } else {
            says(&mut agent, n, 1000);
        }
        let until = start + ms(20) * (n + 1);
        exchange(&mut caller, &mut [(&mut agent, 0)], until);
        exchange(&mut agent, &mut [(&mut caller, 0)], until);
        exchange(&mut listener, &mut [(&mut caller, 1), (&mut agent, 1)], until);
    }
    let told = |codec, sample| g711::decode(codec, g711::encode(codec, sample));
    let steady = &listener.sound()[2400..9000];
    let both = told(Codec::Alaw, told(Codec::Alaw, 4000) + told(Codec::Alaw, 1000));
    let heard: std::collections::BTreeSet<i16> = steady.iter().map(|octet| g711::decode(Codec::Alaw, *octet)).collect();
    assert_eq!(heard.into_iter().collect::<Vec<_>>(), [both], "a lost packet of one is filled, and the other goes on");
    assert!(listener.sent.iter().all(|packet| packet.len() == HEADER_OCTETS + 240));
    let other_law = |from, to, sample| g711::transcode(from, to, g711::encode(from, sample));
    let (of_agent, of_caller) = (other_law(Codec::Ulaw, Codec::Alaw, 1000), other_law(Codec::Alaw, Codec::Ulaw, 4000));
    assert!(caller.sound()[800..].iter().all(|octet| *octet == of_agent), "not the own sound");
    assert!(agent.sound()[800..].iter().all(|octet| *octet == of_caller));
    assert!(caller.stream.lend_relay(LISTENERS_MAX).is_none(), "there is no such place");
}

#[test]
fn one_who_hears_another_session_instead_has_a_pause_of_60_ms_at_most_and_every_packet() {
    // The packets of the one who takes over come at any time between two of the listener's.
    for late in 0..20 {
        let (mut caller, mut agent, mut third) = (Peer::new(setup()), Peer::new(setup()), Peer::new(setup()));
        // One clock, whenever each of them was made.
        let start = third.start;
        (caller.now, agent.now) = (start, start);
        caller.stream.start_at(start);
        agent.stream.set_relaying(0, true);
        for n in 0..50 {
            says(&mut agent, n, 1000);
            let until = start + ms(20) * (n + 1);
            exchange(&mut caller, &mut [(&mut agent, 0)], until);
        }
        third.stream.set_relaying(0, true);
        for n in 0..50 {
            let begun = start + ms(20) * (n + 50);
            exchange(&mut caller, &mut [(&mut third, 0)], begun + ms(late));
            says(&mut third, n, 4000);
            exchange(&mut caller, &mut [(&mut third, 0)], begun + ms(20));
        }
        let (heard, octet) = (caller.sound(), |sample| g711::encode(Codec::Alaw, sample));
        let last = heard.iter().rposition(|heard| *heard == octet(1000)).expect("the agent");
        let first = heard.iter().position(|heard| *heard == octet(4000)).expect("the one who takes over");
        assert!((1..=480).contains(&(first - last)), "{} samples of silence", first - last);
        assert!(heard[first..].iter().all(|heard| *heard == octet(4000)), "without a hole");
        let numbers: Vec<u16> = caller.headers().iter().map(|header| header.sequence).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)) && numbers.len() == 100);
    }
}

/// Sends what a session has due before a time, with the sound of those that it hears, each by the listener's place there.
fn exchange(one: &mut Peer, heard: &mut [(&mut Peer, usize)], until: Instant) {
    while one.stream.deadline() < until {
        let at = one.stream.deadline();
        let mut relays: Vec<_> = heard.iter_mut().map(|(peer, place)| peer.stream.lend_relay(*place)).collect();
        let mut frame = MediaFrame::default();
        one.stream.tick(at, &mut relays, &mut frame, &mut one.events);
        for ((peer, place), relay) in heard.iter_mut().zip(relays) {
            relay.into_iter().for_each(|relay| peer.stream.return_relay(*place, relay));
        }
        one.sent.extend((!frame.rtp().is_empty()).then(|| frame.rtp().to_vec()));
        one.now = at;
    }
}
