//! When a viewer may go up to a better layer: not right after a change, and later each time it did not last.

use std::time::{Duration, Instant};

/// After any change the next one upward waits this long.
const SETTLING: Duration = Duration::from_secs(1);
/// A joiner begins low and may go up when the first feedback is there.
const FIRST_SETTLING: Duration = Duration::from_millis(300);
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
    /// When the last change is old enough.
    settled: Option<Instant>,
    rose: Option<Instant>,
    not_before: Option<Instant>,
    pause: Duration,
}

impl Climb {
    pub(super) fn new() -> Climb {
        Climb {
            bitrate: 0,
            settled: None,
            rose: None,
            not_before: None,
            pause: PAUSE,
        }
    }

    /// A layer of that rate was entered, because of the line or for another reason.
    pub(super) fn entered(&mut self, now: Instant, bitrate: u64, by_line: bool) {
        let is_up = self.settled.is_some() && bitrate > self.bitrate;
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
            if !is_up && by_line && lasted < FAILED_WITHIN {
                self.not_before = Some((now + self.pause).max(rose + TWICE));
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
        self.settled = Some(
            now + if self.bitrate == 0 {
                FIRST_SETTLING
            } else {
                SETTLING
            },
        );
        self.bitrate = bitrate.max(1);
    }

    pub(super) fn may_rise(&self, now: Instant) -> bool {
        let settled = self.settled.is_none_or(|at| now >= at);
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
        climb.entered(now, 300, true);
        for pause in [7, 10, 20, 20] {
            now += SETTLING;
            assert!(climb.may_rise(now));
            climb.entered(now, 900, true);
            now += Duration::from_secs(3);
            climb.entered(now, 300, true);
            now += Duration::from_secs(pause);
            assert!(!climb.may_rise(now - Duration::from_millis(1)));
        }
        climb.entered(now, 900, true);
        now += Duration::from_secs(11);
        climb.entered(now, 300, true);
        assert!(climb.may_rise(now + SETTLING), "that one lasted");
        climb.entered(now, 900, true);
        climb.entered(now, 300, false);
        assert!(climb.may_rise(now + SETTLING), "the line was not the reason");
    }
}
