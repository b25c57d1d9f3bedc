//! A carrier of text messages by HTTP, which does what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// What the carrier does with a request; when none are left it takes every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Takes the message.
    Takes,
    /// Answers with this status.
    Answers(u16),
    /// Closes the connection without an answer.
    Closes,
    /// Never answers.
    Stalls,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// The head, with its names as they came.
    pub head: String,
    /// The body.
    pub body: String,
}

/// A carrier on a port of its own.
pub struct SmsCarrier {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<(Request, Act)>>>,
    acts: Arc<Mutex<Vec<Act>>>,
}

impl SmsCarrier {
    /// Starts one, which does these things in turn.
    pub fn start(acts: &[Act]) -> SmsCarrier {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let requests: Arc<Mutex<Vec<(Request, Act)>>> = Arc::default();
        let acts = Arc::new(Mutex::new(acts.iter().rev().copied().collect::<Vec<Act>>()));
        let (seen, left) = (Arc::clone(&requests), Arc::clone(&acts));
        spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, left) = (Arc::clone(&seen), Arc::clone(&left));
                spawn(move || serve(stream, &seen, &left));
            }
        });
        SmsCarrier { address, requests, acts }
    }

    /// What it does from here on.
    pub fn does(&self, acts: &[Act]) {
        *self.acts.lock().expect("unharmed") = acts.iter().rev().copied().collect();
    }

    /// The requests so far, and what was done with each.
    pub fn requests(&self) -> Vec<(Request, Act)> {
        self.requests.lock().expect("unharmed").clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<(Request, Act)>>, left: &Mutex<Vec<Act>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let request = Request {
        line: head.lines().next().unwrap_or_default().to_owned(),
        head,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let act = left.lock().expect("unharmed").pop().unwrap_or(Act::Takes);
    seen.lock().expect("unharmed").push((request, act));
    let answer = |status: u16, body: &str| {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n{body}", body.len())
    };
    let answer = match act {
        Act::Takes => answer(200, "{\"code\":0}"),
        Act::Answers(status) => answer(status, "{\"code\":7}"),
        Act::Closes => return,
        Act::Stalls => {
            // Until the other side goes away.
            let _ = reader.read(&mut [0]);
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes());
}
