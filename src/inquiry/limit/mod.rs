//! Limits of failed look-ups, so that receipt numbers and second factors cannot be guessed.
//!
//! Only a look-up that matches nothing is a failure, and it counts for one window. A client over its limit makes no
//! look-up, so nothing more is counted and the window runs out: no client is locked out permanently.
//!
//! The two doors count the same failures by the same windows and differ in policy:
//!
//! | | telephone ([`PhoneLimiter`]) | scan ([`ScanLimiter`]) |
//! |---|---|---|
//! | clients | the caller's number, the receipt number | the kiosk at its address, the address |
//! | the same receipt again | a new failure: the second factor may be guessed | no new failure |
//! | a look-up that finds its case | clears the caller | clears nothing: a kiosk has many visitors |
//! | the total is reached | every look-up is rejected | only clients that have failed are rejected |
//!
//! A limit is `Option<NonZeroU32>`: `None` means no limit. Zero cannot be written, so it cannot mean "no limit" to one
//! reader and "reject everything" to another.

mod failures;
mod limiter;
mod phone;
mod scan;

pub use limiter::{Limiter, Rejected};
pub use phone::{PhoneClient, PhoneLimiter, PhoneLimits};
pub use scan::{KIOSKS_PER_ADDRESS, ScanClient, ScanLimiter, ScanLimits};
