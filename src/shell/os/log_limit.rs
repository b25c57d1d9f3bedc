//! How many log lines of one kind are written: a place in the program that outside bytes reach must not fill the disk.
//!
//! Each kind, which is a place in the source, has a bucket of lines that fills with time. What is suppressed is counted,
//! and a line for each kind says from time to time how many there were.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// Lines of each kind.
pub(crate) struct LineLimit {
    per_second: f64,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

/// Lines of one kind that were not written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suppressed {
    /// The message of the first of them.
    pub message: String,
    pub count: u64,
}

struct Kind {
    at: Instant,
    /// Lines that may be written now.
    lines: f64,
    suppressed: Option<Suppressed>,
}

impl LineLimit {
    /// So many lines of a kind in a second, and [`BURST`] times as many at once.
    pub(crate) fn new(per_second: u32) -> LineLimit {
        LineLimit { per_second: per_second.into(), kinds: Mutex::default() }
    }

    /// What was suppressed since this was asked before.
    pub(crate) fn suppressed(&self) -> Vec<Suppressed> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.values_mut().filter_map(|kind| kind.suppressed.take()).collect()
    }

    /// Whether a line may be written at this time; `message` is asked for the first that may not.
    fn admit(&self, now: Instant, kind: Identifier, message: impl FnOnce() -> String) -> bool {
        let most = BURST * self.per_second;
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(kind).or_insert(Kind { at: now, lines: most, suppressed: None });
        let passed = now.saturating_duration_since(kind.at).as_secs_f64();
        (kind.at, kind.lines) = (now, (kind.lines + passed * self.per_second).min(most));
        if kind.lines >= 1.0 {
            kind.lines -= 1.0;
            return true;
        }
        kind.suppressed.get_or_insert_with(|| Suppressed { message: message(), count: 0 }).count += 1;
        false
    }
}

/// The filter of a layer.
pub(crate) struct LineFilter(pub(crate) std::sync::Arc<LineLimit>);

impl<S> Filter<S> for LineFilter {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.0.admit(Instant::now(), event.metadata().callsite(), || message_of(event))
    }
}

fn message_of(event: &Event<'_>) -> String {
    let mut message = Message(String::new());
    event.record(&mut message);
    let Message(text) = message;
    if text.is_empty() { event.metadata().target().to_owned() } else { text }
}

/// Takes the message alone: other fields may hold what came from outside.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(MESSAGE_CHARS_MAX).collect();
        }
    }
}

/// Seconds' worth of lines that may come at once.
const BURST: f64 = 10.0;
const MESSAGE_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, fmt::MakeWriter};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;

        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    #[test]
    fn a_kind_of_line_that_comes_without_end_is_cut_and_counted_and_others_are_not() {
        let (limit, lines) = (Arc::new(LineLimit::new(1)), Lines::default());
        let written = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry().with(written.with_filter(LineFilter(Arc::clone(&limit))));
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..1000 {
                tracing::info!(n, "a scan");
            }
            tracing::info!("another line");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert!((10..20).contains(&count("a scan")), "{}", count("a scan"));
        assert_eq!(count("another line"), 1);
        let suppressed = limit.suppressed();
        assert_eq!(suppressed.len(), 1);
        assert_eq!((&*suppressed[0].message, suppressed[0].count as usize), ("a scan", 1000 - count("a scan")));
        assert!(limit.suppressed().is_empty());
    }

    #[test]
    fn a_bucket_fills_with_time() {
        let (limit, now) = (LineLimit::new(2), Instant::now());
        let kind = || {
            struct Place;
            impl tracing::Callsite for Place {
                fn set_interest(&self, _: tracing::subscriber::Interest) {}
                fn metadata(&self) -> &Metadata<'_> {
                    unreachable!("a limit reads no metadata")
                }
            }
            static PLACE: Place = Place;
            Identifier(&PLACE)
        };
        let admitted = |at, tries| (0..tries).filter(|_| limit.admit(at, kind(), String::new)).count();
        assert_eq!(admitted(now, 100), 20);
        assert_eq!(admitted(now + Duration::from_secs(3), 100), 6);
    }
}
