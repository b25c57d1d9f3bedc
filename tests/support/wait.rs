//! One way to wait: a probe is repeated until it holds, and a limit ends it with everything that is known.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// What a probe can give: `bool`, `Option<T>`, or `Result<T, E>` whose error says why it does not hold yet.
pub trait Probe {
    /// What is waited for.
    type Value;

    /// The value, or the reason why it is not there yet; the reason may be empty.
    fn held(self) -> Result<Self::Value, String>;
}

impl Probe for bool {
    type Value = ();

    fn held(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<T> Probe for Option<T> {
    type Value = T;

    fn held(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T, E: Display> Probe for Result<T, E> {
    type Value = T;

    fn held(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Repeats `probe` until it holds and returns its value. Fails the test after `limit`, with `what` and the last reason.
#[track_caller]
pub fn eventually<P: Probe>(limit: Duration, what: impl Display, probe: impl FnMut() -> P) -> P::Value {
    match within(limit, probe) {
        Ok(value) => value,
        Err(reason) => panic!("not within {limit:?}: {what}\n{reason}"),
    }
}

/// Repeats `probe` until it holds; the last reason after `limit`.
///
/// # Errors
/// The reason of the probe's last try.
pub fn within<P: Probe>(limit: Duration, mut probe: impl FnMut() -> P) -> Result<P::Value, String> {
    let until = Instant::now() + limit;
    let mut pause = Duration::from_millis(2);
    loop {
        // The clock is read before the probe: a probe that began in time counts, however busy the machine is.
        let is_last = Instant::now() >= until;
        match probe().held() {
            Err(reason) if is_last => return Err(reason),
            Err(_) => std::thread::sleep(pause),
            held => return held,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The limit where nothing says how long something takes: far more than it does on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_repeated_until_it_holds() {
        let mut left = 3;
        let value = eventually(SOON, "three tries", || {
            left -= 1;
            (left == 0).then_some("held")
        });
        assert_eq!(value, "held");
    }

    #[test]
    fn the_last_reason_is_given_when_the_limit_is_over() {
        assert_eq!(within(Duration::ZERO, || Err::<(), _>("not yet")), Err("not yet".to_owned()));
    }
}
