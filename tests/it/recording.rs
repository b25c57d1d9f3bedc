//! An operator records prompts by telephone: each take is a draft, however the call ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audio::{g711, sine};
use base::{Codec, Lang};
use speech::Clip;
use studio::{TakeSource, TakeState};
use studio_store::{Studio, TakeRow};
use support::gateway::{Gateway, home, temporary_folder};
use support::phone::{Dial, Phone};
use support::sound::{beep, clip, decoded};
use support::studio::{Secrets, secrets};
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(30);

/// The studio of a node, as another process sees it.
fn studio(folder: &Path) -> Arc<Studio> {
    let text = std::fs::read_to_string(home().join("config/jindu.toml")).expect("the shipped settings");
    let set = format!("data.folder={}", folder.display());
    let settings = config::read(&text, &[set], home()).expect("they are right");
    Studio::open(&settings).expect("the studio opens")
}

/// The takes that wait for an approval, once there are so many.
fn drafts(gateway: &Gateway, count: usize) -> Vec<TakeRow> {
    let studio = studio(&gateway.folder);
    let drafts = eventually(LONG, format!("{count} drafts"), || {
        let drafts = studio.to_approve().expect("the studio can be read");
        if drafts.len() >= count { Ok(drafts) } else { Err(format!("{drafts:?}")) }
    });
    assert_eq!(drafts.len(), count, "{drafts:?}");
    drafts
}

/// What came in over the line, as it is kept.
fn original(gateway: &Gateway, take: &TakeRow) -> Vec<i16> {
    let path = gateway.folder.join("studio/originals").join(&take.original);
    let file = std::fs::read(path).expect("the upload");
    assert_eq!((&file[..4], &file[20..22], &file[24..28]), (&b"RIFF"[..], &[6, 0][..], &8000u32.to_le_bytes()[..]));
    let length = u32::from_le_bytes(file[54..58].try_into().expect("four octets")) as usize;
    decoded(&file[58..58 + length])
}

fn holds(samples: &[i16], part: &[i16]) -> bool {
    samples.windows(part.len()).any(|window| window == part)
}

/// Breathes in, and says it.
fn speak(phone: &Phone, octets: &[u8]) {
    std::thread::sleep(Duration::from_millis(400));
    phone.say(octets);
    phone.has_said_all();
}

fn hears(phone: &mut Phone, lang: &str, id: &str) {
    assert!(phone.hears(&clip(lang, id, Codec::Alaw), LONG), "{lang} {id} is not heard");
}

fn dial(gateway: &Gateway) -> Phone {
    Phone::dial_with(gateway.udp, &Dial { number: "9197", ..Dial::default() })
}

/// Signs in, chooses English and the slot that callers hear at the end, and waits for no words.
fn at_the_beep(gateway: &Gateway, name: &str) -> Phone {
    let mut phone = dial(gateway);
    let Secrets { number, pin } = secrets(gateway, name);
    phone.press(&format!("{number}#{pin}#3{}#", number_of_bye(gateway)));
    hears(&mut phone, "en", "studio.number");
    phone.press("#");
    assert!(phone.hears(&beep(), LONG), "a beep");
    phone
}

fn bye() -> Clip {
    Clip { lang: Lang::En, id: "prompt.bye".into() }
}

fn number_of_bye(gateway: &Gateway) -> u32 {
    studio(&gateway.folder).slot(&bye()).expect("a slot").number
}

/// What is said into the telephone: words, then a pause.
fn sentence() -> Vec<u8> {
    [clip("en", "prompt.rate_ask", Codec::Alaw), vec![0xD5; 1600]].concat()
}

/// A key as a tone in the sound, and silence after it.
fn tones(keys: &str) -> Vec<u8> {
    let low = [941.0, 697.0, 697.0, 697.0, 770.0, 770.0, 770.0, 852.0, 852.0, 852.0];
    let high = [1336.0, 1209.0, 1336.0, 1477.0, 1209.0, 1336.0, 1477.0, 1209.0, 1336.0, 1477.0];
    let tone = |key: char| {
        let pair = match key.to_digit(10) {
            Some(digit) => (low[digit as usize], high[digit as usize]),
            None => (941.0, 1477.0),
        };
        let press = Duration::from_millis(100);
        let both = sine(pair.0, -14.0, press).into_iter().zip(sine(pair.1, -14.0, press));
        both.map(|(low, high)| g711::encode(Codec::Alaw, low + high)).chain([0xD5; 800]).collect::<Vec<u8>>()
    };
    keys.chars().flat_map(tone).collect()
}

#[test]
fn an_operator_records_a_take_hears_it_and_keeps_it() {
    let gateway = Gateway::start(&[]);
    let mut phone = at_the_beep(&gateway, "operator");
    speak(&phone, &sentence());
    phone.press("#");
    hears(&mut phone, "en", "studio.review");
    phone.press("1");
    hears(&mut phone, "en", "studio.review");
    phone.press("2");
    hears(&mut phone, "en", "studio.kept");
    phone.press("0");
    hears(&mut phone, "en", "studio.bye");
    assert!(phone.await_request("BYE", LONG).is_some());
    let take = drafts(&gateway, 1).remove(0);
    assert_eq!(
        (take.clip(), take.kind, take.state, &*take.by.name),
        (bye(), TakeSource::Phone, TakeState::Draft, "operator")
    );
    assert!(holds(&original(&gateway, &take), &decoded(&sentence())), "every octet that was sent, as it was sent");
    assert_eq!(gateway.metric("jindu_studio_phone_takes_total{end=\"kept\"}"), 1.0);
    assert!(std::fs::read_dir(gateway.folder.join("studio/tapes")).expect("the folder").next().is_none());
}

#[test]
fn a_hang_up_while_speaking_keeps_a_draft_of_every_word() {
    let gateway = Gateway::start(&[]);
    let mut phone = at_the_beep(&gateway, "operator");
    speak(&phone, &sentence());
    phone.hang_up();
    let take = drafts(&gateway, 1).remove(0);
    assert_eq!((take.kind, take.clip()), (TakeSource::Phone, bye()));
    assert!(holds(&original(&gateway, &take), &decoded(&sentence()[..sentence().len() - 1600])));
    assert_eq!(gateway.metric("jindu_studio_phone_takes_total{end=\"hung_up\"}"), 1.0);
}

#[test]
fn a_hang_up_before_the_decision_keeps_a_draft_and_silence_keeps_none() {
    let gateway = Gateway::start(&[]);
    let mut phone = at_the_beep(&gateway, "operator");
    speak(&phone, &sentence());
    phone.press("#");
    hears(&mut phone, "en", "studio.review");
    phone.hang_up();
    drafts(&gateway, 1);
    let phone = &mut at_the_beep(&gateway, "operator");
    std::thread::sleep(Duration::from_millis(600));
    phone.hang_up();
    drop(at_the_beep(&gateway, "operator"));
    drafts(&gateway, 1);
}

#[test]
fn a_take_made_again_replaces_no_other_and_a_discarded_one_is_no_draft() {
    let gateway = Gateway::start(&[]);
    let mut phone = at_the_beep(&gateway, "operator");
    for (said, key, answer) in [("prompt.bye", "3", "studio.speak"), ("prompt.welcome", "4", "studio.discarded")] {
        if key == "4" {
            assert!(phone.hears(&beep(), LONG), "a beep");
        }
        speak(&phone, &clip("en", said, Codec::Alaw));
        phone.press("#");
        hears(&mut phone, "en", "studio.review");
        phone.press(key);
        hears(&mut phone, "en", answer);
    }
    let history = studio(&gateway.folder).history(&bye()).expect("the studio can be read");
    assert_eq!(history.iter().map(|take| take.state).collect::<Vec<_>>(), [TakeState::Discarded, TakeState::Fresh]);
    phone.hang_up();
}

#[test]
fn keys_come_as_info_and_as_tones_and_the_tone_that_ends_a_take_is_not_in_it() {
    let gateway = Gateway::start(&[]);
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio PORT RTP/AVP 8\r\n\
               a=rtpmap:8 PCMA/8000\r\n";
    let mut phone = Phone::dial_with(gateway.udp, &Dial { number: "9197", sdp: Some(sdp), ..Dial::default() });
    let Secrets { number, pin } = secrets(&gateway, "operator");
    for key in format!("{number}#").chars() {
        phone.press_info(key);
    }
    hears(&mut phone, "zh", "studio.pin");
    phone.say(&tones(&format!("{pin}#")));
    hears(&mut phone, "zh", "studio.language");
    phone.say(&tones("3"));
    hears(&mut phone, "en", "studio.slot");
    phone.say(&tones(&format!("{}#", number_of_bye(&gateway))));
    hears(&mut phone, "en", "prompt.bye");
    hears(&mut phone, "en", "studio.speak");
    assert!(phone.hears(&beep(), LONG), "a beep");
    speak(&phone, &[sentence(), tones("#")].concat());
    hears(&mut phone, "en", "studio.review");
    phone.press_info('2');
    hears(&mut phone, "en", "studio.kept");
    let samples = original(&gateway, &drafts(&gateway, 1)[0]);
    let words = decoded(&sentence()[..sentence().len() - 1600]);
    assert!(holds(&samples, &words));
    let after = samples.windows(words.len()).position(|window| window == words).expect("the words") + words.len();
    assert!(samples[after..].iter().all(|sample| sample.abs() < 100), "nothing of the tone is left");
}

#[test]
fn three_wrong_pins_end_a_call_and_wrong_ones_of_several_calls_lock_the_number() {
    let gateway = Gateway::start(&[]);
    let Secrets { number, pin } = secrets(&gateway, "operator");
    for call in 0..2 {
        let mut phone = dial(&gateway);
        for _ in 0..2 - call {
            phone.press(&format!("{number}#135798#"));
            hears(&mut phone, "zh", "studio.refused");
        }
        phone.press(&format!("{number}#135798#"));
        hears(&mut phone, "zh", if call == 0 { "studio.locked" } else { "studio.refused" });
        if call == 0 {
            assert!(phone.await_request("BYE", LONG).is_some());
        }
    }
    let mut phone = dial(&gateway);
    phone.press(&format!("{number}#{pin}#"));
    hears(&mut phone, "zh", "studio.locked");
    assert!(phone.await_request("BYE", LONG).is_some());
    assert_eq!(gateway.metric("jindu_studio_phone_sign_ins_total{result=\"refused\"}"), 5.0);
    assert!(gateway.metric("jindu_studio_phone_sign_ins_total{result=\"locked\"}") >= 1.0);
}

#[test]
fn two_operators_record_the_same_slot_at_once_and_both_have_their_drafts() {
    let gateway = Gateway::start(&[]);
    let mut first = at_the_beep(&gateway, "operator");
    let mut second = at_the_beep(&gateway, "approver");
    speak(&first, &sentence());
    speak(&second, &clip("en", "prompt.welcome", Codec::Alaw));
    for phone in [&mut first, &mut second] {
        phone.press("#");
        hears(phone, "en", "studio.review");
        phone.press("2");
        hears(phone, "en", "studio.kept");
        phone.hang_up();
    }
    let mut by: Vec<String> = drafts(&gateway, 2).into_iter().map(|take| take.by.name).collect();
    by.sort();
    assert_eq!(by, ["approver", "operator"]);
}

#[test]
fn a_node_that_stops_keeps_the_take_and_one_that_is_killed_finds_it_at_its_next_start() {
    let folder = temporary_folder("killed");
    let mut stopped = Gateway::start_in(folder.clone(), &[]);
    let phone = at_the_beep(&stopped, "operator");
    speak(&phone, &sentence());
    stopped.drain();
    stopped.signal("TERM");
    assert_eq!(stopped.wait(LONG), Some(0));
    drafts(&stopped, 1);
    let secrets_told = std::mem::take(&mut stopped.banner);
    let mut killed = Gateway::start_in(folder.clone(), &[]);
    killed.banner = secrets_told;
    let phone = at_the_beep(&killed, "operator");
    let words = clip("en", "prompt.rate_ask", Codec::Alaw);
    speak(&phone, &[words.clone(), vec![0xD5; 8000]].concat());
    killed.signal("KILL");
    killed.wait(LONG);
    let again = Gateway::start_in(folder, &[]);
    let newest = drafts(&again, 2).into_iter().max_by_key(|take| take.at).expect("two takes");
    assert!(holds(&original(&again, &newest), &decoded(&words)));
    assert_eq!((newest.kind, &*newest.by.name), (TakeSource::Phone, "operator"));
    assert_eq!(again.metric("jindu_studio_phone_takes_total{end=\"recovered\"}"), 1.0);
}

#[test]
fn the_service_has_its_own_limit_of_calls_and_is_for_its_trunks_only() {
    let gateway = Gateway::start(&["phone.studio_calls_max=1"]);
    let first = dial(&gateway);
    let mut second = Phone::new(gateway.udp);
    assert_eq!(second.invite(&Dial { number: "9197", ..Dial::default() }).status, 486);
    assert_eq!(Phone::new(gateway.udp).invite(&Dial::default()).status, 200);
    drop(first);
    let elsewhere = Gateway::start(&["trunk.local.studio=false"]);
    let stranger = Phone::new(elsewhere.udp).invite(&Dial { number: "9197", ..Dial::default() });
    assert_eq!(stranger.status, 404);
    let off = Gateway::start(&["phone.studio=", "phone.numbers=96110110"]);
    assert_eq!(Phone::new(off.udp).invite(&Dial { number: "9197", ..Dial::default() }).status, 404);
}

#[test]
fn what_signs_an_operator_in_is_neither_logged_nor_kept() {
    let gateway = Gateway::start(&["log.level=trace"]);
    let Secrets { number, pin } = secrets(&gateway, "operator");
    let mut phone = dial(&gateway);
    phone.press(&format!("{number}#{pin}#"));
    hears(&mut phone, "zh", "studio.language");
    phone.hang_up();
    gateway.await_log("outcome");
    assert!(!gateway.log().contains(&pin), "the PIN is in the log");
    let journal = rusqlite::Connection::open(gateway.folder.join("journal.sqlite3")).expect("the journal");
    let row = eventually(LONG, "the call in the journal", || {
        journal
            .query_row("SELECT path, keys FROM calls", [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
    });
    assert_eq!(row, ("(studio)".into(), number.len() as i64 + pin.len() as i64 + 2));
    for file in ["journal.sqlite3", "journal.sqlite3-wal", "studio/accounts.sqlite3", "studio/accounts.sqlite3-wal"] {
        let octets = std::fs::read(gateway.folder.join(file)).unwrap_or_default();
        assert!(!octets.windows(pin.len()).any(|window| window == pin.as_bytes()), "the PIN is in {file}");
    }
}
