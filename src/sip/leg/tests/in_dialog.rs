//! Requests inside a dialog: methods, offers, session timers.

use super::*;

// Methods in a call.

#[test]
fn an_info_body_that_is_no_key_is_415_and_an_empty_one_200() {
    let mut call = Call::established(Transport::Udp);
    assert_eq!(call.ask("INFO", "", "").status(), Some(200));
    let refused = call.ask("INFO", "Content-Type: text/plain\r\n", "hello");
    assert_eq!(refused.status(), Some(415));
    assert!(refused.lists(HeaderName::Accept, "application/dtmf-relay"));
}

#[test]
fn methods_that_a_call_does_not_have_are_405_or_501_with_allow() {
    let mut call = Call::established(Transport::Udp);
    for (method, status) in [("REFER", 405), ("MESSAGE", 405), ("PRACK", 405), ("FROBNICATE", 501)] {
        let reply = call.ask(method, "", "");
        assert_eq!(reply.status(), Some(status), "{method}");
        assert!(reply.lists(HeaderName::Allow, "UPDATE"));
    }
}

#[test]
fn a_required_extension_in_a_call_is_420_and_100rel_is_understood() {
    let mut call = Call::established(Transport::Udp);
    let reply = call.ask("INVITE", "Require: frobnication\r\n", OFFER);
    assert_eq!((reply.status(), reply.header_named("Unsupported")), (Some(420), Some("frobnication")));
    let call = Call::with(Transport::Udp, "Require: 100rel\r\nSupported: 100rel\r\n", OFFER).answer();
    assert_eq!(call.statuses(), [200]);
}

#[test]
fn options_in_a_call_is_200_with_what_we_can_do() {
    let mut call = Call::established(Transport::Udp);
    let reply = call.ask("OPTIONS", "", "");
    assert_eq!(reply.status(), Some(200));
    assert!(reply.lists(HeaderName::Allow, "INVITE") && reply.lists(HeaderName::Accept, "application/sdp"));
}

// Offers in a call.

#[test]
fn a_reinvite_is_an_offer_and_its_200_repeats_until_the_ack() {
    for transport in BOTH {
        let mut call = Call::established(transport);
        let reinvite = call.peer.request("INVITE", "", OFFER);
        call.receive(reinvite);
        assert_eq!(offers(&call.out), 1);
        call = call.answer();
        assert_eq!(call.statuses(), [200]);
        assert_eq!(call.pass(Duration::from_secs(2)).len(), 2);
        let ack = call.peer.ack(call.peer.cseq, "");
        assert!(call.receive(ack).is_empty());
        assert!(call.pass(Duration::from_secs(60)).is_empty());
    }
}

#[test]
fn a_reinvite_without_ack_ends_the_call() {
    let mut call = Call::established(Transport::Udp);
    let reinvite = call.peer.request("INVITE", "", OFFER);
    call.receive(reinvite);
    call = call.answer();
    let out = call.pass(Duration::from_secs(33));
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(EndCause::NoAck));
}

#[test]
fn a_reinvite_without_offer_gets_one_and_answers_in_its_ack() {
    let mut call = Call::established(Transport::Udp);
    let reinvite = call.peer.request("INVITE", "", "");
    assert!(matches!(call.receive(reinvite), [LegOutput::Offer { sdp: None }]));
    call = call.answer();
    let ack = call.peer.ack(call.peer.cseq, OFFER);
    assert!(matches!(call.receive(ack), [LegOutput::AnswerReceived { .. }]));
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let mut call = Call::established(Transport::Udp);
    let reinvite = call.peer.request("INVITE", "", OFFER);
    call.receive(reinvite.clone());
    call.input(LegInput::Reject { status: 488, warning: None, retry_after: None });
    assert_eq!(call.statuses(), [488]);
    assert_eq!(call.ended(), None);
    let ack = call.peer.write("ACK", reinvite.cseq().number, call.peer.branch, "", "");
    call.receive(ack);
    assert!(call.pass(Duration::from_secs(60)).is_empty());
    assert_eq!(call.ask("BYE", "", "").status(), Some(200));
}

#[test]
fn a_reinvite_while_one_is_pending_is_500_with_retry_after() {
    let mut call = Call::established(Transport::Udp);
    let reinvite = call.peer.request("INVITE", "", OFFER);
    call.receive(reinvite);
    let reply = call.ask("INVITE", "", OFFER);
    assert_eq!(reply.status(), Some(500));
    assert!(reply.header(HeaderName::RetryAfter).is_some());
    let reply = call.ask("UPDATE", "", OFFER);
    assert_eq!(reply.status(), Some(500));
    call = call.answer();
    assert_eq!(call.statuses(), [200], "the first is answered still");
}

#[test]
fn a_reinvite_while_our_offer_waits_for_its_answer_is_491() {
    let mut call = Call::with(Transport::Udp, "", "").answer();
    assert_eq!(call.ask("INVITE", "", OFFER).status(), Some(491));
    assert_eq!(call.ask("UPDATE", "", OFFER).status(), Some(491));
}

#[test]
fn a_reinvite_can_be_cancelled_and_the_call_goes_on() {
    let mut call = Call::established(Transport::Udp);
    let reinvite = call.peer.request("INVITE", "", OFFER);
    call.receive(reinvite.clone());
    let cancel = call.peer.write("CANCEL", reinvite.cseq().number, call.peer.branch, "", "");
    call.receive(cancel);
    assert_eq!(call.statuses(), [200, 487]);
    assert_eq!(call.ended(), None);
    assert!(call.input(LegInput::Answer { sdp: ANSWER.into() }).is_empty());
}

#[test]
fn an_update_with_an_offer_is_answered_and_one_without_refreshes() {
    let mut call = Call::established(Transport::Udp);
    let update = call.peer.request("UPDATE", "", OFFER);
    assert!(matches!(call.receive(update.clone()), [LegOutput::Offer { sdp: Some(_) }]));
    assert!(call.receive(update.clone()).is_empty(), "a repeat before the answer is absorbed");
    call = call.answer();
    assert_eq!(call.sent()[0].body, ANSWER);
    call.receive(update);
    assert_eq!(call.statuses(), [200]);
    let reply = call.ask("UPDATE", "", "");
    assert_eq!((reply.status(), reply.body.len()), (Some(200), 0));
    assert_eq!(offers(&call.out), 0);
}

#[test]
fn a_refused_update_is_488_once() {
    let mut call = Call::established(Transport::Udp);
    let update = call.peer.request("UPDATE", "", OFFER);
    call.receive(update);
    call.input(LegInput::Reject { status: 488, warning: None, retry_after: None });
    assert_eq!(call.statuses(), [488]);
    assert!(call.pass(Duration::from_secs(60)).is_empty());
}

// Session timers.

#[test]
fn a_caller_with_timers_refreshes_and_silence_ends_the_call() {
    let mut call = Call::with(Transport::Udp, "Supported: timer\r\nSession-Expires: 300\r\n", OFFER).answer();
    let ok = &call.sent()[0];
    assert_eq!(ok.header(HeaderName::SessionExpires), Some("300;refresher=uac"));
    assert!(ok.lists(HeaderName::Require, "timer"));
    call = call.acknowledge();
    call.pass(Duration::from_secs(200));
    let refreshed = call.ask("UPDATE", "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n", "");
    assert_eq!(refreshed.header(HeaderName::SessionExpires), Some("300;refresher=uac"));
    let out = call.pass(Duration::from_secs(300));
    assert_eq!(requests(&out[..1], &Method::Bye), 1);
    assert_eq!(out[0].0, Duration::from_secs(268), "32 s before the end");
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(EndCause::SessionExpired));
}

#[test]
fn a_caller_without_timers_has_none() {
    let call = Call::established(Transport::Udp);
    assert_eq!(call.leg.deadline(), None);
    let call = Call::offered(Transport::Udp).answer();
    assert!(call.sent()[0].header(HeaderName::SessionExpires).is_none());
}

#[test]
fn an_interval_that_is_too_small_is_422_with_min_se() {
    let call = Call::with(Transport::Udp, "Supported: timer\r\nx: 60\r\n", OFFER);
    assert_eq!(call.statuses(), [422]);
    assert_eq!(call.sent()[0].header(HeaderName::MinSe), Some("90"));
    assert_eq!(call.ended(), Some(EndCause::Rejected));
    let mut call = Call::established(Transport::Udp);
    assert_eq!(call.ask("UPDATE", "Supported: timer\r\nSession-Expires: 30\r\n", "").status(), Some(422));
    assert_eq!(call.ask("INVITE", "Supported: timer\r\nSession-Expires: 30\r\n", OFFER).status(), Some(422));
    assert_eq!(call.ended(), None);
}

#[test]
fn as_refresher_we_update_where_it_is_taken() {
    let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\nAllow: INVITE, UPDATE\r\n";
    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    for _ in 0..3 {
        assert_eq!(call.leg.deadline().map(|deadline| deadline.at), Some(call.now + Duration::from_secs(300)));
        call.next_deadline();
        let update = request(&call, &Method::Update);
        assert_eq!(update.header(HeaderName::SessionExpires), Some("600;refresher=uac"));
        let ok = response_to(&update, 200, "Require: timer\r\nSession-Expires: 600;refresher=uac\r\n", "");
        assert!(call.receive(ok).is_empty());
    }
}

#[test]
fn as_refresher_we_reinvite_with_the_same_description_and_acknowledge_every_200() {
    let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n";
    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    call.next_deadline();
    let reinvite = request(&call, &Method::Invite);
    assert_eq!(reinvite.body, ANSWER);
    assert_eq!(call.ask("INVITE", "", OFFER).status(), Some(491), "glare");
    let ok = response_to(&reinvite, 200, "Session-Expires: 600;refresher=uac\r\n", OFFER);
    call.receive(ok.clone());
    let ack = request(&call, &Method::Ack);
    assert_eq!(ack.cseq().number, reinvite.cseq().number);
    assert_ne!(ack.via().branch, reinvite.via().branch);
    assert!(call.out.iter().any(|output| matches!(output, LegOutput::AnswerReceived { .. })));
    call.receive(ok);
    assert_eq!(call.sent()[0].via().branch, ack.via().branch, "the same ACK again");
    assert_eq!(call.out.len(), 1);
}

#[test]
fn our_refused_reinvite_is_acknowledged_on_its_branch() {
    let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    call.next_deadline();
    let reinvite = request(&call, &Method::Invite);
    let busy = response_to(&reinvite, 491, "", "");
    call.receive(busy);
    let ack = request(&call, &Method::Ack);
    assert_eq!(ack.via().branch, reinvite.via().branch);
    assert_eq!(ack.to().uri, reinvite.to().uri);
    call.next_deadline();
    let again = request(&call, &Method::Invite);
    assert!(again.cseq().number > reinvite.cseq().number, "491 is tried again");
}

#[test]
fn a_refresh_answered_481_or_not_at_all_ends_the_call() {
    let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\nAllow: UPDATE\r\n";
    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    call.next_deadline();
    let update = request(&call, &Method::Update);
    let gone = response_to(&update, 481, "", "");
    call.receive(gone);
    assert_eq!(call.ended(), Some(EndCause::PeerLost));
    request(&call, &Method::Bye);

    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    let out = call.pass(Duration::from_secs(340));
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(EndCause::PeerLost));
}

#[test]
fn a_refresh_answered_422_asks_for_more_and_405_for_a_reinvite() {
    let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\nAllow: UPDATE\r\n";
    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    call.next_deadline();
    let update = request(&call, &Method::Update);
    let small = response_to(&update, 422, "Min-SE: 900\r\n", "");
    call.receive(small);
    call.next_deadline();
    let update = request(&call, &Method::Update);
    assert_eq!(update.header(HeaderName::SessionExpires), Some("900;refresher=uac"));
    let unknown = response_to(&update, 405, "", "");
    call.receive(unknown);
    call.next_deadline();
    request(&call, &Method::Invite);
}
