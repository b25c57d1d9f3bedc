//! The numbers as Prometheus text.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use super::instruments::{Buckets, Counter, Counters, Counters2, Gauge, Histogram, Label};

/// The text under way.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    pub(super) fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head(name, help, "counter");
        self.sample(name, "", counter.value());
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.head(name, help, "gauge");
        self.sample(name, "", gauge.value());
    }

    pub(super) fn counters<L: Label>(&mut self, name: &str, help: &str, counters: &Counters<L>) {
        self.head(name, help, "counter");
        for (value, counter) in L::ALL.iter().zip(&counters.counters) {
            self.sample(name, &format!("{{{}=\"{value}\"}}", L::NAME), counter.value());
        }
    }

    pub(super) fn counters2<A: Label, B: Label>(&mut self, name: &str, help: &str, counters: &Counters2<A, B>) {
        self.head(name, help, "counter");
        let pairs = A::ALL.iter().flat_map(|a| B::ALL.iter().map(move |b| (a, b)));
        for ((a, b), counter) in pairs.zip(&counters.counters) {
            self.sample(name, &format!("{{{}=\"{a}\",{}=\"{b}\"}}", A::NAME, B::NAME), counter.value());
        }
    }

    pub(super) fn histogram<B: Buckets>(&mut self, name: &str, help: &str, histogram: &Histogram<B>) {
        self.head(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (n, count) in histogram.counts.iter().enumerate() {
            total += count.load(Relaxed);
            let label = match B::BOUNDS_US.get(n) {
                Some(bound) => format!("{{le=\"{}\"}}", *bound as f64 / 1e6),
                None => "{le=\"+Inf\"}".to_owned(),
            };
            self.sample(&bucket, &label, total);
        }
        let sum = histogram.sum_us.load(Relaxed);
        self.sample(&format!("{name}_sum"), "", format_args!("{}.{:06}", sum / 1_000_000, sum % 1_000_000));
        self.sample(&format!("{name}_count"), "", total);
    }
}
