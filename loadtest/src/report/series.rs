//! A run over time, in as many steps as a chart can show.

use std::collections::BTreeSet;

use super::result::Run;
use crate::measure::{Counter, Level, Measures, Second, Timing};

/// More points than this are not told apart on a screen.
const MOST_STEPS: usize = 300;

/// CPU times count in ticks of 10 ms: over less than this a rate is noise.
const LEAST_BETWEEN_S: f64 = 0.5;

/// Seconds of a run joined to steps of equal length.
pub(super) struct Steps {
    /// Seconds per step.
    pub(super) length: usize,
    steps: Vec<Second>,
}

impl Steps {
    /// All groups but the canaries.
    pub(super) fn of(run: &Run) -> Self {
        // What lies behind the end is goodbyes.
        let seconds = (run.seconds.ceil() as usize).max(1);
        let length = seconds.div_ceil(MOST_STEPS);
        let mut steps = vec![Second::default(); seconds.div_ceil(length)];
        for (at, second) in run.crowd().flat_map(Measures::seconds) {
            if let Some(step) = steps.get_mut(at / length) {
                step.merge(second);
            }
        }
        Self { length, steps }
    }

    /// A counter per second.
    pub(super) fn rate(&self, what: Counter, factor: f64) -> Vec<Option<f64>> {
        let rate = |second: &Second| second.counter(what) as f64 * factor / self.length as f64;
        self.steps.iter().map(|second| Some(rate(second))).collect()
    }

    /// A counter as a part of others, percent; none where there is nothing to be part of.
    pub(super) fn percent(&self, part: Counter, whole: &[Counter]) -> Vec<Option<f64>> {
        let percent = |second: &Second| {
            let whole: u64 = whole.iter().map(|what| second.counter(*what)).sum();
            (whole > 0).then(|| second.counter(part) as f64 * 100.0 / whole as f64)
        };
        self.steps.iter().map(percent).collect()
    }

    /// A state.
    pub(super) fn level(&self, what: Level) -> Vec<Option<f64>> {
        let level = |second: &Second| second.level(what).map(|n| n as f64 / self.length as f64);
        self.steps.iter().map(level).collect()
    }

    /// A percentile of a time, milliseconds.
    pub(super) fn time(&self, what: Timing, share: f64) -> Vec<Option<f64>> {
        let time = |second: &Second| {
            second
                .timing(what)?
                .quantile(share)
                .map(|time| time.as_secs_f64() * 1_000.0)
        };
        self.steps.iter().map(time).collect()
    }

    /// Heights of received pictures, lowest first.
    pub(super) fn heights(&self) -> Vec<u16> {
        let heights: BTreeSet<u16> = self
            .steps
            .iter()
            .flat_map(|second| second.layers().keys().copied())
            .collect();
        heights.into_iter().collect()
    }

    /// Viewers who get pictures of a height.
    pub(super) fn layer(&self, height: u16) -> Vec<Option<f64>> {
        let layer = |second: &Second| {
            let viewers = second.layers().get(&height).copied().unwrap_or(0);
            (!second.layers().is_empty()).then(|| viewers as f64 / self.length as f64)
        };
        self.steps.iter().map(layer).collect()
    }

    /// The server's CPU, percent of a core, and its memory in MiB.
    pub(super) fn server(&self, run: &Run) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let mut cpu = vec![None; self.steps.len()];
        let mut memory = vec![None; self.steps.len()];
        let place = |at_s: f64| (at_s.max(0.0) / self.length as f64) as usize;
        for pair in run.server.windows(2) {
            let [before, after] = pair else { continue };
            let took = after.at_s - before.at_s;
            if let Some(slot) = cpu.get_mut(place(after.at_s))
                && took >= LEAST_BETWEEN_S
            {
                *slot = Some((after.cpu_s - before.cpu_s).max(0.0) / took * 100.0);
            }
        }
        for sample in &run.server {
            if let Some(slot) = memory.get_mut(place(sample.at_s)) {
                *slot = Some(sample.memory_bytes as f64 / f64::from(1 << 20));
            }
        }
        (cpu, memory)
    }
}
