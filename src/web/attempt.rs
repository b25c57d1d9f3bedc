//! How a photograph is tried: at a size, at an angle, retouched, and in tiles where it is long.

use image::GrayImage;
use image::imageops::{self, FilterType};

use super::retouch::{on_white, sharpened};

/// One attempt: a size, an angle, and what is done to the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
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

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

/// One attempt on one part of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// How it is tried.
    pub attempt: Attempt,
    /// Where.
    pub tile: Tile,
    /// Whether all of the picture has been tried so after it.
    pub ends_attempt: bool,
}

/// All attempts on a picture of this size, in their order. A long picture, as a screenshot of a page is, is searched as a
/// whole, since it may be a strip with one barcode, and then in tiles.
pub(super) fn steps((width, height): (u32, u32)) -> Vec<Step> {
    let whole = Tile { x: 0, y: 0, width, height };
    let of_whole = |attempt: &Attempt| Step { attempt: *attempt, tile: whole, ends_attempt: true };
    let (shorter, longer) = (width.min(height), width.max(height));
    if longer <= SIDES[2] || u64::from(longer) <= u64::from(shorter) * LONG_RATIO {
        return ATTEMPTS.iter().map(of_whole).collect();
    }
    let tiles = tiles((width, height));
    let mut steps: Vec<Step> = ATTEMPTS_ON_LONG.iter().map(of_whole).collect();
    for attempt in ATTEMPTS_ON_TILES {
        let of_tile = |(at, tile): (usize, &Tile)| Step { attempt, tile: *tile, ends_attempt: at + 1 == tiles.len() };
        steps.extend(tiles.iter().enumerate().map(of_tile));
    }
    steps
}

/// Pieces of a long picture that overlap by its shorter side, so that each code is whole in one of them.
fn tiles((width, height): (u32, u32)) -> Vec<Tile> {
    let (shorter, longer) = (width.min(height), width.max(height));
    let length = (2 * shorter).max(TILE_MIN).min(longer);
    let step = length - shorter.min(length / 2);
    let tile = |start: u32| {
        let start = start.min(longer - length);
        match width < height {
            true => Tile { x: 0, y: start, width, height: length },
            false => Tile { x: start, y: 0, width: length, height },
        }
    };
    let is_needed = |start: &u32| *start == 0 || start + (length - step) < longer;
    (0..longer).step_by(step as usize).take_while(is_needed).map(tile).collect()
}

impl Attempt {
    /// The picture of a tile to search; `None` when it would be the same as an earlier attempt's: pictures are never made
    /// larger.
    pub(super) fn picture(self, grey: &GrayImage, tile: Tile) -> Option<GrayImage> {
        let longer = tile.width.max(tile.height);
        let is_plain = matches!(self.retouch, Retouch::None | Retouch::Inverted) && self.degrees == 0;
        if longer <= self.side.min(SIDES[0]) && self.side != SIDES[0] && is_plain {
            return None;
        }
        let part = imageops::crop_imm(grey, tile.x, tile.y, tile.width, tile.height);
        let mut sized = if longer > self.side {
            let scale = |length: u32| (u64::from(length) * u64::from(self.side) / u64::from(longer)).max(1) as u32;
            imageops::resize(&*part, scale(tile.width), scale(tile.height), FilterType::Triangle)
        } else {
            part.to_image()
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
pub(super) fn turned(grey: &GrayImage, degrees: f32) -> GrayImage {
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

/// The largest holds a photograph of 12 megapixels as it is.
const SIDES: [u32; 3] = [1600, 800, 4096];
/// Quarter turns are the reader's own; these are the angles between.
const ATTEMPTS: [Attempt; 14] = [
    upright(SIDES[0]),
    upright(SIDES[1]),
    upright(SIDES[2]),
    retouched(SIDES[0], Retouch::Inverted),
    retouched(SIDES[1], Retouch::OnWhite),
    retouched(SIDES[1], Retouch::Sharpened),
    turned_by(20),
    turned_by(-20),
    turned_by(45),
    turned_by(10),
    turned_by(-10),
    turned_by(70),
    retouched(SIDES[1], Retouch::Inverted),
    retouched(SIDES[0], Retouch::Sharpened),
];
const ATTEMPTS_ON_LONG: [Attempt; 2] = [upright(SIDES[0]), upright(SIDES[2])];
/// Screenshots are sharp and upright; many tiles take long, so that the smallest come first.
const ATTEMPTS_ON_TILES: [Attempt; 6] = [
    upright(SIDES[1]),
    upright(SIDES[0]),
    upright(SIDES[2]),
    retouched(SIDES[0], Retouch::Inverted),
    retouched(SIDES[1], Retouch::Sharpened),
    retouched(SIDES[1], Retouch::Inverted),
];
/// A picture is long where its sides differ by more than this. Photographs are 16:9 at most, screens of telephones 22:9.
const LONG_RATIO: u64 = 3;
/// The shortest tile, in pixels.
const TILE_MIN: u32 = 800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_square_of_a_picture_is_whole_in_a_tile(width in 1..4000_u32, height in 1..60_000_u32, at in 0.0..1.0_f64) {
            let tiles = tiles((width, height));
            let shorter = width.min(height);
            // A code of up to the shorter side, anywhere along the longer one.
            let start = (f64::from(width.max(height) - shorter) * at) as u32;
            let holds = |tile: &Tile| {
                let (from, length) = if width < height { (tile.y, tile.height) } else { (tile.x, tile.width) };
                from <= start && start + shorter <= from + length
            };
            prop_assert!(tiles.iter().any(holds), "{tiles:?}");
            prop_assert!(tiles.iter().all(|tile| tile.x + tile.width <= width && tile.y + tile.height <= height));
            prop_assert!(tiles.len() <= 2 + (width.max(height) / shorter.max(TILE_MIN / 2)) as usize);
        }
    }
}
