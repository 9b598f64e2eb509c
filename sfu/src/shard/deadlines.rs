//! The shard's one timer: who wants to be called when.

use std::collections::BTreeSet;
use std::time::Instant;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Peer(usize),
    Room(usize),
}

/// One owner's place in [`Deadlines`], kept by the owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Armed(Option<Instant>);

/// Deadlines in order. An owner has at most one; arming it later than it stands does nothing, because being called
/// early costs little and happens once, while moving a deadline on every packet would cost on every packet.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    order: BTreeSet<(Instant, Owner)>,
}

impl Deadlines {
    /// Makes sure `owner` is called at `at` or earlier.
    pub(super) fn arm(&mut self, owner: Owner, armed: &mut Armed, at: Option<Instant>) {
        let Some(at) = at else { return };
        if armed.0.is_some_and(|known| known <= at) {
            return;
        }
        self.disarm(owner, armed);
        self.order.insert((at, owner));
        armed.0 = Some(at);
    }

    /// Forgets an owner's deadline.
    pub(super) fn disarm(&mut self, owner: Owner, armed: &mut Armed) {
        if let Some(at) = armed.0.take() {
            self.order.remove(&(at, owner));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, _)| at)
    }

    /// Takes the next owner that is due. The caller clears its [`Armed`] by [`Armed::fired`].
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Owner> {
        if self.next()? > now {
            return None;
        }
        self.order.pop_first().map(|(_, owner)| owner)
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_earlier_deadline_replaces_and_a_later_one_waits_its_turn() {
        let (start, ms) = (crate::media::begin(), Duration::from_millis);
        let mut deadlines = Deadlines::default();
        let mut armed = Armed::default();
        let owner = Owner::Peer(7);
        deadlines.arm(owner, &mut armed, Some(start + ms(20)));
        deadlines.arm(owner, &mut armed, Some(start + ms(30)));
        assert_eq!(deadlines.next(), Some(start + ms(20)));
        deadlines.arm(owner, &mut armed, Some(start + ms(10)));
        assert_eq!(deadlines.pop_due(start + ms(9)), None);
        assert_eq!(deadlines.pop_due(start + ms(10)), Some(owner));
        armed.fired();
        assert_eq!(deadlines.next(), None, "one owner has one deadline");
    }
}
