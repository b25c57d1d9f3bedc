//! Types that every crate shares: deadlines, private values, keys and how they come, languages, texts for the
//! office's people, codecs, networks, patterns of telephone numbers.

mod bilingual;
mod codec;
mod deadline;
mod dtmf_mode;
mod hex;
mod key;
mod lang;
mod media_io;
mod network;
mod number_pattern;
mod private;
mod srtp_policy;

pub use bilingual::{Bilingual, OfficeLang, padded, plural};
pub use codec::{Codec, Codecs, CodecsError};
pub use deadline::{Deadline, earliest};
pub use dtmf_mode::DtmfMode;
pub use hex::hex;
pub use key::Key;
pub use lang::{Characters, Lang};
pub use media_io::MediaIo;
pub use network::Network;
pub use number_pattern::{NumberPattern, PatternError, allowed_number};
pub use private::{Private, set_tag_key, tag};
pub use srtp_policy::SrtpPolicy;
