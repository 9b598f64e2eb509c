//! What a thread tells once a second, and at its end.

use std::time::{Duration, Instant};

use slab::Slab;

use super::{MANY, Slot, Worker};
use crate::engine::limits;
use crate::engine::tally::Tally;
use crate::measure::{Counter, Level, Recorder};

/// CPU of a second above which this thread is what limits.
const BUSY: Duration = Duration::from_millis(900);

/// The second whose levels were told last.
#[derive(Debug, Default)]
pub(super) struct LastTold(Option<u64>);

impl LastTold {
    /// Whether a time is the first of its second: a thread that stood still catches up with several reports at once, and
    /// viewers told twice in one second would be counted twice.
    fn is_first(&mut self, at: Duration) -> bool {
        let second = Some(at.as_secs());
        std::mem::replace(&mut self.0, second) != second
    }
}

impl Worker {
    /// Tells what was measured since the last time.
    pub(super) fn every_second(&mut self, now: Instant) {
        let at = now.saturating_duration_since(self.common.begin);
        let ids: Vec<u32> = self.slots.iter().map(|(id, _)| id as u32).collect();
        for id in ids {
            self.with(id, |viewer, tools| viewer.every_second(now, tools));
        }
        self.limits();
        self.is_busy = self
            .tallies
            .iter()
            .map(|tally| tally.count(Counter::Packets))
            .sum::<u64>()
            > MANY;
        let mut delta = Recorder::new();
        let tells_levels = self.last_told.is_first(at);
        for tally in &mut self.tallies {
            if tells_levels {
                tell_levels(tally, &self.slots, at);
            }
            delta.merge(tally.take(at));
        }
        // Nobody listens any more when the fleet is being dropped.
        let _ = self.deltas.send(delta);
    }

    /// What the thread cost in the last second, and whether it was too much.
    fn limits(&mut self) {
        let cpu = limits::thread_cpu().unwrap_or_default();
        let used = cpu.saturating_sub(self.cpu);
        let dropped = limits::dropped(&self.wire.ports());
        let unsent = std::mem::take(&mut self.wire.unsent);
        let new = dropped.saturating_sub(self.dropped) + unsent;
        (self.cpu, self.dropped) = (cpu, dropped);
        self.count(Counter::ClientCpuUs, used.as_micros() as u64);
        self.count(Counter::SocketDrops, new);
        self.count(Counter::ClientLimitedS, u64::from(used >= BUSY || new > 0));
    }

    /// Everybody leaves.
    pub(super) fn stop(mut self) {
        let now = Instant::now();
        let ids: Vec<u32> = self.slots.iter().map(|(id, _)| id as u32).collect();
        for id in ids {
            self.with(id, |viewer, tools| viewer.leave(true, now, tools));
            self.tidy(id);
        }
        self.flush();
        self.every_second(now);
    }
}

/// How many of a group watch, join and have channels, and which pictures they get.
fn tell_levels(tally: &mut Tally, slots: &Slab<Slot>, at: Duration) {
    let group = tally.group();
    let (mut watching, mut joining, mut channels) = (0, 0, 0);
    for (_, slot) in slots.iter().filter(|(_, slot)| slot.group == group) {
        channels += u64::from(slot.viewer.has_channels());
        if slot.viewer.is_watching() {
            watching += 1;
            tally.recorder().layer(group, at, slot.viewer.height(), 1);
        } else {
            joining += 1;
        }
    }
    let levels = [
        (Level::Viewers, watching),
        (Level::Joining, joining),
        (Level::Channels, channels),
    ];
    for (level, count) in levels {
        tally.recorder().level(group, at, level, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stood_still_tells_each_second_once() {
        let mut last = LastTold::default();
        let times = [0.0, 1.1, 4.2, 4.2, 4.9, 5.0];
        let first = times.map(|at| last.is_first(Duration::from_secs_f64(at)));
        assert_eq!(first, [true, true, true, false, false, true]);
    }
}
