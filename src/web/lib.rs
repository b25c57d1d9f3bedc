//! The HTTP service (pure): scan API, kiosk page, public page, enrolment of kiosks, health, the studio's and the agents' pages and APIs. A request in, a reply out.
//!
//! ```text
//!  host, method, path ──► route ──► Route ─┬─► files of the pages, built in
//!  cookie, address ──► Client              └─► a body ──► request ──► ScanRequest, InquiryRequest, …
//!                                                                   │  shell: look-up
//!  JSON ◄── Shown ◄── words of the same conversation as the phone ◄─┘
//! ```
//!
//! A reply holds stage, dates and words. It never holds a name, an identity or document number, an address, or the
//! scanned code. Every error is a [`RequestError`]: an HTTP status, a stable code, and a sentence that says what to do.

pub mod agent;
mod attempt;
mod audience;
mod barcode_search;
mod client;
mod enrolment;
mod health;
mod host;
mod inquiry_request;
mod page;
mod photograph;
mod photograph_error;
mod photograph_report;
mod picture;
mod public;
mod qr_text;
mod range;
mod request;
mod request_error;
mod retouch;
mod route;
mod scan_answer;
mod shares;
pub mod studio;
pub mod telephone;
mod wav;
mod words;

pub use audience::{Arrival, Audience, Client, CostBound, audience_of, cost_bound_of};
pub use barcode_search::{BarcodeSearch, FoundTexts};
pub use client::client_address;
pub use enrolment::{EnrolledKiosk, EnrolmentError, KIOSKS_MAX, KioskRegister, NewKiosk};
pub use health::{Health, NodeState, Trouble};
pub use host::check_host;
pub use inquiry_request::{InquiryRequest, form_value, page_language, read_enrol_form, speech_language};
pub use page::{Asset, KioskSettings, asset, entity_tag};
pub use photograph::Photograph;
pub use photograph_error::{PhotographError, PhotographLimits};
pub use photograph_report::PhotographReport;
pub use public::{PublicPage, PublicSettings, Shows, enrol_page};
pub use qr_text::qr_text;
pub use range::WantedRange;
pub use request::{JSON_BYTES_MAX, Kiosk, RateRequest, ScanRequest, SpeechRequest};
pub use request_error::RequestError;
pub use route::{Body, Route, body_of, route};
pub use scan_answer::{FoundCase, Hall, ScanAnswer};
pub use shares::{ClientNetwork, ClientShares, ShareExceeded, ShareLimits};
pub use wav::{SpeechPiece, speech_wav};
pub use words::{CodeKind, StageNames, Step, Wording, no_match};
