//! Scans that name no receipt, counted where they repeat: the first within a minute has a row of its own, and one more row
//! says how many came after it, so that codes that cannot be read do not fill the disk.

use std::collections::HashMap;

use jiff::Timestamp;

use inquiry::{ScanPath, ScanRecord, ScanResult};

/// The repeated scans of the current minute.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    minute: i64,
    kinds: HashMap<(String, ScanPath, ScanResult), u32>,
}

/// So many scans like one that has a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub at: Timestamp,
    pub kiosk: String,
    pub path: ScanPath,
    pub result: ScanResult,
    pub count: u32,
}

impl Repeats {
    /// Whether a scan needs no row, since one like it has a row of this minute.
    pub(crate) fn absorbs(&mut self, scan: &ScanRecord) -> bool {
        if matches!(scan.result, ScanResult::LookUp(_)) {
            return false;
        }
        let key = (scan.kiosk.clone(), scan.path, scan.result);
        if let Some(count) = self.kinds.get_mut(&key) {
            *count = count.saturating_add(1);
            return true;
        }
        if self.kinds.len() < KINDS_MAX {
            self.kinds.insert(key, 0);
            return false;
        }
        // A kiosk can call itself anything: further ones are counted together.
        let count = self.kinds.entry((String::new(), scan.path, scan.result)).or_default();
        *count = count.saturating_add(1);
        true
    }

    /// The counts of the last minute, once it is over; of the current one too if this is the `end`.
    pub(crate) fn take(&mut self, now: Timestamp, end: bool) -> Vec<Repeated> {
        let minute = now.as_second().div_euclid(60);
        if minute == self.minute && !end {
            return Vec::new();
        }
        self.minute = minute;
        let repeated = self.kinds.drain().filter(|(_, count)| *count > 0);
        repeated.map(|((kiosk, path, result), count)| Repeated { at: now, kiosk, path, result, count }).collect()
    }
}

/// Kinds that are counted separately within a minute: at 100 bytes a row they are 60 MB a day at most.
const KINDS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use inquiry::LookUpResult;

    use super::*;

    fn scan(kiosk: &str, result: ScanResult) -> ScanRecord {
        ScanRecord {
            at: Timestamp::UNIX_EPOCH,
            kiosk: kiosk.into(),
            path: ScanPath::Code,
            result,
            stage: None,
            receipt: None,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn the_first_has_a_row_and_the_others_one_count() {
        let (mut repeats, now) = (Repeats::default(), Timestamp::UNIX_EPOCH);
        let rows = (0..1000).filter(|_| !repeats.absorbs(&scan("hall", ScanResult::Unreadable))).count();
        assert_eq!(rows, 1);
        assert!(!repeats.absorbs(&scan("hall", ScanResult::Waybill)));
        assert!(repeats.take(now, false).is_empty());
        let counted = repeats.take(now + Duration::from_secs(60), false);
        assert_eq!(counted.iter().map(|one| (&*one.kiosk, one.count)).collect::<Vec<_>>(), [("hall", 999)]);
        assert!(!repeats.absorbs(&scan("hall", ScanResult::Unreadable)), "another minute");
    }

    #[test]
    fn a_scan_of_a_receipt_always_has_its_row() {
        let mut repeats = Repeats::default();
        let found = scan("hall", ScanResult::LookUp(LookUpResult::Found));
        assert!(!repeats.absorbs(&found) && !repeats.absorbs(&found));
    }

    #[test]
    fn kiosks_without_end_are_counted_together() {
        let mut repeats = Repeats::default();
        let rows = (0..10_000).filter(|n| !repeats.absorbs(&scan(&n.to_string(), ScanResult::Unreadable))).count();
        assert_eq!(rows, KINDS_MAX);
        let counted = repeats.take(Timestamp::UNIX_EPOCH, true);
        assert_eq!(counted.iter().map(|one| (&*one.kiosk, one.count)).collect::<Vec<_>>(), [("", 9800)]);
    }
}
