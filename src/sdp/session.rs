//! This side's descriptions in one call: what each says, and the version that it carries (RFC 3264 §8).
//!
//! ```text
//!            equals the last one: same version
//!  offer ───┐
//!           ├──► written ──► differs: version + 1 ──► the last one
//!  answer ──┘
//! ```
//!
//! A description of the peer is read for what it says, whatever its own version claims.

use super::addresses::MediaAddresses;
use super::answer::{Choice, Heard, accept_for};
use super::description::Description;
use super::security::SrtpSession;
use super::write::write_offer;
use super::{LocalMedia, Negotiated, Rejection, SrtpKeys, SrtpPolicy};
use srtp::KeyGenerator;

/// The local side of a call's offers and answers.
#[derive(Debug)]
pub struct LocalSession {
    media: LocalMedia,
    /// The last description that left.
    last: Option<String>,
    /// The payload types that were agreed in this call.
    heard: Heard,
    /// The payload types that the peer uses for what this side does not know.
    foreign: Vec<u8>,
    srtp: SrtpSession,
    addresses: MediaAddresses,
    /// Whether telephone-event is offered and accepted.
    events: bool,
}

impl LocalSession {
    /// A call that has described nothing yet, without SRTP. The first description has the version of `media`.
    pub fn new(media: LocalMedia) -> LocalSession {
        let (heard, srtp) = (Heard::default(), SrtpSession::default());
        let addresses = MediaAddresses::any();
        LocalSession { media, last: None, heard, foreign: Vec::new(), srtp, addresses, events: true }
    }

    /// The same with SRTP by this policy, under keys of this generator.
    #[must_use]
    pub fn with_srtp(self, policy: SrtpPolicy, generator: KeyGenerator) -> LocalSession {
        LocalSession { srtp: SrtpSession::new(policy, generator), ..self }
    }

    /// The same for a peer whose media addresses are judged so.
    #[must_use]
    pub fn with_addresses(self, addresses: MediaAddresses) -> LocalSession {
        LocalSession { addresses, ..self }
    }

    /// The same, with or without telephone-event: a peer that it is not agreed on with sends its keys in another way.
    #[must_use]
    pub fn with_events(self, events: bool) -> LocalSession {
        LocalSession { events, ..self }
    }

    /// Judges the media addresses of the peer.
    pub fn media_addresses(&self) -> &MediaAddresses {
        &self.addresses
    }

    /// The local offer, for an INVITE without one.
    pub fn offer(&mut self) -> Vec<u8> {
        let last = self.last_description();
        let foreign = self.foreign.clone();
        let protocol = self.srtp.protocol();
        let crypto = if last.is_none() { self.srtp.offer() } else { Vec::new() };
        let events = self.events;
        self.versioned(|media| write_offer(media, events, last.as_ref(), &foreign, (protocol, &crypto)))
    }

    /// Answers an offer of the peer.
    pub fn answer(&mut self, offer: &[u8]) -> Result<(Negotiated, Vec<u8>), Rejection> {
        let offer = Description::parse(offer)?;
        let mut chosen = Choice::of(&offer, &self.media, self.srtp.policy())?;
        chosen.negotiated.peer = chosen.negotiated.peer.map(|peer| self.addresses.check(peer)).transpose()?;
        self.restrict(&mut chosen.negotiated);
        self.foreign = chosen.foreign_numbers();
        let crypto = self.srtp.answer(chosen.crypto);
        let text = self.versioned(|media| chosen.write(media, crypto.as_ref()));
        let keys = crypto.zip(chosen.crypto);
        let keys = keys.map(|(ours, theirs)| SrtpKeys { ours: ours.key.key, peer: theirs.key.clone() });
        Ok((self.agreed(chosen.negotiated, keys), text))
    }

    /// Reads the answer to the last description, which was an offer.
    pub fn accept(&mut self, answer: &[u8]) -> Result<Negotiated, Rejection> {
        let Some(offered) = self.last_description() else {
            return Err(Rejection::Malformed("it answers no offer"));
        };
        let (mut negotiated, keys) = accept_for(answer, &self.media, &offered, self.srtp.policy())?;
        negotiated.peer = negotiated.peer.map(|peer| self.addresses.check(peer)).transpose()?;
        self.restrict(&mut negotiated);
        Ok(self.agreed(negotiated, keys))
    }

    fn restrict(&self, negotiated: &mut Negotiated) {
        if !self.events {
            negotiated.event_payload = None;
            negotiated.events.clear();
        }
    }

    fn last_description(&self) -> Option<Description> {
        let last = self.last.as_ref()?;
        Some(Description::parse(last.as_bytes()).expect("this side writes what it can read"))
    }

    fn versioned(&mut self, write: impl Fn(&LocalMedia) -> String) -> Vec<u8> {
        let mut text = write(&self.media);
        if self.last.as_ref().is_some_and(|last| *last != text) {
            self.media.version = self.media.version.wrapping_add(1);
            text = write(&self.media);
        }
        self.last.insert(text).clone().into_bytes()
    }

    fn agreed(&mut self, mut negotiated: Negotiated, keys: Option<SrtpKeys>) -> Negotiated {
        let fresh = Heard { receive: negotiated.receive, events: negotiated.events };
        self.heard = fresh.and(std::mem::take(&mut self.heard));
        negotiated.receive = self.heard.receive.clone();
        negotiated.events = self.heard.events.clone();
        negotiated.srtp = self.srtp.agree(keys);
        negotiated
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use base::Codec;

    const OURS: LocalMedia = LocalMedia {
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10)),
        rtp_port: 20000,
        rtcp_port: 20001,
        session_id: 77,
        version: 5,
        codecs: base::Codecs::ALL,
        ptime: LocalMedia::PTIME,
    };

    fn of_peer(version: u64, lines: &str) -> Vec<u8> {
        let head = format!("v=0\r\no=a 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
        format!("{head}{}\r\n", lines.replace('|', "\r\n")).into_bytes()
    }

    /// The version of a description, and everything else that it says.
    fn parts(text: &[u8]) -> (u64, String) {
        let text = std::str::from_utf8(text).expect("ASCII");
        let line = text.lines().find(|line| line.starts_with("o=")).expect("an o= line");
        let version = line.split(' ').nth(2).and_then(|version| version.parse().ok()).expect("a version");
        (version, text.replacen(line, "", 1))
    }

    fn m_lines(text: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().filter(|line| line.starts_with("m=")).map(Into::into).collect()
    }

    const TALK: &str = "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000";
    const HOLD: &str = "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000|a=sendonly";

    #[test]
    fn an_offer_of_ours_counts_as_the_last_description() {
        let mut session = LocalSession::new(OURS);
        let offer = session.offer();
        assert_eq!(parts(&offer).0, 5);
        session.accept(&of_peer(1, TALK)).expect("usable");
        let (held, answer) = session.answer(&of_peer(2, HOLD)).expect("usable");
        assert_eq!((parts(&answer).0, held.we_send()), (6, false));
        assert_eq!(parts(&session.offer()).0, 7);
        assert_eq!(parts(&session.offer()).0, 7);
    }

    #[test]
    fn a_changed_description_is_read_whatever_its_version_claims() {
        let mut session = LocalSession::new(OURS);
        let rtp = |negotiated: Negotiated| negotiated.peer.map(|peer| peer.rtp.to_string());
        for (lines, port) in
            [(TALK, 4000), ("m=audio 5000 RTP/AVP 8", 5000), ("m=audio 4000 RTP/AVP 8|c=IN IP4 192.0.2.9", 0)]
        {
            let (negotiated, _) = session.answer(&of_peer(1, lines)).expect("usable");
            let expected = if port == 0 { "192.0.2.9:4000".into() } else { format!("192.0.2.1:{port}") };
            assert_eq!(rtp(negotiated), Some(expected));
        }
    }

    #[test]
    fn a_refused_offer_changes_neither_version_nor_numbers() {
        let mut session = LocalSession::new(OURS);
        session.answer(&of_peer(1, TALK)).expect("usable");
        session.answer(&of_peer(2, "m=audio 4000 RTP/AVP 18")).expect_err("no codec");
        let (negotiated, answer) = session.answer(&of_peer(3, TALK)).expect("usable");
        assert_eq!((parts(&answer).0, negotiated.events), (5, vec![101]));
    }

    #[test]
    fn a_later_offer_keeps_lines_numbers_and_mux_of_the_call() {
        let mut session = LocalSession::new(OURS);
        let lines = "m=video 4002 RTP/AVP 31|m=audio 4000 RTP/AVPF 97 96 101|a=rtpmap:97 PCMU/8000|\
                     a=rtpmap:96 telephone-event/8000|a=rtpmap:101 G729/8000|a=rtcp-mux";
        session.answer(&of_peer(1, lines)).expect("usable");
        let offer = session.offer();
        assert_eq!(m_lines(&offer), ["m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVPF 8 97 96"]);
        let answer = "m=video 0 RTP/AVP 31|m=audio 4000 RTP/AVPF 97 96|a=rtpmap:97 PCMU/8000|a=rtcp-mux";
        let negotiated = session.accept(&of_peer(2, answer)).expect("usable");
        assert!(negotiated.peer.is_some_and(|peer| peer.rtcp_mux));
        assert_eq!((negotiated.payload, negotiated.codec), (97, Codec::Ulaw));

        let mut session = LocalSession::new(OURS);
        session.answer(&of_peer(1, "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 G729/8000")).expect("usable");
        assert_eq!(m_lines(&session.offer()), ["m=audio 20000 RTP/AVP 8 0 96"], "101 is G.729 in this call");
    }

    #[test]
    fn numbers_of_earlier_in_the_call_are_heard_until_they_mean_something_else() {
        let mut session = LocalSession::new(OURS);
        session.answer(&of_peer(1, TALK)).expect("usable");
        let moved = "m=audio 4000 RTP/AVP 0 96|a=rtpmap:96 telephone-event/8000";
        let (negotiated, _) = session.answer(&of_peer(2, moved)).expect("usable");
        assert_eq!(negotiated.receive, [(0, Codec::Ulaw), (8, Codec::Alaw)]);
        assert_eq!(negotiated.events, [96, 101]);
        let swapped = "m=audio 4000 RTP/AVP 101|a=rtpmap:101 PCMA/8000";
        let (negotiated, _) = session.answer(&of_peer(3, swapped)).expect("usable");
        assert_eq!((negotiated.payload, negotiated.events), (101, vec![96]));
    }

    #[test]
    fn a_session_without_events_neither_offers_nor_accepts_them() {
        let none = |(negotiated, text): (Negotiated, Vec<u8>)| {
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains("telephone-event") && !text.contains("fmtp") && !text.contains(" 101"), "{text}");
            assert_eq!((negotiated.event_payload, negotiated.events), (None, Vec::new()));
        };
        let mut session = LocalSession::new(OURS).with_events(false);
        none(session.answer(&of_peer(1, TALK)).expect("usable"));
        none((session.accept(&of_peer(2, TALK)).expect("usable"), session.offer()));
        let mut session = LocalSession::new(OURS).with_events(false);
        let offer = session.offer();
        none((session.accept(&of_peer(1, TALK)).expect("usable"), offer));
    }

    #[test]
    fn an_answer_to_nothing_is_an_error() {
        assert!(LocalSession::new(OURS).accept(&of_peer(1, TALK)).is_err());
    }

    /// What happens to a session: the peer offers these lines, or is offered something and answers with them.
    fn step() -> impl Strategy<Value = (bool, u64, String)> {
        let audio = prop_oneof![
            Just(TALK.to_owned()),
            Just(HOLD.to_owned()),
            Just("m=audio 4000 RTP/AVP 0 8".to_owned()),
            Just("m=video 4002 RTP/AVP 31|m=audio 4000 RTP/AVP 8|a=ptime:30".to_owned()),
            Just("m=audio 4000 RTP/AVP 18".to_owned()),
            Just("m=audio 4000 RTP/AVP 8|a=rtcp-mux".to_owned()),
        ];
        (any::<bool>(), 0u64..3, audio)
    }

    proptest! {
        #[test]
        fn the_version_goes_up_by_one_exactly_when_the_description_differs(
            steps in proptest::collection::vec(step(), 1..20),
        ) {
            let mut session = LocalSession::new(OURS);
            let mut last: Option<(u64, String)> = None;
            for (ours, version, lines) in steps {
                let described = if ours {
                    let offer = session.offer();
                    let _ = session.accept(&of_peer(version, &lines));
                    Some(offer)
                } else {
                    session.answer(&of_peer(version, &lines)).ok().map(|(_, answer)| answer)
                };
                let Some(now) = described.map(|text| parts(&text)) else { continue };
                if let Some((before, said)) = last {
                    prop_assert_eq!(now.0 - before, u64::from(said != now.1));
                }
                last = Some(now);
            }
        }
    }
}
