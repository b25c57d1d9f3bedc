//! What is collected when a page is asked for.

use std::fmt;
use std::sync::Arc;

use super::Metrics;
use super::page::Page;

/// A part of the program that keeps figures of its own. They are read when a page is asked for, and never copied before.
pub trait Collect: Send + Sync {
    /// Writes the figures of this moment. May read the disk's free space, and waits for nothing else.
    fn collect(&self, page: &mut Page);
}

/// Everything that one node's page is made of.
pub struct Registry {
    metrics: Arc<Metrics>,
    collectors: Vec<Box<dyn Collect>>,
}

impl Registry {
    /// A page of these metrics alone.
    pub fn new(metrics: Arc<Metrics>) -> Registry {
        Registry { metrics, collectors: Vec::new() }
    }

    /// The same with what another part of the program counts.
    #[must_use]
    pub fn with(mut self, collector: impl Collect + 'static) -> Registry {
        self.collectors.push(Box::new(collector));
        self
    }

    /// The metrics that are counted as things happen.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Collects the page: Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut page = Page::new();
        self.metrics.collect(&mut page);
        for collector in &self.collectors {
            collector.collect(&mut page);
        }
        page.into_text()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("collectors", &self.collectors.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    struct Source(Arc<AtomicU64>);

    impl Collect for Source {
        fn collect(&self, page: &mut Page) {
            page.gauge("jindu_lines", "Lines.", self.0.load(Relaxed));
        }
    }

    #[test]
    fn a_page_holds_what_a_source_counts_at_that_moment() {
        let lines = Arc::new(AtomicU64::new(1));
        let registry = Registry::new(Arc::default()).with(Source(Arc::clone(&lines)));
        assert!(registry.render().contains("jindu_lines 1\n"));
        lines.store(7, Relaxed);
        assert!(registry.render().contains("jindu_lines 7\n"));
    }
}
