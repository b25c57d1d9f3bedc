//! The prompt studio's IO: accounts and what they do.

pub mod accounts;

pub use accounts::{Accounts, Refused};
