//! Telephones with SRTP of their own: baresip's is that of libre, ffmpeg has another one.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;

use base::Codec;
use base64ct::{Base64, Encoding};
use srtp::{KeyGenerator, Suite};
use support::gateway::{Gateway, peer, temporary_folder};
use support::phone::{Answer, Dial, Phone};
use support::softphone::Softphone;
use support::sound::{Search, clip};
use support::wait::{SOON, eventually};

fn alaw(lang: &str, id: &str) -> Vec<u8> {
    clip(lang, id, Codec::Alaw)
}

#[test]
fn a_softphone_with_srtp_hears_every_octet_and_its_keys_are_heard() {
    for (policy, offers, transport) in
        [("optional", "srtp-mand", "udp"), ("required", "srtp-mand", "tcp"), ("optional", "srtp", "udp")]
    {
        let gateway = Gateway::start(&[&format!("phone.srtp={policy}")]);
        let mut phone = Softphone::start_protected(offers);
        phone.dial(&format!("sip:96110110@{};transport={transport}", gateway.udp));
        phone.hears(&alaw("zh", "prompt.welcome"), "the greeting");
        phone.press("3");
        phone.hears(&alaw("en", "opt.progress"), "the first option, in English");
        phone.hang_up();
        let suite = "jindu_call_srtp_total{suite=\"AES_CM_128_HMAC_SHA1_80\"}";
        eventually(SOON, "the call's record", || gateway.metric(suite) == 1.0);
        assert_eq!(gateway.metric("jindu_keys_total{source=\"rtp\"}"), 1.0, "one key a press");
        // baresip begins with a packet of each port that it does not protect, to open its way through a NAT.
        for reason in ["replayed", "late"] {
            let dropped = gateway.metric(&format!("jindu_srtp_dropped_total{{reason=\"{reason}\"}}"));
            assert_eq!(dropped, 0.0, "{offers}: {reason}");
        }
    }
}

#[test]
fn a_softphone_whose_protection_does_not_fit_the_trunk_is_refused() {
    for (policy, offers) in [("off", "srtp-mand"), ("required", "")] {
        let gateway = Gateway::start(&[&format!("phone.srtp={policy}")]);
        let mut phone = if offers.is_empty() { Softphone::start() } else { Softphone::start_protected(offers) };
        phone.dials_in_vain(&format!("sip:96110110@{}", gateway.udp), "488");
    }
}

#[test]
fn a_softphone_on_hold_comes_back_under_the_same_keys() {
    let gateway = Gateway::start(&["phone.srtp=required"]);
    let mut phone = Softphone::start_protected("srtp-mand");
    phone.dial(&format!("sip:96110110@{}", gateway.udp));
    phone.hears(&alaw("zh", "prompt.welcome"), "the greeting");
    let invites = || gateway.metric("jindu_sip_requests_total{method=\"invite\"}");
    for (on, count) in [(true, 2.0), (false, 3.0)] {
        phone.hold(on);
        eventually(SOON, "a re-INVITE", || invites() >= count);
    }
    // baresip records nothing after a hold, but its packets show that they are still under the key.
    phone.press("3");
    eventually(SOON, "the key", || gateway.metric("jindu_keys_total{source=\"rtp\"}") == 1.0);
    phone.hang_up();
}

/// The value of the answer's `a=crypto` line.
fn crypto(answer: &Answer) -> &str {
    answer.text.lines().find_map(|line| line.strip_prefix("a=crypto:")).unwrap_or_else(|| panic!("{}", answer.text))
}

#[test]
fn ffmpeg_decrypts_the_greeting_octet_for_octet() {
    let gateway = Gateway::start(&["phone.srtp=required"]);
    for suite in [Suite::AesCm128HmacSha1Tag80, Suite::AesCm128HmacSha1Tag32] {
        let folder = temporary_folder("ffmpeg-srtp");
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("bound").port() & !1;
        drop(free);
        let session = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/SAVP 8\r\na=crypto:"
        );
        let key = Base64::encode_string(KeyGenerator::new([3; 32]).next_key(suite).expose());
        let offer = format!("{session}5 {} inline:{key}\r\n", suite.name());
        let mut phone = Phone::new(gateway.udp);
        let answer = phone.invite(&Dial { sdp: Some(&offer), ..Dial::default() });
        assert!(
            answer.status == 200 && crypto(&answer).starts_with(&format!("5 {} ", suite.name())),
            "{}",
            answer.text
        );
        fs::write(folder.join("call.sdp"), format!("{session}{}\r\n", crypto(&answer))).expect("a file can be written");
        let heard = folder.join("heard.al");
        let mut child = peer("ffmpeg")
            .args(["-v", "error", "-nostdin", "-protocol_whitelist", "file,rtp,udp,srtp", "-i"])
            .arg(folder.join("call.sdp"))
            .args(["-c", "copy", "-flush_packets", "1", "-f", "alaw"])
            .arg(&heard)
            .stdin(Stdio::null())
            .spawn()
            .expect("ffmpeg can be started");
        eventually(SOON, "ffmpeg listens", || UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err());
        phone.ack();
        let greeting = alaw("zh", "prompt.welcome");
        let mut search = Search::new(&greeting, 0);
        eventually(SOON, "the greeting", || {
            let octets = fs::read(&heard).unwrap_or_default();
            search.in_more(&octets).map(drop).ok_or(octets.len())
        });
        phone.hang_up();
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_dir_all(&folder);
    }
}
