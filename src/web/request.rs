//! JSON bodies of the scan API.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use super::RequestError;
use base::{Lang, Private};
use inquiry::Score;

/// The most bytes of a JSON body: a QR code's text and some room.
pub const JSON_BYTES_MAX: usize = 8 * 1024;
/// The most bytes of a scanned text; a version 40 QR code holds 2,953 (ISO/IEC 18004).
pub(super) const CODE_BYTES_MAX: usize = 3 * 1024;

/// The name that a kiosk gives itself, made fit for logs: at most 32 characters of `A–Z a–z 0–9 . _ -`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kiosk(String);

impl Kiosk {
    /// Makes a name fit. Other characters become `_`; so do the digits of a name with more than six of them, which may be a
    /// personal number in the wrong field. A name is never refused, so that every applicant gets an answer.
    pub fn named(name: &str) -> Kiosk {
        let numbered = name.chars().filter(char::is_ascii_digit).count() > KIOSK_DIGITS_MAX;
        let fit = |c: char| match c {
            '0'..='9' if numbered => '_',
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        };
        Kiosk(name.chars().take(KIOSK_CHARS_MAX).map(fit).collect())
    }

    /// The name; empty when none was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kiosk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "-" } else { &self.0 })
    }
}

/// `POST /api/scan`: a text as scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequest {
    /// As scanned or typed, prefixes and suffixes included.
    pub code: Private<String>,
    /// The kiosk; empty if not given.
    pub kiosk: Kiosk,
    /// The second factor, which the answer needs where no kiosk asks.
    pub tail: Option<Private<String>>,
}

impl ScanRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`] or [`RequestError::Field`].
    pub fn read(body: &[u8]) -> Result<ScanRequest, RequestError> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow)]
            code: Cow<'a, str>,
            #[serde(borrow, default)]
            kiosk: Option<Cow<'a, str>>,
            #[serde(borrow, default)]
            tail: Option<Cow<'a, str>>,
        }
        let written: Written<'_> = json(body, r#"{"code": "...", "kiosk": "..."}"#)?;
        let tail = written.tail.as_deref().map(tail).transpose()?;
        Ok(ScanRequest { code: code(&written.code)?, kiosk: kiosk(written.kiosk.as_deref()), tail })
    }
}

/// `POST /api/scan/speech`: the answer to a scan as speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeechRequest {
    /// The scan whose answer is spoken.
    pub scan: ScanRequest,
    /// The language to speak.
    pub lang: Lang,
}

impl SpeechRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`] or [`RequestError::Field`].
    pub fn read(body: &[u8]) -> Result<SpeechRequest, RequestError> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow)]
            lang: Cow<'a, str>,
        }
        let written: Written<'_> = json(body, r#"{"code": "...", "lang": "zh", "kiosk": "..."}"#)?;
        let lang = Lang::from_code(&written.lang)
            .ok_or(RequestError::Field { field: "lang", must: "must be zh, yue or en" })?;
        Ok(SpeechRequest { scan: ScanRequest::read(body)?, lang })
    }
}

/// `POST /api/rate`: 1 satisfied, 2 fair, 3 not satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRequest {
    /// The key that was pressed.
    pub score: Score,
    /// The kiosk; empty if not given.
    pub kiosk: Kiosk,
}

impl RateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`] or [`RequestError::Field`].
    pub fn read(body: &[u8]) -> Result<RateRequest, RequestError> {
        #[derive(Deserialize)]
        struct Written<'a> {
            score: u8,
            #[serde(borrow, default)]
            kiosk: Option<Cow<'a, str>>,
        }
        let written: Written<'_> = json(body, r#"{"score": 1, "kiosk": "..."}"#)?;
        if !(1..=3).contains(&written.score) {
            return Err(RequestError::Field { field: "score", must: "must be 1, 2 or 3" });
        }
        Ok(RateRequest { score: Score::of(written.score), kiosk: kiosk(written.kiosk.as_deref()) })
    }
}

pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8], want: &'static str) -> Result<T, RequestError> {
    // Only the place of the error is kept: its text may quote what was sent.
    serde_json::from_slice(body).map_err(|error| RequestError::Json {
        line: error.line(),
        column: error.column(),
        want,
    })
}

pub(super) fn code(code: &str) -> Result<Private<String>, RequestError> {
    if code.len() > CODE_BYTES_MAX {
        return Err(RequestError::Field { field: "code", must: "must be at most 3072 bytes" });
    }
    Ok(Private::new(code.to_owned()))
}

pub(super) fn tail(tail: &str) -> Result<Private<String>, RequestError> {
    if tail.len() > TAIL_BYTES_MAX {
        return Err(RequestError::Field { field: "tail", must: "must be at most 64 bytes" });
    }
    Ok(Private::new(tail.to_owned()))
}

fn kiosk(name: Option<&str>) -> Kiosk {
    Kiosk::named(name.unwrap_or(""))
}

const TAIL_BYTES_MAX: usize = 64;
const KIOSK_CHARS_MAX: usize = 32;
const KIOSK_DIGITS_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_kiosk_name_is_refused_and_none_holds_a_number() {
        assert_eq!(Kiosk::named("north hall/3").as_str(), "north_hall_3");
        assert_eq!(Kiosk::named("k-440100123456789").as_str(), "k-_______________");
        assert_eq!(Kiosk::named("一楼\n1").as_str(), "___1");
        assert_eq!(Kiosk::named(&"a".repeat(99)).as_str().len(), 32);
    }

    #[test]
    fn a_scan_needs_a_code_and_may_name_its_kiosk() {
        let scan = ScanRequest::read(br#"{"code":"]C0123","kiosk":"north-1","later":[1]}"#).unwrap();
        assert_eq!(scan.code.expose(), "]C0123");
        assert_eq!(scan.kiosk.as_str(), "north-1");
        assert_eq!(ScanRequest::read(br#"{"code":"1","kiosk":null}"#).unwrap().kiosk, Kiosk::default());
        assert!(matches!(ScanRequest::read(br#"{"kiosk":"a"}"#), Err(RequestError::Json { .. })));
    }

    #[test]
    fn escapes_and_full_width_characters_arrive_whole() {
        let scan = ScanRequest::read(r#"{"code":"\u0031２\n"}"#.as_bytes()).unwrap();
        assert_eq!(scan.code.expose(), "1２\n");
    }

    #[test]
    fn an_error_never_repeats_what_was_sent() {
        for body in [
            r#"{"code":440100123456789}"#,
            r#"{"code":["440100123456789"]}"#,
            r#"{"code":"440100123456789""#,
            r#"{"code":"1","code":"440100123456789"}"#,
            r#""440100123456789""#,
        ] {
            let problem = ScanRequest::read(body.as_bytes()).unwrap_err();
            let body = String::from_utf8(problem.to_json()).unwrap();
            assert!(!body.contains("4401"), "{body}");
            assert_eq!(problem.status(), 400);
        }
    }

    #[test]
    fn hostile_bodies_are_errors() {
        let deep = "[".repeat(8000);
        let long = format!(r#"{{"code":"{}"}}"#, "1".repeat(CODE_BYTES_MAX + 1));
        for body in ["", "null", "{", "{}", "\u{feff}{}", &deep, &long, "{\"code\":\"\\ud800\"}", "[\"1\",\"2\",3]"] {
            assert!(ScanRequest::read(body.as_bytes()).is_err(), "{}", &body[..body.len().min(20)]);
        }
        assert!(ScanRequest::read(b"{\"code\":\"\xff\xfe\"}").is_err());
    }

    #[test]
    fn speech_needs_a_language_and_a_rating_a_score() {
        assert_eq!(SpeechRequest::read(br#"{"code":"1","lang":"yue"}"#).unwrap().lang, Lang::Yue);
        assert!(SpeechRequest::read(br#"{"code":"1","lang":"fr"}"#).is_err());
        assert_eq!(RateRequest::read(br#"{"score":3}"#).unwrap().score, Score::NotSatisfied);
        for score in ["0", "4", "-1", "1.5", "256", "\"1\""] {
            assert!(RateRequest::read(format!(r#"{{"score":{score}}}"#).as_bytes()).is_err(), "{score}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ScanRequest::read(&body);
            let _ = SpeechRequest::read(&body);
            let _ = RateRequest::read(&body);
        }

        #[test]
        fn any_code_comes_through_as_it_was(code in "\\PC{0,200}") {
            let body = serde_json::json!({ "code": code }).to_string();
            let read = ScanRequest::read(body.as_bytes()).unwrap();
            prop_assert_eq!(read.code.expose(), &code);
        }
    }
}
