//! SIP over TLS and registration with programs of others: Kamailio as the carrier's registrar, OpenSSL's client, baresip,
//! Linphone.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::front::registrar::{PASSWORD, REALM, Registrar, USER};
use base::Codec;
use support::certificates::Authority;
use support::folder::Folder;
use support::gateway::{Gateway, peer};
use support::linphone::Linphone;
use support::phone::{Dial, Phone};
use support::softphone::Softphone;
use support::sound::clip;
use support::wait::{SOON, eventually};

fn alaw(lang: &str, id: &str) -> Vec<u8> {
    clip(lang, id, Codec::Alaw)
}

pub(crate) struct World {
    folder: Folder,
    pub authority: Authority,
}

const NAMES: &str = "DNS:sip.test,DNS:localhost,IP:127.0.0.1,IP:::1";

impl World {
    pub(crate) fn new() -> World {
        let folder = Folder::new();
        let authority = Authority::new(&folder.join("ca"));
        World { folder, authority }
    }

    /// Settings of a node with a TLS listener beside UDP and TCP.
    fn settings(&self, days: u32) -> Vec<String> {
        let node = self.authority.certify("node", NAMES, days);
        vec![
            r#"phone.listen=["127.0.0.1:0", "tls:127.0.0.1:0"]"#.to_owned(),
            format!("phone.tls.certificate={}", node.certificate.display()),
            format!("phone.tls.key={}", node.key.display()),
            format!("phone.tls.ca_file={}", self.authority.certificate().display()),
        ]
    }

    pub(crate) fn start(&self, more: &[String]) -> Gateway {
        let all: Vec<String> = self.settings(60).into_iter().chain(more.iter().cloned()).collect();
        Gateway::start(&all.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Settings of a trunk that registers with these registrars.
    fn register(&self, registrars: &[String], password: &str) -> Vec<String> {
        let file = self.folder.file("password", &format!("{password}\n"));
        let uris: Vec<String> = registrars.iter().map(|uri| format!("\"{uri}\"")).collect();
        let set = |key: &str, value: &str| format!("trunk.carrier.{key}={value}");
        vec![
            set("addresses", r#"["127.0.0.1"]"#),
            set("register.registrar", &format!("[{}]", uris.join(", "))),
            set("register.user", &format!("\"{USER}\"")),
            set("register.realm", REALM),
            set("register.password_file", &file),
            set("register.expires_s", "60"),
        ]
    }
}

fn over_tls(registrar: &Registrar) -> String {
    format!("sip:{};transport=tls", registrar.tls)
}

#[test]
fn a_node_registers_over_tls_and_takes_calls_on_that_connection() {
    let world = World::new();
    for algorithm in ["MD5", "SHA-256"] {
        let mut registrar = Registrar::start(&world.authority.certify("registrar", NAMES, 10), algorithm);
        let gateway = world.start(&world.register(&[over_tls(&registrar)], PASSWORD));
        registrar.await_binding(true);
        let mut phone = Phone::dial_with(registrar.plain, &Dial { number: USER, ..Dial::default() });
        assert!(phone.hears(&alaw("zh", "prompt.welcome"), SOON), "the greeting");
        phone.hang_up();
        registrar.stop();
        gateway.await_log("registration failed");
        registrar.resume();
        registrar.await_binding(true);
        gateway.signal("TERM");
        registrar.await_binding(false);
    }
}

#[test]
fn the_second_registrar_takes_over_and_a_wrong_password_is_said() {
    let world = World::new();
    let certified = world.authority.certify("registrar", NAMES, 10);
    let (mut first, second) = (Registrar::start(&certified, "MD5"), Registrar::start(&certified, "MD5"));
    first.stop();
    let uris = [over_tls(&first), format!("sip:{};transport=tcp", second.plain)];
    let gateway = world.start(&world.register(&uris, PASSWORD));
    second.await_binding(true);
    assert_eq!(gateway.metric("jindu_trunk_registered{trunk=\"carrier\"}"), 1.0);
    let status = support::command::done(&gateway.folder, &["trunk", "status"]);
    assert!(status.contains(&format!("registered  at {}", uris[1])), "{status}");
    let wrong = world.start(&world.register(&[format!("sip:{}", second.plain)], "guess"));
    wrong.await_log("user or password is wrong");
    assert_eq!(wrong.metric("jindu_trunk_registered{trunk=\"carrier\"}"), 0.0);
}

#[test]
fn a_registrar_of_another_authority_is_not_told_anything() {
    let world = World::new();
    let foreign = Authority::new(&world.folder.join("foreign"));
    let registrar = Registrar::start(&foreign.certify("registrar", NAMES, 10), "MD5");
    let gateway = world.start(&world.register(&[over_tls(&registrar)], PASSWORD));
    gateway.await_log("registration failed");
    assert!(!registrar.bindings().contains(USER));
}

#[test]
fn a_softphone_calls_over_tls_in_the_clear_and_with_srtp() {
    let world = World::new();
    let gateway = world.start(&["phone.srtp=optional".to_owned()]);
    for account in ["", ";mediaenc=srtp-mand"] {
        let mut phone = Softphone::start_trusting(&world.authority.certificate(), account, &[]);
        phone.dial(&format!("sip:96110110@{};transport=tls", tls_of(&gateway)));
        phone.hears(&alaw("zh", "prompt.welcome"), "the greeting");
        phone.hang_up();
    }
}

#[test]
fn linphone_on_the_line_test_hears_its_keys_and_the_nodes_bye() {
    let world = World::new();
    let mut gateway = world.start(&["phone.srtp=required".to_owned()]);
    let mut phone = Linphone::start(&world.authority.certificate());
    phone.dial(&format!("sip:9196@localhost:{};transport=tls", tls_of(&gateway).port()));
    for (key, name) in [("7", "7"), ("7", "7"), ("*", "star"), ("#", "pound")] {
        phone.press(key);
        phone.hears(&alaw("zh", &format!("key.{name}")), name);
    }
    gateway.drain();
    gateway.signal("TERM");
    phone.is_hung_up_on();
    assert_eq!(gateway.wait(Duration::from_secs(20)), Some(0));
}

#[test]
fn openssl_is_answered_over_tls_and_a_client_without_a_certificate_is_not_where_one_is_needed() {
    let world = World::new();
    let open = world.start(&[]);
    let ca = world.authority.certificate();
    assert!(ask(tls_of(&open), &ca, None).starts_with("SIP/2.0 200"), "an OPTIONS is answered");
    let six = world.start(&[r#"phone.listen=["127.0.0.1:0", "tls:[::1]:0"]"#.to_owned()]);
    assert!(ask(tls_of(&six), &ca, None).starts_with("SIP/2.0 200"), "over IPv6");
    let mutual = world.start(&[format!("phone.tls.client_ca={}", ca.display())]);
    assert!(!ask(tls_of(&mutual), &ca, None).contains("SIP/2.0"));
    let client = world.authority.certify("client", "DNS:peer.test", 10);
    assert!(ask(tls_of(&mutual), &ca, Some((client.certificate, client.key))).starts_with("SIP/2.0 200"));
}

#[test]
fn a_trunk_trusts_its_own_authority_alone() {
    let world = World::new();
    let (ca, carrier) = (world.authority.certificate(), Authority::new(&world.folder.join("carrier")));
    let own = |trunk: &str| format!("trunk.{trunk}.ca_file={}", carrier.certificate().display());
    let mutual = world.start(&[format!("phone.tls.client_ca={}", ca.display()), own("local")]);
    let (theirs, ours) =
        (carrier.certify("sbc", "DNS:sbc.test", 10), world.authority.certify("client", "DNS:sbc.test", 10));
    assert!(ask(tls_of(&mutual), &ca, Some((theirs.certificate, theirs.key))).starts_with("SIP/2.0 200"));
    assert!(!ask(tls_of(&mutual), &ca, Some((ours.certificate, ours.key))).contains("SIP/2.0"));

    let registrar = Registrar::start(&carrier.certify("registrar", "DNS:reg.carrier.test", 10), "MD5");
    let mut set = world.register(&[over_tls(&registrar)], PASSWORD);
    set.extend([own("carrier"), "trunk.carrier.tls_name=reg.carrier.test".to_owned()]);
    let _gateway = world.start(&set);
    registrar.await_binding(true);
}

#[test]
fn silent_and_slow_handshakes_are_closed_and_others_served_meanwhile() {
    let world = World::new();
    let gateway = world.start(&[]);
    let address = tls_of(&gateway);
    let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).expect("connected")).collect();
    let mut slow = TcpStream::connect(address).expect("connected");
    // The first octets of a ClientHello, and no more.
    slow.write_all(&[0x16, 3, 1, 2]).expect("written");
    let ca = world.authority.certificate();
    let begun = Instant::now();
    assert!(ask(address, &ca, None).starts_with("SIP/2.0 200"));
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for them");
    for mut stream in silent.into_iter().chain([slow]) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(begun.elapsed() < Duration::from_secs(18), "all are closed: {:?}", begun.elapsed());
}

#[test]
fn a_renewed_certificate_is_shown_and_calls_go_on() {
    let world = World::new();
    let gateway = world.start(&[]);
    let address = tls_of(&gateway);
    let before = gateway.metric("jindu_tls_certificate_expires_seconds");
    assert!((59.0..=60.0).contains(&(before / 86_400.0)), "{before}");
    let mut phone = Softphone::start_trusting(&world.authority.certificate(), "", &[]);
    phone.dial(&format!("sip:96110110@{address};transport=tls"));
    let renewed = world.authority.certify("renewed", NAMES, 10);
    for (from, to) in [(&renewed.certificate, "ca/node.pem"), (&renewed.key, "ca/node.key")] {
        fs::copy(from, world.folder.join(to)).expect("copied");
    }
    eventually(SOON, "the new certificate is used", || {
        let left = gateway.metric("jindu_tls_certificate_expires_seconds");
        if left < 11.0 * 86_400.0 { Ok(()) } else { Err(left.to_string()) }
    });
    assert!(ask(address, &world.authority.certificate(), None).starts_with("SIP/2.0 200"));
    let troubles = gateway.health()["troubles"].to_string();
    assert!(troubles.contains("certificate"), "{troubles}");
    phone.hears(&alaw("zh", "prompt.welcome"), "the greeting");
    phone.hang_up();
}

pub(crate) fn tls_of(gateway: &Gateway) -> SocketAddr {
    gateway.tls.expect("it listens for TLS")
}

/// What OpenSSL's client reads after an OPTIONS.
fn ask(address: SocketAddr, ca: &std::path::Path, client: Option<(PathBuf, PathBuf)>) -> String {
    let mut command = peer("openssl");
    command.args(["s_client", "-quiet", "-verify_return_error", "-connect", &address.to_string(), "-CAfile"]).arg(ca);
    if let Some((certificate, key)) = client {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl can be started");
    let request = "OPTIONS sip:node SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKopenssl\r\nMax-Forwards: 70\r\n\
                   From: <sip:a@peer>;tag=1\r\nTo: <sip:node>\r\nCall-ID: openssl\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let _ = child.stdin.as_mut().expect("piped").write_all(request.as_bytes());
    let mut output = child.stdout.take().expect("piped");
    let mut heard = vec![0; 4096];
    let length = output.read(&mut heard).unwrap_or(0);
    let _ = child.kill();
    let _ = child.wait();
    String::from_utf8_lossy(&heard[..length]).into_owned()
}
