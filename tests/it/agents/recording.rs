//! Conversations that are recorded: announced, two channels, paused, sealed, heard by supervisors alone, kept over a kill.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use audio::{g711, measure, sine};
use base::Codec;
use serde_json::{Value, json};
use support::command::{done, done_json, run, told};
use support::folder::Folder;
use support::gateway::{Gateway, temporary_folder};
use support::phone::Phone;
use support::sound::clip;
use support::studio::{Person, Reply, request};
use support::wait::{SOON, eventually};

use super::monitoring::{monitors, supervisor};
use super::page::{FIRST, await_call, state, takes_callers};
use super::{LONG, command, telephone};
use support::agent_phone::AgentPhone;

/// The tones of the caller, of the agent, and of what must not be recorded.
const CALLER: f64 = 600.0;
const AGENT: f64 = 1000.0;
const SECRET: f64 = 1700.0;

/// The settings of an office that records, with its key.
fn office(scratch: &Folder) -> Vec<String> {
    let mut set: Vec<String> = super::OFFICE.iter().map(ToString::to_string).collect();
    set.retain(|value| !value.starts_with("queue="));
    set.push("queue=[{name=\"desk\", ring_limit_s=20, wrap_up_s=0, record=true}]".into());
    set.push("recording.disk_free_mb_min=0".into());
    set.push(scratch.sound_key("sound.key", 7));
    set
}

fn strs(set: &[String]) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}

/// `words` with the settings of the office.
fn words<'a>(words: &[&'a str], set: &'a [String]) -> Vec<&'a str> {
    let set = set.iter().flat_map(|value| ["--set", value.as_str()]);
    words.iter().copied().chain(set).collect()
}

fn tone(hertz: f64, milliseconds: u64) -> Vec<u8> {
    let samples = sine(hertz, -12.0, std::time::Duration::from_millis(milliseconds));
    samples.iter().map(|sample| g711::encode(Codec::Alaw, *sample)).collect()
}

/// How loud a tone is in its loudest fifth of a second.
fn loudest(samples: &[i16], hertz: f64) -> f64 {
    let level = |block: &[i16]| {
        let block: Vec<f32> = block.iter().map(|sample| f32::from(*sample) / 32768.0).collect();
        measure::tone_level(&block, 8000, hertz)
    };
    samples.chunks_exact(1600).map(level).fold(-150.0, f64::max)
}

/// The channels of an exported recording.
fn channels(path: &Path) -> [Vec<i16>; 2] {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8000));
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
}

/// Both sides speak at once, are heard, and are silent for a while.
fn talk(caller: &mut Phone, desk: &mut AgentPhone, (left, right): (f64, f64)) {
    let said = |hertz| [tone(hertz, 700), vec![g711::idle(Codec::Alaw); 4800]].concat();
    caller.say(&said(left));
    desk.say(&said(right));
    assert!(desk.hears(&tone(left, 120), LONG) && caller.hears(&tone(right, 120), LONG), "both hear each other");
    caller.has_said_all();
    desk.has_said_all();
}

/// A caller who is connected with an agent, once the announcement was heard.
fn connected(gateway: &Gateway, li: &Person, desk: &mut AgentPhone) -> (Phone, u64) {
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(caller.hears(&clip("zh", "prompt.recorded", Codec::Alaw), LONG), "{}", gateway.log());
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let call = await_call(li, "talking");
    eventually(SOON, "it is recorded", || match state(li)["call"]["recording"].clone() {
        shown if shown == "on" => Ok(()),
        other => Err(format!("{other} {}", gateway.log())),
    });
    (caller, call)
}

/// Asks for a part of a recording's sound.
fn sound(person: &Person, gateway: &Gateway, id: &str, range: &str) -> Reply {
    let lines = [format!("Cookie: {}", person.cookie), format!("Range: bytes={range}")];
    request(gateway.web, "GET", &format!("/agent/api/recording?id={id}"), &lines, b"")
}

fn ended(gateway: &Gateway, set: &[String]) -> Value {
    eventually(SOON, "the recording has ended", || {
        let listed = done_json(&gateway.folder, &words(&["recording", "list", "--json"], set));
        if listed[0]["length_s"].is_number() { Ok(listed[0].clone()) } else { Err(listed.to_string()) }
    })
}

#[test]
fn a_conversation_is_announced_recorded_in_two_channels_paused_sealed_and_heard_by_supervisors_alone() {
    let scratch = Folder::new();
    let set = office(&scratch);
    let gateway = Gateway::start(&strs(&set));
    let added = command(&gateway, &["studio", "account", "add", "chen", "--role", "supervisor"], &format!("{FIRST}\n"));
    assert!(added.0, "{}", added.1);
    let chen = Person::at_desk(&gateway, "chen", FIRST);
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    let (mut caller, call) = connected(&gateway, &li, &mut desk);
    talk(&mut caller, &mut desk, (CALLER, AGENT));
    li.does("pause-recording", &json!({"call": call, "on": true}));
    assert_eq!(state(&li)["call"]["recording"], "paused");
    talk(&mut caller, &mut desk, (SECRET, SECRET));
    li.does("pause-recording", &json!({"call": call, "on": false}));
    assert_eq!(state(&li)["call"]["recording"], "on");
    talk(&mut caller, &mut desk, (CALLER, AGENT));
    assert_eq!(gateway.metric("jindu_recordings_in_progress"), 1.0);
    // On hold the two do not hear each other, and silence is recorded.
    li.does("hold", &json!({"call": call, "on": true}));
    caller.say(&tone(SECRET, 500));
    assert!(caller.hears(&clip("zh", "music.hold.a", Codec::Alaw), LONG), "music");
    caller.hang_up();
    assert!(desk.is_hung_up(LONG));

    let one = ended(&gateway, &set);
    let id = one["id"].as_str().expect("a name").to_owned();
    assert_eq!(
        (one["queue"].as_str(), one["agent"].as_str(), one["whole"].as_bool()),
        (Some("desk"), Some("li"), Some(true))
    );
    let out = scratch.join("out.wav");
    exported_sound_is_of_two_sides_and_silent_in_the_pause(&gateway, &set, &one, &out);
    supervisors_hear_it_in_parts_and_agents_do_not(&gateway, (&chen, &li), &one, &out);
    the_record_and_the_audit_log_name_it(&gateway, &set, &id);
}

fn exported_sound_is_of_two_sides_and_silent_in_the_pause(gateway: &Gateway, set: &[String], one: &Value, out: &Path) {
    let id = one["id"].as_str().expect("a name");
    let file = gateway.folder.join("recordings").join(format!("{id}.wav"));
    let stored = fs::read(&file).expect("the file");
    assert!(stored.starts_with(b"jinduSF") && !stored.windows(4).any(|octets| octets == b"RIFF"), "it is sealed");
    let export = words(&["recording", "export", id, "--out", out.to_str().expect("UTF-8"), "--who", "chen"], set);
    done(&gateway.folder, &export);
    assert_eq!(fs::metadata(out).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(!run(&gateway.folder, &export).status.success(), "it is never written over");
    let [left, right] = channels(out);
    assert_eq!(left.len() as u64 / 8, (one["length_s"].as_f64().expect("a length") * 1000.0).round() as u64);
    for (channel, own, other) in [(&left, CALLER, AGENT), (&right, AGENT, CALLER)] {
        assert!(loudest(channel, own) > -20.0, "{own}: {}", loudest(channel, own));
        for absent in [other, SECRET] {
            assert!(loudest(channel, absent) < -50.0, "{absent}: {}", loudest(channel, absent));
        }
    }
    let pause = one["pauses"][0]
        .as_array()
        .expect("a pause")
        .iter()
        .map(|at| (at.as_f64().expect("seconds") * 8000.0) as usize);
    let pause: Vec<usize> = pause.collect();
    assert!(pause[1] - pause[0] > 4000, "it is as long as it was: {pause:?}");
    let silent = pause[0] + 800..pause[1] - 800;
    assert!([&left, &right].iter().all(|channel| channel[silent.clone()].iter().all(|sample| *sample == 0)), "silence");
    assert!(loudest(&left[pause[1]..], CALLER) > -20.0, "it goes on after the pause");
}

fn supervisors_hear_it_in_parts_and_agents_do_not(
    gateway: &Gateway,
    (chen, li): (&Person, &Person),
    one: &Value,
    out: &Path,
) {
    let id = one["id"].as_str().expect("a name");
    let from = "2020-01-01T00:00:00Z";
    let list = chen.get(&format!("recordings?from={from}&queue=desk&agent=li")).json();
    assert_eq!(
        (list["recordings"][0]["id"].as_str(), list["recordings"][0]["length_s"].as_f64()),
        (Some(id), one["length_s"].as_f64())
    );
    assert_eq!(chen.get(&format!("recordings?from={from}&agent=wang")).json()["recordings"], json!([]));
    assert_eq!(chen.get("recordings?until=2020-01-01T00:00:00Z").json()["recordings"], json!([]));
    for name in ["recordings".to_owned(), format!("recording?id={id}")] {
        assert_eq!(li.get(&name).status, 403, "{name}");
    }
    assert_eq!(gateway.http("GET", &format!("/agent/api/recording?id={id}"), "").0, 401);
    let (first, rest) = (sound(chen, gateway, id, "0-99"), sound(chen, gateway, id, "100-"));
    assert_eq!((first.status, rest.status), (206, 206));
    let whole = fs::read(out).expect("the file");
    assert_eq!(first.header("content-range"), Some(format!("bytes 0-99/{}", whole.len()).as_str()));
    assert_eq!([first.body, rest.body].concat(), whole, "the same sound");
    assert_eq!(sound(chen, gateway, id, &format!("{}-", whole.len())).status, 416);
    assert_eq!(chen.get("recording?id=0123456789abcdef").status, 404);
    assert_eq!(chen.get("recording?id=..%2Fsecret.key").status, 400);
}

fn the_record_and_the_audit_log_name_it(gateway: &Gateway, set: &[String], id: &str) {
    let file = gateway.folder.join("recordings").join(format!("{id}.wav"));
    let shown = done_json(&gateway.folder, &words(&["call", "#1", "--json"], set));
    assert_eq!(shown["recordings"][0]["id"], json!(id), "{shown}");
    let pauses = shown["recordings"][0]["pauses"].as_array().map(Vec::len);
    assert_eq!(pauses, Some(1), "{shown}");
    let delete = words(&["recording", "delete", id, "--who", "chen"], set);
    done(&gateway.folder, &delete);
    assert!(!file.exists());
    assert!(!run(&gateway.folder, &delete).status.success(), "it is gone");
    let audit = Person::of(gateway, "approver").get("audit").json();
    let rows = audit["rows"].as_array().expect("rows");
    let heard: Vec<&Value> = rows.iter().filter(|row| row["what"] == "recording_heard").collect();
    assert!(heard.len() == 1 && heard[0]["who"] == "chen", "one listening: {audit}");
    assert!(heard[0]["why"].as_str().is_some_and(|why| why.contains(id)), "{audit}");
    let log = fs::read_to_string(gateway.folder.join("releases/audit.jsonl")).expect("the log of commands");
    for what in ["recording export", "recording delete"] {
        assert!(
            log.lines().any(|line| line.contains(&format!("{what} {id}")) && line.contains("chen")),
            "{what}: {log}"
        );
    }
    assert_eq!(gateway.metric("jindu_recordings_in_progress"), 0.0);
}

#[test]
fn a_kill_in_the_middle_leaves_what_was_said_before() {
    let scratch = Folder::new();
    let set = office(&scratch);
    let gateway = Gateway::start_in(temporary_folder("recording"), &strs(&set));
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    let (mut caller, _) = connected(&gateway, &li, &mut desk);
    talk(&mut caller, &mut desk, (CALLER, AGENT));
    talk(&mut caller, &mut desk, (CALLER, AGENT));
    let folder = gateway.folder.clone();
    let written = || fs::read_dir(folder.join("recordings")).into_iter().flatten().flatten().next();
    eventually(SOON, "a second of it is on the disk", || {
        written().and_then(|file| file.metadata().ok()).is_some_and(|file| file.len() > 40_000)
    });
    drop((li, caller));
    gateway.kill();
    let gateway = Gateway::start_in(folder, &strs(&set));
    let one = ended(&gateway, &set);
    assert_eq!((one["whole"].as_bool(), one["agent"].as_str()), (Some(false), Some("li")), "{one}");
    let out = scratch.join("out.wav");
    let id = one["id"].as_str().expect("a name");
    done(&gateway.folder, &words(&["recording", "export", id, "--out", out.to_str().expect("UTF-8")], &set));
    let [left, right] = channels(&out);
    assert!(left.len() > 8000 && loudest(&left, CALLER) > -20.0 && loudest(&right, AGENT) > -20.0);
    assert!(loudest(&left, AGENT) < -50.0 && loudest(&right, CALLER) < -50.0);
}

#[test]
fn a_node_that_would_record_in_clear_or_without_an_announcement_does_not_start() {
    let scratch = Folder::new();
    let data = Folder::new();
    let set = office(&scratch);
    let checked = |set: &[String], more: &[&str]| {
        let mut words = words(&["check"], set);
        words.extend(more.iter().flat_map(|value| ["--set", *value]));
        let output = run(data.path(), &words);
        (output.status.code(), told(&output))
    };
    let (code, all_right) = checked(&set, &[]);
    assert_eq!(code, Some(0), "{all_right}");
    let (code, wrong) = checked(&set, &["data.sound_key="]);
    assert!(code == Some(64) && wrong.contains("[recording.sound_key]"), "{wrong}");
    let shipped = fs::read_to_string(support::gateway::home().join("config/hotline/flow.toml")).expect("the flow");
    let flow = scratch.join("flow.toml");
    fs::write(&flow, shipped.replace("when      = \"desk.recorded\"", "when      = \"switch.emergency\""))
        .expect("written");
    let named = format!("hotline.flow={}", flow.display());
    let (code, wrong) = checked(&set, &[&named]);
    assert!(code == Some(64) && wrong.contains("E50") && wrong.contains("staff"), "{wrong}");
    let unrecorded: Vec<String> = set.iter().map(|value| value.replace(", record=true", "")).collect();
    assert_eq!(checked(&unrecorded, &[&named]).0, Some(0), "nothing is recorded");
}

#[test]
fn a_recording_ends_at_its_longest_and_the_conversation_goes_on() {
    let scratch = Folder::new();
    let mut set = office(&scratch);
    set.push("recording.longest_s=10".into());
    let gateway = Gateway::start(&strs(&set));
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    let (mut caller, _) = connected(&gateway, &li, &mut desk);
    eventually(LONG, "the page shows that it is recorded no more", || match state(&li)["call"]["recording"].clone() {
        shown if shown == "off" => Ok(()),
        other => Err(format!("{other} {}", gateway.log())),
    });
    talk(&mut caller, &mut desk, (CALLER, AGENT));
    let one = ended(&gateway, &set);
    assert_eq!((one["length_s"].as_f64().map(f64::round), one["whole"].as_bool()), (Some(10.0), Some(true)), "{one}");
    assert_eq!(gateway.metric("jindu_recording_failures_total{reason=\"longest\"}"), 1.0);
    caller.hang_up();
    assert!(desk.is_hung_up(LONG));
}

#[test]
fn whoever_comes_into_a_conversation_has_a_recording_of_the_own_part() {
    let scratch = Folder::new();
    let set = office(&scratch);
    let gateway = Gateway::start(&strs(&set));
    let chen = supervisor(&gateway, "chen", "803");
    let mut boss = telephone(&gateway, "803");
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    let (wang, mut second) = takes_callers(&gateway, "wang", "802");
    wang.does("pause", &json!({}));
    let (mut caller, call) = connected(&gateway, &li, &mut desk);
    talk(&mut caller, &mut desk, (CALLER, AGENT));
    // A colleague who was asked.
    wang.does("ready", &json!({}));
    li.does("consult", &json!({"call": call, "agent": "wang"}));
    assert!(second.rings(LONG), "{}", gateway.log());
    second.answers(8);
    eventually(SOON, "the colleague answers", || match li.post("complete", &json!({"call": call})) {
        reply if reply.status == 200 => Ok(()),
        reply => Err(reply.json().to_string()),
    });
    await_call(&wang, "talking");
    assert_eq!(state(&wang)["call"]["recording"], "on");
    talk(&mut caller, &mut second, (SECRET, CALLER));
    // A supervisor who takes over.
    monitors(&chen, "wang", "take_over");
    assert!(boss.rings(LONG));
    boss.answers(8);
    assert!(second.is_hung_up(LONG));
    await_call(&chen, "talking");
    talk(&mut caller, &mut boss, (AGENT, SECRET));
    caller.hang_up();
    assert!(boss.is_hung_up(LONG));

    let ended = eventually(SOON, "each part has ended", || {
        let listed = done_json(&gateway.folder, &words(&["recording", "list", "--json"], &set));
        let parts = listed.as_array().cloned().unwrap_or_default();
        let all = parts.len() == 3 && parts.iter().all(|part| part["length_s"].is_number());
        if all { Ok(parts) } else { Err(format!("{listed} {}", gateway.log())) }
    });
    for (agent, tones) in [("li", [CALLER, AGENT]), ("wang", [SECRET, CALLER]), ("chen", [AGENT, SECRET])] {
        let part = ended.iter().find(|part| part["agent"] == agent).expect("a part of each");
        assert!(part["whole"] == true && part["length_s"].as_f64() > Some(0.6), "{part}");
        let out = scratch.join(&format!("{agent}.wav"));
        let id = part["id"].as_str().expect("a name");
        let export = ["recording", "export", id, "--out", out.to_str().expect("UTF-8"), "--who", "chen"];
        done(&gateway.folder, &words(&export, &set));
        for (channel, hertz) in channels(&out).iter().zip(tones) {
            assert!(loudest(channel, hertz) > -20.0, "{agent} {hertz}: {}", loudest(channel, hertz));
        }
    }
}
