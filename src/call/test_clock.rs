//! Where a test's clock begins.

use std::time::Instant;

/// A moment; tests move on from it by adding to it.
#[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
