//! When a viewer may go up to a better layer: not right after a change, and later each time it did not last.

use std::time::{Duration, Instant};

/// After any change the next one upward waits this long.
const SETTLING: Duration = Duration::from_secs(1);
/// A joiner begins low and may go up when the first feedback is there.
const FIRST_SETTLING: Duration = Duration::from_millis(300);
/// A rise that was taken back within this time has failed, and the next one is never closer to it: no viewer goes up and
/// down twice in ten seconds.
const TWICE: Duration = Duration::from_secs(10);
/// After one that failed the next waits so long, doubling up to the longest: a line on the edge is not tried for ever,
/// and no viewer is stuck.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// A line that has shown since that it carries so much more, in percent, than when the rise failed is another line.
const WIDENED: u64 = 150;

/// In percent of what a layer took, what it takes at least when it is entered again: rates vary.
const SAME: u64 = 80;

#[derive(Debug)]
pub(super) struct Climb {
    /// Bits per second of the layer entered last.
    bitrate: u64,
    /// When the last change is old enough.
    settled: Option<Instant>,
    rose: Option<Instant>,
    /// Both as they were before the last rise, and whether that was withdrawn just now.
    before: (u64, Option<Instant>),
    is_withdrawn: bool,
    failed: Option<Failed>,
    pause: Duration,
}

/// A rise that was taken back.
#[derive(Clone, Copy, Debug)]
struct Failed {
    /// When the next may be, whatever the line has shown, and when on a line that has widened.
    next: Instant,
    next_widened: Instant,
    /// What the line was found to carry then, bits per second.
    carried: u64,
}

impl Climb {
    pub(super) fn new() -> Climb {
        Climb {
            bitrate: 0,
            settled: None,
            rose: None,
            before: (0, None),
            is_withdrawn: false,
            failed: None,
            pause: PAUSE,
        }
    }

    /// A layer of that rate was entered, because of a line believed to carry `estimate` or for another reason.
    pub(super) fn entered(&mut self, now: Instant, bitrate: u64, estimate: Option<u64>) {
        let settled = now
            + if self.bitrate == 0 {
                FIRST_SETTLING
            } else {
                SETTLING
            };
        if std::mem::take(&mut self.is_withdrawn) && bitrate * 100 >= self.bitrate * SAME {
            return self.settled = Some(settled);
        }
        let had = (self.bitrate, self.rose);
        let is_up = self.settled.is_some() && bitrate > self.bitrate;
        if let Some((rose, lasted)) = self.end_rise(now)
            && !is_up
            && lasted < TWICE
            && let Some(carried) = estimate
        {
            self.failed = Some(Failed {
                next: (now + self.pause).max(rose + TWICE),
                next_widened: rose + TWICE,
                carried,
            });
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        self.rose = is_up.then_some(now);
        self.settled = Some(settled);
        self.bitrate = bitrate.max(1);
        self.before = if is_up { had } else { (self.bitrate, None) };
    }

    /// Of the layer entered last nothing was seen: what is entered instead follows the one before it.
    pub(super) fn withdraw(&mut self) {
        (self.bitrate, self.rose) = self.before;
        self.is_withdrawn = true;
    }

    /// The picture ended with its publisher: the next one begins low again, which says nothing of the line.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.end_rise(now);
        self.bitrate = 0;
        self.settled = None;
    }

    /// When the last rise was and how long it lasted, if nothing came after it.
    fn end_rise(&mut self, now: Instant) -> Option<(Instant, Duration)> {
        let rose = self.rose.take()?;
        let lasted = now.saturating_duration_since(rose);
        if lasted > LONGEST_PAUSE {
            self.pause = PAUSE;
        }
        Some((rose, lasted))
    }

    /// When the last change was old enough for the next.
    pub(super) fn settled(&self) -> Option<Instant> {
        self.settled
    }

    /// Whether a viewer whose line is believed to carry `estimate` may go up.
    pub(super) fn may_rise(&self, now: Instant, estimate: u64) -> bool {
        let settled = self.settled.is_none_or(|at| now >= at);
        let again = self.failed.is_none_or(|failed| {
            let has_widened = estimate * 100 >= failed.carried * WIDENED;
            now >= failed.next || (has_widened && now >= failed.next_widened)
        });
        settled && again
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
        climb.entered(now, 300, Some(400));
        for pause in [7, 10, 20, 20] {
            now += SETTLING;
            assert!(climb.may_rise(now, 500));
            climb.entered(now, 900, Some(1000));
            now += Duration::from_secs(3);
            climb.entered(now, 300, Some(400));
            now += Duration::from_secs(pause);
            assert!(!climb.may_rise(now - Duration::from_millis(1), 500));
        }
        climb.entered(now, 900, Some(1000));
        now += Duration::from_secs(11);
        climb.entered(now, 300, Some(400));
        assert!(climb.may_rise(now + SETTLING, 500), "that one lasted");
        climb.entered(now, 900, Some(1000));
        climb.entered(now, 300, None);
        assert!(climb.may_rise(now + SETTLING, 500), "the line was not the reason");
    }

    #[test]
    fn a_rise_of_which_nothing_was_seen_is_none_and_the_one_before_it_counts() {
        for (then, may_rise) in [(880, true), (300, false)] {
            let mut climb = Climb::new();
            let after = |secs| begin() + Duration::from_secs(secs);
            climb.entered(begin(), 300, Some(400));
            climb.entered(after(20), 900, Some(1000));
            climb.entered(after(23), 2000, Some(2500));
            climb.withdraw();
            climb.entered(after(23), then, Some(1500));
            assert!(!climb.may_rise(after(23), 1500));
            assert_eq!(climb.may_rise(after(25), 1500), may_rise, "{then}");
            climb.entered(after(25), 2000, Some(2500));
            climb.entered(after(27), 300, Some(400));
            assert!(!climb.may_rise(after(29), 500), "one that was seen");
        }
    }

    #[test]
    fn a_publisher_that_comes_again_is_no_failure_of_the_line() {
        let mut now = begin();
        let mut climb = Climb::new();
        for _ in 0..3 {
            climb.entered(now, 300, Some(400));
            now += FIRST_SETTLING;
            assert!(climb.may_rise(now, 1000));
            climb.entered(now, 900, Some(1000));
            now += Duration::from_secs(3);
            climb.begin_anew(now);
        }
    }

    #[test]
    fn a_line_that_has_widened_is_not_waited_for() {
        let mut climb = Climb::new();
        climb.entered(begin(), 300, Some(400));
        let rose = begin() + 3 * TWICE;
        for at in [rose - TWICE, rose] {
            climb.entered(at, 900, Some(1000));
            climb.entered(at + TWICE / 2, 300, Some(400));
        }
        let soon = rose + TWICE;
        assert!(!climb.may_rise(soon, 599));
        assert!(!climb.may_rise(soon - Duration::from_millis(1), 600));
        assert!(climb.may_rise(soon, 600));
    }
}
