//! The E-model (ITU-T G.107): how good a call sounds, from loss and delay.
//!
//! R = Ro − Is − Id − Ie,eff + A. With the default values of G.107 Table 3, Ro − Is is 93.2 and A is 0. What a network
//! adds is Id, of the delay, and Ie,eff, of the loss. The values of G.711 are those of G.113 Appendix I: Ie = 0, and
//! Bpl = 25.1 for a receiver that conceals losses, as telephones and media gateways do (4.3 for one that does not).

use std::time::Duration;

/// A mean opinion score of an E-model estimate (MOS-CQE), in hundredths: 100 to 450.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mos(u16);

impl Mos {
    /// The estimate of a stream of G.711.
    ///
    /// `loss` is the share of packets that never came, 0 to 1; `delay` the time from mouth to ear.
    pub fn estimate(loss: f64, delay: Duration) -> Mos {
        Mos::of_rating(rating(loss, delay))
    }

    /// In hundredths.
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// G.107 Annex B: the score of a rating R.
    fn of_rating(rating: f64) -> Mos {
        let score = match rating {
            rating if rating <= 0.0 => 1.0,
            rating if rating >= 100.0 => 4.5,
            rating => 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6,
        };
        Mos((score.clamp(1.0, 4.5) * 100.0).round() as u16)
    }
}

/// The delay from mouth to ear of a stream: half the round trip, a packet, and a jitter buffer that holds what 98 % of
/// a normal distribution need, twice the mean deviation on either side.
pub fn mouth_to_ear(round_trip: Duration, jitter: Duration, ptime: Duration) -> Duration {
    round_trip / 2 + ptime + jitter * 2
}

/// The rating R of a stream of G.711 with concealment.
fn rating(loss: f64, delay: Duration) -> f64 {
    BASE - delay_impairment(delay) - loss_impairment(loss, ROBUSTNESS)
}

/// Id without echo: Idd of G.107 §7.4, of the delay beyond 100 ms.
fn delay_impairment(delay: Duration) -> f64 {
    let ms = delay.as_secs_f64() * 1000.0;
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// Ie,eff of G.107 §7.5 for random loss (BurstR = 1) and Ie = 0.
fn loss_impairment(loss: f64, robustness: f64) -> f64 {
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    95.0 * percent / (percent + robustness)
}

/// R with all values of G.107 Table 3.
const BASE: f64 = 93.2;
/// Bpl of G.711 with the concealment of its Appendix I (G.113 Appendix I).
const ROBUSTNESS: f64 = 25.1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// G.107 Table B.1, and the default rating.
    #[test]
    fn ratings_have_the_scores_of_g_107() {
        for (rating, score) in [(90.0, 434), (80.0, 402), (70.0, 360), (60.0, 310), (50.0, 258), (93.2, 441)] {
            assert!(Mos::of_rating(rating).hundredths().abs_diff(score) <= 1, "{rating}");
        }
        assert_eq!((Mos::of_rating(-5.0).hundredths(), Mos::of_rating(120.0).hundredths()), (100, 450));
    }

    /// G.113 Appendix I: the impairments measured for G.711 with concealment and random loss.
    #[test]
    fn losses_impair_as_g_113_says() {
        for (percent, impairment) in
            [(0.0, 0.0), (1.0, 5.0), (2.0, 7.0), (3.0, 10.0), (5.0, 15.0), (7.0, 20.0), (10.0, 25.0)]
        {
            let estimate = loss_impairment(percent / 100.0, ROBUSTNESS);
            assert!((estimate - impairment).abs() <= 2.2, "{percent} %: {estimate}");
        }
    }

    /// G.107 §7.4: nothing up to 100 ms. The curve without echo (G.114 Figure 1): R above 80 at 250 ms, near 70 at 400 ms.
    #[test]
    fn delays_impair_as_g_114_says() {
        assert_eq!(delay_impairment(ms(100)), 0.0);
        for (delay, least, most) in [(150, 90.0, 93.2), (250, 80.0, 88.0), (400, 66.0, 74.0), (500, 60.0, 68.0)] {
            let rating = rating(0.0, ms(delay));
            assert!((least..most).contains(&rating), "{delay} ms: {rating}");
        }
    }

    #[test]
    fn a_clean_call_scores_441_and_a_dead_one_little() {
        assert_eq!(Mos::estimate(0.0, mouth_to_ear(ms(20), ms(1), ms(20))).hundredths(), 441);
        assert!(Mos::estimate(1.0, ms(20)).hundredths() < 200);
    }

    proptest! {
        #[test]
        fn more_loss_or_delay_is_never_better(loss in 0f64..1.0, delay in 0u64..5000, more in 0f64..1.0, later in 0u64..5000) {
            let score = Mos::estimate(loss, ms(delay));
            prop_assert!((100..=450).contains(&score.hundredths()));
            prop_assert!(Mos::estimate((loss + more).min(1.0), ms(delay + later)) <= score);
        }
    }
}
