//! Accounts of the studio: sign-in by password in a browser and by PIN on a telephone, and the sessions of browsers.
//!
//! ```text
//!  name + password ─┐                             ┌─ wrong: counted ─► Refused::Wrong, later Refused::Wait
//!                   ├─► lockout ─► hash limiter ──┤
//!  number + PIN ────┘              (argon2id)     └─ right ─► Session: a token for its cookie, stored as a hash
//! ```
//! An attempt is counted before it is verified and taken back if it succeeds, so that parallel attempts and a crash count
//! as well. Unknown names cost the same time and are counted the same way. A browser that the account has signed in with
//! before is counted by itself: guesses from elsewhere cannot lock the holder out.
//!
//! All methods block; call them from a thread that may.

mod account;
mod administration;
mod agents;
mod desk_events;
mod error;
mod file;
mod handle;
mod hashing;
pub mod initial;
pub mod initial_file;
mod lockout;
mod session;
mod sessions;
mod sign_in;
mod sip;
mod sip_table;

pub use account::{AccountEvent, AccountRow, NewAccount};
pub use agents::{AgentAccount, AgentDuty};
pub use error::{AccountError, SignInError};
pub use handle::Accounts;
pub use lockout::PhoneCaller;
pub use session::{OpenSession, Origin, RequestBy, Session, SessionAges, SignedIn};
pub use sip::SipAccount;

#[cfg(test)]
mod tests;
