//! The page in the Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};
use std::time::Duration;

/// The page as it grows. Each metric is written once: its help, its type, its samples.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// An empty page.
    pub fn new() -> Page {
        Page::default()
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// A metric that says what runs: its value is 1, its labels hold the words. Of each word only ASCII letters, digits
    /// and `.+-_:[]` are kept.
    pub fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) {
        self.head(name, help, "gauge");
        self.sample(name, &set_of(labels), 1);
    }

    /// A number that only grows.
    pub fn counter(&mut self, name: &str, help: &str, total: u64) {
        self.head(name, help, "counter");
        self.sample(name, "", total);
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.sample(name, "", value);
    }

    /// A duration that goes up and down, in seconds to the millisecond.
    pub fn gauge_seconds(&mut self, name: &str, help: &str, value: Duration) {
        self.gauge(name, help, format_args!("{}.{:03}", value.as_secs(), value.subsec_millis()));
    }

    /// A counter for each value of a label.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        totals: impl IntoIterator<Item = (&'static str, u64)>,
    ) {
        self.head(name, help, "counter");
        for (value, total) in totals {
            self.sample(name, &format!("{{{label}=\"{value}\"}}"), total);
        }
    }

    /// A counter for each pair of values of two labels.
    pub(super) fn counters2(
        &mut self,
        name: &str,
        help: &str,
        (first, second): (&str, &str),
        totals: impl IntoIterator<Item = (&'static str, &'static str, u64)>,
    ) {
        self.head(name, help, "counter");
        for (a, b, total) in totals {
            self.sample(name, &format!("{{{first}=\"{a}\",{second}=\"{b}\"}}"), total);
        }
    }

    /// A sample for each set of labels; a name that ends in `_total` only grows. Of a label's value only ASCII letters,
    /// digits and `.+-_:[]` are kept.
    pub fn samples<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, u64)>,
    ) {
        self.head(name, help, if name.ends_with("_total") { "counter" } else { "gauge" });
        for (labels, value) in samples {
            self.sample(name, &set_of(&labels), value);
        }
    }

    /// A gauge of 1 for each value of a label that holds at the moment.
    pub fn states<'a>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = &'a str>) {
        self.head(name, help, "gauge");
        for value in values {
            self.sample(name, &format!("{{{label}=\"{value}\"}}"), 1);
        }
    }

    /// A gauge for each value of a label.
    pub fn gauges<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (impl Display, V)>,
    ) {
        self.head(name, help, "gauge");
        for (labelled, value) in values {
            self.sample(name, &format!("{{{label}=\"{labelled}\"}}"), value);
        }
    }

    /// How often a duration fell between bounds. `counts` has one number for each bound, and one for what is above the
    /// last; `sum_us` is the sum of the durations.
    pub fn histogram(&mut self, name: &str, help: &str, bounds_us: &[u64], counts: &[u64], sum_us: u64) {
        self.head(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (n, count) in counts.iter().enumerate() {
            total += count;
            let label = match bounds_us.get(n) {
                Some(bound) => format!("{{le=\"{}\"}}", *bound as f64 / 1e6),
                None => "{le=\"+Inf\"}".to_owned(),
            };
            self.sample(&bucket, &label, total);
        }
        self.sample(&format!("{name}_sum"), "", format_args!("{}.{:06}", sum_us / 1_000_000, sum_us % 1_000_000));
        self.sample(&format!("{name}_count"), "", total);
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}

/// The labels of a sample, in braces.
fn set_of(labels: &[(&str, &str)]) -> String {
    let mut set = String::from("{");
    for (n, (label, word)) in labels.iter().enumerate() {
        let word: String = word.chars().filter(|c| c.is_ascii_alphanumeric() || ".+-_:[]".contains(*c)).collect();
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(set, "{comma}{label}=\"{word}\"");
    }
    set.push('}');
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_labels_has_its_sample() {
        let mut page = Page::new();
        let labels = |trunk| vec![("trunk", trunk), ("peer", "[::1]:5060")];
        page.samples("jindu_trunk_peer_up", "Up.", [(labels("a"), 1), (labels("b"), 0)]);
        let text = page.into_text();
        assert!(
            text.contains("# TYPE jindu_trunk_peer_up gauge\njindu_trunk_peer_up{trunk=\"a\",peer=\"[::1]:5060\"} 1\n")
        );
    }

    #[test]
    fn an_age_is_written_in_seconds_to_the_millisecond() {
        let mut page = Page::new();
        page.gauge_seconds("jindu_age_seconds", "An age.", Duration::from_millis(61_005));
        assert!(page.into_text().ends_with("jindu_age_seconds 61.005\n"));
    }

    #[test]
    fn a_word_of_a_label_cannot_end_the_label() {
        let mut page = Page::new();
        page.info("jindu_info", "Words.", &[("version", "1.2"), ("release", "c0\"} 7\n")]);
        assert!(page.into_text().ends_with("\njindu_info{version=\"1.2\",release=\"c07\"} 1\n"));
    }

    #[test]
    fn a_histogram_counts_upwards() {
        let mut page = Page::new();
        page.histogram("late", "How late.", &[1_000, 20_000], &[2, 3, 1], 1_500_000);
        let text = page.into_text();
        for line in [
            "late_bucket{le=\"0.001\"} 2\n",
            "late_bucket{le=\"0.02\"} 5\n",
            "late_bucket{le=\"+Inf\"} 6\n",
            "late_sum 1.500000\n",
            "late_count 6\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
