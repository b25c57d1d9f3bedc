//! An office with a prompt studio: its people, and their requests over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use audio::{Bank, encode_master};
use base::{Codec, Lang};
use serde_json::{Value, json};

use crate::gateway::{Gateway, home};

/// A reply over HTTP.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// What follows them.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// One request with these header lines.
pub fn request(to: SocketAddr, method: &str, path: &str, lines: &[String], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(to).expect("the web door is open");
    stream.set_read_timeout(Some(Duration::from_secs(180))).expect("a limit");
    let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    // A refusal may come before all was sent.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Reply { status, head, body: reply[end + 4..].to_vec() }
}

/// The first start's passwords, noted at the first look: the program removes those that are changed.
fn initial_passwords(gateway: &Gateway) -> String {
    let noted = gateway.folder.join("initial-passwords.noted");
    std::fs::read_to_string(&noted).unwrap_or_else(|_| {
        let file = gateway.folder.join("studio/initial-passwords");
        let text = std::fs::read_to_string(file).expect("the first start wrote it");
        std::fs::write(noted, &text).expect("noted");
        text
    })
}

/// The password of a name: its own, where it was changed by [`Person::of`] or noted by [`chosen`], else the first one.
pub fn password(gateway: &Gateway, name: &str) -> String {
    std::fs::read_to_string(own_password(gateway, name)).unwrap_or_else(|_| first_password(gateway, name))
}

/// Notes the password that a person chose.
pub fn chosen(gateway: &Gateway, name: &str, password: &str) {
    std::fs::write(own_password(gateway, name), password).expect("written");
}

/// The file of a password that a person chose, for `--password-file`.
pub fn own_password(gateway: &Gateway, name: &str) -> PathBuf {
    gateway.folder.join(format!("{name}.own-password"))
}

/// The password that the first start made up for a name.
pub fn first_password(gateway: &Gateway, name: &str) -> String {
    let mark = format!("name {name}  password ");
    let text = initial_passwords(gateway);
    let at = text.find(&mark).unwrap_or_else(|| panic!("{name} is in {text}")) + mark.len();
    text[at..].split_whitespace().next().expect("a password").to_owned()
}

/// What signs an operator in by telephone.
pub struct Secrets {
    /// The operator's number.
    pub number: String,
    /// The PIN that the first start made up.
    pub pin: String,
}

/// The number and PIN that the first start made up for a name.
pub fn secrets(gateway: &Gateway, name: &str) -> Secrets {
    let text = initial_passwords(gateway);
    let line = text.lines().find(|line| line.contains(&format!("name {name} "))).expect("an account");
    let after = |mark: &str| {
        let rest = line.split(mark).nth(1).unwrap_or_else(|| panic!("{mark} is in {line}"));
        rest.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    Secrets { number: after("telephone: "), pin: after("PIN ") }
}

/// A signed-in person.
pub struct Person {
    web: SocketAddr,
    /// The page's path.
    page: &'static str,
    /// The session's cookie, as `NAME=VALUE`.
    pub cookie: String,
    /// The token that the studio's own page sends with each change.
    pub token: String,
}

impl Person {
    /// Signs one of the accounts of the first start in; the first time with a new password.
    pub fn of(gateway: &Gateway, name: &str) -> Person {
        let first = password(gateway, name);
        let (person, must_change) = Person::with(gateway, name, &first);
        if must_change {
            let own = format!("{first} mine");
            person.does("password", &json!({"old": first, "new": own}));
            chosen(gateway, name, &own);
        }
        person
    }

    /// Signs an account in; whether its password must be changed.
    pub fn with(gateway: &Gateway, name: &str, password: &str) -> (Person, bool) {
        Person::at(gateway, "/studio", name, password)
    }

    /// Signs an account in at the agents' page, the first time with a new password.
    pub fn at_desk(gateway: &Gateway, name: &str, password: &str) -> Person {
        let (person, must_change) = Person::at(gateway, "/agent", name, password);
        if must_change {
            person.does("password", &json!({"old": password, "new": format!("{password} mine")}));
        }
        person
    }

    fn at(gateway: &Gateway, page: &'static str, name: &str, password: &str) -> (Person, bool) {
        let body = json!({"name": name, "password": password}).to_string();
        let kind = ["Content-Type: application/json".to_owned()];
        let reply = request(gateway.web, "POST", &format!("{page}/api/sign-in"), &kind, body.as_bytes());
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let must_change = reply.json()["must_change"].as_bool().expect("it says so");
        let cookie = reply.header("set-cookie").and_then(|line| line.split(';').next()).expect("a cookie").to_owned();
        let token = reply.json()["csrf"].as_str().expect("a token").to_owned();
        (Person { web: gateway.web, page, cookie, token }, must_change)
    }

    /// Reads something.
    pub fn get(&self, name: &str) -> Reply {
        request(self.web, "GET", &format!("{}/api/{name}", self.page), &[format!("Cookie: {}", self.cookie)], b"")
    }

    /// Asks for something to be done, as JSON.
    pub fn post(&self, name: &str, body: &Value) -> Reply {
        self.send(name, "application/json", body.to_string().as_bytes())
    }

    /// What must be done, as JSON.
    pub fn does(&self, name: &str, body: &Value) -> Value {
        let reply = self.post(name, body);
        assert_eq!(reply.status, 200, "{name}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    /// The same with a body of any type.
    pub fn send(&self, name: &str, kind: &str, body: &[u8]) -> Reply {
        let lines = [
            format!("Cookie: {}", self.cookie),
            format!("X-Studio-Token: {}", self.token),
            format!("Content-Type: {kind}"),
        ];
        request(self.web, "POST", &format!("{}/api/{name}", self.page), &lines, body)
    }

    /// Sends a recording of a slot in.
    pub fn records(&self, lang: &str, slot: &str, file: &[u8]) -> Reply {
        let name = format!("take?lang={lang}&slot={slot}&kind=browser&sitting=s1");
        self.send(&name, "application/octet-stream", file)
    }

    /// Sends one in that is good, and keeps it; its name.
    pub fn keeps(&self, lang: &str, slot: &str, file: &[u8]) -> String {
        let reply = self.records(lang, slot, file);
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let take = reply.json();
        assert_eq!(take["good"], true, "{take}");
        let name = take["name"].as_str().expect("a name").to_owned();
        self.does("keep", &json!({ "takes": [name] }));
        name
    }

    /// A take as a call plays it, in A-law.
    pub fn octets(&self, take: &str) -> Vec<u8> {
        let reply = self.get(&format!("sound?take={take}&form=master"));
        assert_eq!(reply.status, 200);
        octets(&reply.body)
    }
}

/// A sign-in by name and password.
pub fn sign_in(web: SocketAddr, name: &str, password: &str) -> Reply {
    let body = json!({"name": name, "password": password}).to_string();
    request(web, "POST", "/studio/api/sign-in", &["Content-Type: application/json".into()], body.as_bytes())
}

/// A WAV file as a call plays it, in A-law.
pub fn octets(wav: &[u8]) -> Vec<u8> {
    let mut reader = hound::WavReader::new(wav).expect("a WAV file");
    let rate = reader.spec().sample_rate;
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    let encoded = encode_master(&samples, rate).expect("a master");
    let name: std::sync::Arc<str> = "take".into();
    let bank = Bank::build([((Lang::Zh, name.clone()), encoded)]).expect("a bank");
    bank.octets(Lang::Zh, &name, Codec::Alaw).expect("the take").to_vec()
}

/// Samples of a shipped recording, without the silence at its ends, at 16 kHz.
pub fn shipped(lang: &str, id: &str) -> Vec<i16> {
    let path = home().join(format!("prompts/audio/{lang}/{id}.wav"));
    let samples: Vec<i16> =
        hound::WavReader::open(path).expect("shipped").samples().map(|sample| sample.expect("a sample")).collect();
    let loud = |sample: &i16| sample.unsigned_abs() > 300;
    let first = samples.iter().position(loud).unwrap_or(0);
    let last = samples.iter().rposition(loud).unwrap_or(samples.len() - 1);
    samples[first..=last].to_vec()
}

/// A quiet room of this duration, at 16 kHz.
pub fn room(milliseconds: usize) -> Vec<i16> {
    let mut state = 1_u32;
    (0..milliseconds * 16)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) % 13) as i16 - 6
        })
        .collect()
}

/// A voice in a quiet room: a shipped recording with some room to its sides.
pub fn voice(lang: &str, id: &str) -> Vec<i16> {
    [room(300), shipped(lang, id), room(300)].concat()
}

/// A WAV file of samples at 16 kHz.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("memory");
    samples.iter().for_each(|sample| writer.write_sample(*sample).expect("memory"));
    writer.finalize().expect("memory");
    bytes.into_inner()
}

/// A file that a microphone hears.
pub fn microphone(folder: &Path, samples: &[i16]) -> PathBuf {
    let path = folder.join("microphone.wav");
    std::fs::write(&path, wav(samples)).expect("a file can be written");
    path
}
