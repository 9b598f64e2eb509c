//! A picture that stops because its line is full and nothing smaller is left. What fills the line may be another viewer's, who
//! goes down in a moment: the first time it waits where it is, before it is given up until its next keyframe.

use std::time::{Duration, Instant};

/// Others go down within a second, and most of that has passed before the queue is as long as to stop a picture.
const LONGEST_HOLD: Duration = Duration::from_millis(600);
/// Who stops within this time again and again is himself what is too much for his line.
const STOPS_AGAIN: Duration = Duration::from_secs(3);
const MOST_WAITS: u8 = 2;

/// What becomes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Goes,
    /// Nothing leaves, and nothing is given up.
    Waits,
    /// The queue is gone: what has come meanwhile leaves, too. The picture's rate, bits per second.
    GoesOn(u64),
    /// Nothing before the next keyframe. The picture's rate.
    Stops(u64),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standstill {
    /// When it stopped last, and how often it has waited one time after the other.
    stopped: Option<Instant>,
    waited: u8,
    waits: Option<(Instant, u64)>,
}

impl Standstill {
    /// `stop` is the picture's rate where the line is full and nothing smaller is left; `has_better`, whether others may have
    /// what they can go down from.
    pub(super) fn course(&mut self, now: Instant, stop: Option<u64>, has_better: bool) -> Course {
        match (self.waits, stop) {
            (None, None) => Course::Goes,
            (Some((until, _)), Some(_)) if now < until => Course::Waits,
            (Some((_, rate)), None) => {
                self.waits = None;
                Course::GoesOn(rate)
            }
            (_, Some(rate)) => {
                let again = |at| now.saturating_duration_since(at) < STOPS_AGAIN;
                if !self.stopped.replace(now).is_some_and(again) {
                    self.waited = 0;
                }
                let has_waited = self.waits.take().is_some();
                if has_waited || self.waited == MOST_WAITS || !has_better {
                    return Course::Stops(rate);
                }
                self.waited += 1;
                self.waits = Some((now + LONGEST_HOLD, rate));
                Course::Waits
            }
        }
    }

    /// Whether it waits: then it may be asked at any time.
    pub(super) fn waits(&self) -> bool {
        self.waits.is_some()
    }

    /// The picture goes on elsewhere.
    pub(super) fn forget_waiting(&mut self) {
        self.waits = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::begin;

    #[test]
    fn a_picture_waits_where_it_is_before_it_is_given_up() {
        let now = begin();
        let mut picture = Standstill::default();
        assert_eq!(picture.course(now, None, true), Course::Goes);
        assert_eq!(picture.course(now, Some(7), true), Course::Waits);
        assert!(picture.waits());
        let soon = now + LONGEST_HOLD / 2;
        assert_eq!(picture.course(soon, Some(8), true), Course::Waits);
        assert_eq!(picture.course(soon, None, true), Course::GoesOn(7));
        assert_eq!(picture.course(soon, None, true), Course::Goes);
        let before = now + STOPS_AGAIN - Duration::from_millis(1);
        assert_eq!(picture.course(before, Some(8), true), Course::Waits, "again");
        assert_eq!(picture.course(before, None, true), Course::GoesOn(8));
        assert_eq!(
            picture.course(before, Some(8), true),
            Course::Stops(8),
            "and again"
        );
        let after = before + STOPS_AGAIN;
        assert_eq!(picture.course(after, Some(8), true), Course::Waits);
        assert_eq!(
            picture.course(after + LONGEST_HOLD, Some(9), true),
            Course::Stops(9)
        );
        picture.course(after + STOPS_AGAIN * 2, Some(8), true);
        picture.forget_waiting();
        assert!(!picture.waits());
        let mut only = Standstill::default();
        assert_eq!(only.course(now, Some(7), false), Course::Stops(7));
    }
}
