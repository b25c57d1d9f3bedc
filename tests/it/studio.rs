//! The studio over HTTP: who may do what, and what is refused.

use std::net::SocketAddr;
use std::time::Duration;

use base::Codec;
use serde_json::{Value, json};
use support::command::{done, done_json, run, run_with, told};
use support::gateway::{Gateway, jindu};
use support::phone::Phone;
use support::sound;
use support::studio::{Person, first_password, octets, password, request, sign_in, voice, wav};

const LONG: Duration = Duration::from_secs(60);

fn get(web: SocketAddr, path: &str, lines: &[&str]) -> u16 {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    request(web, "GET", path, &lines, b"").status
}

#[test]
fn only_allowed_addresses_find_the_studio_and_it_may_have_a_socket_of_its_own() {
    let gateway = Gateway::start(&["studio.allow=192.0.2.0/24"]);
    assert_eq!(get(gateway.web, "/studio", &[]), 404);
    assert_eq!(get(gateway.web, "/studio/api/me", &[]), 404);
    assert_eq!(get(gateway.web, "/kiosk", &[]), 200);
    let gateway = Gateway::start(&["studio.proxies=127.0.0.1", "studio.allow=192.0.2.0/24"]);
    let forwarded = "X-Forwarded-For: 192.0.2.7";
    assert_eq!(get(gateway.web, "/studio", &[forwarded]), 200);
    assert_eq!(get(gateway.web, "/studio", &["X-Forwarded-For: 203.0.113.1"]), 404);
    let balancer =
        ["web.proxies=127.0.0.1", "web.hosts=127.0.0.1", "studio.proxies=127.0.0.1", "studio.allow=192.0.2.0/24"];
    let gateway = Gateway::start(&balancer);
    let status = |from: &str| get(gateway.web, "/studio", &[&format!("X-Forwarded-For: {from}")]);
    assert_eq!((status("192.0.2.7"), status("203.0.113.1")), (200, 404), "one balancer for both");
    let gateway = Gateway::start(&["studio.listen=127.0.0.1:0"]);
    assert_eq!(get(gateway.web, "/studio", &[]), 404, "the kiosk's socket");
    let own = gateway.banner.split("studio http://").nth(1).and_then(|rest| rest.split('/').next()).expect("url");
    let own: SocketAddr = own.parse().expect("an address");
    assert_ne!(own, gateway.web);
    assert_eq!((get(own, "/studio", &[]), get(own, "/kiosk", &[])), (200, 404));
}

#[test]
fn passwords_do_not_cross_a_network_in_the_clear() {
    let gateway = Gateway::start(&["studio.proxies=127.0.0.1", "studio.allow=192.0.2.0/24"]);
    let body = json!({"name": "operator", "password": password(&gateway, "operator")}).to_string();
    let ask = |proto: &str| {
        let lines = ["Content-Type: application/json", "X-Forwarded-For: 192.0.2.7", proto].map(str::to_owned);
        request(gateway.web, "POST", "/studio/api/sign-in", &lines, body.as_bytes())
    };
    let refused = ask("X-Forwarded-Proto: http");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("in_the_clear")));
    let reply = ask("X-Forwarded-Proto: https");
    assert_eq!(reply.status, 200);
    let cookie = reply.header("set-cookie").expect("a cookie");
    for word in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/studio;"] {
        assert!(cookie.contains(word), "{word} in {cookie}");
    }
}

#[test]
fn a_stranger_a_stale_page_and_another_site_change_nothing() {
    let gateway = Gateway::start(&[]);
    let operator = Person::of(&gateway, "operator");
    let (cookie, token) = (format!("Cookie: {}", operator.cookie), format!("X-Studio-Token: {}", operator.token));
    let kind = "Content-Type: application/json".to_owned();
    let ask = |lines: &[String]| {
        let lines: Vec<String> = lines.iter().chain([&kind]).cloned().collect();
        let reply = request(gateway.web, "POST", "/studio/api/presence", &lines, br#"{"lang":"zh","slot":"x"}"#);
        (reply.status, reply.json()["error"].as_str().unwrap_or("").to_owned())
    };
    let told = |status, code: &str| (status, code.to_owned());
    assert_eq!(ask(&[cookie.clone(), token.clone()]), told(200, ""));
    assert_eq!(ask(std::slice::from_ref(&token)), told(401, "signed_out"));
    assert_eq!(ask(&[format!("Cookie: jindu_studio={}", "0".repeat(64)), token.clone()]), told(401, "signed_out"));
    assert_eq!(ask(std::slice::from_ref(&cookie)), told(403, "token"));
    assert_eq!(ask(&[cookie.clone(), "X-Studio-Token: 00".into()]), told(403, "token"));
    for line in
        ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
    {
        assert_eq!(ask(&[cookie.clone(), token.clone(), line.into()]), told(403, "other_site"), "{line}");
    }
    let form = [cookie, token, "Content-Type: text/plain".into()];
    assert_eq!(request(gateway.web, "POST", "/studio/api/presence", &form, b"{}").status, 415);
    assert_eq!(operator.post("sign-out", &json!({})).status, 200);
    assert_eq!(operator.get("me").status, 401, "the cookie is worth nothing any more");
}

#[test]
fn a_few_wrong_passwords_delay_their_account_and_neither_another_nor_the_kiosk() {
    let gateway = Gateway::start(&[]);
    for _ in 0..5 {
        assert_eq!(sign_in(gateway.web, "operator", "a wrong guess").status, 403);
    }
    let refused = sign_in(gateway.web, "operator", &password(&gateway, "operator"));
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").expect("how long").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(sign_in(gateway.web, "nobody", "a wrong guess").status, 403);
    assert_eq!(sign_in(gateway.web, "approver", &password(&gateway, "approver")).status, 200);
    assert!(!gateway.log().contains("a wrong guess"));
    let (receipt, _) = gateway.example("ready");
    assert_eq!(gateway.scan(&receipt)["found"], true);
}

#[test]
fn a_first_password_opens_nothing_but_its_own_change() {
    let gateway = Gateway::start(&[]);
    let first = first_password(&gateway, "approver");
    let (approver, must_change) = Person::with(&gateway, "approver", &first);
    assert!(must_change);
    let reads = ["sessions", "slots", "drafts", "sound", "publication", "releases", "audit", "script", "export"];
    let changes = ["pin", "end-session", "keep", "discard", "approve", "restore", "presence", "publish", "rollback"];
    let uploads = ["take", "import"].map(|name| (name, approver.send(name, "application/zip", b"x")));
    let refused = reads.iter().map(|name| (*name, approver.get(name)));
    let refused = refused.chain(changes.iter().map(|name| (*name, approver.post(name, &json!({})))));
    for (name, reply) in refused.chain(uploads) {
        assert_eq!((reply.status, reply.json()["error"].as_str()), (403, Some("must_change")), "{name}");
    }
    assert_eq!(approver.get("me").json()["must_change"], true);
    let same = approver.post("password", &json!({"old": first, "new": first}));
    assert_eq!((same.status, same.json()["error"].as_str()), (422, Some("rule")));
    approver.does("password", &json!({"old": first, "new": "荔枝湾的船慢慢划过桥"}));
    let me = approver.get("me").json();
    assert_eq!((&me["must_change"], &me["time_zone"]), (&false.into(), &"Asia/Shanghai".into()));
    assert_eq!(approver.get("slots").status, 200, "the session goes on");
    assert_eq!(sign_in(gateway.web, "approver", &first).status, 403);
    let reset = run_with(&gateway.folder, &["studio", "account", "password", "approver"], &[&first]);
    assert!(reset.status.success(), "{}", told(&reset));
    assert_eq!(approver.get("me").status, 401, "a reset ends the sessions");
    assert!(Person::with(&gateway, "approver", &first).1, "and must be changed again");
}

#[test]
fn a_role_limits_actions_and_own_takes_cannot_be_approved() {
    let gateway = Gateway::start(&[]);
    let (operator, approver) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let file = wav(&voice("zh", "prompt.welcome"));
    let (theirs, own) = (operator.keeps("zh", "prompt.welcome", &file), approver.keeps("zh", "prompt.bye", &file));
    for (name, body) in [
        ("approve", json!({"takes": [theirs]})),
        ("publish", json!({"why": "x"})),
        ("rollback", json!({"why": "x"})),
        ("restore", json!({"lang": "zh", "slot": "prompt.welcome"})),
    ] {
        let refused = operator.post(name, &body);
        assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("not_approver")), "{name}");
    }
    let refused = approver.post("approve", &json!({"takes": [own]}));
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("own_take")));
    assert_eq!(operator.post("discard", &json!({"takes": [own]})).status, 403, "another's take");
    assert_eq!(approver.post("publish", &json!({"why": " "})).status, 422, "a reason is asked for");
    assert_eq!(approver.post("publish", &json!({"why": "x"})).status, 409, "nothing is approved");
    assert!(operator.get("audit").json()["rows"].as_array().expect("rows").iter().all(|row| row["what"] != "sign_in"));
    assert!(approver.get("audit").json()["rows"].as_array().expect("rows").iter().any(|row| row["what"] == "sign_in"));
}

#[test]
fn the_command_lines_audit_log_has_releases_takes_and_accounts_by_their_time() {
    let gateway = Gateway::start(&[]);
    let folder = &gateway.folder;
    assert_eq!(run(folder, &["audit", "--since", "yesterday-ish"]).status.code(), Some(64));
    let (operator, approver) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let take = operator.keeps("zh", "prompt.welcome", &wav(&voice("zh", "prompt.welcome")));
    approver.does("approve", &json!({ "takes": [take] }));
    approver.does("publish", &json!({ "why": "a new voice" }));
    done(folder, &["emergency", "on", "--who", "wang", "--why", "typhoon"]);
    let listed = done_json(folder, &["audit", "--json"]);
    let lines = listed.as_array().expect("lines");
    let place = |log: &str, action: &str, who: &str| {
        let is = |line: &Value| line["log"] == log && line["action"] == action && line["who"] == who;
        lines.iter().position(is).unwrap_or_else(|| panic!("{log} {action} {who} in {listed:#}"))
    };
    let places = [
        place("accounts", "sign_in", "operator"),
        place("takes", "record", "operator"),
        place("takes", "keep", "operator"),
        place("releases", "publish prompts", "approver"),
        place("releases", "emergency on", "wang"),
    ];
    assert!(places.is_sorted(), "{places:?}");
    let chinese = done(folder, &["--lang", "zh", "audit"]);
    assert!(chinese.contains("登录") && chinese.contains("zh/prompt.welcome") && !chinese.contains("by "));
    let later = jiff::Timestamp::now() + Duration::from_secs(3600);
    assert_eq!(done_json(folder, &["audit", "--json", "--since", &later.to_string()]), json!([]));
}

#[test]
fn a_take_goes_from_one_person_through_another_to_the_callers_and_back() {
    let gateway = Gateway::start(&[]);
    let (operator, approver) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let file = wav(&voice("zh", "prompt.welcome"));
    let take = operator.keeps("zh", "prompt.welcome", &file);
    assert_eq!(operator.get(&format!("sound?take={take}&form=original")).body, file, "byte for byte");
    approver.does("approve", &json!({ "takes": [take] }));
    assert_eq!(approver.get("publication").json()["changes"][0]["slot"], "prompt.welcome");
    let published = approver.does("publish", &json!({"why": "our own voice"}));
    gateway.await_release(published["release"].as_str().expect("a name"));
    let mut phone = Phone::dial(gateway.udp);
    assert!(phone.hears(&operator.octets(&take), LONG), "the caller hears the take");
    phone.hang_up();
    let releases = approver.get("releases").json();
    let list = releases["releases"].as_array().expect("releases");
    assert_eq!((list[0]["release"] == published["release"], list[0]["live"].as_bool()), (true, Some(true)));
    let shipped = list.iter().find(|row| row["why"] == "as shipped").expect("a way back");
    approver.does("rollback", &json!({"release": shipped["release"], "why": "not yet"}));
    gateway.await_release(shipped["release"].as_str().expect("a name"));
    let mut phone = Phone::dial(gateway.udp);
    let placeholder = sound::clip("zh", "prompt.welcome", Codec::Alaw);
    assert!(phone.hears(&placeholder, LONG), "the caller hears the factory's recording");
    phone.hang_up();
}

#[test]
fn two_operators_at_one_slot_see_each_other_and_both_takes_stay() {
    let gateway = Gateway::start(&[]);
    let (li, chen) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let place = json!({"lang": "yue", "slot": "digit.m.7"});
    assert_eq!(li.does("presence", &place)["others"], json!([]));
    assert_eq!(chen.does("presence", &place)["others"], json!(["operator"]));
    assert_eq!(li.does("presence", &place)["others"], json!(["approver"]));
    let first = li.keeps("yue", "digit.m.7", &wav(&voice("yue", "digit.m.7")));
    let second = chen.keeps("yue", "digit.m.7", &wav(&voice("yue", "digit.f.7")));
    assert_ne!(first, second);
    let slot = li.get("slot?lang=yue&slot=digit.m.7").json();
    let names: Vec<&Value> = slot["takes"].as_array().expect("takes").iter().map(|take| &take["name"]).collect();
    assert!(names.contains(&&json!(first)) && names.contains(&&json!(second)), "{names:?}");
    assert_eq!(slot["others"], json!(["approver"]));
    let again = li.records("yue", "digit.m.7", &wav(&voice("yue", "digit.m.7"))).json();
    assert_eq!(again["name"], json!(first), "the same file sent again is the same take");
}

#[test]
fn a_take_is_heard_raw_by_phone_and_in_a_sentence_with_other_drafts_around_it() {
    let gateway = Gateway::start(&[]);
    let operator = Person::of(&gateway, "operator");
    let take = operator.keeps("yue", "digit.m.7", &wav(&voice("yue", "digit.m.7")));
    let phone = operator.get(&format!("sound?take={take}&form=phone"));
    assert_eq!((phone.status, phone.header("content-type")), (200, Some("audio/wav")));
    let reader = hound::WavReader::new(phone.body.as_slice()).expect("a WAV file");
    assert_eq!(reader.spec().sample_rate, 8000);
    let number = "receipt.tail=7777";
    let with = operator.get(&format!("sound?lang=yue&slot=digit.f.0&form=sentence&{number}&with={take}"));
    let without = operator.get(&format!("sound?lang=yue&slot=digit.f.0&form=sentence&{number}"));
    assert_eq!((with.status, without.status), (200, 200));
    assert_ne!(with.body, without.body, "the draft is in it");
    let text = with.header("x-studio-text").expect("its words");
    assert!(text.contains("7777"), "{text}");
    assert!(!octets(&with.body).is_empty());
}

#[test]
fn hostile_bytes_are_rejected_with_a_reason_and_the_node_keeps_serving() {
    let gateway = Gateway::start(&["studio.upload_bytes_max=200000"]);
    let operator = Person::of(&gateway, "operator");
    let noise: Vec<u8> = (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut bomb = wav(&voice("zh", "prompt.bye"));
    bomb[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    for (name, file) in [
        ("nothing", &b""[..]),
        ("noise", &noise),
        ("text", b"<script>"),
        ("half a head", b"RIFF\xff\xff\xff\xffWAVEfmt "),
    ] {
        let reply = operator.records("zh", "prompt.bye", file);
        assert_eq!(reply.status, 422, "{name}: {}", String::from_utf8_lossy(&reply.body));
        assert!(!reply.json()["words"]["zh"].as_str().expect("words").is_empty());
    }
    assert!([200, 422].contains(&operator.records("zh", "prompt.bye", &bomb).status));
    let large = operator.records("zh", "prompt.bye", &vec![0; 200_001]);
    assert_eq!(large.status, 413);
    for path in ["take?lang=fr&slot=a", "take?lang=zh", "take?lang=zh&slot=%ff", "take?lang=zh&slot=a&kind=phone"] {
        assert_eq!(operator.send(path, "application/octet-stream", &bomb).status, 400, "{path}");
    }
    assert_eq!(operator.records("zh", "../../etc/passwd", &bomb).status, 404);
    for path in ["sound?take=../x", "sound?lang=zh&slot=prompt.bye&form=loud", "slot?lang=zh&slot=nothing", "nothing"] {
        assert!([400, 404].contains(&operator.get(path).status), "{path}");
    }
    for body in ["", "[]", "{\"takes\":[]}", "{\"takes\":[\"x\"]}", "\u{0}"] {
        assert_eq!(operator.send("keep", "application/json", body.as_bytes()).status, 400, "{body}");
    }
    assert_eq!(operator.get("me").status, 200);
}

#[test]
fn accounts_are_made_on_the_command_line_beside_the_serving_node() {
    use std::io::Write;
    let gateway = Gateway::start(&[]);
    let run = |words: &[&str], input: &str| {
        let mut command = jindu(&gateway.folder);
        command.args(["studio", "account"]).args(words);
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("it ends");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (done, told) = run(&["add", "Li.Chen", "--role", "operator"], "荔枝湾的船慢慢划过桥\n730518\n");
    assert!(done && told.contains("li.chen") && told.contains("106"), "{told}");
    assert_eq!(sign_in(gateway.web, "li.chen", "荔枝湾的船慢慢划过桥").status, 200);
    let (done, told) = run(&["add", "wang", "--role", "operator"], "short\n\n");
    assert!(!done && told.contains("10"), "{told}");
    let (_, told) = run(&["list"], "");
    assert!(told.contains("li.chen") && !told.contains("荔枝湾"), "{told}");
    assert!(run(&["remove", "li.chen"], "").0);
    assert_eq!(sign_in(gateway.web, "li.chen", "荔枝湾的船慢慢划过桥").status, 403);
    assert!(!run(&["remove", "li.chen"], "").0);
}

#[test]
fn the_script_goes_out_on_paper_and_an_archive_goes_out_and_comes_back() {
    let gateway = Gateway::start(&[]);
    let (operator, approver) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let paper = operator.get("script?lang=yue");
    assert_eq!((paper.status, paper.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(paper.header("content-security-policy").expect("a policy").starts_with("default-src 'none'"));
    assert!(String::from_utf8_lossy(&paper.body).contains("你好"));
    assert_eq!(operator.get("script?lang=fr").status, 400);
    let archive = operator.get("export?lang=yue");
    assert_eq!((archive.status, &archive.body[..2]), (200, &b"PK"[..]));
    let small = operator.get("export?to_record=1&script_only=1");
    assert!(small.status == 200 && small.body.len() < archive.body.len() / 10);
    for (name, hostile) in [("nothing", &b""[..]), ("no archive", b"PK\x03\x04 nothing behind"), ("text", b"hello")] {
        let reply = operator.send("import?label=x.zip", "application/zip", hostile);
        assert!(
            [409, 413, 422].contains(&reply.status),
            "{name}: {} {}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
    }
    let bytes = packed(&[("yue/digit.m.7__m.wav", &wav(&voice("yue", "digit.m.7")))]);
    let taken = operator.send("import?label=studio.zip", "application/zip", &bytes).json();
    assert_eq!((taken["done"].as_bool(), taken["files"][0]["refused"].as_bool()), (Some(true), Some(false)), "{taken}");
    assert_eq!(approver.get("drafts").json()["takes"][0]["slot"], "digit.m.7");
    let bytes = packed(&[("yue/digit.m.8__m.wav", &wav(&voice("yue", "digit.m.8"))), ("../../evil.wav", b"x")]);
    let refused = operator.send("import?label=evil.zip", "application/zip", &bytes);
    assert!(refused.status != 200 || refused.json()["done"] == false);
    assert_eq!(approver.get("drafts").json()["takes"].as_array().expect("takes").len(), 1, "none of it was taken");
}

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a name");
        archive.write_all(bytes).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}
