//! Figures that a program keeps of itself, in Prometheus's text format 0.0.4.

use std::fmt::{Display, Write};
use std::fs;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Upper ends of a histogram's buckets in seconds: those of all our processes.
const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// What the kernel counts processor time in: USER_HZ of every architecture that we are built for.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

/// Only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn add(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Never below zero, as what is counted here cannot be.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed).try_into().unwrap_or_default()
    }
}

/// Durations by length.
#[derive(Default)]
pub struct Histogram {
    /// What is longer than the last of `SECONDS` is in none.
    buckets: [AtomicU64; SECONDS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(bucket) = SECONDS.iter().position(|end| seconds <= *end) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
    }
}

pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The figures as they are handed out: each family with all of its samples.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    pub fn counter<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, u64)>) {
        self.family(name, "counter", help, samples);
    }

    pub fn gauge<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) {
        self.family(name, "gauge", help, samples);
    }

    pub fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, &'a Histogram)>,
    ) {
        self.head(name, "histogram", help);
        for (labels, histogram) in samples {
            let with = |end: &str| {
                [labels, &[("le", end)]]
                    .concat()
                    .iter()
                    .map(label)
                    .collect::<Vec<_>>()
                    .join(",")
            };
            let mut total = 0;
            for (end, bucket) in SECONDS.iter().zip(&histogram.buckets) {
                total += bucket.load(Ordering::Relaxed);
                let _ = writeln!(self.0, "{name}_bucket{{{}}} {total}", with(&end.to_string()));
            }
            let count = histogram.count.load(Ordering::Relaxed);
            let _ = writeln!(self.0, "{name}_bucket{{{}}} {count}", with("+Inf"));
            let sum = Duration::from_micros(histogram.sum_us.load(Ordering::Relaxed)).as_secs_f64();
            self.sample(&format!("{name}_sum"), labels, sum);
            self.sample(&format!("{name}_count"), labels, count);
        }
    }

    /// What every process tells of itself.
    pub fn process(&mut self) {
        let me = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let resident = me
            .split_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok())
            .unwrap_or(0);
        self.gauge(
            "process_resident_memory_bytes",
            "Resident memory.",
            [(&[][..], resident * PAGE_BYTES)],
        );
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in parentheses may hold spaces itself; user and system time are the 14th and 15th field.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map_or("", |(_, fields)| fields)
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
        let seconds = (field(14) + field(15)) / TICKS_PER_SECOND;
        self.head(
            "process_cpu_seconds_total",
            "counter",
            "Processor time used, user and system.",
        );
        self.sample("process_cpu_seconds_total", &[], seconds);
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime: f64 = uptime
            .split_whitespace()
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let started = now - uptime + field(22) / TICKS_PER_SECOND;
        self.gauge(
            "process_start_time_seconds",
            "When the process started, since the epoch.",
            [(&[][..], started)],
        );
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.gauge("process_open_fds", "Open descriptors.", [(&[][..], descriptors)]);
    }

    pub fn into_text(self) -> String {
        self.0
    }

    fn family<'a, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in samples {
            self.sample(name, labels, value);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels, value: impl Display) {
        let labels = labels.iter().map(label).collect::<Vec<_>>().join(",");
        let _ = match labels.as_str() {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

fn label((name, value): &(&str, &str)) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let mut text = Exposition::default();
        text.counter("a_total", "How many.", [(&[("by", "x\"y")][..], 3)]);
        text.gauge("b", "Now.", [(&[][..], 1.5)]);
        assert_eq!(
            text.into_text(),
            "# HELP a_total How many.\n# TYPE a_total counter\na_total{by=\"x\\\"y\"} 3\n\
             # HELP b Now.\n# TYPE b gauge\nb 1.5\n"
        );
    }

    #[test]
    fn a_histograms_buckets_hold_those_before_them() {
        let histogram = Histogram::default();
        for milliseconds in [1, 20, 20, 100_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let mut text = Exposition::default();
        text.histogram("s", "Seconds.", [(&[("of", "a")][..], &histogram)]);
        let text = text.into_text();
        for line in [
            "s_bucket{of=\"a\",le=\"0.0005\"} 0",
            "s_bucket{of=\"a\",le=\"0.001\"} 1",
            "s_bucket{of=\"a\",le=\"0.025\"} 3",
            "s_bucket{of=\"a\",le=\"60\"} 3",
            "s_bucket{of=\"a\",le=\"+Inf\"} 4",
            "s_sum{of=\"a\"} 100.041",
            "s_count{of=\"a\"} 4",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_process_knows_itself() {
        let mut text = Exposition::default();
        text.process();
        let text = text.into_text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            line.rsplit_once(' ').unwrap().1.parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let started = value("process_start_time_seconds");
        assert!(
            started <= now + 1.0 && started > now - 3600.0,
            "{started} and now {now}"
        );
    }
}
