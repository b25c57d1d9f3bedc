//! Requests of the public page: number and second factor, as JSON or as a form; a kiosk's one-time code, as a form.

use std::borrow::Cow;

use serde::Deserialize;

use super::RequestError;
use super::request::{code as checked_code, json, tail};
use base::{Lang, Private};

/// `POST /api/inquiry`, and the form of the public page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiryRequest {
    /// The receipt number, as typed or scanned.
    pub code: Private<String>,
    /// The second factor, as typed.
    pub tail: Private<String>,
}

impl InquiryRequest {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// [`RequestError::Json`] or [`RequestError::Field`].
    pub fn read(body: &[u8]) -> Result<InquiryRequest, RequestError> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow)]
            code: Cow<'a, str>,
            #[serde(borrow)]
            tail: Cow<'a, str>,
        }
        let written: Written<'_> = json(body, r#"{"code": "...", "tail": "..."}"#)?;
        Ok(InquiryRequest { code: checked_code(&written.code)?, tail: tail(&written.tail)? })
    }

    /// Reads the body of a form.
    ///
    /// # Errors
    /// [`RequestError::Field`] for a field that is missing or too long.
    pub fn read_form(body: &[u8]) -> Result<InquiryRequest, RequestError> {
        let text = |name, must| form_value(body, name).ok_or(RequestError::Field { field: name, must });
        let code = text("code", "must be the number on the receipt")?;
        let factor = text("tail", "must be the second factor")?;
        Ok(InquiryRequest { code: checked_code(code.trim())?, tail: tail(factor.trim())? })
    }
}

/// The one-time code of the form that enrols a kiosk.
pub fn read_enrol_form(body: &[u8]) -> Option<Private<String>> {
    form_value(body, "code").map(Private::new)
}

/// A value of a form or a query (WHATWG URL §5.1). What is no UTF-8 is replaced.
pub fn form_value(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = form.split(|byte| *byte == b'&').map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
    });
    pairs.find(|(given, _)| given == name).map(|(_, value)| value)
}

fn decoded(text: &[u8]) -> String {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        let escape = digit(at + 1).zip(digit(at + 2)).filter(|_| *byte == b'%');
        let (byte, length) = match escape {
            Some((high, low)) => ((high * 16 + low) as u8, 3),
            None => (if *byte == b'+' { b' ' } else { *byte }, 1),
        };
        bytes.push(byte);
        at += length;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The language in the query of `POST /api/scan/image/speech`.
///
/// # Errors
/// [`RequestError::Field`].
pub fn speech_language(query: Option<&str>) -> Result<Lang, RequestError> {
    let code = query.and_then(|query| form_value(query.as_bytes(), "lang"));
    let lang = code.and_then(|code| Lang::from_code(&code));
    lang.ok_or(RequestError::Field { field: "lang", must: "must be zh, yue or en, in the address: ?lang=zh" })
}

/// The language that a page is wanted in: by its query, else by Accept-Language (RFC 9110 §12.5.4), else Mandarin.
pub fn page_language(query: Option<&str>, accept: Option<&str>) -> Lang {
    let asked = query.and_then(|query| form_value(query.as_bytes(), "lang")).and_then(|code| Lang::from_code(&code));
    let accepted = || {
        let mut ranges: Vec<(u32, Lang)> =
            accept?.split(',').take(LANGUAGES_MAX).filter_map(accepted_language).collect();
        ranges.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        ranges.first().map(|(_, lang)| *lang)
    };
    asked.or_else(accepted).unwrap_or(Lang::Zh)
}

/// One range with its quality in thousandths.
fn accepted_language(range: &str) -> Option<(u32, Lang)> {
    let mut parts = range.split(';').map(str::trim);
    let tag = parts.next()?.to_ascii_lowercase();
    let quality: f32 = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse).ok()?;
    let traditional = ["yue", "zh-hk", "zh-mo", "zh-tw", "zh-hant"];
    let lang = match tag.as_str() {
        tag if traditional.iter().any(|start| tag.starts_with(start)) => Lang::Yue,
        tag if tag == "zh" || tag.starts_with("zh-") => Lang::Zh,
        tag if tag == "en" || tag.starts_with("en-") => Lang::En,
        _ => return None,
    };
    (quality > 0.0).then_some(((quality.min(1.0) * 1000.0) as u32, lang))
}

const LANGUAGES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_and_json_are_the_same_request() {
        let form = InquiryRequest::read_form(b"lang=en&code=+4401+6323%204719229&tail=123%58&more").unwrap();
        let json = InquiryRequest::read(br#"{"code":"4401 6323 4719229","tail":"123X"}"#).unwrap();
        assert_eq!(form, json);
        assert_eq!(read_enrol_form(b"code=ab-cd").unwrap().expose(), "ab-cd");
    }

    #[test]
    fn a_request_without_second_factor_is_refused_and_no_error_repeats_it() {
        for body in [&b"code=440163234719229"[..], b"", b"tail=1", b"&&&="] {
            assert!(matches!(InquiryRequest::read_form(body), Err(RequestError::Field { .. })));
        }
        let long = format!("code=1&tail={}", "1".repeat(65));
        assert!(InquiryRequest::read_form(long.as_bytes()).is_err());
        let problem = InquiryRequest::read(br#"{"code":"440163234719229"}"#).unwrap_err();
        assert!(!String::from_utf8(problem.to_json()).unwrap().contains("4401"));
    }

    #[test]
    fn a_page_comes_in_the_language_that_is_asked_for() {
        assert_eq!(page_language(Some("lang=yue"), Some("en")), Lang::Yue);
        assert_eq!(page_language(Some("lang=fr"), Some("en-GB,zh;q=0.5")), Lang::En);
        assert_eq!(page_language(None, Some("fr, zh-Hant-HK;q=0.9, en;q=0.3")), Lang::Yue);
        assert_eq!(page_language(None, Some("zh-CN;q=0.2, en;q=0.8, yue;q=0")), Lang::En);
        assert_eq!(page_language(None, Some("fr")), Lang::Zh);
        assert_eq!(page_language(None, None), Lang::Zh);
        assert_eq!(speech_language(Some("lang=yue")), Ok(Lang::Yue));
        for none in [None, Some(""), Some("lang="), Some("lang=fr"), Some("long=en")] {
            assert!(matches!(speech_language(none), Err(RequestError::Field { field: "lang", .. })), "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            let _ = InquiryRequest::read(&body);
            let _ = InquiryRequest::read_form(&body);
            let _ = page_language(Some(&text), Some(&text));
        }
    }
}
