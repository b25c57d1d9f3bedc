//! Handshakes on the loopback, with certificates of a test's own authority.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use support::certificates::{Authority, Certified};
use support::folder::Folder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct World {
    folder: Folder,
    authority: Authority,
}

const NAMES: &str = "DNS:sip.test,IP:127.0.0.1,IP:::1";

fn world() -> World {
    let folder = Folder::new();
    let authority = Authority::new(&folder.join("ca"));
    World { folder, authority }
}

fn files(certified: Option<&Certified>, client_ca: Option<PathBuf>, ca_file: Option<PathBuf>) -> PhoneTls {
    let certificate = certified.map(|certified| certified.certificate.clone());
    PhoneTls { certificate, key: certified.map(|certified| certified.key.clone()), client_ca, ca_file }
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.expect("connected"), accepted.expect("accepted").0)
}

/// Whether `server` and `client` come together, with a word from each side. TLS 1.3 tells a client of its own refusal only
/// with the first read.
async fn shake(server: &TlsContext, client: &TlsContext, name: &str) -> Result<(), HandshakeError> {
    shake_of((server, None), (client, None), name).await
}

/// The same, with the trunk that each side takes the other for.
async fn shake_of(
    (server, server_trunk): (&TlsContext, Option<usize>),
    (client, client_trunk): (&TlsContext, Option<usize>),
    name: &str,
) -> Result<(), HandshakeError> {
    let (near, far) = connected().await;
    let serve = async {
        let mut stream = server.accept(far, server_trunk).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await?;
        Ok::<(), HandshakeError>(())
    };
    let ask = async {
        let mut stream = client.connect(near, name, client_trunk).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await?;
        if heard == b"hello" { Ok(()) } else { Err(io::Error::other("not heard").into()) }
    };
    let (served, asked) = tokio::join!(serve, ask);
    asked.and(served)
}

#[tokio::test]
async fn a_client_verifies_authority_and_name() {
    let world = world();
    let server = TlsContext::load(&files(Some(&world.authority.certify("node", NAMES, 60)), None, None), &[]);
    let server = server.expect("usable");
    let trusting = TlsContext::load(&files(None, None, Some(world.authority.certificate())), &[]).expect("usable");
    for name in ["sip.test", "sip.test.", "127.0.0.1", "[::1]"] {
        assert!(shake(&server, &trusting, name).await.is_ok(), "{name}");
    }
    for name in ["other.test", "127.0.0.2"] {
        assert!(matches!(shake(&server, &trusting, name).await, Err(HandshakeError::Refused(_))), "{name}");
    }
    assert!(matches!(shake(&server, &trusting, "").await, Err(HandshakeError::Name)));
    let other = Authority::new(&world.folder.join("other"));
    let stranger = TlsContext::load(&files(None, None, Some(other.certificate())), &[]).expect("usable");
    assert!(matches!(shake(&server, &stranger, "sip.test").await, Err(HandshakeError::Refused(_))));
}

#[tokio::test]
async fn with_client_ca_a_client_needs_a_certificate_of_it() {
    let world = world();
    let ca = Some(world.authority.certificate());
    let node = world.authority.certify("node", NAMES, 60);
    let server = TlsContext::load(&files(Some(&node), ca.clone(), ca.clone()), &[]).expect("usable");
    let named = world.authority.certify("peer", "DNS:peer.test", 60);
    let known = TlsContext::load(&files(Some(&named), None, ca.clone()), &[]).expect("usable");
    assert!(shake(&server, &known, "sip.test").await.is_ok());
    let nameless = TlsContext::load(&files(None, None, ca.clone()), &[]).expect("usable");
    assert!(shake(&server, &nameless, "sip.test").await.is_err());
    let other = Authority::new(&world.folder.join("other"));
    let foreign = other.certify("peer", "DNS:peer.test", 60);
    let foreign = TlsContext::load(&files(Some(&foreign), None, ca), &[]).expect("usable");
    assert!(shake(&server, &foreign, "sip.test").await.is_err());
}

#[tokio::test]
async fn a_silent_handshake_ends_at_its_limit() {
    let world = world();
    let server = TlsContext::load(&files(Some(&world.authority.certify("node", NAMES, 60)), None, None), &[]);
    let server = server.expect("usable");
    let (_near, far) = connected().await;
    let ended = server.accept_within(Duration::from_millis(30), far, None).await;
    assert!(matches!(ended, Err(HandshakeError::Slow)));
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_a_broken_one_is_not() {
    let world = world();
    let ca = Some(world.authority.certificate());
    let first = world.authority.certify("node", NAMES, 10);
    let server = TlsContext::load(&files(Some(&first), None, None), &[]).expect("usable");
    let client = TlsContext::load(&files(None, None, ca), &[]).expect("usable");
    let before = server.expires().expect("a certificate");
    assert!(server.reload_if_changed().is_none());
    std::fs::write(&first.certificate, "not PEM").expect("written");
    assert!(
        matches!(server.reload_if_changed(), Some(Err(TlsError::File { key, .. })) if key == "phone.tls.certificate")
    );
    assert!(server.reload_if_changed().is_none(), "reported once");
    assert!(shake(&server, &client, "sip.test").await.is_ok());
    let second = world.authority.certify("next", NAMES, 50);
    std::fs::copy(&second.certificate, &first.certificate).expect("copied");
    assert!(matches!(server.reload_if_changed(), Some(Err(TlsError::Pair(_)))), "the key is still the old one");
    std::fs::copy(&second.key, &first.key).expect("copied");
    assert!(matches!(server.reload_if_changed(), Some(Ok(()))));
    assert!(server.expires() > Some(before + Duration::from_secs(30 * 86_400)));
    assert!(shake(&server, &client, "sip.test").await.is_ok());
}

#[tokio::test]
async fn the_end_of_a_certificate_is_known_to_the_day() {
    let world = world();
    let certified = world.authority.certify("node", NAMES, 10);
    let server = TlsContext::load(&files(Some(&certified), None, None), &[]).expect("usable");
    let left = server.expires().expect("a certificate").duration_since(SystemTime::now()).expect("in the future");
    assert!((9 * 86_400..=10 * 86_400).contains(&left.as_secs()), "{left:?}");
    let ca = Some(world.authority.certificate());
    assert_eq!(TlsContext::load(&files(None, None, ca), &[]).expect("usable").expires(), None);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let world = world();
    let certified = world.authority.certify("node", NAMES, 10);
    let missing = Certified { key: world.folder.join("none"), ..certified.clone() };
    let error = TlsContext::load(&files(Some(&missing), None, None), &[]).err();
    assert!(matches!(error, Some(TlsError::File { key, .. }) if key == "phone.tls.key"));
    let no_ca = files(Some(&certified), Some(certified.key.clone()), None);
    assert!(
        matches!(TlsContext::load(&no_ca, &[]).err(), Some(TlsError::File { key, .. }) if key == "phone.tls.client_ca")
    );
}

/// A trunk with an authority of its own and a name, by the settings.
fn trunk(ca: &std::path::Path, name: &str) -> Vec<Arc<Trunk>> {
    let text = format!(
        "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n[[trunk]]\nname = \
         \"carrier\"\naddresses = [\"127.0.0.1\"]\ntransport = \"tls\"\nca_file = \"{}\"\ntls_name = \"{name}\"\n\
         [phone]\nlisten = [\"tls:127.0.0.1:5061\"]\ntls = {{ certificate = \"c\", key = \"k\" }}",
        ca.display()
    );
    config::read(&text, &[], std::path::Path::new("/srv")).expect("valid settings").phone.trunks
}

#[tokio::test]
async fn a_trunks_own_authority_is_the_only_one_for_its_peers() {
    let world = world();
    let carrier = Authority::new(&world.folder.join("carrier"));
    let trunks = trunk(&carrier.certificate(), "sbc.carrier");
    let ca = Some(world.authority.certificate());
    let node = world.authority.certify("node", NAMES, 60);
    let near = TlsContext::load(&files(Some(&node), ca.clone(), ca.clone()), &trunks).expect("usable");

    let sbc = carrier.certify("sbc", "DNS:sbc.carrier", 60);
    let sbc = TlsContext::load(&files(Some(&sbc), None, ca.clone()), &[]).expect("usable");
    // The node connects: the trunk's name is verified in place of the host.
    assert!(shake_of((&sbc, None), (&near, Some(0)), "127.0.0.1").await.is_ok());
    assert!(shake_of((&sbc, None), (&near, None), "sbc.carrier").await.is_err(), "another authority");
    let other = world.authority.certify("other", "DNS:sbc.carrier", 60);
    let other = TlsContext::load(&files(Some(&other), None, ca.clone()), &[]).expect("usable");
    assert!(shake_of((&other, None), (&near, Some(0)), "sbc.carrier").await.is_err(), "the node's own authority");

    // A peer connects: its certificate is one of the trunk's authority.
    assert!(shake_of((&near, Some(0)), (&sbc, None), "sip.test").await.is_ok());
    assert!(shake_of((&near, None), (&sbc, None), "sip.test").await.is_err());
    assert!(shake_of((&near, Some(0)), (&other, None), "sip.test").await.is_err());
    let nameless = TlsContext::load(&files(None, None, ca), &[]).expect("usable");
    assert!(shake_of((&near, Some(0)), (&nameless, None), "sip.test").await.is_err(), "no certificate");
}

#[tokio::test]
async fn a_changed_authority_of_a_trunk_is_used() {
    let world = world();
    let carrier = Authority::new(&world.folder.join("carrier"));
    let trunks = trunk(&carrier.certificate(), "sbc.carrier");
    let near = TlsContext::load(&files(None, None, None), &trunks).expect("usable without authorities of the machine");
    let renewed = Authority::new(&world.folder.join("renewed"));
    let sbc = renewed.certify("sbc", "DNS:sbc.carrier", 60);
    let sbc = TlsContext::load(&files(Some(&sbc), None, None), &[]).expect("usable");
    assert!(shake_of((&sbc, None), (&near, Some(0)), "sbc").await.is_err());
    std::fs::write(carrier.certificate(), "not PEM").expect("written");
    let refused = near.reload_if_changed();
    assert!(matches!(refused, Some(Err(TlsError::File { key, .. })) if key == "trunk.carrier.ca_file"));
    std::fs::copy(renewed.certificate(), carrier.certificate()).expect("copied");
    assert!(matches!(near.reload_if_changed(), Some(Ok(()))));
    assert!(shake_of((&sbc, None), (&near, Some(0)), "sbc").await.is_ok());
}
