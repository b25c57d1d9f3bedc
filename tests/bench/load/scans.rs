//! Scanners: keep-alive connections that post receipts, against the product and against bare hyper.

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::part;
use super::process::pin;

/// What hyper can do on the first core: the body read, a ready reply of the same size.
pub(crate) fn bare_hyper(size: usize) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        pin(Some(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("tokio takes the socket");
            let body = Bytes::from(vec![b'x'; size]);
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, body.clone()));
            }
        });
    });
    address
}

async fn serve(stream: tokio::net::TcpStream, body: Bytes) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let body = body.clone();
        async move {
            let _ = request.into_body().collect().await;
            let mut reply = Response::new(Full::new(body));
            let json = hyper::header::HeaderValue::from_static("application/json");
            reply.headers_mut().insert("content-type", json);
            Ok::<_, Infallible>(reply)
        }
    });
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

pub(crate) fn request(receipt: &str) -> Vec<u8> {
    let body = format!(r#"{{"code":"{receipt}","kiosk":"hall-1"}}"#);
    let head = "POST /api/scan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The size of the reply's body.
pub(crate) fn reply_size(address: SocketAddr, request: &[u8]) -> usize {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.write_all(request).expect("the server reads");
    reply(&mut stream, &mut vec![0; 16 * 1024])
}

/// Requests per second with one request under way on each connection. The client never sleeps: to wake it would cost a server that
/// keeps it waiting, and not one that does not.
pub(crate) fn rate(address: SocketAddr, requests: &[Vec<u8>], time: Duration) -> f64 {
    let mut next = requests.iter().enumerate().map(|(n, _)| &requests[n * 7919 % requests.len()]).cycle();
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(|_| Connection::open(address)).collect();
    let (began, mut answered) = (Instant::now(), 0);
    for connection in &mut connections {
        connection.ask(next.next().expect("it goes round"));
    }
    while began.elapsed() < time {
        for connection in &mut connections {
            if connection.is_answered() {
                answered += 1;
                connection.ask(next.next().expect("it goes round"));
            }
        }
    }
    f64::from(answered) / began.elapsed().as_secs_f64()
}

/// A connection that is looked at again and again.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    read: usize,
}

impl Connection {
    fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).expect("the server accepts");
        let _ = stream.set_nodelay(true);
        stream.set_nonblocking(true).expect("a socket");
        Connection { stream, buffer: vec![0; 16 * 1024], read: 0 }
    }

    fn ask(&mut self, request: &[u8]) {
        self.read = 0;
        self.stream.write_all(request).expect("the server reads");
    }

    /// Whether the whole reply is there.
    fn is_answered(&mut self) -> bool {
        match self.stream.read(&mut self.buffer[self.read..]) {
            Ok(0) => panic!("the server hung up"),
            Ok(count) => self.read += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        }
        whole(&self.buffer[..self.read]).is_some_and(|(_, whole)| self.read >= whole)
    }
}

/// The 99th percentile in milliseconds at a fixed rate, from the moment a request was due.
pub(crate) fn p99_at(address: SocketAddr, requests: &[Vec<u8>], rate: f64, time: Duration) -> f64 {
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || paced(address, requests, client, rate, time))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client ends well")).collect()
    });
    part(&mut times, 0.99)
}

fn paced(address: SocketAddr, requests: &[Vec<u8>], client: usize, rate: f64, time: Duration) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; 16 * 1024];
    let mut times = Vec::new();
    let began = Instant::now();
    for n in (client..).step_by(CLIENTS) {
        let due = began + Duration::from_secs_f64(n as f64 / rate);
        if due.duration_since(began) > time {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&requests[n * 7919 % requests.len()]).expect("the server reads");
        reply(&mut stream, &mut buffer);
        times.push(due.elapsed().as_secs_f64() * 1000.0);
    }
    times
}

/// Reads one whole reply, and gives the size of its body.
fn reply(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let (mut read, mut expected) = (0, None);
    while expected.is_none_or(|(_, whole)| read < whole) {
        let n = stream.read(&mut buffer[read..]).expect("the server answers");
        assert!(n > 0, "the server hung up");
        read += n;
        expected = whole(&buffer[..read]);
    }
    expected.map_or(0, |(body, _)| body)
}

/// The size of a reply's body and of all of it, once its head is there.
fn whole(read: &[u8]) -> Option<(usize, usize)> {
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&read[..end]).expect("a head is text");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    Some((length, end + 4 + length))
}

const CONNECTIONS: usize = 32;
const CLIENTS: usize = 8;
