//! What went wrong with a request, told to a program and to a person.

use std::time::Duration;

use serde::Serialize;

use super::words::{self, Wording};

/// Why a request has no answer. None of them repeats what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("nothing is here: scan with POST /api/scan, the kiosk page is at /kiosk")]
    NotFound,
    #[error("this path takes {allow}")]
    Method { allow: &'static str },
    #[error("the body may have at most {limit} bytes")]
    TooLarge { limit: usize },
    #[error("send the body as {want}, and name it in Content-Type")]
    MediaType { want: &'static str },
    /// The JSON does not read; where, but not what stood there.
    #[error("the body is not the JSON that is expected here (line {line}, column {column}): send {want}")]
    Json { line: usize, column: usize, want: &'static str },
    #[error("{field} {must}")]
    Field { field: &'static str, must: &'static str },
    /// The body did not come in time.
    #[error("the request came too slowly: send it again at once")]
    Slow,
    /// The body broke off.
    #[error("the body ended before its length: send it again")]
    Broken,
    #[error("too many tries without a match: wait {} seconds", .retry_after.as_secs())]
    Limited { retry_after: Duration },
    #[error("no barcode was found: photograph it flat, sharp and filling the picture")]
    NoBarcode,
    #[error("the picture cannot be read: send a JPEG, PNG or WebP photograph")]
    NoPicture,
    #[error("the picture has more than {limit} pixels: send a smaller one")]
    TooManyPixels { limit: u64 },
    /// All workers are busy.
    #[error("too much is asked at once: try again in {} seconds", .retry_after.as_secs())]
    Busy { retry_after: Duration },
    #[error("there is no recording of this answer: show its words")]
    NoSpeech,
}

impl Problem {
    /// The HTTP status (RFC 9110 §15, RFC 6585).
    pub fn status(&self) -> u16 {
        match self {
            Problem::NotFound | Problem::NoSpeech => 404,
            Problem::Method { .. } => 405,
            Problem::TooLarge { .. } | Problem::TooManyPixels { .. } => 413,
            Problem::MediaType { .. } | Problem::NoPicture => 415,
            Problem::Json { .. } | Problem::Field { .. } | Problem::Broken => 400,
            Problem::Slow => 408,
            Problem::Limited { .. } => 429,
            Problem::NoBarcode => 422,
            Problem::Busy { .. } => 503,
        }
    }

    /// A word for programs, logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::NotFound => "not_found",
            Problem::Method { .. } => "method",
            Problem::TooLarge { .. } => "too_large",
            Problem::MediaType { .. } => "media_type",
            Problem::Json { .. } => "json",
            Problem::Field { .. } => "field",
            Problem::Slow => "slow",
            Problem::Broken => "broken",
            Problem::Limited { .. } => "limited",
            Problem::NoBarcode => "no_barcode",
            Problem::NoPicture => "no_picture",
            Problem::TooManyPixels { .. } => "too_many_pixels",
            Problem::Busy { .. } => "busy",
            Problem::NoSpeech => "no_speech",
        }
    }

    /// When to come back, if that is what is asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Problem::Limited { retry_after } | Problem::Busy { retry_after } => Some(*retry_after),
            Problem::NotFound
            | Problem::Method { .. }
            | Problem::TooLarge { .. }
            | Problem::MediaType { .. }
            | Problem::Json { .. }
            | Problem::Field { .. }
            | Problem::Slow
            | Problem::Broken
            | Problem::NoBarcode
            | Problem::NoPicture
            | Problem::TooManyPixels { .. }
            | Problem::NoSpeech => None,
        }
    }

    /// The methods that would do.
    pub fn allow(&self) -> Option<&'static str> {
        if let Problem::Method { allow } = self { Some(allow) } else { None }
    }

    /// Whether what is left of the request cannot be read any more, so that the connection must end.
    pub fn ends_connection(&self) -> bool {
        matches!(self, Problem::TooLarge { .. } | Problem::Slow | Problem::Broken)
    }

    /// What a screen shows, for the problems that a person at a kiosk can meet.
    pub fn wording(&self) -> Option<Wording> {
        match self {
            Problem::Limited { .. } => Some(words::limited()),
            Problem::NoBarcode | Problem::NoPicture | Problem::TooManyPixels { .. } => Some(words::no_barcode()),
            Problem::TooLarge { .. } | Problem::Busy { .. } | Problem::Slow | Problem::Broken => Some(words::busy()),
            Problem::NotFound
            | Problem::Method { .. }
            | Problem::MediaType { .. }
            | Problem::Json { .. }
            | Problem::Field { .. }
            | Problem::NoSpeech => None,
        }
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Told {
            error: &'static str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            wording: Option<Wording>,
        }
        let told = Told { error: self.code(), message: self.to_string(), wording: self.wording() };
        serde_json::to_vec(&told).expect("strings serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_that_a_person_can_meet_has_words_in_three_languages() {
        let json: serde_json::Value =
            serde_json::from_slice(&Problem::Limited { retry_after: Duration::from_secs(60) }.to_json()).unwrap();
        assert_eq!(json["error"], "limited");
        assert!(json["message"].as_str().unwrap().contains("wait 60 seconds"));
        for lang in ["zh", "yue", "en"] {
            assert!(!json["wording"][lang].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn a_problem_of_programs_says_what_to_do_and_has_no_words() {
        let json: serde_json::Value =
            serde_json::from_slice(&Problem::MediaType { want: "application/json" }.to_json()).unwrap();
        assert_eq!(json["message"], "send the body as application/json, and name it in Content-Type");
        assert!(json.get("wording").is_none());
    }
}
