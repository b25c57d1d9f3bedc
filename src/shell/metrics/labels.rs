//! The labels that metrics are broken down by, and the bounds of histograms.

use super::instruments::{Buckets, Label};
use call::{KeySource, Rejection};
use flow::TransferOutcome;
use inquiry::{CallOutcome, LookUpResult, ScanPath, ScanResult, Score};
use sip::Method;

/// Declares an enum and its label values together.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal {
        $($(#[$member_doc:meta])* $member:ident = $value:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$member_doc])* $member),+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [$name] = &[$($name::$member),+];

            fn value(self) -> &'static str {
                match self { $($name::$member => $value),+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// Makes a label of an enum of another room, whose members have names of their own.
macro_rules! label_of {
    ($name:ident, $label:literal, $all:expr) => {
        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [$name] = &$all;

            fn value(self) -> &'static str {
                self.name()
            }

            fn index(self) -> usize {
                self as usize
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

label_of!(CallOutcome, "outcome", CallOutcome::ALL);
label_of!(KeySource, "source", [KeySource::Rtp, KeySource::Info, KeySource::Tone]);
label_of!(Rejection, "reason", Rejection::ALL);
label_of!(LookUpResult, "result", LookUpResult::ALL);
label_of!(ScanPath, "path", ScanPath::ALL);
label_of!(Score, "score", Score::ALL);

impl Label for ScanResult {
    const NAME: &'static str = "result";
    const ALL: &'static [ScanResult] = &ScanResult::ALL;

    fn value(self) -> &'static str {
        self.name()
    }

    fn index(self) -> usize {
        match self {
            ScanResult::LookUp(LookUpResult::Found) => 0,
            ScanResult::LookUp(LookUpResult::NotFound) => 1,
            ScanResult::LookUp(LookUpResult::TooOld | LookUpResult::Unavailable) => 2,
            ScanResult::Waybill => 3,
            ScanResult::IdCard => 4,
            ScanResult::Unreadable => 5,
            ScanResult::NoBarcode => 6,
            ScanResult::LookUp(LookUpResult::Rejected) => 7,
        }
    }
}

label! {
    /// How a transfer ended.
    TransferResult, "result" {
        /// A person answered.
        Done = "done",
        /// The desk was busy.
        Busy = "busy",
        /// The desk was not reached.
        Failed = "failed",
    }
}
label! {
    /// How an operator's sign-in by telephone ended.
    SignInResult, "result" {
        /// Number and PIN were right.
        Welcome = "welcome",
        /// They were not.
        Refused = "refused",
        /// Too many wrong ones before.
        Locked = "locked",
        /// The accounts could not be read.
        Failed = "failed",
    }
}
label! {
    /// What became of a take by telephone; each is stored as a draft before it is kept or discarded.
    TakeEnd, "end" {
        /// On the disk, as a draft.
        Stored = "stored",
        /// The operator kept it.
        Kept = "kept",
        /// The operator discarded it.
        Discarded = "discarded",
        /// The call ended during it; it is a draft.
        HungUp = "hung_up",
        /// The program ended during it; it is a draft since the next start.
        Recovered = "recovered",
        /// It could not be stored.
        Failed = "failed",
    }
}
label! {
    /// How the media of a call was protected.
    CallSrtp, "suite" {
        /// In the clear, or no media was agreed on.
        None = "none",
        /// In the clear for a part of the call.
        Partly = "partly",
        /// RFC 7714.
        AeadAes256Gcm = "AEAD_AES_256_GCM",
        /// RFC 7714.
        AeadAes128Gcm = "AEAD_AES_128_GCM",
        /// RFC 4568 §6.2.1.
        AesCm128HmacSha1Tag80 = "AES_CM_128_HMAC_SHA1_80",
        /// RFC 4568 §6.2.2.
        AesCm128HmacSha1Tag32 = "AES_CM_128_HMAC_SHA1_32",
    }
}

impl CallSrtp {
    /// As a call's record names it.
    pub fn of(recorded: Option<&str>) -> CallSrtp {
        let named = |label: &CallSrtp| Some(label.value()) == recorded;
        CallSrtp::ALL.iter().copied().find(named).unwrap_or(CallSrtp::None)
    }
}

label! {
    /// The door that a question came by.
    Door, "door" {
        /// By telephone.
        Phone = "phone",
        /// By scan at a kiosk.
        Scan = "scan",
        /// On the public page.
        Public = "public",
    }
}
label! {
    /// SIP methods.
    SipMethod, "method" {
        /// RFC 3261 §13.
        Invite = "invite",
        /// RFC 3261 §13.2.2.4.
        Ack = "ack",
        /// RFC 3261 §15.
        Bye = "bye",
        /// RFC 3261 §9.
        Cancel = "cancel",
        /// RFC 3261 §11; also the trunk's heartbeat.
        Options = "options",
        /// RFC 6086.
        Info = "info",
        /// RFC 3311.
        Update = "update",
        /// RFC 3515.
        Refer = "refer",
        /// RFC 6665.
        Notify = "notify",
        /// RFC 3261 §10.
        Register = "register",
        /// Any other.
        Other = "other",
    }
}
label! {
    /// Why a SIP message was dropped unanswered.
    SipDrop, "reason" {
        /// From an address that is no trunk.
        Stranger = "stranger",
        /// Not SIP.
        Malformed = "malformed",
        /// A response or ACK of no call.
        Stray = "stray",
        /// More than its call could take.
        Full = "full",
        /// A connection whose TLS handshake failed.
        Handshake = "handshake",
    }
}
label! {
    /// The class of an HTTP status.
    HttpClass, "class" {
        /// 200 to 299.
        Success = "2xx",
        /// 300 to 399: the browser has the file.
        NotModified = "3xx",
        /// 400 to 499.
        Refused = "4xx",
        /// 500 and above.
        Failed = "5xx",
    }
}

buckets! {
    /// Up to the 15 s of GB/T 33358.
    AnswerTimes = [500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 15_000_000];
    /// Seconds to the longest call.
    CallLengths = [5_000_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000, 120_000_000, 300_000_000, 600_000_000, 1_800_000_000];
    /// From a row in the page cache to a look-up that is given up.
    LookUpTimes = [10, 20, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];
    /// From a neighbouring machine to a satellite.
    RoundTrips = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 600_000, 1_000_000];
    /// Mean opinion scores: what G.109 calls poor (below 3.1), low, medium, high (from 4.03) and best (from 4.34).
    Scores = [1_500_000, 2_000_000, 2_580_000, 3_100_000, 3_600_000, 4_000_000, 4_200_000, 4_340_000, 4_500_000];
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Debug;

    use super::*;

    fn holds<L: Label + Debug>() {
        let values: BTreeSet<&str> = L::ALL.iter().map(|label| label.value()).collect();
        assert_eq!(values.len(), L::ALL.len(), "{}: each value has one place", L::NAME);
        for (place, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), place, "{label:?}");
        }
    }

    #[test]
    fn every_label_value_has_a_place_of_its_own() {
        holds::<CallOutcome>();
        holds::<KeySource>();
        holds::<Rejection>();
        holds::<LookUpResult>();
        holds::<ScanPath>();
        holds::<ScanResult>();
        holds::<Score>();
        holds::<SipMethod>();
        holds::<TakeEnd>();
    }

    #[test]
    fn a_replica_that_is_too_old_shares_the_place_of_one_that_is_down() {
        let place = |result| ScanResult::LookUp(result).index();
        assert_eq!(place(LookUpResult::TooOld), place(LookUpResult::Unavailable));
    }
}
