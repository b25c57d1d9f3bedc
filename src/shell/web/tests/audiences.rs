//! Who is asking: kiosks, strangers, operators; and hosts that are not served here.

use super::*;

/// An office behind a balancer at 127.0.0.1, which all of these tests' requests come by.
fn behind_balancer() -> Office {
    let network = |text| base::Network::read(text).unwrap();
    let web = config::Web {
        proxies: vec![network("127.0.0.1")],
        hosts: vec!["kiosk.example".into()],
        operations_allow: vec![network("10.9.0.0/16")],
        ..settings()
    };
    Office::of(web, Serves::All)
}

/// A request that the balancer forwards.
fn from(address: &str, head: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{head}Host: kiosk.example\r\nX-Forwarded-For: {address}\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn scan_from(address: &str, cookie: &str, code: &str) -> Vec<u8> {
    let head = format!("POST /api/scan HTTP/1.1\r\n{cookie}");
    from(address, &head, "application/json", &serde_json::json!({ "code": code, "kiosk": "liar" }).to_string())
}

fn inquiry_from(address: &str, code: &str, tail: &str) -> Vec<u8> {
    let body = serde_json::json!({ "code": code, "tail": tail }).to_string();
    from(address, "POST /api/inquiry HTTP/1.1\r\n", "application/json", &body)
}

/// Adds a kiosk and opens its one-time address; the header that its browser then sends.
async fn enrol(office: &Office, name: &str, address: &str) -> String {
    let new = NewKiosk {
        name: name.into(),
        hall: "north".into(),
        addresses: vec![base::Network::read("10.1.0.0/16").unwrap()],
        valid: Duration::from_secs(1800),
        renew: false,
    };
    let code = office.kiosks.add(&new).unwrap();
    let form = format!("code={}", code.expose());
    let head = "POST /kiosk/enrol HTTP/1.1\r\nX-Forwarded-Proto: https\r\n";
    let reply = office.asks(from(address, head, FORM, &form)).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/kiosk")));
    let cookie = reply.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let again = office.asks(from(address, head, FORM, &form)).await;
    assert_eq!(again.status, 403, "a code works once");
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_scan_is_answered_at_an_enrolled_kiosk_and_nowhere_else() {
    let office = behind_balancer();
    let refused = office.asks(scan_from("10.1.2.3", "", RECEIPT)).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("not_enrolled")));
    let cookie = enrol(&office, "north-1", "10.1.2.3").await;
    assert_eq!(office.asks(scan_from("10.1.2.3", &cookie, RECEIPT)).await.json()["stage"], "ready");
    assert_eq!(office.asks(scan_from("10.2.2.3", &cookie, RECEIPT)).await.status, 403, "a stolen cookie elsewhere");
    let forged = format!("Cookie: jindu_kiosk={}\r\n", "a".repeat(64));
    assert_eq!(office.asks(scan_from("10.1.2.3", &forged, RECEIPT)).await.status, 403);
    assert_eq!(office.seen.scans.lock().unwrap()[0].kiosk, "north-1", "what a request calls itself does not count");
    office.kiosks.revoke("north-1").unwrap();
    assert_eq!(office.asks(scan_from("10.1.2.3", &cookie, RECEIPT)).await.status, 403);
}

#[tokio::test]
async fn what_a_kiosk_did_is_counted() {
    let office = behind_balancer();
    let cookie = enrol(&office, "north-1", "10.1.2.3").await;
    let version = format!("{cookie}X-Kiosk-Version: c0ffee\r\n");
    office.asks(scan_from("10.1.2.3", &version, RECEIPT)).await;
    let wrong = format!("POST /api/scan HTTP/1.1\r\n{cookie}");
    assert_eq!(office.asks(from("10.1.2.3", &wrong, "application/json", "{")).await.status, 400);
    let activity = office.kiosks.activity("north-1");
    assert_eq!((activity.scans, activity.faults, activity.version.as_str()), (2, 1, "c0ffee"));
}

#[tokio::test]
async fn strangers_get_the_public_page_and_kiosks_theirs() {
    let office = behind_balancer();
    let cookie = enrol(&office, "north-1", "10.1.2.3").await;
    let get = |path: &str, cookie: &str| from("10.1.2.3", &format!("GET {path} HTTP/1.1\r\n{cookie}"), FORM, "");
    let text = |reply: Reply| String::from_utf8(reply.body).unwrap();
    let public = office.asks(get("/?lang=en", "")).await;
    assert!(public.header("content-security-policy").unwrap().contains("form-action 'self'"));
    assert!(public.header("vary").unwrap().contains("cookie"));
    assert!(text(public).contains("action=\"/public/inquiry?lang=en\""));
    let kiosk = office.asks(get("/", &cookie)).await;
    assert!(kiosk.header("set-cookie").is_some(), "the kiosk's page renews its cookie");
    assert!(text(kiosk).contains("/kiosk/app.js"));
    for (cookie, enrolled) in [("", false), (cookie.as_str(), true)] {
        assert_eq!(office.asks(get("/kiosk/config.json", cookie)).await.json()["enrolled"], enrolled);
    }
    assert!(text(office.asks(get("/public", &cookie)).await).contains("<form"));
    assert_eq!(office.asks(get("/public/style.css", "")).await.status, 200);
    assert_eq!(office.asks(get("/public/app.js", "")).await.status, 200);
    let enrol = office.asks(get("/kiosk/enrol?code=%3Cb%3E", "")).await;
    assert!(enrol.status == 200 && !text(enrol).contains("<b>"));
}

#[tokio::test]
async fn an_inquiry_needs_number_and_factor_and_every_miss_sounds_the_same() {
    let office = behind_balancer();
    let found = office.asks(inquiry_from("203.0.113.1", RECEIPT, TAIL)).await;
    assert_eq!((found.status, found.json()["stage"].as_str()), (200, Some("ready")));
    let misses = [(RECEIPT, "1234"), (UNKNOWN, TAIL), (UNKNOWN, "0000"), (RECEIPT, "0000")];
    let mut bodies = Vec::new();
    for (n, (code, tail)) in misses.into_iter().enumerate() {
        let reply = office.asks(inquiry_from(&format!("203.0.113.{}", n + 10), code, tail)).await;
        assert_eq!(reply.status, 200);
        bodies.push(reply.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "no miss differs from another");
    let body: serde_json::Value = serde_json::from_slice(&bodies[0]).unwrap();
    assert_eq!(body["wording"]["en"], web::no_match(&[SecondFactor::IdTail]).en, "either may be wrong");
    let scan = serde_json::json!({ "code": RECEIPT, "tail": TAIL }).to_string();
    let scan = from("203.0.113.1", "POST /api/scan HTTP/1.1\r\n", "application/json", &scan);
    assert_eq!(office.asks(scan).await.json()["stage"], "ready", "a scan with its second factor");
    let speech = serde_json::json!({ "code": RECEIPT, "lang": "en", "tail": TAIL }).to_string();
    let speech = from("203.0.113.1", "POST /api/scan/speech HTTP/1.1\r\n", "application/json", &speech);
    assert_eq!(office.asks(speech).await.header("content-type"), Some("audio/wav"));
    let image = from("203.0.113.1", "POST /api/scan/image HTTP/1.1\r\n", "image/png", "x");
    assert_eq!(office.asks(image).await.json()["error"], "not_enrolled");
    let metrics = &office.seen.metrics;
    assert_eq!(metrics.look_ups.value(metrics::Door::Public, LookUpResult::NotFound), 4);
}

#[tokio::test]
async fn what_cannot_be_a_number_or_a_factor_is_named_and_is_no_failure() {
    let office = behind_balancer();
    let wrong = [
        (&RECEIPT[1..], TAIL, "wrong_length"),
        ("SF12345", TAIL, "waybill"),
        ("12345", TAIL, "unreadable"),
        ("", "", "unreadable"),
        (RECEIPT, "12", "second_factor"),
    ];
    for (code, tail, error) in wrong.into_iter().cycle().take(10) {
        let reply = office.asks(inquiry_from("203.0.113.1", code, tail)).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (422, Some(error)));
        assert!(reply.json()["wording"]["yue"].is_string());
    }
    let form = format!("code={}&tail={TAIL}", &RECEIPT[1..]);
    let page = office.asks(from("203.0.113.1", "POST /public/inquiry?lang=zh HTTP/1.1\r\n", FORM, &form)).await;
    let html = String::from_utf8(page.body).unwrap();
    assert_eq!(page.status, 422);
    assert!(html.contains("应该是15位") && html.contains("<form") && !tells(&html, &RECEIPT[1..]), "{html}");
    let right = office.asks(inquiry_from("203.0.113.1", RECEIPT, TAIL)).await;
    assert_eq!(right.json()["found"], true, "none of them counted");
    for _ in 0..3 {
        office.asks(inquiry_from("203.0.113.1", UNKNOWN, TAIL)).await;
    }
    assert_eq!(office.asks(inquiry_from("203.0.113.1", &RECEIPT[1..], TAIL)).await.status, 429, "over its limit");
}

#[tokio::test]
async fn the_form_is_answered_with_a_page_that_holds_nothing_that_was_typed() {
    let office = behind_balancer();
    let form = |code: &str, tail: &str| {
        let body = format!("code={code}&tail={tail}");
        from("203.0.113.1", "POST /public/inquiry?lang=en HTTP/1.1\r\n", FORM, &body)
    };
    let answer = office.asks(form(RECEIPT, TAIL)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let page = String::from_utf8(answer.body).unwrap();
    assert!(page.contains("<h1>Ready-en</h1>") && page.contains("ready en") && page.contains("aria-current=\"step\""));
    assert!(!tells(&page, RECEIPT) && !page.contains(TAIL));
    let miss = String::from_utf8(office.asks(form(RECEIPT, "9999")).await.body).unwrap();
    assert!(miss.contains(&web::no_match(&[SecondFactor::IdTail]).en));
    let missing = office.asks(from("203.0.113.1", "POST /public/inquiry HTTP/1.1\r\n", FORM, "code=1")).await;
    assert_eq!(missing.status, 400);
    assert!(String::from_utf8(missing.body).unwrap().contains("role=\"alert\""));
    for _ in 0..3 {
        office.asks(form(UNKNOWN, TAIL)).await;
    }
    let limited = office.asks(form(RECEIPT, TAIL)).await;
    assert_eq!((limited.status, limited.header("retry-after").is_some()), (429, true));
    let other = inquiry_from("203.0.113.2", RECEIPT, TAIL);
    assert_eq!(office.asks(other).await.json()["found"], true, "another address has its own count");
}

#[tokio::test]
async fn a_thousand_wrong_numbers_of_strangers_stop_no_kiosk_and_no_stranger_who_is_right() {
    let office = behind_balancer();
    let cookie = enrol(&office, "north-1", "10.1.2.3").await;
    let mut visitor = office.visitor().await;
    let mut bodies = std::collections::BTreeSet::new();
    // Below the total of 100 no client is delayed; the other nine hundred are refused, since their clients have failed.
    for n in 0..1000_u32 {
        visitor.says(inquiry_from(&format!("203.0.113.{}", n % 33), &format!("44012611{n:07}"), TAIL)).await;
        let reply = visitor.hears().await.unwrap();
        assert!(matches!(reply.status, 200 | 429), "{}", reply.status);
        if reply.status == 200 {
            bodies.insert(reply.body);
        }
    }
    assert_eq!(bodies.len(), 1, "they learn nothing");
    assert_eq!(office.asks(scan_from("10.1.2.3", &cookie, RECEIPT)).await.json()["found"], true);
    assert_eq!(office.asks(inquiry_from("198.51.100.1", RECEIPT, TAIL)).await.json()["found"], true);
    let exceed = |limiter: &mut InquiryLimiter| {
        let now = std::time::Instant::now();
        for n in 0..5_u32 {
            let client = inquiry::PublicClient::new(std::net::Ipv4Addr::from(0x0a63_0000 + n).into(), None);
            inquiry::Limiter::failed(&mut limiter.public, &mut limiter.shared, now, &client);
        }
        limiter.shared.is_exceeded(now)
    };
    assert!(exceed(&mut office.limiter.lock().unwrap()));
    assert_eq!(office.asks(scan_from("10.1.2.3", &cookie, RECEIPT)).await.json()["found"], true);
    assert_eq!(office.asks(inquiry_from("198.51.100.1", RECEIPT, TAIL)).await.json()["found"], true, "after a delay");
}

#[tokio::test]
async fn operators_alone_get_metrics_diagram_and_details() {
    let office = behind_balancer();
    let get = |address: &str, path: &str| from(address, &format!("GET {path} HTTP/1.1\r\n"), FORM, "");
    for path in ["/metrics", "/flow.svg"] {
        assert_eq!(office.asks(get("203.0.113.1", path)).await.json()["error"], "not_found");
        assert_eq!(office.asks(get("10.9.0.1", path)).await.status, 200);
    }
    let health = office.asks(get("203.0.113.1", "/health")).await;
    assert_eq!(health.body, br#"{"status":"ok"}"#);
    assert_eq!(office.asks(get("10.9.0.1", "/health")).await.json()["calls"], 2);
    // An unknown balancer on this machine is no operator, though its address is allowed.
    let office = Office::open();
    let forwarded = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n";
    assert_eq!(office.asks(forwarded).await.status, 404);
    assert_eq!(office.asks(super::get("/metrics")).await.status, 200);
}

#[tokio::test]
async fn a_socket_of_operations_serves_operators_routes_alone() {
    let office = Office::of(config::Web { operations_allow: Vec::new(), ..settings() }, Serves::Operations);
    for (path, status) in [("/metrics", 200), ("/flow.svg", 200), ("/health", 200), ("/kiosk", 404), ("/public", 404)] {
        assert_eq!(office.asks(get(path)).await.status, status, "{path}");
    }
    assert_eq!(office.asks(get("/health")).await.json()["calls"], 2);
    assert_eq!(office.asks(scan(RECEIPT)).await.status, 404);
}

#[tokio::test]
async fn the_kiosk_for_trying_out_is_a_browser_of_this_machine_that_names_it() {
    let office = Office::open();
    let body = format!("{{\"code\":\"{RECEIPT}\"}}");
    let ask = |head: &str| {
        let length = body.len();
        format!(
            "POST /api/scan HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let own = office.address;
    assert_eq!(office.asks(ask(&format!("Host: {own}\r\n"))).await.status, 200);
    for head in
        ["X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1\r\n", "X-Real-IP: ::1\r\n", "Via: 1.1 x\r\n"]
    {
        let reply = office.asks(ask(&format!("Host: localhost\r\n{head}"))).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (403, Some("not_enrolled")), "{head}");
    }
    let ended = Office::of(config::Web { try_out_kiosk: false, ..settings() }, Serves::All);
    assert_eq!(ended.asks(scan(RECEIPT)).await.status, 403);
    let page = String::from_utf8(ended.asks(get("/")).await.body).unwrap();
    assert!(page.contains("/public/inquiry"));
}

#[tokio::test]
async fn a_host_that_is_not_served_here_is_misdirected() {
    let office = Office::open();
    for (head, status) in [
        ("GET /kiosk HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", 421),
        ("GET /studio HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET http://evil.example/kiosk HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        ("GET /kiosk HTTP/1.1\r\n\r\n", 400),
        ("GET /kiosk HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        ("GET /kiosk HTTP/1.1\r\nHost: local host\r\n\r\n", 421),
        ("GET /health HTTP/1.0\r\n\r\n", 200),
        ("GET /health HTTP/1.0\r\nHost: evil.example\r\n\r\n", 421),
    ] {
        assert_eq!(office.asks(head).await.status, status, "{head}");
    }
    let office = behind_balancer();
    let own = format!("GET /kiosk HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: 10.1.2.3\r\n\r\n", office.address);
    assert_eq!(office.asks(own).await.status, 421, "a balancer passes on what the browser named");
}
