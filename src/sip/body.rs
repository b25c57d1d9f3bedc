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
        kind if kind.starts_with("multipart/") => sdp_part(text, body),
        _ => None,
    }
}

/// A media type in lower case, without parameters.
pub(super) fn media_type(text: &str) -> String {
    let end = text.find(';').unwrap_or(text.len());
    text[..end].chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

fn sdp_part(content_type: &str, body: &Bytes) -> Option<Bytes> {
    let boundary = grammar::param(&content_type[content_type.find(';')?..], "boundary")?.trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let mark = format!("--{boundary}");
    let mut rest = body.clone();
    for _ in 0..limits::BODY_PARTS {
        let start = find(&rest, mark.as_bytes())? + mark.len();
        rest = rest.slice(start..);
        let end = find(&rest, mark.as_bytes())?;
        if let Some(sdp) = sdp_of_part(&rest.slice(..end)) {
            return Some(sdp);
        }
    }
    None
}

/// A part begins with the rest of its boundary's line; the line break before the next boundary is not part of it.
fn sdp_of_part(part: &Bytes) -> Option<Bytes> {
    let line = part.iter().position(|byte| *byte == b'\n')?;
    let (end, start) = head_end(part, line)?;
    let head = Head::read(&part[..end]);
    let kind = head.values_of(HeaderName::ContentType).next()?;
    let stop =
        part.len() - [b"\r\n".as_slice(), b"\n"].iter().find(|ending| part.ends_with(ending)).map_or(0, |e| e.len());
    (media_type(kind) == "application/sdp" && start <= stop).then(|| part.slice(start..stop))
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

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
}
