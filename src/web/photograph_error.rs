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
    /// The longer side, in pixels, checked in the header as well.
    pub side: u32,
    /// No attempt begins after this time.
    pub time: Duration,
}

impl Default for PhotographLimits {
    fn default() -> PhotographLimits {
        // Phones of 48 megapixels take pictures of up to 50; screenshots of whole pages are up to 30,000 pixels long.
        PhotographLimits { pixels: 51_000_000, octets: 4 * 51_000_000, side: 32_000, time: Duration::from_secs(3) }
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
    #[error("more than {pixels} pixels, or a side longer than {side}")]
    TooManyPixels {
        /// The most pixels that are accepted.
        pixels: u64,
        /// The longest side that is accepted.
        side: u32,
    },
    /// No attempt found a code.
    #[error("no barcode found")]
    NoBarcode,
    /// The time was over before an attempt found a code.
    #[error("no barcode found in time")]
    TimeOver,
    /// There are barcodes of several receipts.
    #[error("several receipts")]
    SeveralReceipts,
}

impl PhotographLimits {
    /// The error of a picture that is larger.
    pub fn exceeded(&self) -> PhotographError {
        PhotographError::TooManyPixels { pixels: self.pixels, side: self.side }
    }
}

impl From<PhotographError> for RequestError {
    fn from(error: PhotographError) -> RequestError {
        match error {
            PhotographError::NoPicture => RequestError::NoPicture,
            PhotographError::Kind(kind) => RequestError::PictureKind { kind },
            PhotographError::Damaged => RequestError::PictureDamaged,
            PhotographError::TooManyPixels { pixels, side } => RequestError::TooManyPixels { pixels, side },
            PhotographError::NoBarcode => RequestError::NoBarcode,
            PhotographError::TimeOver => RequestError::PictureTime,
            PhotographError::SeveralReceipts => RequestError::SeveralReceipts,
        }
    }
}
