//! Barcodes drawn by zint, posted as photographs.

use std::fs;

use serde_json::Value;
use support::gateway::{Gateway, peer};

/// A picture of a code.
fn drawn(gateway: &Gateway, kind: &str, text: &str, name: &str) -> Vec<u8> {
    let path = gateway.folder.join(format!("{name}.png"));
    let output = peer("zint")
        .args([
            "--barcode",
            kind,
            "--scale",
            "2",
            "--quietzones",
            "--border",
            "10",
            "--whitesp",
            "20",
            "--data",
            text,
            "--output",
        ])
        .arg(&path)
        .output()
        .expect("zint runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(&path).expect("the picture")
}

fn posted(gateway: &Gateway, kind: &str, picture: &[u8]) -> (u16, Value) {
    let (status, reply) = gateway.post("POST", "/api/scan/image", kind, picture);
    (status, serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error}: {reply}")))
}

#[test]
fn every_kind_of_barcode_on_a_photograph_finds_the_case() {
    let gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("ready");
    let even = format!("0{receipt}");
    let address = format!("https://crj.example.gov.cn/r/{receipt}");
    let codes = [
        ("CODE128", "20", receipt.as_str()),
        ("CODE39", "8", receipt.as_str()),
        ("ITF, padded to even length", "3", even.as_str()),
        ("QR", "58", receipt.as_str()),
        ("QR with an address", "58", address.as_str()),
        ("PDF417", "55", receipt.as_str()),
    ];
    for (name, kind, text) in codes {
        let picture = drawn(&gateway, kind, text, "code");
        let (status, reply) = posted(&gateway, "image/png", &picture);
        assert_eq!(
            (status, &reply["found"], &reply["stage"]),
            (200, &Value::from(true), &Value::from("ready")),
            "{name}: {reply}"
        );
        assert!(!reply.to_string().contains(&receipt), "{name}: the number is not sent back");
    }
    let by_hand = gateway.scan(&receipt);
    assert_eq!(by_hand["stage"], "ready", "the same answer as for the number itself");
}

#[test]
fn a_photograph_of_something_else_has_its_own_error() {
    let gateway = Gateway::start(&[]);
    let elsewhere = drawn(&gateway, "58", "https://example.invalid/r/440100000000001", "elsewhere");
    let (status, reply) = posted(&gateway, "image/png", &elsewhere);
    assert!(reply["found"] != true, "no address but the office's is read: {status} {reply}");
    let mut torn = elsewhere.clone();
    torn.truncate(torn.len() / 2);
    let pictures: [(&str, &[u8], u16); 4] = [
        ("image/png", &torn, 422),
        ("image/png", b"GIF89a", 415),
        ("image/jpeg", b"", 415),
        ("image/gif", &elsewhere, 415),
    ];
    for (kind, picture, expected) in pictures {
        let (status, reply) = posted(&gateway, kind, picture);
        assert_eq!(status, expected, "{kind}: {reply}");
        assert!(reply["message"].is_string(), "{reply}");
    }
    assert_eq!(gateway.http("GET", "/health", "").0, 200);
}
