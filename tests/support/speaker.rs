//! Made voices for tests.

use std::f64::consts::TAU;

/// Samples a second.
pub const RATE: u32 = 48_000;

/// Something like speech: a buzz at a voice's pitch, in syllables, with quiet around it.
pub struct Speaker {
    /// The voice's fundamental frequency.
    pub pitch_hz: f64,
    /// The voice's amplitude; 1 is full scale.
    pub level: f64,
    /// The amplitude of white noise throughout.
    pub noise: f64,
    /// The amplitude of the mains' hum: 100 Hz, and a third of it at 50 Hz.
    pub hum: f64,
    /// Quiet before the voice.
    pub lead_s: f64,
    /// Quiet after it.
    pub tail_s: f64,
    /// How long it speaks.
    pub speech_s: f64,
}

impl Default for Speaker {
    fn default() -> Speaker {
        Speaker { pitch_hz: 140.0, level: 0.3, noise: 0.0003, hum: 0.0, lead_s: 0.4, tail_s: 0.4, speech_s: 2.0 }
    }
}

impl Speaker {
    /// All of it at 48 kHz, from −1 to 1.
    pub fn samples(&self) -> Vec<f32> {
        let seconds = self.lead_s + self.speech_s + self.tail_s;
        let mut state = 1u32;
        (0..(seconds * f64::from(RATE)) as usize)
            .map(|n| {
                let t = n as f64 / f64::from(RATE);
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) * self.noise * 1.7;
                let hum = (TAU * 50.0 * t).sin() * self.hum * 0.3 + (TAU * 100.0 * t).sin() * self.hum;
                let voice = if (self.lead_s..self.lead_s + self.speech_s).contains(&t) { self.voice(t) } else { 0.0 };
                (voice + noise + hum) as f32
            })
            .collect()
    }

    /// Harmonics falling by 6 dB an octave, four syllables a second.
    fn voice(&self, t: f64) -> f64 {
        let buzz: f64 = (1..24).map(|n| (TAU * self.pitch_hz * f64::from(n) * t).sin() / f64::from(n)).sum();
        let syllable = (TAU * 2.0 * (t - self.lead_s)).sin().abs().max(0.02).sqrt();
        self.level * buzz * syllable * 0.6
    }

    /// The same as a file: 16-bit WAV.
    pub fn wav(&self) -> Vec<u8> {
        ::studio::wav(&audio::mastering::to_16_bit(&self.samples(), 1.0), RATE)
    }
}
