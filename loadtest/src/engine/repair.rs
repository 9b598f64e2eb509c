//! What is missing and when it is asked for (RFC 4585 §6.2.1, RFC 4588): the holes of one video stream.

use std::time::{Duration, Instant};

/// Packets that only overtook each other fill their holes within this.
const FIRST_ASK: Duration = Duration::from_millis(10);
/// The least time between two requests for the same packet, where the round trip is not known to be longer.
const MIN_REPEAT: Duration = Duration::from_millis(60);
/// As libwebrtc: then it will not come.
const MAX_ASKS: u8 = 10;
/// A hole this old is given up, asked for or not: players would have stopped waiting.
const GIVE_UP: Duration = Duration::from_millis(1000);
/// Holes at once. A longer gap is not asked for: a keyframe is.
pub(super) const MAX_HOLES: usize = 256;

struct Hole {
    number: u64,
    since: Instant,
    next: Instant,
    asked: u8,
}

/// The holes of a stream, ascending.
#[derive(Default)]
pub(super) struct Holes {
    open: Vec<Hole>,
}

impl Holes {
    /// Numbers that were overtaken; false when they are too many to be asked for.
    pub(super) fn open(&mut self, missing: std::ops::Range<u64>, now: Instant) -> bool {
        let count = missing.end.saturating_sub(missing.start) as usize;
        if self.open.len() + count > MAX_HOLES {
            self.open.clear();
            return count == 0;
        }
        self.open.extend(missing.map(|number| Hole {
            number,
            since: now,
            next: now + FIRST_ASK,
            asked: 0,
        }));
        true
    }

    /// A number came, late or repaired; whether it had been asked for.
    pub(super) fn close(&mut self, number: u64) -> bool {
        let Ok(at) = self.open.binary_search_by_key(&number, |hole| hole.number) else {
            return false;
        };
        self.open.remove(at).asked > 0
    }

    /// Nobody needs the numbers before this one any more.
    pub(super) fn forget_before(&mut self, number: u64) {
        self.open.retain(|hole| hole.number >= number);
    }

    /// The stream began again with other numbers.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// The oldest missing number.
    pub(super) fn first(&self) -> Option<u64> {
        self.open.first().map(|hole| hole.number)
    }

    /// Drops what will not come; whether there was any.
    pub(super) fn give_up(&mut self, now: Instant) -> bool {
        let before = self.open.len();
        let is_over = |hole: &Hole| {
            now.saturating_duration_since(hole.since) >= GIVE_UP
                || (hole.asked >= MAX_ASKS && now >= hole.next)
        };
        self.open.retain(|hole| !is_over(hole));
        self.open.len() < before
    }

    /// Numbers to ask for now.
    pub(super) fn due(&mut self, now: Instant, round_trip: Duration, due: &mut Vec<u16>) {
        due.clear();
        for hole in &mut self.open {
            if hole.next <= now && hole.asked < MAX_ASKS {
                hole.asked += 1;
                hole.next = now + round_trip.max(MIN_REPEAT);
                due.push(hole.number as u16);
            }
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.open.iter().map(|hole| hole.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_hole_is_asked_for_again_until_it_is_filled_or_given_up() {
        let begin = Instant::now();
        let mut holes = Holes::default();
        let mut due = Vec::new();
        assert!(holes.open(65_536..65_538, begin));
        holes.due(begin, MS, &mut due);
        assert!(due.is_empty(), "it may only be out of order");
        holes.due(begin + 10 * MS, MS, &mut due);
        assert_eq!(due, [0, 1]);
        assert!(holes.close(65_537) && !holes.close(65_537));
        let mut asks = 1;
        for ms in 11..1500 {
            assert_eq!(holes.give_up(begin + ms * MS), holes.first().is_none(), "{ms}");
            if holes.first().is_none() {
                break;
            }
            holes.due(begin + ms * MS, 80 * MS, &mut due);
            asks += due.len();
        }
        assert_eq!((asks, holes.first()), (10, None));
    }

    #[test]
    fn too_long_a_gap_is_not_asked_for() {
        let now = Instant::now();
        let mut holes = Holes::default();
        assert!(holes.open(0..100, now));
        assert!(!holes.open(200..400, now));
        assert_eq!((holes.first(), holes.next()), (None, None));
    }
}
