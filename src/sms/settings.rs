//! The settings of text messages.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use base::{NumberPattern, allowed_number};

use crate::schedule::Retry;
use crate::signature::Encoding;
use crate::template::Template;

/// Text messages of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which numbers, and how many.
    pub limits: Limits,
    /// The waits between attempts.
    pub retry: Retry,
    /// Attempts that a carrier may ask to be made again; then the message is given up.
    pub attempts_max: u8,
    /// A message that is not sent within this time ends: its result is old.
    pub keep: Duration,
    /// A carrier that is unreachable for longer is a trouble of the node.
    pub alarm_after: Duration,
    /// Who carries them; none: no message is sent.
    pub carrier: Option<Carrier>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            limits: Limits::default(),
            retry: Retry { first: Duration::from_secs(5), longest: Duration::from_secs(300) },
            attempts_max: 8,
            keep: Duration::from_secs(3600),
            alarm_after: Duration::from_secs(600),
            carrier: None,
        }
    }
}

/// Which numbers get messages, and how many.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Numbers that may get one.
    pub allow: Vec<NumberPattern>,
    /// Numbers that may not, though they are allowed.
    pub deny: Vec<NumberPattern>,
    /// Messages to one number within 24 hours.
    pub per_number_per_day: u8,
    /// Messages of the node within 24 hours.
    pub per_day: u32,
    /// Messages in one call.
    pub per_call: u8,
    /// Messages that may wait at once.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            allow: Vec::new(),
            deny: Vec::new(),
            per_number_per_day: 3,
            per_day: 2_000,
            per_call: 1,
            waiting_max: 1_000,
        }
    }
}

impl Limits {
    /// The number as it is dialled, if it may get a message.
    pub fn allowed(&self, number: &str) -> Option<String> {
        allowed_number(number, &self.allow, &self.deny)
    }
}

/// Who carries messages.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// A carrier's interface by HTTP.
    Http(Box<HttpCarrier>),
    /// A short message service centre by SMPP 3.4.
    Smpp(Box<SmppCarrier>),
}

impl Carrier {
    /// `http` or `smpp`.
    pub fn name(&self) -> &'static str {
        match self {
            Carrier::Http(_) => "http",
            Carrier::Smpp(_) => "smpp",
        }
    }

    /// Attempts at once.
    pub fn at_once_max(&self) -> usize {
        match self {
            Carrier::Http(http) => http.at_once_max,
            Carrier::Smpp(smpp) => smpp.window,
        }
    }
}

/// A carrier by HTTP: what it is asked, and which answer means that it has taken the message.
#[derive(Clone, Debug)]
pub struct HttpCarrier {
    /// `http:` or `https:`, with places for values.
    pub url: Template,
    /// `GET`, `POST` or `PUT`.
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Template,
    /// What is signed; none: no request has a signature.
    pub sign: Option<Template>,
    /// How the signature is written.
    pub encoding: Encoding,
    /// The file of the secret.
    pub secret_file: Option<PathBuf>,
    /// Which answer means that the message is taken.
    pub success: Success,
    /// How long an answer may take, from the connection on.
    pub timeout: Duration,
    /// Requests at once.
    pub at_once_max: usize,
    /// Certificate authorities in PEM; none: those of the machine.
    pub ca_file: Option<PathBuf>,
}

/// Which answer means that a message is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// The status is one of these.
    pub statuses: Vec<OkStatus>,
    /// The field of the JSON answer that is looked at: names with points between them. None: the status says enough.
    pub field: Option<String>,
    /// The values of that field, as text, which mean success.
    pub values: Vec<String>,
    /// Those that mean that the same request may succeed later.
    pub later_values: Vec<String>,
}

/// A status, or a class of them.
pub type OkStatus = RangeInclusive<u16>;

/// A service centre by SMPP 3.4.
#[derive(Clone, Debug)]
pub struct SmppCarrier {
    /// A name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether the connection is protected by TLS.
    pub tls: bool,
    /// Certificate authorities in PEM; none: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Who binds; at most 15 characters.
    pub system_id: String,
    /// The file of the password, of at most 8 characters.
    pub password_file: PathBuf,
    /// At most 12 characters.
    pub system_type: String,
    /// What a message is from: a short code or a name.
    pub source: String,
    /// Type and plan of the source's number (SMPP 3.4 §5.2.5, §5.2.6).
    pub source_type: (u8, u8),
    /// The number that gets a message, with `{number}` in it.
    pub destination: Template,
    /// Type and plan of that number.
    pub destination_type: (u8, u8),
    /// Requests without a response at once.
    pub window: usize,
    /// A connection that is silent for this long is asked whether it lives.
    pub enquire_every: Duration,
    /// How long a response may take.
    pub response_timeout: Duration,
    /// How the parts of a long message are marked.
    pub concatenation: crate::smpp::Concatenation,
    /// Whether texts that need nothing else go in the centre's default alphabet, taken to be GSM 7 bit.
    pub gsm_7bit: bool,
    /// Whether the centre is asked to report what became of a message.
    pub receipts: bool,
}
