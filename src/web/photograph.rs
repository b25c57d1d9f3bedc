//! Reads the barcode in a photograph.
//!
//! A hand-held picture is seldom straight, sharp or of the right size, a screen may show light marks on a dark ground, and a
//! code may be cut out on a dark one. It is tried at several sizes (a smaller one also has less noise) and angles, inverted,
//! sharpened, and on white, cheapest first, until an attempt gives a wanted text or the time is over. A long screenshot is
//! searched in tiles.

use std::time::Duration;

use image::GrayImage;
use rxing::common::HybridBinarizer;
use rxing::multi::{GenericMultipleBarcodeReader, MultipleBarcodeReader};
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Luma8Source, MultiFormatReader};

use super::attempt::{Step, steps};
use super::barcode_search::{BarcodeSearch, FoundTexts};
use super::photograph_error::{PhotographError, PhotographLimits};
use super::picture;
use super::request::CODE_BYTES_MAX;
use base::Private;

/// A grey picture.
#[derive(Clone, Debug)]
pub struct Photograph {
    grey: GrayImage,
}

impl Photograph {
    /// Checks by the first bytes whether a picture is of a format that is decoded.
    ///
    /// # Errors
    /// [`PhotographError::NoPicture`] or [`PhotographError::Kind`].
    pub fn check_kind(bytes: &[u8]) -> Result<(), PhotographError> {
        picture::format(bytes).map(|_| ())
    }

    /// Decodes a picture whose size is within the limits.
    ///
    /// # Errors
    /// [`PhotographError::NoPicture`], [`PhotographError::Kind`], [`PhotographError::Damaged`] or
    /// [`PhotographError::TooManyPixels`].
    pub fn read(bytes: &[u8], limits: PhotographLimits) -> Result<Photograph, PhotographError> {
        picture::grey(bytes, limits).map(|grey| Photograph { grey })
    }

    /// The texts of the barcodes that each attempt finds, tile by tile: Code 128, Code 39, ITF, QR or PDF417. An attempt
    /// is made when the iterator is asked, and takes up to a second, or far longer on a picture that was made for it.
    pub fn attempts(&self) -> impl Iterator<Item = FoundTexts> + '_ {
        steps(self.grey.dimensions()).into_iter().map(|Step { attempt, tile, ends_attempt }| {
            let texts = attempt.picture(&self.grey, tile).map(|picture| texts(&picture));
            FoundTexts { texts: texts.unwrap_or_default(), ends_attempt }
        })
    }

    /// The text of the barcode of a receipt, else of any that was found. `receipt_of` reads a text as a receipt number;
    /// `spent` says how long the search has lasted, and is asked between attempts.
    ///
    /// # Errors
    /// [`PhotographError::NoBarcode`], [`PhotographError::SeveralReceipts`] or [`PhotographError::TimeOver`].
    pub fn barcode(
        &self,
        limits: PhotographLimits,
        spent: impl Fn() -> Duration,
        receipt_of: impl Fn(&str) -> Option<Private<String>>,
    ) -> Result<Private<String>, PhotographError> {
        let mut search = BarcodeSearch::default();
        let mut attempts = self.attempts();
        while spent() < limits.time {
            let Some(found) = attempts.next() else { return search.exhausted() };
            if let Some(result) = search.take(found, &receipt_of) {
                return result;
            }
        }
        search.time_over()
    }
}

/// All texts in a picture, those of safer codes first.
fn texts(picture: &GrayImage) -> Vec<Private<String>> {
    let formats = [
        BarcodeFormat::CODE_128,
        BarcodeFormat::CODE_39,
        BarcodeFormat::ITF,
        BarcodeFormat::QR_CODE,
        BarcodeFormat::PDF_417,
    ];
    let hints = DecodeHints { PossibleFormats: Some(formats.into()), TryHarder: Some(true), ..DecodeHints::default() };
    let Ok(source) = Luma8Source::new_with_slice(picture.as_raw(), picture.width(), picture.height()) else {
        return Vec::new();
    };
    let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
    let mut reader = GenericMultipleBarcodeReader::new(MultiFormatReader::default());
    let mut found = reader.decode_multiple_with_hints(&mut bitmap, &hints).unwrap_or_default();
    // ITF has no check of its own, and is seen where there is none.
    found.sort_by_key(|result| *result.getBarcodeFormat() == BarcodeFormat::ITF);
    let text = |result: &rxing::RXingResult| result.getText().to_owned();
    let is_fit = |text: &String| !text.is_empty() && text.len() <= CODE_BYTES_MAX;
    found.iter().map(text).filter(is_fit).map(Private::new).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::imageops;
    use image::{ImageFormat, Luma, LumaA, RgbaImage};
    use rxing::{MultiFormatWriter, Writer};

    use super::*;
    use crate::attempt::turned;

    const RECEIPT: &str = "440126112300018";

    fn barcode(text: &str, format: BarcodeFormat, width: i32, height: i32) -> GrayImage {
        let matrix = MultiFormatWriter.encode(text, &format, width, height).unwrap();
        let (w, h) = (matrix.getWidth(), matrix.getHeight());
        let code = GrayImage::from_fn(w, h, |x, y| Luma([if matrix.get(x, y) { 20 } else { 235 }]));
        let mut sheet = GrayImage::from_pixel(w + 200, h + 300, Luma([235]));
        imageops::replace(&mut sheet, &code, 100, 150);
        sheet
    }

    fn encoded(picture: &GrayImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image::DynamicImage::from(picture.clone()).to_rgb8().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<String, PhotographError> {
        let limits = PhotographLimits::default();
        let text = Photograph::read(bytes, limits)?.barcode(
            limits,
            || Duration::ZERO,
            |text| text.contains("4401").then(|| Private::new(text.to_owned())),
        )?;
        Ok(text.into_inner())
    }

    #[test]
    fn every_kind_of_barcode_and_every_kind_of_picture_is_read() {
        for (format, width, height, file) in [
            (BarcodeFormat::CODE_128, 400, 100, ImageFormat::Png),
            (BarcodeFormat::CODE_39, 600, 100, ImageFormat::Jpeg),
            (BarcodeFormat::QR_CODE, 200, 200, ImageFormat::WebP),
            (BarcodeFormat::PDF_417, 400, 200, ImageFormat::Jpeg),
        ] {
            let bytes = encoded(&barcode(RECEIPT, format, width, height), file);
            assert_eq!(read(&bytes).as_deref(), Ok(RECEIPT), "{format:?} {file:?}");
        }
        let itf = encoded(&barcode("0440126112300018", BarcodeFormat::ITF, 700, 160), ImageFormat::Png);
        assert_eq!(read(&itf).as_deref(), Ok("0440126112300018"));
    }

    #[test]
    fn a_turned_picture_is_read() {
        let upright = barcode(RECEIPT, BarcodeFormat::CODE_128, 600, 240);
        for degrees in [90.0, 180.0, 17.0, -25.0, 48.0] {
            let bytes = encoded(&turned(&upright, degrees), ImageFormat::Png);
            assert_eq!(read(&bytes).as_deref(), Ok(RECEIPT), "{degrees}");
        }
    }

    #[test]
    fn an_unwanted_barcode_is_the_second_best() {
        let mut both = GrayImage::from_pixel(1100, 1200, Luma([235]));
        imageops::replace(&mut both, &barcode("SF1234567890", BarcodeFormat::CODE_128, 700, 160), 50, 50);
        let waybill = encoded(&both, ImageFormat::Png);
        assert_eq!(read(&waybill).as_deref(), Ok("SF1234567890"));
        imageops::replace(&mut both, &barcode(RECEIPT, BarcodeFormat::CODE_128, 700, 160), 50, 650);
        assert_eq!(read(&encoded(&both, ImageFormat::Png)).as_deref(), Ok(RECEIPT));
    }

    #[test]
    fn a_picture_without_a_barcode_and_a_broken_one_differ() {
        let blank = encoded(&GrayImage::from_pixel(400, 300, Luma([200])), ImageFormat::Png);
        assert_eq!(read(&blank), Err(PhotographError::NoBarcode));
        for damaged in [&blank[..blank.len() / 2], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"] {
            assert_eq!(read(damaged), Err(PhotographError::Damaged));
        }
        for hostile in [&b""[..], b"no picture", &[0; 4096]] {
            assert_eq!(read(hostile), Err(PhotographError::NoPicture));
        }
        for (other, kind) in
            [(&b"GIF89a"[..], "GIF"), (b"<svg/>", "SVG"), (b"\0\0\0\x24ftypheic\0\0\0\0", "HEIC"), (b"%PDF-1.4", "PDF")]
        {
            assert_eq!(read(other), Err(PhotographError::Kind(kind)));
        }
    }

    #[test]
    fn light_marks_on_a_dark_ground_are_read() {
        for (format, width, height) in [
            (BarcodeFormat::QR_CODE, 200, 200),
            (BarcodeFormat::CODE_128, 400, 100),
            (BarcodeFormat::PDF_417, 400, 200),
        ] {
            let mut picture = barcode(RECEIPT, format, width, height);
            imageops::invert(&mut picture);
            assert_eq!(read(&encoded(&picture, ImageFormat::Png)).as_deref(), Ok(RECEIPT), "{format:?}");
        }
    }

    /// A barcode drawn in one tone on a transparent ground.
    fn transparent(tone: u8, format: BarcodeFormat) -> Vec<u8> {
        let grey = barcode(RECEIPT, format, 300, 300);
        let drawn = |x, y| if grey.get_pixel(x, y).0[0] < 128 { [tone, tone, tone, 255] } else { [0, 0, 0, 0] };
        let picture = RgbaImage::from_fn(grey.width(), grey.height(), |x, y| image::Rgba(drawn(x, y)));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_transparent_ground_is_one_that_the_marks_stand_out_from() {
        for format in [BarcodeFormat::QR_CODE, BarcodeFormat::CODE_128] {
            for tone in [0, 90, 255] {
                assert_eq!(read(&transparent(tone, format)).as_deref(), Ok(RECEIPT), "{tone} {format:?}");
            }
        }
        // Light and dark marks on their own ground, and transparency around.
        let grey = barcode(RECEIPT, BarcodeFormat::QR_CODE, 300, 300);
        let alpha = |x: u32| if x < 90 { 0 } else { 255 };
        let own = image::GrayAlphaImage::from_fn(grey.width(), grey.height(), |x, y| {
            LumaA([grey.get_pixel(x, y).0[0], alpha(x)])
        });
        let mut bytes = Cursor::new(Vec::new());
        own.write_to(&mut bytes, ImageFormat::Png).unwrap();
        assert_eq!(read(&bytes.into_inner()).as_deref(), Ok(RECEIPT));
    }

    #[test]
    fn a_picture_of_48_megapixels_is_made_smaller() {
        let code = barcode(RECEIPT, BarcodeFormat::CODE_128, 2600, 700);
        let mut picture = GrayImage::from_pixel(6048, 8064, Luma([210]));
        imageops::replace(&mut picture, &code, 900, 1200);
        assert_eq!(read(&encoded(&picture, ImageFormat::Jpeg)).as_deref(), Ok(RECEIPT));
    }

    #[test]
    fn a_turned_camera_is_noted_in_the_picture() {
        // EXIF: little-endian, one entry, the orientation.
        for orientation in 1..=8u8 {
            let picture = barcode(RECEIPT, BarcodeFormat::CODE_128, 600, 160);
            let mut dynamic = image::DynamicImage::ImageLuma8(picture);
            // Stored so that the note turns it upright: only mirrored ones would be unreadable without it.
            match orientation {
                2 => dynamic = dynamic.fliph(),
                4 => dynamic = dynamic.flipv(),
                5 => dynamic = dynamic.rotate270().flipv(),
                7 => dynamic = dynamic.rotate90().flipv(),
                _ => {}
            }
            let jpeg = encoded(&dynamic.into_luma8(), ImageFormat::Jpeg);
            let tiff =
                [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
            let length = (tiff.len() as u16 + 8).to_be_bytes();
            let bytes = [&jpeg[..2], b"\xFF\xE1", &length, b"Exif\0\0", &tiff, &jpeg[2..]].concat();
            assert_eq!(read(&bytes).as_deref(), Ok(RECEIPT), "{orientation}");
        }
    }

    #[test]
    fn a_picture_with_too_many_pixels_is_refused_by_its_header() {
        // A PNG header that claims 60,000 × 60,000 pixels and holds none.
        let mut claim = encoded(&GrayImage::new(1, 1), ImageFormat::Png);
        claim[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        claim[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let found = read(&claim);
        assert!(matches!(found, Err(PhotographError::TooManyPixels { .. } | PhotographError::Damaged)), "{found:?}");
        let limits = PhotographLimits { pixels: 1000, ..PhotographLimits::default() };
        let large = encoded(&GrayImage::new(40, 40), ImageFormat::Png);
        assert_eq!(
            Photograph::read(&large, limits).unwrap_err(),
            PhotographError::TooManyPixels { pixels: 1000, side: 32_000 }
        );
    }

    /// A code without a quiet zone, on a black ground.
    fn cut_out(format: BarcodeFormat, module: u32) -> GrayImage {
        let matrix = MultiFormatWriter
            .encode_with_hints(
                RECEIPT,
                &format,
                0,
                0,
                &rxing::EncodeHints { Margin: Some("0".into()), ..Default::default() },
            )
            .unwrap();
        let (w, h) = (matrix.getWidth() * module, matrix.getHeight() * module);
        let dark = |x: u32, y: u32| matrix.get(x / module, y / module);
        let code = GrayImage::from_fn(w, h, |x, y| Luma([if dark(x, y) { 12 } else { 240 }]));
        let mut ground = GrayImage::from_pixel(w + 220, h + 160, Luma([8]));
        imageops::replace(&mut ground, &code, 120, 70);
        ground
    }

    #[test]
    fn a_code_without_a_quiet_zone_on_a_black_ground_is_read() {
        for module in [4, 7, 12] {
            let upright = cut_out(BarcodeFormat::QR_CODE, module);
            assert_eq!(read(&encoded(&upright, ImageFormat::Jpeg)).as_deref(), Ok(RECEIPT), "{module}");
            // The corners of the larger canvas are ground, too.
            let mut light = upright.clone();
            imageops::invert(&mut light);
            let mut slanted = turned(&light, 14.0);
            imageops::invert(&mut slanted);
            assert_eq!(read(&encoded(&slanted, ImageFormat::Png)).as_deref(), Ok(RECEIPT), "slanted {module}");
        }
    }

    #[test]
    fn a_code_blurred_by_two_and_a_half_pixels_is_read() {
        // Modules and bars of four pixels and five.
        let codes = [
            (BarcodeFormat::QR_CODE, 117, 117),
            (BarcodeFormat::QR_CODE, 146, 146),
            (BarcodeFormat::CODE_128, 530, 100),
            (BarcodeFormat::CODE_128, 700, 100),
        ];
        for (format, width, height) in codes {
            let soft = imageops::blur(&barcode(RECEIPT, format, width, height), 2.5);
            assert_eq!(read(&encoded(&soft, ImageFormat::Jpeg)).as_deref(), Ok(RECEIPT), "{format:?} {width}");
        }
    }

    #[test]
    fn the_search_ends_with_its_time() {
        let limits = PhotographLimits::default();
        let picture = encoded(&barcode(RECEIPT, BarcodeFormat::CODE_128, 600, 160), ImageFormat::Png);
        let found = Photograph::read(&picture, limits).unwrap().barcode(limits, || limits.time, |_| None);
        assert_eq!(found, Err(PhotographError::TimeOver));
    }

    #[test]
    fn two_receipts_in_one_photograph_are_an_error() {
        let mut both = GrayImage::from_pixel(1100, 1200, Luma([235]));
        for (number, y) in [(RECEIPT, 50), ("440126112300026", 650)] {
            imageops::replace(&mut both, &barcode(number, BarcodeFormat::CODE_128, 700, 160), 50, y);
        }
        assert_eq!(read(&encoded(&both, ImageFormat::Png)), Err(PhotographError::SeveralReceipts));
    }

    #[test]
    fn a_strip_with_nothing_but_a_barcode_is_read_as_a_whole() {
        for (width, height) in [(900, 60), (1800, 100), (4400, 400)] {
            let matrix = MultiFormatWriter.encode(RECEIPT, &BarcodeFormat::CODE_39, width, height).unwrap();
            let tone = |x: u32, y: u32| if matrix.get(x, y) { 20 } else { 235 };
            let code = GrayImage::from_fn(matrix.getWidth(), matrix.getHeight(), |x, y| Luma([tone(x, y)]));
            for strip in [imageops::rotate90(&code), code] {
                assert_eq!(read(&encoded(&strip, ImageFormat::Png)).as_deref(), Ok(RECEIPT), "{width}");
            }
        }
    }

    /// A long screenshot with a code in it.
    fn screenshot(height: u32, code: &GrayImage, y: i64) -> GrayImage {
        let stripes = |x: u32, y: u32| if y % 60 < 20 && (x * 7 + y * 3) % 11 < 4 { 60 } else { 250 };
        let mut picture = GrayImage::from_fn(1080, height, |x, y| Luma([stripes(x, y)]));
        imageops::replace(&mut picture, code, 100, y);
        picture
    }

    #[test]
    fn a_code_in_a_long_screenshot_is_read_and_a_limit_is_stated_truly() {
        for (format, width, height) in [(BarcodeFormat::QR_CODE, 200, 200), (BarcodeFormat::CODE_128, 400, 100)] {
            for (length, y) in [(12_001, 11_300), (9000, 2100), (4000, 10)] {
                let picture = screenshot(length, &barcode(RECEIPT, format, width, height), y);
                assert_eq!(read(&encoded(&picture, ImageFormat::Png)).as_deref(), Ok(RECEIPT), "{format:?} {length}");
            }
        }
        let longer = encoded(&GrayImage::new(8, 32_001), ImageFormat::Png);
        let refused = crate::RequestError::from(read(&longer).unwrap_err()).to_string();
        assert!(refused.contains("51000000 pixels, or a side longer than 32000"), "{refused}");
    }

    #[test]
    fn a_small_code_in_a_photograph_of_12_megapixels_is_found_early() {
        let module = 3;
        let matrix = MultiFormatWriter.encode(RECEIPT, &BarcodeFormat::QR_CODE, 0, 0).unwrap();
        let (w, h) = (matrix.getWidth() * module, matrix.getHeight() * module);
        let tone = |x: u32, y: u32| if matrix.get(x / module, y / module) { 20 } else { 235 };
        let mut picture = GrayImage::from_pixel(4032, 3024, Luma([210]));
        imageops::replace(&mut picture, &GrayImage::from_fn(w, h, |x, y| Luma([tone(x, y)])), 2000, 1500);
        let photograph = Photograph { grey: picture };
        let at = photograph.attempts().position(|found| found.texts.iter().any(|text| text.expose() == RECEIPT));
        assert!(at.is_some_and(|at| at < 3), "{at:?}");
    }
}
