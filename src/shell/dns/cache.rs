//! Answers for as long as they are valid, and beyond that while no server answers.
//!
//! ```text
//!             valid for 30 s to 1 h                  answered
//!  kept ───────────────────────────► stale ── asked ──────────► kept
//!                                      └── no server answers ──► used, and asked again after 30 s
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{Answer, Kind, Record};

/// The answers of a resolver.
#[derive(Default)]
pub(crate) struct Cache(HashMap<(String, Kind), Entry>);

struct Entry {
    records: Arc<[Record]>,
    until: Instant,
}

/// What the cache knows of a question.
pub(crate) enum Known {
    /// It need not be asked.
    Fresh(Arc<[Record]>, Duration),
    /// It is to be asked; these records are used if no server answers.
    Stale(Arc<[Record]>),
    /// It has not been answered yet.
    Nothing,
}

impl Cache {
    /// Looks up a question. The first caller that finds it out of date asks; others use the old answer for a moment.
    pub(crate) fn find(&mut self, now: Instant, name: &str, kind: Kind) -> Known {
        let Some(entry) = self.0.get_mut(&(name.to_owned(), kind)) else { return Known::Nothing };
        if entry.until > now {
            return Known::Fresh(Arc::clone(&entry.records), entry.until - now);
        }
        entry.until = now + ASKING;
        Known::Stale(Arc::clone(&entry.records))
    }

    /// Keeps an answer; returns for how long.
    pub(crate) fn keep(&mut self, now: Instant, name: &str, kind: Kind, answer: Answer) -> (Arc<[Record]>, Duration) {
        if self.0.len() >= ENTRIES_MAX {
            self.make_room(now);
        }
        let (records, valid): (Arc<[Record]>, _) = (answer.records.into(), answer.valid.clamp(VALID_MIN, VALID_MAX));
        self.0.insert((name.to_owned(), kind), Entry { records: Arc::clone(&records), until: now + valid });
        (records, valid)
    }

    /// No server answers: the old answer stays for a while.
    pub(crate) fn extend(&mut self, now: Instant, name: &str, kind: Kind) {
        if let Some(entry) = self.0.get_mut(&(name.to_owned(), kind)) {
            entry.until = now + VALID_MIN;
        }
    }

    /// Stale answers go first, then the one that is stale next.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, entry| entry.until > now);
        if self.0.len() >= ENTRIES_MAX
            && let Some(next) = self.0.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| key.clone())
        {
            self.0.remove(&next);
        }
    }
}

/// No answer is asked for again sooner.
pub(crate) const VALID_MIN: Duration = Duration::from_secs(30);
/// No answer is used longer without asking again.
pub(crate) const VALID_MAX: Duration = Duration::from_secs(3600);
/// How long others use a stale answer while one asks: longer than any question takes.
const ASKING: Duration = Duration::from_secs(15);
const ENTRIES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(last: u8, seconds: u64) -> Answer {
        let records = vec![Record::Address([192, 0, 2, last].into())];
        Answer { records, valid: Duration::from_secs(seconds) }
    }

    fn start() -> Instant {
        os::clock::now()
    }

    #[test]
    fn an_answer_is_valid_for_thirty_seconds_to_an_hour() {
        let (mut cache, now) = (Cache::default(), start());
        for (ttl, kept) in [(0, 30), (30, 30), (300, 300), (86_400, 3600)] {
            assert_eq!(cache.keep(now, "a", Kind::A, answer(1, ttl)).1, Duration::from_secs(kept));
            let just_before = now + Duration::from_secs(kept - 1);
            assert!(matches!(cache.find(just_before, "a", Kind::A), Known::Fresh(_, left) if left.as_secs() == 1));
            assert!(matches!(cache.find(now + Duration::from_secs(kept), "a", Kind::A), Known::Stale(_)));
        }
        assert!(matches!(cache.find(now, "a", Kind::Aaaa), Known::Nothing));
    }

    #[test]
    fn one_asks_for_a_stale_answer_and_without_servers_it_stays() {
        let (mut cache, now) = (Cache::default(), start());
        cache.keep(now, "a", Kind::A, answer(1, 30));
        let later = now + Duration::from_secs(40);
        assert!(matches!(cache.find(later, "a", Kind::A), Known::Stale(_)));
        assert!(matches!(cache.find(later, "a", Kind::A), Known::Fresh(..)), "another one asks already");
        cache.extend(later, "a", Kind::A);
        let records: Arc<[Record]> = answer(1, 0).records.into();
        let in_outage = cache.find(later + Duration::from_secs(29), "a", Kind::A);
        assert!(matches!(in_outage, Known::Fresh(kept, _) if kept == records));
        assert!(matches!(cache.find(later + VALID_MIN, "a", Kind::A), Known::Stale(kept) if kept == records));
    }

    #[test]
    fn the_cache_is_bounded() {
        let (mut cache, now) = (Cache::default(), start());
        for n in 0..ENTRIES_MAX + 10 {
            cache.keep(now, &n.to_string(), Kind::A, answer(1, 60));
        }
        assert_eq!(cache.0.len(), ENTRIES_MAX);
        cache.keep(now + VALID_MAX, "last", Kind::A, answer(1, 60));
        assert_eq!(cache.0.len(), 1, "the stale ones go first");
    }
}
