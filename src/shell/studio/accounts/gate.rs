//! Argon2id, a few at a time: each costs 19 MiB and a core for a while (RFC 9106; the parameters are those that OWASP
//! names), so a flood of sign-ins waits at this gate and cannot eat the node.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// Lets few through at once, and few wait.
#[derive(Default)]
pub(super) struct Gate {
    at: Mutex<At>,
    freed: Condvar,
}

#[derive(Default)]
struct At {
    inside: u32,
    waiting: u32,
}

/// A place inside, given back when it goes.
pub(super) struct Inside<'a>(&'a Gate);

impl Gate {
    /// Waits for a place; `None` when too many wait, or it takes too long.
    pub(super) fn enter(&self) -> Option<Inside<'_>> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.inside >= INSIDE_MAX {
            if at.waiting >= WAITING_MAX {
                return None;
            }
            at.waiting += 1;
            let waited = self.freed.wait_timeout_while(at, PATIENCE, |at| at.inside >= INSIDE_MAX);
            at = waited.unwrap_or_else(PoisonError::into_inner).0;
            at.waiting -= 1;
            if at.inside >= INSIDE_MAX {
                return None;
            }
        }
        at.inside += 1;
        Some(Inside(self))
    }
}

impl Inside<'_> {
    /// Whether the secret is the one that was hashed. Without a hash, it takes the same time and is not.
    pub(super) fn verifies(&self, secret: &str, hash: Option<&str>) -> bool {
        let right = Argon2::default().verify_password(secret.as_bytes(), hash.unwrap_or(NOBODY)).is_ok();
        right && hash.is_some()
    }

    /// The PHC string of a secret, salted anew.
    pub(super) fn hash(&self, secret: &str) -> Option<String> {
        Argon2::default().hash_password(secret.as_bytes()).ok().map(|hash| hash.to_string())
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.at.lock().unwrap_or_else(PoisonError::into_inner).inside -= 1;
        self.0.freed.notify_one();
    }
}

/// A hash that no secret has, with the same parameters as all others.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const INSIDE_MAX: u32 = 2;
const WAITING_MAX: u32 = 16;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_verifies_against_its_own_hash_only() {
        let gate = Gate::default();
        let inside = gate.enter().expect("an empty gate");
        let hash = inside.hash("correct horse").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(inside.verifies("correct horse", Some(&hash)));
        assert!(!inside.verifies("correct hors", Some(&hash)));
        assert!(!inside.verifies("", None) && !inside.verifies("correct horse", Some("$argon2id$broken")));
        assert_ne!(inside.hash("correct horse"), Some(hash), "salted");
    }

    #[test]
    fn nobody_verifies_with_the_parameters_of_everybody() {
        let ours = Gate::default().enter().and_then(|inside| inside.hash("x")).expect("a hash");
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(&ours), parameters(NOBODY));
        assert_eq!(ours.len(), NOBODY.len());
    }

    #[test]
    fn a_third_waits_until_one_has_left() {
        let gate = Gate::default();
        let (first, second) = (gate.enter(), gate.enter());
        assert!(first.is_some() && second.is_some());
        std::thread::scope(|scope| {
            let third = scope.spawn(|| gate.enter().is_some());
            while gate.at.lock().unwrap().waiting == 0 {
                std::thread::yield_now();
            }
            drop(first);
            assert!(third.join().unwrap());
        });
    }
}
