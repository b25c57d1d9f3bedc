//! `[transfer]`: which numbers agents may give callers to, by which line, and how often.

use std::time::Duration;

use base::{NumberPattern, allowed_number};

use super::call_back::{NUMBER, check_dial, check_from};
use super::table_reader::Reader;
use super::values::patterns;

/// By which line agents call numbers, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferLine {
    /// The SIP URI that is called, with `{number}` where the number stands.
    pub dial: String,
    /// The number that the called person sees, in digits.
    pub from: String,
    /// Numbers that may be called.
    pub allow: Vec<NumberPattern>,
    /// Numbers that may not be called, though a pattern allows them.
    pub deny: Vec<NumberPattern>,
    /// Numbers that one agent may call on one day.
    pub per_agent_per_day: u32,
    /// Numbers that all agents may call on one day.
    pub per_day: u32,
    /// How long a number may ring.
    pub ring_limit: Duration,
}

impl TransferLine {
    /// The number as it is dialled, if it may be called.
    pub fn allowed(&self, number: &str) -> Option<String> {
        allowed_number(number, &self.allow, &self.deny)
    }

    /// The SIP URI of a number.
    pub fn uri(&self, number: &str) -> String {
        self.dial.replace(NUMBER, number)
    }
}

/// Reads the table. Without `dial` no number is called.
pub(super) fn transfer(reader: &mut Reader) -> Option<TransferLine> {
    let dial = reader.optional_string("transfer.dial").filter(|dial| !dial.is_empty());
    let from = reader.string("transfer.from", "96110110");
    let allow = patterns(reader, "transfer.allow");
    let deny = patterns(reader, "transfer.deny");
    let count = |written: i64| u32::try_from(written).unwrap_or(0);
    let per_agent_per_day = count(reader.number("transfer.per_agent_per_day", 0..=1_000, 50));
    let per_day = count(reader.number("transfer.per_day", 0..=100_000, 500));
    let ring_limit = reader.seconds("transfer.ring_limit_s", 5..=120, 30);
    check_from(reader, "transfer.from", &from);
    let dial = dial?;
    check_dial(reader, "transfer", &dial, allow.is_empty());
    Some(TransferLine { dial, from, allow, deny, per_agent_per_day, per_day, ring_limit })
}

#[cfg(test)]
mod tests {
    use crate::reading_tests::{errors, reads};

    #[test]
    fn no_number_is_called_without_a_line_and_patterns() {
        assert_eq!(reads("").expect("defaults").phone.transfer, None);
        assert_eq!(errors("[transfer]\ndial = \"sip:{number}@127.0.0.1\"\n"), ["transfer.allow"]);
        let allow = "allow = [\"8XX\"]\n";
        for dial in ["sip:a@127.0.0.1", "tel:{number}", "sip:{number}@192.0.2.1"] {
            assert_eq!(errors(&format!("[transfer]\ndial = \"{dial}\"\n{allow}")), ["transfer.dial"], "{dial}");
        }
        assert_eq!(errors("[transfer]\nper_day = -1\nfrom = \"abc\"\n"), ["transfer.per_day", "transfer.from"]);
    }

    #[test]
    fn a_line_calls_extensions_and_not_what_is_denied() {
        let text = "[transfer]\ndial = \"sip:{number}@127.0.0.1\"\nallow = [\"8XX\", \"020XXXXXXXX\"]\ndeny = [\"020961XXXXX\"]\n";
        let line = reads(text).expect("good settings").phone.transfer.expect("a line");
        assert_eq!(line.allowed("8-01").map(|number| line.uri(&number)).as_deref(), Some("sip:801@127.0.0.1"));
        assert_eq!(line.allowed("020 9611 0110"), None);
        assert_eq!(line.allowed("00441234567"), None);
    }
}
