//! What is counted with: numbers that grow, numbers that go up and down, and durations between bounds.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Takes over what another thread has counted.
    pub fn set(&self, total: u64) {
        self.0.store(total, Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A word that is a label's value: letters and digits of ours, never anything from outside.
#[derive(Debug, Default)]
pub struct Name(Mutex<String>);

impl Name {
    pub fn set(&self, name: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *held != name {
            held.clear();
            held.extend(name.chars().filter(char::is_ascii_alphanumeric));
        }
    }

    pub fn value(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An enum whose members are label values.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// All members in the order of their discriminants, and their label values.
    const ALL: &'static [&'static str];

    /// The discriminant.
    fn index(self) -> usize;
}

/// A counter for each member of a label.
#[derive(Debug)]
pub struct Counters<L> {
    pub(super) counters: Box<[Counter]>,
    label: PhantomData<L>,
}

impl<L: Label> Default for Counters<L> {
    fn default() -> Counters<L> {
        Counters { counters: L::ALL.iter().map(|_| Counter::default()).collect(), label: PhantomData }
    }
}

impl<L: Label> Counters<L> {
    pub fn inc(&self, label: L) {
        self.add(label, 1);
    }

    pub fn add(&self, label: L, n: u64) {
        self.counters[label.index()].add(n);
    }

    /// Takes over what another thread has counted.
    pub fn set(&self, label: L, total: u64) {
        self.counters[label.index()].set(total);
    }

    pub fn value(&self, label: L) -> u64 {
        self.counters[label.index()].value()
    }
}

/// A counter for each pair of members of two labels.
#[derive(Debug)]
pub struct Counters2<A, B> {
    pub(super) counters: Box<[Counter]>,
    labels: PhantomData<(A, B)>,
}

impl<A: Label, B: Label> Default for Counters2<A, B> {
    fn default() -> Counters2<A, B> {
        let size = A::ALL.len() * B::ALL.len();
        Counters2 { counters: (0..size).map(|_| Counter::default()).collect(), labels: PhantomData }
    }
}

impl<A: Label, B: Label> Counters2<A, B> {
    pub fn inc(&self, a: A, b: B) {
        self.counters[a.index() * B::ALL.len() + b.index()].inc();
    }

    pub fn value(&self, a: A, b: B) -> u64 {
        self.counters[a.index() * B::ALL.len() + b.index()].value()
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
    pub(super) counts: Box<[AtomicU64]>,
    pub(super) sum_us: AtomicU64,
    bounds: PhantomData<B>,
}

impl<B: Buckets> Default for Histogram<B> {
    fn default() -> Histogram<B> {
        let counts = (0..=B::BOUNDS_US.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { counts, sum_us: AtomicU64::new(0), bounds: PhantomData }
    }
}

impl<B: Buckets> Histogram<B> {
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = B::BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Takes over one bucket that another thread has counted; the sum is taken at the bucket's upper bound.
    pub fn set_bucket(&self, bucket: usize, total: u64) {
        let Some(count) = self.counts.get(bucket) else { return };
        let before = count.swap(total, Relaxed);
        let bound = B::BOUNDS_US.get(bucket).or(B::BOUNDS_US.last()).copied().unwrap_or(0);
        self.sum_us.fetch_add(total.saturating_sub(before) * bound, Relaxed);
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}
