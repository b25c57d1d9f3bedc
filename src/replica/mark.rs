//! How far the replica has come, and which source it follows.

use jiff::Timestamp;

use super::feed::{BatchHeader, SPOOL};
use super::row;

/// Stored beside the rows and changed in one transaction with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The name of the source that the replica follows.
    pub source: String,
    /// The last batch of that source, if it numbers them: a file's number, a position in a log.
    pub sequence: Option<u64>,
    /// The position from which that source continues, in its own format.
    pub position: Option<String>,
    /// The upstream's time up to which the replica holds everything; never this node's clock.
    pub as_of: Timestamp,
}

impl Mark {
    /// The mark after a batch. One that comes late or again (a lower number of the same source) changes nothing.
    pub fn after(before: Option<&Mark>, header: &BatchHeader) -> Mark {
        let source = header.source.as_deref().unwrap_or(SPOOL);
        let late = |before: &&Mark| before.source == source && header.sequence < before.sequence;
        match before.filter(late) {
            Some(before) if header.sequence.is_some() => before.clone(),
            Some(_) | None => {
                Mark { source: source.into(), sequence: header.sequence, position: None, as_of: header.as_of }
            }
        }
    }

    /// A checksum of all fields: a flipped bit would give a wrong age.
    pub fn checksum(&self) -> u32 {
        let (source, position) = (self.source.as_bytes(), self.position.as_deref().unwrap_or("").as_bytes());
        let sequence = self.sequence.map_or([0; 9], |sequence| {
            let mut bytes = [1; 9];
            bytes[1..].copy_from_slice(&sequence.to_be_bytes());
            bytes
        });
        let length = u64::try_from(source.len()).unwrap_or(u64::MAX).to_be_bytes();
        row::checksum(self.as_of.as_microsecond(), &[&length, source, &sequence, position].concat())
    }

    /// Whether a copy whose mark is `stored` contains this mark's batch.
    pub fn is_in(&self, stored: &Mark) -> bool {
        self.source == stored.source && self.sequence.is_some_and(|number| stored.sequence >= Some(number))
    }

    /// The mark after the upstream reported nothing new up to `told`. None if the report changes nothing, is of another
    /// source, or lies before this mark.
    pub fn renewed(&self, told: &Mark) -> Option<Mark> {
        let behind = told.sequence.is_some() && told.sequence < self.sequence;
        if self.source != told.source || behind {
            return None;
        }
        let renewed = Mark {
            source: self.source.clone(),
            sequence: told.sequence.or(self.sequence),
            position: told.position.clone().or_else(|| self.position.clone()),
            as_of: told.as_of.max(self.as_of),
        };
        (renewed != *self).then_some(renewed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn header(sequence: Option<u64>, second: i64) -> BatchHeader {
        BatchHeader { sequence, as_of: at(second), ..BatchHeader::default() }
    }

    #[test]
    fn a_batch_applied_again_or_late_leaves_the_mark() {
        let first = Mark::after(None, &header(Some(7), 100));
        assert_eq!(Mark::after(Some(&first), &header(Some(7), 100)), first);
        assert_eq!(Mark::after(Some(&first), &header(Some(6), 90)), first);
        assert_eq!(Mark::after(Some(&first), &header(Some(8), 110)).as_of, at(110));
    }

    #[test]
    fn a_batch_without_a_number_says_how_old_the_copy_is() {
        let first = Mark::after(None, &header(None, 100));
        assert_eq!(Mark::after(Some(&first), &header(None, 50)).as_of, at(50));
    }

    #[test]
    fn only_its_own_source_renews_a_mark_and_never_backwards() {
        let mark = Mark::after(None, &header(None, 100));
        let told = |source: &str, second| Mark { source: source.into(), as_of: at(second), ..mark.clone() };
        assert_eq!(mark.renewed(&told("sample", 200)), None);
        assert_eq!(mark.renewed(&told("spool", 90)), None);
        assert_eq!(mark.renewed(&told("spool", 200)).map(|mark| mark.as_of), Some(at(200)));
    }

    #[test]
    fn a_heartbeat_moves_the_place_forward_and_an_older_place_says_nothing() {
        let mark = |sequence, position: &str, second| Mark {
            source: "pg".into(),
            sequence: Some(sequence),
            position: Some(position.into()),
            as_of: at(second),
        };
        let stored = mark(7, "0/7", 100);
        assert_eq!(stored.renewed(&mark(6, "0/6", 200)), None);
        assert_eq!(stored.renewed(&mark(9, "0/9", 90)), Some(mark(9, "0/9", 100)));
        assert!(mark(7, "", 0).is_in(&stored) && mark(6, "", 0).is_in(&stored) && !mark(8, "", 0).is_in(&stored));
    }
}
