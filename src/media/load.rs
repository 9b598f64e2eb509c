//! How busy a thread is, over the last moments.

use std::time::{Duration, Instant};

/// Between two measurements: a frame or two, so that the keyframe of one show is not taken for a busy server.
const INTERVAL: Duration = Duration::from_millis(100);
/// What the newest measurement counts against those before.
const NEWEST: f32 = 0.3;
/// Over how long the load lasts that viewers are refused for: a thousand who join at once keep a thread busy for half a
/// second, and are welcome; two hundred a second come to a tenth of a core in each.
const LASTING: Duration = Duration::from_millis(1500);

/// The share of its time that a thread works, 0 to 1: of late, smoothed over about a third of a second, and lasting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    since: Instant,
    busy: Duration,
    share: f32,
    lasting: f32,
}

impl Load {
    pub(super) fn new(now: Instant) -> Load {
        Load {
            since: now,
            busy: Duration::ZERO,
            share: 0.0,
            lasting: 0.0,
        }
    }

    /// Whether the thread has worked more than this share of its time for a while: who joins now takes from those inside.
    pub(super) fn has_lasted_above(&self, share: f32) -> bool {
        self.lasting > share
    }

    /// Given all the time worked so far: the share, when it was measured anew, and the time worked since the last one.
    pub(super) fn measure(&mut self, now: Instant, busy: Duration) -> Option<(f32, Duration)> {
        let passed = now.saturating_duration_since(self.since);
        if passed < INTERVAL {
            return None;
        }
        let worked = busy.saturating_sub(self.busy);
        let share = (worked.as_secs_f32() / passed.as_secs_f32()).min(1.0);
        self.share += NEWEST * (share - self.share);
        // Turns of a busy thread are long: a measurement counts by its length.
        let weight = (passed.as_secs_f32() / LASTING.as_secs_f32()).min(1.0);
        self.lasting += weight * (share - self.lasting);
        (self.since, self.busy) = (now, busy);
        Some((self.share, worked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_work_is_no_load_and_steady_work_is() {
        let mut now = Instant::now();
        let mut load = Load::new(now);
        let mut busy = Duration::from_millis(90);
        now += INTERVAL;
        assert!(
            load.measure(now, busy)
                .is_some_and(|(share, worked)| share < 0.3 && worked == busy)
        );
        assert_eq!(load.measure(now + INTERVAL / 2, busy), None);
        let mut shares = Vec::new();
        for _ in 0..20 {
            now += INTERVAL;
            busy += INTERVAL / 2;
            shares.extend(load.measure(now, busy));
        }
        assert!(
            shares
                .last()
                .is_some_and(|(share, _)| (0.49..0.51).contains(share)),
            "{shares:?}"
        );
    }

    #[test]
    fn a_storm_of_joins_is_no_lasting_load_and_seconds_of_work_are() {
        let mut now = Instant::now();
        let mut load = Load::new(now);
        let mut busy = Duration::ZERO;
        let mut work = |time: Duration, share: f32| {
            let end = now + time;
            while now < end {
                now += INTERVAL;
                busy += INTERVAL.mul_f32(share);
                load.measure(now, busy);
            }
            load
        };
        assert!(
            !work(Duration::from_secs(10), 0.6).has_lasted_above(0.9),
            "a full evening"
        );
        assert!(
            !work(Duration::from_secs(1), 1.0).has_lasted_above(0.9),
            "two thousand at once"
        );
        assert!(
            work(Duration::from_secs(6), 1.0).has_lasted_above(0.9),
            "more than it can do"
        );
        assert!(
            !work(Duration::from_secs(1), 0.6).has_lasted_above(0.9),
            "some have left"
        );
    }

    #[test]
    fn a_turn_of_seconds_counts_as_long_as_it_was() {
        let now = Instant::now();
        let mut load = Load::new(now);
        let turn = Duration::from_secs(4);
        load.measure(now + turn, turn);
        assert!(load.has_lasted_above(0.99));
    }
}
