//! Calls whose media is protected, by the policy of their trunk.

use srtp::Suite;

use super::*;
use sdp::SrtpPolicy;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn secure(version: u32, key: &str, more: &str) -> String {
    let crypto = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
    sdp_of(version, &format!("m=audio 4000 RTP/SAVP 8\r\n{crypto}{more}"))
}

fn invites(srtp: SrtpPolicy, sdp: &str) -> Peer {
    Peer::invites_by(MediaPolicy { srtp, ..MediaPolicy::default() }, "192.0.2.9:5070", sdp)
}

fn status(peer: &Peer) -> Option<u16> {
    peer.sent().last().and_then(|message| message.status())
}

fn description(peer: &Peer) -> String {
    let body = peer.sent().last().and_then(Message::sdp).expect("a description");
    String::from_utf8_lossy(&body).into_owned()
}

#[test]
fn media_is_protected_or_the_call_is_refused() {
    use SrtpPolicy::{Off, Optional, Required};
    for (policy, offer, expected, protected) in [
        (Off, secure(1, KEY, ""), 488, false),
        (Off, sdp_of(1, TALK), 200, false),
        (Optional, secure(1, KEY, ""), 200, true),
        (Optional, sdp_of(1, TALK), 200, false),
        (Required, secure(1, KEY, ""), 200, true),
        (Required, sdp_of(1, TALK), 488, false),
    ] {
        let peer = invites(policy, &offer);
        assert_eq!(status(&peer), Some(expected), "{policy:?}");
        if expected == 200 {
            assert_eq!(description(&peer).contains("RTP/SAVP 8\r\n"), protected);
            assert_eq!(peer.media().is_some_and(|setup| setup.srtp.is_some()), protected);
        } else {
            let record = peer.record().expect("it is over");
            assert_eq!((record.cause, record.srtp), (Some("no usable media"), None));
        }
    }
}

#[test]
fn a_new_key_changes_the_media_and_the_same_one_does_not() {
    let mut peer = invites(SrtpPolicy::Required, &secure(1, KEY, ""));
    peer.acknowledges("");
    let first = peer.media().and_then(|setup| setup.srtp).expect("protected");
    for (version, key, more, same) in [(2, KEY, "a=sendonly\r\n", true), (3, KEY, "", true), (4, OTHER, "", false)] {
        peer.asks("INVITE", "", &secure(version, key, more));
        let keys = peer.media().and_then(|setup| setup.srtp).expect("protected");
        assert_eq!((keys.ours == first.ours, keys.peer == first.peer), (same, same), "{version}");
        peer.acknowledges("");
    }
    peer.asks("INVITE", "", &sdp_of(5, TALK));
    assert_eq!(status(&peer), Some(488), "the call goes on as it was");
    peer.acknowledges("");
    peer.asks("BYE", "", "");
    assert_eq!(peer.record().expect("it is over").srtp, Some(Suite::AesCm128HmacSha1Tag80.name()));
}

#[test]
fn a_delayed_offer_is_protected_by_its_answer() {
    let answer = |key: &str| {
        sdp_of(1, &format!("m=audio 4000 RTP/SAVP 8\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"))
    };
    let mut peer = invites(SrtpPolicy::Required, "");
    assert!(description(&peer).contains("m=audio 20000 RTP/SAVP 8 0 101\r\n"));
    peer.acknowledges(&answer(KEY));
    let keys = peer.media().and_then(|setup| setup.srtp).expect("protected");
    assert_eq!(keys.suite(), Suite::AesCm128HmacSha1Tag80);

    let mut peer = invites(SrtpPolicy::Required, "");
    peer.acknowledges(&sdp_of(1, TALK));
    assert!(peer.media().is_none() && peer.sent_request(&Method::Bye).is(&Method::Bye), "it would be in the clear");
    assert_eq!(peer.record().and_then(|record| record.cause), Some("no usable media"));
}
