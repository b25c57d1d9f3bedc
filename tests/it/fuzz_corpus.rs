//! The fuzzer's corpus, replayed: what once was found, or was thought of, is met again by every test run.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Calls a target with every file of a folder, and with every beginning of the shorter ones.
fn replay(folder: &str, target: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(folder);
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is committed") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        target(&bytes);
        for end in 0..bytes.len().min(1000) {
            target(&bytes[..end]);
        }
        count += 1;
    }
    assert!(count > 10, "{count} files");
}

#[test]
fn sip_datagrams_are_met() {
    replay("sip", targets::sip_datagram);
}

#[test]
fn sip_streams_are_met_in_pieces_of_every_size() {
    for size in [1, 7, 100, 255] {
        replay("sip", |bytes| targets::sip_stream(&[&[size], bytes].concat()));
    }
}

#[test]
fn challenges_and_credentials_are_met() {
    replay("digest", targets::digest);
}

#[test]
fn session_descriptions_are_met() {
    replay("sdp", targets::sdp);
}

#[test]
fn media_packets_are_met() {
    replay("rtp", |bytes| {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        let one = [&[length], bytes].concat();
        targets::rtp(&[&one[..], &one, bytes].concat());
    });
}

#[test]
fn protected_media_packets_are_met() {
    for suite in 0..4 {
        replay("srtp", |bytes| {
            let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
            let one = [&[length], bytes].concat();
            targets::srtp(&[&[suite], &one[..], &one, bytes].concat());
        });
    }
}

#[test]
fn scans_are_met() {
    replay("scan", targets::scan);
}

#[test]
fn recordings_are_met() {
    replay("recording", targets::recording);
}

#[test]
fn opus_streams_are_met() {
    replay("opus", targets::opus);
}

#[test]
fn feed_files_are_met_in_pieces_of_every_size() {
    for size in [1, 7, 255] {
        replay("feed", |bytes| targets::feed(&[&[size], bytes].concat()));
    }
}
