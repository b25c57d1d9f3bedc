//! The HTTP service (pure): scan API, kiosk page, health, and the studio's page and API. A request in, a reply out.
//!
//! ```text
//!  method, path ──► route ──► Route ─┬─► pages: the kiosk's files, built in
//!                                    └─► a body ──► request ──► ScanRequest, …
//!                                                                   │  shell: look-up
//!  JSON ◄── Shown ◄── words of the same conversation as the phone ◄─┘
//! ```
//!
//! A reply holds stage, dates and words. It never holds a name, an identity or document number, an address, or the
//! scanned code. Every error is a [`RequestError`]: an HTTP status, a stable code, and a sentence that says what to do.

mod client;
mod health;
mod page;
mod photograph;
mod photograph_error;
mod picture;
mod request;
mod request_error;
mod route;
mod scan_answer;
pub mod studio;
mod wav;
mod words;

pub use client::client_address;
pub use health::{Health, NodeState, Trouble};
pub use page::{Asset, KioskSettings, asset};
pub use photograph::Photograph;
pub use photograph_error::{PhotographError, PhotographLimits};
pub use request::{JSON_BYTES_MAX, Kiosk, RateRequest, ScanRequest, SpeechRequest};
pub use request_error::RequestError;
pub use route::{Body, Route, body_of, route};
pub use scan_answer::{FoundCase, Hall, ScanAnswer};
pub use wav::{SpeechPiece, speech_wav};
pub use words::{CodeKind, StageNames, Step, Wording};
