//! The values of WWW-Authenticate, Proxy-Authenticate, Authorization and Proxy-Authorization (RFC 3261 §25.1).

use std::fmt;

use super::Algorithm;
use crate::grammar::{end_of_quoted, is_token};

/// A challenge that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// As written between its quotes: it is hashed and sent back so.
    pub realm: String,
    /// As written.
    pub nonce: String,
    /// Sent back as written.
    pub opaque: Option<String>,
    /// The hash; MD5 where none is named.
    pub algorithm: Algorithm,
    /// Whether the key is made of nonce and client nonce (`-sess`).
    pub session: bool,
    /// The credentials were right, their nonce too old.
    pub stale: bool,
    /// `qop` offers `auth`.
    pub auth: bool,
    /// `qop` offers `auth-int`.
    pub auth_int: bool,
}

impl Challenge {
    /// The challenges of one header line. What is not Digest, has an unknown algorithm, or offers only unknown qualities
    /// of protection, is left out (RFC 7616 §3.3).
    pub fn read_all(line: &str) -> Vec<Challenge> {
        split_schemes(line).into_iter().filter_map(|params| Challenge::from_params(&params)).collect()
    }

    fn from_params(params: &[(&str, &str)]) -> Option<Challenge> {
        let value = |name: &str| value_of(params, name);
        let (algorithm, session) = value("algorithm").map_or(Some((Algorithm::Md5, false)), Algorithm::read)?;
        let qop = value("qop");
        let offers = |wanted: &str| {
            qop.is_some_and(|qop| qop.split(',').any(|offered| offered.trim().eq_ignore_ascii_case(wanted)))
        };
        let challenge = Challenge {
            realm: value("realm")?.into(),
            nonce: value("nonce").filter(|nonce| !nonce.is_empty())?.into(),
            opaque: value("opaque").map(Into::into),
            algorithm,
            session,
            stale: value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            auth: offers("auth"),
            auth_int: offers("auth-int"),
        };
        (qop.is_none_or(|qop| qop.trim().is_empty()) || challenge.auth || challenge.auth_int).then_some(challenge)
    }
}

/// The credentials of a request, as its sender states them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Without escapes.
    pub user: String,
    /// As written between its quotes.
    pub realm: String,
    /// As written.
    pub nonce: String,
    /// The URI that was hashed.
    pub uri: String,
    /// Lower-case hex.
    pub response: String,
    /// The hash; MD5 where none is named.
    pub algorithm: Algorithm,
    /// Whether the key is made of nonce and client nonce (`-sess`).
    pub session: bool,
    /// `auth` or `auth-int` in lower case; empty without one.
    pub qop: String,
    /// The client's nonce.
    pub cnonce: String,
    /// Eight hex digits as written; empty without qop.
    pub nc: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(_)")
    }
}

impl Credentials {
    /// Reads an Authorization line; `None` unless it is a complete Digest value with a known algorithm.
    pub fn read(line: &str) -> Option<Credentials> {
        let params = split_schemes(line).into_iter().next()?;
        let value = |name: &str| value_of(&params, name);
        let (algorithm, session) = value("algorithm").map_or(Some((Algorithm::Md5, false)), Algorithm::read)?;
        let owned = |name: &str| value(name).unwrap_or("").to_owned();
        let credentials = Credentials {
            user: unescape_quoted(value("username").filter(|user| !user.is_empty())?),
            realm: value("realm")?.into(),
            nonce: value("nonce")?.into(),
            uri: value("uri")?.into(),
            response: value("response")?.to_ascii_lowercase(),
            algorithm,
            session,
            qop: owned("qop").to_ascii_lowercase(),
            cnonce: owned("cnonce"),
            nc: owned("nc"),
        };
        let counted = credentials.nc.len() == 8 && credentials.nc.bytes().all(|byte| byte.is_ascii_hexdigit());
        let complete = match credentials.qop.as_str() {
            "" => true,
            "auth" | "auth-int" => counted && !credentials.cnonce.is_empty(),
            _ => false,
        };
        complete.then_some(credentials)
    }
}

/// The realm of any credentials in a line, without the rest being complete: another realm's are not for this server.
pub(super) fn realm_of(line: &str) -> Option<&str> {
    split_schemes(line).into_iter().next().and_then(|params| value_of(&params, "realm"))
}

/// A parameter of an Authentication-Info line, which names no scheme (RFC 7616 §3.5).
pub(super) fn info_value(line: &str, name: &str) -> Option<String> {
    let line = format!("Digest {line}");
    split_schemes(&line).first().and_then(|params| value_of(params, name)).map(Into::into)
}

fn value_of<'a>(params: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// The parameters of each Digest value of a line; quoted values without their quotes, escapes kept.
///
/// A line of SIP holds one value (RFC 3261 §20.27); several, as HTTP writes them, are told apart by a scheme, which is
/// a token without `=`. Reading ends at what is malformed.
fn split_schemes(line: &str) -> Vec<Vec<(&str, &str)>> {
    let mut found: Vec<(bool, Vec<(&str, &str)>)> = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = rest.bytes().position(|byte| !is_token(byte)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            break;
        }
        let after = after.trim_start();
        match after.strip_prefix('=') {
            None => {
                found.push((name.eq_ignore_ascii_case("Digest"), Vec::new()));
                rest = after;
            }
            Some(value) => {
                let (Some((_, params)), Some((value, more))) = (found.last_mut(), read_value(value.trim_start()))
                else {
                    break;
                };
                params.push((name, value));
                rest = more;
            }
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    found.into_iter().filter(|(digest, _)| *digest).map(|(_, params)| params).take(VALUES_MAX).collect()
}

/// One value, and what follows it.
fn read_value(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('"') {
        let close = end_of_quoted(text.as_bytes(), 0).ok()?;
        return Some((&text[1..close], &text[close + 1..]));
    }
    // Senders forget the quotes of values that are no tokens: a nonce in base64, a URI. A backslash would mean something
    // else between the quotes in which the value is sent back.
    let end = text.find([',', ' ', '\t', '"']).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (!value.contains('\\')).then_some((value, rest))
}

/// A text as the content of a quoted string.
pub(super) fn escape_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// The content of a quoted string: a backslash stands before what it protects (RFC 3261 §25.1).
pub(super) fn unescape_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        out.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
    }
    out
}

/// Digest values of one line that are looked at.
const VALUES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_challenge_is_read_however_it_is_spaced() {
        let line = "digest realm = \"a, \\\"b\\\"\" , NONCE=\"n=\" ,qop=\"auth-int , auth\",opaque=\"\",stale=TRUE, algorithm=sha-256,x=y";
        let [challenge] = &Challenge::read_all(line)[..] else { panic!("one") };
        assert_eq!(challenge.realm, "a, \\\"b\\\"");
        assert_eq!((challenge.nonce.as_str(), challenge.opaque.as_deref()), ("n=", Some("")));
        assert_eq!(challenge.algorithm, Algorithm::Sha256);
        assert!(challenge.stale && challenge.auth && challenge.auth_int && !challenge.session);
    }

    #[test]
    fn several_values_of_one_line_are_told_apart_and_other_schemes_left_out() {
        let line = "Basic realm=\"b\", Digest realm=\"d\", nonce=\"1\", Bearer realm=\"x\", nonce=\"2\", Digest realm=\"e\",nonce=3";
        let realms: Vec<_> = Challenge::read_all(line).into_iter().map(|challenge| challenge.realm).collect();
        assert_eq!(realms, ["d", "e"]);
    }

    #[test]
    fn what_cannot_be_answered_is_no_challenge() {
        for line in [
            "",
            "Digest",
            "Digest realm=\"r\"",
            "Digest nonce=\"n\"",
            "Digest realm=\"r\", nonce=\"\"",
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-1",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
            "realm=\"r\", nonce=\"n\"",
            "Digest realm=\"r, nonce=n",
        ] {
            assert!(Challenge::read_all(line).is_empty(), "{line}");
        }
        assert_eq!(Challenge::read_all("Digest realm=\"r\", nonce=\"n\", qop=\"\"").len(), 1);
    }

    #[test]
    fn credentials_are_complete_or_none() {
        let sound = "Digest username=\"a\\\"b\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", response=\"ABCD\", qop=auth, nc=0000000A, cnonce=\"c\"";
        let credentials = Credentials::read(sound).expect("complete");
        assert_eq!((credentials.user.as_str(), credentials.response.as_str()), ("a\"b", "abcd"));
        for (from, to) in [
            ("username=\"a\\\"b\", ", ""),
            ("nonce=\"n\", ", ""),
            ("nc=0000000A", "nc=A"),
            ("cnonce=\"c\"", "cnonce=\"\""),
            ("qop=auth", "qop=auth-conf"),
            ("Digest", "Basic"),
        ] {
            assert!(Credentials::read(&sound.replace(from, to)).is_none(), "{to}");
        }
    }

    /// A parameter that may stand anywhere, and means nothing here.
    fn unknown() -> impl Strategy<Value = String> {
        let value = prop_oneof!["[a-zA-Z0-9+/=:.-]{0,12}", "\"([ -!#-\\[\\]-~\u{e9}\u{5e7f}]|\\\\[ -~]){0,12}\""];
        ("x-[a-z]{1,6}", value).prop_map(|(name, value)| format!("{name}={value}"))
    }

    /// A line of these parameters in any order, among others, with names in any case and any spaces.
    fn line(params: Vec<String>) -> impl Strategy<Value = String> {
        let count = params.len();
        let all = proptest::collection::vec(unknown(), 0..4).prop_map(move |more| [params.clone(), more].concat());
        let spaces = proptest::collection::vec(("[ \t]{0,2}", "[ \t]{0,2}", any::<bool>()), count + 4);
        (all.prop_shuffle(), spaces).prop_map(|(params, spaces)| {
            let params = params.iter().zip(spaces).map(|(param, (before, after, upper))| {
                let (name, value) = param.split_once('=').expect("a name and a value");
                let name = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
                format!("{name}{before}={after}{value}{before}")
            });
            format!("Digest {}", params.collect::<Vec<_>>().join(","))
        })
    }

    fn quoted(name: &str, text: &str) -> String {
        format!("{name}=\"{}\"", escape_quoted(text))
    }

    /// Any text but control characters, which a header line cannot hold, and U+FFFD, after which no backslash escapes.
    const TEXT: &str = "[ -~\u{a0}-\u{4e2d}\"\\\\]{1,16}";

    fn challenge_line() -> impl Strategy<Value = ([String; 3], bool, &'static str, Algorithm, String)> {
        let algorithms = proptest::sample::select(Algorithm::ALL.to_vec());
        let qop = proptest::sample::select(vec!["auth", "auth-int", "auth,auth-int", "auth-int , auth", ""]);
        ([TEXT, TEXT, TEXT], any::<bool>(), qop, algorithms).prop_flat_map(|(texts, stale, qop, algorithm)| {
            let [realm, nonce, opaque] = &texts;
            let params = vec![
                quoted("realm", realm),
                quoted("nonce", nonce),
                quoted("opaque", opaque),
                format!("stale={stale}"),
                format!("qop=\"{qop}\""),
                format!("algorithm={}", algorithm.name()),
            ];
            (Just(texts), Just(stale), Just(qop), Just(algorithm), line(params))
        })
    }

    #[test]
    fn a_value_without_quotes_means_the_same_between_them_or_is_not_read() {
        let line = |nonce| format!("Digest realm=\"r\", nonce={nonce}, qop=\"auth\"");
        assert_eq!(Challenge::read_all(&line("a/b+c=="))[0].nonce, "a/b+c==");
        for nonce in ["a\\", "\\\"a", "a\\b"] {
            assert!(Challenge::read_all(&line(nonce)).is_empty(), "{nonce}");
        }
    }

    proptest! {
        #[test]
        fn a_challenge_is_read_in_any_order_with_any_other_parameters(
            ([realm, nonce, opaque], stale, qop, algorithm, line) in challenge_line(),
        ) {
            let found = Challenge::read_all(&line);
            prop_assert_eq!(found.len(), 1, "{}", line);
            let challenge = &found[0];
            prop_assert_eq!(unescape_quoted(&challenge.realm), realm);
            prop_assert_eq!(unescape_quoted(&challenge.nonce), nonce);
            prop_assert_eq!(challenge.opaque.as_deref().map(unescape_quoted), Some(opaque));
            prop_assert_eq!((challenge.stale, challenge.algorithm, challenge.session), (stale, algorithm, false));
            let offered: Vec<_> = qop.split(',').map(str::trim).collect();
            let expected = (offered.contains(&"auth"), offered.contains(&"auth-int"));
            prop_assert_eq!((challenge.auth, challenge.auth_int), expected);
        }

        #[test]
        fn a_next_nonce_is_read_among_other_parameters(nonce in TEXT, more in proptest::collection::vec(unknown(), 0..4)) {
            let params = [more, vec!["qop=auth".into(), quoted("nextnonce", &nonce)]].concat();
            let found = info_value(&params.join(", "), "nextnonce").map(|found| unescape_quoted(&found));
            prop_assert_eq!(found, Some(nonce));
        }

        #[test]
        fn an_escaped_text_is_read_as_it_was(text in TEXT) {
            prop_assert_eq!(unescape_quoted(&escape_quoted(&text)), text);
        }

        #[test]
        fn no_text_panics(line in ".{0,200}", tail in "[Digest rlmonc=\",\\\\a-z]{0,80}") {
            for text in [line.clone(), format!("Digest {tail}"), format!("{line}Digest {tail}")] {
                let _ = (Challenge::read_all(&text), Credentials::read(&text), realm_of(&text));
            }
        }
    }
}
