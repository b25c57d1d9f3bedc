//! The agents' page in a real browser: a caller rings, is seen, answered, noted; the supervisor's view.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use support::agent_phone::AgentPhone;
use support::browser::Browser;
use support::folder::Folder;
use support::gateway::Gateway;
use support::phone::Phone;
use support::studio::{Person, first_password, microphone};
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);
const SETTINGS: [&str; 2] = [
    "hotline.calendar=config/examples/always_open.toml",
    "queue=[{name=\"desk\", ring_limit_s=60, wrap_up_s=120}, {name=\"visa\"}]",
];

/// Keeps a picture of the page for people to look at.
fn keep(browser: &mut Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let picture = browser.picture(1.0);
    assert!(picture.starts_with(b"\x89PNG"), "a picture");
    fs::write(folder.join(format!("agent-{name}.png")), picture).expect("a picture can be written");
}

/// Signs in at the page, with a first password that is replaced.
fn signs_in(browser: &mut Browser, gateway: &Gateway, name: &str, lang: &str) {
    browser.open(&format!("http://{}/agent", gateway.web));
    browser.value(&format!("localStorage.setItem('studio-lang', '{lang}')"));
    browser.open(&format!("http://{}/agent?{name}", gateway.web));
    browser.until("document.activeElement.id === 'name'");
    browser.write(name);
    browser.press("Tab");
    let typed = first_password(gateway, name);
    browser.write(&typed);
    browser.press("Enter");
    for _ in 0..2 {
        browser.until("['new', 'again'].includes(document.activeElement.id)");
        browser.write(&format!("{typed} mine"));
        let is_last = browser.value("document.activeElement.id === 'again'") == true;
        browser.press(if is_last { "Enter" } else { "Tab" });
    }
}

/// The telephone of an agent whom the first start made.
fn telephone_of(gateway: &Gateway, name: &str) -> AgentPhone {
    // It notes the passwords before a sign-in removes them.
    first_password(gateway, name);
    let text = fs::read_to_string(gateway.folder.join("initial-passwords.noted")).expect("noted");
    let line = text.lines().find(|line| line.contains(&format!("name {name} "))).expect("the agent");
    let number: String = line.split("registers as ").nth(1).expect("a number").chars().take(3).collect();
    let password = line.rsplit("password ").next().expect("a password").trim_end_matches(')');
    let mut desk = AgentPhone::new(gateway.udp, &number, "jindu.localhost", password);
    assert_eq!(desk.register(300), 200, "{}", gateway.log());
    desk
}

/// Nothing on the page is cut off or wider than the screen.
fn fits(browser: &mut Browser) {
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true);
}

#[test]
fn an_agent_is_called_sees_the_caller_and_notes_it_with_keys_alone() {
    let gateway = Gateway::start(&SETTINGS);
    let mut desk = telephone_of(&gateway, "agent1");
    let mut browser = Browser::start(1366, 768);
    signs_in(&mut browser, &gateway, "agent1", "zh");
    browser.until("document.querySelector('#state-time')?.textContent.includes(':')");
    keep(&mut browser, "signed-out");
    eventually(LONG, "the account is known", || {
        browser.press("r");
        std::thread::sleep(Duration::from_millis(500));
        browser.value("document.querySelector('.state.is-ready') !== null") == true
    });
    let (receipt, tail) = gateway.example("ready");
    let mut caller = Phone::dial(gateway.udp);
    caller.press(&format!("21{receipt}{}", tail.replace('X', "*")));
    eventually(LONG, "the case is found", || {
        gateway.metric("jindu_lookups_total{door=\"phone\",result=\"found\"}") == 1.0
    });
    caller.press("0");
    assert!(desk.rings(LONG), "{}", gateway.log());
    browser.until(
        "document.querySelector('.banner.is-ringing') !== null && document.querySelector('.stage-now') !== null",
    );
    assert!(browser.text("#caller").replace(' ', "").contains(&receipt));
    keep(&mut browser, "ringing");
    fits(&mut browser);
    desk.answers(8);
    browser.until("document.querySelector('.banner.is-talking') !== null");
    browser.press("1");
    browser.until("document.querySelector('#reason-1').checked");
    browser.value("document.activeElement.blur()");
    browser.press("n");
    browser.until("document.activeElement.id === 'note-text'");
    browser.write("询问领取时间，已答复");
    browser.resize(1920, 1080);
    keep(&mut browser, "talking");
    fits(&mut browser);
    browser.press("Escape");
    browser.press("h");
    assert!(desk.is_hung_up(LONG));
    browser.until(
        "document.querySelector('.banner.is-over') !== null && document.querySelector('.state.is-wrap_up') !== null",
    );
    browser.value("document.querySelector('#do-note').click()");
    browser.until("document.querySelector('.good-text').textContent.includes('✓')");
    browser.value("[...document.querySelectorAll('.top button')].find((one) => one.innerText === 'English').click()");
    browser.until("document.querySelector('h1').textContent.includes('Wrap-up')");
    keep(&mut browser, "wrap-up-en");
    browser.resize(1366, 768);
    keep(&mut browser, "wrap-up-en-small");
    fits(&mut browser);
    browser.zoom(1366, 768, 2);
    fits(&mut browser);
    // What is over and noted goes away once the agent is ready, and does not come back.
    browser.press("r");
    browser.until("document.querySelector('.state.is-ready') && !document.querySelector('.banner')");
    browser.press("p");
    browser.until("document.querySelector('.state.is-not_ready') && !document.querySelector('.banner')");
    assert_eq!(browser.errors, Vec::<String>::new());
    caller.hang_up();
}

/// A caller who talks to the first agent, who is at the page.
fn talks(browser: &mut Browser, gateway: &Gateway, desk: &mut AgentPhone) -> Phone {
    signs_in(browser, gateway, "agent1", "zh");
    becomes_ready(browser);
    let caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    browser.until("document.querySelector('.banner.is-talking') !== null");
    caller
}

#[test]
fn a_call_that_is_over_is_closed_with_its_note_saved() {
    let gateway = Gateway::start(&SETTINGS);
    let mut desk = telephone_of(&gateway, "agent1");
    let mut browser = Browser::start(1366, 768);
    let mut caller = talks(&mut browser, &gateway, &mut desk);
    browser.press("n");
    browser.write("已答复");
    browser.press("Escape");
    browser.press("h");
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
    browser.until("document.querySelector('#do-close') !== null");
    browser.click("#do-close");
    browser.until("!document.querySelector('.banner')");
    let noted = || {
        let file = rusqlite::Connection::open(gateway.folder.join("journal.sqlite3")).expect("the journal");
        file.query_row("SELECT text FROM agent_notes", [], |row| row.get::<_, String>(0))
            .map_err(|error| error.to_string())
    };
    assert_eq!(eventually(LONG, "the note is kept", noted), "已答复");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn an_agent_answers_at_the_page_with_the_browser_as_telephone() {
    let gateway = Gateway::start(&SETTINGS);
    let folder = Folder::new();
    let mut browser = Browser::with_microphone(1366, 768, &microphone(folder.path(), &[0; 8000]));
    answers_in_the_browser(&mut browser, &gateway);
    becomes_ready(&mut browser);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    browser.until("document.querySelector('#do-answer') !== null");
    keep(&mut browser, "browser-ringing");
    browser.press("a");
    browser.until("document.querySelector('.banner.is-talking') !== null");
    keep(&mut browser, "browser-talking");
    fits(&mut browser);
    browser.press("h");
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn the_browsers_telephone_answers_again_after_a_restart_of_the_node() {
    let gateway = Gateway::start(&SETTINGS);
    let folder = Folder::new();
    let mut browser = Browser::with_microphone(1366, 768, &microphone(folder.path(), &[0; 8000]));
    answers_in_the_browser(&mut browser, &gateway);
    let (data, web) = (gateway.folder.clone(), gateway.web);
    gateway.kill();
    browser.until("document.querySelector('#phone .trouble')?.textContent.includes('自动重新连接')");
    let gateway = Gateway::start_in(data, &[SETTINGS[0], SETTINGS[1], &format!("web.listen={web}")]);
    eventually(LONG, "it registers again by itself", || gateway.metric("jindu_browser_telephones") == 1.0);
    becomes_ready(&mut browser);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    browser.until("document.querySelector('#do-answer') !== null");
    browser.press("a");
    browser.until("document.querySelector('.banner.is-talking') !== null");
    browser.press("h");
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
}

#[test]
fn an_agent_asks_a_colleague_and_connects_both_with_keys_alone() {
    let gateway = Gateway::start(&SETTINGS);
    let (mut desk, mut second) = (telephone_of(&gateway, "agent1"), telephone_of(&gateway, "agent2"));
    let mut browser = Browser::start(1366, 768);
    let mut caller = talks(&mut browser, &gateway, &mut desk);
    browser.press("m");
    browser.until("document.querySelector('#do-mute').getAttribute('aria-pressed') === 'true'");
    keep(&mut browser, "muted");
    browser.press("m");
    browser.until("document.querySelector('#do-mute').getAttribute('aria-pressed') === 'false'");
    let colleague = Person::at_desk(&gateway, "agent2", &first_password(&gateway, "agent2"));
    eventually(LONG, "the colleague is ready", || colleague.post("ready", &json!({})).status == 200);
    browser.until("document.querySelector('#transfer-to')?.value === 'agent:agent2'");
    browser.press("c");
    assert!(second.rings(LONG), "{}", gateway.log());
    browser.until("document.querySelector('#do-back') !== null");
    second.answers(8);
    browser.until("document.querySelector('#do-complete') !== null");
    keep(&mut browser, "consulting");
    fits(&mut browser);
    browser.press("s");
    browser.until("document.querySelector('.banner h2').textContent.includes('与来电人通话')");
    browser.press("f");
    assert!(desk.is_hung_up(LONG));
    browser.until("document.querySelector('.banner.is-over') !== null");
    let shown = colleague.get("state").json();
    assert_eq!((shown["call"]["stage"].as_str(), shown["call"]["asked_by"].as_str()), (Some("talking"), None));
    assert_eq!(browser.errors, Vec::<String>::new());
    caller.hang_up();
    assert!(second.is_hung_up(LONG));
}

#[test]
fn a_supervisor_listens_and_takes_over_in_the_browser_by_keys() {
    let gateway = Gateway::start(&SETTINGS);
    let mut desk = telephone_of(&gateway, "agent1");
    let agent = Person::at_desk(&gateway, "agent1", &first_password(&gateway, "agent1"));
    eventually(LONG, "the account is known", || agent.post("ready", &json!({})).status == 200);
    let folder = Folder::new();
    let mut browser = Browser::with_microphone(1366, 768, &microphone(folder.path(), &[0; 8000]));
    signs_in(&mut browser, &gateway, "supervisor", "zh");
    browser.until("document.querySelector('#do-phone') !== null");
    browser.press("b");
    eventually(LONG, "the browser is a telephone", || gateway.metric("jindu_browser_telephones") == 1.0);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    browser.until("document.querySelector('#listen-1') !== null");
    browser.press("1");
    browser.until("document.querySelector('#do-answer') !== null");
    browser.press("a");
    let shown = |mode: &str| {
        eventually(LONG, format!("the agent is told of {mode}"), || match agent.get("state").json() {
            shown if shown["call"]["monitor"]["mode"] == mode => Ok(()),
            other => Err(other.to_string()),
        });
    };
    shown("listen");
    keep(&mut browser, "supervisor-listens");
    for (key, mode) in [("w", "whisper"), ("i", "barge"), ("l", "listen")] {
        browser.until("document.querySelector('#do-leave') !== null");
        browser.press(key);
        shown(mode);
    }
    for muted in ["true", "false"] {
        browser.press("m");
        browser.until(&format!("document.querySelector('#do-mute').getAttribute('aria-pressed') === '{muted}'"));
    }
    fits(&mut browser);
    browser.press("o");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.value("document.querySelector('dialog .danger').click()");
    assert!(desk.is_hung_up(LONG), "{}", gateway.log());
    browser.until("document.querySelector('.banner.is-talking') !== null");
    keep(&mut browser, "supervisor-talks");
    fits(&mut browser);
    browser.press("h");
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
    browser.until("document.querySelector('.banner.is-over') !== null");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_supervisor_sees_the_desk_and_closes_a_queue() {
    let gateway = Gateway::start(&SETTINGS);
    let _desk = telephone_of(&gateway, "agent1");
    let agent = Person::at_desk(&gateway, "agent1", &first_password(&gateway, "agent1"));
    eventually(LONG, "the account is known", || agent.post("ready", &json!({})).status == 200);
    agent.does("pause", &json!({}));
    let mut caller = Phone::dial(gateway.udp);
    caller.press("30");
    let mut browser = Browser::start(1366, 768);
    signs_in(&mut browser, &gateway, "supervisor", "zh");
    browser.until("document.querySelector('#desk-waiting tbody tr') !== null");
    keep(&mut browser, "supervisor");
    fits(&mut browser);
    browser.value("document.querySelectorAll('#desk-queues tbody button')[1].click()");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.value("document.querySelector('dialog .danger').click()");
    browser.until("document.querySelectorAll('#desk-queues tbody tr')[1].innerText.includes('已关闭')");
    assert_eq!(agent.get("state").json()["notice"]["what"], "queue_closed");
    browser.resize(1920, 1080);
    keep(&mut browser, "supervisor-large");
    fits(&mut browser);
    assert_eq!(browser.errors, Vec::<String>::new());
    caller.hang_up();
}

#[test]
fn a_supervisor_finds_a_recording_and_hears_it_in_the_browser() {
    let folder = Folder::new();
    let key = folder.sound_key("sound.key", 7);
    let queue = "queue=[{name=\"desk\", ring_limit_s=60, record=true}]";
    let gateway = Gateway::start(&[SETTINGS[0], queue, "recording.disk_free_mb_min=0", &key]);
    let mut desk = telephone_of(&gateway, "agent1");
    let agent = Person::at_desk(&gateway, "agent1", &first_password(&gateway, "agent1"));
    eventually(LONG, "the account is known", || agent.post("ready", &json!({})).status == 200);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let in_progress = || gateway.metric("jindu_recordings_in_progress");
    eventually(LONG, "it is recorded", || in_progress() == 1.0);
    desk.say(&[0x55; 12_000]);
    desk.has_said_all();
    desk.hang_up();
    eventually(LONG, "the recording has ended", || in_progress() == 0.0);
    caller.hang_up();

    let mut browser = Browser::start(1366, 768);
    signs_in(&mut browser, &gateway, "supervisor", "zh");
    browser.until("document.querySelector('#recordings-list tbody button') !== null");
    browser.value("document.querySelector('#recordings').scrollIntoView()");
    browser.value("document.querySelector('#recordings-list tbody button').click()");
    browser.until("document.querySelector('#recordings-player audio')?.duration > 1");
    browser.until("document.querySelector('#recordings-player audio').currentTime > 0.3");
    keep(&mut browser, "recordings");
    fits(&mut browser);
    let choose = |agent: &str| {
        format!(
            "((one) => {{ one.value = '{agent}'; one.dispatchEvent(new Event('change')); }})\
             (document.querySelector('#recordings-agent'))"
        )
    };
    browser.value(&choose("agent2"));
    browser.until("document.querySelector('#recordings-found').textContent.includes('没有符合条件的录音')");
    browser.value(&choose("agent1"));
    browser.until("document.querySelectorAll('#recordings-list tbody tr').length === 1");
    let audit = Person::of(&gateway, "approver").get("audit").json();
    let heard = audit["rows"].as_array().expect("rows").iter().filter(|row| row["what"] == "recording_heard");
    assert!(heard.count() >= 1, "{audit}");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn an_agent_changes_the_password_at_the_page() {
    let gateway = Gateway::start(&SETTINGS);
    let mut browser = Browser::start(1366, 768);
    signs_in(&mut browser, &gateway, "agent1", "en");
    browser.until("document.querySelector('#do-password') !== null");
    let present = format!("{} mine", first_password(&gateway, "agent1"));
    browser.value("document.querySelector('#do-password').click()");
    let types = |browser: &mut Browser, texts: [&str; 3]| {
        for (field, text) in ["old", "new", "again"].into_iter().zip(texts) {
            browser.until(&format!("document.querySelector('dialog[open] #{field}')?.value === ''"));
            browser.value(&format!("document.querySelector('dialog[open] #{field}').focus()"));
            browser.write(text);
        }
        browser.press("Enter");
    };
    types(&mut browser, [&present, "four unrelated words", "three unrelated words"]);
    browser.until("document.querySelector('dialog[open] .trouble') !== null");
    fits(&mut browser);
    types(&mut browser, ["not the present one", "four unrelated words", "four unrelated words"]);
    browser.until("document.querySelector('dialog[open] .trouble') !== null");
    types(&mut browser, [&present, "four unrelated words", "four unrelated words"]);
    browser.until("document.querySelector('.notice[data-kind=good]') !== null");
    assert_eq!(browser.value("document.querySelector('dialog[open]') === null"), true);
}

/// Signs an agent in and makes the browser the telephone.
fn answers_in_the_browser(browser: &mut Browser, gateway: &Gateway) {
    signs_in(browser, gateway, "agent1", "zh");
    browser.until("document.querySelector('#do-phone') !== null");
    browser.press("b");
    eventually(LONG, "the browser is the agent's telephone", || gateway.metric("jindu_browser_telephones") == 1.0);
}

/// Presses R until the page shows that the agent is ready.
fn becomes_ready(browser: &mut Browser) {
    eventually(LONG, "the agent is ready", || {
        browser.press("r");
        std::thread::sleep(Duration::from_millis(500));
        browser.value("document.querySelector('.state.is-ready') !== null") == true
    });
}
