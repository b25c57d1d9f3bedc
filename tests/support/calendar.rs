//! The shipped calendar.

use inquiry::WorkingDays;

/// The working days of `config/calendar.toml`, which holds the State Council's notices of 2026.
pub fn notices_of_2026() -> WorkingDays {
    let text = include_str!("../../config/calendar.toml");
    let (calendar, diagnostics) = flow::Calendar::parse(text, "calendar.toml");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    calendar.working.days()
}
