//! A QR code as text for a terminal: two rows of modules in each line.

use rxing::{BarcodeFormat, MultiFormatWriter, Writer};

/// The code with its quiet zone, light on dark ground as terminals are; `None` where the text does not fit.
pub fn qr_text(text: &str) -> Option<String> {
    let code = MultiFormatWriter.encode(text, &BarcodeFormat::QR_CODE, 0, 0).ok()?;
    let (width, height) = (code.getWidth(), code.getHeight());
    let is_light = |x: u32, y: u32| y >= height || !code.get(x, y);
    let mut lines = String::new();
    for y in (0..height).step_by(2) {
        for x in 0..width {
            lines.push(match (is_light(x, y), is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push('\n');
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Photograph, PhotographLimits};

    #[test]
    fn the_text_is_a_code_that_a_camera_reads() {
        let address = "http://kiosk.example/kiosk/enrol?code=abcd-efgh-jkmn-pqrs";
        let text = qr_text(address).unwrap();
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let (scale, width) = (4, lines[0].len() as u32);
        let picture = image::GrayImage::from_fn(width * scale, lines.len() as u32 * 2 * scale, |x, y| {
            let (column, row) = ((x / scale) as usize, (y / scale) as usize);
            let is_light = match lines[row / 2][column] {
                '█' => true,
                '▀' => row % 2 == 0,
                '▄' => row % 2 == 1,
                _ => false,
            };
            image::Luma([if is_light { 255 } else { 0 }])
        });
        let mut png = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let limits = PhotographLimits::default();
        let photograph = Photograph::read(png.get_ref(), limits).unwrap();
        let read = photograph.barcode(
            limits,
            || std::time::Duration::ZERO,
            |text| (text == address).then(|| base::Private::new(text.to_owned())),
        );
        assert_eq!(read.unwrap().expose(), address);
    }
}
