//! Calls of this side, against a callee that writes what each test describes.

use super::*;
use crate::digest::DigestClient;
use crate::leg::Invitation;
use crate::test_peer::{addr, arrival, epoch, local};
use crate::{Arrival, Outgoing, parse_datagram};

const TAGGED: &str = "callee";

/// A call of this side on a virtual clock.
pub(super) struct Out {
    pub leg: Leg,
    transport: Transport,
    now: Instant,
    pub out: Vec<LegOutput>,
    /// The last INVITE that left.
    invite: Message,
    cseq: u32,
    /// Where the callee's messages come from.
    source: &'static str,
}

impl Out {
    fn with(transport: Transport, change: impl FnOnce(&mut Invitation)) -> Out {
        let to = Target::Address { transport, local: addr("192.0.2.1:5060"), to: addr("192.0.2.9:5070") };
        let mut invitation = Invitation {
            uri: "sip:801@192.0.2.9:5070".into(),
            to,
            routes: Vec::new(),
            from: "<sip:13800000000@192.0.2.1>".into(),
            offer: OFFER.into(),
            credentials: None,
        };
        change(&mut invitation);
        let now = epoch();
        let (leg, out) = Leg::call(now, invitation, local());
        let invite = sent(&out).remove(0);
        Out { leg, transport, now, out, invite, cseq: 0, source: "192.0.2.9:5070" }
    }

    pub(super) fn begun(transport: Transport) -> Out {
        Out::with(transport, |_| ())
    }

    fn answered(transport: Transport) -> Out {
        let mut call = Out::begun(transport);
        call.respond(200, TAGGED, "", ANSWER);
        call
    }

    pub(super) fn input(&mut self, input: LegInput) -> &[LegOutput] {
        self.out = self.leg.handle_input(self.now, input);
        if let Some(invite) = sent(&self.out).into_iter().find(|message| message.is(&Method::Invite)) {
            self.invite = invite;
        }
        &self.out
    }

    pub(super) fn receive(&mut self, text: &str) -> &[LegOutput] {
        let message = parse_datagram(text.as_bytes()).expect("the callee writes well-formed messages");
        let arrival = Arrival { source: addr(self.source), ..arrival(self.transport) };
        self.input(LegInput::Received { message, arrival })
    }

    /// A response to a request of this side.
    fn reply(&mut self, request: &Message, status: u16, tag: &str, headers: &str, sdp: &str) -> &[LegOutput] {
        let text = reply(request, status, tag, headers, sdp);
        self.receive(&text)
    }

    /// A response to the last INVITE.
    fn respond(&mut self, status: u16, tag: &str, headers: &str, sdp: &str) -> &[LegOutput] {
        let invite = self.invite.clone();
        self.reply(&invite, status, tag, headers, sdp)
    }

    /// A request of the callee in the dialog.
    pub(super) fn request(&mut self, method: &str, tag: &str, headers: &str, sdp: &str) -> &[LegOutput] {
        self.cseq += 1;
        let head = |name| self.invite.header(name).unwrap_or("").to_owned();
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/{} 192.0.2.9:5070;branch=z9hG4bKcallee{}\r\n\
             Max-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n\
             Contact: <sip:801@192.0.2.9:5070>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{sdp}",
            self.transport.name(),
            self.cseq,
            head(HeaderName::To),
            head(HeaderName::From),
            head(HeaderName::CallId),
            self.cseq,
            sdp.len()
        );
        self.receive(&text)
    }

    fn sent(&self) -> Vec<Message> {
        sent(&self.out)
    }

    fn methods(&self) -> Vec<Method> {
        self.sent().iter().filter_map(|message| message.method().cloned()).collect()
    }

    fn ended(&self) -> Option<EndCause> {
        ended(&self.out)
    }

    pub(super) fn hang_up(&mut self) -> &[LegOutput] {
        self.input(LegInput::HangUp { reason: None })
    }

    /// Runs every deadline within a time at its moment.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<(Duration, LegOutput)> {
        let (start, mut all) = (self.now, Vec::new());
        while let Some(deadline) = self.leg.deadline().filter(|deadline| deadline.at <= start + time) {
            self.now = self.now.max(deadline.at);
            let out = self.leg.handle_input(self.now, LegInput::Deadline);
            all.extend(out.into_iter().map(|output| (self.now - start, output)));
        }
        self.now = start + time;
        all
    }
}

pub(super) fn reply(request: &Message, status: u16, tag: &str, headers: &str, sdp: &str) -> String {
    let line = |name| request.header(name).unwrap_or("").to_owned();
    let tag =
        if tag.is_empty() || line(HeaderName::To).contains(";tag=") { String::new() } else { format!(";tag={tag}") };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} Whatever\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:801@192.0.2.9:5070>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{sdp}",
        line(HeaderName::Via),
        line(HeaderName::From),
        line(HeaderName::To),
        line(HeaderName::CallId),
        line(HeaderName::CSeq),
        sdp.len()
    )
}

fn has<'a>(out: impl IntoIterator<Item = &'a LegOutput>, wanted: impl Fn(&LegOutput) -> bool) -> bool {
    out.into_iter().any(wanted)
}

fn is_established(output: &LegOutput) -> bool {
    matches!(output, LegOutput::Established)
}

#[test]
fn a_call_rings_is_answered_and_ended_by_either_side() {
    for transport in BOTH {
        let mut call = Out::begun(transport);
        let invite = &call.invite;
        assert_eq!((invite.request_uri(), invite.to_tag()), ("sip:801@192.0.2.9:5070", ""));
        assert_eq!(invite.body, OFFER);
        assert!(invite.lists(HeaderName::Supported, "timer") && invite.header(HeaderName::SessionExpires).is_some());
        assert!(call.respond(100, "", "", "").is_empty());
        assert!(matches!(call.respond(180, TAGGED, "", "")[..], [LegOutput::Progress { status: 180 }]));
        let out = call.respond(200, TAGGED, "Allow: INVITE, UPDATE\r\n", ANSWER);
        assert!(
            matches!(out, [LegOutput::Send(_), LegOutput::AnswerReceived { sdp }, LegOutput::Established] if sdp == ANSWER)
        );
        let ack = &call.sent()[0];
        assert_eq!((ack.method(), ack.to_tag(), ack.cseq().number), (Some(&Method::Ack), TAGGED, 1));
        assert_ne!(ack.via().branch, call.invite.via().branch, "RFC 3261 §13.2.2.4: a transaction of its own");
        call.request("BYE", TAGGED, "", "");
        assert_eq!((call.sent()[0].status(), call.ended()), (Some(200), Some(EndCause::ByeReceived)));

        let mut call = Out::answered(transport);
        call.hang_up();
        let bye = call.sent().remove(0);
        assert_eq!((bye.method(), bye.request_uri()), (Some(&Method::Bye), "sip:801@192.0.2.9:5070"));
        assert_eq!(call.ended(), Some(EndCause::HungUp));
        call.reply(&bye, 200, "", "", "");
        call.pass(Duration::from_secs(40));
        assert_eq!(call.leg.deadline(), None);
    }
}

#[test]
fn an_invite_repeats_over_udp_until_any_response_and_fails_after_64_t1() {
    for (transport, repeats) in [(Transport::Udp, 6), (Transport::Tcp, 0)] {
        let mut call = Out::begun(transport);
        let out = call.pass(Duration::from_secs(32));
        let again = sent(out.iter().map(|(_, output)| output));
        assert_eq!(again.len(), repeats);
        assert!(again.iter().all(|again| again.via().branch == call.invite.via().branch));
        let cause = ended(out.iter().map(|(_, output)| output));
        assert_eq!(cause, Some(EndCause::CallFailed { status: 408 }));
        assert_eq!(out.last().map(|(at, _)| *at >= Duration::from_secs(32)), Some(true));
    }
    let mut call = Out::begun(Transport::Udp);
    call.respond(180, TAGGED, "", "");
    assert!(call.pass(Duration::from_secs(170)).is_empty(), "it rings");
    let out = call.pass(Duration::from_secs(20));
    assert!(requests(&out, &Method::Cancel) > 0, "after three minutes it is withdrawn");
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(EndCause::CallFailed { status: 408 }));
}

#[test]
fn a_2xx_that_repeats_gets_its_ack_each_time() {
    let mut call = Out::answered(Transport::Udp);
    let ack = call.sent()[0].via().branch.clone();
    for _ in 0..3 {
        let out = call.respond(200, TAGGED, "", ANSWER);
        assert!(matches!(out, [LegOutput::Send(_)]));
        assert_eq!(call.sent()[0].via().branch, ack);
    }
}

#[test]
fn a_failure_keeps_its_status_and_is_acknowledged_on_the_branch_of_the_invite() {
    for status in [302, 404, 480, 486, 503, 600, 603] {
        for transport in BOTH {
            let mut call = Out::begun(transport);
            call.respond(180, TAGGED, "", "");
            call.respond(status, TAGGED, "", "");
            assert_eq!(call.ended(), Some(EndCause::CallFailed { status }));
            let ack = call.sent().remove(0);
            assert_eq!((ack.method(), ack.to_tag()), (Some(&Method::Ack), TAGGED));
            assert_eq!(ack.via().branch, call.invite.via().branch);
            if transport == Transport::Udp {
                assert_eq!(call.respond(status, TAGGED, "", "").len(), 1, "its ACK was lost");
                assert_eq!(call.methods(), [Method::Ack]);
            }
            call.pass(Duration::from_secs(40));
            assert_eq!(call.leg.deadline(), None);
        }
    }
}

#[test]
fn a_call_that_cannot_leave_fails_at_once() {
    let mut call = Out::begun(Transport::Tcp);
    let [LegOutput::Send(Outgoing { bytes, .. })] = &call.out[..] else { panic!("an INVITE") };
    let message = bytes.clone();
    call.input(LegInput::Undelivered { message });
    assert_eq!(call.ended(), Some(EndCause::CallFailed { status: 503 }));
}

#[test]
fn a_withdrawn_call_sends_cancel_once_it_may() {
    for transport in BOTH {
        // With a provisional response: at once.
        let mut call = Out::begun(transport);
        call.respond(180, TAGGED, "", "");
        call.hang_up();
        let cancel = call.sent().remove(0);
        assert_eq!((cancel.method(), call.ended()), (Some(&Method::Cancel), Some(EndCause::HungUp)));
        assert_eq!(cancel.via().branch, call.invite.via().branch);
        assert_eq!((cancel.cseq().number, cancel.to_tag(), cancel.request_uri()), (1, "", call.invite.request_uri()));
        call.reply(&cancel, 200, TAGGED, "", "");
        call.respond(487, TAGGED, "", "");
        assert_eq!(call.methods(), [Method::Ack]);
        call.pass(Duration::from_secs(40));
        assert_eq!(call.leg.deadline(), None);

        // Without one: with the first, and the INVITE is not repeated until then.
        let mut call = Out::begun(transport);
        call.hang_up();
        assert!(call.methods().is_empty() && call.ended().is_some());
        assert!(call.pass(Duration::from_secs(5)).is_empty());
        call.respond(100, "", "", "");
        assert_eq!(call.methods(), [Method::Cancel]);
        call.respond(180, TAGGED, "", "");
        assert!(call.out.is_empty(), "once");
    }
}

#[test]
fn a_withdrawn_call_that_nothing_answers_is_gone_after_64_t1() {
    let mut call = Out::begun(Transport::Udp);
    call.hang_up();
    let out = call.pass(Duration::from_secs(33));
    assert!(has(out.iter().map(|(_, output)| output), |output| matches!(output, LegOutput::Gone)));
    let mut call = Out::begun(Transport::Udp);
    call.respond(180, TAGGED, "", "");
    call.hang_up();
    let out = call.pass(Duration::from_secs(40));
    assert!(has(out.iter().map(|(_, output)| output), |output| matches!(output, LegOutput::Gone)), "{out:?}");
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    for (transport, provisional) in [(Transport::Udp, true), (Transport::Tcp, true), (Transport::Udp, false)] {
        let mut call = Out::begun(transport);
        if provisional {
            call.respond(180, TAGGED, "", "");
        }
        call.hang_up();
        call.respond(200, TAGGED, "", ANSWER);
        assert_eq!(call.methods(), [Method::Ack, Method::Bye]);
        assert!(call.ended().is_none() && !has(&call.out, is_established));
        assert!(call.leg.has_pending_transactions());
        let bye = call.sent().remove(1);
        assert_eq!(bye.to_tag(), TAGGED);
        call.reply(&bye, 200, "", "", "");
        call.respond(200, TAGGED, "", ANSWER);
        assert_eq!(call.methods(), [Method::Ack], "the ACK was lost");
        call.pass(Duration::from_secs(40));
        assert_eq!(call.leg.deadline(), None);
    }
}

#[test]
fn further_answers_of_a_fork_are_acknowledged_and_ended() {
    let mut call = Out::answered(Transport::Udp);
    for n in 0..6 {
        let tag = format!("fork{n}");
        call.respond(200, &tag, "", ANSWER);
        if n >= crate::limits::FORKS {
            assert!(call.out.is_empty(), "bounded");
            continue;
        }
        assert_eq!(call.methods(), [Method::Ack, Method::Bye]);
        assert!(call.sent().iter().all(|message| message.to_tag() == tag));
        let bye = call.sent().remove(1);
        call.respond(200, &tag, "", ANSWER);
        assert_eq!(call.methods(), [Method::Ack]);
        if n == 0 {
            call.reply(&bye, 481, "", "", "");
            assert!(call.ended().is_none(), "the call goes on");
        }
    }
    let out = call.pass(Duration::from_secs(40));
    assert_eq!(ended(out.iter().map(|(_, output)| output)), None);
    call.request("BYE", "fork0", "", "");
    assert_eq!(call.sent()[0].status(), Some(481), "it is not of this dialog");
    call.request("BYE", TAGGED, "", "");
    assert_eq!(call.ended(), Some(EndCause::ByeReceived));
}

#[test]
fn the_session_description_of_a_ringing_callee_counts_only_with_its_answer() {
    let mut call = Out::begun(Transport::Udp);
    assert!(matches!(call.respond(183, TAGGED, "", ANSWER)[..], [LegOutput::Progress { status: 183 }]));
    let out = call.respond(200, TAGGED, "", "");
    assert!(has(out, |output| matches!(output, LegOutput::AnswerReceived { sdp } if sdp == ANSWER)));
    let mut call = Out::begun(Transport::Udp);
    call.respond(183, "other", "", ANSWER);
    call.respond(200, TAGGED, "", "");
    assert_eq!(call.ended(), Some(EndCause::NoAnswer));
    assert_eq!(call.methods(), [Method::Ack, Method::Bye]);
}

#[test]
fn a_challenge_is_answered_with_credentials_of_its_realm_and_no_others() {
    let challenge = |realm: &str| format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\"\r\n");
    let with = |call: &mut Invitation| call.credentials = Some(DigestClient::new("801", "pbx", "secret", 1));
    let mut call = Out::with(Transport::Udp, with);
    let first = call.invite.clone();
    call.respond(401, "x", &challenge("pbx"), "");
    assert_eq!(call.methods(), [Method::Ack, Method::Invite]);
    assert_eq!((call.invite.cseq().number, call.invite.to_tag(), &call.invite.body), (2, "", &first.body));
    assert_ne!(call.invite.via().branch, first.via().branch);
    assert!(call.invite.header_named("Authorization").is_some_and(|line| line.contains("nc=00000001")));
    assert!(has(call.respond(200, TAGGED, "", ANSWER), is_established));

    let mut call = Out::with(Transport::Udp, with);
    call.respond(401, "x", &challenge("pbx"), "");
    call.respond(401, "y", &challenge("pbx"), "");
    assert_eq!(call.ended(), Some(EndCause::CallFailed { status: 401 }), "the password is wrong");
    let mut call = Out::with(Transport::Udp, with);
    call.respond(407, "x", &challenge("evil").replace("WWW", "Proxy"), "");
    assert_eq!(call.ended(), Some(EndCause::CallFailed { status: 407 }));
    let mut call = Out::begun(Transport::Udp);
    call.respond(401, "x", &challenge("pbx"), "");
    assert_eq!(call.ended(), Some(EndCause::CallFailed { status: 401 }));
}

#[test]
fn requests_within_the_dialog_answer_challenges_and_a_refresh_waits_for_a_server_that_is_back() {
    let challenge = "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\"\r\n";
    let stale = challenge.replace("\"n\"", "\"m\", stale=true");
    let with = |call: &mut Invitation| call.credentials = Some(DigestClient::new("801", "pbx", "secret", 1));
    let mut call = Out::with(Transport::Tcp, with);
    let authorized = |message: &Message| message.headers_named("Proxy-Authorization").next().map(str::to_owned);
    call.respond(407, "x", challenge, "");
    let of_invite = authorized(&call.invite);
    call.respond(200, TAGGED, "Session-Expires: 600;refresher=uac\r\nAllow: INVITE, UPDATE\r\n", ANSWER);
    assert_eq!(authorized(&call.sent()[0]), of_invite, "the ACK has what the INVITE had (RFC 3261 §22.1)");
    let next = |call: &mut Out, time| {
        let out = call.pass(Duration::from_secs(time));
        let outputs: Vec<LegOutput> = out.into_iter().map(|(_, output)| output).collect();
        sent(&outputs).pop()
    };
    let update = next(&mut call, 301).expect("a refresh");
    assert!(update.is(&Method::Update) && authorized(&update).is_some());
    call.reply(&update, 407, TAGGED, &stale, "");
    let update = next(&mut call, 1).expect("the challenge is answered");
    assert!(authorized(&update).is_some_and(|line| line.contains("nonce=\"m\"")));
    call.reply(&update, 503, TAGGED, "Retry-After: 30\r\n", "");
    assert!(next(&mut call, 29).is_none());
    let update = next(&mut call, 2).expect("once more");
    call.reply(&update, 500, TAGGED, "", "");
    let update = next(&mut call, 60).expect("and again, before the session ends");
    call.reply(&update, 403, TAGGED, "", "");
    let reinvite = next(&mut call, 1).expect("a server that takes no UPDATE may take a re-INVITE");
    assert!(reinvite.is(&Method::Invite));
    call.reply(&reinvite, 200, TAGGED, "Session-Expires: 600;refresher=uac\r\n", ANSWER);
    let bye = sent(call.hang_up()).pop().expect("a BYE");
    call.reply(&bye, 407, TAGGED, challenge, "");
    let again = call.sent().pop().expect("a BYE that is authorized");
    assert!(again.is(&Method::Bye) && authorized(&again).is_some() && again.cseq().number > bye.cseq().number);
}

#[test]
fn a_larger_session_interval_is_asked_for_again_and_granted() {
    let mut call = Out::begun(Transport::Tcp);
    call.respond(422, "x", "Min-SE: 3600\r\n", "");
    assert_eq!(call.invite.header(HeaderName::SessionExpires), Some("3600"));
    assert_eq!(call.invite.header(HeaderName::MinSe), Some("3600"));
    call.respond(200, TAGGED, "Session-Expires: 3600;refresher=uac\r\nAllow: INVITE, UPDATE\r\n", ANSWER);
    let out = call.pass(Duration::from_secs(1801));
    assert_eq!(requests(&out, &Method::Update), 1, "this side refreshes");
    let mut call = Out::begun(Transport::Tcp);
    call.respond(422, "x", "", "");
    assert_eq!(call.ended(), Some(EndCause::CallFailed { status: 422 }));

    let mut call = Out::begun(Transport::Tcp);
    call.respond(200, TAGGED, "Session-Expires: 600;refresher=uas\r\n", ANSWER);
    let out = call.pass(Duration::from_secs(600));
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(EndCause::SessionExpired));
}

#[test]
fn requests_of_the_callee_are_answered_in_its_dialog_alone() {
    let mut call = Out::begun(Transport::Udp);
    call.request("BYE", TAGGED, "", "");
    assert_eq!(call.sent()[0].status(), Some(481));
    call.request("UPDATE", TAGGED, "", OFFER);
    assert_eq!(call.sent()[0].status(), Some(500), "it may come again after the answer");
    call.respond(200, TAGGED, "", ANSWER);
    assert!(has(call.request("INVITE", TAGGED, "", OFFER), |output| matches!(
        output,
        LegOutput::Offer { sdp: Some(_) }
    )));
    call.input(LegInput::Answer { sdp: ANSWER.into() });
    assert_eq!(call.sent()[0].status(), Some(200));
    call.request("INFO", TAGGED, "", "");
    assert_eq!(call.sent()[0].status(), Some(200));
    // The INVITE itself comes back by a proxy that leads here: a loop.
    let mut back = String::from_utf8_lossy(&out_bytes(&Out::begun(Transport::Udp))).into_owned();
    back = back.replacen("Via: ", "Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKproxy\r\nVia: ", 1);
    call.receive(&back);
    assert_eq!(call.sent()[0].status(), Some(482));
    call.hang_up();
    call.receive(&back);
    assert!(call.sent().iter().any(|message| message.status() == Some(482)), "{:?}", call.out);
}

fn out_bytes(call: &Out) -> Vec<u8> {
    match &call.out[..] {
        [LegOutput::Send(outgoing)] => outgoing.bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_re_invites_that_collide_are_both_491_and_ours_waits_longer() {
    let mut call = Out::begun(Transport::Tcp);
    call.respond(200, TAGGED, "Session-Expires: 600;refresher=uac\r\nAllow: INVITE\r\n", ANSWER);
    let out = call.pass(Duration::from_secs(300));
    let ours = sent(out.iter().map(|(_, output)| output)).remove(0);
    assert_eq!((ours.method(), ours.to_tag()), (Some(&Method::Invite), TAGGED));
    call.request("INVITE", TAGGED, "", OFFER);
    assert_eq!(call.sent()[0].status(), Some(491));
    call.reply(&ours, 491, "", "", "");
    assert_eq!(call.methods(), [Method::Ack]);
    let out = call.pass(Duration::from_secs(5));
    let at = out.iter().find(|(_, output)| matches!(output, LegOutput::Send(_))).map(|(at, _)| *at);
    assert!(at.is_some_and(|at| (Duration::from_millis(2100)..=Duration::from_secs(4)).contains(&at)), "{at:?}");
}

#[test]
fn an_answer_leads_by_its_record_routes_and_a_path_is_followed() {
    let mut call = Out::with(Transport::Udp, |call| call.routes = vec!["<sip:192.0.2.3;lr>".into()]);
    assert_eq!(call.invite.header_named("Route"), Some("<sip:192.0.2.3;lr>"));
    call.source = "192.0.2.3:5060";
    let routes = "Record-Route: <sip:192.0.2.4;lr>\r\nRecord-Route: <sip:192.0.2.3;lr>\r\n";
    call.respond(200, TAGGED, routes, ANSWER);
    let ack = call.sent().remove(0);
    let listed: Vec<_> = ack.headers_named("Route").collect();
    assert_eq!(listed, ["<sip:192.0.2.3;lr>", "<sip:192.0.2.4;lr>"], "RFC 3261 §12.1.2: reversed");
    let [LegOutput::Send(Outgoing { to, .. }), ..] = &call.out[..] else { panic!("an ACK") };
    assert!(matches!(to, Target::Address { to, .. } if to.to_string() == "192.0.2.3:5060"));
}

#[test]
fn a_stray_response_does_nothing() {
    let mut call = Out::begun(Transport::Udp);
    let invite = call.invite.clone();
    let foreign = reply(&invite, 200, TAGGED, "", ANSWER);
    let other_branch = foreign.replacen("branch=z9hG4bK", "branch=z9hG4bKother", 1);
    call.receive(&other_branch);
    assert!(!has(&call.out, is_established), "its branch is not that of the INVITE");
    let other_from = foreign.replacen(&format!(";tag={}", call.leg.local_tag()), ";tag=other", 1);
    assert!(call.receive(&other_from).is_empty());
    let other_number = foreign.replacen("CSeq: 1 ", "CSeq: 7 ", 1);
    assert!(call.receive(&other_number).is_empty());
}
