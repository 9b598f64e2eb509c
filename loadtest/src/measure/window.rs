//! A stretch of a run with everything in it added up: what figures are computed from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kinds::{Counter, Level, Timing};
use super::times::{CoarseTimes, Times};
use super::{MAX_SECONDS, Measures};

/// What a process costs, read at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Since the run's start, seconds.
    pub at_s: f64,
    /// CPU time it has used so far, seconds.
    pub cpu_s: f64,
    /// Memory it holds, bytes.
    pub memory_bytes: u64,
}

/// The sums of a stretch of a run.
#[derive(Debug, Clone, Default)]
pub struct Window {
    seconds: f64,
    counters: BTreeMap<Counter, u64>,
    coarse: BTreeMap<Timing, CoarseTimes>,
    exact: BTreeMap<Timing, Times>,
    receipts: BTreeMap<String, u64>,
    viewer_seconds: u64,
    most_viewers: u64,
    server: Vec<Sample>,
    /// Units that were on the shelf, and units each buyer wanted.
    shelf: Option<(u64, u64)>,
}

impl Window {
    /// The whole run: times are exact.
    pub fn whole<'a>(groups: impl IntoIterator<Item = &'a Measures>, server: &[Sample]) -> Self {
        let groups: Vec<_> = groups.into_iter().collect();
        let mut window = Self::of(groups.iter().copied(), 0..MAX_SECONDS, server);
        for (what, times) in groups.iter().flat_map(|measures| &measures.timings) {
            window.exact.entry(*what).or_default().merge(times);
        }
        window
    }

    /// Some seconds of the run: times are right to about 6 %. Receipts are those of the whole run.
    pub fn of<'a>(
        groups: impl IntoIterator<Item = &'a Measures>,
        range: Range<usize>,
        server: &[Sample],
    ) -> Self {
        let mut window = Self::default();
        let mut viewers: BTreeMap<usize, u64> = BTreeMap::new();
        for measures in groups {
            for (at, second) in measures.seconds().filter(|(at, _)| range.contains(at)) {
                for what in Counter::ALL {
                    *window.counters.entry(*what).or_default() += second.counter(*what);
                }
                for what in Timing::ALL {
                    if let Some(times) = second.timing(*what) {
                        window.coarse.entry(*what).or_default().merge(times);
                    }
                }
                *viewers.entry(at).or_default() += second.level(Level::Viewers).unwrap_or(0);
            }
            for (outcome, n) in measures.receipts() {
                *window.receipts.entry(outcome.clone()).or_default() += n;
            }
        }
        window.seconds = viewers.len() as f64;
        window.viewer_seconds = viewers.values().sum();
        window.most_viewers = viewers.values().copied().max().unwrap_or(0);
        let within = |sample: &&Sample| (range.start as f64..=range.end as f64).contains(&sample.at_s);
        window.server = server.iter().filter(within).copied().collect();
        window
    }

    /// Says what was for sale: units, and units each buyer wanted.
    pub fn with_shelf(mut self, shelf: Option<(u64, u64)>) -> Self {
        self.shelf = shelf;
        self
    }

    /// A counter's increase.
    pub fn counter(&self, what: Counter) -> u64 {
        self.counters.get(&what).copied().unwrap_or(0)
    }

    /// The time below which this share (0 to 1) lies.
    pub fn quantile(&self, what: Timing, share: f64) -> Option<Duration> {
        let exact = self.exact.get(&what).and_then(|times| times.quantile(share));
        exact.or_else(|| self.coarse.get(&what)?.quantile(share))
    }

    /// Seconds with any measure in them.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Seconds spent watching, of all viewers together.
    pub fn viewer_seconds(&self) -> u64 {
        self.viewer_seconds
    }

    /// The most viewers in any second.
    pub fn most_viewers(&self) -> u64 {
        self.most_viewers
    }

    /// Buys with this outcome.
    pub fn receipts(&self, outcome: &str) -> u64 {
        self.receipts.get(outcome).copied().unwrap_or(0)
    }

    /// Units that were promised beyond those there were; none when it is not known how many there were.
    pub fn oversold(&self) -> Option<u64> {
        let (stock, quantity) = self.shelf?;
        Some((self.receipts("held") * quantity).saturating_sub(stock))
    }

    /// CPU seconds the server used, over how many seconds.
    pub fn server_cpu(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.server.first()?, self.server.last()?);
        let took = last.at_s - first.at_s;
        (took > 0.0).then_some(((last.cpu_s - first.cpu_s).max(0.0), took))
    }

    /// The most memory the server held, bytes.
    pub fn server_memory(&self) -> Option<u64> {
        self.server.iter().map(|sample| sample.memory_bytes).max()
    }
}
