//! One test per rule of a call, on a virtual clock.

use std::time::Duration;

use super::*;
use crate::test_peer::{ANSWER, Call, OFFER, ended, response_to, sent};
use crate::{HeaderName, Method, Target, Transport};

mod any_outgoing;
mod in_dialog;
mod outgoing;
mod transfer_and_routing;

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
        assert_eq!(call.ended(), Some(EndCause::ByeReceived));
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

/// The local request of the last step.
fn request(call: &Call, method: &Method) -> Message {
    call.sent().into_iter().find(|message| message.is(method)).expect("a local request")
}

// INVITE and its ACK.

#[test]
fn a_repeated_invite_gets_the_same_response_and_goes_no_further() {
    for transport in BOTH {
        let mut call = Call::answered(transport);
        let first = call.sent()[0].header(HeaderName::To).map(str::to_owned);
        let invite = call.invite.clone();
        call.receive(invite);
        assert_eq!(offers(&call.out), 0);
        assert_eq!(call.statuses(), [200]);
        assert_eq!(call.sent()[0].header(HeaderName::To).map(str::to_owned), first);
    }
}

#[test]
fn an_invite_repeated_before_its_answer_gets_a_100() {
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
        assert_eq!(ended(out.iter().map(|(_, output)| output)), Some(EndCause::NoAck));
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
    assert!(call.receive(ack).is_empty(), "the ACK of the 482 does not acknowledge the 200");
    call = call.acknowledge();
    assert!(matches!(call.out[..], [LegOutput::Established]));
}

#[test]
fn a_delayed_offer_is_sent_in_the_200_and_answered_in_the_ack() {
    let mut call = Call::with(Transport::Udp, "", "");
    assert!(matches!(call.out[..], [LegOutput::Offer { sdp: None }]));
    call = call.answer();
    assert_eq!(call.sent()[0].body, ANSWER);
    let ack = call.peer.ack(1, OFFER);
    let out = call.receive(ack);
    assert!(matches!(out, [LegOutput::AnswerReceived { sdp }, LegOutput::Established] if *sdp == OFFER));
}

#[test]
fn a_request_before_the_ack_with_the_answer_establishes_nothing() {
    let mut call = Call::with(Transport::Udp, "", "").answer();
    assert_eq!(call.ask("INFO", "", "").status(), Some(200));
    assert_eq!(call.out.len(), 1);
    let ack = call.peer.ack(1, OFFER);
    assert_eq!(call.receive(ack).len(), 2);
}

/// The INVITE of the next call under the same Call-ID and From tag.
fn next_call(call: &Call, cseq: u32) -> Message {
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
        assert!(matches!(out, [LegOutput::NextCall { .. }, LegOutput::Gone]), "{out:?}");
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
    let out = call.receive(crate::parse_datagram(restarted.as_bytes()).expect("sound"));
    assert!(matches!(out, [LegOutput::NextCall { .. }, LegOutput::Gone]), "{out:?}");
}

#[test]
fn a_fork_of_a_refused_invite_is_merged_while_the_refusal_waits_for_its_ack() {
    let mut call = Call::offered(Transport::Udp);
    call.input(LegInput::Reject { status: 486, warning: None, retry_after: None });
    let fork = next_call(&call, 1);
    call.receive(fork);
    assert_eq!(call.statuses(), [482]);
}

#[test]
fn an_ack_without_the_required_answer_ends_the_call() {
    let mut call = Call::with(Transport::Udp, "", "").answer().acknowledge();
    assert_eq!(call.ended(), Some(EndCause::NoAnswer));
    assert!(request(&call, &Method::Bye).header_named("Reason").is_some());
    assert!(call.pass(Duration::from_secs(1)).len() == 1, "the BYE repeats");
}

// Refusals and CANCEL.

#[test]
fn a_refusal_repeats_over_udp_until_its_ack_and_not_over_tcp() {
    for (transport, repeats) in [(Transport::Udp, 3), (Transport::Tcp, 0)] {
        let mut call = Call::offered(transport);
        let warning = Some((304, "Media type \"x\" not available".into()));
        call.input(LegInput::Reject { status: 488, warning, retry_after: None });
        assert_eq!(call.statuses(), [488]);
        assert_eq!(call.sent()[0].header_named("Warning"), Some("304 jindu \"Media type x not available\""));
        assert_eq!(call.ended(), Some(EndCause::Rejected));
        assert_eq!(call.pass(Duration::from_secs(4)).len(), repeats);
        let ack = call.peer.write("ACK", 1, 1, "", "");
        assert!(!call.receive(ack).iter().any(|output| matches!(output, LegOutput::Send(_))));
        call.pass(Duration::from_secs(60));
        assert_eq!(call.leg.deadline(), None);
    }
}

#[test]
fn an_unacknowledged_refusal_times_out_after_64_t1() {
    let mut call = Call::offered(Transport::Udp);
    call.input(LegInput::Reject { status: 503, warning: None, retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(call.sent()[0].header(HeaderName::RetryAfter), Some("7"));
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
    assert_eq!(call.ended(), Some(EndCause::Cancelled));
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
    assert_eq!(call.ended(), Some(EndCause::ByeReceived));
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
    assert_eq!(call.ended(), Some(EndCause::HungUp));
    assert_eq!(bye.from_tag(), call.leg.local_tag());
    assert_eq!(bye.request_uri(), "sip:13800000000@192.0.2.9:5070");
    assert_eq!(call.pass(Duration::from_millis(1600)).len(), 2);
    let ok = response_to(&bye, 200, "", "");
    assert!(call.receive(ok).is_empty());
    assert!(matches!(call.pass(Duration::from_secs(60))[..], [(_, LegOutput::Gone)]));
}

#[test]
fn an_unanswered_bye_times_out() {
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
    assert_eq!(call.ended(), Some(EndCause::HungUp));
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
    assert_eq!(call.ended(), Some(EndCause::HungUp));
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
        assert_eq!(out.iter().filter(|output| matches!(output, LegOutput::Key { .. })).count(), 1);
    }
}

#[test]
fn a_repeated_info_is_one_key_even_if_every_request_has_one_branch() {
    let mut call = Call::established(Transport::Udp);
    let mut keys = 0;
    for cseq in [10, 10, 11] {
        let info = call.peer.write("INFO", cseq, 1, "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\n");
        keys += call.receive(info).iter().filter(|output| matches!(output, LegOutput::Key { .. })).count();
        assert_eq!(call.statuses(), [200]);
    }
    assert_eq!(keys, 2);
}

#[test]
fn the_response_cache_is_bounded() {
    let mut call = Call::established(Transport::Udp);
    let first = call.peer.request("OPTIONS", "", "");
    call.receive(first.clone());
    for _ in 0..crate::limits::CACHED_RESPONSES {
        call.ask("OPTIONS", "", "");
    }
    call.receive(first);
    assert_eq!(call.statuses(), [500], "evicted, and so out of order");
}
