//! When a viewer may go up to a better layer: not right after a change, and later each time it did not last.

use std::time::{Duration, Instant};

/// After any change the next one upward waits this long.
const SETTLING: Duration = Duration::from_secs(1);
/// A rise that was taken back within this time has failed.
const FAILED_WITHIN: Duration = Duration::from_secs(6);
/// After one that failed the next waits so long, doubling up to the longest: a line on the edge is not tried for ever,
/// and no viewer is stuck.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Two rises are never closer to each other after the first has failed.
const TWICE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Climb {
    /// Bits per second of the layer entered last.
    bitrate: u64,
    changed: Option<Instant>,
    rose: Option<Instant>,
    not_before: Option<Instant>,
    pause: Duration,
}

impl Climb {
    pub(super) fn new() -> Climb {
        Climb {
            bitrate: 0,
            changed: None,
            rose: None,
            not_before: None,
            pause: PAUSE,
        }
    }

    /// A layer of that rate was entered.
    pub(super) fn entered(&mut self, now: Instant, bitrate: u64) {
        let is_up = self.changed.is_some() && bitrate > self.bitrate;
        let rose = if is_up {
            self.rose.replace(now)
        } else {
            self.rose.take()
        };
        if let Some(rose) = rose {
            let lasted = now.saturating_duration_since(rose);
            if lasted > LONGEST_PAUSE {
                self.pause = PAUSE;
            }
            if !is_up && lasted < FAILED_WITHIN {
                self.not_before = Some((now + self.pause).max(rose + TWICE));
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
        (self.changed, self.bitrate) = (Some(now), bitrate);
    }

    pub(super) fn may_rise(&self, now: Instant) -> bool {
        let settled = self.changed.is_none_or(|at| now >= at + SETTLING);
        settled && self.not_before.is_none_or(|at| now >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::begin;

    #[test]
    fn a_rise_that_fails_is_repeated_later_and_later() {
        let mut now = begin();
        let mut climb = Climb::new();
        climb.entered(now, 300);
        for pause in [7, 10, 20, 20] {
            now += SETTLING;
            assert!(climb.may_rise(now));
            climb.entered(now, 900);
            now += Duration::from_secs(3);
            climb.entered(now, 300);
            now += Duration::from_secs(pause);
            assert!(!climb.may_rise(now - Duration::from_millis(1)));
        }
        climb.entered(now, 900);
        now += Duration::from_secs(11);
        climb.entered(now, 300);
        assert!(climb.may_rise(now + SETTLING), "that one lasted");
    }
}
