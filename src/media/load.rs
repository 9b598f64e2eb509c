//! How busy a thread is, over the last moments.

use std::time::{Duration, Instant};

/// Between two measurements: a frame or two, so that the keyframe of one show is not taken for a busy server.
const INTERVAL: Duration = Duration::from_millis(100);
/// What the newest measurement counts against those before.
const NEWEST: f32 = 0.3;

/// The share of its time that a thread works, 0 to 1, smoothed over about a third of a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    since: Instant,
    busy: Duration,
    share: f32,
}

impl Load {
    pub(super) fn new(now: Instant) -> Load {
        Load {
            since: now,
            busy: Duration::ZERO,
            share: 0.0,
        }
    }

    /// Given all the time worked so far: the share, when it was measured anew.
    pub(super) fn measure(&mut self, now: Instant, busy: Duration) -> Option<f32> {
        let passed = now.saturating_duration_since(self.since);
        if passed < INTERVAL {
            return None;
        }
        let worked = busy.saturating_sub(self.busy);
        let share = (worked.as_secs_f32() / passed.as_secs_f32()).min(1.0);
        self.share += NEWEST * (share - self.share);
        (self.since, self.busy) = (now, busy);
        Some(self.share)
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
        assert!(load.measure(now, busy).is_some_and(|share| share < 0.3));
        assert_eq!(load.measure(now + INTERVAL / 2, busy), None);
        let mut shares = Vec::new();
        for _ in 0..20 {
            now += INTERVAL;
            busy += INTERVAL / 2;
            shares.extend(load.measure(now, busy));
        }
        assert!(
            shares.last().is_some_and(|share| (0.49..0.51).contains(share)),
            "{shares:?}"
        );
    }
}
