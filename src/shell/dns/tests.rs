//! A resolver against a name server on the loopback.

use support::name_server::NameServer;

use super::*;

fn resolver(server: &NameServer) -> Resolver {
    Resolver::new(vec![server.address])
}

async fn located(resolver: &Resolver, port: Option<u16>, transport: Transport) -> Vec<String> {
    let located = resolver.locate("Carrier.Test.", port, transport).await.expect("located");
    located.targets.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn services_come_by_priority_with_their_ports_and_all_addresses() {
    let server = NameServer::start();
    server.service("_sip._udp.carrier.test", (20, 0), "b.carrier.test", 5070);
    server.service("_sip._udp.carrier.test", (10, 5), "a.carrier.test", 5080);
    server
        .host("a.carrier.test", "192.0.2.1")
        .host("a.carrier.test", "2001:db8::1")
        .host("b.carrier.test", "192.0.2.2");
    server.host("carrier.test", "192.0.2.9");
    let resolver = resolver(&server);
    let udp = located(&resolver, None, Transport::Udp).await;
    assert_eq!(udp, ["192.0.2.1:5080", "[2001:db8::1]:5080", "192.0.2.2:5070"]);
    assert_eq!(located(&resolver, None, Transport::Tcp).await, ["192.0.2.9:5060"], "there is no SRV of TCP");
    assert_eq!(located(&resolver, None, Transport::Tls).await, ["192.0.2.9:5061"]);
    assert_eq!(located(&resolver, Some(5099), Transport::Udp).await, ["192.0.2.9:5099"], "a port skips SRV");
}

#[tokio::test]
async fn a_pointer_of_the_transport_names_the_service() {
    let server = NameServer::start();
    server.pointer("carrier.test", "SIPS+D2T", "_sips._tcp.edge.test");
    server.service("_sips._tcp.edge.test", (1, 1), "edge.test", 5062);
    server.host("edge.test", "192.0.2.5").host("carrier.test", "192.0.2.9");
    let resolver = resolver(&server);
    assert_eq!(located(&resolver, None, Transport::Tls).await, ["192.0.2.5:5062"]);
    assert_eq!(located(&resolver, None, Transport::Udp).await, ["192.0.2.9:5060"]);
}

#[tokio::test]
async fn what_failed_comes_last_and_answers_are_kept() {
    let server = NameServer::start();
    server.host("carrier.test", "192.0.2.1").host("carrier.test", "192.0.2.2");
    let resolver = resolver(&server);
    assert_eq!(located(&resolver, Some(5060), Transport::Udp).await, ["192.0.2.1:5060", "192.0.2.2:5060"]);
    resolver.failed("192.0.2.1:5060".parse().expect("an address"));
    let asked = server.asked();
    assert_eq!(located(&resolver, Some(5060), Transport::Udp).await, ["192.0.2.2:5060", "192.0.2.1:5060"]);
    server.answers(false);
    assert_eq!(located(&resolver, Some(5060), Transport::Udp).await.len(), 2);
    assert_eq!(server.asked(), asked, "nothing was asked again");
}

#[tokio::test]
async fn without_an_answer_there_is_an_error_that_says_why() {
    let server = NameServer::start();
    let resolver = resolver(&server);
    let locate = |host: &'static str| resolver.locate(host, None, Transport::Udp);
    assert_eq!(locate("carrier.test").await, Err(DnsError::NoAddress));
    server.service("_sip._udp.closed.test", (0, 0), "", 0).host("closed.test", "192.0.2.1");
    assert_eq!(locate("closed.test").await, Err(DnsError::NoService));
    server.answers(false);
    assert_eq!(locate("silent.test").await, Err(DnsError::Silent));
    assert!(!DnsError::Silent.is_answer() && DnsError::NoAddress.is_answer());
}

#[tokio::test]
async fn a_second_server_answers_for_a_silent_one() {
    let (silent, server) = (NameServer::start(), NameServer::start());
    silent.answers(false);
    server.host("carrier.test", "192.0.2.1");
    let resolver = Resolver::new(vec![silent.address, server.address]);
    assert_eq!(located(&resolver, Some(5060), Transport::Udp).await, ["192.0.2.1:5060"]);
}
