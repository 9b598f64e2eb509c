//! The shard's one timer: who wants to be called when.

use std::time::{Duration, Instant};

use super::wheel::{Key, Wheel};

/// How finely time is told: deadlines of one tick fall together at its end. As much as a paced burst may be late
/// without a player noticing, and a twentieth of the 5 ms in which browsers pace. Nanoseconds.
const TICK: u64 = 250_000;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Peer(usize),
    Room(usize),
}

/// One owner's place in [`Deadlines`] and its tick, kept by the owner: there it costs nothing to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Armed(Option<(Key, u64)>);

/// Deadlines of peers and rooms, up to a tick late and never early. An owner has at most one; arming it later than it
/// stands does nothing, because being called early costs little and happens once, while moving a deadline on every
/// packet would cost on every packet.
#[derive(Debug)]
pub(super) struct Deadlines {
    begin: Instant,
    wheel: Wheel<Owner>,
}

impl Deadlines {
    pub(super) fn new(now: Instant) -> Deadlines {
        Deadlines {
            begin: now,
            wheel: Wheel::new(),
        }
    }

    /// Makes sure `owner` is called at `at` or earlier.
    pub(super) fn arm(&mut self, owner: Owner, armed: &mut Armed, at: Option<Instant>) {
        let Some(at) = at else { return };
        let tick = self.nanos(at).div_ceil(TICK);
        if armed.0.is_some_and(|(_, known)| known <= tick) {
            return;
        }
        self.disarm(armed);
        armed.0 = Some((self.wheel.insert(tick, owner), tick));
    }

    /// Forgets an owner's deadline.
    pub(super) fn disarm(&mut self, armed: &mut Armed) {
        if let Some((key, _)) = armed.0.take() {
            self.wheel.remove(key);
        }
    }

    /// When [`Deadlines::pop_due`] is wanted: at the earliest deadline, or before it, where the wheel turns.
    pub(super) fn next(&self) -> Option<Instant> {
        let nanos = self.wheel.next()?.checked_mul(TICK)?;
        self.begin.checked_add(Duration::from_nanos(nanos))
    }

    /// Takes the next owner that is due. The caller clears its [`Armed`] by [`Armed::fired`].
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Owner> {
        self.wheel.pop(self.nanos(now) / TICK)
    }

    /// Since the beginning; in five hundred years, no more.
    fn nanos(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.begin).as_nanos();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
}

impl Armed {
    /// The deadline was popped.
    pub(super) fn fired(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_deadline_replaces_and_a_later_one_waits_its_turn() {
        let (start, ms) = (crate::media::begin(), Duration::from_millis);
        let mut deadlines = Deadlines::new(start);
        let mut armed = Armed::default();
        let owner = Owner::Peer(7);
        deadlines.arm(owner, &mut armed, Some(start + ms(20)));
        deadlines.arm(owner, &mut armed, Some(start + ms(30)));
        assert_eq!(deadlines.next(), Some(start + ms(16)), "where the wheel turns");
        deadlines.arm(owner, &mut armed, Some(start + ms(10)));
        assert_eq!(deadlines.next(), Some(start + ms(10)));
        assert_eq!(deadlines.pop_due(start + ms(9)), None);
        assert_eq!(deadlines.pop_due(start + ms(10)), Some(owner));
        armed.fired();
        assert_eq!(deadlines.next(), None, "one owner has one deadline");
    }

    #[test]
    fn a_deadline_between_two_ticks_is_met_at_the_second() {
        let start = crate::media::begin();
        let mut deadlines = Deadlines::new(start);
        let mut armed = Armed::default();
        let behind_third = start + Duration::from_nanos(3 * TICK + 1);
        let fourth = start + Duration::from_nanos(4 * TICK);
        deadlines.arm(Owner::Room(1), &mut armed, Some(behind_third));
        assert_eq!(deadlines.next(), Some(fourth));
        assert_eq!(deadlines.pop_due(behind_third), None);
        assert_eq!(deadlines.pop_due(fourth), Some(Owner::Room(1)));
    }
}
