//! One press is one key: every shape that senders give a press, under any delivery.
//!
//! A delivery loses, doubles, delays (by up to 50 ms) and reorders packets, as long as one packet of each press arrives, and
//! keys are pressed again at once, or after 40 ms where the end of a press tells nothing.
//!
//! What packets do not tell apart is left out of the model:
//!
//! - A sender that leaves the timestamp for the next press: all packets from before the end must arrive, since only a
//!   duration that starts over shows another press. One that starts timestamps over: one of these packets.
//! - A sender whose timestamps lag behind, because its clock stands still during an event: one packet from before the end
//!   and one from the end, and 160 ms between presses. Else the next press looks like a packet of this one.
//! - A sender that moves the timestamp with every packet: one packet of three must arrive. The end alone, long after
//!   the first packet, could be another press; and a key pressed again 60 to 150 ms after it was pressed looks the same.
//! - A sender without end packets: 60 ms between presses.
//! - Every sender: a packet of a press arrives before the first one of the next press. Else nothing tells that there was another key before.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// How a sender puts a press into packets.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: &'static str,
    marker: Marker,
    updates: Updates,
    timestamp: Timestamp,
    next: Next,
    duration: Tells,
    ends: Ends,
    /// How often the first packet is sent.
    begins: u32,
    /// How long keys are held, and the pause between them, in milliseconds.
    hold: (u32, u32),
    pause: (u32, u32),
    /// What must arrive of each press.
    needs: Needs,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Marker {
    First,
    None,
    All,
    /// On the first packet of each segment.
    Segments,
}

/// Milliseconds between the updates; or only the first two.
#[derive(Clone, Copy, Debug)]
enum Updates {
    Every(u32),
    FirstTwo,
    None,
}

/// The timestamps of one press.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Timestamp {
    Fixed,
    /// A packet's time further with each packet.
    Moves,
    /// At the end packets, once.
    MovesAtEnd,
    /// With each end packet.
    MovesWithEnds,
    /// Split every so many units (RFC 4733 §2.5.1.3).
    Split(u32),
}

/// The timestamp of the next press.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Advances,
    Stays,
    StartsOver,
    /// One packet's time further, however long the press was: the sender's clock stands still during events.
    Lags,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tells {
    Grows,
    Zero,
    /// That of the packet before, so that the first one tells zero.
    FromZero,
    /// A packet's time in all packets.
    Constant,
    Milliseconds,
    /// The end packets go on growing.
    GrowsPastEnd,
    /// The end packets tell a little less than the last update.
    LessAtEnd,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Needs {
    AnyPacket,
    /// A packet from before the end.
    Update,
    /// A packet from before the end, and one from the end.
    UpdateAndEnd,
    /// All from before the end: only a duration that starts over shows another press.
    AllUpdates,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Six,
    Three,
    OneNumber,
    One,
    None,
}

const RFC: Shape = Shape {
    name: "as RFC 4733 says",
    marker: Marker::First,
    updates: Updates::Every(20),
    timestamp: Timestamp::Fixed,
    next: Next::Advances,
    duration: Tells::Grows,
    ends: Ends::Three,
    begins: 1,
    hold: (40, 400),
    pause: (40, 300),
    needs: Needs::AnyPacket,
};

const PAUSE_WITHOUT_END: (u32, u32) = (60, 300);

const SHAPES: [Shape; 33] = [
    RFC,
    Shape { name: "a key again at once", pause: (0, 100), ..RFC },
    Shape { name: "updates of 50 ms", updates: Updates::Every(50), hold: (100, 400), ..RFC },
    Shape { name: "updates of 10 ms", updates: Updates::Every(10), ..RFC },
    Shape { name: "ends of one sequence number", ends: Ends::OneNumber, ..RFC },
    Shape { name: "six ends", ends: Ends::Six, ..RFC },
    Shape { name: "the first packet three times", begins: 3, ..RFC },
    Shape { name: "durations from zero, the first packet three times", begins: 3, duration: Tells::FromZero, ..RFC },
    Shape { name: "durations that do not grow", duration: Tells::Constant, ..RFC },
    Shape { name: "marker on all, no end", marker: Marker::All, ends: Ends::None, pause: PAUSE_WITHOUT_END, ..RFC },
    Shape { name: "timestamps that lag", next: Next::Lags, needs: Needs::UpdateAndEnd, pause: (160, 300), ..RFC },
    Shape { name: "timestamps that move, marker on all", timestamp: Timestamp::Moves, marker: Marker::All, ..RFC },
    Shape { name: "timestamps that move, no marker", timestamp: Timestamp::Moves, marker: Marker::None, ..RFC },
    Shape {
        name: "timestamps that move, no end",
        timestamp: Timestamp::Moves,
        ends: Ends::None,
        pause: PAUSE_WITHOUT_END,
        ..RFC
    },
    Shape { name: "one end", ends: Ends::One, ..RFC },
    Shape { name: "no end", ends: Ends::None, pause: PAUSE_WITHOUT_END, ..RFC },
    Shape { name: "no marker", marker: Marker::None, ..RFC },
    Shape { name: "no marker and no end", marker: Marker::None, ends: Ends::None, pause: PAUSE_WITHOUT_END, ..RFC },
    Shape { name: "marker on all", marker: Marker::All, ..RFC },
    Shape { name: "ends alone", updates: Updates::None, ..RFC },
    Shape { name: "two updates, a long gap, the end", updates: Updates::FirstTwo, hold: (200, 2000), ..RFC },
    Shape { name: "durations in milliseconds", duration: Tells::Milliseconds, ..RFC },
    Shape { name: "durations of zero", duration: Tells::Zero, ..RFC },
    Shape { name: "a little less at the end", duration: Tells::LessAtEnd, hold: (100, 400), ..RFC },
    Shape { name: "timestamps that start over", next: Next::StartsOver, needs: Needs::Update, ..RFC },
    Shape { name: "timestamps that stay", next: Next::Stays, needs: Needs::AllUpdates, hold: (100, 160), ..RFC },
    Shape { name: "timestamps that move", timestamp: Timestamp::Moves, ..RFC },
    Shape { name: "ends that move", timestamp: Timestamp::MovesAtEnd, ..RFC },
    Shape {
        name: "ends that move and grow",
        timestamp: Timestamp::MovesAtEnd,
        duration: Tells::GrowsPastEnd,
        marker: Marker::None,
        ..RFC
    },
    Shape {
        name: "ends that move each and grow",
        timestamp: Timestamp::MovesWithEnds,
        duration: Tells::GrowsPastEnd,
        ..RFC
    },
    Shape { name: "long presses in segments", timestamp: Timestamp::Split(0xFFFF), hold: (9000, 15_000), ..RFC },
    Shape {
        name: "long presses in segments, marker on each",
        timestamp: Timestamp::Split(0xFFFF),
        marker: Marker::Segments,
        needs: Needs::AllUpdates,
        hold: (9000, 15_000),
        ..RFC
    },
    Shape { name: "long presses whose duration starts over", hold: (9000, 15_000), ..RFC },
];

struct Sent {
    at_ms: u32,
    press: usize,
    header: Header,
    payload: [u8; 4],
}

/// A telephone of one shape.
struct Sender {
    shape: Shape,
    at_ms: u32,
    sequence: u16,
    timestamp: u32,
    sent: Vec<Sent>,
}

impl Sender {
    fn press(&mut self, press: usize, event: u8, hold: u32, pause: u32) {
        let shape = self.shape;
        let step = match shape.updates {
            Updates::Every(step) => step,
            Updates::FirstTwo | Updates::None => 20,
        };
        let began = self.timestamp;
        let mut at = step;
        while at <= hold {
            let sends = match shape.updates {
                Updates::Every(_) => true,
                Updates::FirstTwo => at <= 2 * step,
                Updates::None => false,
            };
            if sends {
                for _ in 0..if at == step { shape.begins } else { 1 } {
                    self.put(press, event, at, None, at == step);
                }
            }
            self.at_ms += step;
            at += step;
        }
        let ends = match shape.ends {
            Ends::Six => 6,
            Ends::Three | Ends::OneNumber => 3,
            Ends::One => 1,
            Ends::None => 0,
        };
        for end in 0..ends {
            let first = matches!(shape.updates, Updates::None) && end == 0;
            self.put(press, event, hold, Some(end), first);
            self.sequence = self.sequence.wrapping_sub(u16::from(shape.ends == Ends::OneNumber && end < ends - 1));
            self.at_ms += 20;
        }
        self.at_ms += pause;
        // The sound between presses has sequence numbers too.
        self.sequence = self.sequence.wrapping_add((pause / 20) as u16);
        self.timestamp = match shape.next {
            Next::Advances => began.wrapping_add(8 * (hold + ends * 20 + pause)),
            Next::Stays => began,
            Next::Lags => began.wrapping_add(160),
            Next::StartsOver => [160, 40_000][press % 2],
        };
    }

    fn put(&mut self, press: usize, event: u8, at: u32, end: Option<u32>, first: bool) {
        let shape = self.shape;
        let past_end = end.unwrap_or(0) * 160;
        let (timestamp, duration) = match shape.timestamp {
            Timestamp::Split(longest) => {
                let whole = 8 * at - 1;
                (whole / longest * longest, whole % longest + 1)
            }
            Timestamp::Fixed => (0, 8 * at),
            Timestamp::Moves => (8 * at + past_end, 8 * at),
            Timestamp::MovesAtEnd => (end.map_or(0, |end| if end > 0 { 160 } else { 0 }), 8 * at),
            Timestamp::MovesWithEnds => (end.map_or(0, |end| 160 * (end + 1)), 8 * at),
        };
        let duration = match shape.duration {
            Tells::Grows => duration,
            Tells::Zero => 0,
            Tells::FromZero => duration - if end.is_some() { 0 } else { 160 },
            Tells::Constant => 160,
            Tells::Milliseconds => duration / 8,
            Tells::GrowsPastEnd => duration + past_end,
            Tells::LessAtEnd => duration - end.map_or(0, |_| 60),
        };
        let marker = match shape.marker {
            Marker::First => first,
            Marker::None => false,
            Marker::All => true,
            Marker::Segments => first || matches!(shape.timestamp, Timestamp::Split(_)) && duration <= 160,
        };
        let timestamp = self.timestamp.wrapping_add(timestamp);
        let header = Header { marker, payload_type: 101, sequence: self.sequence, timestamp, ssrc: 1 };
        let [high, low] = (duration as u16).to_be_bytes();
        let payload = [event, u8::from(end.is_some()) << 7 | 10, high, low];
        self.sent.push(Sent { at_ms: self.at_ms, press, header, payload });
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// What happens to a packet on its way.
#[derive(Clone, Copy, Debug)]
struct Fate {
    lost: bool,
    delay_ms: u32,
    doubled_after_ms: Option<u32>,
}

fn fate(loss: f64) -> impl Strategy<Value = Fate> {
    let doubled = proptest::option::weighted(0.15, 0u32..150);
    let delay = prop_oneof![3 => Just(0u32), 1 => 0u32..50];
    (proptest::bool::weighted(loss), delay, doubled).prop_map(|(lost, delay_ms, doubled_after_ms)| Fate {
        lost,
        delay_ms,
        doubled_after_ms,
    })
}

type Kind = fn(&Sent) -> bool;

fn is_end(packet: &Sent) -> bool {
    packet.payload[1] & 0x80 != 0
}

/// What arrives, in order of its arrival: of each press at least one packet.
fn deliver(sent: &[Sent], shape: Shape, fates: &[Fate]) -> Vec<(u32, Header, [u8; 4])> {
    let mut arrived = Vec::new();
    let (any, update, end): (Kind, Kind, Kind) = (|_| true, |packet| !is_end(packet), is_end);
    let kinds = match shape.needs {
        Needs::AnyPacket => vec![any],
        Needs::Update | Needs::AllUpdates => vec![update],
        Needs::UpdateAndEnd => vec![update, end],
    };
    // Where timestamps move, one packet of three arrives: a longer gap could be the pause between two presses.
    let moves = shape.timestamp == Timestamp::Moves;
    let survives = |n: usize| !fates[n % fates.len()].lost || moves && !n.is_multiple_of(3);
    for (n, packet) in sent.iter().enumerate() {
        // The first of its kind is kept where all others are lost.
        let alone = kinds.iter().any(|counts| {
            let mut of_press =
                sent.iter().enumerate().filter(|(_, other)| other.press == packet.press && counts(other));
            let first = of_press.clone().next().is_some_and(|(first, _)| first == n);
            first && !of_press.any(|(n, _)| survives(n))
        });
        let must = shape.needs == Needs::AllUpdates && update(packet);
        if !survives(n) && !alone && !must {
            continue;
        }
        let fate = fates[n % fates.len()];
        let at = packet.at_ms + fate.delay_ms;
        arrived.push((at, n));
        arrived.extend(fate.doubled_after_ms.map(|after| (at + after, n)));
    }
    in_turn(&mut arrived, sent);
    arrived.sort_by_key(|(at, ..)| *at);
    arrived.into_iter().map(|(at, n)| (at, sent[n].header, sent[n].payload)).collect()
}

/// The packet of a press that arrives first does so at once where a later press would be known before it.
fn in_turn(arrived: &mut [(u32, usize)], sent: &[Sent]) {
    let last = sent.last().map_or(0, |packet| packet.press);
    let mut next_known = u32::MAX;
    for press in (0..=last).rev() {
        let of_press = arrived.iter_mut().filter(|(_, n)| sent[*n].press == press);
        let Some(first) = of_press.min_by_key(|(at, _)| *at) else { continue };
        if first.0 >= next_known {
            first.0 = sent[first.1].at_ms;
        }
        next_known = next_known.min(first.0);
    }
}

fn presses() -> impl Strategy<Value = Vec<(u8, f64, f64)>> {
    // Few different keys, so that most presses repeat one.
    proptest::collection::vec((4u8..6, 0f64..1.0, 0f64..1.0), 1..7)
}

fn between((least, most): (u32, u32), share: f64) -> u32 {
    (least + (f64::from(most - least) * share) as u32) / 20 * 20
}

/// What happens to the packets: none is lost, some are, most are.
fn fates() -> impl Strategy<Value = Vec<Fate>> {
    prop_oneof![
        proptest::collection::vec(fate(0.0), 97),
        proptest::collection::vec(fate(0.2), 97),
        proptest::collection::vec(fate(0.8), 97),
    ]
}

/// The keys that are read of these presses of a sender, after its packets have had their fates.
fn read(shape: Shape, presses: &[(u8, f64, f64)], (sequence, timestamp): (u16, u32), fates: &[Fate]) -> Vec<Key> {
    let mut sender = Sender { shape, at_ms: 0, sequence, timestamp, sent: Vec::new() };
    for (n, (event, hold, pause)) in presses.iter().enumerate() {
        sender.press(n, *event, between(shape.hold, *hold), between(shape.pause, *pause));
    }
    let start = tests::clock();
    let mut events = TelephoneEvents::default();
    let mut keys = Vec::new();
    for (at_ms, header, payload) in deliver(&sender.sent, shape, fates) {
        let now = start + Duration::from_millis(at_ms.into());
        events.packet(now, &header, &payload, |key| keys.push(key.key));
    }
    keys
}

/// Of a long press the tail of a segment may be lost, but not seconds of it; of one whose duration starts over, not all of the
/// last half second before that.
fn lost_max(shape: Shape) -> usize {
    match shape.timestamp {
        Timestamp::Split(_) => 40,
        Timestamp::Fixed if shape.hold.0 > 8191 => 25,
        Timestamp::Fixed | Timestamp::Moves | Timestamp::MovesAtEnd | Timestamp::MovesWithEnds => usize::MAX,
    }
}

#[test]
fn one_press_is_one_key_under_any_delivery_of_any_shape() {
    let inputs = (presses(), any::<(u16, u32)>(), fates());
    let mut failures = Vec::new();
    for shape in SHAPES {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) };
        let result = TestRunner::new(config).run(&inputs, |(presses, start, fates)| {
            prop_assume!(fates.iter().filter(|fate| fate.lost).count() < lost_max(shape));
            let pressed: Vec<Key> = presses.iter().filter_map(|(event, ..)| Key::from_event(*event)).collect();
            prop_assert_eq!(read(shape, &presses, start, &fates), pressed);
            Ok(())
        });
        failures.extend(result.err().map(|failure| format!("{}: {failure}", shape.name)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// For each shape.
const CASES: u32 = 200;
