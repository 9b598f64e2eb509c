//! What happened in one second of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kinds::{Counter, Level, Timing};
use super::times::CoarseTimes;

/// Heights told apart in one second. A simulcast has three or four; more means damaged headers.
const MAX_LAYERS: usize = 16;

/// One second's counts. In files its parts have one letter and what is empty is left out: a run has thousands of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Second {
    #[serde(rename = "c", skip_serializing_if = "BTreeMap::is_empty")]
    counters: BTreeMap<Counter, u64>,
    #[serde(rename = "l", skip_serializing_if = "BTreeMap::is_empty")]
    levels: BTreeMap<Level, u64>,
    #[serde(rename = "h", skip_serializing_if = "BTreeMap::is_empty")]
    layers: BTreeMap<u16, u64>,
    #[serde(rename = "t", skip_serializing_if = "BTreeMap::is_empty")]
    timings: BTreeMap<Timing, CoarseTimes>,
}

impl Second {
    /// A counter's increase in this second.
    pub fn counter(&self, what: Counter) -> u64 {
        self.counters.get(&what).copied().unwrap_or(0)
    }

    /// A state in this second; none when it was not read.
    pub fn level(&self, what: Level) -> Option<u64> {
        self.levels.get(&what).copied()
    }

    /// Viewers by the height of the picture they get, 0 where it is unknown.
    pub fn layers(&self) -> &BTreeMap<u16, u64> {
        &self.layers
    }

    /// Times measured in this second.
    pub fn timing(&self, what: Timing) -> Option<&CoarseTimes> {
        self.timings.get(&what)
    }

    pub(super) fn add(&mut self, what: Counter, n: u64) {
        *self.counters.entry(what).or_default() += n;
    }

    pub(super) fn set_level(&mut self, what: Level, n: u64) {
        *self.levels.entry(what).or_default() += n;
    }

    pub(super) fn add_layer(&mut self, height: u16, viewers: u64) {
        if self.layers.len() < MAX_LAYERS || self.layers.contains_key(&height) {
            *self.layers.entry(height).or_default() += viewers;
        }
    }

    pub(super) fn timing_mut(&mut self, what: Timing) -> &mut CoarseTimes {
        self.timings.entry(what).or_default()
    }

    /// Adds another machine's, thread's or group's same second.
    pub fn merge(&mut self, other: &Second) {
        for (what, n) in &other.counters {
            self.add(*what, *n);
        }
        for (what, n) in &other.levels {
            self.set_level(*what, *n);
        }
        for (height, viewers) in &other.layers {
            self.add_layer(*height, *viewers);
        }
        for (what, times) in &other.timings {
            self.timing_mut(*what).merge(times);
        }
    }
}
