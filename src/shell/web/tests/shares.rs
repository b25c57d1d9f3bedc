//! A client that takes much costs itself, and not the others.

use super::*;

const LONG: Duration = Duration::from_secs(20);
const NONE: config::WebShares = config::WebShares {
    connections_max: 1000,
    requests_per_second_max: 1000,
    uploads_max: 1000,
    picture_time_per_minute: Duration::from_secs(60),
};
/// An upload that has begun and says nothing more.
const SILENT_UPLOAD: &str = "POST /api/scan/image HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n\
                             Content-Length: 200000\r\nExpect: 100-continue\r\n\r\n";

fn is_of_the_share(reply: &Reply) -> bool {
    reply.status == 429 && reply.header("retry-after").is_some() && reply.json()["error"] == "client_share"
}

#[tokio::test]
async fn silent_uploads_of_one_client_leave_room_for_the_picture_of_another() {
    let office = Office::sharing(64, LONG, config::WebShares { uploads_max: 2, ..NONE });
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut visitor = office.visitor().await;
        visitor.says(SILENT_UPLOAD).await;
        // 100 Continue: the upload has its place.
        assert_eq!(visitor.hears().await.unwrap().status, 100);
        silent.push(visitor);
    }
    for _ in 0..8 {
        let refused = office.asks(SILENT_UPLOAD).await;
        assert!(is_of_the_share(&refused), "{refused:?}");
    }
    let mut other = office.visitor_from("127.0.0.2").await;
    other.says(post("/api/scan/image", "image/png", b"no picture")).await;
    assert_eq!(other.hears().await.unwrap().status, 415, "it was read");
    drop(silent);
}

#[tokio::test]
async fn a_client_that_asks_without_end_is_told_to_wait_and_others_are_answered() {
    let office = Office::sharing(64, LONG, config::WebShares { requests_per_second_max: 1, ..NONE });
    let mut eager = office.visitor().await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        eager.says(get("/health")).await;
        let reply = eager.hears().await.unwrap();
        assert!(reply.status == 200 || is_of_the_share(&reply), "{reply:?}");
        statuses.push(reply.status);
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses.contains(&429));
    let mut other = office.visitor_from("127.0.0.3").await;
    other.says(scan(RECEIPT)).await;
    assert_eq!(other.hears().await.unwrap().json()["found"], true);
}

#[tokio::test]
async fn connections_of_one_client_make_room_among_themselves() {
    let office = Office::sharing(64, LONG, config::WebShares { connections_max: 2, ..NONE });
    let mut first = office.visitor().await;
    let mut busy = office.visitor().await;
    busy.says(scan(SLOW)).await;
    office.seen.waiting.notified().await;
    let mut third = office.visitor().await;
    third.says(scan(SLOW)).await;
    office.seen.waiting.notified().await;
    assert!(first.is_hung_up_on().await, "the idle one");
    let refused = office.visitor().await.hears().await.unwrap();
    assert!(is_of_the_share(&refused), "{refused:?}");
    let mut other = office.visitor_from("127.0.0.4").await;
    other.says(scan(RECEIPT)).await;
    assert_eq!(other.hears().await.unwrap().status, 200);
    office.seen.go_on.notify_waiters();
    assert_eq!(busy.hears().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_diagram_is_drawn_once_however_many_ask() {
    let office = Office::open();
    let mut visitors = Vec::new();
    for _ in 0..32 {
        let mut visitor = office.visitor().await;
        visitor.says(get("/flow.svg")).await;
        visitors.push(visitor);
    }
    let mut tags = std::collections::BTreeSet::new();
    for mut visitor in visitors {
        let reply = visitor.hears().await.unwrap();
        assert_eq!((reply.status, &*reply.body), (200, &b"<svg/>"[..]));
        assert!(reply.header("age").is_some());
        tags.insert(reply.header("etag").unwrap().to_owned());
    }
    assert_eq!((tags.len(), office.seen.drawn.load(Relaxed)), (1, 1));
    let tag = tags.first().unwrap();
    let known = format!("GET /flow.svg HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n");
    assert_eq!(office.asks(known).await.status, 304);
}
