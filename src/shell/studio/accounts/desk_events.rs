//! What agents and supervisors did at their pages, in the audit log of the accounts.

use os::clock;

use super::account::AccountEvent;
use super::error::AccountError;
use super::file;
use super::handle::Accounts;

impl Accounts {
    /// Notes that an account did this: `look` at a caller's card, or what a supervisor does. `about` names the call, the
    /// queue or the address, and no person.
    ///
    /// # Errors
    /// The file cannot be written: what was to be noted must not be done.
    pub fn note_desk(&self, what: &str, who: &str, by: &str, about: &str) -> Result<(), AccountError> {
        Ok(file::note(&self.lock(), &AccountEvent::of(clock::timestamp(), what, who, by, about))?)
    }
}
