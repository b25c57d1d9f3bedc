//! One test per rule of a call, on a clock turned by hand.

use std::time::Duration;

use super::*;
use crate::sip::peer::{ANSWER, Call, OFFER, ended, response_to, sent};
use crate::sip::{Method, Name, Target, Transport};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

fn offers(out: &[LegOutput]) -> usize {
    out.iter().filter(|output| matches!(output, LegOutput::Offer { .. })).count()
}

#[test]
fn a_plain_call_is_offered_answered_established_and_ended() {
    for transport in BOTH {
        let mut call = Call::offered(transport);
        assert!(matches!(&call.out[..], [LegOutput::Offer { sdp: Some(sdp) }] if *sdp == OFFER));
        call = call.answer();
        let ok = &call.sent()[0];
        assert_eq!((ok.status(), ok.to_tag()), (Some(200), call.leg.local_tag()));
        assert_eq!(ok.body, ANSWER);
        call = call.acknowledge();
        assert!(matches!(call.out[..], [LegOutput::Established]));
        assert_eq!(call.ask("BYE", "", "").status(), Some(200));
        assert_eq!(call.ended(), Some(Why::ByeReceived));
        let gone = matches!(call.out.last(), Some(LegOutput::Gone));
        assert_eq!(gone, transport == Transport::Tcp, "over UDP late repeats are waited for");
        let last = call.pass(Duration::from_secs(33));
        assert!(gone || matches!(last[..], [(_, LegOutput::Gone)]));
        assert_eq!(call.leg.deadline(), None);
    }
}

fn requests(out: &[(Duration, LegOutput)], method: &Method) -> usize {
    sent(out.iter().map(|(_, output)| output)).iter().filter(|message| message.is(method)).count()
}

/// The one request of ours in the last step.
fn request(call: &Call, method: &Method) -> crate::sip::Message {
    call.sent().into_iter().find(|message| message.is(method)).expect("a request of ours")
}

// INVITE and its ACK.

#[test]
fn a_repeated_invite_gets_the_same_response_and_goes_no_further() {
    for transport in BOTH {
        let mut call = Call::answered(transport);
        let first = call.sent()[0].header(Name::To).map(str::to_owned);
        let invite = call.invite.clone();
        call.receive(invite);
        assert_eq!(offers(&call.out), 0);
        assert_eq!(call.statuses(), [200]);
        assert_eq!(call.sent()[0].header(Name::To).map(str::to_owned), first);
    }
}

#[test]
fn an_invite_repeated_before_its_answer_is_told_to_wait() {
    let mut call = Call::offered(Transport::Udp);
    for _ in 0..2 {
        let invite = call.invite.clone();
        call.receive(invite);
        assert_eq!(call.statuses(), [100]);
        assert_eq!(offers(&call.out), 0);
    }
    assert_eq!(call.sent()[0].to_tag(), "");
}

#[test]
fn a_slow_answer_is_preceded_by_one_100_and_a_quick_one_by_none() {
    let mut call = Call::offered(Transport::Udp);
    let out = call.pass(Duration::from_secs(3));
    let statuses: Vec<_> = sent(out.iter().map(|(_, output)| output)).iter().map(|m| m.status()).collect();
    assert_eq!(statuses, [Some(100)]);
    assert_eq!(out[0].0, Duration::from_millis(150));
    let mut quick = Call::answered(Transport::Udp).acknowledge();
    assert!(quick.pass(Duration::from_secs(3)).is_empty());
}

#[test]
fn a_200_repeats_until_its_ack_also_over_tcp() {
    for transport in BOTH {
        let mut call = Call::answered(transport);
        let times: Vec<u64> = call.pass(Duration::from_secs(12)).iter().map(|(at, _)| at.as_millis() as u64).collect();
        assert_eq!(times, [500, 1500, 3500, 7500, 11500]);
        call = call.acknowledge();
        assert!(call.pass(Duration::from_secs(60)).is_empty());
    }
}

#[test]
fn a_200_without_ack_ends_in_bye_after_64_t1() {
    for transport in BOTH {
        let mut call = Call::answered(transport);
        let out = call.pass(Duration::from_secs(32));
        assert_eq!(requests(&out, &Method::Bye), 1);
        assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(Why::NoAck));
        assert_eq!(out.last().map(|(at, _)| *at), Some(Duration::from_secs(32)));
    }
}

#[test]
fn an_ack_on_the_branch_of_the_invite_is_an_ack() {
    let mut call = Call::answered(Transport::Udp);
    let ack = call.peer.write("ACK", 1, 1, "", "");
    assert!(matches!(call.receive(ack), [LegOutput::Established]));
}

#[test]
fn a_repeated_ack_does_nothing() {
    let mut call = Call::answered(Transport::Udp);
    let ack = call.peer.ack(1, "");
    call.receive(ack.clone());
    assert!(call.receive(ack).is_empty());
}

#[test]
fn an_ack_of_another_number_confirms_nothing() {
    let mut call = Call::answered(Transport::Udp);
    let ack = call.peer.ack(7, "");
    assert!(call.receive(ack).is_empty());
    assert!(!call.pass(Duration::from_secs(1)).is_empty());
}

#[test]
fn a_merged_invite_is_482_and_does_not_disturb_the_call() {
    let mut call = Call::answered(Transport::Udp);
    let mut twin = call.peer.clone();
    twin.to_tag = String::new();
    let merged = twin.write("INVITE", 1, 99, "", OFFER);
    call.receive(merged);
    assert_eq!(call.statuses(), [482]);
    assert_eq!(offers(&call.out), 0);
    let ack = call.peer.write("ACK", 1, 99, "", "");
    assert!(call.receive(ack).is_empty(), "the ACK of the 482 is none of the 200");
    call = call.acknowledge();
    assert!(matches!(call.out[..], [LegOutput::Established]));
}

#[test]
fn a_delayed_offer_is_ours_and_its_answer_comes_in_the_ack() {
    let mut call = Call::with(Transport::Udp, "", "");
    assert!(matches!(call.out[..], [LegOutput::Offer { sdp: None }]));
    call = call.answer();
    assert_eq!(call.sent()[0].body, ANSWER);
    let ack = call.peer.ack(1, OFFER);
    let out = call.receive(ack);
    assert!(matches!(out, [LegOutput::AnswerReceived { sdp }, LegOutput::Established] if *sdp == OFFER));
}

#[test]
fn a_request_before_the_ack_that_owes_an_answer_establishes_nothing() {
    let mut call = Call::with(Transport::Udp, "", "").answer();
    assert_eq!(call.ask("INFO", "", "").status(), Some(200));
    assert_eq!(call.out.len(), 1);
    let ack = call.peer.ack(1, OFFER);
    assert_eq!(call.receive(ack).len(), 2);
}

/// The INVITE of the next call under the same Call-ID and From tag.
fn next_call(call: &Call, cseq: u32) -> crate::sip::Message {
    let mut peer = call.peer.clone();
    peer.to_tag = String::new();
    peer.write("INVITE", cseq, 500, "", OFFER)
}

#[test]
fn a_refused_caller_may_try_again_under_the_same_key() {
    for acknowledged in [true, false] {
        let mut call = Call::with(Transport::Udp, "Supported: timer\r\nSession-Expires: 60\r\n", OFFER);
        assert_eq!(call.statuses(), [422]);
        if acknowledged {
            let ack = call.peer.write("ACK", 1, 1, "", "");
            call.receive(ack);
        }
        let again = next_call(&call, 2);
        let out = call.receive(again);
        assert!(matches!(out, [LegOutput::Renewed { .. }, LegOutput::Gone]), "{out:?}");
        assert_eq!(call.leg.deadline(), None);
    }
}

#[test]
fn a_new_call_may_follow_under_the_same_key_but_not_while_the_first_is_up() {
    let mut call = Call::established(Transport::Udp);
    let early = next_call(&call, 9);
    call.receive(early);
    assert_eq!(call.statuses(), [482]);
    call.ask("BYE", "", "");
    let restarted = call.peer.text("INVITE", 1, 600, "", OFFER).replace(&format!(";tag={}", call.leg.local_tag()), "");
    let out = call.receive(crate::sip::parse_datagram(restarted.as_bytes()).expect("sound"));
    assert!(matches!(out, [LegOutput::Renewed { .. }, LegOutput::Gone]), "{out:?}");
}

#[test]
fn a_fork_of_a_refused_invite_is_merged_while_the_refusal_waits_for_its_ack() {
    let mut call = Call::offered(Transport::Udp);
    call.input(LegInput::Refuse { status: 486, warning: None, retry_after: None });
    let fork = next_call(&call, 1);
    call.receive(fork);
    assert_eq!(call.statuses(), [482]);
}

#[test]
fn an_ack_without_the_answer_that_is_owed_ends_the_call() {
    let mut call = Call::with(Transport::Udp, "", "").answer().acknowledge();
    assert_eq!(call.ended(), Some(Why::NoAnswer));
    assert!(request(&call, &Method::Bye).header_named("Reason").is_some());
    assert!(call.pass(Duration::from_secs(1)).len() == 1, "the BYE repeats");
}

// Refusals and CANCEL.

#[test]
fn a_refusal_repeats_over_udp_until_its_ack_and_not_over_tcp() {
    for (transport, repeats) in [(Transport::Udp, 3), (Transport::Tcp, 0)] {
        let mut call = Call::offered(transport);
        let warning = Some((304, "Media type \"x\" not available".into()));
        call.input(LegInput::Refuse { status: 488, warning, retry_after: None });
        assert_eq!(call.statuses(), [488]);
        assert_eq!(call.sent()[0].header_named("Warning"), Some("304 jindu \"Media type x not available\""));
        assert_eq!(call.ended(), Some(Why::Refused));
        assert_eq!(call.pass(Duration::from_secs(4)).len(), repeats);
        let ack = call.peer.write("ACK", 1, 1, "", "");
        assert!(!call.receive(ack).iter().any(|output| matches!(output, LegOutput::Send(_))));
        call.pass(Duration::from_secs(60));
        assert_eq!(call.leg.deadline(), None);
    }
}

#[test]
fn a_refusal_that_nobody_acknowledges_is_given_up_after_64_t1() {
    let mut call = Call::offered(Transport::Udp);
    call.input(LegInput::Refuse { status: 503, warning: None, retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(call.sent()[0].header(Name::RetryAfter), Some("7"));
    let out = call.pass(Duration::from_secs(40));
    assert_eq!(out.len(), 11, "ten repeats and the end: {out:?}");
    assert!(matches!(out.last(), Some((at, LegOutput::Gone)) if *at == Duration::from_secs(32)));
}

#[test]
fn a_cancel_is_200_and_the_invite_487_that_repeats() {
    let mut call = Call::offered(Transport::Udp);
    let mut twin = call.peer.clone();
    twin.to_tag = String::new();
    let cancel = twin.write("CANCEL", 1, 1, "", "");
    call.receive(cancel.clone());
    assert_eq!(call.statuses(), [200, 487]);
    assert_eq!(call.sent()[0].to_tag(), call.sent()[1].to_tag());
    assert_eq!(call.ended(), Some(Why::Cancelled));
    assert_eq!(call.pass(Duration::from_secs(2)).len(), 2);
    call.receive(cancel);
    assert_eq!(call.statuses(), [200]);
    let ack = twin.write("ACK", 1, 1, "", "");
    call.receive(ack);
    assert!(matches!(call.pass(Duration::from_secs(60))[..], [(_, LegOutput::Gone)]));
}

#[test]
fn a_cancel_after_the_200_changes_nothing() {
    let mut call = Call::answered(Transport::Udp);
    let cancel = call.peer.write("CANCEL", 1, 1, "", "");
    call.receive(cancel);
    assert_eq!(call.statuses(), [200]);
    assert_eq!(call.ended(), None);
    call = call.acknowledge();
    assert!(matches!(call.out[..], [LegOutput::Established]));
}

#[test]
fn a_cancel_of_nothing_is_481() {
    let mut call = Call::offered(Transport::Udp);
    let cancel = call.peer.write("CANCEL", 1, 55, "", "");
    call.receive(cancel);
    assert_eq!(call.statuses(), [481]);
    assert_eq!(call.ended(), None);
}

// BYE.

#[test]
fn a_bye_before_the_ack_ends_the_call_and_the_repeats() {
    let mut call = Call::answered(Transport::Udp);
    assert_eq!(call.ask("BYE", "", "").status(), Some(200));
    assert_eq!(call.ended(), Some(Why::ByeReceived));
    let rest = call.pass(Duration::from_secs(60));
    assert!(matches!(rest[..], [(_, LegOutput::Gone)]), "{rest:?}");
}

#[test]
fn a_repeated_bye_gets_its_200_again_and_other_requests_481() {
    let mut call = Call::established(Transport::Udp);
    let bye = call.peer.request("BYE", "", "");
    call.receive(bye.clone());
    call.receive(bye);
    assert_eq!(call.statuses(), [200]);
    assert_eq!(call.ended(), None);
    for method in ["INFO", "UPDATE", "BYE", "OPTIONS", "INVITE"] {
        assert_eq!(call.ask(method, "", "").status(), Some(481), "{method}");
    }
}

#[test]
fn a_late_repeat_of_the_invite_is_no_new_call() {
    let mut call = Call::established(Transport::Udp);
    call.ask("BYE", "", "");
    call.pass(Duration::from_secs(20));
    let invite = call.invite.clone();
    assert_eq!(call.receive(invite).len(), 0);
}

#[test]
fn we_hang_up_by_bye_that_repeats_until_it_is_answered() {
    let mut call = Call::established(Transport::Udp);
    call.input(LegInput::HangUp { reason: Some("Q.850;cause=16;text=\"Normal call clearing\"") });
    let bye = request(&call, &Method::Bye);
    assert_eq!(call.ended(), Some(Why::WeHungUp));
    assert_eq!(bye.from_tag(), call.leg.local_tag());
    assert_eq!(bye.request_uri(), "sip:13800000000@192.0.2.9:5070");
    assert_eq!(call.pass(Duration::from_millis(1600)).len(), 2);
    let ok = response_to(&bye, 200, "", "");
    assert!(call.receive(ok).is_empty());
    assert!(matches!(call.pass(Duration::from_secs(60))[..], [(_, LegOutput::Gone)]));
}

#[test]
fn a_bye_that_nobody_answers_is_given_up() {
    let mut call = Call::established(Transport::Udp);
    call.input(LegInput::HangUp { reason: None });
    let out = call.pass(Duration::from_secs(60));
    assert_eq!(requests(&out, &Method::Bye), 10);
    assert!(matches!(out.last(), Some((at, LegOutput::Gone)) if *at == Duration::from_secs(32)));
}

#[test]
fn a_hang_up_before_the_ack_waits_for_it() {
    let mut call = Call::answered(Transport::Udp);
    call.input(LegInput::HangUp { reason: None });
    assert!(call.sent().is_empty());
    assert_eq!(call.ended(), Some(Why::WeHungUp));
    call = call.acknowledge();
    request(&call, &Method::Bye);
}

#[test]
fn a_hang_up_whose_ack_never_comes_sends_bye_after_64_t1() {
    let mut call = Call::answered(Transport::Udp);
    call.input(LegInput::HangUp { reason: None });
    let out = call.pass(Duration::from_secs(32));
    assert_eq!(requests(&out, &Method::Bye), 1);
    assert!(matches!(call.pass(Duration::from_secs(60)).last(), Some((_, LegOutput::Gone))));
}

#[test]
fn a_hang_up_before_the_answer_refuses_the_call() {
    let mut call = Call::offered(Transport::Udp);
    call.input(LegInput::HangUp { reason: None });
    assert_eq!(call.statuses(), [480]);
    assert_eq!(call.ended(), Some(Why::WeHungUp));
}

#[test]
fn byes_that_cross_both_get_200() {
    let mut call = Call::established(Transport::Udp);
    call.input(LegInput::HangUp { reason: None });
    assert_eq!(call.ask("BYE", "", "").status(), Some(200));
    assert_eq!(call.ended(), None);
}

// Order.

#[test]
fn a_lower_number_is_500_and_a_gap_is_legal() {
    let mut call = Call::established(Transport::Udp);
    call.peer.cseq = 100;
    assert_eq!(call.ask("OPTIONS", "", "").status(), Some(200));
    call.peer.cseq = 50;
    assert_eq!(call.ask("OPTIONS", "", "").status(), Some(500));
    call.peer.cseq = 101;
    assert_eq!(call.ask("OPTIONS", "", "").status(), Some(200));
}

#[test]
fn a_request_with_a_strange_tag_is_481() {
    let mut call = Call::established(Transport::Udp);
    call.peer.to_tag = "strange".into();
    assert_eq!(call.ask("BYE", "", "").status(), Some(481));
    assert_eq!(call.ended(), None);
}

#[test]
fn a_request_in_the_same_instant_as_the_ack_is_not_lost_in_either_order() {
    for ack_first in [true, false] {
        let mut call = Call::answered(Transport::Udp);
        let ack = call.peer.ack(1, "");
        let info = call.peer.request("INFO", "Content-Type: application/dtmf\r\n", "5");
        let mut out = Vec::new();
        for message in if ack_first { [ack, info] } else { [info, ack] } {
            call.receive(message);
            out.append(&mut call.out);
        }
        assert_eq!(out.iter().filter(|output| matches!(output, LegOutput::Established)).count(), 1);
        assert_eq!(out.iter().filter(|output| matches!(output, LegOutput::Key(_))).count(), 1);
    }
}

#[test]
fn a_repeated_info_is_one_key_even_if_every_request_has_one_branch() {
    let mut call = Call::established(Transport::Udp);
    let mut keys = 0;
    for cseq in [10, 10, 11] {
        let info = call.peer.write("INFO", cseq, 1, "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\n");
        keys += call.receive(info).iter().filter(|output| matches!(output, LegOutput::Key(_))).count();
        assert_eq!(call.statuses(), [200]);
    }
    assert_eq!(keys, 2);
}

#[test]
fn the_memory_for_repeats_is_bounded() {
    let mut call = Call::established(Transport::Udp);
    let first = call.peer.request("OPTIONS", "", "");
    call.receive(first.clone());
    for _ in 0..crate::sip::limits::CACHED_RESPONSES {
        call.ask("OPTIONS", "", "");
    }
    call.receive(first);
    assert_eq!(call.statuses(), [500], "forgotten, and so out of order");
}

// Methods in a call.

#[test]
fn an_info_body_that_is_no_key_is_415_and_an_empty_one_200() {
    let mut call = Call::established(Transport::Udp);
    assert_eq!(call.ask("INFO", "", "").status(), Some(200));
    let refused = call.ask("INFO", "Content-Type: text/plain\r\n", "hello");
    assert_eq!(refused.status(), Some(415));
    assert!(refused.lists(Name::Accept, "application/dtmf-relay"));
}

#[test]
fn methods_that_a_call_does_not_have_are_405_or_501_with_allow() {
    let mut call = Call::established(Transport::Udp);
    for (method, status) in [("REFER", 405), ("MESSAGE", 405), ("PRACK", 405), ("FROBNICATE", 501)] {
        let reply = call.ask(method, "", "");
        assert_eq!(reply.status(), Some(status), "{method}");
        assert!(reply.lists(Name::Allow, "UPDATE"));
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
    assert!(reply.lists(Name::Allow, "INVITE") && reply.lists(Name::Accept, "application/sdp"));
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
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(Why::NoAck));
}

#[test]
fn a_reinvite_without_offer_gets_ours_and_answers_in_its_ack() {
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
    call.input(LegInput::Refuse { status: 488, warning: None, retry_after: None });
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
    assert!(reply.header(Name::RetryAfter).is_some());
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
    call.input(LegInput::Refuse { status: 488, warning: None, retry_after: None });
    assert_eq!(call.statuses(), [488]);
    assert!(call.pass(Duration::from_secs(60)).is_empty());
}

// Session timers.

#[test]
fn a_caller_with_timers_refreshes_and_silence_ends_the_call() {
    let mut call = Call::with(Transport::Udp, "Supported: timer\r\nSession-Expires: 300\r\n", OFFER).answer();
    let ok = &call.sent()[0];
    assert_eq!(ok.header(Name::SessionExpires), Some("300;refresher=uac"));
    assert!(ok.lists(Name::Require, "timer"));
    call = call.acknowledge();
    call.pass(Duration::from_secs(200));
    let refreshed = call.ask("UPDATE", "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n", "");
    assert_eq!(refreshed.header(Name::SessionExpires), Some("300;refresher=uac"));
    let out = call.pass(Duration::from_secs(300));
    assert_eq!(requests(&out[..1], &Method::Bye), 1);
    assert_eq!(out[0].0, Duration::from_secs(268), "32 s before the end");
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(Why::SessionExpired));
}

#[test]
fn a_caller_without_timers_has_none() {
    let call = Call::established(Transport::Udp);
    assert_eq!(call.leg.deadline(), None);
    let call = Call::offered(Transport::Udp).answer();
    assert!(call.sent()[0].header(Name::SessionExpires).is_none());
}

#[test]
fn an_interval_that_is_too_small_is_422_with_min_se() {
    let call = Call::with(Transport::Udp, "Supported: timer\r\nx: 60\r\n", OFFER);
    assert_eq!(call.statuses(), [422]);
    assert_eq!(call.sent()[0].header(Name::MinSe), Some("90"));
    assert_eq!(call.ended(), Some(Why::Refused));
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
        assert_eq!(update.header(Name::SessionExpires), Some("600;refresher=uac"));
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
fn a_refused_reinvite_of_ours_is_acknowledged_on_its_branch() {
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
    assert_eq!(call.ended(), Some(Why::PeerLost));
    request(&call, &Method::Bye);

    let mut call = Call::with(Transport::Udp, headers, OFFER).answer().acknowledge();
    let out = call.pass(Duration::from_secs(340));
    assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(Why::PeerLost));
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
    assert_eq!(update.header(Name::SessionExpires), Some("900;refresher=uac"));
    let unknown = response_to(&update, 405, "", "");
    call.receive(unknown);
    call.next_deadline();
    request(&call, &Method::Invite);
}

// REFER.

fn notify(call: &mut Call, state: &str, body: &str) -> Option<u16> {
    let headers = format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
    call.ask("NOTIFY", &headers, body).status()
}

fn progress(call: &Call) -> Option<Progress> {
    call.out.iter().find_map(|output| if let LegOutput::Referred(progress) = output { Some(*progress) } else { None })
}

#[test]
fn a_refer_tells_how_the_other_call_goes() {
    let mut call = Call::established(Transport::Udp);
    call.input(LegInput::Refer { target_uri: "tel:+862096110".into(), referred_by: Some("sip:ivr@192.0.2.1".into()) });
    let refer = request(&call, &Method::Refer);
    assert_eq!(refer.header_named("Refer-To"), Some("<tel:+862096110>"));
    assert_eq!(refer.header_named("Referred-By"), Some("<sip:ivr@192.0.2.1>"));
    let accepted = response_to(&refer, 202, "", "");
    assert!(call.receive(accepted).is_empty());
    assert_eq!(notify(&mut call, "active;expires=60", "SIP/2.0 100 Trying"), Some(200));
    assert_eq!(progress(&call), Some(Progress::Trying));
    notify(&mut call, "active;expires=60", "SIP/2.0 180 Ringing\r\n");
    assert_eq!(progress(&call), Some(Progress::Ringing));
    notify(&mut call, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
    assert_eq!(progress(&call), Some(Progress::Done));
    assert_eq!(notify(&mut call, "active", "SIP/2.0 200 OK\r\n"), Some(481), "the subscription is over");
}

#[test]
fn a_refer_can_fail_in_every_way() {
    for (body, expected) in [
        ("SIP/2.0 486 Busy Here", Progress::Busy),
        ("SIP/2.0 503 Service Unavailable", Progress::Failed),
        ("SIP/2.0 100 Trying", Progress::Failed),
        ("", Progress::Failed),
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
    assert_eq!(progress(&call), Some(Progress::Failed));
    assert_eq!(call.ended(), None, "the caller is taken back");
    call.input(LegInput::Refer { target_uri: "not a uri>\r\n".into(), referred_by: None });
    assert_eq!(progress(&call), Some(Progress::Failed));
    assert!(call.sent().is_empty());
}

#[test]
fn the_news_of_an_earlier_refer_are_not_taken_for_the_later_ones() {
    let mut call = Call::established(Transport::Udp);
    for _ in 0..2 {
        call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        let accepted = response_to(&request(&call, &Method::Refer), 202, "", "");
        call.receive(accepted);
    }
    let headers = |id| format!("Event: refer;id={id}\r\nSubscription-State: terminated\r\n");
    assert_eq!(call.ask("NOTIFY", &headers(1), "SIP/2.0 486 Busy Here").status(), Some(481));
    assert_eq!(progress(&call), None);
    assert_eq!(call.ask("NOTIFY", &headers(2), "SIP/2.0 200 OK").status(), Some(200));
    assert_eq!(progress(&call), Some(Progress::Done));
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
    assert_eq!(ok.list(Name::RecordRoute).collect::<Vec<_>>(), expected);
    call = call.acknowledge();
    call.input(LegInput::HangUp { reason: None });
    let bye = request(&call, &Method::Bye);
    let routes: Vec<_> = bye.headers(Name::Other).filter(|value| value.starts_with('<')).collect();
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
    let routes: Vec<_> = bye.headers(Name::Other).filter(|value| value.starts_with('<')).collect();
    assert_eq!(routes, ["<sip:192.0.2.32;lr>", "<sip:13800000000@192.0.2.9:5070>"]);
}

#[test]
fn a_reinvite_moves_the_target() {
    let mut call = Call::established(Transport::Udp);
    let text =
        call.peer.text("INVITE", 2, 50, "", OFFER).replace("13800000000@192.0.2.9:5070>", "moved@192.0.2.77:5090>");
    call.peer.cseq = 2;
    call.receive(crate::sip::parse_datagram(text.as_bytes()).expect("sound"));
    call = call.answer();
    let ack = call.peer.ack(2, "");
    call.receive(ack);
    call.input(LegInput::HangUp { reason: None });
    assert_eq!(request(&call, &Method::Bye).request_uri(), "sip:moved@192.0.2.77:5090");
}

#[test]
fn a_host_name_in_a_contact_is_left_to_be_resolved() {
    let mut call = Call::established(Transport::Udp);
    let text = call.peer.text("UPDATE", 2, 50, "", "").replace("13800000000@192.0.2.9:5070>", "a@sbc.example.com>");
    call.receive(crate::sip::parse_datagram(text.as_bytes()).expect("sound"));
    call.input(LegInput::HangUp { reason: None });
    let LegOutput::Send(outgoing) = &call.out[0] else { panic!("{:?}", call.out) };
    assert!(matches!(&outgoing.to, Target::Host { host, port: None, .. } if host == "sbc.example.com"));
}

#[test]
fn a_tcp_call_says_so_in_its_contact_and_keeps_its_connection() {
    let mut call = Call::answered(Transport::Tcp);
    assert_eq!(call.sent()[0].header(Name::Contact), Some("<sip:192.0.2.1:5060;transport=tcp>"));
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

#[test]
fn a_lost_transport_ends_the_call_at_once() {
    for call in [Call::offered(Transport::Tcp), Call::answered(Transport::Tcp), Call::established(Transport::Tcp)] {
        let mut call = call;
        call.input(LegInput::TransportFailed);
        assert_eq!(call.ended(), Some(Why::TransportFailed));
        assert!(call.sent().is_empty());
        assert!(matches!(call.out.last(), Some(LegOutput::Gone)));
    }
}
