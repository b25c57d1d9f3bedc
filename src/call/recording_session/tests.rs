//! An operator at a telephone, on a clock that only the test moves.

use proptest::prelude::*;

use super::*;
use crate::test_clock;
use audio::sine;
use speech::Clip;

/// An operator's call, and its outputs since the last check.
struct Operator {
    studio: RecordingSession,
    now: Instant,
    out: Vec<Output>,
}

impl Operator {
    fn calls() -> Operator {
        let mut operator = Operator {
            studio: RecordingSession::new(Lang::ALL.to_vec(), Duration::from_secs(60)),
            now: test_clock::start(),
            out: Vec::new(),
        };
        operator.tell(Input::Start);
        operator
    }

    /// Signed in, in Mandarin.
    fn signed_in() -> Operator {
        let mut operator = Operator::calls();
        operator.keys("1001#246810#").tell(Input::Reply(Reply::SignedIn(SignIn::Welcome)));
        operator.keys("1");
        operator.out.clear();
        operator
    }

    /// At the beep of slot 12.
    fn at_the_beep() -> Operator {
        let mut operator = Operator::signed_in();
        operator.keys("12#").tell(Input::Reply(Reply::Slot(Some(slot(12)))));
        operator.hears_out();
        operator
    }

    /// With a take that is stored.
    fn reviewing(report: TakeReport) -> Operator {
        let mut operator = Operator::at_the_beep();
        operator.tell(Input::Sound(voice(1000))).keys("#");
        operator.tell(Input::Recorded { samples: voice(1000), packets_lost: 0 });
        operator.out.clear();
        operator.tell(Input::Reply(Reply::Submitted(Some(report))));
        operator
    }

    fn tell(&mut self, input: Input) -> &mut Operator {
        self.out.extend(self.studio.handle_input(self.now, input));
        self
    }

    fn keys(&mut self, keys: &str) -> &mut Operator {
        for key in keys.chars() {
            self.tell(Input::Key(Key::from_char(key).expect("a key")));
        }
        self
    }

    /// Listens to the end of what plays.
    fn hears_out(&mut self) -> &mut Operator {
        let id = PlayId(self.studio.plays);
        self.tell(Input::Played(id))
    }

    /// Does nothing until something falls due.
    fn waits(&mut self) -> &mut Operator {
        self.now = self.studio.deadline().expect("somebody waits").at;
        self.tell(Input::Deadline)
    }

    /// The sentences that were said since the last look, and what else was wanted.
    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).iter().flat_map(told).collect()
    }
}

fn told(output: &Output) -> Vec<String> {
    match output {
        Output::Play { pieces, .. } => pieces.iter().filter_map(sound).collect(),
        Output::Stop => Vec::new(),
        Output::HangUp => vec!["hang up".into()],
        Output::StopRecord => vec!["stop".into()],
        Output::Lang(lang) => vec![format!("lang {}", lang.code())],
        Output::Step { node } => vec![format!("step {node}")],
        Output::Record { max } => vec![format!("record {} s", max.as_secs())],
        Output::Load(take) => vec![format!("load {}", take.octets.len())],
        Output::Ask(ask) => vec![asked(ask)],
    }
}

fn sound(piece: &Piece) -> Option<String> {
    match piece {
        Piece::Clip(clip) => Some(format!("{} {}", clip.lang.code(), clip.id)),
        Piece::Silence(_) => None,
        Piece::Tone(_) => Some("beep".into()),
        Piece::Ringing(_) => Some("ringing".into()),
        Piece::Message => Some("take".into()),
    }
}

fn asked(ask: &StudioRequest) -> String {
    match ask {
        StudioRequest::SignIn { number, pin } => format!("sign in {} {}", number.expose(), pin.expose()),
        StudioRequest::Find { lang, number } => format!("find {} {number}", lang.code()),
        StudioRequest::Next { lang, after } => format!("next {} {after}", lang.code()),
        StudioRequest::Begin => "begin".into(),
        StudioRequest::Sound(samples) => format!("sound {}", samples.len()),
        StudioRequest::Submit { samples, packets_lost } => format!("submit {} {packets_lost}", samples.len()),
        StudioRequest::Abandon => "forget".into(),
        StudioRequest::Keep => "keep".into(),
        StudioRequest::Discard => "discard".into(),
        StudioRequest::CallEnded => "left".into(),
        StudioRequest::LastRecording { samples } => format!("last {}", samples.len()),
    }
}

fn slot(number: u32) -> Slot {
    let clip = Clip { lang: Lang::Zh, id: "prompt.welcome".into() };
    Slot { number, clip, recorded: Some(vec![2; 800]), longest: Duration::from_secs(20), draft: None }
}

fn voice(ms: u64) -> Vec<i16> {
    sine(440.0, -20.0, Duration::from_millis(ms))
}

fn report() -> TakeReport {
    TakeReport { unusable: false, faults: Vec::new(), sound: vec![0; 800] }
}

#[test]
fn an_operator_signs_in_chooses_a_language_and_finds_a_slot() {
    let mut operator = Operator::calls();
    assert_eq!(operator.heard(), ["step (studio)", "lang zh", "zh studio.welcome"]);
    assert_eq!(operator.keys("1001#").heard(), ["zh studio.pin"]);
    assert_eq!(operator.keys("246810#").heard(), ["sign in 1001 246810"]);
    operator.tell(Input::Reply(Reply::SignedIn(SignIn::Welcome)));
    assert_eq!(operator.heard(), ["zh studio.language", "yue studio.language", "en studio.language"]);
    assert_eq!(operator.keys("3").heard(), ["lang en", "en studio.slot"]);
    assert_eq!(operator.keys("120#").heard(), ["find en 120"]);
    operator.tell(Input::Reply(Reply::Slot(Some(slot(120)))));
    assert_eq!(
        operator.heard(),
        [
            "load 800",
            "en studio.number",
            "en digit.m.1",
            "en digit.m.2",
            "en digit.f.0",
            "take",
            "en studio.speak",
            "beep"
        ]
    );
}

#[test]
fn a_take_is_stored_before_the_operator_decides_about_it() {
    let mut operator = Operator::at_the_beep();
    operator.out.retain(|output| !matches!(output, Output::Play { .. }));
    assert_eq!(operator.heard(), ["find zh 12", "load 800", "begin", "record 28 s"]);
    assert_eq!(operator.tell(Input::Sound(voice(200))).heard(), ["sound 1600"]);
    assert_eq!(operator.keys("#").heard(), ["stop"]);
    operator.tell(Input::Recorded { samples: voice(300), packets_lost: 2 });
    assert_eq!(operator.heard(), ["submit 2400 2"]);
    operator.tell(Input::Reply(Reply::Submitted(Some(report()))));
    assert_eq!(operator.heard(), ["zh studio.review"]);
}

#[test]
fn a_take_is_heard_kept_made_again_or_discarded() {
    let mut operator = Operator::reviewing(report());
    operator.out.clear();
    assert_eq!(operator.keys("1").heard(), ["load 800", "take", "zh studio.review"]);
    assert_eq!(operator.keys("2").heard(), ["keep"]);
    operator.tell(Input::Reply(Reply::Done(true)));
    assert_eq!(operator.heard(), ["zh studio.kept", "zh studio.slot"]);
    let mut operator = Operator::reviewing(report());
    operator.out.clear();
    assert_eq!(operator.keys("3").heard(), ["zh studio.speak", "beep"]);
    assert_eq!(operator.hears_out().heard(), ["begin", "record 28 s"]);
    let mut operator = Operator::reviewing(report());
    operator.out.clear();
    assert_eq!(operator.keys("4").heard(), ["discard"]);
    operator.tell(Input::Reply(Reply::Done(true)));
    assert_eq!(operator.heard(), ["zh studio.discarded", "zh studio.slot"]);
}

#[test]
fn a_takes_faults_are_said_and_an_unusable_take_cannot_be_kept() {
    let faults = vec![TakeFault::Loud, TakeFault::Lossy, TakeFault::Length];
    let mut operator = Operator::reviewing(TakeReport { unusable: true, faults, sound: Vec::new() });
    assert_eq!(operator.heard(), ["zh studio.loud", "zh studio.lossy", "zh studio.unusable", "zh studio.review"]);
    assert_eq!(operator.keys("2").heard(), ["zh studio.unusable", "zh studio.review"]);
}

#[test]
fn after_a_keep_star_leads_to_the_next_one_to_record() {
    let mut operator = Operator::reviewing(report());
    operator.keys("2").tell(Input::Reply(Reply::Done(true)));
    operator.out.clear();
    assert_eq!(operator.keys("*").heard(), ["next zh 12"]);
    operator.tell(Input::Reply(Reply::Slot(None)));
    assert_eq!(operator.heard(), ["zh studio.none_left", "zh studio.slot"]);
}

#[test]
fn a_missing_slot_and_a_prompt_without_a_recording_are_different_errors() {
    let mut operator = Operator::signed_in();
    operator.keys("999#").out.clear();
    operator.tell(Input::Reply(Reply::Slot(None)));
    assert_eq!(operator.heard(), ["zh studio.unknown", "zh studio.slot"]);
    operator.keys("5#").out.clear();
    operator.tell(Input::Reply(Reply::Slot(Some(Slot { recorded: None, ..slot(5) }))));
    assert_eq!(operator.heard(), ["zh studio.number", "zh digit.f.5", "zh studio.missing", "zh studio.speak", "beep"]);
}

#[test]
fn three_wrong_tries_end_the_call_and_a_lock_ends_it_at_once() {
    let mut operator = Operator::calls();
    for _ in 0..2 {
        operator.keys("1001#111111#").out.clear();
        operator.tell(Input::Reply(Reply::SignedIn(SignIn::Refused)));
        assert_eq!(operator.heard(), ["zh studio.refused"]);
    }
    operator.keys("1001#111111#").out.clear();
    operator.tell(Input::Reply(Reply::SignedIn(SignIn::Refused)));
    assert_eq!(operator.heard(), ["zh studio.locked", "zh studio.bye"]);
    assert_eq!(operator.hears_out().heard(), ["hang up"]);
    let mut operator = Operator::calls();
    operator.keys("1001#111111#").out.clear();
    operator.tell(Input::Reply(Reply::SignedIn(SignIn::Locked)));
    assert_eq!(operator.heard(), ["zh studio.locked", "zh studio.bye"]);
}

#[test]
fn an_operator_who_has_not_signed_in_within_the_limit_loses_the_call_whatever_is_pressed() {
    let mut operator = Operator::calls();
    let start = operator.now;
    for second in (5..60).step_by(5) {
        operator.now = start + Duration::from_secs(second);
        operator.keys("1*");
    }
    operator.now = start + Duration::from_secs(60);
    assert!(operator.studio.deadline().is_some_and(|due| due.at <= operator.now));
    operator.out.clear();
    assert_eq!(operator.tell(Input::Deadline).heard().last().map(String::as_str), Some("zh studio.bye"));
    assert_eq!(operator.hears_out().heard(), ["hang up"]);
    let mut operator = Operator::signed_in();
    operator.now += Duration::from_secs(60);
    operator.tell(Input::Deadline);
    assert!(!operator.heard().contains(&"zh studio.bye".to_owned()), "who has signed in stays");
}

#[test]
fn a_recording_ends_by_itself_when_its_speaker_has_finished_or_never_begins() {
    let mut operator = Operator::at_the_beep();
    operator.tell(Input::Sound(voice(1000))).tell(Input::Sound(vec![0; 8 * 3900])).out.clear();
    operator.tell(Input::Sound(vec![0; 1600]));
    assert_eq!(operator.heard(), ["stop", "sound 1600"]);
    let mut operator = Operator::at_the_beep();
    operator.tell(Input::Sound(vec![0; 80_000])).out.clear();
    operator.tell(Input::Recorded { samples: vec![0; 80_000], packets_lost: 0 });
    assert_eq!(operator.heard(), ["forget", "zh studio.silent", "zh studio.speak", "beep"]);
}

#[test]
fn keys_typed_ahead_of_a_reply_count_once_it_has_come() {
    let mut operator = Operator::calls();
    operator.keys("1001#246810#212#").out.clear();
    operator.tell(Input::Reply(Reply::SignedIn(SignIn::Welcome)));
    assert_eq!(operator.heard().last().map(String::as_str), Some("find yue 12"));
}

#[test]
fn a_pause_ends_the_entry_and_no_input_ends_the_call() {
    let mut operator = Operator::calls();
    operator.keys("1001").out.clear();
    assert_eq!(operator.waits().heard(), ["zh studio.pin"]);
    let mut operator = Operator::calls();
    operator.out.clear();
    for _ in 0..SILENCES_MAX {
        assert_eq!(operator.hears_out().waits().heard(), ["zh studio.welcome"]);
    }
    assert_eq!(operator.hears_out().waits().heard(), ["zh studio.bye"]);
}

#[test]
fn before_the_beep_a_slot_is_heard_again_or_left() {
    let mut operator = Operator::signed_in();
    operator.keys("12#").tell(Input::Reply(Reply::Slot(Some(Slot { draft: Some(vec![1; 400]), ..slot(12) }))));
    operator.out.clear();
    assert_eq!(operator.keys("1").heard(), ["load 400", "take", "zh studio.speak", "beep"]);
    assert_eq!(operator.keys("#").heard(), ["beep"]);
    assert_eq!(operator.keys("*").heard(), ["zh studio.slot"]);
    assert_eq!(operator.keys("#").heard(), ["zh studio.language", "yue studio.language", "en studio.language"]);
    assert_eq!(operator.keys("10").heard(), ["zh studio.slot", "zh studio.bye"]);
}

#[test]
fn a_studio_that_does_not_reply_ends_the_call_with_a_prompt() {
    let mut operator = Operator::signed_in();
    operator.keys("12#").out.clear();
    assert_eq!(operator.waits().heard(), ["zh studio.failed", "zh studio.bye"]);
    let mut operator = Operator::signed_in();
    operator.keys("12#").out.clear();
    operator.tell(Input::Reply(Reply::Down));
    assert_eq!(operator.heard(), ["zh studio.failed", "zh studio.bye"]);
}

#[test]
fn nothing_typed_to_sign_in_can_be_printed() {
    let mut operator = Operator::calls();
    operator.keys("1001#246810");
    let shown = format!("{:?} {:?}", operator.studio, operator.out);
    assert!(!shown.contains("1001") && !shown.contains("246810"), "{shown}");
    operator.keys("#");
    let shown = format!("{:?} {:?}", operator.studio, operator.out);
    assert!(!shown.contains("1001") && !shown.contains("246810"), "{shown}");
}

fn input() -> impl Strategy<Value = Input> {
    let key = (0u8..12).prop_map(|n| match n {
        10 => Key::Star,
        11 => Key::Pound,
        digit => Key::Digit(digit),
    });
    let found = (any::<bool>(), any::<bool>()).prop_map(|(there, recorded)| {
        Input::Reply(Reply::Slot(there.then(|| Slot { recorded: recorded.then(|| vec![2; 80]), ..slot(3) })))
    });
    let sound = (any::<bool>(), 0usize..90_000)
        .prop_map(|(loud, length)| if loud { voice(length as u64 / 8) } else { vec![0; length] });
    prop_oneof![
        6 => key.prop_map(Input::Key),
        3 => (0u32..20).prop_map(|id| Input::Played(PlayId(id))),
        2 => Just(Input::Deadline),
        1 => sound.clone().prop_map(Input::Sound),
        1 => sound.prop_map(|samples| Input::Recorded { samples, packets_lost: 1 }),
        1 => prop_oneof![Just(SignIn::Welcome), Just(SignIn::Refused), Just(SignIn::Locked)]
            .prop_map(|how| Input::Reply(Reply::SignedIn(how))),
        1 => found,
        1 => any::<bool>().prop_map(|there| Input::Reply(Reply::Submitted(there.then(report)))),
        1 => any::<bool>().prop_map(|done| Input::Reply(Reply::Done(done))),
        1 => Just(Input::Reply(Reply::Down)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_state_meets_every_input_and_somebody_always_waits(inputs in proptest::collection::vec(input(), 1..60)) {
        let mut operator = Operator::calls();
        let (mut recording, mut over) = (false, false);
        for input in inputs {
            let ended = matches!(&input, Input::Recorded { .. });
            operator.out.clear();
            if matches!(&input, Input::Deadline) && let Some(due) = operator.studio.deadline() {
                operator.now = operator.now.max(due.at);
            }
            // What the call and the stream promise: a recording ends once, a call that is over hears nothing.
            if over || ended && !recording {
                continue;
            }
            recording &= !ended;
            operator.tell(input);
            for output in &operator.out {
                match output {
                    Output::Record { .. } => {
                        prop_assert!(!recording);
                        recording = true;
                    }
                    Output::HangUp => over = true,
                    Output::Play { .. }
                    | Output::Stop
                    | Output::StopRecord
                    | Output::Load(_)
                    | Output::Ask(_)
                    | Output::Step { .. }
                    | Output::Lang(_) => {}
                }
            }
            prop_assert!(over || operator.studio.deadline().is_some());
        }
    }
}
