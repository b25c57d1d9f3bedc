//! The service with a journal and a carrier of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inquiry::Keys;
use journal::Journal;
use sms::{Carrier, Encoding, HttpCarrier, Refusal, Retry, Settings, SmsState, Success};
use support::folder::Folder;
use support::sms_carrier::{Act, SmsCarrier};

use crate::SmsService;

fn settings(carrier: &SmsCarrier) -> Settings {
    let template = |text: &str| text.parse().expect("a template");
    let http = HttpCarrier {
        url: template(&format!("http://{}/", carrier.address)),
        method: "POST".into(),
        headers: vec![("Content-Type".into(), template("application/json"))],
        body: template("{\"to\":\"{number}\",\"text\":\"{text}\",\"id\":\"{id}\"}"),
        sign: None,
        encoding: Encoding::Hex,
        secret_file: None,
        success: Success { statuses: vec![200..=299], field: None, values: Vec::new(), later_values: Vec::new() },
        timeout: Duration::from_secs(1),
        at_once_max: 2,
        ca_file: None,
    };
    let mut settings = Settings {
        carrier: Some(Carrier::Http(Box::new(http))),
        retry: Retry { first: Duration::from_millis(5), longest: Duration::from_millis(20) },
        ..Settings::default()
    };
    settings.limits.allow = vec!["1[3-9]XXXXXXXXX".parse().expect("a pattern")];
    settings
}

fn journal(folder: &Path) -> Arc<Journal> {
    let settings = config::Journal { keep: Duration::from_secs(86_400), bytes_max: 1 << 30 };
    Journal::open(folder, &settings).expect("a journal")
}

async fn until(what: impl Fn() -> bool) {
    let held = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.expect("it comes");
}

#[tokio::test]
async fn a_carrier_that_fails_stalls_and_answers_500_gets_each_message_once() {
    let carrier = SmsCarrier::start(&[Act::Closes, Act::Stalls, Act::Answers(500), Act::Takes, Act::Answers(503)]);
    let folder = Folder::new();
    let (journal, keys) = (journal(folder.path()), Keys::new(&[7; 32]));
    let service = SmsService::start(&settings(&carrier), Arc::clone(&journal), keys).expect("a carrier is set");
    let first = service.send("13800138000", "尾号0018").await.expect("accepted");
    assert_eq!(service.send("02083123456", "a").await, Err(Refusal::Number));
    until(|| service.figures().sent == 1).await;
    let second = service.send("13800138001", "尾号0019").await.expect("accepted");
    until(|| service.figures().sent == 2).await;
    let requests = carrier.requests();
    for (id, taken_at) in [(first, 4), (second, 2)] {
        let of_it: Vec<Act> = requests
            .iter()
            .filter(|(request, _)| request.body.contains(&id.to_string()))
            .map(|(_, act)| *act)
            .collect();
        assert_eq!((of_it.len(), of_it.last()), (taken_at, Some(&Act::Takes)), "{of_it:?}");
    }
    assert_eq!(service.figures().retried, 4);
    until(|| journal.text_messages().is_ok_and(|records| records.len() == 2)).await;
}

#[tokio::test]
async fn what_is_stored_is_sent_by_the_next_start_and_its_words_are_sealed() {
    let carrier = SmsCarrier::start(&[Act::Stalls, Act::Takes]);
    let folder = Folder::new();
    let (journal, keys) = (journal(folder.path()), Keys::new(&[7; 32]));
    let service = SmsService::start(&settings(&carrier), Arc::clone(&journal), keys.clone()).expect("a carrier is set");
    let id = service.send("13800138000", "尾号0018").await.expect("accepted");
    until(|| carrier.requests().len() == 1).await;
    let stored = journal.text_messages().expect("readable");
    let has =
        |words: &str| stored.iter().any(|record| record.windows(words.len()).any(|octets| octets == words.as_bytes()));
    assert_eq!((stored.len(), has("13800138000"), has("尾号")), (1, false, false));
    service.finish(Duration::ZERO).await;

    let again = SmsService::start(&settings(&carrier), Arc::clone(&journal), keys).expect("a carrier is set");
    until(|| again.figures().sent == 1).await;
    let records = again.records();
    assert_eq!((records[0].id, records[0].state.name(), records[0].text.expose().as_str()), (id, "sent", ""));
    assert_ne!(records[0].state, SmsState::Waiting);
    let other = SmsService::start(&settings(&carrier), journal, Keys::new(&[8; 32])).expect("a carrier is set");
    assert!(other.records().is_empty(), "another secret opens none");
}
