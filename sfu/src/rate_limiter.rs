//! How often something may happen.

use std::time::{Duration, Instant};

/// A steady rate and what may come at once (the generic cell rate algorithm of ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    pub(crate) const fn new(per_second: u32, burst: u32) -> Rate {
        let interval = Duration::from_nanos(1_000_000_000 / per_second as u64);
        Rate { interval, burst }
    }

    pub(crate) const fn every(interval: Duration, burst: u32) -> Rate {
        Rate { interval, burst }
    }
}

/// How far ahead of its rate something is, and whether it may happen once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimiter {
    /// When all that happened would have happened at the steady rate.
    paid_until: Instant,
}

impl RateLimiter {
    pub(crate) fn new(now: Instant) -> RateLimiter {
        RateLimiter { paid_until: now }
    }

    /// Counts one more, unless it is one too many.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let Rate { interval, burst } = rate;
        let ahead = self.paid_until.saturating_duration_since(now);
        if ahead + interval > interval * burst {
            return false;
        }
        self.paid_until = self.paid_until.max(now) + interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        const RATE: Rate = Rate::new(10, 3);
        let mut now = crate::media::begin();
        let mut limiter = RateLimiter::new(now);
        let mut taken = |now| (0..100).filter(|_| limiter.take(now, RATE)).count();
        assert_eq!(taken(now), 3);
        now += Duration::from_millis(99);
        assert_eq!(taken(now), 0);
        now += Duration::from_millis(1);
        assert_eq!(taken(now), 1);
        now += Duration::from_secs(60);
        assert_eq!(taken(now), 3, "rest is not saved up");
    }
}
