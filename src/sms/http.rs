//! A carrier by HTTP: the request of an attempt, and what an answer means.

use serde_json::Value;

use crate::carrier::Outcome;
use crate::settings::{HttpCarrier, Success};
use crate::signature::signature;
use crate::template::{Escape, Values};

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// The content of the secret's file.
#[derive(Clone, Copy, Default)]
pub struct HttpSecret<'a>(pub &'a str);

/// The request for a message: `time` in seconds since 1970. The same message has the same `id` at each attempt.
pub fn request(
    carrier: &HttpCarrier,
    HttpSecret(secret): HttpSecret<'_>,
    number: &str,
    text: &str,
    id: &str,
    time: i64,
) -> HttpRequest {
    let time = time.to_string();
    let plain = Values { number, text, id, time: &time, secret, ..Values::default() };
    let escape = escape_of(carrier);
    let unsigned_body = carrier.body.fill(&plain, escape);
    let to_sign = Values { body: &unsigned_body, ..plain };
    let signature = carrier
        .sign
        .as_ref()
        .map(|sign| signature(secret.as_bytes(), &sign.fill(&to_sign, Escape::None), carrier.encoding))
        .unwrap_or_default();
    let signed = Values { signature: &signature, ..plain };
    let header =
        |(name, value): &(String, crate::template::Template)| (name.clone(), value.fill(&signed, Escape::None));
    HttpRequest {
        method: carrier.method.clone(),
        url: carrier.url.fill(&signed, Escape::Percent),
        headers: carrier.headers.iter().map(header).collect(),
        body: carrier.body.fill(&signed, escape),
    }
}

/// How values stand in the body: by its Content-Type.
fn escape_of(carrier: &HttpCarrier) -> Escape {
    let kind = carrier.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = kind.map(|(_, value)| value.to_string().to_ascii_lowercase()).unwrap_or_default();
    if kind.contains("json") {
        Escape::Json
    } else if kind.contains("form-urlencoded") {
        Escape::Percent
    } else {
        Escape::None
    }
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body, or as much of it as is read.
    pub body: &'a [u8],
}

/// What an answer means.
///
/// | answer | means |
/// |---|---|
/// | a status of success, and a value of success where a field is named | sent |
/// | such a status, and a value that means later, or no readable field | tried again |
/// | such a status, and another value | rejected |
/// | 429, 503 | tried again, and others wait, too |
/// | 408, 409, 425, other 5xx | tried again |
/// | 401, 403, 404, 405, 407, 1xx, 3xx | the carrier does not serve this node: it counts as unreachable |
/// | other 4xx | rejected |
pub fn judge(success: &Success, answer: Answer<'_>) -> Outcome {
    if success.statuses.iter().any(|range| range.contains(&answer.status)) {
        let Some(field) = &success.field else { return Outcome::Sent };
        return match value_of(field, answer.body) {
            Some(value) if success.values.contains(&value) => Outcome::Sent,
            Some(value) if success.later_values.contains(&value) => Outcome::Later("the answer's field says so"),
            Some(_) => Outcome::Rejected("the answer's field says so"),
            None => Outcome::Later("the answer lacks the field of sms.http.ok_field"),
        };
    }
    match answer.status {
        429 | 503 => Outcome::Throttled,
        408 | 409 | 425 => Outcome::Later("a status that asks for another attempt"),
        401 | 403 | 407 => Outcome::Unreachable("the carrier refuses this node: see sms.http and its secret"),
        404 | 405 => Outcome::Unreachable("the carrier has no such address: see sms.http.url"),
        400..=499 => Outcome::Rejected("a status of refusal"),
        500..=599 => Outcome::Later("a status of a failure at the carrier"),
        _ => Outcome::Unreachable("a status that is not an answer: see sms.http.url and sms.http.ok_status"),
    }
}

/// The value of the field that decides, for the log and for questions to the carrier; none if it is no short code: it might hold the
/// number.
pub fn answer_code(success: &Success, answer: Answer<'_>) -> Option<String> {
    let value = value_of(success.field.as_deref()?, answer.body)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    (value.len() <= CODE_MAX && digits < NUMBER_MIN && value.chars().all(is_plain)).then_some(value)
}

const CODE_MAX: usize = 40;
/// Digits of a short telephone number.
const NUMBER_MIN: usize = 7;

/// A field of a JSON body as text.
fn value_of(field: &str, body: &[u8]) -> Option<String> {
    // The body may be in another encoding or begin with a byte order mark; the field of the code is ASCII all the same. The second
    // octet of a GBK character may be a backslash.
    let text = String::from_utf8_lossy(body).replace("\u{fffd}\\", "\u{fffd}");
    let body: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    let found = field.split('.').try_fold(&body, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(found.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::signature::Encoding;

    fn carrier(kind: &str, body: &str) -> HttpCarrier {
        let template = |text: &str| text.parse().expect("a template");
        HttpCarrier {
            url: template("https://sms.example/send?id={id}&sig={signature}"),
            method: "POST".into(),
            headers: vec![("Content-Type".into(), template(kind)), ("X-Time".into(), template("{time}"))],
            body: template(body),
            sign: Some(template("{time}\n{body}")),
            encoding: Encoding::Base64,
            secret_file: None,
            success: success(),
            timeout: Duration::from_secs(1),
            at_once_max: 1,
            ca_file: None,
        }
    }

    fn success() -> Success {
        Success {
            statuses: vec![200..=299],
            field: Some("result.code".into()),
            values: vec!["0".into()],
            later_values: vec!["9".into()],
        }
    }

    #[test]
    fn the_carriers_code_is_told_and_nothing_that_may_be_a_number() {
        let code = |body: &str| answer_code(&success(), Answer { status: 200, body: body.as_bytes() });
        assert_eq!(code("{\"result\":{\"code\":\"17\"}}").as_deref(), Some("17"));
        assert_eq!(code("{\"result\":{\"code\":\"E-LIMIT\"}}").as_deref(), Some("E-LIMIT"));
        for other in ["13800138000", "to 138", "x\u{7}"] {
            assert_eq!(code(&format!("{{\"result\":{{\"code\":\"{other}\"}}}}")), None, "{other}");
        }
        assert_eq!(code("no JSON"), None);
    }

    #[test]
    fn a_request_is_filled_and_signed() {
        let carrier = carrier("application/json", "{\"to\":\"86{number}\",\"t\":\"{text}\"}");
        let made = request(&carrier, HttpSecret("k"), "13800138000", "尾号\"1\"", "0a", 7);
        assert_eq!(made.body, "{\"to\":\"8613800138000\",\"t\":\"尾号\\\"1\\\"\"}");
        let signature = signature(b"k", &format!("7\n{}", made.body), Encoding::Base64);
        let encoded = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert_eq!(made.url, format!("https://sms.example/send?id=0a&sig={encoded}"));
        assert_eq!(made.headers[1], ("X-Time".into(), "7".into()));
    }

    #[test]
    fn a_form_is_percent_encoded() {
        let carrier = carrier("application/x-www-form-urlencoded", "to={number}&text={text}");
        assert_eq!(request(&carrier, HttpSecret("k"), "1", "a&b", "0a", 7).body, "to=1&text=a%26b");
    }

    #[test]
    fn an_answer_means_one_thing() {
        let judged = |status, body: &str| judge(&success(), Answer { status, body: body.as_bytes() });
        assert_eq!(judged(200, "{\"result\":{\"code\":0}}"), Outcome::Sent);
        assert_eq!(judged(202, "{\"result\":{\"code\":\"0\"}}"), Outcome::Sent);
        assert!(matches!(judged(200, "{\"result\":{\"code\":9}}"), Outcome::Later(_)));
        assert!(matches!(judged(200, "{\"result\":{\"code\":3}}"), Outcome::Rejected(_)));
        for body in ["", "<html>", "{\"result\":0}", "{}"] {
            assert!(matches!(judged(200, body), Outcome::Later(_)), "{body}");
        }
        let gbk = [b"{\"result\":{\"code\":\"0\",\"msg\":\"".as_slice(), &[0xb3, 0xc9, 0xb9, 0xa6], b"\"}}"].concat();
        assert_eq!(judge(&success(), Answer { status: 200, body: &gbk }), Outcome::Sent);
        assert_eq!(judged(200, "\u{feff}{\"result\":{\"code\":0}}"), Outcome::Sent);
        assert_eq!(judged(429, ""), Outcome::Throttled);
        assert!(matches!(judged(500, ""), Outcome::Later(_)));
        assert!(matches!(judged(400, ""), Outcome::Rejected(_)));
        for status in [101, 302, 401, 403, 404] {
            assert!(matches!(judged(status, ""), Outcome::Unreachable(_)), "{status}");
        }
        let any = Success { field: None, ..success() };
        assert_eq!(judge(&any, Answer { status: 204, body: b"" }), Outcome::Sent);
    }
}
