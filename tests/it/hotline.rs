//! Whole calls over real SIP and RTP: what a caller keys in, and what is heard, octet for octet.

use std::thread;
use std::time::Duration;

use base::Codec;
use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::sound::clip;

const LANGS: [(&str, char); 3] = [("zh", '1'), ("yue", '2'), ("en", '3')];
const LONG: Duration = Duration::from_secs(40);

fn on_keys(tail: &str) -> String {
    tail.replace('X', "*")
}

fn hears(phone: &mut Phone, lang: &str, id: &str) {
    assert!(phone.hears(&clip(lang, id, Codec::Alaw), LONG), "{id} is heard in {lang}");
}

#[test]
fn every_state_is_answered_in_every_language() {
    let gateway = Gateway::start(&[]);
    let states = ["accepted", "review", "supplement", "production", "ready", "posted", "collected", "contact"];
    thread::scope(|scope| {
        for (lang, key) in LANGS {
            for state in states {
                let (receipt, tail) = gateway.example(state);
                let server = gateway.udp;
                scope.spawn(move || {
                    let mut phone = Phone::dial(server);
                    phone.press(&format!("{key}1{receipt}{}", on_keys(&tail)));
                    let id = if state == "contact" {
                        "prompt.st_contact".to_owned()
                    } else {
                        format!("prompt.st_{state}.0")
                    };
                    hears(&mut phone, lang, &id);
                    phone.hang_up();
                });
            }
        }
    });
    assert_eq!(gateway.metric("jindu_lookups_total{door=\"phone\",result=\"found\"}"), 24.0);
}

#[test]
fn a_wrong_number_and_a_wrong_tail_sound_alike() {
    let gateway = Gateway::start(&[]);
    let (receipt, tail) = gateway.example("ready");
    let wrong_tail = if tail.starts_with('0') { "1111" } else { "0000" };
    let unknown = format!("{}{}", &receipt[..12], if receipt.ends_with("000") { "999" } else { "000" });
    for (number, tail) in [(receipt.as_str(), wrong_tail), (unknown.as_str(), "0000")] {
        let mut phone = Phone::dial(gateway.udp);
        phone.press(&format!("31{number}{tail}"));
        hears(&mut phone, "en", "prompt.not_found");
        phone.hang_up();
    }
}

#[test]
fn silence_means_mandarin_and_then_a_person() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    for (lang, option) in [("zh", "opt.lang_zh"), ("yue", "opt.lang_yue"), ("en", "opt.lang_en")] {
        hears(&mut phone, lang, option);
    }
    hears(&mut phone, "zh", "opt.progress");
    phone.hang_up();
}

#[test]
fn the_first_key_stops_the_greeting() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("3");
    hears(&mut phone, "en", "opt.progress");
    let whole = clip("zh", "prompt.welcome", Codec::Alaw);
    let heard = phone.heard();
    assert!(
        !heard.windows(400).any(|window| window == &whole[whole.len() - 900..whole.len() - 500]),
        "the greeting ends early"
    );
    phone.hang_up();
}

#[test]
fn a_caller_on_mu_law_hears_mu_law() {
    let gateway = Gateway::start(&[]);
    let (receipt, tail) = gateway.example("collected");
    let mut phone = Phone::dial_with(gateway.udp, &Dial { codec: 0, ..Dial::default() });
    phone.press(&format!("21{receipt}{}", on_keys(&tail)));
    assert!(phone.hears(&clip("yue", "prompt.st_collected.0", Codec::Ulaw), LONG));
    phone.hang_up();
}

#[test]
fn info_keys_choose_like_pressed_ones() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press_info('3');
    hears(&mut phone, "en", "opt.progress");
    phone.hang_up();
}

#[test]
fn the_line_test_reads_keys_back_and_logs_their_source() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::dial_with(gateway.udp, &Dial { number: "9196", ..Dial::default() });
    phone.press("7");
    hears(&mut phone, "zh", "key.7");
    phone.press_info('#');
    hears(&mut phone, "zh", "key.pound");
    gateway.await_log(&format!("line test key call_id={} key=7 via=rtp", phone.call_id()));
    gateway.await_log(&format!("line test key call_id={} key=# via=info", phone.call_id()));
    phone.hang_up();
}

#[test]
fn hold_stops_the_sound_and_resume_brings_it_back() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    let held = phone.reinvite("sendonly");
    assert_eq!(held.status, 200);
    assert!(held.text.contains("a=recvonly"), "{}", held.text);
    thread::sleep(Duration::from_millis(300));
    let before = phone.heard().len();
    thread::sleep(Duration::from_millis(600));
    assert_eq!(phone.heard().len(), before, "a held caller hears nothing");
    assert_eq!(phone.reinvite("sendrecv").status, 200);
    phone.press("3");
    hears(&mut phone, "en", "opt.progress");
    phone.hang_up();
}

#[test]
fn a_caller_whose_sound_stops_is_ended() {
    let gateway = Gateway::start(&["phone.media_timeout_s=2"]);
    let mut phone = Phone::dial(gateway.udp);
    thread::sleep(Duration::from_millis(500));
    phone.mute();
    assert!(phone.await_request("BYE", Duration::from_secs(15)).is_some());
}

#[test]
fn a_caller_over_ipv6_is_answered() {
    let gateway = Gateway::start(&["phone.listen=udp:[::1]:0,tcp:[::1]:0"]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("1");
    hears(&mut phone, "zh", "opt.progress");
    phone.hang_up();
}

#[test]
fn a_full_node_says_when_to_come_back_and_a_draining_one_finishes_its_calls() {
    let mut gateway = Gateway::start(&["phone.calls_max=1"]);
    let mut first = Phone::dial(gateway.udp);
    let refused = Phone::new(gateway.udp).invite(&Dial::default());
    assert_eq!(refused.status, 503);
    assert!(refused.header("Retry-After").is_some());
    gateway.drain();
    assert_eq!(Phone::new(gateway.udp).invite(&Dial::default()).status, 503);
    first.press("3");
    hears(&mut first, "en", "opt.progress");
    first.hang_up();
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_second_signal_ends_at_once_and_says_goodbye() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    gateway.drain();
    gateway.signal("TERM");
    assert!(phone.await_request("BYE", Duration::from_secs(5)).is_some());
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_caller_who_wants_an_agent_is_transferred() {
    let gateway = Gateway::start(&["hotline.calendar=config/examples/always_open.toml"]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("10");
    let refer = phone.await_request("REFER", LONG).expect("a REFER");
    assert!(refer.contains("Refer-To: <sip:desk@127.0.0.1:5090>"), "{refer}");
    let trying = "Event: refer\r\nSubscription-State: active;expires=60\r\nContent-Type: message/sipfrag\r\n";
    assert_eq!(phone.request("NOTIFY", trying, "SIP/2.0 180 Ringing\r\n").status, 200);
    let ringing = ringing_tone();
    assert!(phone.hears(&ringing, LONG), "the caller hears it ring");
    assert!(phone.hears(&ringing, LONG), "and again after a pause");
    let state = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n";
    assert_eq!(phone.request("NOTIFY", state, "SIP/2.0 200 OK\r\n").status, 200);
    assert!(phone.await_request("BYE", Duration::from_secs(10)).is_some());
    assert_eq!(gateway.metric("jindu_transfers_total{result=\"done\"}"), 1.0);
    assert!(gateway.metric("jindu_answer_seconds_sum") > 0.0);
}

/// Half a second within the ringing tone, as a caller hears it.
fn ringing_tone() -> Vec<u8> {
    let bank = audio::Bank::build([]).expect("its own tones");
    let mut octets = vec![0; 8000];
    let mut list = audio::Playlist::new(bank.ringing(Duration::from_secs(1)));
    list.fill(&bank, &audio::Take::default(), Codec::Alaw, &mut octets);
    octets[2000..6000].to_vec()
}

#[test]
fn a_transfer_that_fails_takes_the_caller_back() {
    let gateway = Gateway::start(&["hotline.calendar=config/examples/always_open.toml"]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("30");
    phone.await_request("REFER", LONG).expect("a REFER");
    let state = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n";
    assert_eq!(phone.request("NOTIFY", state, "SIP/2.0 486 Busy Here\r\n").status, 200);
    hears(&mut phone, "en", "prompt.desk_busy.0");
    hears(&mut phone, "en", "opt.leave_message");
    phone.hang_up();
}

#[test]
fn nothing_that_names_a_person_is_logged_or_recorded() {
    let gateway = Gateway::start(&["log.level=trace"]);
    let (receipt, tail) = gateway.example("ready");
    let mut phone = Phone::dial(gateway.udp);
    phone.press(&format!("11{receipt}{}", on_keys(&tail)));
    hears(&mut phone, "zh", "prompt.st_ready.0");
    phone.hang_up();
    let scan = format!("{{\"code\":\"{receipt}\",\"kiosk\":\"hall-1\"}}");
    let (status, reply) = gateway.http("POST", "/api/scan", &scan);
    assert_eq!(status, 200);
    assert!(reply.contains("\"found\":true") && !reply.contains(&receipt), "{reply}");
    gateway.await_log("outcome");
    let log = gateway.log();
    for secret in [receipt.as_str(), "13800138000"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for line in log.lines() {
        let runs = line.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 11);
        assert_eq!(runs.collect::<Vec<_>>(), Vec::<&str>::new(), "a long number in: {line}");
    }
    let journal = std::fs::read(gateway.folder.join("journal.sqlite3")).expect("the journal");
    let replica = std::fs::read(gateway.folder.join("replica.sqlite3")).expect("the replica");
    for file in [journal, replica] {
        assert!(!file.windows(receipt.len()).any(|window| window == receipt.as_bytes()));
    }
}

#[test]
fn a_stranger_gets_no_answer_on_either_transport() {
    use std::io::{Read, Write};
    let gateway =
        Gateway::start(&["trunk.local.addresses=192.0.2.0/24", "phone.registrar.realm=", "phone.registrar.addresses="]);
    let mut stream = std::net::TcpStream::connect(gateway.tcp).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a limit");
    let options = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                   To: <sip:a@b>\r\nCall-ID: stranger\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let _ = stream.write_all(options.as_bytes());
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    assert!(gateway.metric("jindu_sip_dropped_total{reason=\"stranger\"}") >= 1.0);
}
