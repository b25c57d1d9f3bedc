//! Second-order filters (Butterworth), for masters and measurements.

/// A high-pass with its corner at `hertz`, in place. It starts settled, so that an offset makes no thump.
pub fn high_pass(samples: &mut [f32], rate: u32, hertz: f64) {
    let angle = std::f64::consts::TAU * hertz / f64::from(rate);
    let alpha = angle.sin() * std::f64::consts::FRAC_1_SQRT_2;
    let a0 = 1.0 + alpha;
    let (b0, a1, a2) = ((1.0 + angle.cos()) / 2.0 / a0, -2.0 * angle.cos() / a0, (1.0 - alpha) / a0);
    let first = samples.first().map_or(0.0, |sample| f64::from(*sample));
    let (mut x1, mut x2, mut y1, mut y2) = (first, first, 0.0, 0.0);
    for sample in samples {
        let x = f64::from(*sample);
        let y = b0 * (x - 2.0 * x1 + x2) - a1 * y1 - a2 * y2;
        (x2, x1, y2, y1) = (x1, x, y1, y);
        *sample = y as f32;
    }
}

/// A low-pass with its corner at `hertz`, in place.
pub fn low_pass(samples: &mut [f32], rate: u32, hertz: f64) {
    let angle = std::f64::consts::TAU * hertz / f64::from(rate);
    let alpha = angle.sin() * std::f64::consts::FRAC_1_SQRT_2;
    let a0 = 1.0 + alpha;
    let (b0, a1, a2) = ((1.0 - angle.cos()) / 2.0 / a0, -2.0 * angle.cos() / a0, (1.0 - alpha) / a0);
    let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
    for sample in samples {
        let x = f64::from(*sample);
        let y = b0 * (x + 2.0 * x1 + x2) - a1 * y1 - a2 * y2;
        (x2, x1, y2, y1) = (x1, x, y1, y);
        *sample = y as f32;
    }
}
