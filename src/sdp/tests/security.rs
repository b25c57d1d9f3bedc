//! Offers and answers with keys (RFC 4568), by each policy.

use srtp::{KeyGenerator, Suite};

use super::*;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn session(policy: SrtpPolicy) -> LocalSession {
    let session = LocalSession::new(OURS);
    if policy == SrtpPolicy::Off { session } else { session.with_srtp(policy, KeyGenerator::new([9; 32])) }
}

/// An `a=crypto` line with 80-bit tags.
fn sha80(tag: u32, key: &str) -> String {
    format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{key}")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("it is ASCII")
}

/// What the answer says: protocol of the accepted line, tag and suite of its key.
fn answered(policy: SrtpPolicy, lines: &str) -> Result<(String, Option<(u32, Suite)>), Rejection> {
    let (negotiated, answer) = session(policy).answer(&offer_of(lines))?;
    let answer = text(answer);
    let accepted = m_lines(&answer).into_iter().find(|line| !line.contains(" 0 RTP")).expect("one line is accepted");
    let protocol = accepted.split(' ').nth(2).expect("a protocol").to_owned();
    let keys: Vec<(u32, Suite)> = crypto_lines(&answer).iter().map(|line| (line.0, line.1)).collect();
    assert!(keys.len() <= 1, "{answer}");
    assert_eq!(negotiated.srtp.as_ref().map(|keys| keys.suite()), keys.first().map(|(_, suite)| *suite));
    Ok((protocol, keys.first().copied()))
}

/// Tag, suite and key of each `a=crypto` line.
fn crypto_lines(text: &str) -> Vec<(u32, Suite, String)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [tag, suite, key] = words[..] else { panic!("{line}") };
            let key = key.strip_prefix("inline:").expect("inline");
            (tag.parse().expect("a tag"), Suite::from_name(suite).expect("a suite"), key.to_owned())
        })
        .collect()
}

#[test]
fn each_policy_answers_each_profile_as_the_table_says() {
    let (sha, bad) = (sha80(3, KEY), "a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA");
    let keyed = Some((3, Suite::AesCm128HmacSha1Tag80));
    use SrtpPolicy::{Off, Optional, Required};
    for (policy, lines, expected) in [
        (Off, "m=audio 4000 RTP/AVP 8".to_owned(), Some(("RTP/AVP", None))),
        (Off, format!("m=audio 4000 RTP/AVP 8|{sha}"), Some(("RTP/AVP", None))),
        (Off, format!("m=audio 4000 RTP/SAVP 8|{sha}"), None),
        (Off, format!("m=audio 4000 RTP/SAVP 8|{sha}|m=audio 4002 RTP/AVP 8"), Some(("RTP/AVP", None))),
        (Optional, "m=audio 4000 RTP/AVP 8".to_owned(), Some(("RTP/AVP", None))),
        (Optional, format!("m=audio 4000 RTP/AVP 8|{bad}"), Some(("RTP/AVP", None))),
        (Optional, format!("m=audio 4000 RTP/AVP 8|{sha}"), Some(("RTP/AVP", keyed))),
        (Optional, format!("m=audio 4000 RTP/SAVP 8|{sha}"), Some(("RTP/SAVP", keyed))),
        (Optional, format!("m=audio 4000 RTP/SAVPF 8|{sha}"), Some(("RTP/SAVPF", keyed))),
        (Optional, format!("m=audio 4000 RTP/SAVP 8|{bad}"), None),
        (Optional, "m=audio 4000 RTP/SAVP 8".to_owned(), None),
        (Optional, format!("m=audio 4002 RTP/AVP 8|m=audio 4000 RTP/SAVP 8|{sha}"), Some(("RTP/SAVP", keyed))),
        (Optional, format!("m=audio 4000 RTP/SAVP 8|{bad}|m=audio 4002 RTP/AVP 8"), Some(("RTP/AVP", None))),
        (Optional, format!("m=audio 4000 RTP/SAVP 18|{sha}|m=audio 4002 RTP/AVP 8"), Some(("RTP/AVP", None))),
        (Required, "m=audio 4000 RTP/AVP 8".to_owned(), None),
        (Required, format!("m=audio 4000 RTP/AVP 8|{bad}"), None),
        (Required, format!("m=audio 4000 RTP/AVP 8|{sha}"), Some(("RTP/AVP", keyed))),
        (Required, format!("m=audio 4000 RTP/SAVP 8|{sha}"), Some(("RTP/SAVP", keyed))),
        (Required, format!("m=audio 4002 RTP/AVP 8|m=audio 4000 RTP/SAVP 8|{sha}"), Some(("RTP/SAVP", keyed))),
        (Required, "m=audio 4000 UDP/TLS/RTP/SAVPF 8".to_owned(), None),
    ] {
        match (answered(policy, &lines), expected) {
            (Ok((protocol, key)), Some((expected, keyed))) => {
                assert_eq!((protocol.as_str(), key), (expected, keyed), "{policy:?} {lines}");
            }
            (Err(Rejection::NotAcceptable { warning, .. }), None) => assert_eq!(warning, 302, "{policy:?} {lines}"),
            (result, expected) => panic!("{policy:?} {lines}: {result:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_key_at_session_level_is_none() {
    let offer = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|m=audio 4000 RTP/SAVP 8");
    assert!(answered(SrtpPolicy::Required, &offer).is_err());
}

#[test]
fn the_strongest_offered_suite_is_answered_with_its_tag() {
    let (gcm128, gcm256) = ("A".repeat(38), "A".repeat(59));
    let lines = format!(
        "m=audio 4000 RTP/SAVP 8|a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|{}|\
         a=crypto:7 AEAD_AES_128_GCM inline:{gcm128}==|a=crypto:8 AEAD_AES_256_GCM inline:{gcm256}= KDR=1",
        sha80(2, KEY)
    );
    assert_eq!(
        answered(SrtpPolicy::Optional, &lines),
        Ok(("RTP/SAVP".into(), Some((7, Suite::AeadAes128Gcm)))),
        "the last line cannot be used"
    );
}

#[test]
fn the_same_key_again_keeps_both_keys_and_another_changes_both() {
    let mut session = session(SrtpPolicy::Optional);
    let mut answer = |lines: &str| {
        let (negotiated, answer) = session.answer(&offer_of(lines)).expect("it is answered");
        (negotiated.srtp, text(answer))
    };
    let protected = |tag, key| format!("m=audio 4000 RTP/SAVP 8|{}", sha80(tag, key));
    let (first, said) = answer(&protected(1, KEY));
    let first = first.expect("protected");
    assert_eq!(first.peer.key.suite(), Suite::AesCm128HmacSha1Tag80);
    assert_eq!(answer(&protected(1, KEY)), (Some(Arc::clone(&first)), said), "the description is the same");
    let (held, _) = answer(&format!("{}|a=sendonly", protected(2, KEY)));
    assert_eq!(held, Some(Arc::clone(&first)), "another tag is no other key");
    let (moved, _) = answer(&protected(1, OTHER));
    let moved = moved.expect("protected");
    assert!(moved.ours != first.ours && moved.peer != first.peer);
    assert_eq!(answer("m=audio 4000 RTP/AVP 8").0, None);
    let (back, _) = answer(&protected(1, OTHER));
    assert!(back.is_some_and(|back| back.ours != moved.ours && back.peer == moved.peer), "no key begins twice");
}

#[test]
fn a_refused_offer_leaves_the_keys_as_they_are() {
    let mut session = session(SrtpPolicy::Required);
    let protected = format!("m=audio 4000 RTP/SAVP 8|{}", sha80(1, KEY));
    let (before, _) = session.answer(&offer_of(&protected)).expect("it is answered");
    session.answer(&offer_of("m=audio 4000 RTP/AVP 8")).expect_err("it is in the clear");
    let (after, _) = session.answer(&offer_of(&protected)).expect("it is answered");
    assert_eq!(before.srtp, after.srtp);
}

#[test]
fn a_local_offer_has_a_key_for_each_suite_and_an_answer_picks_one() {
    for (policy, protocol) in [(SrtpPolicy::Optional, "RTP/AVP"), (SrtpPolicy::Required, "RTP/SAVP")] {
        let offer = text(session(policy).offer());
        assert_eq!(m_lines(&offer), [format!("m=audio 20000 {protocol} 8 0 101")]);
        let lines = crypto_lines(&offer);
        assert_eq!(
            lines.iter().map(|line| (line.0, line.1)).collect::<Vec<_>>(),
            (1..).zip(Suite::ALL).collect::<Vec<_>>()
        );
        assert!((0..4).all(|n| lines[..n].iter().all(|line| line.2 != lines[n].2)));
        for protocol in ["RTP/AVP", "RTP/SAVP"] {
            let mut session = session(policy);
            assert_eq!(text(session.offer()), offer, "nothing is left to chance");
            let negotiated = session.accept(&offer_of(&format!("m=audio 4000 {protocol} 8|{}", sha80(3, KEY))));
            let keys = negotiated.expect("it fits").srtp.expect("protected");
            assert_eq!(keys.suite(), Suite::AesCm128HmacSha1Tag80);
            let again = text(session.offer());
            assert_eq!(again, offer, "the keys of the call are offered again");
            let negotiated = session.accept(&offer_of(&format!("m=audio 4000 {protocol} 8|{}", sha80(3, KEY))));
            assert_eq!(negotiated.expect("it fits").srtp, Some(keys));
        }
    }
    let offer = text(session(SrtpPolicy::Off).offer());
    assert!(crypto_lines(&offer).is_empty() && offer.contains("RTP/AVP"));
}

#[test]
fn an_answer_that_fits_no_offered_key_is_in_the_clear_or_refused() {
    use SrtpPolicy::{Off, Optional, Required};
    let (sha, tag) = (sha80(3, KEY), sha80(2, KEY));
    let suite = format!("a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{KEY}");
    for (policy, lines, in_clear) in [
        (Off, "m=audio 4000 RTP/AVP 8".to_owned(), true),
        (Off, format!("m=audio 4000 RTP/AVP 8|{sha}"), true),
        (Off, format!("m=audio 4000 RTP/SAVP 8|{sha}"), false),
        (Optional, "m=audio 4000 RTP/AVP 8".to_owned(), true),
        (Optional, format!("m=audio 4000 RTP/AVP 8|{tag}"), true),
        (Optional, format!("m=audio 4000 RTP/SAVP 8|{suite}"), false),
        (Optional, "m=audio 4000 RTP/SAVP 8".to_owned(), false),
        (Required, "m=audio 4000 RTP/AVP 8".to_owned(), false),
        (Required, "m=audio 4000 RTP/SAVP 8".to_owned(), false),
        (Required, format!("m=audio 4000 RTP/SAVP 8|{tag}"), false),
        (Required, format!("m=audio 4000 RTP/SAVP 8|{suite}"), false),
    ] {
        let mut session = session(policy);
        session.offer();
        let result = session.accept(&offer_of(&lines)).map(|negotiated| negotiated.srtp.is_none());
        assert_eq!(result.ok(), in_clear.then_some(true), "{policy:?} {lines}");
    }
}

#[test]
fn a_later_local_offer_keeps_profile_and_key_of_the_call() {
    let mut session = session(SrtpPolicy::Optional);
    let lines = format!("m=audio 4000 RTP/SAVP 8|{}", sha80(42, KEY));
    let (negotiated, answer) = session.answer(&offer_of(&lines)).expect("it is answered");
    let offer = text(session.offer());
    assert_eq!(m_lines(&offer), ["m=audio 20000 RTP/SAVP 8 0 101"]);
    assert_eq!(crypto_lines(&offer), crypto_lines(&text(answer)));
    let accepted = session.accept(&offer_of(&lines)).expect("it fits");
    assert_eq!(accepted.srtp, negotiated.srtp);
}

fn any_line() -> impl Strategy<Value = String> {
    let protocol =
        prop::sample::select(vec!["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "rtp/savp", "UDP/TLS/RTP/SAVPF"]);
    let keys = prop::sample::select(vec![
        String::new(),
        format!("|{}", sha80(1, KEY)),
        format!("|{}|{}", sha80(1, KEY), sha80(1, OTHER)),
        format!("|{} UNENCRYPTED_SRTP", sha80(1, KEY)),
        format!("|{}|1:4", sha80(9, KEY).replace('|', "")),
        "|a=crypto:2 AEAD_AES_128_GCM inline:AAAA".to_owned(),
    ]);
    let port = prop::sample::select(vec![0, 4000]);
    let format = prop::sample::select(vec![8, 18]);
    (protocol, port, format, keys)
        .prop_map(|(protocol, port, format, keys)| format!("m=audio {port} {protocol} {format}{keys}"))
}

proptest! {
    /// Whatever lines are offered: what is answered with a key is protected, what is not is in the clear, an offer of
    /// RTP/SAVP never is.
    #[test]
    fn no_offer_of_protection_is_answered_in_the_clear(
        policy in prop::sample::select(vec![SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required]),
        offers in prop::collection::vec(prop::collection::vec(any_line(), 1..4), 1..5),
    ) {
        let mut session = session(policy);
        for lines in offers {
            let Ok((negotiated, answer)) = session.answer(&offer_of(&lines.join("|"))) else { continue };
            let answer = text(answer);
            let accepted = m_lines(&answer).into_iter().find(|line| !line.starts_with("m=audio 0 ")).expect("one");
            let is_protected = negotiated.srtp.is_some();
            prop_assert_eq!(crypto_lines(&answer).len(), usize::from(is_protected));
            prop_assert!(is_protected || !accepted.to_uppercase().contains("SAVP"), "{}", answer);
            prop_assert!(is_protected || policy != SrtpPolicy::Required);
            prop_assert!(!is_protected || policy != SrtpPolicy::Off);
        }
    }
}
