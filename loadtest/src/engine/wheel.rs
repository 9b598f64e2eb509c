//! When each viewer wants to be looked at: one wheel per thread instead of a timer per viewer.

use std::time::{Duration, Instant};

/// What the wheel can tell apart.
const TICK: Duration = Duration::from_millis(1);
/// Ticks of one turn. Later times wait a turn and are put in again.
const SLOTS: usize = 1024;

/// Times of viewers, by their place.
pub(super) struct Wheel {
    begin: Instant,
    /// Ticks whose slots have been emptied.
    passed: u64,
    slots: Vec<Vec<(u32, u64)>>,
    /// For each viewer the tick it waits for; other entries of it are stale.
    armed: Vec<u64>,
}

const IDLE: u64 = u64::MAX;

impl Wheel {
    pub(super) fn new(begin: Instant) -> Wheel {
        Wheel {
            begin,
            passed: 0,
            slots: vec![Vec::new(); SLOTS],
            armed: Vec::new(),
        }
    }

    /// The viewer wants to be looked at then, or never.
    pub(super) fn arm(&mut self, viewer: u32, at: Option<Instant>) {
        let place = viewer as usize;
        if self.armed.len() <= place {
            self.armed.resize(place + 1, IDLE);
        }
        let tick = at.map_or(IDLE, |at| self.tick_of(at));
        let Some(armed) = self.armed.get_mut(place) else {
            return;
        };
        if *armed == tick {
            return;
        }
        *armed = tick;
        if tick == IDLE {
            return;
        }
        let within = tick.min(self.passed + SLOTS as u64 - 1);
        if let Some(slot) = self.slots.get_mut((within % SLOTS as u64) as usize) {
            slot.push((viewer, tick));
        }
    }

    /// Rounded up: nobody is looked at too early. Never a slot that has been emptied.
    fn tick_of(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begin);
        let tick = since.as_micros().div_ceil(TICK.as_micros()) as u64;
        tick.max(self.passed + 1)
    }

    /// Gives everybody whose time has come, once each; and how late this is.
    pub(super) fn expire(&mut self, now: Instant, due: &mut Vec<u32>) -> Duration {
        due.clear();
        let late = now.saturating_duration_since(self.begin + TICK * self.passed as u32);
        let until = (now.saturating_duration_since(self.begin).as_micros() / TICK.as_micros()) as u64;
        while self.passed < until {
            self.passed += 1;
            let place = (self.passed % SLOTS as u64) as usize;
            let Some(slot) = self.slots.get_mut(place) else {
                return late;
            };
            let mut entries = std::mem::take(slot);
            entries.retain(|&(viewer, tick)| {
                let Some(armed) = self
                    .armed
                    .get_mut(viewer as usize)
                    .filter(|armed| **armed == tick)
                else {
                    return false;
                };
                let is_due = tick <= self.passed;
                if is_due {
                    *armed = IDLE;
                    due.push(viewer);
                }
                !is_due
            });
            // Those of a later turn.
            for (viewer, tick) in entries.drain(..) {
                let within = tick.min(self.passed + SLOTS as u64 - 1);
                if let Some(slot) = self.slots.get_mut((within % SLOTS as u64) as usize) {
                    slot.push((viewer, tick));
                }
            }
            if let Some(slot) = self.slots.get_mut(place)
                && slot.is_empty()
            {
                *slot = entries;
            }
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_called_once_at_the_last_time_they_asked_for() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut wheel = Wheel::new(begin);
        wheel.arm(0, Some(at(5)));
        wheel.arm(1, Some(at(3000)));
        wheel.arm(2, Some(at(7)));
        wheel.arm(2, Some(at(6)));
        wheel.arm(3, Some(at(8)));
        wheel.arm(3, None);
        wheel.arm(4, Some(at(6)));
        wheel.arm(4, Some(at(1500)));
        let mut called = Vec::new();
        let mut due = Vec::new();
        for ms in 0..4000 {
            wheel.expire(at(ms), &mut due);
            called.extend(due.iter().map(|viewer| (ms, *viewer)));
        }
        assert_eq!(called, [(5, 0), (6, 2), (1500, 4), (3000, 1)]);
    }

    #[test]
    fn a_time_that_has_passed_comes_with_the_next_tick() {
        let begin = Instant::now();
        let mut wheel = Wheel::new(begin);
        let mut due = Vec::new();
        wheel.expire(begin + Duration::from_millis(2500), &mut due);
        wheel.arm(9, Some(begin));
        wheel.expire(begin + Duration::from_millis(2501), &mut due);
        assert_eq!(due, [9]);
    }
}
