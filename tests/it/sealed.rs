//! Recordings that are sealed by choice: what callers leave and operators record is played, levelled and published as
//! before, and it cannot be read without its key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use support::command::{done, done_json, live_release, run, told};
use support::folder::Folder;
use support::gateway::Gateway;
use support::phone::Phone;
use support::studio::{Person, voice, wav};
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);

fn whole(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    files.filter(|path| path.extension().is_none_or(|extension| extension == "wav")).collect()
}

fn is_sealed(path: &Path) -> bool {
    fs::read(path).expect("there").starts_with(b"jinduSF")
}

#[test]
fn sealed_messages_and_takes_are_played_and_published_and_need_their_key() {
    let scratch = Folder::new();
    let set = scratch.sound_key("sound.key", 7);
    let mut gateway = Gateway::start(&["messages.disk_free_mb_min=0", &set]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("345");
    phone.say(&[0x2A; 24_000]);
    phone.has_said_all();
    // The caller listens to it, and keeps it.
    phone.press("#2");
    assert!(phone.hears(&[0x2A; 8000], LONG), "the caller hears the message");
    phone.press("1");
    let messages = gateway.folder.join("messages");
    eventually(LONG, "the message is kept", || whole(&messages).len() == 1);
    phone.hang_up();
    let (operator, approver) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let upload = wav(&voice("zh", "prompt.welcome"));
    let take = operator.keeps("zh", "prompt.welcome", &upload);
    let studio = ["originals", "masters"].map(|part| gateway.folder.join("studio").join(part));
    let stored: Vec<PathBuf> = [&messages, &studio[0], &studio[1]].iter().flat_map(|folder| whole(folder)).collect();
    assert!(stored.len() == 3 && stored.iter().all(|path| is_sealed(path)), "{stored:?}");
    assert!(operator.get(&format!("sound?take={take}&form=original")).body == upload, "what was sent comes back");
    approver.does("approve", &json!({"takes": [take]}));
    approver.does("publish", &json!({"why": "sealed"}));
    gateway.await_release(&live_release(&gateway.folder));
    let octets = approver.octets(&take);
    let mut new = Phone::dial(gateway.udp);
    assert!(new.hears(&octets, LONG), "a caller hears the take");
    new.hang_up();

    let data = gateway.folder.clone();
    let ticket = done_json(&data, &["messages", "list", "--json", "--set", &set])[0]["ticket"].clone();
    let ticket = ticket.as_str().expect("a ticket");
    let out = scratch.join("message.wav").display().to_string();
    let play =
        |set: &str, out: &str| run(&data, &["messages", "play", ticket, "--who", "wang", "--set", set, "--out", out]);
    let path = run(&data, &["messages", "play", ticket, "--who", "wang", "--set", &set]);
    assert_eq!(path.status.code(), Some(1), "a sealed file is of no use to a player");
    assert!(play(&set, &out).status.success());
    let reader = hound::WavReader::open(&out).expect("a WAV file");
    // The caller may have begun before the beep was over.
    assert!((16_000..=24_000).contains(&reader.len()), "{}", reader.len());
    let refused = play(&scratch.sound_key("other.key", 8), "-");
    assert!(refused.status.code() == Some(1) && told(&refused).contains("sound_key.other"), "{}", told(&refused));
    // Commands that read no recordings need no key.
    done(&data, &["releases", "--set", &scratch.sound_key("other.key", 8)]);
    let refused = play("data.sound_key=", "-");
    assert!(refused.status.code() == Some(1) && told(&refused).contains("sound_key.unset"), "{}", told(&refused));
    let refused = run(&data, &["seal", "--undo", "--set", &set]);
    assert_eq!(refused.status.code(), Some(1), "a node that serves would go on sealing");
    assert!(stored.iter().all(|path| is_sealed(path)), "and nothing is opened");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(LONG), Some(0), "the node ends");
    done(&data, &["seal", "--undo", "--set", &set]);
    assert!(stored.iter().all(|path| !is_sealed(path)), "opened");
    let clear = stored.iter().find(|path| path.starts_with(&messages)).expect("the message");
    assert_eq!(fs::read(clear).expect("there"), fs::read(&out).expect("there"));
    done(&data, &["seal", "--set", &set]);
    assert!(stored.iter().all(|path| is_sealed(path)), "sealed again");
}

#[test]
fn the_check_explains_a_missing_a_lax_and_a_short_key() {
    let (data, scratch) = (Folder::new(), Folder::new());
    let set = scratch.sound_key("sound.key", 7);
    done(data.path(), &["check", "--set", &set]);
    let code = |set: &str| {
        let checked = run(data.path(), &["check", "--set", set]);
        assert_eq!(checked.status.code(), Some(64));
        told(&checked).rsplit('[').next().and_then(|rest| rest.split(']').next()).unwrap_or("").to_owned()
    };
    assert_eq!(code(&format!("data.sound_key={}", scratch.join("none").display())), "sound_key.missing");
    let path = scratch.join("sound.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("lax");
    assert_eq!(code(&set), "sound_key.lax");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its owner's");
    fs::write(&path, [7; 16]).expect("written");
    assert_eq!(code(&set), "sound_key.length");
    assert_eq!(code("data.sound_key=credential:sound.key"), "sound_key.credential");
}
