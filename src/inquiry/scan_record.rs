//! The record of a scan: enough to run the service, and nothing that names a person.

use std::time::Duration;

use jiff::Timestamp;

use super::case::Stage;
use super::record::LookUpResult;

/// How a scanned text reached the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanPath {
    /// As text: read by a scanner or typed on the kiosk's keypad.
    Code,
    /// In a photograph.
    Image,
    /// As text whose answer is to be spoken.
    Speech,
    /// As text with a second factor, on the public page.
    Public,
}

impl ScanPath {
    /// Every path.
    pub const ALL: [ScanPath; 4] = [ScanPath::Code, ScanPath::Image, ScanPath::Speech, ScanPath::Public];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            ScanPath::Code => "code",
            ScanPath::Image => "image",
            ScanPath::Speech => "speech",
            ScanPath::Public => "public",
        }
    }

    /// The name in the journal, which does not tell a spoken answer from a shown one.
    pub fn journal_name(self) -> &'static str {
        match self {
            ScanPath::Code | ScanPath::Speech => "code",
            ScanPath::Image => "image",
            ScanPath::Public => "public",
        }
    }
}

/// What a scan gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanResult {
    /// A receipt was looked up, or its kiosk was over its limit.
    LookUp(LookUpResult),
    /// A courier's waybill.
    Waybill,
    /// An identity card.
    IdCard,
    /// A text that is none of these.
    Unreadable,
    /// A photograph without a readable barcode.
    NoBarcode,
}

impl ScanResult {
    /// One of each [`ScanResult::name`].
    pub const ALL: [ScanResult; 8] = [
        ScanResult::LookUp(LookUpResult::Found),
        ScanResult::LookUp(LookUpResult::NotFound),
        ScanResult::LookUp(LookUpResult::Unavailable),
        ScanResult::Waybill,
        ScanResult::IdCard,
        ScanResult::Unreadable,
        ScanResult::NoBarcode,
        ScanResult::LookUp(LookUpResult::Rejected),
    ];

    /// The name in metrics and logs. A replica that is too old is as unavailable as one that cannot be read.
    pub fn name(self) -> &'static str {
        match self {
            ScanResult::LookUp(LookUpResult::Found) => "found",
            ScanResult::LookUp(LookUpResult::NotFound) => "not_found",
            ScanResult::LookUp(LookUpResult::TooOld | LookUpResult::Unavailable) => "unavailable",
            ScanResult::LookUp(LookUpResult::Rejected) => "limited",
            ScanResult::Waybill => "waybill",
            ScanResult::IdCard => "id_card",
            ScanResult::Unreadable => "unreadable",
            ScanResult::NoBarcode => "no_barcode",
        }
    }

    /// The name in the journal.
    pub fn journal_name(self) -> &'static str {
        match self {
            ScanResult::LookUp(LookUpResult::TooOld) => LookUpResult::Unavailable.name(),
            ScanResult::LookUp(result) => result.name(),
            ScanResult::Waybill => "waybill",
            ScanResult::IdCard => "id_card",
            ScanResult::Unreadable | ScanResult::NoBarcode => "unreadable",
        }
    }
}

/// One scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRecord {
    /// When the reply was ready.
    pub at: Timestamp,
    /// The kiosk's own name, as configured there; empty if none.
    pub kiosk: String,
    /// How the text came.
    pub path: ScanPath,
    /// What it gave.
    pub result: ScanResult,
    /// The stage of the case that was found.
    pub stage: Option<Stage>,
    /// [`super::Keys::client`] of the receipt number.
    pub receipt: Option<u64>,
    /// From the request's head to the reply.
    pub duration: Duration,
}

/// A person's rating of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Score {
    /// Key 1, the best.
    Satisfied,
    /// Key 2.
    Fair,
    /// Key 3.
    NotSatisfied,
}

impl Score {
    /// Every score, the best first.
    pub const ALL: [Score; 3] = [Score::Satisfied, Score::Fair, Score::NotSatisfied];

    /// The score of a key: 1 satisfied, 2 fair, any other not satisfied.
    pub fn of(key: u8) -> Score {
        match key {
            1 => Score::Satisfied,
            2 => Score::Fair,
            _ => Score::NotSatisfied,
        }
    }

    /// The key, by which the journal keeps it.
    pub fn key(self) -> u8 {
        match self {
            Score::Satisfied => 1,
            Score::Fair => 2,
            Score::NotSatisfied => 3,
        }
    }

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Score::Satisfied => "satisfied",
            Score::Fair => "fair",
            Score::NotSatisfied => "not_satisfied",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_results_have_different_names_in_metrics() {
        let names: std::collections::BTreeSet<&str> = ScanResult::ALL.into_iter().map(ScanResult::name).collect();
        assert_eq!(names.len(), ScanResult::ALL.len());
    }

    #[test]
    fn a_replica_that_is_too_old_is_recorded_as_down() {
        let too_old = ScanResult::LookUp(LookUpResult::TooOld);
        assert_eq!((too_old.name(), too_old.journal_name()), ("unavailable", "down"));
    }

    #[test]
    fn a_score_and_its_key_are_one() {
        for score in Score::ALL {
            assert_eq!(Score::of(score.key()), score);
        }
        assert_eq!(Score::of(9), Score::NotSatisfied);
    }
}
