//! Settings: `jindu.toml` and `--set KEY=VALUE` as written → [`Settings`] as checked, every error at once.

mod call_back;
mod call_shares;
mod check;
mod hep;
mod listen;
mod messages;
mod network;
mod overrides;
mod places;
mod postgres;
mod queues;
#[cfg(test)]
mod reading_tests;
mod recording;
mod register;
mod registrar;
mod settings;
mod sip_address;
mod sms;
mod sound_key;
mod table_reader;
#[cfg(test)]
mod tests;
mod tls;
mod transfer;
mod trunk;
mod trunk_check;
#[cfg(test)]
mod trunk_tests;
mod values;
mod warnings;
mod web_shares;
mod webrtc;

pub use call_back::{CallBackLine, USUAL_HOURS};
pub use call_shares::CallShares;
pub use check::{read, read_all};
pub use hep::Hep;
pub use messages::Messages;
pub use network::{Network, Transport};
pub use postgres::{Postgres, Tls, UpstreamServer};
pub use queues::QueueAddresses;
pub use recording::Recording;
pub use register::Register;
pub use registrar::PhoneRegistrar;
pub use settings::*;
pub use sound_key::SoundKey;
pub use table_reader::{Diagnostic, SettingPlace};
pub use tls::PhoneTls;
pub use transfer::TransferLine;
pub use trunk::Trunk;
pub use web_shares::WebShares;
pub use webrtc::Webrtc;
