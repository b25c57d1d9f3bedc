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
        let last = call.pass(Duration::from_secs(33));
        assert!(matches!(last[..], [(_, LegOutput::Gone)]));
        assert_eq!(call.leg.deadline(), None);
    }
}
