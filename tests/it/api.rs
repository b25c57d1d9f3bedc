//! `config/examples/api` and the program say the same: routes, problem codes, requests, replies of a real node, lines of a feed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use support::gateway::{Gateway, home, jindu, temporary_folder};

use replica::FeedLine;
use replica::gate::{FileReader, ReadDepth, change};
use web::{InquiryRequest, RateRequest, RequestError, Route, ScanRequest, SpeechRequest};

mod schema;
use schema::{Others, Schemas};

const API: &str = "openapi.json";

fn shipped() -> Schemas {
    let names = [API, "feed.schema.json", "batch.schema.json", "case.schema.json"];
    Schemas::new(names.map(|name| {
        let text = fs::read_to_string(home().join("config/examples/api").join(name)).expect(name);
        (name, serde_json::from_str(&text).expect(name))
    }))
}

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().expect("an object").iter().map(|(key, value)| (key.as_str(), value))
}

/// Where the document describes a route.
fn place(route: Route) -> (String, &'static str) {
    (route.method().to_lowercase(), route.path())
}

/// Every kind of problem. A new one does not compile until it is listed here.
fn problems() -> Vec<RequestError> {
    let wait = Duration::from_secs(9);
    let all = vec![
        RequestError::NotFound,
        RequestError::Method { allow: "POST" },
        RequestError::TooLarge { limit: 9 },
        RequestError::MediaType { want: "application/json" },
        RequestError::Json { line: 1, column: 2, want: "{}" },
        RequestError::Field { field: "score", must: "must be 1, 2 or 3" },
        RequestError::Slow,
        RequestError::Broken,
        RequestError::Host,
        RequestError::Misdirected,
        RequestError::NotEnrolled,
        RequestError::EnrolmentCode,
        RequestError::Limited { retry_after: wait },
        RequestError::ClientShare { retry_after: wait },
        RequestError::NoBarcode,
        RequestError::PictureTime,
        RequestError::SeveralReceipts,
        RequestError::NoPicture,
        RequestError::PictureKind { kind: "HEIC" },
        RequestError::PictureDamaged,
        RequestError::TooManyPixels { pixels: 9, side: 3 },
        RequestError::NotReceipt { kind: web::CodeKind::WrongLength { expected: 15 } },
        RequestError::NotReceipt { kind: web::CodeKind::Waybill },
        RequestError::NotReceipt { kind: web::CodeKind::IdCard },
        RequestError::NotReceipt { kind: web::CodeKind::Unreadable },
        RequestError::Factor { factor: inquiry::FactorError::IdTail },
        RequestError::Busy { retry_after: wait },
        RequestError::NoSpeech,
    ];
    for problem in &all {
        match problem {
            RequestError::NotFound
            | RequestError::Method { .. }
            | RequestError::TooLarge { .. }
            | RequestError::MediaType { .. }
            | RequestError::Json { .. }
            | RequestError::Field { .. }
            | RequestError::Slow
            | RequestError::Broken
            | RequestError::Host
            | RequestError::Misdirected
            | RequestError::NotEnrolled
            | RequestError::EnrolmentCode
            | RequestError::Limited { .. }
            | RequestError::ClientShare { .. }
            | RequestError::NoBarcode
            | RequestError::PictureTime
            | RequestError::SeveralReceipts
            | RequestError::NoPicture
            | RequestError::PictureKind { .. }
            | RequestError::PictureDamaged
            | RequestError::TooManyPixels { .. }
            | RequestError::NotReceipt { .. }
            | RequestError::Factor { .. }
            | RequestError::Busy { .. }
            | RequestError::NoSpeech => {}
        }
    }
    all
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let schemas = shipped();
    let mut found = BTreeSet::new();
    for (path, item) in object(&schemas.document(API)["paths"]) {
        for (method, _) in object(item) {
            let route =
                web::route(&method.to_uppercase(), path).unwrap_or_else(|_| panic!("{method} {path} is no route"));
            assert_eq!(place(route), (method.to_owned(), path));
            found.insert((method, path));
        }
    }
    assert_eq!(found.len(), Route::ALL.len(), "{found:?}");
}

#[test]
fn the_guide_lists_every_route_with_its_audience_and_cost_bound() {
    let guide = fs::read_to_string(home().join("config/examples/api/README.md")).expect("the guide");
    let rows = guide.lines().filter(|line| line.starts_with("| `GET /") || line.starts_with("| `POST /"));
    let listed: BTreeSet<Vec<&str>> =
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let cells = |route: Route| {
        let at = format!("`{} {}`", route.method(), route.path());
        (at, web::audience_of(route).name(), web::cost_bound_of(route).name())
    };
    let cells: Vec<_> = Route::ALL.into_iter().map(cells).collect();
    let known: BTreeSet<Vec<&str>> = cells.iter().map(|(at, who, cost)| vec![at.as_str(), *who, *cost]).collect();
    assert_eq!(listed, known);
}

#[test]
fn every_problem_is_described_with_its_status_and_every_description_is_a_problem() {
    let schemas = shipped();
    let document = schemas.document(API);
    let described = &document["components"]["schemas"]["Problem"];
    let told: BTreeMap<&str, u64> =
        object(&described["x-status"]).map(|(code, status)| (code, status.as_u64().expect("a status"))).collect();
    let listed = described["properties"]["error"]["enum"].as_array().expect("codes");
    assert_eq!(listed.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>(), told.keys().copied().collect());
    let problems = problems();
    let known: BTreeMap<&str, u64> = problems.iter().map(|problem| (problem.code(), problem.status().into())).collect();
    assert_eq!(known.len(), problems.len());
    assert_eq!(told, known);
    for problem in &problems {
        let body = serde_json::from_slice(&problem.to_json()).expect("JSON");
        let faults = schemas.faults("openapi.json#/components/schemas/Problem", &body, Others::Refused);
        assert!(faults.is_empty(), "{body}: {faults:?}");
        let response = &document["components"]["responses"][format!("Problem{}", problem.status())];
        let words = response["description"].as_str().unwrap_or_default();
        assert!(words.contains(&format!("`{}`", problem.code())), "{words} names {}", problem.code());
    }
}

#[test]
fn the_requests_that_are_described_are_those_that_are_read() {
    let schemas = shipped();
    let long = "1".repeat(3073);
    for (name, body, right) in [
        ("ScanRequest", json!({"code": "1"}), true),
        ("ScanRequest", json!({"code": "1", "kiosk": null, "later": [1]}), true),
        ("ScanRequest", json!({"kiosk": "a"}), false),
        ("ScanRequest", json!({"code": 1}), false),
        ("ScanRequest", json!({"code": long}), false),
        ("ScanRequest", json!({"code": "1", "tail": "123X"}), true),
        ("ScanRequest", json!({"code": "1", "tail": 1}), false),
        ("InquiryRequest", json!({"code": "1", "tail": "123X"}), true),
        ("InquiryRequest", json!({"code": "1"}), false),
        ("InquiryRequest", json!({"code": "1", "tail": "1".repeat(65)}), false),
        ("SpeechRequest", json!({"code": "1", "lang": "yue"}), true),
        ("SpeechRequest", json!({"code": "1", "lang": "fr"}), false),
        ("SpeechRequest", json!({"code": "1"}), false),
        ("RateRequest", json!({"score": 3, "kiosk": "a"}), true),
        ("RateRequest", json!({"score": 0}), false),
        ("RateRequest", json!({"score": 4}), false),
        ("RateRequest", json!({"score": "1"}), false),
    ] {
        let bytes = body.to_string().into_bytes();
        let read = match name {
            "ScanRequest" => ScanRequest::read(&bytes).is_ok(),
            "SpeechRequest" => SpeechRequest::read(&bytes).is_ok(),
            "InquiryRequest" => InquiryRequest::read(&bytes).is_ok(),
            _ => RateRequest::read(&bytes).is_ok(),
        };
        let at = format!("openapi.json#/components/schemas/{name}");
        let described = schemas.faults(&at, &body, Others::Allowed).is_empty();
        assert_eq!((described, read), (right, right), "{name} {body}");
    }
}

/// A node, and what is written of its answers.
struct Node<'a> {
    gateway: &'a Gateway,
    schemas: &'a Schemas,
}

impl Node<'_> {
    /// A request to a node: its answer's status is described, and its body fits what is described.
    fn answers(&self, request: (&str, &str, &str, &[u8]), status: u16) -> Value {
        let Node { gateway, schemas } = self;
        let (method, path, kind, body) = request;
        let (got, reply) = gateway.post(method, path, kind, body);
        assert_eq!(got, status, "{method} {path}: {reply}");
        let document = schemas.document(API);
        let described = document["paths"][path].get(method.to_lowercase());
        // A method that is not there, or a path that is not, is answered as any operation's problem is.
        let response = match described {
            Some(operation) => &operation["responses"][status.to_string()],
            None => &document["components"]["responses"][format!("Problem{status}")],
        };
        assert!(response.is_object(), "{method} {path}: {status} is described");
        let response = response["$ref"].as_str().map_or(response, |at| document.pointer(&at[1..]).expect("a response"));
        let Some(at) = response["content"]["application/json"]["schema"]["$ref"].as_str() else { return Value::Null };
        let value: Value = serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{path}: {error}: {reply}"));
        let faults = schemas.faults(&format!("{API}{at}"), &value, Others::Refused);
        assert!(faults.is_empty(), "{method} {path}: {faults:#?} in {value}");
        value
    }
}

#[test]
fn replies_of_a_node_are_as_they_are_described() {
    const JSON: &str = "application/json";
    let (gateway, schemas) = (Gateway::start(&[]), shipped());
    let node = Node { gateway: &gateway, schemas: &schemas };
    let states = ["accepted", "review", "supplement", "production", "ready", "posted", "collected", "contact"];
    for state in states {
        let (receipt, _) = gateway.example(state);
        let body = json!({"code": receipt, "kiosk": "hall-1"}).to_string();
        let reply = node.answers(("POST", "/api/scan", JSON, body.as_bytes()), 200);
        assert_eq!((&reply["found"], &reply["stage"]), (&json!(true), &json!(state)));
    }
    for code in ["440100000000009", "11010519491231002X", "SF1234567890123", "nothing"] {
        let reply = node.answers(("POST", "/api/scan", JSON, json!({"code": code}).to_string().as_bytes()), 200);
        assert_eq!(reply["found"], false);
    }
    let (receipt, tail) = gateway.example("ready");
    let inquiry = json!({"code": receipt, "tail": tail}).to_string();
    let found = node.answers(("POST", "/api/inquiry", JSON, inquiry.as_bytes()), 200);
    assert_eq!(found["stage"], "ready");
    let wrong = json!({"code": receipt, "tail": "0000"}).to_string();
    assert_eq!(node.answers(("POST", "/api/inquiry", JSON, wrong.as_bytes()), 200)["found"], false);
    node.answers(("POST", "/api/inquiry/image", "image/png", b"no picture"), 415);
    let form = "application/x-www-form-urlencoded";
    node.answers(("POST", "/public/inquiry", form, format!("code={receipt}&tail={tail}").as_bytes()), 200);
    node.answers(("POST", "/public/inquiry", form, b"code=1"), 400);
    node.answers(("POST", "/kiosk/enrol", form, b"code=1"), 403);
    let speech = json!({"code": receipt, "lang": "yue"}).to_string();
    node.answers(("POST", "/api/scan/speech", JSON, speech.as_bytes()), 200);
    node.answers(("POST", "/api/rate", JSON, br#"{"score":1}"#), 200);
    for path in [
        "/health",
        "/kiosk/config.json",
        "/metrics",
        "/flow.svg",
        "/kiosk",
        "/kiosk/app.js",
        "/",
        "/public",
        "/kiosk/enrol",
    ] {
        node.answers(("GET", path, JSON, b""), 200);
    }
    for (request, status, code) in [
        (("POST", "/api/scan", JSON, &b"{"[..]), 400, "json"),
        (("POST", "/api/rate", JSON, br#"{"score":9}"#), 400, "field"),
        (("POST", "/api/scan", "text/plain", b"1"), 415, "media_type"),
        (("POST", "/api/scan/image", "image/png", b"no picture"), 415, "no_picture"),
        (("POST", "/api/scan", JSON, &[b' '; 9000]), 413, "too_large"),
        (("GET", "/api/scan", JSON, b""), 405, "method"),
        (("GET", "/nothing", JSON, b""), 404, "not_found"),
    ] {
        assert_eq!(node.answers(request, status)["error"], code);
    }
}

/// What the program makes of a line of a feed file: a header and a seal are read in a file, the others by themselves.
fn feed_takes(line: &str) -> bool {
    let whole = |lines: &[&str]| {
        let mut intake = FileReader::new(ReadDepth::Rows);
        lines.iter().try_for_each(|line| intake.push(format!("{line}\n").as_bytes(), &mut |_| {}))
    };
    if line.contains("\"feed\"") {
        whole(&[line]).is_ok()
    } else if line.contains("\"seal\"") {
        whole(&[HEADER, line]).is_ok()
    } else {
        change(line.as_bytes()).is_ok()
    }
}

const HEADER: &str = r#"{"feed":{"format":1,"source":"a","sequence":2,"kind":"changes","previous":"1111111111111111111111111111111111111111111111111111111111111111","as_of":"2026-11-23T09:00:00Z","lines":0}}"#;
const CASE: &str = r#"{"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport","case_type":"new","hall":"north","accepted_on":"2026-11-02","stage_on":"2026-11-04","version":3,"pauses":[{"from":"2026-11-03","to":"2026-11-04"},{"from":"2026-11-06"}],"items":["photo"],"waybill_tail":"8A12","minor":true}"#;
const DELETE: &str = r#"{"delete":{"receipt":"440100000000131"}}"#;
const SEAL: &str =
    r#"{"seal":{"sha256":"8d3c7238637074d9c6efcbe2782f172c0f45ec7341e8c97ba0c2f38eb5842e46","key":"office-2026"}}"#;

/// The shipped lines, and one change of each that neither the program nor the schema takes.
const WRONG: &[(&str, &str, &str)] = &[
    (HEADER, "\"format\":1", "\"format\":0"),
    (HEADER, "\"source\":\"a\"", "\"source\":\"A b\""),
    (HEADER, "\"sequence\":2", "\"sequence\":0"),
    (HEADER, "\"changes\"", "\"both\""),
    (HEADER, "1111\",", "11\","),
    (HEADER, "2026-11-23T09:00:00Z", "yesterday"),
    (HEADER, ",\"lines\":0", ""),
    (HEADER, "\"lines\":0", "\"lines\":0,\"more\":1"),
    (CASE, "440100000000123", "44010"),
    (CASE, "\"review\"", "\"lost\""),
    (CASE, "\"passport\"", "\"Pass port\""),
    (CASE, "\"2026-11-02\"", "\"1911-11-02\""),
    (CASE, "\"2026-11-04\",\"version\"", "\"soon\",\"version\""),
    (CASE, "\"version\":3", "\"version\":9223372036854775808"),
    (CASE, "\"version\":3", "\"version\":\"3\""),
    (CASE, "8A12", "8A123"),
    (CASE, "\"photo\"", "\"Photo\""),
    (CASE, "\"minor\":true", "\"minor\":1"),
    (CASE, "\"minor\":true", "\"name\":\"x\""),
    (CASE, "{\"from\":\"2026-11-06\"}", "{}"),
    (CASE, "\"hall\":\"north\",", ""),
    (DELETE, "440100000000131", "4401-31"),
    (DELETE, "\"receipt\"", "\"number\""),
    (SEAL, "8d3c", "8g3c"),
    (SEAL, "\"key\"", "\"keys\""),
];

#[test]
fn lines_of_a_feed_are_taken_and_refused_as_the_schemas_say() {
    let schemas = shipped();
    let fits = |line: &str| {
        let value = serde_json::from_str(line).expect("JSON");
        schemas.faults("feed.schema.json", &value, Others::Allowed).is_empty()
    };
    for line in [HEADER, CASE, DELETE, SEAL] {
        assert_eq!((fits(line), feed_takes(line)), (true, true), "{line}");
    }
    for (line, from, to) in WRONG {
        assert!(line.contains(from), "{from} is in {line}");
        let wrong = line.replacen(from, to, 1);
        assert_eq!((fits(&wrong), feed_takes(&wrong)), (false, false), "{wrong}");
    }
    // Each kind of line has its own form, and a second factor is there once.
    for other in ["{}", "{\"feed\":{}}", &CASE.replace("\"id_tail\":\"123X\",", "")] {
        assert!(!fits(other), "{other}");
    }
}

#[test]
fn what_the_program_writes_fits_the_schemas() {
    let (schemas, folder) = (shipped(), temporary_folder("api"));
    let run = |words: &[&str]| {
        let output = jindu(&folder).args(words).output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let path = |name: &str| folder.join(name).display().to_string();
    let check = |schema: &str, file: &str| {
        let text = fs::read_to_string(folder.join(file)).expect("written");
        for (n, line) in text.lines().enumerate() {
            let faults = schemas.faults(schema, &serde_json::from_str(line).expect("JSON"), Others::Allowed);
            assert!(faults.is_empty(), "{file}:{}: {faults:?} in {line}", n + 1);
            if schema == "batch.schema.json" {
                assert!(FeedLine::read(line.as_bytes(), n as u64 + 1).is_ok(), "{line}");
            }
        }
        text.lines().count()
    };
    run(&["sample", "--cases", "500", "--seed", "3", "--out", &path("sample.ndjson")]);
    assert_eq!(check("batch.schema.json", "sample.ndjson"), 501);
    let (out, key) = (path("out"), path("office.key"));
    run(&["feed", "keygen", &path("office")]);
    run(&[
        "feed",
        "pack",
        &path("sample.ndjson"),
        "--snapshot",
        "--plain",
        "--source",
        "intranet",
        "--out",
        &out,
        "--key",
        &key,
    ]);
    run(&["feed", "pack", "--heartbeat", "--plain", "--out", &out, "--key", &key]);
    let files = fs::read_dir(folder.join("out")).expect("a folder").filter_map(Result::ok);
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let names: Vec<String> = names.filter(|name| name.ends_with(".ndjson")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let lines: usize = names.iter().map(|name| check("feed.schema.json", &format!("out/{name}"))).sum();
    assert_eq!(lines, 502 + 2);
    let _ = fs::remove_dir_all(&folder);
}
