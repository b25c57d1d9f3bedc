//! Errors of requests, for programs and for people.

use std::time::Duration;

use serde::Serialize;

use super::route::PICTURE_TYPES;
use super::words::{self, CodeKind, Wording};
use inquiry::FactorError;

/// Why a request has no answer. No text repeats what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
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
    /// The request names no host, or several, or none that can be read (RFC 9112 §3.2).
    #[error("name the host in one Host header")]
    Host,
    /// The host that it names is not served here.
    #[error("this host is not served here: use the service's own address, or a name of web.hosts")]
    Misdirected,
    /// A scan that comes from no enrolled kiosk.
    #[error(
        "this is not an enrolled kiosk: send the second factor, as in POST /api/inquiry, or enrol it (jindu kiosk add)"
    )]
    NotEnrolled,
    /// A one-time code that enrols no kiosk.
    #[error("the one-time code is not valid: it was used, has expired, or is for another address")]
    EnrolmentCode,
    /// The limit of look-ups is reached.
    #[error("too many tries: wait {} seconds", .retry_after.as_secs())]
    Limited {
        /// When the first of the tries is forgotten.
        retry_after: Duration,
    },
    /// The photograph holds no barcode that can be read.
    #[error("no barcode was found: photograph it flat and sharp, so that it fills the picture")]
    NoBarcode,
    /// The photograph took longer to search than one may.
    #[error("no barcode was found in the time for one picture: photograph it closer, so that it fills the picture")]
    PictureTime,
    /// The photograph shows the barcodes of several receipts.
    #[error("the picture shows several receipts: send a picture of one")]
    SeveralReceipts,
    /// The photograph cannot be decoded.
    #[error("the picture cannot be read: send a JPEG, PNG or WebP photograph")]
    NoPicture,
    /// The photograph is of a format that is not decoded.
    #[error("{kind} pictures cannot be read: send a JPEG, PNG or WebP photograph")]
    PictureKind {
        /// The format's name.
        kind: &'static str,
    },
    /// The photograph is damaged.
    #[error("the picture is damaged: take or save it again")]
    PictureDamaged,
    /// The photograph is larger than is decoded.
    #[error("the picture has more than {pixels} pixels, or a side longer than {side}: send a smaller one")]
    TooManyPixels {
        /// The most pixels that are accepted.
        pixels: u64,
        /// The longest side that is accepted, in pixels.
        side: u32,
    },
    /// The number of an inquiry, or of its photograph, is none of a receipt: of another length, a waybill's, an identity
    /// document's.
    #[error("code is not a receipt number ({}): send the number on the receipt", .kind.code())]
    NotReceipt {
        /// What it is.
        kind: CodeKind,
    },
    /// The second factor of an inquiry is not written as that of its receipt's format.
    #[error("tail is not written as this receipt's second factor is: {factor}")]
    Factor {
        /// How it is written.
        factor: FactorError,
    },
    /// The client has taken its share of the service.
    #[error("too many requests from this address: try again in {} seconds", .retry_after.as_secs())]
    ClientShare {
        /// When there is room again.
        retry_after: Duration,
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

impl RequestError {
    /// The HTTP status (RFC 9110 §15, RFC 6585).
    pub fn status(&self) -> u16 {
        match self {
            RequestError::NotFound | RequestError::NoSpeech => 404,
            RequestError::Method { .. } => 405,
            RequestError::TooLarge { .. } | RequestError::TooManyPixels { .. } => 413,
            RequestError::MediaType { .. } | RequestError::NoPicture | RequestError::PictureKind { .. } => 415,
            RequestError::Json { .. } | RequestError::Field { .. } | RequestError::Broken | RequestError::Host => 400,
            RequestError::NotEnrolled | RequestError::EnrolmentCode => 403,
            RequestError::Misdirected => 421,
            RequestError::Slow => 408,
            RequestError::Limited { .. } | RequestError::ClientShare { .. } => 429,
            RequestError::NoBarcode
            | RequestError::PictureTime
            | RequestError::SeveralReceipts
            | RequestError::PictureDamaged
            | RequestError::NotReceipt { .. }
            | RequestError::Factor { .. } => 422,
            RequestError::Busy { .. } => 503,
        }
    }

    /// A stable code for programs, logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::NotFound => "not_found",
            RequestError::Method { .. } => "method",
            RequestError::TooLarge { .. } => "too_large",
            RequestError::MediaType { .. } => "media_type",
            RequestError::Json { .. } => "json",
            RequestError::Field { .. } => "field",
            RequestError::Slow => "slow",
            RequestError::Broken => "broken",
            RequestError::Host => "host",
            RequestError::Misdirected => "misdirected",
            RequestError::NotEnrolled => "not_enrolled",
            RequestError::EnrolmentCode => "enrolment_code",
            RequestError::Limited { .. } => "limited",
            RequestError::NoBarcode => "no_barcode",
            RequestError::PictureTime => "picture_time",
            RequestError::SeveralReceipts => "several_receipts",
            RequestError::NoPicture => "no_picture",
            RequestError::PictureKind { .. } => "picture_kind",
            RequestError::PictureDamaged => "picture_damaged",
            RequestError::TooManyPixels { .. } => "too_many_pixels",
            RequestError::NotReceipt { kind } => kind.code(),
            RequestError::Factor { .. } => "second_factor",
            RequestError::ClientShare { .. } => "client_share",
            RequestError::Busy { .. } => "busy",
            RequestError::NoSpeech => "no_speech",
        }
    }

    /// The value of Retry-After.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            RequestError::Limited { retry_after }
            | RequestError::ClientShare { retry_after }
            | RequestError::Busy { retry_after } => Some(*retry_after),
            RequestError::NotFound
            | RequestError::Method { .. }
            | RequestError::TooLarge { .. }
            | RequestError::MediaType { .. }
            | RequestError::Json { .. }
            | RequestError::Field { .. }
            | RequestError::Slow
            | RequestError::Broken
            | RequestError::Host
            | RequestError::Misdirected
            | RequestError::NotEnrolled
            | RequestError::EnrolmentCode
            | RequestError::NoBarcode
            | RequestError::PictureTime
            | RequestError::SeveralReceipts
            | RequestError::NoPicture
            | RequestError::PictureKind { .. }
            | RequestError::PictureDamaged
            | RequestError::TooManyPixels { .. }
            | RequestError::NotReceipt { .. }
            | RequestError::Factor { .. }
            | RequestError::NoSpeech => None,
        }
    }

    /// The value of Allow.
    pub fn allow(&self) -> Option<&'static str> {
        if let RequestError::Method { allow } = self { Some(allow) } else { None }
    }

    /// Whether the rest of the request cannot be read, so that the connection must close.
    pub fn closes_connection(&self) -> bool {
        matches!(self, RequestError::TooLarge { .. } | RequestError::Slow | RequestError::Broken)
    }

    /// The words on the screen, for problems that a person at a kiosk can meet.
    pub fn wording(&self) -> Option<Wording> {
        match self {
            RequestError::Limited { .. } => Some(words::limited()),
            RequestError::NotFound => Some(words::nothing_here()),
            RequestError::NotEnrolled => Some(words::not_enrolled()),
            RequestError::EnrolmentCode => Some(words::enrolment_code()),
            RequestError::NoBarcode => Some(words::no_barcode()),
            RequestError::PictureTime => Some(words::picture_time()),
            RequestError::SeveralReceipts => Some(words::several_receipts()),
            RequestError::NoPicture
            | RequestError::PictureKind { .. }
            | RequestError::MediaType { want: PICTURE_TYPES } => Some(words::picture_kind()),
            RequestError::PictureDamaged => Some(words::picture_damaged()),
            RequestError::TooManyPixels { .. } => Some(words::picture_too_large()),
            RequestError::NotReceipt { kind } => Some(kind.words()),
            RequestError::Factor { factor } => Some(words::factor(*factor)),
            RequestError::TooLarge { .. }
            | RequestError::ClientShare { .. }
            | RequestError::Busy { .. }
            | RequestError::Slow
            | RequestError::Broken => Some(words::busy()),
            RequestError::Method { .. }
            | RequestError::MediaType { .. }
            | RequestError::Json { .. }
            | RequestError::Field { .. }
            | RequestError::Host
            | RequestError::Misdirected
            | RequestError::NoSpeech => None,
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
            serde_json::from_slice(&RequestError::Limited { retry_after: Duration::from_secs(60) }.to_json()).unwrap();
        assert_eq!(json["error"], "limited");
        assert!(json["message"].as_str().unwrap().contains("wait 60 seconds"));
        for lang in ["zh", "yue", "en"] {
            assert!(!json["wording"][lang].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn a_problem_of_a_program_says_what_to_do_and_has_no_words() {
        let json: serde_json::Value =
            serde_json::from_slice(&RequestError::MediaType { want: "application/json" }.to_json()).unwrap();
        assert_eq!(json["message"], "send the body as application/json and declare it in Content-Type");
        assert!(json.get("wording").is_none());
    }

    #[test]
    fn a_body_that_is_no_picture_gets_the_words_of_one_that_cannot_be_read() {
        let problem = RequestError::MediaType { want: PICTURE_TYPES };
        assert_eq!(problem.wording(), RequestError::PictureKind { kind: "HEIC" }.wording());
        assert!(problem.wording().is_some());
    }
}
