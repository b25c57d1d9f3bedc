//! What a scan, a kiosk and a balancer get.

use super::*;

const FOUND: ScanResult = ScanResult::LookUp(LookUpResult::Found);

#[tokio::test]
async fn a_scan_gets_its_answer_and_no_part_of_its_number() {
    let office = Office::open();
    for (code, found) in
        [(RECEIPT, true), (UNKNOWN, false), ("SF1234567890123", false), ("9".repeat(40).as_str(), false)]
    {
        let reply = office.asks(scan(code)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["found"], found);
        let all = format!("{}{}", reply.head, String::from_utf8_lossy(&reply.body));
        assert!(!tells(&all, code), "{all}");
    }
    let reply = office.asks(scan(RECEIPT)).await.json();
    assert_eq!(reply["stage"], "ready");
    assert_eq!(reply["hall"]["yue"], "hall yue");
    assert_eq!(reply["as_of"], "2026-11-23T10:00:00+08:00");
    assert_eq!(office.asks(scan("SF1234567890123")).await.json()["kind"], "waybill");
}

#[tokio::test]
async fn no_log_line_and_no_record_holds_a_receipt() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one dispatcher alone, a line that another test's thread reaches first would be off for this thread too.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let office = Office::open();
    let broken = format!(r#"{{"code":{RECEIPT}}}"#);
    for request in [
        scan(RECEIPT),
        scan(UNKNOWN),
        scan(&format!("{RECEIPT}1")),
        post("/api/scan", "application/json", broken.as_bytes()),
        post("/api/scan", "application/json", &broken.as_bytes()[..12]),
        get(&format!("/api/scan?code={RECEIPT}")).into_bytes(),
        get(&format!("/{RECEIPT}")).into_bytes(),
    ] {
        office.asks(request).await;
    }
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("scan") && log.contains("tail=\"0018\""), "{log}");
    let records = format!("{:?}", office.seen.scans.lock().unwrap());
    for receipt in [RECEIPT, UNKNOWN] {
        assert!(!tells(&log, receipt), "{log}");
        assert!(!tells(&records, receipt), "{records}");
    }
}

#[tokio::test]
async fn a_reply_is_composed_once_until_something_else_is_said_of_the_case() {
    let office = Office::open();
    let mut visitor = office.visitor().await;
    for _ in 0..5 {
        visitor.says(scan(RECEIPT)).await;
        assert_eq!(visitor.hears().await.unwrap().status, 200);
    }
    assert_eq!(office.seen.shown.load(Relaxed), 1);
    let version = office.seen.version.fetch_add(1, Relaxed) + 1;
    *office.seen.case.lock().unwrap() = Arc::new(Case { stage: Stage::Collected, ..case(version) });
    visitor.says(scan(RECEIPT)).await;
    assert_eq!(visitor.hears().await.unwrap().json()["stage"], "collected");
    assert_eq!(office.seen.shown.load(Relaxed), 2);
    let scans = office.seen.scans.lock().unwrap();
    assert_eq!(scans.len(), 6);
    assert_eq!((scans[5].stage, scans[5].path, scans[5].result), (Some(Stage::Collected), ScanPath::Code, FOUND));
}

#[tokio::test]
async fn answers_are_not_stored_and_pages_are_checked_for_freshness() {
    let office = Office::open();
    let answer = office.asks(scan(RECEIPT)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    let page = office.asks(get("/")).await;
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let tag = page.header("etag").unwrap();
    let again = office.asks(format!("GET /kiosk HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    for path in [
        "/kiosk/app.js",
        "/kiosk/shapes.js",
        "/kiosk/scanner.js",
        "/kiosk/words.js",
        "/kiosk/style.css",
        "/kiosk/config.json",
    ] {
        assert_eq!(office.asks(get(path)).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn after_three_unknown_receipts_a_kiosk_must_wait() {
    let office = Office::open();
    for last in 0..3 {
        assert_eq!(office.asks(scan(&format!("44012611230999{last}"))).await.status, 200);
    }
    let refused = office.asks(scan(RECEIPT)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() <= 600);
    assert!(refused.json()["wording"]["yue"].as_str().unwrap().contains("等"));
    let other = serde_json::json!({ "code": RECEIPT, "kiosk": "hall-2" }).to_string();
    assert_eq!(office.asks(post("/api/scan", "application/json", other.as_bytes())).await.status, 200);
}

#[tokio::test]
async fn a_kiosk_over_its_limit_is_rejected_whatever_it_scans() {
    let office = Office::open();
    for last in 0..3 {
        office.asks(scan(&format!("44012611230999{last}"))).await;
    }
    let speech = serde_json::json!({ "code": "SF1234567890123", "lang": "zh", "kiosk": "hall-1" }).to_string();
    for request in
        [scan("SF1234567890123"), scan("nothing"), post("/api/scan/speech", "application/json", speech.as_bytes())]
    {
        assert_eq!(office.asks(request).await.status, 429);
    }
    assert_eq!(office.seen.scans.lock().unwrap().len(), 3);
    let limited = ScanResult::LookUp(LookUpResult::Rejected);
    assert_eq!(office.seen.metrics.scans.value(ScanPath::Code, limited), 2);
    assert_eq!(office.seen.metrics.scans.value(ScanPath::Speech, limited), 1);
}

#[tokio::test]
async fn an_answer_says_its_age_until_it_is_too_old_to_give() {
    let office = Office::open();
    for (age_s, stale, unavailable) in [(60, false, false), (61, true, false), (3601, false, true)] {
        office.seen.age_s.store(age_s, Relaxed);
        let reply = office.asks(scan(RECEIPT)).await.json();
        assert_eq!((&reply["stale"], &reply["unavailable"]), (&stale.into(), &unavailable.into()), "{age_s} s");
    }
    // What a replica this old lacks may merely not have arrived, so it is no failure of the kiosk.
    for last in 0..4 {
        let reply = office.asks(scan(&format!("44012611230999{last}"))).await.json();
        assert_eq!((&reply["found"], &reply["unavailable"]), (&false.into(), &true.into()));
    }
    let metrics = &office.seen.metrics;
    assert_eq!(metrics.scans.value(ScanPath::Code, ScanResult::LookUp(LookUpResult::Unavailable)), 5);
    assert_eq!(metrics.look_ups.value(metrics::Door::Scan, LookUpResult::TooOld), 1);
}

#[tokio::test]
async fn an_answer_can_be_heard_and_a_waybill_cannot() {
    let office = Office::open();
    let ask = |code: &str| {
        let body = serde_json::json!({ "code": code, "lang": "yue", "kiosk": "hall-1" }).to_string();
        post("/api/scan/speech", "application/json", body.as_bytes())
    };
    let sound = office.asks(ask(RECEIPT)).await;
    assert_eq!((sound.status, sound.header("content-type")), (200, Some("audio/wav")));
    assert_eq!(hound::WavReader::new(sound.body.as_slice()).unwrap().duration(), 80);
    let none = office.asks(ask("SF1234567890123")).await;
    assert_eq!((none.status, none.json()["error"].as_str()), (404, Some("no_speech")));
}

#[tokio::test]
async fn both_families_of_addresses_are_bound_or_none() {
    let both = Listeners::bind(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()], Serves::All).unwrap();
    let addresses = both.addresses();
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6());
    assert!(addresses.iter().all(|address| address.port() != 0));
    let (taken, _) = Listeners::bind(&["127.0.0.1:0".parse().unwrap(), addresses[0]], Serves::All).err().unwrap();
    assert_eq!(taken, addresses[0]);
}

#[tokio::test]
async fn a_rating_is_recorded_and_thanked_for() {
    let office = Office::open();
    let reply = office.asks(post("/api/rate", "application/json", br#"{"score":3,"kiosk":"hall-1"}"#)).await;
    assert_eq!(reply.json()["thanks"], true);
    assert_eq!(office.asks(post("/api/rate", "application/json", br#"{"score":4}"#)).await.status, 400);
    let ratings = office.seen.ratings.lock().unwrap();
    assert_eq!(*ratings, [(Kiosk::named("hall-1"), Score::NotSatisfied)]);
}

#[tokio::test]
async fn health_is_for_a_balancer_and_metrics_are_for_an_operator() {
    let office = Office::open();
    office.seen.metrics.calls.inc(CallOutcome::Finished);
    office.asks(scan(RECEIPT)).await;
    assert_eq!(office.asks(get("/health")).await.status, 200);
    office.seen.draining.store(1, Relaxed);
    let draining = office.asks(get("/health")).await;
    assert_eq!((draining.status, draining.json()["status"].as_str()), (503, Some("draining")));
    let metrics = String::from_utf8(office.asks(get("/metrics")).await.body).unwrap();
    for line in [
        "jindu_calls_total{outcome=\"finished\"} 1",
        "jindu_scans_total{path=\"code\",result=\"found\"} 1",
        "jindu_lookups_total{door=\"scan\",result=\"found\"} 1",
        "jindu_http_requests_total{class=\"5xx\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

/// A photograph of a barcode.
pub(super) fn photograph(text: &str) -> Vec<u8> {
    use rxing::Writer;
    let code = rxing::MultiFormatWriter.encode(text, &rxing::BarcodeFormat::CODE_128, 400, 100).unwrap();
    let mut picture = image::GrayImage::from_pixel(code.getWidth() + 80, code.getHeight() + 120, image::Luma([230]));
    for y in 0..code.getHeight() {
        for x in 0..code.getWidth() {
            picture.put_pixel(x + 40, y + 60, image::Luma([if code.get(x, y) { 30 } else { 230 }]));
        }
    }
    png(&picture)
}

pub(super) fn png(picture: &image::GrayImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn a_photograph_is_answered_like_a_scan() {
    let office = Office::open();
    let reply = office.asks(post("/api/scan/image", "image/png", &photograph(RECEIPT))).await;
    assert_eq!((reply.status, reply.json()["stage"].as_str()), (200, Some("ready")));
    let blank = png(&image::GrayImage::from_pixel(60, 60, image::Luma([230])));
    let none = office.asks(post("/api/scan/image", "image/png", &blank)).await;
    assert_eq!((none.status, none.json()["error"].as_str()), (422, Some("no_barcode")));
    assert!(!none.json()["wording"]["en"].as_str().unwrap().is_empty());
    assert_eq!(office.asks(post("/api/scan/image", "image/png", b"no picture")).await.status, 415);
    assert_eq!(office.asks(post("/api/scan/image", "image/png", &vec![0; 400_000])).await.status, 413);
    let results: Vec<ScanResult> = office.seen.scans.lock().unwrap().iter().map(|scan| scan.result).collect();
    assert_eq!(results, [FOUND, ScanResult::NoBarcode, ScanResult::NoBarcode]);
}

#[tokio::test]
async fn a_photograph_for_the_form_gives_a_receipts_number_and_names_what_is_another() {
    let office = Office::open();
    let ask = |text: &str| post("/api/inquiry/image", "image/png", &photograph(text));
    assert_eq!(office.asks(ask(RECEIPT)).await.json()["number"], RECEIPT);
    for (text, error) in [("SF1234567890123", "waybill"), (&RECEIPT[1..], "wrong_length"), ("room 12", "unreadable")] {
        let reply = office.asks(ask(text)).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (422, Some(error)), "{text}");
    }
}
