//! Accounts, and what happens to them.

use jiff::Timestamp;

use base::Private;
use studio::{Operator, Role};

/// An account to be created.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The name to sign in with.
    pub name: String,
    /// What the operator may do.
    pub role: Role,
    /// The operator number for the telephone; `None` for the next free one.
    pub number: Option<String>,
    /// The first password, which its holder must change.
    pub password: Private<String>,
    /// The PIN for the telephone; without one the account cannot use it.
    pub pin: Option<Private<String>>,
}

/// An account in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Name, number and role.
    pub operator: Operator,
    /// Whether it can use the telephone.
    pub has_pin: bool,
    /// Whether the password was chosen by another person, and must be changed.
    pub must_change: bool,
    /// The realm that its telephones register in, if it has a SIP password.
    pub sip_realm: Option<String>,
    /// The last sign-in with a browser.
    pub signed_in: Option<Timestamp>,
}

/// An event of the accounts' audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// When it happened.
    pub at: Timestamp,
    /// `sign_in`, `sign_in_failed`, `password_wrong`, `phone_sign_in`, `phone_sign_in_failed`, `sign_out`, `password`, `pin`, `role`,
    /// `add`, `remove`, `unlock`, `end_session`, `sip_password`, `sip_password_removed`, `agent`, `look`; of supervisors
    /// `agent_state`, `agent_skills`, `queue_opened`, `queue_closed`, `caller_moved`.
    pub what: String,
    /// The account; `-` for an unknown name.
    pub who: String,
    /// Who did it, if another person did.
    pub by: String,
    /// The address, or `phone`; empty for the command line.
    pub from: String,
}

impl AccountEvent {
    pub(crate) fn of(at: Timestamp, what: &str, who: &str, by: &str, from: &str) -> AccountEvent {
        AccountEvent { at, what: what.into(), who: who.into(), by: by.into(), from: from.into() }
    }
}
