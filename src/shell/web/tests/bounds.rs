//! Requests that are wrong, too large, too slow or too many.

use super::*;

#[tokio::test]
async fn a_wrong_path_method_or_type_is_answered_with_what_would_be_accepted() {
    let office = Office::open();
    assert_eq!(office.asks(get("/scan")).await.json()["error"], "not_found");
    let method = office.asks(get("/api/scan")).await;
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!(office.asks(post("/api/scan", "text/plain", b"{}")).await.status, 415);
    assert_eq!(office.asks(post("/api/scan", "application/json", b"{")).await.status, 400);
    let mut visitor = office.visitor().await;
    visitor.says("HEAD /kiosk HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    while visitor.more().await {}
    assert!(visitor.read.ends_with(b"\r\n\r\n"));
    assert_eq!(office.seen.metrics.http_requests.value(metrics::HttpClass::Refused), 4);
}

#[tokio::test]
async fn a_large_body_is_refused_whether_it_names_its_length_or_not() {
    let office = Office::open();
    let large = vec![b' '; 9000];
    let named = office.asks(post("/api/scan", "application/json", &large)).await;
    assert_eq!((named.status, named.header("connection")), (413, Some("close")));
    let mut chunked = b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\n\r\n2328\r\n"
        .to_vec();
    chunked.extend_from_slice(&large);
    assert_eq!(office.asks(chunked).await.status, 413);
    let claim = "POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(office.asks(claim).await.status, 413);
}

#[tokio::test]
async fn large_heads_and_nonsense_are_refused_by_the_book() {
    let office = Office::open();
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(office.asks(long).await.status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(300));
    assert_eq!(office.asks(many).await.status, 431);
    for nonsense in ["\x16\x03\x01\x02\x00\x01\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nHost k\r\n\r\n"] {
        assert_eq!(office.asks(nonsense).await.status, 400, "{nonsense:?}");
    }
    let both = "POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n";
    assert_eq!(office.asks(both).await.status, 400);
}

#[tokio::test]
async fn a_head_that_does_not_come_and_a_body_that_drips_end_the_connection() {
    let office = Office::with(64, Duration::from_millis(60));
    let mut silent = office.visitor().await;
    assert!(silent.is_hung_up_on().await);
    let mut half = office.visitor().await;
    half.says("POST /api/scan HTTP/1.1\r\nHost:").await;
    assert!(half.is_hung_up_on().await);
    let mut drip = office.visitor().await;
    drip.says(
        "POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    )
    .await;
    let reply = drip.hears().await.unwrap();
    assert_eq!((reply.status, reply.json()["error"].as_str()), (408, Some("slow")));
    assert!(drip.is_hung_up_on().await);
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let office = Office::open();
    let mut visitor = office.visitor().await;
    visitor
        .says([scan(RECEIPT), get("/health").into_bytes(), scan(UNKNOWN), get("/nowhere").into_bytes()].concat())
        .await;
    assert_eq!(visitor.hears().await.unwrap().json()["found"], true);
    assert_eq!(visitor.hears().await.unwrap().json()["status"], "ok");
    assert_eq!(visitor.hears().await.unwrap().json()["found"], false);
    assert_eq!(visitor.hears().await.unwrap().status, 404);
    visitor.says(scan(RECEIPT)).await;
    assert_eq!(visitor.hears().await.unwrap().status, 200);
}

#[tokio::test]
async fn silent_connections_make_room_for_one_that_asks() {
    let office = Office::with(3, Duration::from_secs(20));
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(office.visitor().await);
    }
    assert_eq!(office.asks(scan(RECEIPT)).await.status, 200);
    assert_eq!(office.asks(scan(RECEIPT)).await.status, 200);
    assert!(silent[0].is_hung_up_on().await);
}

#[tokio::test]
async fn when_every_connection_is_in_a_request_the_next_is_asked_to_come_back() {
    let office = Office::with(2, Duration::from_secs(20));
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut visitor = office.visitor().await;
        visitor.says(scan(SLOW)).await;
        office.seen.waiting.notified().await;
        busy.push(visitor);
    }
    let mut late = office.visitor().await;
    let refused = late.hears().await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["error"], "busy");
    assert!(late.is_hung_up_on().await);
    office.seen.go_on.notify_waiters();
    for visitor in &mut busy {
        assert_eq!(visitor.hears().await.unwrap().json()["unavailable"], true);
    }
}

#[tokio::test]
async fn stopping_lets_a_request_finish_and_takes_no_new_one() {
    let office = Office::open();
    let mut idle = office.visitor().await;
    idle.says(get("/health")).await;
    idle.hears().await.unwrap();
    let mut asking = office.visitor().await;
    asking.says(scan(SLOW)).await;
    office.seen.waiting.notified().await;
    office.stop.send(true).unwrap();
    assert!(idle.is_hung_up_on().await);
    assert!(TcpStream::connect(office.address).await.is_err());
    office.seen.go_on.notify_waiters();
    assert_eq!(asking.hears().await.unwrap().status, 200);
    assert!(asking.is_hung_up_on().await);
    office.serving.await.unwrap();
    assert_eq!(office.seen.metrics.http_connections.value(), 0);
}
