//! Photographs: what they show, where they are read, and what they cost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::time::{sleep, timeout};

use super::answers::{photograph, png};
use super::*;

const HEIC: &[u8] = b"\0\0\0\x24ftypheic\0\0\0\0mif1heic";

/// A program that begins to read and never ends; it writes its process's number into a file.
fn stuck(folder: &Folder) -> (PhotographReader, PathBuf) {
    let (program, number) = (folder.path().join("stuck"), folder.path().join("number"));
    let script = format!("#!/bin/sh\necho '\"ready\"'\necho $$ > {}\nexec sleep 60\n", number.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    (PhotographReader::Process(program), number)
}

async fn until(mut is: impl FnMut() -> bool) {
    let poll = async {
        while !is() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), poll).await.expect("it becomes so");
}

fn process_of(number: &std::path::Path) -> Option<PathBuf> {
    let number = fs::read_to_string(number).ok().filter(|number| number.ends_with('\n'))?;
    Some(PathBuf::from("/proc").join(number.trim()))
}

#[tokio::test]
async fn a_picture_of_another_kind_gets_the_words_for_it_whatever_it_is_called() {
    let office = Office::open();
    for path in ["/api/scan/image", "/api/scan/image/speech?lang=zh", "/api/inquiry/image"] {
        for (kind, body, error) in [
            ("image/heic", HEIC, "picture_kind"),
            ("application/octet-stream", HEIC, "picture_kind"),
            ("image/avif", HEIC, "picture_kind"),
            ("video/mp4", HEIC, "media_type"),
        ] {
            let reply = office.asks(post(path, kind, body)).await;
            assert_eq!((reply.status, reply.json()["error"].as_str()), (415, Some(error)), "{path} {kind}");
            let words = reply.json()["wording"]["zh"].as_str().unwrap().to_owned();
            assert!(words.contains("JPEG"), "{words}");
        }
    }
}

#[tokio::test]
async fn two_receipts_in_one_photograph_are_not_answered() {
    let office = Office::open();
    let (first, second) = (photograph(RECEIPT), photograph(UNKNOWN));
    let [first, second] = [first, second].map(|bytes| image::load_from_memory(&bytes).unwrap().into_luma8());
    let mut both = image::GrayImage::from_pixel(first.width(), 2 * first.height(), image::Luma([230]));
    image::imageops::replace(&mut both, &first, 0, 0);
    image::imageops::replace(&mut both, &second, 0, i64::from(first.height()));
    let reply = office.asks(post("/api/scan/image", "image/png", &png(&both))).await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (422, Some("several_receipts")));
}

#[tokio::test]
async fn a_process_that_does_not_end_is_ended_and_the_reply_says_that_it_took_too_long() {
    let folder = Folder::new();
    let (reader, number) = stuck(&folder);
    let office = Office::reading_by(reader, settings(), Serves::All);
    let reply = office.asks(post("/api/scan/image", "image/png", &photograph(RECEIPT))).await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (422, Some("picture_time")));
    assert!(!process_of(&number).unwrap().exists());
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_search_and_is_charged_for_it() {
    let folder = Folder::new();
    let (reader, number) = stuck(&folder);
    let shares =
        config::WebShares { picture_time_per_minute: Duration::from_millis(1), ..config::WebShares::default() };
    let office = Office::reading_by(reader, config::Web { shares, ..settings() }, Serves::All);
    let mut visitor = office.visitor().await;
    visitor.says(post("/api/scan/image", "image/png", &photograph(RECEIPT))).await;
    until(|| process_of(&number).is_some()).await;
    let process = process_of(&number).unwrap();
    drop(visitor);
    until(|| !process.exists()).await;
    let refused = office.asks(post("/api/scan/image", "image/png", &photograph(RECEIPT))).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (429, Some("client_share")));
}

#[tokio::test]
async fn where_no_process_can_be_started_a_thread_reads() {
    for program in ["/nonexistent/jindu", "/bin/true"] {
        let office = Office::reading_by(PhotographReader::Process(program.into()), settings(), Serves::All);
        let reply = office.asks(post("/api/scan/image", "image/png", &photograph(RECEIPT))).await;
        assert_eq!((reply.status, reply.json()["stage"].as_str()), (200, Some("ready")), "{program}");
    }
}

#[tokio::test]
async fn a_refused_upload_is_read_on_so_that_its_sender_sees_the_reply() {
    let shares = config::WebShares { uploads_max: 1, ..config::WebShares::default() };
    let office = Office::reading_by(PhotographReader::Thread, config::Web { shares, ..settings() }, Serves::All);
    let head =
        "POST /api/scan/image HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 290000\r\n\r\n";
    let mut first = office.visitor().await;
    first.says(head).await;
    first.says(vec![0; 1000]).await;
    sleep(Duration::from_millis(100)).await;
    let mut second = office.visitor().await;
    second.says(head).await;
    for _ in 0..29 {
        sleep(Duration::from_millis(10)).await;
        second.stream.write_all(&vec![0; 10_000]).await.expect("the connection stays open");
    }
    assert_eq!(second.hears().await.unwrap().status, 429);
}

#[tokio::test]
async fn an_upload_that_goes_on_may_take_longer_than_other_requests_and_one_that_pauses_may_not() {
    let office = Office::with(64, Duration::from_millis(300));
    let head =
        "POST /api/scan/image HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 280000\r\n\r\n";
    let mut steady = office.visitor().await;
    steady.says(head).await;
    for _ in 0..14 {
        steady.says(vec![0; 20_000]).await;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(steady.hears().await.unwrap().status, 415, "all of it came");
    let mut pausing = office.visitor().await;
    pausing.says(head).await;
    pausing.says(vec![0; 20_000]).await;
    assert_eq!(pausing.hears().await.unwrap().status, 408);
}
