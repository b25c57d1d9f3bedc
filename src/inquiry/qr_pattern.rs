//! The QR texts that a receipt number is read from: literal text with one place for the number.
//!
//! A pattern that is a web address is compared as RFC 3986 §6.2.2 and §6.2.3 say: scheme and host without regard to
//! case, the scheme's own port as no port, `%2d` as `-`; the path as it is. Two exceptions are made for what prints and
//! reads codes: a text without a small letter, as the alphanumeric mode of QR codes holds it (ISO/IEC 18004 §7.4.4), is
//! compared without regard to case, and one that a keyboard wedge typed with Caps Lock on has all its cases exchanged.

use super::scan_rule_error::ScanRuleError;

/// One pattern.
#[derive(Clone, Debug)]
pub(super) struct QrPattern {
    /// What stands before and after the number, normalised if it is a web address.
    before: String,
    after: String,
    is_address: bool,
    /// The number stands in the path, so that a slash may follow it.
    is_path: bool,
}

impl QrPattern {
    /// Reads a pattern: it holds `{receipt}` once.
    pub(super) fn new(pattern: &str) -> Result<QrPattern, ScanRuleError> {
        let error = || ScanRuleError::Pattern(pattern.to_owned());
        let (before, after) = pattern.split_once(SLOT).ok_or_else(error)?;
        if after.contains(SLOT) {
            return Err(error());
        }
        let (before, after) = (before.to_owned(), after.to_owned());
        let literal = QrPattern { before: before.clone(), after: after.clone(), is_address: false, is_path: false };
        // A number in the host's name, or in a text that is no address, is compared letter for letter.
        let Some(address) = Address::read(&before).filter(|address| !address.rest.is_empty()) else {
            return Ok(literal);
        };
        let is_path = !before.contains(['?', '#']);
        Ok(QrPattern { before: address.text(), after: unescaped(&after), is_address: true, is_path })
    }

    /// What stands in the number's place in any reading of a text.
    pub(super) fn number(&self, text: &str) -> Option<String> {
        if !self.is_address {
            return self.between(text, false);
        }
        let written = Address::read(text).or_else(|| Address::read(&escaped_whole(text)?))?;
        let shouted = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        let read = self.between(&written.text(), shouted);
        if read.is_some() || !written.caps_lock {
            return read;
        }
        self.between(&Address { rest: unescaped(&exchanged(&written.rest)), ..written }.text(), false)
    }

    fn between(&self, text: &str, any_case: bool) -> Option<String> {
        let rest = without_prefix(text, &self.before, any_case)?;
        let number = match without_suffix(rest, &self.after, any_case) {
            Some(number) if !(self.is_path && number.ends_with('/')) => number,
            Some(_) | None if self.is_path => without_suffix(rest.strip_suffix('/')?, &self.after, any_case)?,
            Some(_) | None => return None,
        };
        Some(number.to_owned())
    }
}

/// A web address in parts, normalised.
struct Address {
    scheme: String,
    /// Host and port.
    authority: String,
    /// Path, query and fragment.
    rest: String,
    /// The scheme is in capitals.
    caps_lock: bool,
}

impl Address {
    /// `None` for a text that is no address, or one that names a user: `https://office@elsewhere/` is elsewhere.
    fn read(text: &str) -> Option<Address> {
        let (scheme, after) = text.split_once("://")?;
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(is_of_scheme) {
            return None;
        }
        let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
        let authority = unescaped(authority).to_ascii_lowercase();
        if authority.is_empty() || authority.contains('@') {
            return None;
        }
        let lower = scheme.to_ascii_lowercase();
        let port = match &*lower {
            "https" => ":443",
            "http" => ":80",
            _ => ":",
        };
        let authority = authority.strip_suffix(port).unwrap_or(&authority);
        let authority = authority.strip_suffix(':').unwrap_or(authority);
        let (host, port) = authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let host = host.strip_suffix('.').unwrap_or(host);
        let authority = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // An empty path is the root (RFC 3986 §6.2.3).
        let root = if rest.starts_with(['?', '#']) { "/" } else { "" };
        let caps_lock = !scheme.bytes().any(|byte| byte.is_ascii_lowercase());
        Some(Address { scheme: lower, authority, rest: format!("{root}{}", unescaped(rest)), caps_lock })
    }

    fn text(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.rest)
    }
}

fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Percent-encoded unreserved characters as they are, other percent-encodings in capitals (RFC 3986 §6.2.2.1, §6.2.2.2).
fn unescaped(text: &str) -> String {
    decoded(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// The address in a text that was percent-encoded as a whole.
fn escaped_whole(text: &str) -> Option<String> {
    let text = decoded(text, |byte| byte.is_ascii_graphic());
    text.contains("://").then_some(text)
}

fn decoded(text: &str, wanted: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut left = text;
    while let Some(at) = left.find('%') {
        out.push_str(&left[..at]);
        let code = left.get(at + 1..at + 3).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.map(|code| (code, u8::from_str_radix(code, 16))) {
            Some((_, Ok(byte))) if wanted(byte) => out.push(char::from(byte)),
            Some((code, _)) => {
                out.push('%');
                out.push_str(&code.to_ascii_uppercase());
            }
            None => out.push('%'),
        }
        left = &left[at + code.map_or(1, |_| 3)..];
    }
    out + left
}

/// Small letters as capitals and the reverse, as Caps Lock types them.
pub(super) fn exchanged(text: &str) -> String {
    let exchange = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(exchange).collect()
}

fn without_prefix<'a>(text: &'a str, prefix: &str, any_case: bool) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    let same = if any_case { start.eq_ignore_ascii_case(prefix) } else { start == prefix };
    same.then(|| &text[prefix.len()..])
}

fn without_suffix<'a>(text: &'a str, suffix: &str, any_case: bool) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let end = text.get(at..)?;
    let same = if any_case { end.eq_ignore_ascii_case(suffix) } else { end == suffix };
    same.then(|| &text[..at])
}

const SLOT: &str = "{receipt}";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(pattern: &str, text: &str) -> Option<String> {
        QrPattern::new(pattern).expect("a pattern").number(text)
    }

    const PATH: &str = "https://crj.example.gov.cn/r/{receipt}";
    const QUERY: &str = "https://jz.example/Look?n={receipt}&v=a";

    #[test]
    fn an_address_is_the_same_address_however_it_is_written() {
        for text in [
            "https://crj.example.gov.cn/r/4401",
            "HTTPS://CRJ.EXAMPLE.GOV.CN/r/4401",
            "https://CRJ.example.GOV.cn/r/4401",
            "HTTPS://CRJ.EXAMPLE.GOV.CN/R/4401",
            "https://crj.example.gov.cn:443/r/4401",
            "https://crj.example.gov.cn:/r/4401",
            "https://crj.example.gov.cn./r/4401",
            "https://crj.example.gov.cn.:443/r/4401/",
            "https://crj.example.gov.cn/%72/44%301",
            "https://%63rj.example.gov.cn/r/4401",
            "https%3A%2F%2Fcrj.example.gov.cn%2Fr%2F4401",
            "https%3a%2f%2fcrj.example.gov.cn%2fr%2f4401",
            "HTTPS%3A%2F%2FCRJ.EXAMPLE.GOV.CN%2FR%2F4401",
        ] {
            assert_eq!(number(PATH, text).as_deref(), Some("4401"), "{text}");
        }
        for text in ["https://jz.example/Look?n=4401&v=a", "HTTPS://JZ.EXAMPLE/LOOK?N=4401&V=A"] {
            assert_eq!(number(QUERY, text).as_deref(), Some("4401"), "{text}");
        }
        assert_eq!(number(QUERY, "HTTPS://JZ.EXAMPLE/lOOK?N=4401&V=A").as_deref(), Some("4401"), "Caps Lock");
        assert_eq!(number("https://h.example?n={receipt}", "https://h.example/?n=4401").as_deref(), Some("4401"));
        let upper = "HTTPS://CRJ.EXAMPLE.GOV.CN/R/{receipt}";
        assert_eq!(number(upper, "https://crj.example.gov.cn/R/4401").as_deref(), Some("4401"));
        let escaped = "https://h.example/a%2fb/{receipt}";
        assert_eq!(number(escaped, "https://h.example/a%2Fb/4401").as_deref(), Some("4401"));
    }

    #[test]
    fn another_address_is_none() {
        for text in [
            "https://crj.example.gov.cn/R/4401",
            "http://crj.example.gov.cn/r/4401",
            "https://crj.example.gov.cn:8443/r/4401",
            "https://crj.example.gov.cn@evil.example/r/4401",
            "https://crj.example.gov.cn.evil.example/r/4401",
            "https://evil.example/https://crj.example.gov.cn/r/4401",
            "https://crj.example.gov.cn/r%2F4401",
            "crj.example.gov.cn/r/4401",
            "xhttps://crj.example.gov.cn/r/4401",
            "https://crj.example.gov.cn//r/4401",
        ] {
            assert_eq!(number(PATH, text), None, "{text}");
        }
        assert_eq!(number(QUERY, "https://jz.example/Look?n=4401&v=A"), None);
        assert_eq!(number(QUERY, "https://jz.example/Look?n=4401&v=a/"), None, "a slash in a query is a value");
    }

    #[test]
    fn a_pattern_that_is_no_address_is_literal() {
        assert_eq!(number("NO={receipt};", "NO=4401;").as_deref(), Some("4401"));
        assert_eq!(number("NO={receipt};", "no=4401;"), None);
        assert!(QrPattern::new("x").is_err() && QrPattern::new("{receipt}{receipt}").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|(https|HTTPS|http)://[a-z%0-9:@./?#é]{0,40}", pattern in "\\PC{0,9}\\{receipt\\}\\PC{0,9}") {
            let _ = number(PATH, &text);
            let _ = number(QUERY, &text);
            if let Ok(pattern) = QrPattern::new(&pattern) {
                let _ = pattern.number(&text);
            }
        }

        #[test]
        fn scheme_and_host_are_read_in_any_case(upper in proptest::collection::vec(any::<bool>(), 26)) {
            let start = "https://crj.example.gov.cn";
            let mixed: String = start.chars().zip(&upper).map(|(c, up)| if *up { c.to_ascii_uppercase() } else { c }).collect();
            let text = format!("{mixed}/r/4401");
            prop_assert_eq!(number(PATH, &text), Some("4401".to_owned()));
        }
    }
}
