//! Pictures of barcodes made easier to read: blurred edges drawn again, and a white sheet around a code that is cut out.

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Luma};

/// The picture with a blur of about two and a half pixels taken back (Van Cittert's iteration: what a further blur takes away
/// is given back, again and again), and doubled where it is small, since the edges lie between pixels.
pub(super) fn sharpened(grey: &GrayImage) -> GrayImage {
    let (width, height) = grey.dimensions();
    let brightness = |x, y| Luma([f32::from(grey.get_pixel(x, y).0[0])]);
    let seen: ImageBuffer<Luma<f32>, Vec<f32>> = ImageBuffer::from_fn(width, height, brightness);
    let mut sharp = seen.clone();
    for _ in 0..ITERATIONS {
        let soft = imageops::blur(&sharp, BLUR_PIXELS);
        for ((pixel, soft), seen) in sharp.pixels_mut().zip(soft.pixels()).zip(seen.pixels()) {
            pixel.0[0] = (pixel.0[0] + seen.0[0] - soft.0[0]).clamp(0.0, 255.0);
        }
    }
    let sharp = GrayImage::from_fn(width, height, |x, y| Luma([sharp.get_pixel(x, y).0[0] as u8]));
    match width.max(height) {
        ..=DOUBLED_MAX => imageops::resize(&sharp, 2 * width, 2 * height, FilterType::Triangle),
        _ => sharp,
    }
}

/// The smallest rectangle, at any angle, around what is light, on a white sheet: a code without a quiet zone ends where the
/// dark ground begins. `None` where nothing is light or little is dark.
pub(super) fn on_white(grey: &GrayImage) -> Option<GrayImage> {
    let (width, height) = grey.dimensions();
    let rim = outline(grey);
    let turned = |degrees: u32| Frame::around(&rim, (degrees as f32).to_radians());
    let frame = (0..90).filter_map(turned).min_by(|a, b| a.area().total_cmp(&b.area()))?;
    let margin = width.max(height) / MARGIN_PART + 1;
    let mut sheet = GrayImage::from_pixel(width + 2 * margin, height + 2 * margin, Luma([255]));
    for (x, y, pixel) in grey.enumerate_pixels() {
        if frame.holds(x as f32, y as f32) {
            sheet.put_pixel(x + margin, y + margin, *pixel);
        }
    }
    Some(sheet)
}

/// The first and the last light pixel of each row.
fn outline(grey: &GrayImage) -> Vec<(f32, f32)> {
    let (low, high) = grey.pixels().fold((255, 0), |(low, high), pixel| (pixel.0[0].min(low), pixel.0[0].max(high)));
    if high - low.min(high) < CONTRAST_MIN {
        return Vec::new();
    }
    let middle = low + (high - low) / 2;
    let ends = |(y, row): (usize, &[u8])| {
        let first = row.iter().position(|value| *value > middle)?;
        let last = row.iter().rposition(|value| *value > middle)?;
        Some([(first as f32, y as f32), (last as f32, y as f32)])
    };
    grey.as_raw().chunks_exact(grey.width().max(1) as usize).enumerate().filter_map(ends).flatten().collect()
}

/// A rectangle at an angle.
#[derive(Clone, Copy, Debug)]
struct Frame {
    sin: f32,
    cos: f32,
    along: (f32, f32),
    across: (f32, f32),
}

impl Frame {
    /// The rectangle at this angle around all points.
    fn around(points: &[(f32, f32)], angle: f32) -> Option<Frame> {
        let (sin, cos) = angle.sin_cos();
        let mut frame = Frame { sin, cos, along: (f32::MAX, f32::MIN), across: (f32::MAX, f32::MIN) };
        for (x, y) in points {
            let (u, v) = frame.turned(*x, *y);
            frame.along = (frame.along.0.min(u), frame.along.1.max(u));
            frame.across = (frame.across.0.min(v), frame.across.1.max(v));
        }
        (!points.is_empty()).then_some(frame)
    }

    fn turned(&self, x: f32, y: f32) -> (f32, f32) {
        (x * self.cos + y * self.sin, y * self.cos - x * self.sin)
    }

    fn area(&self) -> f32 {
        (self.along.1 - self.along.0) * (self.across.1 - self.across.0)
    }

    fn holds(&self, x: f32, y: f32) -> bool {
        let (u, v) = self.turned(x, y);
        let within = |value: f32, (from, to): (f32, f32)| value >= from - ROOM && value <= to + ROOM;
        within(u, self.along) && within(v, self.across)
    }
}

/// The standard deviation of the blur that is taken back.
const BLUR_PIXELS: f32 = 2.5;
const ITERATIONS: usize = 10;
/// The longer side of the largest picture that is doubled.
const DOUBLED_MAX: u32 = 1200;
/// The sheet's margin, as a part of the picture.
const MARGIN_PART: u32 = 12;
const CONTRAST_MIN: u8 = 40;
/// A light pixel at the rim is partly outside.
const ROOM: f32 = 0.75;
