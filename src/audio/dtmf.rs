//! DTMF detection (ITU-T Q.23, Q.24), for trunks that send no telephone events.
//!
//! Goertzel filters over windows of 102 samples, a new window every 51. Four windows in a row that show the same key
//! (31.9 ms) are one press; six that do not end it, so that a gap of 20 ms does not
//! split a press. The limits within a window are wider than those promised for a whole tone, because leakage and G.711
//! cost about 1 dB.
//!
//! ```text
//!          4 windows alike            6 windows without it
//!  Quiet ───────────────────► Down ─────────────────────────► Quiet
//!              key
//! ```

use std::f32::consts::TAU;

use super::{RATE, g711};
use base::{Codec, Key};

/// Detects the keys of one caller.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    window: [f32; WINDOW],
    filled: usize,
    candidate: Option<char>,
    alike: u8,
    down: Option<char>,
    missed: u8,
}

impl Default for DtmfDetector {
    fn default() -> Self {
        DtmfDetector { window: [0.0; WINDOW], filled: 0, candidate: None, alike: 0, down: None, missed: 0 }
    }
}

impl DtmfDetector {
    /// Feeds the sound of one packet, as [`DtmfDetector::feed`] does. Where no tone begins or goes on, sound that is too soft
    /// for one is passed over: most callers listen most of the time.
    pub fn feed_octets(&mut self, codec: Codec, octets: &[u8], on_key: impl FnMut(Key)) {
        if self.candidate.is_none() && self.down.is_none() && g711::is_softer_than(codec, octets, SOFT) {
            self.filled = 0;
        } else {
            self.feed(octets.iter().map(|octet| g711::decode(codec, *octet)), on_key);
        }
    }

    /// Feeds samples at 8000 Hz and calls `on_key` once per press, as soon as the press is certain.
    pub fn feed(&mut self, samples: impl IntoIterator<Item = i16>, mut on_key: impl FnMut(Key)) {
        for sample in samples {
            self.window[self.filled] = f32::from(sample);
            self.filled += 1;
            if self.filled == WINDOW {
                if let Some(key) = self.judge() {
                    on_key(key);
                }
                self.window.copy_within(HOP.., 0);
                self.filled = WINDOW - HOP;
            }
        }
    }

    /// Evaluates one full window; returns a key when its press becomes certain.
    fn judge(&mut self) -> Option<Key> {
        let seen = tone_in(&self.window);
        self.alike = if seen.is_some() && seen == self.candidate { self.alike.saturating_add(1) } else { 1 };
        self.candidate = seen;
        if self.down.is_some() && self.down == seen {
            self.missed = 0;
            return None;
        }
        if self.down.is_some() {
            self.missed += 1;
            if self.missed >= MISSES {
                (self.down, self.missed) = (None, 0);
            }
        }
        let key = seen?;
        if self.alike < AGREEING {
            return None;
        }
        (self.down, self.missed) = (Some(key), 0);
        Key::from_char(key)
    }
}

/// The samples before the tone of `key` at the end of a recording; all of them if there is no such tone.
pub fn before_last_key(samples: &[i16], key: Key) -> usize {
    let from = samples.len().saturating_sub(LAST_KEY);
    let mut window = [0.0; WINDOW];
    let first = (from..samples.len().saturating_sub(WINDOW - 1)).step_by(HOP).find(|at| {
        for (to, sample) in window.iter_mut().zip(&samples[*at..]) {
            *to = f32::from(*sample);
        }
        tone_in(&window) == Some(key.as_char())
    });
    // The first window that holds only the tone begins up to one hop after it.
    first.map_or(samples.len(), |at| at.saturating_sub(WINDOW))
}

/// The key whose two tones dominate a window. A to D are recognised too, so that they are not mistaken for other keys;
/// the detector drops them.
fn tone_in(window: &[f32; WINDOW]) -> Option<char> {
    let energy: f32 = window.iter().map(|sample| sample * sample).sum();
    if energy < FLOOR * WINDOW as f32 {
        return None;
    }
    let (low, high) = key_powers(window);
    let (row, low_power) = strongest(&low);
    let (column, high_power) = strongest(&high);
    let twist_ok = high_power * LOW_TWIST >= low_power && low_power * HIGH_TWIST >= high_power;
    let peaks_ok = stands_out(&low, row) && stands_out(&high, column);
    // A tone of amplitude A has power (A·N/2)² in its filter and energy A²·N/2 in the window.
    let share = (low_power + high_power) * 2.0 / WINDOW as f32;
    if !twist_ok || !peaks_ok || share < ENERGY_SHARE * energy || tone_power(low_power.min(high_power)) < FLOOR {
        return None;
    }
    let harmonic = |hertz: f32, fundamental: f32| power(window, 2.0 * hertz) > fundamental * HARMONIC;
    // A harmonic of the low tone close to the high tone cannot be separated from it within one window.
    let apart = (2.0 * LOW[row] - HIGH[column]).abs() > RESOLUTION_HZ;
    if apart && harmonic(LOW[row], low_power) || harmonic(HIGH[column], high_power) {
        return None;
    }
    Some(KEYS[row][column])
}

/// A filter's power as the mean square of the tone that makes it.
fn tone_power(power: f32) -> f32 {
    power * 2.0 / (WINDOW * WINDOW) as f32
}

/// The powers of the low and of the high tones in a window: [`power`] of each, side by side, so that the processor's vectors
/// are used.
fn key_powers(window: &[f32; WINDOW]) -> ([f32; 4], [f32; 4]) {
    let (mut last, mut before) = ([0.0f32; 8], [0.0f32; 8]);
    for sample in window {
        for tone in 0..8 {
            let next = sample + TURNS[tone] * last[tone] - before[tone];
            (last[tone], before[tone]) = (next, last[tone]);
        }
    }
    let power = |tone: usize| {
        let (last, before) = (last[tone], before[tone]);
        last * last + before * before - TURNS[tone] * last * before
    };
    ([0, 1, 2, 3].map(power), [4, 5, 6, 7].map(power))
}

/// The power of one frequency in a window (Goertzel, 1958).
fn power(window: &[f32; WINDOW], hertz: f32) -> f32 {
    let turn = 2.0 * (TAU * hertz / RATE as f32).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in window {
        (last, before) = (sample + turn * last - before, last);
    }
    last * last + before * before - turn * last * before
}

fn strongest(powers: &[f32; 4]) -> (usize, f32) {
    let index = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0);
    (index, powers[index])
}

fn stands_out(powers: &[f32; 4], peak: usize) -> bool {
    (0..4).all(|other| other == peak || powers[other] * RELATIVE_PEAK <= powers[peak])
}

const WINDOW: usize = 102;
const HOP: usize = 51;
const AGREEING: u8 = 4;
/// A pause of 40 ms misses seven windows; one lost packet, filled with silence, misses four.
const MISSES: u8 = 6;
const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// 2 cos(2πf / 8000 Hz) of the low tones and of the high ones.
const TURNS: [f32; 8] = [1.7077378, 1.6452811, 1.568687, 1.4782046, 1.164104, 0.9963702, 0.7986184, 0.5685327];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// The low tone stronger by at most 10.5 dB, the high one by at most 5.5 dB. (At `*`, 941 Hz leaks into 1209 Hz.)
const LOW_TWIST: f32 = 11.220_185;
const HIGH_TWIST: f32 = 3.548_134;
/// 7 dB above its neighbours.
const RELATIVE_PEAK: f32 = 5.011_872;
/// The two tones hold all but 1.25 dB of the energy.
const ENERGY_SHARE: f32 = 0.749_894;
/// The second harmonic is 13 dB below: vowels have one, keypads do not.
const HARMONIC: f32 = 0.050_119;
/// Half a second: a press, its detection, and the delay until the recording stops.
const LAST_KEY: usize = RATE as usize / 2;
/// Two and a half times 8000 Hz / 102.
const RESOLUTION_HZ: f32 = 200.0;
/// −38 dBm0 a tone; 0 dBm0 is 6.14 dB below the loudest square wave for A-law (ITU-T G.711 §4): mean square.
const FLOOR: f32 = 41_400.0;
/// Below the root of [`FLOOR`]: samples that are all softer have less energy than any tone.
const SOFT: i16 = 203;

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// A fixed sequence of even numbers between 0 and 1 (Marsaglia's xorshift).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }

        fn gauss(&mut self) -> f64 {
            (-2.0 * (1.0 - self.roll()).ln()).sqrt() * (TAU * self.roll()).cos()
        }
    }

    /// How one press sounds.
    #[derive(Clone, Copy)]
    struct Press {
        on_ms: f64,
        off_ms: f64,
        low_dbm0: f64,
        high_dbm0: f64,
        stretch: f64,
        noise_db: Option<f64>,
    }

    const PLAIN: Press =
        Press { on_ms: 40.0, off_ms: 40.0, low_dbm0: -10.0, high_dbm0: -10.0, stretch: 1.0, noise_db: None };

    /// The RMS of 0 dBm0 in 16-bit samples.
    const REFERENCE: f64 = 16_150.0;

    fn sound(text: &str, press: Press, dice: &mut Dice) -> Vec<i16> {
        let mut out = vec![0.0; (200.0 + 160.0 * dice.roll()) as usize];
        for key in text.chars() {
            let (row, column) = (0..16).map(|n| (n / 4, n % 4)).find(|(r, c)| KEYS[*r][*c] == key).expect("a key");
            let level = |dbm0: f64| REFERENCE * 10f64.powf(dbm0 / 20.0) * 2f64.sqrt();
            let (low, high) = (level(press.low_dbm0), level(press.high_dbm0));
            let (phase_low, phase_high) = (TAU * dice.roll(), TAU * dice.roll());
            let turn = |hertz: f32| TAU * f64::from(hertz) * press.stretch / 8000.0;
            for n in 0..(press.on_ms * 8.0) as usize {
                let low = low * (turn(LOW[row]) * n as f64 + phase_low).sin();
                out.push(low + high * (turn(HIGH[column]) * n as f64 + phase_high).sin());
            }
            out.extend(vec![0.0; (press.off_ms * 8.0 + dice.roll() * 8.0) as usize]);
        }
        if let Some(db) = press.noise_db {
            let power = |dbm0: f64| 10f64.powf(dbm0 / 10.0);
            let signal = 10.0 * (power(press.low_dbm0) + power(press.high_dbm0)).log10();
            let rms = REFERENCE * 10f64.powf((signal - db) / 20.0);
            out.iter_mut().for_each(|sample| *sample += rms * dice.gauss());
        }
        out.extend([0.0; 400]);
        out.iter().map(|sample| sample.clamp(-32768.0, 32767.0) as i16).collect()
    }

    /// The keys that the detector finds in samples after A-law.
    fn detected(samples: &[i16]) -> String {
        let mut keys = String::new();
        let line: Vec<u8> = samples.iter().map(|sample| g711::encode(Codec::Alaw, *sample)).collect();
        let mut detector = DtmfDetector::default();
        for packet in line.chunks(160) {
            detector.feed_octets(Codec::Alaw, packet, |key| keys.push(key.as_char()));
        }
        keys
    }

    const ALL: &str = "1234567890*#";

    /// The share of correctly detected presses among `rounds` × 12, in permille.
    fn permille(press: Press, rounds: usize) -> usize {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        let mut right = 0;
        for _ in 0..rounds {
            for key in ALL.chars() {
                let mut text = [0; 4];
                let text = key.encode_utf8(&mut text);
                right += usize::from(detected(&sound(text, press, &mut dice)) == *text);
            }
        }
        right * 1000 / (rounds * ALL.len())
    }

    #[test]
    fn the_turns_are_those_of_the_tones() {
        for (turn, hertz) in TURNS.iter().zip(LOW.iter().chain(&HIGH)) {
            assert!((f64::from(*turn) - 2.0 * (TAU * f64::from(*hertz) / 8000.0).cos()).abs() < 1e-6, "{hertz}");
        }
        let mut dice = Dice(1);
        let window = [(); WINDOW].map(|()| (dice.gauss() * 5000.0) as f32);
        let (low, high) = key_powers(&window);
        for (power_of, hertz) in low.iter().chain(&high).zip(LOW.iter().chain(&HIGH)) {
            let one = power(&window, *hertz);
            assert!((power_of - one).abs() <= one * 1e-3, "{hertz}");
        }
    }

    #[test]
    fn soft_sound_between_presses_changes_nothing() {
        let mut dice = Dice(7);
        let mut detector = DtmfDetector::default();
        let mut keys = String::new();
        for round in 0..3 {
            let pressed = sound("5", PLAIN, &mut dice);
            let soft = (0..800 + round * 37).map(|_| (dice.gauss() * 60.0).clamp(-200.0, 200.0) as i16);
            let line: Vec<u8> = pressed.into_iter().chain(soft).map(|s| g711::encode(Codec::Ulaw, s)).collect();
            for packet in line.chunks(160) {
                detector.feed_octets(Codec::Ulaw, packet, |key| keys.push(key.as_char()));
            }
        }
        assert_eq!(keys, "555");
    }

    #[test]
    fn every_one_of_640_short_keys_is_detected_once() {
        let mut dice = Dice(7);
        for round in 0..16 {
            let text: String = (0..40).map(|n| ALL.as_bytes()[(n * 7 + round * 5) % 12] as char).collect();
            assert_eq!(detected(&sound(&text, PLAIN, &mut dice)), text, "round {round}");
        }
    }

    #[test]
    fn a_repeated_key_counts_as_often_as_it_is_pressed() {
        let mut dice = Dice(11);
        assert_eq!(detected(&sound("1111111", PLAIN, &mut dice)), "1111111");
        let long = Press { on_ms: 3000.0, ..PLAIN };
        assert_eq!(detected(&sound("55", long, &mut dice)), "55");
    }

    #[test]
    fn a_hole_of_one_packet_does_not_split_a_key() {
        let mut dice = Dice(13);
        for start in (600..1400).step_by(37) {
            let mut samples = sound("8", Press { on_ms: 200.0, ..PLAIN }, &mut dice);
            samples[start..start + 160].fill(0);
            assert_eq!(detected(&samples), "8", "{start}");
            let mut cut = sound("8", Press { on_ms: 200.0, ..PLAIN }, &mut dice);
            cut.drain(start..start + 160);
            assert_eq!(detected(&cut), "8", "{start}");
        }
    }

    #[test]
    fn twist_of_8_and_4_db_is_accepted() {
        assert!(permille(Press { low_dbm0: -6.0, high_dbm0: -14.0, ..PLAIN }, 40) >= 990);
        assert!(permille(Press { low_dbm0: -14.0, high_dbm0: -10.0, ..PLAIN }, 40) >= 990);
        assert!(permille(Press { low_dbm0: -4.0, high_dbm0: -16.0, ..PLAIN }, 20) == 0);
    }

    #[test]
    fn frequencies_off_by_1_5_percent_are_detected_and_by_3_5_percent_are_not() {
        for stretch in [0.985, 1.015] {
            assert_eq!(permille(Press { stretch, ..PLAIN }, 40), 1000, "{stretch}");
        }
        for stretch in [0.965, 1.035] {
            assert_eq!(permille(Press { stretch, ..PLAIN }, 40), 0, "{stretch}");
        }
    }

    #[test]
    fn noise_15_db_below_costs_no_key() {
        assert_eq!(permille(Press { noise_db: Some(15.0), ..PLAIN }, 40), 1000);
    }

    #[test]
    fn level_may_fall_to_minus_36_dbm0() {
        assert_eq!(permille(Press { low_dbm0: -36.0, high_dbm0: -36.0, ..PLAIN }, 20), 1000);
        assert_eq!(permille(Press { low_dbm0: -42.0, high_dbm0: -42.0, ..PLAIN }, 20), 0);
    }

    #[test]
    fn a_blip_of_23_ms_is_no_key() {
        assert_eq!(permille(Press { on_ms: 23.0, ..PLAIN }, 40), 0);
    }

    #[test]
    fn letters_are_no_keys() {
        assert_eq!(detected(&sound("ABCD1", PLAIN, &mut Dice(3))), "1");
    }

    #[test]
    fn silence_noise_and_a_single_tone_are_no_keys() {
        let mut dice = Dice(5);
        let noise: Vec<i16> = (0..80_000).map(|_| (3000.0 * dice.gauss()).clamp(-32768.0, 32767.0) as i16).collect();
        assert_eq!(detected(&noise), "");
        assert_eq!(detected(&crate::sine(697.0, -10.0, std::time::Duration::from_secs(1))), "");
        assert_eq!(detected(&[0; 8000]), "");
    }

    /// Speech in all three languages, from the prompts of the tree, must not press keys.
    #[test]
    fn the_prompts_press_no_keys() {
        for (path, rate, samples) in support::corpus::prompts() {
            let samples = crate::resample::to_8000(&samples, rate).expect("a master's rate");
            assert_eq!(detected(&samples), "", "{}", path.display());
        }
    }
}
