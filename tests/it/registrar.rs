//! The desk's telephones register at the node, with passwords of the studio's accounts.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use sip::digest::DigestClient;
use sip::{HeaderName, Message, Method, parse_datagram};
use support::gateway::{Gateway, jindu};
use support::wait::{SOON, eventually};

const SET: [&str; 2] = ["phone.registrar.realm=desk.test", "phone.registrar.addresses=127.0.0.1"];
const PASSWORD: &str = "Telefon im Amt 7";

/// Runs `jindu studio account …` with lines of standard input.
fn account(gateway: &Gateway, words: &[&str], input: &str) -> (bool, String) {
    let mut command = jindu(&gateway.folder);
    for set in SET {
        command.arg("--set").arg(set);
    }
    command.args(["studio", "account"]).args(words);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

struct Telephone {
    socket: UdpSocket,
    digest: DigestClient,
    user: String,
    cseq: u32,
}

impl Telephone {
    fn new(registrar: SocketAddr, user: &str, password: &str) -> Telephone {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(registrar).expect("an address");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        Telephone { socket, digest: DigestClient::new(user, "desk.test", password, 1), user: user.into(), cseq: 0 }
    }

    fn request(&mut self, method: &Method, headers: &str) -> Message {
        self.cseq += 1;
        let (cseq, user) = (self.cseq, &self.user);
        let lines = self.digest.authorize(method, "sip:desk.test", b"");
        let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!(
            "{method} sip:desk.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9:5060;rport;branch=z9hG4bKtel{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@desk.test>;tag=1\r\nTo: <sip:{user}@desk.test>\r\nCall-ID: tel-{user}\r\n\
             CSeq: {cseq} {method}\r\n{lines}{headers}Content-Length: 0\r\n\r\n"
        );
        self.socket.send(text.as_bytes()).expect("sent");
        let mut buffer = [0; 65_536];
        let length = self.socket.recv(&mut buffer).expect("a response");
        parse_datagram(&buffer[..length]).expect("well formed")
    }

    /// The status of a registration whose challenge was answered.
    fn register(&mut self, headers: &str) -> u16 {
        let response = self.request(&Method::Register, headers);
        if response.status() != Some(401) || self.digest.challenged(&response).is_err() {
            return response.status().expect("a response");
        }
        let response = self.request(&Method::Register, headers);
        if response.status() == Some(200) {
            assert!(response.header(HeaderName::Contact).is_some());
            self.digest.accepted(&response);
        }
        response.status().expect("a response")
    }
}

#[test]
fn a_telephone_registers_with_its_accounts_password() {
    let gateway = Gateway::start(&SET);
    assert!(account(&gateway, &["add", "li", "--role", "operator", "--number", "4711"], "荔枝湾的船慢慢划过桥\n\n").0);
    let contact = "Contact: <sip:4711@10.9.9.9:5060>;expires=120\r\n";
    assert_eq!(Telephone::new(gateway.udp, "4711", PASSWORD).register(contact), 401, "it has no password yet");
    let (done, told) = account(&gateway, &["sip", "li"], &format!("{PASSWORD}\n"));
    assert!(done && told.contains("4711") && told.contains("desk.test") && !told.contains(PASSWORD), "{told}");
    let mut telephone = Telephone::new(gateway.udp, "4711", PASSWORD);
    eventually(SOON, "the password is known", || match telephone.register(contact) {
        200 => Ok(()),
        status => {
            // Telephones that try without end are made to wait.
            std::thread::sleep(Duration::from_millis(500));
            Err(status.to_string())
        }
    });
    assert_eq!(gateway.metric("jindu_telephones"), 1.0);
    assert_eq!(Telephone::new(gateway.udp, "4711", "guess").register(contact), 401);
    assert!(account(&gateway, &["sip", "li", "--remove"], "").0);
    eventually(SOON, "its binding is gone", || match gateway.metric("jindu_telephones") {
        0.0 => Ok(()),
        count => Err(count.to_string()),
    });
    assert_eq!(telephone.register(contact), 401);
}

#[test]
fn nothing_registers_without_a_realm() {
    let none = ["phone.registrar.realm=", "phone.registrar.addresses="];
    let gateway = Gateway::start(&none);
    let contact = "Contact: <sip:4711@10.9.9.9:5060>\r\n";
    assert_eq!(Telephone::new(gateway.udp, "4711", PASSWORD).register(contact), 405);
    let mut command = jindu(&gateway.folder);
    for set in none {
        command.args(["--set", set]);
    }
    let run = command.args(["studio", "account", "sip", "operator"]).stdin(Stdio::null()).output().expect("it runs");
    assert!(!run.status.success() && String::from_utf8_lossy(&run.stderr).contains("phone.registrar.realm"));
}

#[test]
fn a_telephone_elsewhere_is_refused_and_the_log_says_what_to_do() {
    let gateway = Gateway::start(&[SET[0], "phone.registrar.addresses=127.0.0.9"]);
    let mut telephone = Telephone::new(gateway.udp, "71", PASSWORD);
    assert_eq!(telephone.register("Contact: <sip:71@10.9.9.9:5060>\r\n"), 403);
    gateway.await_log("phone.registrar.addresses");
    assert!(gateway.log().contains("REGISTER from 127.0.0.1 refused"), "{}", gateway.log());
}

#[test]
fn a_telephone_that_is_no_trunk_may_only_register() {
    let gateway = Gateway::start(&[SET[0], SET[1], "trunk.local.addresses=192.0.2.1"]);
    let mut telephone = Telephone::new(gateway.udp, "4711", PASSWORD);
    assert_eq!(telephone.request(&Method::Options, "").status(), Some(403));
    assert_eq!(telephone.request(&Method::Register, "").status(), Some(401));
}
