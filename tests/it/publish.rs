//! What an operator changes while calls go on, and a call in text, by the program itself.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use base::Codec;
use support::command::{by_approver, live_release, text};
use support::folder::Folder;
use support::gateway::{Gateway, home, jindu};
use support::phone::Phone;
use support::sound;
use support::studio::{voice, wav};

const LONG: Duration = Duration::from_secs(60);

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

/// Publishes or rolls back, as an approver.
fn publishes(data: &Path, draft: &[String], words: &[&str]) -> Output {
    let by = by_approver(data);
    let words: Vec<&str> = words.iter().copied().chain(by.iter().map(String::as_str)).collect();
    run(data, draft, &words, "")
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
    flow.replace("keys.2 = \"guide\"", "keys.2 = \"@@\"")
        .replace("keys.3 = \"halls\"", "keys.3 = \"guide\"")
        .replace("keys.2 = \"@@\"", "keys.2 = \"halls\"")
}

fn clip(lang: &str, id: &str) -> Vec<u8> {
    sound::clip(lang, id, Codec::Alaw)
}

#[test]
fn a_call_in_text_is_the_same_each_time_and_is_saved_as_a_sheet() {
    let folder = Folder::new();
    let sheet = folder.join("mine.call");
    let acts = format!(
        "at 2026-10-02 10:00\n1\n1\ndb 440126112400018 123X -> status=ready doc=passport hall=north\n440126112400018\n\
         123*\nemergency on\n0\nwait 10s\nlang en\n3\ndb slow 20s\n1\n440126112400018123*\ndb down\nsave {}\nquit\n",
        sheet.display()
    );
    let first = run(folder.path(), &[], &["sim"], &acts);
    assert!(first.status.success(), "{}{}", text(&first.stdout), text(&first.stderr));
    let told = text(&first.stdout);
    for heard in ["城北大厅", "节假日期间暂停人工服务", "→ receipt", "one moment"] {
        assert!(told.to_lowercase().contains(heard), "{heard} in {told}");
    }
    let again = run(folder.path(), &[], &["sim"], &acts.replace("mine.call", "again.call"));
    assert_eq!(told.replace("mine.call", ""), text(&again.stdout).replace("again.call", ""));
    let tested = run(folder.path(), &[], &["test", &sheet.display().to_string()], "");
    assert!(tested.status.success(), "{}\n{}", text(&tested.stdout), fs::read_to_string(&sheet).expect("the sheet"));
    assert!(!run(folder.path(), &[], &["sim"], "dance\n").status.success());
}

#[test]
fn a_call_in_text_is_connected_with_an_agent() {
    let folder = Folder::new();
    let acts = "help\nagent amy ready\n10\nposition 3 5m\nagent amy answers\nagent amy hangs_up\n1\n";
    let told = text(&run(folder.path(), &[], &["sim"], acts).stdout);
    for act in ["agent amy ready", "position 3 5m", "queue full"] {
        assert!(told.split("> agent").next().is_some_and(|help| help.contains(act)), "{act} in the help: {told}");
    }
    let connected = told.split("> agent amy answers").nth(1).and_then(|rest| rest.split('>').next()).expect("answered");
    assert!(connected.contains("an agent talks to the caller") && !connected.contains('→'), "{connected}");
    assert!(told.contains("请评价本次服务"), "{told}");
}

#[test]
fn a_release_is_taken_by_new_calls_and_kept_from_calls_in_progress() {
    let (data, folder) = (Folder::new(), Folder::new());
    let draft = draft(folder.path());
    let published = publishes(data.path(), &draft, &["publish", "--why", "first"]);
    assert!(published.status.success(), "{}{}", text(&published.stdout), text(&published.stderr));
    let first = live_release(data.path());
    let gateway = Gateway::start_in(data.path().to_owned(), &draft.iter().map(String::as_str).collect::<Vec<_>>());
    let listed = text(&run(data.path(), &draft, &["releases"], "").stdout);
    let status = text(&run(data.path(), &draft, &["status"], "").stdout);
    let banner = format!("release {} is live", &first[..12]);
    assert!(gateway.banner.contains(&banner), "{banner}: {}", gateway.banner);
    assert!(listed.contains(&first[..12]) && status.contains(&first[..12]), "one name: {listed}{status}");
    let mut before: Vec<Phone> = (0..5).map(|_| Phone::dial(gateway.udp)).collect();
    before.iter_mut().for_each(|phone| phone.press("1"));
    edit(folder.path(), exchanged);
    let published = thread::scope(|scope| {
        let publication = scope.spawn(|| publishes(data.path(), &draft, &["publish", "--why", "halls first"]));
        // The star key keeps the callers at the main menu, however long that takes.
        while !publication.is_finished() {
            before.iter_mut().for_each(|phone| phone.press("*"));
            thread::sleep(Duration::from_secs(2));
        }
        publication.join().expect("a publication")
    });
    assert!(published.status.success(), "{}{}", text(&published.stdout), text(&published.stderr));
    gateway.await_release(&live_release(data.path()));
    assert_ne!(first, live_release(data.path()));
    let mut after = Phone::dial(gateway.udp);
    let (halls, guides) = (clip("zh", "opt.to_hall.central"), clip("zh", "opt.guide.passport"));
    thread::scope(|scope| {
        for phone in &mut before {
            phone.press("3");
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
    refuses_bad_releases(&gateway, data.path(), folder.path(), &draft);
    rolls_back(&gateway, data.path(), &draft, &first);
}

fn refuses_bad_releases(gateway: &Gateway, data: &Path, folder: &Path, draft: &[String]) {
    let good = live_release(data);
    let kept = fs::read_to_string(folder.join("flow.toml")).expect("the draft");
    edit(folder, |flow| flow.replace("next = \"language\"", "next = \"langage\""));
    let refused = publishes(data, draft, &["publish"]);
    assert!(!refused.status.success());
    assert!(
        text(&refused.stderr).contains("E03") && text(&refused.stderr).contains("langage"),
        "{}",
        text(&refused.stderr)
    );
    let errors = text(&refused.stderr);
    assert!(!errors.contains(" W0"), "remarks are no errors: {errors}");
    fs::write(folder.join("flow.toml"), kept).expect("restored");
    fs::write(folder.join("sheets/bad.call"), "test \"x\"\n  press 1\n  hear halls\n").expect("written");
    assert!(!publishes(data, draft, &["publish"]).status.success());
    fs::remove_file(folder.join("sheets/bad.call")).expect("removed");
    assert_eq!(live_release(data), good);
    fs::write(data.join("releases/live"), "0".repeat(64)).expect("written");
    gateway.await_log("release=\"000000000000\"");
    fs::write(data.join("releases/live"), &good).expect("written");
    let mut phone = Phone::dial(gateway.udp);
    phone.press("13");
    assert!(phone.hears(&clip("zh", "opt.guide.passport"), LONG), "the good one is still live");
    phone.hang_up();
}

fn rolls_back(gateway: &Gateway, data: &Path, draft: &[String], first: &str) {
    let replayed = publishes(data, draft, &["rollback", &first[..12], "--why", "halls last"]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let told = text(&replayed.stdout);
    assert!(told.lines().any(|line| ["main", "3", "guide", "halls"].iter().all(|word| line.contains(word))), "{told}");
    assert_eq!(live_release(data), first);
    let releases = text(&run(data, draft, &["releases"], "").stdout);
    assert!(releases.contains("wang: halls first") && releases.contains("rollback"), "{releases}");
    assert!(run(data, draft, &["emergency", "on", "--who", "officer"], "").status.success());
    gateway.await_log("on=true");
    let mut phone = Phone::dial(gateway.udp);
    phone.press("1");
    assert!(phone.hears(&clip("zh", "prompt.emergency"), LONG), "the notice is heard");
    phone.hang_up();
}

#[test]
fn the_switch_reaches_a_call_in_progress() {
    let data = Folder::new();
    let gateway = Gateway::start_in(data.path().to_owned(), &[]);
    let mut phone = Phone::dial(gateway.udp);
    assert!(phone.hears(&clip("zh", "prompt.welcome"), LONG));
    assert!(run(data.path(), &[], &["emergency", "on"], "").status.success());
    gateway.await_log("on=true");
    phone.press("1");
    assert!(phone.hears(&clip("zh", "prompt.emergency"), LONG), "the notice is heard");
    phone.hang_up();
}

#[test]
fn the_handbooks_picture_is_the_flows_and_shows_what_is_wrong_with_a_draft() {
    let (data, folder) = (Folder::new(), Folder::new());
    let drawn = run(data.path(), &[], &["flow", "--svg"], "");
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
    let draft = draft(folder.path());
    edit(folder.path(), |flow| flow.replace("next = \"language\"", "next = \"langage\""));
    let drawn = text(&run(data.path(), &draft, &["flow", "--svg"], "").stdout);
    assert!(drawn.contains("⚠ E03") && drawn.contains("stroke=\"#c00\""), "the fault is red");
}

/// What one recording leaves when it is gone: a refusal, or the first language in its place, and never silence.
#[test]
fn a_missing_recording_is_replaced_by_the_first_languages() {
    let (data, folder) = (Folder::new(), Folder::new());
    let mut draft = draft(folder.path());
    let audio = folder.join("audio");
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
    let checked = run(data.path(), &draft, &["check"], "");
    assert_eq!(checked.status.code(), Some(64));
    let told = text(&checked.stderr);
    assert!(told.contains("prompts/script.toml:") && told.contains("E47 prompt.hall_info.north"), "{told}");
    assert!(!publishes(data.path(), &draft, &["publish"]).status.success());
    assert!(!data.join("releases/live").exists());
    tells_of_changed_words(data.path(), folder.path());
    let published = publishes(data.path(), &draft, &["publish", "--allow-missing"]);
    assert!(published.status.success(), "{}{}", text(&published.stdout), text(&published.stderr));
    let gateway = Gateway::start_in(data.path().to_owned(), &[]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("332");
    assert!(phone.hears(&clip("zh", "prompt.hall_info.north"), LONG), "the Mandarin sentence stands in");
    phone.hang_up();
}

/// Words that are no longer those that were recorded are refused, with their line and slot.
fn tells_of_changed_words(data: &Path, folder: &Path) {
    let script = fs::read_to_string(home().join("prompts/script.toml")).expect("the script");
    let changed = script
        .replace("\"多谢来电，再见。\"", "\"谢谢来电，再见。\"")
        .replace("\"感谢来电，再见。\"", "\"谢谢来电，再见。\"");
    assert_ne!(script, changed);
    let path = folder.join("script.toml");
    fs::write(&path, changed).expect("written");
    let checked = run(data, &[format!("hotline.script={}", path.display())], &["check"], "");
    let told = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(64), "{told}");
    assert!(told.contains("script.toml:") && told.contains("E48") && told.contains("prompt.bye in zh"), "{told}");
}

#[test]
fn words_that_were_rolled_back_can_be_published_again_with_their_recording() {
    let (data, folder) = (Folder::new(), Folder::new());
    let mut draft = draft(folder.path());
    assert!(publishes(data.path(), &draft, &["publish"]).status.success());
    let first = live_release(data.path());
    let script = fs::read_to_string(home().join("prompts/script.toml")).expect("the script");
    let changed = script.replace("\"感谢来电，再见。\"", "\"谢谢您的来电，再见。\"");
    assert_ne!(script, changed);
    draft.push(format!("hotline.script={}", folder.file("script.toml", &changed)));
    let sound = folder.join("bye.wav");
    fs::write(&sound, wav(&voice("zh", "prompt.bye"))).expect("written");
    let sound = sound.display().to_string();
    let imported =
        run(data.path(), &draft, &["prompts", "import", &sound, "--slot", "zh/prompt.bye", "--who", "li"], "");
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let approved = publishes(data.path(), &draft, &["prompts", "approve", "all", "--heard"]);
    assert!(approved.status.success(), "{}", text(&approved.stderr));
    assert!(publishes(data.path(), &draft, &["publish"]).status.success());
    let second = live_release(data.path());
    assert!(publishes(data.path(), &draft, &["rollback"]).status.success());
    assert_eq!(live_release(data.path()), first);
    let again = publishes(data.path(), &draft, &["publish"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(live_release(data.path()), second);
}

/// A publication killed at any moment is complete or has no effect: the live release is always readable.
#[test]
fn a_killed_publication_is_complete_or_has_no_effect() {
    let (data, folder) = (Folder::new(), Folder::new());
    let draft = draft(folder.path());
    assert!(publishes(data.path(), &draft, &["publish", "--why", "first"]).status.success());
    let first = live_release(data.path());
    edit(folder.path(), exchanged);
    let began = std::time::Instant::now();
    assert!(publishes(data.path(), &draft, &["publish", "--why", "second"]).status.success());
    let (second, took) = (live_release(data.path()), began.elapsed());
    assert_ne!(first, second);
    for part in [50, 85, 97] {
        fs::remove_dir_all(data.join("releases").join(&second)).expect("removed");
        fs::write(data.join("releases/live"), format!("{first}\n")).expect("written");
        let mut command = jindu(data.path());
        draft.iter().for_each(|set| {
            command.arg("--set").arg(set);
        });
        let by = by_approver(data.path());
        let mut child =
            command.arg("publish").args(by).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(took * part / 100);
        let _ = child.kill();
        let _ = child.wait();
        let now = live_release(data.path());
        assert!(now == first || now == second, "{now}");
        // A rollback to the live release reads nothing; one to the other release reads all of it.
        let other = if now == first { &second } else { &first };
        let back = publishes(data.path(), &draft, &["rollback", &other[..12]]);
        let is_there = data.join("releases").join(other).exists();
        assert_eq!(back.status.success(), is_there, "{}{}", text(&back.stdout), text(&back.stderr));
        if !is_there {
            assert!(publishes(data.path(), &draft, &["publish"]).status.success(), "the next one goes through");
        }
        fs::create_dir_all(data.join("releases").join(&second)).expect("there to be removed");
    }
}

#[test]
fn old_releases_are_removed_and_those_that_may_be_needed_stay() {
    let (data, folder) = (Folder::new(), Folder::new());
    let draft = draft(folder.path());
    assert!(publishes(data.path(), &draft, &["publish"]).status.success());
    let first = live_release(data.path());
    let releases = data.join("releases");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let age = |path: &Path| fs::File::open(path).and_then(|file| file.set_modified(long_ago)).expect("aged");
    // Twenty-five older releases that the audit log lists, and the remains of a killed publication.
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
    edit(folder.path(), exchanged);
    let published = publishes(data.path(), &draft, &["publish"]);
    assert!(published.status.success(), "{published:?}");
    let left = |n: u32| releases.join(format!("{n:064x}")).exists();
    assert!(releases.join(live_release(data.path())).exists() && releases.join(&first).exists());
    assert!((0..7).all(|n| !left(n)) && (7..25).all(left), "twenty are kept");
    assert!(!releases.join(".new-1").exists());
    assert!(text(&run(data.path(), &draft, &["releases"], "").stdout).contains("(removed)"));
}
