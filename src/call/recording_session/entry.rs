//! What an operator types: digits, ended by `#` or silence, taken back by `*`.

/// The digits so far.
#[derive(Default)]
pub(super) struct Entry(String);

impl Entry {
    /// Adds a digit; one too many is not taken.
    pub(super) fn push(&mut self, digit: u8) {
        if self.0.len() < DIGITS_MAX {
            self.0.push(char::from(b'0' + digit));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Gives the digits up.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// Prints nothing of it: it may be a PIN.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(_)")
    }
}

/// Longer than any number or PIN.
const DIGITS_MAX: usize = 20;
