//! How far the copy is, and who vouches for it.

use jiff::Timestamp;

use super::feed::{BatchHeader, SPOOL};

/// Stored beside the rows and changed in one transaction with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who vouches for the copy.
    pub source: String,
    /// The last batch of that source, if it numbers them.
    pub sequence: Option<u64>,
    /// The upstream's time up to which the copy holds everything; never this node's clock.
    pub as_of: Timestamp,
}

impl Mark {
    /// The mark after a batch. One that comes late or again (a lower number of the same source) changes nothing.
    pub fn after(before: Option<&Mark>, header: &BatchHeader) -> Mark {
        let source = header.source.as_deref().unwrap_or(SPOOL);
        let late = |before: &&Mark| before.source == source && header.sequence < before.sequence;
        match before.filter(late) {
            Some(before) if header.sequence.is_some() => before.clone(),
            Some(_) | None => Mark { source: source.into(), sequence: header.sequence, as_of: header.as_of },
        }
    }

    /// The mark after a heartbeat: the upstream has nothing new up to `as_of`. Only the mark's own source can say so.
    pub fn beat(&self, source: &str, as_of: Timestamp) -> Option<Mark> {
        (self.source == source && as_of > self.as_of).then(|| Mark { as_of, ..self.clone() })
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
        assert_eq!(mark.beat("sample", at(200)), None);
        assert_eq!(mark.beat("spool", at(90)), None);
        assert_eq!(mark.beat("spool", at(200)).map(|mark| mark.as_of), Some(at(200)));
    }
}
