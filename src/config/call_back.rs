//! `[call_back]`: whom this node calls back, by which line, and how often.

use std::sync::Arc;
use std::time::Duration;

use base::Bilingual;
use queue::CallBackSettings;

use super::sip_address::in_a_trunk;
use super::table_reader::Reader;
use super::trunk::Trunk;
use super::values::patterns;

/// By which line people are called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBackLine {
    /// The SIP URI that is called, with `{number}` where the number stands.
    pub dial: String,
    /// The number that the called person sees, in digits.
    pub from: String,
}

impl CallBackLine {
    /// The SIP URI of a number.
    pub fn uri(&self, number: &str) -> String {
        self.dial.replace(NUMBER, number)
    }
}

/// Reads the table: the line, the calendar of its hours, the rules. Without `dial` no call-back is booked or made.
pub(super) fn call_back(reader: &mut Reader) -> (Option<CallBackLine>, Option<String>, CallBackSettings) {
    let usual = CallBackSettings::default();
    let number = |reader: &mut Reader, key: &str, range, usual: usize| {
        usize::try_from(reader.number(key, range, i64::try_from(usual).unwrap_or(i64::MAX))).unwrap_or(usual)
    };
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let dial = reader.optional_string("call_back.dial").filter(|dial| !dial.is_empty());
    let from = reader.string("call_back.from", "96110110");
    let hours = Some(reader.string("call_back.hours", USUAL_HOURS)).filter(|hours| !hours.is_empty());
    let allow = patterns(reader, "call_back.allow");
    let deny = patterns(reader, "call_back.deny");
    let settings = CallBackSettings {
        waiting_max: number(reader, "call_back.waiting_max", 0..=10_000, usual.waiting_max),
        per_number_per_day: u8::try_from(reader.number("call_back.per_number_per_day", 1..=20, 3)).unwrap_or(3),
        per_day: u32::try_from(reader.number("call_back.per_day", 0..=100_000, 1_000)).unwrap_or(1_000),
        attempts_max: u8::try_from(reader.number("call_back.attempts_max", 1..=10, 3)).unwrap_or(3),
        retry_after: reader.seconds("call_back.retry_after_s", 60..=86_400, seconds(usual.retry_after)),
        ring_limit: reader.seconds("call_back.ring_limit_s", 10..=120, seconds(usual.ring_limit)),
        answer_limit: reader.seconds("call_back.answer_limit_s", 10..=120, seconds(usual.answer_limit)),
        at_once_max: number(reader, "call_back.at_once_max", 1..=100, usual.at_once_max),
        keep: Duration::from_secs(reader.number("call_back.keep_h", 1..=720, 240).unsigned_abs() * 3600),
        // No number may be called where there is no line.
        allow: if dial.is_some() { allow } else { Vec::new() },
        deny,
    };
    if let Some(dial) = &dial {
        check_dial(reader, "call_back", dial, settings.allow.is_empty());
    }
    check_from(reader, "call_back.from", &from);
    (dial.map(|dial| CallBackLine { dial, from }), hours, settings)
}

/// Checks the number that the called person sees.
pub(super) fn check_from(reader: &mut Reader, key: &str, from: &str) {
    if from.is_empty() || from.len() > 32 || !from.chars().all(|c| c.is_ascii_digit()) {
        let what = Bilingual::fixed(
            "must be the number that the called person sees, in digits",
            "应为被叫方看到的号码（数字）",
        );
        reader.report(key, what);
    }
}

/// Checks a line of a table: the URI that is dialled, and that there are numbers which may be.
pub(super) fn check_dial(reader: &mut Reader, table: &str, dial: &str, allows_none: bool) {
    let is_sip = ["sip:", "sips:"].iter().any(|scheme| dial.starts_with(scheme));
    if !is_sip || dial.matches(NUMBER).count() != 1 || !dial.contains('@') {
        let what = Bilingual::fixed(
            "must be a SIP URI at a trunk with {number} where the number stands, as in sip:{number}@192.0.2.1",
            "应为中继上的 SIP URI，号码处写 {number}，如 sip:{number}@192.0.2.1",
        );
        reader.report(&format!("{table}.dial"), what);
    }
    if allows_none {
        let what = Bilingual::fixed(
            "must name the numbers that may be called, as in [\"1[3-9]XXXXXXXXX\", \"020XXXXXXXX\"]: X is any digit",
            "应写明允许呼叫的号码，如 [\"1[3-9]XXXXXXXXX\", \"020XXXXXXXX\"]，X 表示任一数字",
        );
        reader.report(&format!("{table}.allow"), what);
    }
}

/// The line is one of a trunk: other addresses are not called.
pub(super) fn check_trunk(reader: &mut Reader, key: &str, dial: Option<&String>, trunks: &[Arc<Trunk>]) {
    let Some(dial) = dial.filter(|dial| dial.contains('@')) else { return };
    if let Err(wrong) = in_a_trunk(dial, trunks) {
        reader.report(key, wrong);
    }
}

/// The calendar whose hours are those of call-backs where the settings name none.
pub const USUAL_HOURS: &str = "desk";
/// Where the number stands in the URI of a line.
pub(super) const NUMBER: &str = "{number}";

#[cfg(test)]
mod tests {
    use super::USUAL_HOURS;
    use crate::reading_tests::{errors, reads};

    #[test]
    fn nobody_is_called_back_without_a_line_and_numbers() {
        let settings = reads("").expect("defaults");
        assert_eq!(settings.phone.call_back, None);
        assert_eq!(settings.phone.call_back_hours.as_deref(), Some(USUAL_HOURS));
        assert_eq!(settings.phone.queues.call_backs.allowed("13800000000"), None);
        assert_eq!(errors("[call_back]\ndial = \"sip:{number}@127.0.0.1\"\n"), ["call_back.allow"]);
    }

    #[test]
    fn a_line_calls_a_number_that_may_be_called() {
        let text = "[call_back]\ndial = \"sip:0{number}@127.0.0.1\"\nallow = [\"1[3-9]XXXXXXXXX\"]\ndeny = [\"139XXXXXXXX\"]\n";
        let settings = reads(text).expect("good settings");
        let line = settings.phone.call_back.expect("a line");
        assert_eq!(settings.phone.call_back_hours.as_deref(), Some("desk"));
        assert_eq!(line.uri("13800000000"), "sip:013800000000@127.0.0.1");
        let rules = settings.phone.queues.call_backs;
        assert_eq!(rules.allowed("138-0000 0000").as_deref(), Some("13800000000"));
        assert_eq!(rules.allowed("13900000000"), None);
    }

    #[test]
    fn a_line_without_a_place_for_the_number_and_a_wrong_pattern_are_errors() {
        let table = |lines: &str| errors(&format!("[call_back]\nallow = [\"1XXXXXXXXXX\"]\n{lines}"));
        for dial in ["sip:a@127.0.0.1", "tel:{number}", "sip:{number}{number}@127.0.0.1"] {
            assert_eq!(table(&format!("dial = \"{dial}\"\n")), ["call_back.dial"], "{dial}");
        }
        assert_eq!(errors("[call_back]\nallow = [\"1.\"]\n"), ["call_back.allow"]);
        for dial in ["sip:{number}@192.0.2.1", "sip:{number}@carrier.example", "sip:{number}@[2001:db8::1]:5062"] {
            assert_eq!(table(&format!("dial = \"{dial}\"\n")), ["call_back.dial"], "{dial} is in no trunk");
        }
        assert_eq!(table("from = \"abc\"\n"), ["call_back.from"]);
        assert_eq!(table("per_day = -1\n"), ["call_back.per_day"]);
    }
}
