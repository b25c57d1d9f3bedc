//! Who is calling: the number that identifies a caller, by the headers that its trunk is trusted for.
//!
//! ```text
//!  P-Asserted-Identity (trusted, RFC 3325) ─► Remote-Party-ID (trusted) ─► From, unless withheld ─► Diversion (trusted)
//! ```
//!
//! A trunk that is trusted removes these headers where a subscriber wrote them, and adds its own (RFC 3325 §5); from
//! any other they are the caller's own words and are not read. From is the caller's word in any case, and is taken where
//! nothing better is there. A caller who withholds the number has none, unless the trunk asserts it: privacy keeps the
//! number from people, not from the network (RFC 3325 §7). [`Message::caller_number`] is therefore for limits and keyed
//! hashes; people must not see it where [`Message::is_withheld`] says so.
//!
//! Carriers withhold a number in three ways: `Privacy` (RFC 3323 §4.2), `privacy` of Remote-Party-ID, or an anonymous From.
//! Each alone suffices, since some carriers send only one of them beside the identity that they assert. A From that
//! merely has no number, as `unavailable@unknown.invalid` or the name of a domain, withholds nothing.

use super::grammar;
use super::message::Message;
use super::name_addr::NameAddr;
use super::number::Number;
use super::uri::{Scheme, Uri};

/// A header that may identify a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityHeader {
    /// `P-Asserted-Identity` (RFC 3325 §9.1).
    AssertedIdentity,
    /// `Remote-Party-ID`, its predecessor, which was never an RFC.
    RemotePartyId,
    /// `Diversion` (RFC 5806): who diverted the call here.
    Diversion,
}

impl IdentityHeader {
    /// All of them, the most reliable first.
    pub const ALL: [IdentityHeader; 3] =
        [IdentityHeader::AssertedIdentity, IdentityHeader::RemotePartyId, IdentityHeader::Diversion];

    /// The name in settings, which is the header's in lower case.
    pub fn name(self) -> &'static str {
        match self {
            IdentityHeader::AssertedIdentity => "p-asserted-identity",
            IdentityHeader::RemotePartyId => "remote-party-id",
            IdentityHeader::Diversion => "diversion",
        }
    }

    /// Reads a name, without case.
    pub fn from_name(name: &str) -> Option<IdentityHeader> {
        IdentityHeader::ALL.into_iter().find(|header| header.name().eq_ignore_ascii_case(name))
    }
}

/// The headers that a trunk is trusted for; by default none, so that only From is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityTrust {
    /// [`IdentityHeader::AssertedIdentity`].
    pub asserted_identity: bool,
    /// [`IdentityHeader::RemotePartyId`].
    pub remote_party_id: bool,
    /// [`IdentityHeader::Diversion`].
    pub diversion: bool,
}

impl FromIterator<IdentityHeader> for IdentityTrust {
    fn from_iter<T: IntoIterator<Item = IdentityHeader>>(headers: T) -> IdentityTrust {
        let mut trust = IdentityTrust::default();
        for header in headers {
            match header {
                IdentityHeader::AssertedIdentity => trust.asserted_identity = true,
                IdentityHeader::RemotePartyId => trust.remote_party_id = true,
                IdentityHeader::Diversion => trust.diversion = true,
            }
        }
        trust
    }
}

impl Message {
    /// The number of the caller, for limits and keyed hashes: it may be one that the caller withholds from people. `None`
    /// for a caller who withholds the number where no trunk asserts it, or whose identity is no number: such callers can
    /// be told apart by their calls only.
    pub fn caller_number(&self, trust: IdentityTrust) -> Option<Number> {
        let asserted = || self.parties(IdentityHeader::AssertedIdentity).find_map(|party| number_of(&party));
        let remote = || {
            self.parties(IdentityHeader::RemotePartyId).filter(is_screened_caller).find_map(|party| number_of(&party))
        };
        let diverted = || self.parties(IdentityHeader::Diversion).find_map(|party| number_of(&party));
        let trusted = trust.asserted_identity.then(asserted).flatten();
        let trusted = trusted.or_else(|| trust.remote_party_id.then(remote).flatten());
        if trusted.is_some() || self.is_withheld(trust) || self.has_no_caller() {
            return trusted;
        }
        number_of(&self.from()).or_else(|| trust.diversion.then(diverted).flatten())
    }

    /// The users that a call delivered to this node's own contact was dialled with, as written: P-Called-Party-ID
    /// (RFC 7315 §4.2) of a trunk whose assertions are trusted, then To.
    pub fn dialled_users(&self, trust: IdentityTrust) -> [Option<String>; 2] {
        let called = self.header_named("P-Called-Party-ID").filter(|_| trust.asserted_identity);
        let called = called.and_then(|value| NameAddr::read(value).ok());
        [called.and_then(|party| user_of(&party)), user_of(&self.to())]
    }

    /// Whether the caller wants the number kept from people, by `Privacy` (RFC 3323 §4.2), by a trusted Remote-Party-ID or by
    /// what From says (§4.1.1.3).
    pub fn is_withheld(&self, trust: IdentityTrust) -> bool {
        let from = self.from();
        let (user, host) = user_and_host(&from);
        let display = half_width(from.display.trim_matches('"').trim()).to_lowercase();
        self.asks_for_privacy()
            || (trust.remote_party_id && self.parties(IdentityHeader::RemotePartyId).any(|party| asks_to_hide(&party)))
            || WITHHELD_NAMES.contains(&display.as_str())
            || WITHHELD_USERS.contains(&user.as_str())
            || (is_invalid(&host) && host != UNKNOWN_HOST)
            || Number::read(&user).is_some_and(|number| number.spells_withheld())
    }

    /// Whether From names no caller, without a word about privacy.
    fn has_no_caller(&self) -> bool {
        let (user, host) = user_and_host(&self.from());
        NAMELESS_USERS.contains(&user.as_str()) || is_invalid(&host)
    }

    fn asks_for_privacy(&self) -> bool {
        self.headers_named("Privacy")
            .flat_map(|line| line.split([';', ',']))
            .any(|value| HIDING_PRIVACY.iter().any(|hiding| value.trim().eq_ignore_ascii_case(hiding)))
    }

    fn parties(&self, header: IdentityHeader) -> impl Iterator<Item = NameAddr<'_>> {
        self.headers_named(header.name()).flat_map(grammar::values).filter_map(|value| NameAddr::read(value).ok())
    }
}

/// Letters of a Chinese input method as ASCII.
fn half_width(text: &str) -> String {
    let narrow = |c: char| match c {
        '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    };
    text.chars().map(narrow).collect()
}

/// Of a Remote-Party-ID: it names the caller, and its screening did not fail.
fn is_screened_caller(party: &NameAddr<'_>) -> bool {
    let refused = param(party, "screen").is_some_and(|screen| screen.eq_ignore_ascii_case("no"));
    is_caller(party) && !refused
}

/// Of a Remote-Party-ID: it names the caller and not another party.
fn is_caller(party: &NameAddr<'_>) -> bool {
    param(party, "party").is_none_or(|party| party.eq_ignore_ascii_case("calling"))
}

/// Of a Remote-Party-ID: it asks to hide the caller, as `privacy=full` and `privacy="name;uri-network"` do.
fn asks_to_hide(party: &NameAddr<'_>) -> bool {
    let hides = |value: &str| !OPEN_PRIVACY.iter().any(|open| value.trim().eq_ignore_ascii_case(open));
    is_caller(party) && param(party, "privacy").is_some_and(|privacy| privacy.split([',', ';']).any(hides))
}

/// A parameter without its quotes.
fn param<'a>(party: &NameAddr<'a>, name: &str) -> Option<&'a str> {
    grammar::param(party.params, name).map(|value| value.trim_matches('"').trim())
}

/// User and host of a party in lower case; empty where there is none.
fn user_and_host(party: &NameAddr<'_>) -> (String, String) {
    let uri = Uri::read(party.uri).ok();
    let user = uri.and_then(|uri| uri.user).unwrap_or("").to_ascii_lowercase();
    (user, uri.map_or("", |uri| uri.host).to_ascii_lowercase())
}

/// Whether a host is of the domain that never exists (RFC 2606 §2).
fn is_invalid(host: &str) -> bool {
    host == "invalid" || host.ends_with(".invalid")
}

/// The user of a party as written, with the parameters of a number; `None` where there is none.
fn user_of(party: &NameAddr<'_>) -> Option<String> {
    let uri = Uri::read(party.uri).ok()?;
    let params = if uri.scheme == Scheme::Tel { uri.params } else { "" };
    uri.user.filter(|user| !user.is_empty()).map(|user| format!("{user}{params}"))
}

/// The telephone number of a party; `None` for a name, an empty user, and the numbers that stand for "withheld".
fn number_of(party: &NameAddr<'_>) -> Option<Number> {
    let uri = Uri::read(party.uri).ok()?;
    let params = if uri.scheme == Scheme::Tel { uri.params } else { "" };
    Number::read_with(uri.user?, params).filter(|number| !number.stands_for_none())
}

/// RFC 3323 §4.2 and RFC 3325 §9.3; the last two are of Remote-Party-ID's time.
const HIDING_PRIVACY: [&str; 5] = ["id", "user", "header", "full", "uri"];
/// Display names in lower case. A name that is merely unknown says nothing about the number.
const WITHHELD_NAMES: [&str; 28] = [
    "anonymous",
    "anonymous caller",
    "anonymous user",
    "anonyme",
    "anónimo",
    "anonym",
    "restricted",
    "withheld",
    "private",
    "private number",
    "private caller",
    "number withheld",
    "withheld number",
    "id withheld",
    "no caller id",
    "匿名",
    "匿名来电",
    "匿名來電",
    "匿名用户",
    "匿名用戶",
    "隐藏号码",
    "隱藏號碼",
    "号码隐藏",
    "號碼隱藏",
    "私人号码",
    "私人號碼",
    "不显示号码",
    "不顯示號碼",
];
/// Users in lower case, by which callers withhold their number.
const WITHHELD_USERS: [&str; 5] = ["anonymous", "restricted", "withheld", "private", "blocked"];
/// Users in lower case, where the network knows no caller.
const NAMELESS_USERS: [&str; 4] = ["", "unavailable", "unknown", "nobody"];
/// The host of a From without a caller's number, beside the user `unavailable` (ITU-T Q.1912.5).
const UNKNOWN_HOST: &str = "unknown.invalid";
/// Values of Remote-Party-ID's `privacy` that hide nothing.
const OPEN_PRIVACY: [&str; 3] = ["off", "none", "no"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_peer::{OFFER, Peer};
    use crate::{NumberPlan, Transport, parse_datagram};

    const ALL: IdentityTrust = IdentityTrust { asserted_identity: true, remote_party_id: true, diversion: true };
    const NONE: IdentityTrust = IdentityTrust { asserted_identity: false, remote_party_id: false, diversion: false };

    fn invite(from: &str, headers: &str) -> Message {
        let text = Peer::new(Transport::Udp).text("INVITE", 1, 1, headers, OFFER);
        let text = text.replace("\"Caller\" <sip:13800000000@192.0.2.9>", from);
        parse_datagram(text.as_bytes()).unwrap_or_else(|wrong| panic!("{from}: {:?}", wrong.fault))
    }

    fn caller(from: &str, headers: &str, trust: IdentityTrust) -> Option<String> {
        invite(from, headers).caller_number(trust).map(|number| number.canonical(&NumberPlan::default()))
    }

    fn shown(from: &str, headers: &str, trust: IdentityTrust) -> Option<String> {
        let invite = invite(from, headers);
        let shown = invite.caller_number(trust).filter(|_| !invite.is_withheld(trust));
        shown.map(|number| number.canonical(&NumberPlan::default()))
    }

    const PLAIN: &str = "<sip:13800000000@192.0.2.9>";
    const ASSERTED: &str = "P-Asserted-Identity: <sip:+8613911112222@gd.ims.example>\r\n";
    const HIDDEN: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

    #[test]
    fn an_asserted_identity_is_read_from_a_trusted_trunk_only() {
        let asserted =
            "P-Asserted-Identity: \"Li, Na\" <sip:+8613911112222@gd.ims.example;user=phone>, tel:+862083331234\r\n";
        assert_eq!(caller(PLAIN, asserted, ALL).as_deref(), Some("13911112222"));
        assert_eq!(caller(PLAIN, asserted, NONE).as_deref(), Some("13800000000"));
        assert_eq!(caller(HIDDEN, asserted, ALL).as_deref(), Some("13911112222"));
        assert_eq!(caller(HIDDEN, asserted, NONE), None);
        let withheld = format!("Privacy: id\r\n{asserted}");
        assert_eq!(caller(PLAIN, &withheld, ALL).as_deref(), Some("13911112222"), "the network may know");
        assert_eq!(caller(PLAIN, &withheld, NONE), None);
        let second =
            "P-Asserted-Identity: <sip:someone@gd.ims.example>\r\nP-Asserted-Identity: <tel:+8613911112222>\r\n";
        assert_eq!(caller(PLAIN, second, ALL).as_deref(), Some("13911112222"));
    }

    #[test]
    fn a_remote_party_counts_if_it_is_the_caller_and_was_screened() {
        for (header, expected) in [
            ("<sip:13911112222@h>;party=calling;screen=yes;privacy=off", "13911112222"),
            ("<sip:13911112222@h>;privacy=full", "13911112222"),
            ("<sip:13911112222@h>;party=\"calling\";screen=\"yes\"", "13911112222"),
            ("<sip:13911112222@h>;party=\"called\"", "13800000000"),
            ("<sip:13911112222@h>;screen=\"no\"", "13800000000"),
            ("<sip:13911112222@h>;party=called", "13800000000"),
            ("<sip:13911112222@h>;party=calling;screen=no", "13800000000"),
            ("not an address", "13800000000"),
        ] {
            let headers = format!("Remote-Party-ID: {header}\r\n");
            assert_eq!(caller(PLAIN, &headers, ALL).as_deref(), Some(expected), "{header}");
            assert_eq!(caller(PLAIN, &headers, NONE).as_deref(), Some("13800000000"), "{header}");
        }
        let both = "Remote-Party-ID: <sip:13911112222@h>\r\nP-Asserted-Identity: <sip:13922223333@h>\r\n";
        assert_eq!(caller(PLAIN, both, ALL).as_deref(), Some("13922223333"));
        let only_remote = IdentityTrust { asserted_identity: false, ..ALL };
        assert_eq!(caller(PLAIN, both, only_remote).as_deref(), Some("13911112222"));
    }

    #[test]
    fn a_diversion_stands_in_for_a_nameless_caller_and_pools_no_hidden_one() {
        let diverted = "Diversion: <sip:+862083331234@h>;reason=unconditional;counter=1\r\n";
        assert_eq!(caller("<sip:pbx@192.0.2.9>", diverted, ALL).as_deref(), Some("2083331234"));
        assert_eq!(caller("<sip:pbx@192.0.2.9>", diverted, NONE), None);
        assert_eq!(caller(PLAIN, diverted, ALL).as_deref(), Some("13800000000"));
        assert_eq!(caller(HIDDEN, diverted, ALL), None);
    }

    #[test]
    fn a_withheld_number_is_none_however_it_is_withheld() {
        for from in [
            HIDDEN,
            "Anonymous <sip:13800000000@192.0.2.9>",
            "\"anonymous\" <sip:13800000000@192.0.2.9>",
            "\"匿名\" <sip:13800000000@192.0.2.9>",
            "\"Ａｎｏｎｙｍｏｕｓ　Ｕｓｅｒ\" <sip:13800000000@192.0.2.9>",
            "\"隱藏號碼\" <sip:13800000000@192.0.2.9>",
            "\"Restricted\" <sip:restricted@192.0.2.9>",
            "<sip:Anonymous@192.0.2.9>",
            "<sip:unavailable@unknown.invalid>",
            "<sip:13800000000@anonymous.invalid>",
            "<sip:unknown@192.0.2.9>",
            "<sip:192.0.2.9>",
            "<tel:anonymous>",
            "<sip:0@192.0.2.9>",
            "<sip:00000000@192.0.2.9>",
            "<sip:+266696687@192.0.2.9>",
            "<sip:266696687@192.0.2.9>",
            "<sip:7378742833@192.0.2.9>",
            "<sip:86282452253@192.0.2.9>",
            "<sip:+8656696@192.0.2.9>",
            "<sip:asterisk@192.0.2.9>",
        ] {
            for trust in [ALL, NONE] {
                assert_eq!(caller(from, "", trust), None, "{from}");
            }
        }
        for privacy in ["id", "user", "header", "user;id", "header; user ;id;critical", "ID", "none,id", "full"] {
            assert_eq!(caller(PLAIN, &format!("Privacy: {privacy}\r\n"), ALL), None, "{privacy}");
        }
        for privacy in ["none", "session", "critical", "history"] {
            let header = format!("Privacy: {privacy}\r\n");
            assert_eq!(caller(PLAIN, &header, NONE).as_deref(), Some("13800000000"), "{privacy}");
        }
        assert_eq!(caller("\"Unknown\" <sip:13800000000@h>", "", NONE).as_deref(), Some("13800000000"));
    }

    #[test]
    fn an_asserted_number_that_is_withheld_is_for_the_network_alone() {
        for privacy in ["id", "header", "user", "full", "id;critical", "user; ID ;critical"] {
            let headers = format!("Privacy: {privacy}\r\n{ASSERTED}");
            assert_eq!(caller(PLAIN, &headers, ALL).as_deref(), Some("13911112222"), "{privacy}");
            assert_eq!(shown(PLAIN, &headers, ALL), None, "{privacy}");
        }
        for from in [
            HIDDEN,
            "\"Anonymous\" <sip:13800000000@192.0.2.9>",
            "<sip:anonymous@192.0.2.9>",
            "<sip:13800000000@anonymous.invalid>",
            "<sip:266696687@192.0.2.9>",
        ] {
            assert_eq!(caller(from, ASSERTED, ALL).as_deref(), Some("13911112222"), "{from}");
            assert_eq!(shown(from, ASSERTED, ALL), None, "{from}");
        }
        for privacy in ["full", "uri", "name", "\"full\"", "\"name,uri-network\"", "FULL", "token"] {
            let headers =
                format!("Remote-Party-ID: <sip:13911112222@h>;party=calling;privacy={privacy};screen=yes\r\n");
            assert_eq!(caller(PLAIN, &headers, ALL).as_deref(), Some("13911112222"), "{privacy}");
            assert_eq!(shown(PLAIN, &headers, ALL), None, "{privacy}");
            let both = format!("{headers}{ASSERTED}");
            assert_eq!(shown(PLAIN, &both, ALL), None, "{privacy}");
        }
    }

    #[test]
    fn a_number_that_nobody_withholds_is_shown() {
        for from in [
            PLAIN,
            "<sip:unavailable@unknown.invalid>",
            "<sip:192.0.2.9>",
            "\"Unknown\" <sip:unknown@192.0.2.9>",
            "<sip:0@192.0.2.9>",
        ] {
            for headers in [ASSERTED.to_owned(), format!("Privacy: none\r\n{ASSERTED}")] {
                assert_eq!(shown(from, &headers, ALL).as_deref(), Some("13911112222"), "{from}");
            }
        }
        for privacy in ["off", "\"off\"", "none"] {
            let headers = format!("Remote-Party-ID: <sip:13911112222@h>;privacy={privacy}\r\n");
            assert_eq!(shown(PLAIN, &headers, ALL).as_deref(), Some("13911112222"), "{privacy}");
        }
        let of_another = "Remote-Party-ID: <sip:96110110@h>;party=called;privacy=full\r\n";
        assert_eq!(shown(PLAIN, of_another, ALL).as_deref(), Some("13800000000"));
        assert_eq!(shown(PLAIN, "", NONE).as_deref(), Some("13800000000"));
        assert_eq!(shown("<sip:8656696@192.0.2.9>", "", NONE).as_deref(), Some("8656696"), "a local number");
    }

    #[test]
    fn the_number_that_a_call_was_dialled_with_stands_beside_the_contact() {
        let dialled = |headers, trust| invite(PLAIN, headers).dialled_users(trust);
        let to = Some("9196".to_owned());
        assert_eq!(dialled("", ALL), [None, to.clone()]);
        let called = "P-Called-Party-ID: \"Desk\" <sip:+8696110110@gd.ims.example;user=phone>\r\n";
        assert_eq!(dialled(called, ALL), [Some("+8696110110".to_owned()), to.clone()]);
        assert_eq!(dialled(called, NONE), [None, to.clone()]);
        let tel = "P-Called-Party-ID: <tel:96110110;phone-context=+8620>\r\n";
        assert_eq!(dialled(tel, ALL)[0].as_deref(), Some("96110110;phone-context=+8620"));
        assert_eq!(dialled("P-Called-Party-ID: junk\r\n", ALL), [None, to]);
    }

    #[test]
    fn names_of_headers_make_a_trust() {
        let trust: IdentityTrust =
            ["P-Asserted-Identity", "diversion"].iter().filter_map(|n| IdentityHeader::from_name(n)).collect();
        assert_eq!(trust, IdentityTrust { remote_party_id: false, ..ALL });
        assert_eq!(IdentityHeader::from_name("from"), None);
    }

    proptest! {
        #[test]
        fn without_trust_no_header_but_from_and_privacy_matters(
            number in "1[0-9]{10}",
            header in prop_oneof![Just("P-Asserted-Identity"), Just("Remote-Party-ID"), Just("Diversion"), Just("P-Preferred-Identity")],
            value in "[ -~]{0,40}",
        ) {
            let from = format!("<sip:{number}@192.0.2.9>");
            prop_assert_eq!(caller(&from, &format!("{header}: {value}\r\n"), NONE), Some(number));
        }
    }
}
