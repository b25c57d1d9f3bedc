//! What an operator changes while calls go on, and a call in text, by the program itself.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use base::Codec;
use support::gateway::{Gateway, home, jindu, temporary_folder};
use support::phone::Phone;
use support::sound;

const LONG: Duration = Duration::from_secs(60);

/// A folder of its own, gone when the test ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command on the draft, with acts on its standard input.
fn run(data: &Path, draft: &[String], words: &[&str], input: &str) -> Output {
    let mut command = jindu(data);
    for set in draft {
        command.arg("--set").arg(set);
    }
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

/// The shipped flow as a draft that can be edited, with a call sheet of its own.
fn draft(folder: &Path) -> Vec<String> {
    fs::copy(home().join("config/hotline/flow.toml"), folder.join("flow.toml")).expect("copied");
    fs::create_dir_all(folder.join("sheets")).expect("made");
    let sheet = "test \"the menu\"\n  hear welcome zh\n  press 1\n  hear menu main zh\n";
    fs::write(folder.join("sheets/menu.call"), sheet).expect("written");
    vec![
        format!("hotline.flow={}", folder.join("flow.toml").display()),
        format!("hotline.sheets={}", folder.join("sheets").display()),
    ]
}

fn edit(folder: &Path, change: impl Fn(&str) -> String) {
    let path = folder.join("flow.toml");
    let text = fs::read_to_string(&path).expect("the draft");
    let changed = change(&text);
    assert_ne!(text, changed, "the draft is changed");
    fs::write(path, changed).expect("written");
}

/// Guides and halls change places.
fn exchanged(flow: &str) -> String {
    flow.replace("go = \"halls\" }", "go = \"@@\" }")
        .replace("opt = \"guides\",    go = \"guide\"", "opt = \"halls\", go = \"halls\"")
        .replace("opt = \"halls\",     go = \"@@\"", "opt = \"guides\", go = \"guide\"")
        .replace("go = \"@@\" }", "go = \"halls\" }")
}

fn clip(lang: &str, id: &str) -> Vec<u8> {
    sound::clip(lang, id, Codec::Alaw)
}

fn live(data: &Path) -> String {
    fs::read_to_string(data.join("releases/live")).expect("a live release").trim().to_owned()
}

#[test]
fn a_call_in_text_is_the_same_each_time_and_is_saved_as_a_sheet() {
    let folder = Folder(temporary_folder("sim"));
    let sheet = folder.0.join("mine.call");
    let acts = format!(
        "at 2026-10-02 10:00\n1\n1\ndb 440126112400018 123X -> status=ready doc=passport hall=north\n440126112400018\n\
         123*\nemergency on\n0\nwait 10s\nlang en\n3\ndb slow 20s\n1\n440126112400018123*\ndb down\nsave {}\nquit\n",
        sheet.display()
    );
    let first = run(&folder.0, &[], &["sim"], &acts);
    assert!(first.status.success(), "{}{}", text(&first.stdout), text(&first.stderr));
    let told = text(&first.stdout);
    for heard in ["城北大厅", "节假日期间暂停人工服务", "→ receipt", "one moment"] {
        assert!(told.to_lowercase().contains(heard), "{heard} in {told}");
    }
    let again = run(&folder.0, &[], &["sim"], &acts.replace("mine.call", "again.call"));
    assert_eq!(told.replace("mine.call", ""), text(&again.stdout).replace("again.call", ""));
    let tested = run(&folder.0, &[], &["test", &sheet.display().to_string()], "");
    assert!(tested.status.success(), "{}\n{}", text(&tested.stdout), fs::read_to_string(&sheet).expect("the sheet"));
    assert!(!run(&folder.0, &[], &["sim"], "dance\n").status.success());
}

#[test]
fn a_release_is_taken_by_new_calls_and_kept_from_calls_in_progress() {
    let (data, folder) = (Folder(temporary_folder("live")), Folder(temporary_folder("draft")));
    let draft = draft(&folder.0);
    let published = run(&data.0, &draft, &["publish", "--who", "Li", "--why", "first"], "");
    assert!(published.status.success(), "{}{}", text(&published.stdout), text(&published.stderr));
    let first = live(&data.0);
    let gateway = Gateway::start_in(data.0.clone(), &draft.iter().map(String::as_str).collect::<Vec<_>>());
    let mut before: Vec<Phone> = (0..5).map(|_| Phone::dial(gateway.udp)).collect();
    edit(&folder.0, exchanged);
    let published = run(&data.0, &draft, &["publish", "--who", "Li", "--why", "halls first"], "");
    assert!(published.status.success(), "{}{}", text(&published.stdout), text(&published.stderr));
    assert!(gateway.await_log("is live for new calls"), "{}", gateway.log());
    assert_ne!(first, live(&data.0));
    let mut after = Phone::dial(gateway.udp);
    let (halls, guides) = (clip("zh", "opt.hall.central"), clip("zh", "opt.guide.passport"));
    thread::scope(|scope| {
        for phone in &mut before {
            phone.press("13");
            let halls = &halls;
            scope.spawn(move || {
                assert!(phone.hears(halls, LONG), "a call from before hears the halls");
                phone.hang_up();
            });
        }
        after.press("13");
        assert!(after.hears(&guides, LONG), "a new call hears the guides");
    });
    after.hang_up();
    refuses_bad_releases(&gateway, &data.0, &folder.0, &draft);
    rolls_back(&gateway, &data.0, &draft, &first);
}

fn refuses_bad_releases(gateway: &Gateway, data: &Path, folder: &Path, draft: &[String]) {
    let good = live(data);
    let kept = fs::read_to_string(folder.join("flow.toml")).expect("the draft");
    edit(folder, |flow| flow.replace("next = \"language\"", "next = \"langage\""));
    let refused = run(data, draft, &["publish"], "");
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("did you mean"), "{}", text(&refused.stderr));
    fs::write(folder.join("flow.toml"), kept).expect("restored");
    fs::write(folder.join("sheets/bad.call"), "test \"x\"\n  press 1\n  hear halls\n").expect("written");
    assert!(!run(data, draft, &["publish"], "").status.success());
    fs::remove_file(folder.join("sheets/bad.call")).expect("removed");
    assert_eq!(live(data), good);
    fs::write(data.join("releases/live"), "0".repeat(64)).expect("written");
    assert!(gateway.await_log("the release that was live stays so"), "{}", gateway.log());
    fs::write(data.join("releases/live"), &good).expect("written");
    let mut phone = Phone::dial(gateway.udp);
    phone.press("13");
    assert!(phone.hears(&clip("zh", "opt.guide.passport"), LONG), "the good one is still live");
    phone.hang_up();
}

fn rolls_back(gateway: &Gateway, data: &Path, draft: &[String], first: &str) {
    let replayed = run(data, draft, &["rollback", &first[..12], "--why", "halls last"], "");
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let told = text(&replayed.stdout);
    assert!(told.contains("main, key 3: led to guide, now to halls"), "{told}");
    assert_eq!(live(data), first);
    let releases = text(&run(data, draft, &["releases"], "").stdout);
    assert!(releases.contains("Li halls first") && releases.contains("rollback"), "{releases}");
    assert!(run(data, draft, &["emergency", "on", "--who", "officer"], "").status.success());
    assert!(gateway.await_log("the emergency notice"), "{}", gateway.log());
    let mut phone = Phone::dial(gateway.udp);
    phone.press("1");
    assert!(phone.hears(&clip("zh", "prompt.emergency"), LONG), "the notice is heard");
    phone.hang_up();
}

#[test]
fn the_switch_reaches_a_call_in_progress() {
    let data = Folder(temporary_folder("switch"));
    let gateway = Gateway::start_in(data.0.clone(), &[]);
    let mut phone = Phone::dial(gateway.udp);
    assert!(phone.hears(&clip("zh", "prompt.welcome"), LONG));
    assert!(run(&data.0, &[], &["emergency", "on"], "").status.success());
    assert!(gateway.await_log("the emergency notice"), "{}", gateway.log());
    phone.press("1");
    assert!(phone.hears(&clip("zh", "prompt.emergency"), LONG), "the notice is heard");
    phone.hang_up();
}

#[test]
fn the_handbooks_picture_is_the_flows_and_shows_what_is_wrong_with_a_draft() {
    let (data, folder) = (Folder(temporary_folder("no-data")), Folder(temporary_folder("picture")));
    let drawn = run(&data.0, &[], &["flow", "--svg"], "");
    assert!(drawn.status.success(), "{}", text(&drawn.stderr));
    let drawn = text(&drawn.stdout);
    let kept = fs::read_to_string(home().join("config/hotline/flow.svg")).expect("the handbook's picture");
    assert_eq!(drawn, kept, "draw it again: jindu flow --svg config/hotline/flow.svg");
    let flow = fs::read_to_string(home().join("config/hotline/flow.toml")).expect("the flow");
    for line in flow.lines().filter(|line| line.starts_with('[') && line.contains('.') && !line.starts_with("[[")) {
        let name = line.split(['.', ']']).nth(1).expect("a name");
        if !["enum", "type"].iter().any(|table| line.starts_with(&format!("[{table}."))) {
            assert!(drawn.contains(&format!(">{name}</text>")), "{name} is drawn");
        }
    }
    let draft = draft(&folder.0);
    edit(&folder.0, |flow| flow.replace("next = \"language\"", "next = \"langage\""));
    let drawn = text(&run(&data.0, &draft, &["flow", "--svg"], "").stdout);
    assert!(drawn.contains("⚠ E03") && drawn.contains("stroke=\"#c00\""), "the fault is red");
}

/// What one recording leaves when it is gone: a refusal, or the first language in its place, and never silence.
#[test]
fn the_first_language_stands_in_for_a_recording_that_is_missing() {
    let (data, folder) = (Folder(temporary_folder("missing")), Folder(temporary_folder("missing-draft")));
    let mut draft = draft(&folder.0);
    let audio = folder.0.join("audio");
    for lang in ["zh", "yue", "en"] {
        fs::create_dir_all(audio.join(lang)).expect("made");
        for file in fs::read_dir(home().join("prompts/audio").join(lang)).expect("recordings") {
            let file = file.expect("a file");
            let missing = lang == "en" && file.file_name() == "prompt.hall_info.north.wav";
            if !missing {
                std::os::unix::fs::symlink(file.path(), audio.join(lang).join(file.file_name())).expect("linked");
            }
        }
    }
    draft.push(format!("hotline.audio={}", audio.display()));
    let checked = run(&data.0, &draft, &["check"], "");
    assert_eq!(checked.status.code(), Some(64));
    let told = text(&checked.stderr);
    assert!(text(&checked.stdout).contains("flow, words and calendar are right"), "{}", text(&checked.stdout));
    assert!(
        told.contains("prompts/script.toml:") && told.contains("E47 prompt.hall_info.north has no recording in en"),
        "{told}"
    );
    assert!(!run(&data.0, &draft, &["publish"], "").status.success());
    assert!(!data.0.join("releases/live").exists());
    tells_of_changed_words(&data.0, &folder.0);
    let published = run(&data.0, &draft, &["publish", "--allow-missing"], "");
    assert!(published.status.success(), "{}{}", text(&published.stdout), text(&published.stderr));
    assert!(text(&published.stdout).contains("until then zh is heard"), "{}", text(&published.stdout));
    let gateway = Gateway::start_in(data.0.clone(), &[]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("332");
    assert!(phone.hears(&clip("zh", "prompt.hall_info.north"), LONG), "the Mandarin sentence stands in");
    phone.hang_up();
}

/// Words that are no longer those that were recorded, with their line.
fn tells_of_changed_words(data: &Path, folder: &Path) {
    let script = fs::read_to_string(home().join("prompts/script.toml")).expect("the script");
    let changed = script
        .replace("\"多谢来电，再见。\"", "\"谢谢来电，再见。\"")
        .replace("\"感谢来电，再见。\"", "\"谢谢来电，再见。\"");
    assert_ne!(script, changed);
    let path = folder.join("script.toml");
    fs::write(&path, changed).expect("written");
    let checked = run(data, &[format!("hotline.script={}", path.display())], &["check"], "");
    let told = text(&checked.stdout);
    assert!(checked.status.success() && told.contains("script.toml:"), "{told}{}", text(&checked.stderr));
    assert!(told.contains("W08 prompt.bye was recorded in zh before its words were changed"), "{told}");
}

/// Killed at any moment, a publication has happened or has not: what is live can be read whole.
#[test]
fn a_publication_that_is_killed_has_happened_or_has_not() {
    let (data, folder) = (Folder(temporary_folder("killed")), Folder(temporary_folder("killed-draft")));
    let draft = draft(&folder.0);
    assert!(run(&data.0, &draft, &["publish", "--why", "first"], "").status.success());
    let first = live(&data.0);
    edit(&folder.0, exchanged);
    let began = std::time::Instant::now();
    assert!(run(&data.0, &draft, &["publish", "--why", "second"], "").status.success());
    let (second, took) = (live(&data.0), began.elapsed());
    assert_ne!(first, second);
    for part in [50, 85, 97] {
        fs::remove_dir_all(data.0.join("releases").join(&second)).expect("removed");
        fs::write(data.0.join("releases/live"), format!("{first}\n")).expect("written");
        let mut command = jindu(&data.0);
        draft.iter().for_each(|set| {
            command.arg("--set").arg(set);
        });
        let mut child = command.arg("publish").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(took * part / 100);
        let _ = child.kill();
        let _ = child.wait();
        let now = live(&data.0);
        assert!(now == first || now == second, "{now}");
        // Rolling back to what is live reads nothing; to the other one reads it whole.
        let other = if now == first { &second } else { &first };
        let back = run(&data.0, &draft, &["rollback", &other[..12]], "");
        let is_there = data.0.join("releases").join(other).exists();
        assert_eq!(back.status.success(), is_there, "{}{}", text(&back.stdout), text(&back.stderr));
        if !is_there {
            assert!(run(&data.0, &draft, &["publish"], "").status.success(), "the next one goes through");
        }
        fs::create_dir_all(data.0.join("releases").join(&second)).expect("there to be removed");
    }
}

#[test]
fn old_releases_go_and_those_that_may_be_needed_stay() {
    let (data, folder) = (Folder(temporary_folder("old")), Folder(temporary_folder("old-draft")));
    let draft = draft(&folder.0);
    assert!(run(&data.0, &draft, &["publish"], "").status.success());
    let first = live(&data.0);
    let releases = data.0.join("releases");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let age = |path: &Path| fs::File::open(path).and_then(|file| file.set_modified(long_ago)).expect("aged");
    // Twenty-five older ones, as the audit tells them, and what a killed publication left.
    let mut audit = String::new();
    for n in 0..25 {
        let name = format!("{n:064x}");
        fs::create_dir_all(releases.join(&name)).expect("made");
        age(&releases.join(&name));
        audit.push_str(&format!(
            "{{\"at\":\"2026-01-{:02}T00:00:00Z\",\"what\":\"publish\",\"release\":\"{name}\",\"who\":\"Li\"}}\n",
            n + 1
        ));
    }
    let written = fs::read_to_string(releases.join("audit.jsonl")).expect("the audit");
    fs::write(releases.join("audit.jsonl"), audit + &written).expect("written");
    fs::create_dir_all(releases.join(".new-1")).expect("made");
    age(&releases.join(".new-1"));
    edit(&folder.0, exchanged);
    let published = run(&data.0, &draft, &["publish"], "");
    assert!(
        published.status.success() && text(&published.stdout).contains("old releases were removed"),
        "{published:?}"
    );
    let left = |n: u32| releases.join(format!("{n:064x}")).exists();
    assert!(releases.join(live(&data.0)).exists() && releases.join(&first).exists());
    assert!((0..7).all(|n| !left(n)) && (7..25).all(left), "twenty are kept");
    assert!(!releases.join(".new-1").exists());
    assert!(text(&run(&data.0, &draft, &["releases"], "").stdout).contains("(removed)"));
}
