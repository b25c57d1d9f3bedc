//! Enrolled kiosks: the command line gives a one-time address, and a browser's request makes the cookie.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::done;
use crate::node::Node;
use crate::wait::{SOON, eventually};

/// Enrols a kiosk at a node that serves from a data folder; the `Cookie` header that its browser sends.
pub fn enrol(folder: &Path, web: SocketAddr, name: &str) -> String {
    let address = done(folder, &["kiosk", "add", name, "--hall", "north", "--plain"]);
    let (_, code) = address.trim().split_once("code=").expect("a one-time address");
    let form = format!("code={code}");
    let (_, head, _) = request(web, "POST", "/kiosk/enrol", FORM, &form);
    let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{head}"));
    format!("Cookie: {}\r\n", set.split(';').next().expect("a pair"))
}

/// The same at the first of several nodes, whose register the others get a copy of.
pub fn enrol_at_all(nodes: &[Node], name: &str) -> String {
    let cookie = enrol(&nodes[0].folder, nodes[0].web(), name);
    let file = |node: &Node| node.folder.join("kiosks/register.json");
    for node in &nodes[1..] {
        fs::create_dir_all(node.folder.join("kiosks")).expect("a folder can be made");
        fs::copy(file(&nodes[0]), file(node)).expect("a file can be copied");
    }
    for node in nodes {
        eventually(SOON, "the kiosk is known", || {
            let (_, _, body) = request(node.web(), "GET", "/kiosk/config.json", &cookie, "");
            if body.contains("\"enrolled\":true") { Ok(()) } else { Err(body) }
        });
    }
    cookie
}

/// What the scan API answers to a kiosk with this `Cookie` header, or to a stranger without one.
pub fn scan(web: SocketAddr, cookie: &str, code: &str) -> (u16, Value) {
    let head = format!("{cookie}Content-Type: application/json\r\n");
    let (status, _, body) = request(web, "POST", "/api/scan", &head, &json!({ "code": code }).to_string());
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

/// One request with further lines of its head; status, head and body of its reply.
pub fn request(web: SocketAddr, method: &str, path: &str, head: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(web).expect("the service listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {web}\r\n{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("the request goes out");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("the reply comes in");
    let reply = String::from_utf8_lossy(&reply).into_owned();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    (status, head.to_owned(), body.to_owned())
}

/// The type of a form's body.
pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
