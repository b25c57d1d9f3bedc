//! Transfers, routes, addresses, transport.

use super::*;

// REFER.

fn notify(call: &mut Call, state: &str, body: &str) -> Option<u16> {
    let headers = format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
    call.ask("NOTIFY", &headers, body).status()
}

fn progress(call: &Call) -> Option<TransferProgress> {
    call.out.iter().find_map(|output| if let LegOutput::Referred(progress) = output { Some(*progress) } else { None })
}

#[test]
fn a_refer_reports_the_progress_of_the_transfer() {
    let mut call = Call::established(Transport::Udp);
    call.input(LegInput::Refer { target_uri: "tel:+862096110".into(), referred_by: Some("sip:ivr@192.0.2.1".into()) });
    let refer = request(&call, &Method::Refer);
    assert_eq!(refer.header_named("Refer-To"), Some("<tel:+862096110>"));
    assert_eq!(refer.header_named("Referred-By"), Some("<sip:ivr@192.0.2.1>"));
    let accepted = response_to(&refer, 202, "", "");
    call.receive(accepted);
    assert_eq!(progress(&call), Some(TransferProgress::Accepted));
    assert_eq!(notify(&mut call, "active;expires=60", "SIP/2.0 100 Trying"), Some(200));
    assert_eq!(progress(&call), Some(TransferProgress::Trying));
    notify(&mut call, "active;expires=60", "SIP/2.0 180 Ringing\r\n");
    assert_eq!(progress(&call), Some(TransferProgress::Ringing));
    notify(&mut call, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
    assert_eq!(progress(&call), Some(TransferProgress::Done));
    assert_eq!(notify(&mut call, "active", "SIP/2.0 200 OK\r\n"), Some(481), "the subscription is over");
}

#[test]
fn a_refer_can_fail_in_every_way() {
    for (body, expected) in [
        ("SIP/2.0 486 Busy Here", TransferProgress::Busy(486)),
        ("SIP/2.0 503 Service Unavailable", TransferProgress::Failed(Some(503))),
        ("SIP/2.0 100 Trying", TransferProgress::Failed(None)),
        ("", TransferProgress::Failed(None)),
    ] {
        let mut call = Call::established(Transport::Udp);
        call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        notify(&mut call, "terminated;reason=giveup", body);
        assert_eq!(progress(&call), Some(expected), "{body}");
    }
    let mut call = Call::established(Transport::Udp);
    call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
    let refused = response_to(&request(&call, &Method::Refer), 603, "", "");
    call.receive(refused);
    assert_eq!(progress(&call), Some(TransferProgress::Failed(Some(603))));
    assert_eq!(call.ended(), None, "the caller is taken back");
    call.input(LegInput::Refer { target_uri: "not a uri>\r\n".into(), referred_by: None });
    assert_eq!(progress(&call), Some(TransferProgress::Failed(None)));
    assert!(call.sent().is_empty());
}

#[test]
fn notifies_of_an_earlier_refer_do_not_count_for_a_later_one() {
    let mut call = Call::established(Transport::Udp);
    for _ in 0..2 {
        call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        let accepted = response_to(&request(&call, &Method::Refer), 202, "", "");
        call.receive(accepted);
    }
    let headers = |id| format!("Event: refer;id={id}\r\nSubscription-State: terminated\r\n");
    assert_eq!(call.ask("NOTIFY", &headers(1), "SIP/2.0 486 Busy Here").status(), Some(200));
    assert_eq!(progress(&call), None);
    assert_eq!(call.ask("NOTIFY", &headers(1), "SIP/2.0 486 Busy Here").status(), Some(481), "it has ended");
    assert_eq!(call.ask("NOTIFY", &headers(2), "SIP/2.0 200 OK").status(), Some(200));
    assert_eq!(progress(&call), Some(TransferProgress::Done));
}

#[test]
fn a_notify_without_an_id_is_of_the_first_refer_until_that_has_an_end() {
    let mut call = Call::established(Transport::Udp);
    for _ in 0..2 {
        call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        let accepted = response_to(&request(&call, &Method::Refer), 202, "", "");
        call.receive(accepted);
    }
    assert_eq!(notify(&mut call, "terminated", "SIP/2.0 480 Temporarily Unavailable"), Some(200));
    assert_eq!(progress(&call), None, "the caller was taken back before");
    assert_eq!(notify(&mut call, "terminated", "SIP/2.0 200 OK"), Some(200));
    assert_eq!(progress(&call), Some(TransferProgress::Done));
}

#[test]
fn a_notify_without_subscription_is_481_and_of_another_event_489() {
    let mut call = Call::established(Transport::Udp);
    assert_eq!(notify(&mut call, "active", "SIP/2.0 200 OK"), Some(481));
    assert_eq!(call.ask("NOTIFY", "Event: presence\r\n", "").status(), Some(489));
}

// Routes, addresses, transport.

#[test]
fn record_routes_stand_in_the_200_and_loose_routes_in_our_requests() {
    let routes = "Record-Route: <sip:192.0.2.31;lr>, <sip:192.0.2.32;lr>\r\nRecord-Route: <sip:192.0.2.33;lr>\r\n";
    let mut call = Call::with(Transport::Udp, routes, OFFER).answer();
    let ok = &call.sent()[0];
    let expected = ["<sip:192.0.2.31;lr>", "<sip:192.0.2.32;lr>", "<sip:192.0.2.33;lr>"];
    assert_eq!(ok.list(HeaderName::RecordRoute).collect::<Vec<_>>(), expected);
    call = call.acknowledge();
    call.input(LegInput::HangUp { reason: None });
    let bye = request(&call, &Method::Bye);
    let routes: Vec<_> = bye.headers(HeaderName::Other).filter(|value| value.starts_with('<')).collect();
    assert_eq!(routes, expected);
    assert_eq!(bye.request_uri(), "sip:13800000000@192.0.2.9:5070");
    let to = match &call.out[0] {
        LegOutput::Send(outgoing) => outgoing.to.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(to, Target::Address { to, .. } if to.to_string() == "192.0.2.31:5060"));
}

#[test]
fn a_strict_router_is_the_request_uri() {
    let routes = "Record-Route: <sip:192.0.2.31>, <sip:192.0.2.32;lr>\r\n";
    let mut call = Call::with(Transport::Udp, routes, OFFER).answer().acknowledge();
    call.input(LegInput::HangUp { reason: None });
    let bye = request(&call, &Method::Bye);
    assert_eq!(bye.request_uri(), "sip:192.0.2.31");
    let routes: Vec<_> = bye.headers(HeaderName::Other).filter(|value| value.starts_with('<')).collect();
    assert_eq!(routes, ["<sip:192.0.2.32;lr>", "<sip:13800000000@192.0.2.9:5070>"]);
}

#[test]
fn a_reinvite_moves_the_target() {
    let mut call = Call::established(Transport::Udp);
    let text =
        call.peer.text("INVITE", 2, 50, "", OFFER).replace("13800000000@192.0.2.9:5070>", "moved@192.0.2.77:5090>");
    call.peer.cseq = 2;
    call.receive(crate::parse_datagram(text.as_bytes()).expect("sound"));
    call = call.answer();
    let ack = call.peer.ack(2, "");
    call.receive(ack);
    call.input(LegInput::HangUp { reason: None });
    assert_eq!(request(&call, &Method::Bye).request_uri(), "sip:moved@192.0.2.77:5090");
}

#[test]
fn a_host_name_or_a_foreign_address_in_a_contact_is_not_sent_to() {
    for foreign in ["a@sbc.example.com>", "a@198.51.100.1>", "a@192.0.2.9;maddr=198.51.100.1>", "a@[2001:db8::1]>"] {
        let mut call = Call::established(Transport::Udp);
        let text = call.peer.text("UPDATE", 2, 50, "", "").replace("13800000000@192.0.2.9:5070>", foreign);
        call.receive(crate::parse_datagram(text.as_bytes()).expect("sound"));
        call.input(LegInput::HangUp { reason: None });
        let to = match last_sent(&call).to {
            Target::Same { peer, .. } | Target::Address { to: peer, .. } => peer.ip().to_string(),
            Target::Host { .. } => panic!("a lookup"),
        };
        assert_eq!(to, "192.0.2.9", "{foreign}");
    }
}

#[test]
fn a_foreign_address_in_a_route_is_not_sent_to() {
    let routes = "Record-Route: <sip:198.51.100.1;lr>\r\n";
    let mut call = Call::with(Transport::Udp, routes, OFFER).answer().acknowledge();
    call.input(LegInput::HangUp { reason: None });
    assert!(goes_to_source(&call));
    assert!(request(&call, &Method::Bye).headers(HeaderName::Other).any(|value| value == "<sip:198.51.100.1;lr>"));
}

#[test]
fn an_ack_without_the_tag_of_the_dialog_establishes_nothing() {
    for tag in ["", "another"] {
        let mut call = Call::answered(Transport::Udp);
        call.peer.to_tag = tag.into();
        let ack = call.peer.ack(1, "");
        call.receive(ack);
        assert!(!call.out.iter().any(|output| matches!(output, LegOutput::Established)), "{tag}");
    }
}

#[test]
fn a_tcp_call_says_so_in_its_contact_and_keeps_its_connection() {
    let mut call = Call::answered(Transport::Tcp);
    assert_eq!(call.sent()[0].header(HeaderName::Contact), Some("<sip:192.0.2.1:5060;transport=tcp>"));
    call = call.acknowledge();
    call.input(LegInput::HangUp { reason: None });
    let LegOutput::Send(outgoing) = &call.out[0] else { panic!("{:?}", call.out) };
    let Target::Same { transport: Transport::Tcp, peer, otherwise: Some(otherwise), .. } = &outgoing.to else {
        panic!("{:?}", outgoing.to)
    };
    assert_eq!(peer.to_string(), "192.0.2.9:5070");
    assert!(matches!(**otherwise, Target::Address { transport: Transport::Tcp, .. }));
    assert!(call.pass(Duration::from_secs(31)).is_empty(), "nothing repeats over TCP");
}

// Messages that do not arrive.

const FAR: &str = "Contact: <sip:peer@192.0.2.77:5070>\r\n";

/// A call whose peer gives this Contact, as it is or behind this route.
fn call_to(contact: &str, headers: &str) -> Call {
    let mut peer = crate::test_peer::Peer::new(Transport::Udp);
    let text = peer.text("INVITE", 1, 1, headers, OFFER);
    let text = text.replace("Contact: <sip:13800000000@192.0.2.9:5070>\r\n", contact);
    (peer.cseq, peer.branch) = (1, 1);
    let invite = crate::parse_datagram(text.as_bytes()).expect("sound");
    let now = crate::test_peer::epoch();
    let arrival = crate::test_peer::arrival(Transport::Udp);
    let (leg, out) = Leg::new(now, invite.clone(), &arrival, crate::test_peer::local());
    peer.to_tag = leg.local_tag().into();
    Call { peer, leg, now, invite, out }.answer().acknowledge()
}

/// The last message of the last step.
fn last_sent(call: &Call) -> Outgoing {
    let sent =
        call.out.iter().rev().find_map(|output| if let LegOutput::Send(sent) = output { Some(sent) } else { None });
    sent.expect("a message").clone()
}

fn lose_last(call: &mut Call) {
    let message = last_sent(call).bytes;
    call.input(LegInput::Undelivered { message });
}

fn goes_to_source(call: &Call) -> bool {
    matches!(last_sent(call).to, Target::Same { peer, .. } if peer.to_string() == "192.0.2.9:5070")
}

#[test]
fn a_refer_that_cannot_leave_is_a_failed_transfer_and_the_call_goes_on() {
    let unreachable = "Record-Route: <sip:192.0.2.31;lr>\r\n";
    for mut call in [call_to(FAR, ""), call_to("Contact: <sip:peer@192.0.2.9:5070>\r\n", unreachable)] {
        call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        assert!(!goes_to_source(&call));
        lose_last(&mut call);
        assert_eq!((progress(&call), call.ended()), (Some(TransferProgress::Failed(None)), None));
        assert!(call.out.iter().any(|output| matches!(output, LegOutput::Unreachable(Method::Refer))));
        assert!(call.sent().is_empty());
        call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        assert!(goes_to_source(&call), "what has failed once is not tried again");
        call.input(LegInput::HangUp { reason: None });
        assert!(goes_to_source(&call) && request(&call, &Method::Bye).method().is_some());
    }
}

#[test]
fn a_bye_that_cannot_leave_goes_to_where_the_invite_came_from_as_another_transaction() {
    let mut call = call_to(FAR, "");
    call.input(LegInput::HangUp { reason: None });
    let first = request(&call, &Method::Bye);
    lose_last(&mut call);
    let second = request(&call, &Method::Bye);
    assert!(goes_to_source(&call));
    assert_ne!(first.via().branch, second.via().branch);
    assert_eq!((first.cseq().number, first.request_uri()), (second.cseq().number, second.request_uri()));
    let fine = response_to(&second, 200, "", "");
    call.receive(fine);
    assert!(!call.leg.has_pending_transactions());
    assert!(matches!(call.pass(Duration::from_secs(40))[..], [(_, LegOutput::Gone)]));
}

#[test]
fn a_bye_that_nothing_answers_takes_the_other_way_too() {
    let mut call = call_to("Contact: <sip:peer@192.0.2.78:5060>\r\n", "");
    call.input(LegInput::HangUp { reason: None });
    let out = call.pass(Duration::from_secs(9));
    let last =
        out.iter().rev().find_map(|(_, output)| if let LegOutput::Send(sent) = output { Some(sent) } else { None });
    assert!(matches!(last.expect("a BYE").to, Target::Same { peer, .. } if peer.to_string() == "192.0.2.9:5070"));
    let gone = call.pass(Duration::from_secs(70));
    assert!(matches!(gone.last(), Some((_, LegOutput::Gone))));
}

#[test]
fn a_refer_that_nothing_answers_fails_the_transfer_and_the_bye_takes_the_other_way_at_once() {
    let mut call = call_to("Contact: <sip:peer@192.0.2.78:5060>\r\n", "");
    call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
    let out = call.pass(Duration::from_secs(33));
    assert!(out.iter().any(|(_, output)| matches!(output, LegOutput::Referred(TransferProgress::Failed(None)))));
    assert_eq!(ended(out.iter().map(|(_, output)| output)), None);
    call.input(LegInput::HangUp { reason: None });
    assert!(goes_to_source(&call));

    let mut call = call_to("Contact: <sip:peer@192.0.2.78:5060>\r\n", "");
    call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
    call.pass(Duration::from_secs(5));
    call.input(LegInput::HangUp { reason: None });
    assert!(goes_to_source(&call), "the REFER is overdue");
}

#[test]
fn a_refresh_that_cannot_leave_takes_the_other_way_and_keeps_the_call() {
    let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\nAllow: UPDATE\r\n";
    let mut call = call_to(FAR, headers);
    call.next_deadline();
    lose_last(&mut call);
    assert!(goes_to_source(&call) && call.ended().is_none());
    let fine = response_to(&request(&call, &Method::Update), 200, "Session-Expires: 600;refresher=uac\r\n", "");
    call.receive(fine);
    assert!(ended(call.pass(Duration::from_secs(299)).iter().map(|(_, output)| output)).is_none());
}

#[test]
fn a_contact_that_is_no_host_is_never_asked() {
    for contact in [
        "Contact: <sip:peer@0.0.0.0:5070>\r\n",
        "Contact: <sip:peer@[::]:5070>\r\n",
        "Contact: <sip:peer@192.0.2.9:0>\r\n",
        "Contact: <tel:+8613800000000>\r\n",
        "",
    ] {
        let mut call = call_to(contact, "");
        call.input(LegInput::HangUp { reason: None });
        assert!(goes_to_source(&call), "{contact}");
    }
}

#[test]
fn a_new_contact_is_trusted_again() {
    let mut call = call_to(FAR, "");
    call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
    lose_last(&mut call);
    assert_eq!(call.ask("UPDATE", "", "").status(), Some(200));
    call.input(LegInput::HangUp { reason: None });
    assert!(matches!(last_sent(&call).to, Target::Address { to, .. } if to.to_string() == "192.0.2.9:5070"));
}

#[test]
fn a_lost_response_costs_no_call_that_has_begun() {
    for transport in BOTH {
        let mut call = Call::established(transport);
        call.ask("OPTIONS", "", "");
        lose_last(&mut call);
        assert!(call.out.is_empty());
        let mut call = Call::answered(transport);
        lose_last(&mut call);
        let expected = (transport == Transport::Tcp).then_some(EndCause::TransportFailed);
        assert_eq!(call.ended(), expected, "over UDP the 200 is sent again");
    }
}

#[test]
fn over_tls_the_contact_names_it_and_is_sips_where_the_peer_asks_for_one() {
    let contact = |call: &Call| call.sent()[0].contact().map(|contact| contact.uri.to_owned());
    let call = Call::answered(Transport::Tls);
    assert_eq!(contact(&call).as_deref(), Some("sip:192.0.2.1:5060;transport=tls"));
    for (from, to) in [
        ("sip:9196@192.0.2.1 SIP", "sips:9196@192.0.2.1 SIP"),
        ("Contact: <sip:", "Contact: <sips:"),
        ("Max-Forwards", "Record-Route: <sips:192.0.2.8;lr>\r\nMax-Forwards"),
    ] {
        let mut peer = crate::test_peer::Peer::new(Transport::Tls);
        let text = peer.text("INVITE", 1, 1, "", OFFER).replacen(from, to, 1);
        let invite = crate::parse_datagram(text.as_bytes()).expect("well formed");
        let now = crate::test_peer::epoch();
        let (leg, out) =
            Leg::new(now, invite.clone(), &crate::test_peer::arrival(Transport::Tls), crate::test_peer::local());
        peer.to_tag = leg.local_tag().into();
        let call = Call { peer, leg, now, invite, out }.answer();
        assert_eq!(contact(&call).as_deref(), Some("sips:192.0.2.1:5060"), "{to}");
    }
}
