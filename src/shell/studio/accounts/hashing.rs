//! Argon2id (RFC 9106, with OWASP's parameters), a few at a time: each takes 19 MiB and a core for a while, so a flood of
//! sign-ins waits here and cannot exhaust the node.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// A semaphore with a bounded queue.
#[derive(Default)]
pub(super) struct HashLimiter {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    running: u32,
    waiting: u32,
}

/// Permits one hash; given back on drop.
pub(super) struct HashPermit<'a>(&'a HashLimiter);

impl HashLimiter {
    /// Waits for a permit; `None` when too many wait, or after five seconds.
    pub(super) fn acquire(&self) -> Option<HashPermit<'_>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.running >= RUNNING_MAX {
            if state.waiting >= WAITING_MAX {
                return None;
            }
            state.waiting += 1;
            let waited = self.freed.wait_timeout_while(state, WAIT_MAX, |state| state.running >= RUNNING_MAX);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
            if state.running >= RUNNING_MAX {
                return None;
            }
        }
        state.running += 1;
        Some(HashPermit(self))
    }
}

impl HashPermit<'_> {
    /// Whether a secret matches a hash. Without a hash it takes the same time and does not.
    pub(super) fn verifies(&self, secret: &str, hash: Option<&str>) -> bool {
        let right = Argon2::default().verify_password(secret.as_bytes(), hash.unwrap_or(NO_SECRET)).is_ok();
        right && hash.is_some()
    }

    /// The PHC string of a secret, with a new salt.
    pub(super) fn hash(&self, secret: &str) -> Option<String> {
        Argon2::default().hash_password(secret.as_bytes()).ok().map(|hash| hash.to_string())
    }
}

impl Drop for HashPermit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.0.freed.notify_one();
    }
}

/// A hash that no secret has, with the parameters of all others.
const NO_SECRET: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const RUNNING_MAX: u32 = 2;
const WAITING_MAX: u32 = 16;
const WAIT_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_verifies_against_its_own_hash_only() {
        let limiter = HashLimiter::default();
        let permit = limiter.acquire().expect("a free permit");
        let hash = permit.hash("correct horse").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(permit.verifies("correct horse", Some(&hash)));
        assert!(!permit.verifies("correct hors", Some(&hash)));
        assert!(!permit.verifies("", None) && !permit.verifies("correct horse", Some("$argon2id$broken")));
        assert_ne!(permit.hash("correct horse"), Some(hash), "salted");
    }

    #[test]
    fn the_hash_of_no_secret_has_the_parameters_of_all_others() {
        let real = HashLimiter::default().acquire().and_then(|permit| permit.hash("x")).expect("a hash");
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(&real), parameters(NO_SECRET));
        assert_eq!(real.len(), NO_SECRET.len());
    }

    #[test]
    fn a_third_waits_until_one_is_done() {
        let limiter = HashLimiter::default();
        let (first, second) = (limiter.acquire(), limiter.acquire());
        assert!(first.is_some() && second.is_some());
        std::thread::scope(|scope| {
            let third = scope.spawn(|| limiter.acquire().is_some());
            while limiter.state.lock().unwrap().waiting == 0 {
                std::thread::yield_now();
            }
            drop(first);
            assert!(third.join().unwrap());
        });
    }
}
