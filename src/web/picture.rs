//! A photograph's bytes → a grey picture: upright, on a ground that its marks stand out from, not larger than a search needs.
//!
//! ```text
//!  kind ─► size, by the header ─► decode ─► grey, made smaller ─► upright (EXIF)
//! ```
//!
//! The decoded picture is the largest thing in memory: its pixels and octets are bounded before it is decoded, and it is
//! gone before the search.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Pixel, RgbaImage};

use super::photograph_error::{PhotographError, PhotographLimits};

/// Decodes a picture within the limits.
pub(super) fn grey(bytes: &[u8], limits: PhotographLimits) -> Result<GrayImage, PhotographError> {
    let format = format(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut bounds = image::Limits::default();
    bounds.max_alloc = Some(limits.octets);
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(|error| fault(&error, limits))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels || width.max(height) > limits.side || decoder.total_bytes() > limits.octets {
        return Err(limits.exceeded());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| fault(&error, limits))?;
    let mut grey = DynamicImage::ImageLuma8(reduced(&picture));
    grey.apply_orientation(orientation);
    Ok(grey.into_luma8())
}

fn fault(error: &image::ImageError, limits: PhotographLimits) -> PhotographError {
    match error {
        image::ImageError::Limits(_) => limits.exceeded(),
        _ => PhotographError::Damaged,
    }
}

/// One of the three formats; other formats are named.
pub(super) fn format(bytes: &[u8]) -> Result<ImageFormat, PhotographError> {
    let at = |place: usize, magic: &[u8]| bytes.get(place..place + magic.len()) == Some(magic);
    let formats = [
        (at(0, b"\xFF\xD8\xFF"), ImageFormat::Jpeg),
        (at(0, b"\x89PNG\r\n\x1A\n"), ImageFormat::Png),
        (at(0, b"RIFF") && at(8, b"WEBP"), ImageFormat::WebP),
    ];
    if let Some((_, format)) = formats.into_iter().find(|(is, _)| *is) {
        return Ok(format);
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]);
    let kinds = [
        (at(4, b"ftyp") && [&b"heic"[..], b"heix", b"hevc", b"mif1", b"msf1"].iter().any(|brand| at(8, brand)), "HEIC"),
        (at(4, b"ftypavi"), "AVIF"),
        (at(4, b"ftyp"), "a film"),
        (at(0, b"GIF8"), "GIF"),
        (at(0, b"BM") && at(6, &[0; 4]), "BMP"),
        (at(0, b"II*\0") || at(0, b"MM\0*"), "TIFF"),
        (at(0, b"\xFF\x0A") || at(4, b"JXL "), "JPEG XL"),
        (at(4, b"jP  "), "JPEG 2000"),
        (at(0, b"%PDF"), "PDF"),
        (start.contains("<svg"), "SVG"),
    ];
    let kind = kinds.into_iter().find(|(is, _)| *is).map(|(_, kind)| PhotographError::Kind(kind));
    Err(kind.unwrap_or(PhotographError::NoPicture))
}

/// The picture in grey, its longer side less than twice [`SIDE_WANTED`]: each pixel is the mean of a square. What is
/// transparent becomes the ground that most of the marks stand out from.
fn reduced(picture: &DynamicImage) -> GrayImage {
    match picture {
        DynamicImage::ImageLuma8(picture) => shrunk(picture, |[grey]: [u8; 1]| grey.into()),
        DynamicImage::ImageRgb8(picture) => shrunk(picture, luma),
        DynamicImage::ImageLumaA8(picture) => {
            let ground = ground(picture.pixels().map(|pixel| (pixel.0[0].into(), pixel.0[1].into())));
            shrunk(picture, |[grey, alpha]: [u8; 2]| on_ground(grey.into(), alpha.into(), ground))
        }
        DynamicImage::ImageRgba8(picture) => on_ground_of(picture),
        // 16 bits a channel.
        other => on_ground_of(&other.to_rgba8()),
    }
}

fn on_ground_of(picture: &RgbaImage) -> GrayImage {
    let parts = |[red, green, blue, alpha]: [u8; 4]| (luma([red, green, blue]), u32::from(alpha));
    let ground = ground(picture.pixels().map(|pixel| parts(pixel.0)));
    shrunk(picture, |pixel| {
        let (grey, alpha) = parts(pixel);
        on_ground(grey, alpha, ground)
    })
}

/// A picture of pixels of `N` octets in grey, without the last pixels that fill no square.
fn shrunk<P, const N: usize>(picture: &ImageBuffer<P, Vec<u8>>, grey: impl Fn([u8; N]) -> u32) -> GrayImage
where
    P: Pixel<Subpixel = u8>,
{
    let (width, height) = picture.dimensions();
    let shorter = width.min(height).max(1);
    let step = (width.max(height).min(shorter * LONG_RATIO) / SIDE_WANTED).clamp(1, shorter);
    let (wide, high) = (width / step, height / step);
    let mut grey_octets = Vec::with_capacity((wide * high) as usize);
    let row_octets = width as usize * N;
    for band in picture.as_raw().chunks_exact(row_octets * step as usize) {
        let mut sums = vec![0u32; wide as usize];
        for row in band.chunks_exact(row_octets) {
            for (sum, square) in sums.iter_mut().zip(row.chunks_exact(N * step as usize)) {
                let pixels = square.chunks_exact(N).filter_map(|pixel| pixel.try_into().ok());
                *sum += pixels.map(&grey).sum::<u32>();
            }
        }
        grey_octets.extend(sums.into_iter().map(|sum| (sum / (step * step)) as u8));
    }
    GrayImage::from_raw(wide, high, grey_octets).unwrap_or_default()
}

/// White, or black where what is drawn is light: a code for a dark page.
fn ground(pixels: impl Iterator<Item = (u32, u32)>) -> u32 {
    let weigh = |(light, drawn): (u64, u64), (grey, alpha): (u32, u32)| {
        (light + u64::from(grey * alpha / 255), drawn + u64::from(alpha))
    };
    let (light, drawn) = pixels.fold((0, 0), weigh);
    if light * 100 > drawn * LIGHT_PERCENT { 0 } else { WHITE }
}

fn on_ground(grey: u32, alpha: u32, ground: u32) -> u32 {
    (grey * alpha + ground * (255 - alpha)) / 255
}

/// ITU-R BT.601.
fn luma([red, green, blue]: [u8; 3]) -> u32 {
    (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000
}

const WHITE: u32 = 255;
/// The longer side of the largest picture that is searched.
const SIDE_WANTED: u32 = 3200;
/// Twice the shorter side of a long picture counts as its longer one, since it is searched in tiles.
const LONG_RATIO: u32 = 2;
/// A code on its own light ground has light and dark marks in equal parts.
const LIGHT_PERCENT: u64 = 85;
