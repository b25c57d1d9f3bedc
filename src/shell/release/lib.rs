//! Releases on the disk: the files of a hotline, its recordings, the release store, the live pointer, retention.
//!
//! ```text
//!  settings' files ─► hotline ─► call sheets, replay ─► store ─► live pointer ─► retention
//!                        ▲                                │
//!                        └──────── a stored release ◄─────┘
//! ```

mod audit;
pub mod call_sheets;
mod clips;
pub mod diagnostics;
mod disk;
mod emergency;
pub mod hotline;
mod layout;
mod live_pointer;
mod lock;
mod overlay;
pub mod recordings;
pub mod releases;
mod replay;
mod retention;
mod store;
