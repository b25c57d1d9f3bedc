//! The studio in a real browser with a microphone: two people, and a caller who hears what they made.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use support::browser::Browser;
use support::command::live_release;
use support::gateway::{Gateway, temporary_folder};
use support::phone::Phone;
use support::studio::{Person, chosen, microphone, password, room, shipped};

const SCREEN: (u32, u32) = (1280, 860);
const LONG: Duration = Duration::from_secs(60);

/// Keeps a picture of the page for people to look at.
fn keep(browser: &mut Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let picture = browser.picture(0.75);
    assert!(picture.starts_with(b"\x89PNG"), "a picture");
    fs::write(folder.join(format!("studio-{name}.png")), picture).expect("a picture can be written");
}

fn signs_in(browser: &mut Browser, gateway: &Gateway, name: &str, lang: &str) {
    browser.open(&format!("http://{}/studio", gateway.web));
    browser.value(&format!("localStorage.setItem('studio-lang', '{lang}')"));
    browser.open(&format!("http://{}/studio?{name}", gateway.web));
    browser.until("document.activeElement.id === 'name'");
    browser.write(name);
    browser.press("Tab");
    let typed = password(gateway, name);
    browser.write(&typed);
    browser.press("Enter");
    browser.until("document.querySelector('.cards, #again') !== null");
    if browser.value("document.querySelector('#again') !== null") == true {
        chooses_a_password(browser, gateway, name, &typed);
    }
}

/// What the first sign-in asks for; a wrong repetition is said and costs nothing.
fn chooses_a_password(browser: &mut Browser, gateway: &Gateway, name: &str, first: &str) {
    let own = format!("{first} mine");
    for again in ["another one altogether", &own] {
        browser.until("document.activeElement.id === 'new'");
        browser.write(&own);
        browser.press("Tab");
        browser.write(again);
        keep(browser, "first-password");
        browser.press("Enter");
        browser.until("document.querySelector('#trouble, .cards') !== null");
    }
    browser.until("document.querySelector('.cards') !== null");
    chosen(gateway, name, &own);
}

fn goes(browser: &mut Browser, route: &str, shows: &str) {
    browser.value(&format!("location.hash = '#/{route}'"));
    browser.until(&format!("document.querySelector('{shows}') !== null"));
}

fn phase(browser: &mut Browser, name: &str) {
    browser.until(&format!("document.querySelector('main').dataset.phase === '{name}'"));
}

fn signs_out(browser: &mut Browser) {
    browser.value(
        "[...document.querySelectorAll('.top button')].find((one) => /退出|Sign out/.test(one.innerText)).click()",
    );
    browser.until("document.activeElement.id === 'name'");
}

#[test]
fn what_is_read_into_the_microphone_is_approved_published_and_heard_by_a_caller() {
    let gateway = Gateway::start(&[]);
    let folder = temporary_folder("microphone");
    // Two seconds for the room, two for the countdown.
    let heard = [room(5500), shipped("zh", "prompt.welcome"), room(60_000)].concat();
    let mut browser = Browser::with_microphone(SCREEN.0, SCREEN.1, &microphone(&folder, &heard));
    signs_in(&mut browser, &gateway, "operator", "zh");
    keep(&mut browser, "overview");
    goes(&mut browser, "record/zh/prompt.welcome", "#press");
    browser.press(" ");
    phase(&mut browser, "recording");
    keep(&mut browser, "recording");
    phase(&mut browser, "report");
    assert_eq!(browser.value("document.querySelectorAll('.finding.bad').length"), 0);
    keep(&mut browser, "report");
    browser.press("2");
    browser.press("Enter");
    browser.until("!location.hash.endsWith('prompt.welcome') && document.querySelector('#press') !== null");
    // The page asks before a user leaves it with unsent recordings.
    browser.until("document.querySelector('#outbox').hidden");
    signs_out(&mut browser);

    signs_in(&mut browser, &gateway, "approver", "zh");
    goes(&mut browser, "review", ".draft");
    let take = browser.value("document.querySelector('.draft').dataset.take").as_str().expect("a take").to_owned();
    browser.value("document.querySelector('.draft').focus()");
    assert_eq!(browser.value("document.querySelector('.unheard').hidden"), false);
    browser.press("a");
    browser.until("document.querySelector('dialog[open]') !== null");
    let middle = browser.value(
        "(() => { const box = document.querySelector('dialog').getBoundingClientRect();
        return Math.abs(box.left + box.right - innerWidth) + Math.abs(box.top + box.bottom - innerHeight); })()",
    );
    assert!(middle.as_f64().expect("pixels") < 4.0, "the dialog is in the middle: {middle}");
    browser.value("document.querySelector('dialog').close()");
    browser.value("document.querySelector('.draft').focus()");
    browser.press("2");
    browser.until("document.querySelector('.unheard').hidden");
    browser.value("document.querySelector('.draft').focus()");
    browser.press("a");
    browser.until("document.querySelector('.draft') === null");
    goes(&mut browser, "publish", "#why");
    assert_eq!(browser.value("document.querySelector('.chip.warn') === null"), true, "it was listened to");
    browser.value("document.querySelector('#why').focus()");
    browser.write("本单位录音");
    keep(&mut browser, "publish");
    browser.press("Enter");
    browser.until("document.querySelector('tr.live') !== null");
    gateway.await_release(&live_release(&gateway.folder));

    let approver = Person::of(&gateway, "approver");
    let mut phone = Phone::dial(gateway.udp);
    assert!(phone.hears(&approver.octets(&take), LONG), "the caller hears that very take");
    phone.hang_up();

    browser.value("[...document.querySelectorAll('tr button')].find((one) => /重新启用/.test(one.innerText)).click()");
    browser.until("document.querySelector('dialog[open] .danger') !== null");
    browser.value("document.querySelector('dialog [name=why]').focus()");
    browser.write("录音有杂音");
    browser.click("dialog .danger");
    browser.until("document.querySelector('tr.live th').innerText.includes('重新启用')");
    assert_eq!(
        browser.value("document.querySelectorAll('tr.live').length + document.querySelectorAll('td .s-live').length"),
        2,
        "one row"
    );
    let forward = "[...document.querySelectorAll('tr button')].filter((one) => /重新启用/.test(one.innerText)).length";
    assert!(browser.value(forward).as_u64().expect("a number") >= 1, "the newer release can be made live again");
    let unnamed = "[...document.querySelectorAll('td')].filter((cell) => cell.innerText.trim() === '-').length";
    assert_eq!(browser.value(unnamed), 0);
    keep(&mut browser, "rolled-back");
    assert_eq!(browser.errors, Vec::<String>::new());
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn the_ten_digits_are_read_hands_free_and_a_whole_number_is_heard() {
    let gateway = Gateway::start(&[]);
    let folder = temporary_folder("digits");
    let mut heard = room(6000);
    for last in 0..10 {
        for n in 1..=3 {
            heard.extend(shipped("yue", &format!("digit.m.{}", (last + 3 * n) % 10)));
            heard.extend(room(330));
        }
        heard.extend(shipped("yue", &format!("digit.f.{last}")));
        heard.extend(room(1100));
    }
    heard.extend(shipped("yue", "word.x"));
    // It is heard again soon: a slow machine that missed a line gets another chance at it.
    heard.extend(room(4000));
    let mut browser = Browser::with_microphone(SCREEN.0, SCREEN.1, &microphone(&folder, &heard));
    signs_in(&mut browser, &gateway, "operator", "en");
    goes(&mut browser, "hands/yue/digits", ".press");
    browser.press(" ");
    phase(&mut browser, "reading");
    browser.until("document.querySelector('.cells b.past') !== null");
    keep(&mut browser, "hands-free");
    for line in 2..=11 {
        browser
            .until(&format!("(/line (\\d+)/.exec(document.querySelector('.stage')?.innerText)?.[1] ?? 99) >= {line}"));
    }
    phase(&mut browser, "result");
    for checked in 1..=21 {
        // Takes are processed at low priority: calls and other programs go first.
        browser.until(&format!("document.querySelectorAll('.picked-one:not(.busy)').length >= {checked}"));
    }
    assert_eq!(browser.value("document.querySelectorAll('.picked-one.bad').length"), 0);
    keep(&mut browser, "digits");
    let number = browser.value("document.querySelector('#number').value").as_str().expect("a number").to_owned();
    assert_eq!(number.len(), 15);
    browser.press("2");
    browser.press("Enter");
    browser.until("document.querySelectorAll('.picked-one').length === 21 && document.querySelector('.notice[data-kind=good]') !== null");
    let operator = Person::of(&gateway, "operator");
    let drafts = operator.get("drafts").json();
    assert_eq!(drafts["takes"].as_array().expect("takes").len(), 21);
    assert_eq!(browser.errors, Vec::<String>::new());
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_recording_outlives_the_node_and_the_session() {
    let mut gateway = Gateway::start(&[]);
    let folder = temporary_folder("outage");
    let heard = [room(5500), shipped("zh", "prompt.bye"), room(60_000)].concat();
    let mut browser = Browser::with_microphone(SCREEN.0, SCREEN.1, &microphone(&folder, &heard));
    signs_in(&mut browser, &gateway, "operator", "en");
    goes(&mut browser, "record/zh/prompt.bye", "#press");
    browser.press(" ");
    phase(&mut browser, "recording");
    gateway.signal("KILL");
    gateway.wait(Duration::from_secs(10));
    phase(&mut browser, "sending");
    browser.until(
        "!document.querySelector('#outbox').hidden && document.querySelector('.notice[data-kind=outbox]') !== null",
    );
    keep(&mut browser, "offline");
    browser.press("Enter");
    let (web, data) = (gateway.web, temporary_folder("kept"));
    let secret = password(&gateway, "operator");
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&gateway.folder, &data).expect("the data stay");
    drop(gateway);
    let again = Gateway::start_in(data, &[&format!("web.listen={web}")]);
    browser.until("document.querySelector('#outbox')?.hidden !== false");
    let reply = support::studio::sign_in(again.web, "operator", &secret);
    let cookie = reply.header("set-cookie").and_then(|line| line.split(';').next()).expect("a cookie").to_owned();
    let drafts =
        support::studio::request(again.web, "GET", "/studio/api/drafts", &[format!("Cookie: {cookie}")], b"").json();
    assert_eq!(drafts["takes"][0]["slot"], "prompt.bye", "kept as was asked for while the node was away: {drafts}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_keyboard_is_enough_and_at_twice_the_size_nothing_is_cut_off() {
    let gateway = Gateway::start(&[]);
    let mut browser = Browser::start(SCREEN.0, SCREEN.1);
    signs_in(&mut browser, &gateway, "approver", "en");
    let mut seen = Vec::new();
    browser.value("document.getElementById('skip').focus()");
    for _ in 0..12 {
        browser.press("Tab");
        let focus = browser.value(
            "(() => { const at = document.activeElement; const style = getComputedStyle(at);
               return [at.innerText || at.id || at.tagName, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()",
        );
        assert_eq!(focus[1], true, "the focus is seen: {focus}");
        seen.push(focus[0].as_str().unwrap_or("").to_owned());
    }
    for name in ["Review", "Publish", "Sign out"] {
        assert!(seen.iter().any(|text| text.contains(name)), "{name} is reached: {seen:?}");
    }
    for factor in [1, 2] {
        browser.zoom(SCREEN.0, SCREEN.1, factor);
        for (route, shows) in [
            ("", ".cards"),
            ("record/yue/digit.m.7", "#press"),
            ("hands/yue/digits", ".press"),
            ("review", "h1"),
            ("publish", "h1"),
            ("files", "h1"),
            ("account", "form.card"),
        ] {
            goes(&mut browser, route, shows);
            browser.until("document.documentElement.scrollWidth <= innerWidth");
            let small = browser.value(
                "[...document.querySelectorAll('main button, main a.button')].filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24).length",
            );
            assert_eq!(small, 0, "{route}: what is pressed has a size (WCAG 2.5.8)");
            let unnamed = browser.value(
                "[...document.querySelectorAll('button, input, select, a[href], canvas')].filter((one) => one.checkVisibility() && !(one.ariaLabel || one.innerText?.trim() || one.labels?.length || one.ariaHidden)).length",
            );
            assert_eq!(unnamed, 0, "{route}: everything has a name");
            if factor == 2 {
                keep(&mut browser, &format!("zoom-{}", route.split('/').next().unwrap_or("")));
            }
        }
    }
    assert_eq!(browser.errors, Vec::<String>::new());
}
