//! Limits of look-ups, so that receipt numbers and second factors cannot be guessed.
//!
//! A look-up that matches nothing is a failure, and counts for one window. A client over its limit makes no look-up, so
//! nothing more is counted and the window runs out: no client is locked out permanently. Look-ups that find their case
//! are counted as well, since a guesser who holds one receipt could hide failures among them.
//!
//! Each door counts its own clients. [`SharedCounts`] holds what the doors count together: failures and look-ups of one
//! receipt number, and the totals.
//!
//! | | telephone ([`PhoneLimiter`]) | kiosk ([`ScanLimiter`]) | public page ([`PublicLimiter`]) |
//! |---|---|---|---|
//! | clients | the caller's number | the enrolled kiosk; else the name at its address, and the address | the address |
//! | limits of a client | failures, look-ups | failures | failures, look-ups |
//! | the receipt's limits | failures | none: the paper is the proof | half of the failures, look-ups |
//! | the same receipt again | a new failure: the second factor may be guessed | no new failure | a new failure |
//! | a look-up that finds its case | clears the caller | clears nothing | clears nothing |
//! | a total is reached | refuses callers who have failed | refuses no enrolled kiosk | refuses who has failed, delays the others |
//!
//! A limit is `Option<NonZeroU32>`: `None` means no limit. Zero cannot be written, so it cannot mean "no limit" to one
//! reader and "reject everything" to another.

mod address;
mod failures;
mod inquiry_limiter;
mod limiter;
mod phone;
mod public;
mod scan;
mod shared;
mod window;

pub use inquiry_limiter::{InquiryLimiter, InquiryLimits};
pub use limiter::{Limiter, Rejected};
pub use phone::{PhoneClient, PhoneLimiter, PhoneLimits};
pub use public::{PublicClient, PublicLimiter, PublicLimits};
pub use scan::{KIOSKS_PER_ADDRESS, ScanClient, ScanLimiter, ScanLimits};
pub use shared::{DELAY_MAX, SharedCounts, SharedLimits};
