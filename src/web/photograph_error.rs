//! What a photograph may cost, and why it has no text.

use std::time::Duration;

use super::RequestError;

/// Limits for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotographLimits {
    /// Pixels, checked in the header before decoding.
    pub pixels: u64,
    /// Octets of the decoded picture.
    pub octets: u64,
    /// The search ends after this time, between two attempts.
    pub time: Duration,
}

impl Default for PhotographLimits {
    fn default() -> PhotographLimits {
        // Phones of 48 megapixels take pictures of up to 50.
        PhotographLimits { pixels: 51_000_000, octets: 4 * 51_000_000, time: Duration::from_secs(3) }
    }
}

/// Why a photograph has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhotographError {
    /// The bytes are of no known format.
    #[error("neither JPEG, PNG nor WebP")]
    NoPicture,
    /// A known format that is not decoded.
    #[error("{0} instead of JPEG, PNG or WebP")]
    Kind(&'static str),
    /// One of the three formats, and not decodable.
    #[error("damaged")]
    Damaged,
    /// The header announces a larger picture than is decoded.
    #[error("more than {limit} pixels")]
    TooManyPixels {
        /// The most pixels that are accepted.
        limit: u64,
    },
    /// No attempt found a code, or the time was over before one did.
    #[error("no barcode found")]
    NoBarcode,
}

impl From<PhotographError> for RequestError {
    fn from(error: PhotographError) -> RequestError {
        match error {
            PhotographError::NoPicture => RequestError::NoPicture,
            PhotographError::Kind(kind) => RequestError::PictureKind { kind },
            PhotographError::Damaged => RequestError::PictureDamaged,
            PhotographError::TooManyPixels { limit } => RequestError::TooManyPixels { limit },
            PhotographError::NoBarcode => RequestError::NoBarcode,
        }
    }
}
