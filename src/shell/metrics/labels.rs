//! The labels that numbers are told apart by, and the bounds that durations are counted between.

use super::instruments::{Buckets, Label};
use call::KeySource;
use flow::TransferOutcome;
use inquiry::{CallOutcome, LookUpResult};
use replica::upstream::UpstreamErrorKind;
use replica_store::Refusal;
use sip::Method;

/// Declares an enum and its label values together.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal { $($(#[$member_doc:meta])* $member:ident = $value:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$member_doc])* $member),+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [&'static str] = &[$($value),+];

            fn index(self) -> usize {
                self as usize
            }
        }

        impl $name {
            /// The label's value, which is also the word for it in logs and the journal.
            pub fn code(self) -> &'static str {
                <$name as Label>::ALL[self as usize]
            }
        }
    };
}

macro_rules! buckets {
    ($($(#[$doc:meta])* $name:ident = $bounds:expr;)+) => {
        $($(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Buckets for $name {
            const BOUNDS_US: &'static [u64] = &$bounds;
        })+
    };
}

impl Label for UpstreamErrorKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [&'static str] = &UpstreamErrorKind::NAMES;

    fn index(self) -> usize {
        self as usize
    }
}

/// Why a file was refused, by its place among [`Refusal::NAMES`].
#[derive(Clone, Copy, Debug)]
pub struct Refused(pub usize);

impl Label for Refused {
    const NAME: &'static str = "why";
    const ALL: &'static [&'static str] = &Refusal::NAMES;

    fn index(self) -> usize {
        self.0
    }
}

impl Label for CallOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [&'static str] = &["finished", "hung_up", "transferred", "abandoned", "refused", "failed"];

    fn index(self) -> usize {
        self as usize
    }
}

impl Label for KeySource {
    const NAME: &'static str = "source";
    const ALL: &'static [&'static str] = &["rtp", "info", "tone"];

    fn index(self) -> usize {
        self as usize
    }
}

impl Label for LookUpResult {
    const NAME: &'static str = "result";
    const ALL: &'static [&'static str] = &["found", "not_found", "too_old", "down", "handed_over"];

    fn index(self) -> usize {
        self as usize
    }
}

label! {
    /// How a transfer ended.
    TransferResult, "result" { Done = "done", Busy = "busy", Failed = "failed" }
}
label! {
    /// How an operator's sign-in by telephone ended.
    SignInResult, "result" { Welcome = "welcome", Refused = "refused", Locked = "locked", Failed = "failed" }
}
label! {
    /// What became of a take by telephone; each is stored as a draft before it is kept or discarded.
    TakeEnd, "end" {
        Stored = "stored", Kept = "kept", Discarded = "discarded",
        /// The call ended during it; it is a draft.
        HungUp = "hung_up",
        /// The program ended during it; it is a draft since the next start.
        Recovered = "recovered",
        Failed = "failed",
    }
}
label! {
    /// By which door a question came.
    Door, "door" { Phone = "phone", Scan = "scan" }
}
label! {
    /// Whether the cache knew.
    CacheResult, "result" { Hit = "hit", Miss = "miss", Joined = "joined" }
}
label! {
    /// Which way a packet went.
    Direction, "direction" { Sent = "sent", Received = "received" }
}
label! {
    /// SIP methods.
    SipMethod, "method" {
        Invite = "invite", Ack = "ack", Bye = "bye", Cancel = "cancel", Options = "options", Info = "info",
        Update = "update", Refer = "refer", Notify = "notify", Register = "register", Other = "other",
    }
}
label! {
    /// Why a SIP message was dropped unanswered.
    SipDrop, "reason" {
        /// From an address that is no trunk.
        Stranger = "stranger",
        Malformed = "malformed",
        /// A response or ACK of no call.
        Stray = "stray",
        /// More than its call could take.
        Full = "full",
    }
}
label! {
    /// What became of a change batch.
    BatchResult, "result" { Applied = "applied", Repeated = "repeated", Refused = "refused", Failed = "failed" }
}
label! {
    /// How a code came in at the scan door.
    ScanPath, "path" { Code = "code", Image = "image", Speech = "speech" }
}
label! {
    /// What a scan gave.
    ScanResult, "result" {
        Found = "found", NotFound = "not_found", Unavailable = "unavailable", Waybill = "waybill",
        IdCard = "id_card", Unreadable = "unreadable", NoBarcode = "no_barcode", Limited = "limited",
    }
}
label! {
    /// A person's score.
    Score, "score" { Satisfied = "satisfied", Fair = "fair", NotSatisfied = "not_satisfied" }
}
label! {
    /// The class of an HTTP status.
    HttpClass, "class" { Success = "2xx", NotModified = "3xx", Refused = "4xx", Failed = "5xx" }
}

buckets! {
    /// Up to the 15 s of GB/T 33358.
    AnswerTimes = [500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 15_000_000];
    /// Seconds to the longest call.
    CallLengths = [5_000_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000, 120_000_000, 300_000_000, 600_000_000, 1_800_000_000];
    /// From a row in the page cache to a look-up that is given up.
    LookUpTimes = [10, 20, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];
    /// A packet interval is 20 ms.
    Latenesses = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
    /// From a cached reply to a photograph.
    HttpTimes = [20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];
}

impl From<TransferOutcome> for TransferResult {
    fn from(how: TransferOutcome) -> TransferResult {
        match how {
            TransferOutcome::Done => TransferResult::Done,
            TransferOutcome::Busy => TransferResult::Busy,
            TransferOutcome::Failed => TransferResult::Failed,
        }
    }
}

impl Score {
    /// The score of a key: 1 satisfied, 2 fair, any other not satisfied.
    pub fn of(key: u8) -> Score {
        match key {
            1 => Score::Satisfied,
            2 => Score::Fair,
            _ => Score::NotSatisfied,
        }
    }
}

impl From<&Method> for SipMethod {
    fn from(method: &Method) -> SipMethod {
        match method {
            Method::Invite => SipMethod::Invite,
            Method::Ack => SipMethod::Ack,
            Method::Bye => SipMethod::Bye,
            Method::Cancel => SipMethod::Cancel,
            Method::Options => SipMethod::Options,
            Method::Info => SipMethod::Info,
            Method::Update => SipMethod::Update,
            Method::Refer => SipMethod::Refer,
            Method::Notify => SipMethod::Notify,
            Method::Register => SipMethod::Register,
            Method::Prack | Method::Subscribe | Method::Message | Method::Publish | Method::Other(_) => {
                SipMethod::Other
            }
        }
    }
}
