//! Message bodies: media type, and the session description in a plain or multipart body.

use bytes::Bytes;

use super::grammar;
use super::lexer::{Head, HeaderName, head_end};
use super::limits;

/// The session description in a body. SIP-I trunks send it in a multipart body together with ISUP (RFC 5621 §3.1). A body
/// without Content-Type counts as SDP if it starts like one.
pub(super) fn sdp(content_type: Option<&str>, body: &Bytes) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    let Some(text) = content_type else { return body.starts_with(b"v=0").then(|| body.clone()) };
    match media_type(text).as_str() {
        "application/sdp" => Some(body.clone()),
        kind if kind.starts_with("multipart/") => sdp_part(text, body, NESTING_MAX),
        _ => None,
    }
}

/// Whether a multipart body holds only parts that may be ignored (RFC 3261 §20.11 `handling=optional`).
pub(super) fn may_be_ignored(content_type: Option<&str>, body: &Bytes) -> bool {
    let Some(text) = content_type.filter(|text| media_type(text).starts_with("multipart/")) else { return false };
    let parts = parts(text, body);
    !parts.is_empty() && parts.iter().all(|part| is_optional(part.header("Content-Disposition")))
}

/// Whether a Content-Disposition value says that its body may be ignored.
pub(super) fn is_optional(disposition: Option<&str>) -> bool {
    disposition.is_some_and(|text| {
        grammar::param(&text[text.find(';').unwrap_or(text.len())..], "handling")
            .is_some_and(|handling| handling.trim_matches('"').eq_ignore_ascii_case("optional"))
    })
}

/// A media type in lower case, without parameters.
pub(super) fn media_type(text: &str) -> String {
    let end = text.find(';').unwrap_or(text.len());
    text[..end].chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

/// One part of a multipart body.
struct Part {
    head: Head,
    body: Bytes,
}

impl Part {
    /// Reads what stands between two delimiters. A part may have no headers.
    fn read(bytes: Bytes) -> Part {
        let (end, start) = match &bytes[..] {
            [b'\n', ..] => (0, 1),
            [b'\r', b'\n', ..] => (0, 2),
            _ => head_end(&bytes, 0).unwrap_or((bytes.len(), bytes.len())),
        };
        // The lexer takes the first line for a start line.
        let head = Head::read(&[b"part\r\n".as_slice(), &bytes[..end]].concat());
        Part { head, body: bytes.slice(start..) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let text = &self.head.text;
        let line = self.head.lines.iter().find(|line| text[line.spelling.clone()].eq_ignore_ascii_case(name))?;
        Some(&text[line.value.clone()])
    }

    /// The description of an early session is not that of the call (RFC 3959 §5).
    fn is_early_session(&self) -> bool {
        let kind = self.header("Content-Disposition").and_then(|text| text.split(';').next());
        kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("early-session"))
    }
}

fn sdp_part(content_type: &str, body: &Bytes, nesting: usize) -> Option<Bytes> {
    parts(content_type, body).into_iter().find_map(|part| {
        let kind = part.head.values_of(HeaderName::ContentType).next()?;
        match media_type(kind).as_str() {
            "application/sdp" => (!part.is_early_session()).then(|| part.body.clone()),
            inner if inner.starts_with("multipart/") && nesting > 0 => sdp_part(kind, &part.body, nesting - 1),
            _ => None,
        }
    })
}

/// The parts of a multipart body (RFC 2046 §5.1.1), at most so many as are searched. The last delimiter may be missing.
fn parts(content_type: &str, body: &Bytes) -> Vec<Part> {
    let params = &content_type[content_type.find(';').unwrap_or(content_type.len())..];
    let boundary = grammar::param(params, "boundary").unwrap_or("").trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return Vec::new();
    }
    let (mut parts, mut begun, mut at) = (Vec::new(), None, 0);
    while at < body.len() && parts.len() < limits::BODY_PARTS {
        let end = body[at..].iter().position(|byte| *byte == b'\n').map_or(body.len(), |length| at + length + 1);
        if let Some(closes) = delimiter(&body[at..end], boundary) {
            parts.extend(begun.map(|from| Part::read(body.slice(from..before_break(body, from, at)))));
            begun = (!closes).then_some(end);
            if closes {
                return parts;
            }
        }
        at = end;
    }
    if parts.len() < limits::BODY_PARTS {
        parts.extend(begun.map(|from| Part::read(body.slice(from..))));
    }
    parts
}

/// Whether a line is a delimiter, and whether it is the last one.
fn delimiter(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?.trim_ascii_end();
    match rest {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

/// The line break before a delimiter belongs to the delimiter.
fn before_break(body: &[u8], from: usize, delimiter: usize) -> usize {
    let part = &body[from..delimiter];
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    from + part.strip_suffix(b"\r").unwrap_or(part).len()
}

/// Multipart bodies in multipart bodies that are opened.
const NESTING_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_description_is_found_next_to_isup() {
        let body = "preamble\r\n--x-1\r\nContent-Type: application/isup; version=itu-t92+\r\n\r\n\u{1}\u{2}\r\n--x-1\r\n\
                    content-type : Application/SDP\r\nX: y\r\n\r\nv=0\r\ns=-\r\n\r\n--x-1--\r\n";
        let found = sdp(Some("multipart/mixed; boundary=\"x-1\""), &Bytes::from(body));
        assert_eq!(found.as_deref(), Some(b"v=0\r\ns=-\r\n".as_slice()));
    }

    #[test]
    fn a_body_without_a_type_is_sdp_if_it_starts_like_sdp() {
        assert!(sdp(None, &Bytes::from("v=0\r\n")).is_some());
        assert!(sdp(None, &Bytes::from("hello")).is_none());
        assert!(sdp(Some("text/plain"), &Bytes::from("v=0\r\n")).is_none());
    }

    #[test]
    fn overlapping_or_missing_boundaries_yield_no_description() {
        for body in ["------", "----\r\n\r\n----", "--x", "", "--\n\n--\n\n--"] {
            for kind in [
                "multipart/mixed;boundary=--",
                "multipart/mixed;boundary=x",
                "multipart/mixed",
                "multipart/x;boundary=",
            ] {
                assert_eq!(sdp(Some(kind), &Bytes::from(body)), None, "{body:?} {kind:?}");
            }
        }
    }

    fn multi(boundary: &str, parts: &[(&str, &str)], close: bool) -> String {
        let text: String = parts.iter().map(|(head, body)| format!("--{boundary}\r\n{head}\r\n{body}\r\n")).collect();
        if close { format!("{text}--{boundary}--\r\n") } else { text }
    }

    const SDP: (&str, &str) = ("Content-Disposition: session\r\nContent-Type: application/sdp\r\n", "v=0\r\ns=-\r\n");
    const ISUP: (&str, &str) =
        ("Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n", "\u{1}\n\n--x\u{2}");
    const KIND: &str = "Multipart/Mixed ; Boundary=b1";

    fn found(body: &str) -> Option<Vec<u8>> {
        sdp(Some(KIND), &Bytes::from(body.to_owned())).map(|sdp| sdp.to_vec())
    }

    #[test]
    fn a_session_description_is_found_in_every_multipart_body() {
        let inner = multi("in", &[SDP], true);
        let nested = ("Content-Type: multipart/alternative;boundary=in\r\n", &*inner);
        for body in [
            multi("b1", &[SDP, ISUP], true),
            multi("b1", &[ISUP, SDP], true),
            multi("b1", &[ISUP, SDP], false),
            format!("This is MIME\r\n{}epilogue", multi("b1", &[SDP], true)),
            multi("b1", &[ISUP, nested], true),
            multi(
                "b1",
                &[("Content-Type: text/plain\r\n", "--b1x\r\nContent-Type: application/sdp\r\n\r\nv=9"), SDP],
                true,
            ),
            multi(
                "b1",
                &[("Content-Disposition: early-session\r\nContent-Type: application/sdp\r\n", "v=0\r\n"), SDP],
                true,
            ),
            multi("b1", &[ISUP, SDP], true).replace("\r\n", "\n"),
        ] {
            let sdp = found(&body).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(String::from_utf8_lossy(&sdp).replace("\r\n", "\n").trim_end(), "v=0\ns=-", "{body}");
        }
        assert_eq!(found(&multi("b2", &[SDP], true)), None);
    }

    #[test]
    fn parts_that_are_all_optional_may_be_ignored() {
        let ignored = |body: &str| may_be_ignored(Some(KIND), &Bytes::from(body.to_owned()));
        assert!(ignored(&multi("b1", &[ISUP], true)));
        assert!(ignored(&multi("b1", &[ISUP, ISUP], false)));
        assert!(!ignored(&multi("b1", &[ISUP, ("Content-Type: text/plain\r\n", "x")], true)));
        assert!(!ignored("hello"));
        assert!(!may_be_ignored(Some("text/plain"), &Bytes::from("x")));
    }
}
