//! The door: where a crowd that comes at once waits. A handshake is the most expensive thing a peer can ask for, a third
//! of a millisecond in all, so that between two flushes only a few begin: packets of those inside are held up for no
//! more than that, and who waits comes in as fast as the processor allows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::PeerId;
use crate::transport::Remote;

/// Handshakes that begin between two flushes: about five milliseconds with all that follows.
const AT_ONCE: usize = 16;
/// Hellos that wait. Who finds no room repeats his.
const MOST: usize = 4096;
/// Bytes of a hello that may wait: what fits a datagram on any line.
const LONGEST: usize = 1500;
/// Between two turns of the door while somebody waits: there is time to read what else came.
const PAUSE: Duration = Duration::from_micros(250);
/// And while those inside wait, too, to be served with what came: as long as they were held up by the turn before.
const PATIENCE: Duration = Duration::from_millis(5);

/// A ClientHello that waits.
pub(super) struct Hello {
    /// The peer's place in the slab, where another may be by now.
    pub key: usize,
    pub peer: PeerId,
    pub from: Remote,
    pub datagram: Box<[u8]>,
}

pub(super) struct Door {
    waiting: VecDeque<Hello>,
    /// How many may still begin in this turn.
    free: usize,
    turned_at: Instant,
}

impl Door {
    pub(super) fn new(now: Instant) -> Door {
        Door {
            waiting: VecDeque::new(),
            free: AT_ONCE,
            turned_at: now,
        }
    }

    /// Whether a handshake may begin right away. Nobody passes those who wait.
    pub(super) fn passes(&mut self) -> bool {
        if self.free == 0 || !self.waiting.is_empty() {
            return false;
        }
        self.free -= 1;
        true
    }

    /// Lets one wait; false when there is no room for it.
    pub(super) fn wait(&mut self, hello: Hello) -> bool {
        let has_room = self.waiting.len() < MOST && hello.datagram.len() <= LONGEST;
        if has_room {
            self.waiting.push_back(hello);
        }
        has_room
    }

    /// Whether those inside, who wait, have had their time since the last turn.
    pub(super) fn gave_way(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.turned_at) >= PATIENCE
    }

    /// Another turn begins.
    pub(super) fn turn(&mut self, now: Instant) {
        self.free = AT_ONCE;
        self.turned_at = now;
    }

    /// The next of those who waited, while some may begin.
    pub(super) fn call(&mut self) -> Option<Hello> {
        if self.free == 0 {
            return None;
        }
        let hello = self.waiting.pop_front()?;
        self.free -= 1;
        Some(hello)
    }

    /// When the next turn is due, if anybody waits.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.turned_at + PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(number: u64) -> Hello {
        Hello {
            key: 0,
            peer: PeerId(number),
            from: Remote::Tcp(number),
            datagram: Box::default(),
        }
    }

    #[test]
    fn so_many_begin_in_a_turn_and_the_others_in_their_order() {
        let now = crate::media::begin();
        let mut door = Door::new(now);
        assert!((0..AT_ONCE).all(|_| door.passes()) && !door.passes());
        assert_eq!(door.poll_timeout(), None);
        assert!(!door.gave_way(now + PAUSE) && door.gave_way(now + PATIENCE));
        for number in 0..20 {
            assert!(door.wait(hello(number)));
        }
        let later = now + PAUSE;
        let turn = |door: &mut Door| {
            door.turn(later);
            std::iter::from_fn(|| door.call().map(|hello| hello.peer.0)).collect::<Vec<_>>()
        };
        assert_eq!(turn(&mut door), (0..16).collect::<Vec<_>>());
        assert_eq!(door.poll_timeout(), Some(later + PAUSE));
        assert!(!door.passes(), "others wait");
        assert_eq!(turn(&mut door), [16, 17, 18, 19]);
        assert_eq!((0..20).filter(|_| door.passes()).count(), AT_ONCE - 4);
        assert_eq!(door.poll_timeout(), None);
    }

    #[test]
    fn the_door_has_room_for_so_many() {
        let mut door = Door::new(crate::media::begin());
        let long = |length: usize| Hello {
            datagram: vec![0; length].into(),
            ..hello(0)
        };
        assert!(door.wait(long(LONGEST)) && !door.wait(long(LONGEST + 1)));
        assert!((1..MOST as u64).all(|number| door.wait(hello(number))));
        assert!(!door.wait(hello(0)));
    }
}
