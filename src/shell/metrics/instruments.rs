//! Instruments: counters, gauges and histograms that any thread may change.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::page::Page;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts several at once.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The total so far.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Moves the number up, or down by a negative one.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number at this moment.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// An enum whose members are values of a label.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// One member for each value, in the order of [`Label::index`].
    const ALL: &'static [Self];

    /// The label's value: our own letters, never anything from outside.
    fn value(self) -> &'static str;

    /// The place among [`Label::ALL`] of the member with the same value.
    fn index(self) -> usize;
}

/// A counter for each value of a label.
#[derive(Debug)]
pub struct Counters<L> {
    counters: Box<[Counter]>,
    label: PhantomData<L>,
}

impl<L: Label> Default for Counters<L> {
    fn default() -> Counters<L> {
        Counters { counters: L::ALL.iter().map(|_| Counter::default()).collect(), label: PhantomData }
    }
}

impl<L: Label> Counters<L> {
    /// Counts one.
    pub fn inc(&self, label: L) {
        self.counters[label.index()].inc();
    }

    /// The total so far.
    pub fn value(&self, label: L) -> u64 {
        self.counters[label.index()].value()
    }

    pub(super) fn write(&self, page: &mut Page, name: &str, help: &str) {
        let values = L::ALL.iter().map(|label| label.value());
        page.counters(name, help, L::NAME, values.zip(self.counters.iter().map(Counter::value)));
    }
}

/// A counter for each pair of values of two labels.
#[derive(Debug)]
pub struct Counters2<A, B> {
    counters: Box<[Counter]>,
    labels: PhantomData<(A, B)>,
}

impl<A: Label, B: Label> Default for Counters2<A, B> {
    fn default() -> Counters2<A, B> {
        let size = A::ALL.len() * B::ALL.len();
        Counters2 { counters: (0..size).map(|_| Counter::default()).collect(), labels: PhantomData }
    }
}

impl<A: Label, B: Label> Counters2<A, B> {
    /// Counts one.
    pub fn inc(&self, a: A, b: B) {
        self.counter(a, b).inc();
    }

    /// The total so far.
    pub fn value(&self, a: A, b: B) -> u64 {
        self.counter(a, b).value()
    }

    fn counter(&self, a: A, b: B) -> &Counter {
        &self.counters[a.index() * B::ALL.len() + b.index()]
    }

    pub(super) fn write(&self, page: &mut Page, name: &str, help: &str) {
        let pairs = A::ALL.iter().flat_map(|a| B::ALL.iter().map(move |b| (*a, *b)));
        let totals = pairs.map(|(a, b)| (a.value(), b.value(), self.value(a, b)));
        page.counters2(name, help, (A::NAME, B::NAME), totals);
    }
}

/// The bounds of a histogram's buckets.
pub trait Buckets {
    /// Upper bounds in microseconds, rising.
    const BOUNDS_US: &'static [u64];
}

/// How often a duration fell between two bounds.
#[derive(Debug)]
pub struct Histogram<B> {
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
    bounds: PhantomData<B>,
}

impl<B: Buckets> Default for Histogram<B> {
    fn default() -> Histogram<B> {
        let counts = (0..=B::BOUNDS_US.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { counts, sum_us: AtomicU64::new(0), bounds: PhantomData }
    }
}

impl<B: Buckets> Histogram<B> {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        self.observe_millionths(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a value that is no duration, in millionths of its unit.
    pub fn observe_millionths(&self, value: u64) {
        let bucket = B::BOUNDS_US.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(value, Relaxed);
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    pub(super) fn write(&self, page: &mut Page, name: &str, help: &str) {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        page.histogram(name, help, B::BOUNDS_US, &counts, self.sum_us.load(Relaxed));
    }
}
