//! The scan door and the kiosk: request → reply (pure).
//!
//! ```text
//!  method, path ──► route ──► Route ─┬─► pages: the kiosk's files, built in
//!                                    └─► a body ──► request ──► what was asked
//!                                                                   │  shell: look-up
//!  JSON ◄── Shown ◄── words of the same conversation as the phone ◄─┘
//! ```
//!
//! A reply holds the stage, the dates and the words; never a name, an identity or document number, an address, and
//! never the code that was scanned. Whatever goes wrong is a [`Problem`]: a status, a word for programs, and a
//! sentence that says what to do.

mod client;
mod health;
mod page;
mod photograph;
mod problem;
mod request;
mod route;
mod shown;
pub mod studio;
mod wav;
mod words;

pub use client::client;
pub use health::{Health, NodeState, Trouble};
pub use page::{Asset, KioskSettings, asset};
pub use photograph::{Photograph, PhotographError, PhotographLimits};
pub use problem::Problem;
pub use request::{CODE_BYTES_MAX, JSON_BYTES_MAX, Kiosk, RateRequest, ScanRequest, SpeechRequest};
pub use route::{Body, Route, body_of, route};
pub use shown::{Found, Hall, Shown};
pub use wav::{Sound, wav};
pub use words::{CodeKind, StageNames, Step, Wording};
