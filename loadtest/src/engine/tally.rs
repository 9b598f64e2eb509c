//! Counts of one group on one thread, cheap enough for every packet.

use std::time::Duration;

use super::customer::Told;
use crate::measure::{Counter, GroupId, Recorder, Timing};

/// What has been counted since it was last told, and where times go.
pub(super) struct Tally {
    group: GroupId,
    counts: [u64; Counter::ALL.len()],
    recorder: Recorder,
}

impl Tally {
    pub(super) fn new(group: GroupId) -> Tally {
        Tally {
            group,
            counts: [0; Counter::ALL.len()],
            recorder: Recorder::new(),
        }
    }

    pub(super) fn group(&self) -> GroupId {
        self.group
    }

    pub(super) fn add(&mut self, what: Counter, n: u64) {
        if let Some(count) = self.counts.get_mut(what as usize) {
            *count += n;
        }
    }

    /// What has been counted of something since it was last told.
    pub(super) fn count(&self, what: Counter) -> u64 {
        self.counts.get(what as usize).copied().unwrap_or(0)
    }

    /// A time that was measured at `at` of the run.
    pub(super) fn time(&mut self, at: Duration, what: Timing, took: Duration) {
        self.recorder.time(self.group, at, what, took);
    }

    /// What a customer was told.
    pub(super) fn told(&mut self, told: &Told, at: Duration) {
        self.add(Counter::ShopMessages, 1);
        match told {
            Told::Chat(took) => {
                self.add(Counter::ChatReceived, 1);
                if let Some(took) = took {
                    self.time(at, Timing::Message, *took);
                }
            }
            Told::Receipt(outcome, took) => {
                self.add(Counter::Receipts, 1);
                self.time(at, Timing::Receipt, *took);
                self.recorder.receipt(self.group, outcome);
            }
            Told::Stock(took) => self.time(at, Timing::Stock, *took),
            Told::Contradiction => self.add(Counter::Contradictions, 1),
            Told::Welcome | Told::Other => {}
        }
    }

    /// For what is rare.
    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Everything counted since the last time, as of `at`.
    pub(super) fn take(&mut self, at: Duration) -> Recorder {
        for (what, count) in Counter::ALL.iter().zip(&mut self.counts) {
            self.recorder.add(self.group, at, *what, std::mem::take(count));
        }
        std::mem::take(&mut self.recorder)
    }
}
