//! Reads the barcode in a photograph.
//!
//! A hand-held picture is seldom straight, sharp or of the right size, a screen may show light marks on a dark ground, and a
//! code may be cut out on a dark one. It is tried at several sizes (a smaller one also has less noise) and angles, inverted,
//! sharpened, and on white, cheapest first, until an attempt gives a wanted text or the time is over.

use std::time::Duration;

use image::GrayImage;
use image::imageops::{self, FilterType};
use rxing::common::HybridBinarizer;
use rxing::multi::{GenericMultipleBarcodeReader, MultipleBarcodeReader};
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Luma8Source, MultiFormatReader};

use super::photograph_error::{PhotographError, PhotographLimits};
use super::picture;
use super::request::CODE_BYTES_MAX;
use super::retouch::{on_white, sharpened};
use base::Private;

/// A grey picture.
#[derive(Clone, Debug)]
pub struct Photograph {
    grey: GrayImage,
}

impl Photograph {
    /// Decodes a picture whose size is within the limits.
    ///
    /// # Errors
    /// All but [`PhotographError::NoBarcode`].
    pub fn read(bytes: &[u8], limits: PhotographLimits) -> Result<Photograph, PhotographError> {
        picture::grey(bytes, limits).map(|grey| Photograph { grey })
    }

    /// The text of the first barcode that is `wanted`, else of any that was found: Code 128, Code 39, ITF, QR or
    /// PDF417. `spent` says how long the search has lasted.
    ///
    /// # Errors
    /// [`PhotographError::NoBarcode`].
    pub fn barcode(
        &self,
        limits: PhotographLimits,
        spent: impl Fn() -> Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Private<String>, PhotographError> {
        let mut second_best = None;
        for attempt in ATTEMPTS {
            if spent() >= limits.time {
                break;
            }
            let Some(picture) = attempt.picture(&self.grey) else { continue };
            for text in texts(&picture) {
                if wanted(&text) {
                    return Ok(Private::new(text));
                }
                second_best.get_or_insert(text);
            }
        }
        second_best.map(Private::new).ok_or(PhotographError::NoBarcode)
    }
}

/// One attempt: a size, an angle, and what is done to the picture.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// The longer side, in pixels.
    side: u32,
    /// Turned counter-clockwise.
    degrees: i16,
    retouch: Retouch,
}

/// What is done to a picture before it is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retouch {
    None,
    /// Dark and light exchanged.
    Inverted,
    /// Edges that a lens or a hand has blurred, drawn again.
    Sharpened,
    /// The part with light marks, on a white sheet.
    OnWhite,
}

impl Attempt {
    /// `None` when it would be the same as an earlier attempt: pictures are never made larger.
    fn picture(self, grey: &GrayImage) -> Option<GrayImage> {
        let longer = grey.width().max(grey.height());
        let is_plain = matches!(self.retouch, Retouch::None | Retouch::Inverted) && self.degrees == 0;
        if longer <= self.side && self.side != SIDES[0] && is_plain {
            return None;
        }
        let mut sized = if longer > self.side {
            let scale = |length: u32| (u64::from(length) * u64::from(self.side) / u64::from(longer)).max(1) as u32;
            imageops::resize(grey, scale(grey.width()), scale(grey.height()), FilterType::Triangle)
        } else {
            grey.clone()
        };
        match self.retouch {
            Retouch::None => {}
            Retouch::Inverted => imageops::invert(&mut sized),
            Retouch::Sharpened => sized = sharpened(&sized),
            Retouch::OnWhite => sized = on_white(&sized)?,
        }
        Some(if self.degrees == 0 { sized } else { turned(&sized, f32::from(self.degrees)) })
    }
}

/// Quarter turns are the reader's own; these are the angles between.
const SIDES: [u32; 3] = [1600, 800, 3200];
const ATTEMPTS: [Attempt; 14] = [
    upright(SIDES[0]),
    upright(SIDES[1]),
    retouched(SIDES[0], Retouch::Inverted),
    retouched(SIDES[1], Retouch::OnWhite),
    retouched(SIDES[1], Retouch::Sharpened),
    upright(SIDES[2]),
    turned_by(20),
    turned_by(-20),
    turned_by(45),
    turned_by(10),
    turned_by(-10),
    turned_by(70),
    retouched(SIDES[1], Retouch::Inverted),
    retouched(SIDES[0], Retouch::Sharpened),
];

const fn upright(side: u32) -> Attempt {
    retouched(side, Retouch::None)
}

const fn retouched(side: u32, retouch: Retouch) -> Attempt {
    Attempt { side, degrees: 0, retouch }
}

const fn turned_by(degrees: i16) -> Attempt {
    Attempt { side: 1200, degrees, retouch: Retouch::None }
}

/// Turns a picture about its centre onto a canvas that holds all of it; corners are white.
fn turned(grey: &GrayImage, degrees: f32) -> GrayImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (w, h) = (grey.width() as f32, grey.height() as f32);
    let (tw, th) = (w * cos.abs() + h * sin.abs(), w * sin.abs() + h * cos.abs());
    GrayImage::from_fn(tw as u32, th as u32, |x, y| {
        let (dx, dy) = (x as f32 - tw / 2.0, y as f32 - th / 2.0);
        let (sx, sy) = (dx * cos - dy * sin + w / 2.0, dx * sin + dy * cos + h / 2.0);
        between(grey, sx, sy)
    })
}

/// The brightness between four pixels, in proportion to their nearness.
fn between(grey: &GrayImage, x: f32, y: f32) -> image::Luma<u8> {
    if x < 0.0 || y < 0.0 || x >= grey.width() as f32 - 1.0 || y >= grey.height() as f32 - 1.0 {
        return image::Luma([255]);
    }
    let (left, top) = (x as u32, y as u32);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let at = |x, y| f32::from(grey.get_pixel(x, y).0[0]);
    let upper = at(left, top) * (1.0 - fx) + at(left + 1, top) * fx;
    let lower = at(left, top + 1) * (1.0 - fx) + at(left + 1, top + 1) * fx;
    image::Luma([(upper * (1.0 - fy) + lower * fy) as u8])
}

/// All texts in a picture, those of safer codes first.
fn texts(picture: &GrayImage) -> Vec<String> {
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
    found.iter().map(text).filter(|text| !text.is_empty() && text.len() <= CODE_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Luma, LumaA, RgbaImage};
    use rxing::{MultiFormatWriter, Writer};

    use super::*;

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
        let text = Photograph::read(bytes, limits)?.barcode(limits, || Duration::ZERO, |text| text.contains("4401"))?;
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
        assert_eq!(Photograph::read(&large, limits).unwrap_err(), PhotographError::TooManyPixels { limit: 1000 });
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
        let found = Photograph::read(&picture, limits).unwrap().barcode(limits, || limits.time, |_| true);
        assert_eq!(found, Err(PhotographError::NoBarcode));
    }
}
