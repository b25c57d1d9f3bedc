//! Errors of requests, for programs and for people.

use std::time::Duration;

use serde::Serialize;

use super::words::{self, Wording};

/// Why a request has no answer. No text repeats what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No route has this path.
    #[error("there is nothing at this path: scan with POST /api/scan; the kiosk page is at /kiosk")]
    NotFound,
    /// The path has a route, with another method.
    #[error("this path accepts {allow}")]
    Method {
        /// The value of Allow (RFC 9110 §10.2.1).
        allow: &'static str,
    },
    /// The body is longer than the route accepts.
    #[error("the body is too large: send at most {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The body is of another type, or of none.
    #[error("send the body as {want} and declare it in Content-Type")]
    MediaType {
        /// The types that are accepted.
        want: &'static str,
    },
    /// The JSON cannot be read; with the place, and never with the text there.
    #[error("the body is not the expected JSON (line {line}, column {column}): send {want}")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// The shape that is accepted.
        want: &'static str,
    },
    /// A field has a value that is not accepted.
    #[error("{field} {must}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What would be accepted, after the name: `must be 1, 2 or 3`.
        must: &'static str,
    },
    /// The body did not arrive in time.
    #[error("the request came too slowly: send it again at once")]
    Slow,
    /// The connection ended before the body did.
    #[error("the body ended before its Content-Length: send it again")]
    Broken,
    /// The limit of failed look-ups is reached.
    #[error("too many tries without a match: wait {} seconds", .retry_after.as_secs())]
    Limited {
        /// When the first of the failures is forgotten.
        retry_after: Duration,
    },
    /// The photograph holds no barcode that can be read.
    #[error("no barcode was found: photograph it flat and sharp, so that it fills the picture")]
    NoBarcode,
    /// The photograph cannot be decoded.
    #[error("the picture cannot be read: send a JPEG, PNG or WebP photograph")]
    NoPicture,
    /// The photograph is larger than is decoded.
    #[error("the picture has more than {limit} pixels: send a smaller one")]
    TooManyPixels {
        /// The most pixels that are accepted.
        limit: u64,
    },
    /// All workers are busy.
    #[error("all workers are busy: try again in {} seconds", .retry_after.as_secs())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The answer needs a clip that the release does not have.
    #[error("there is no recording of this answer: show its text")]
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

    /// A stable code for programs, logs and metrics.
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

    /// The value of Retry-After.
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

    /// The value of Allow.
    pub fn allow(&self) -> Option<&'static str> {
        if let Problem::Method { allow } = self { Some(allow) } else { None }
    }

    /// Whether the rest of the request cannot be read, so that the connection must close.
    pub fn ends_connection(&self) -> bool {
        matches!(self, Problem::TooLarge { .. } | Problem::Slow | Problem::Broken)
    }

    /// The words on the screen, for problems that a person at a kiosk can meet.
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
        struct Body {
            error: &'static str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            wording: Option<Wording>,
        }
        let body = Body { error: self.code(), message: self.to_string(), wording: self.wording() };
        serde_json::to_vec(&body).expect("strings serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_a_person_has_words_in_three_languages() {
        let json: serde_json::Value =
            serde_json::from_slice(&Problem::Limited { retry_after: Duration::from_secs(60) }.to_json()).unwrap();
        assert_eq!(json["error"], "limited");
        assert!(json["message"].as_str().unwrap().contains("wait 60 seconds"));
        for lang in ["zh", "yue", "en"] {
            assert!(!json["wording"][lang].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn a_problem_of_a_program_says_what_to_do_and_has_no_words() {
        let json: serde_json::Value =
            serde_json::from_slice(&Problem::MediaType { want: "application/json" }.to_json()).unwrap();
        assert_eq!(json["message"], "send the body as application/json and declare it in Content-Type");
        assert!(json.get("wording").is_none());
    }
}
