//! A hierarchical timer wheel (Varghese and Lauck, SOSP 1987): setting, moving and taking out a timer cost the same
//! however many there are.

use slab::Slab;

const SLOT_BITS: u32 = 6;
/// Slots of one level; which of them have timers fits a word.
const SLOTS: u64 = 1 << SLOT_BITS;
/// Levels. A slot of one is as long as the whole level below it.
const LEVELS: u32 = 4;
/// Timers further away than this are placed anew when it has passed.
const FARTHEST: u64 = (SLOTS - 1) << (SLOT_BITS * (LEVELS - 1));

/// The number of a timer in its wheel.
pub(super) type Key = usize;

#[derive(Clone, Copy, Debug)]
struct Level {
    /// A bit for each slot with timers.
    occupied: u64,
    /// The first timer of each slot.
    slots: [Option<Key>; SLOTS as usize],
}

const EMPTY: Level = Level {
    occupied: 0,
    slots: [None; SLOTS as usize],
};

#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
    slot: u64,
}

#[derive(Debug)]
struct Timer<T> {
    value: T,
    at: u64,
    place: Place,
    previous: Option<Key>,
    next: Option<Key>,
}

/// Timers by tick; the caller bounds their number.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    timers: Slab<Timer<T>>,
    levels: [Level; LEVELS as usize],
    /// Timers of earlier ticks have been taken.
    elapsed: u64,
}

impl<T> Wheel<T> {
    /// Without timers, at tick 0.
    pub(super) fn new() -> Wheel<T> {
        Wheel {
            timers: Slab::new(),
            levels: [EMPTY; LEVELS as usize],
            elapsed: 0,
        }
    }

    /// Sets a timer; one in the past is due at once.
    pub(super) fn insert(&mut self, at: u64, value: T) -> Key {
        let at = at.max(self.elapsed);
        let place = self.place(at);
        let key = self.timers.insert(Timer {
            value,
            at,
            place,
            previous: None,
            next: None,
        });
        self.link(key, place);
        key
    }

    /// Takes a timer out, if it is there.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.unlink(key);
        self.timers.try_remove(key).map(|timer| timer.value)
    }

    /// When [`Wheel::pop`] has something to do: at the next timer's tick, or earlier.
    pub(super) fn next(&self) -> Option<u64> {
        self.next_slot().map(|(at, _)| at)
    }

    /// Takes a timer that is due at `now`. Those of one tick come in no particular order.
    pub(super) fn pop(&mut self, now: u64) -> Option<T> {
        while let Some((at, place)) = self.next_slot().filter(|&(at, _)| at <= now) {
            self.elapsed = at;
            let first = self.first(place)?;
            if place.level == 0 {
                return self.remove(first);
            }
            // A slot that begins spreads over the levels below.
            let mut following = Some(first);
            while let Some(key) = following {
                let timer = self.timers.get(key)?;
                following = timer.next;
                let place = self.place(timer.at);
                self.unlink(key);
                self.link(key, place);
            }
        }
        self.elapsed = self.elapsed.max(now);
        None
    }

    /// The next slot with timers and the tick where it begins. A lower level is all before a higher one.
    fn next_slot(&self) -> Option<(u64, Place)> {
        let (number, level) = self
            .levels
            .iter()
            .enumerate()
            .find(|(_, level)| level.occupied != 0)?;
        let shift = SLOT_BITS * number as u32;
        let position = self.elapsed >> shift;
        let current = (position % SLOTS) as u32;
        let ahead = u64::from(level.occupied.rotate_right(current).trailing_zeros());
        let place = Place {
            level: number,
            slot: (position + ahead) % SLOTS,
        };
        Some(((position + ahead) << shift, place))
    }

    /// The level is that of the highest digit in which the tick differs from the present one.
    fn place(&self, at: u64) -> Place {
        let at = at.min(self.elapsed + FARTHEST);
        let highest = (self.elapsed ^ at).checked_ilog2().unwrap_or(0);
        let level = (highest / SLOT_BITS).min(LEVELS - 1);
        Place {
            level: level as usize,
            slot: (at >> (SLOT_BITS * level)) % SLOTS,
        }
    }

    fn first(&self, place: Place) -> Option<Key> {
        *self.levels.get(place.level)?.slots.get(place.slot as usize)?
    }

    fn set_first(&mut self, place: Place, first: Option<Key>) {
        let Some(level) = self.levels.get_mut(place.level) else {
            return;
        };
        let bit = 1 << place.slot;
        if first.is_some() {
            level.occupied |= bit;
        } else {
            level.occupied &= !bit;
        }
        if let Some(slot) = level.slots.get_mut(place.slot as usize) {
            *slot = first;
        }
    }

    fn link(&mut self, key: Key, place: Place) {
        let next = self.first(place);
        if let Some(timer) = self.timers.get_mut(key) {
            (timer.place, timer.previous, timer.next) = (place, None, next);
        }
        if let Some(next) = next.and_then(|next| self.timers.get_mut(next)) {
            next.previous = Some(key);
        }
        self.set_first(place, Some(key));
    }

    fn unlink(&mut self, key: Key) {
        let Some(&Timer {
            place,
            previous,
            next,
            ..
        }) = self.timers.get(key)
        else {
            return;
        };
        match previous {
            None => self.set_first(place, next),
            Some(previous) => {
                if let Some(previous) = self.timers.get_mut(previous) {
                    previous.next = next;
                }
            }
        }
        if let Some(next) = next.and_then(|next| self.timers.get_mut(next)) {
            next.previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Pass(u64),
        Jump,
    }

    /// Distances of every level and beyond the farthest.
    fn distance() -> impl Strategy<Value = u64> {
        (0..30u32).prop_flat_map(|bits| 0..1u64 << bits)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => distance().prop_map(Step::Insert),
            1 => any::<usize>().prop_map(Step::Remove),
            2 => distance().prop_map(Step::Pass),
            2 => Just(Step::Jump),
        ]
    }

    proptest! {
        /// Every timer comes exactly once, at its time and never before, whatever is set, taken out and skipped.
        #[test]
        fn it_does_what_a_sorted_map_does(steps in prop::collection::vec(step(), 1..200)) {
            let mut wheel = Wheel::new();
            let mut model: BTreeMap<usize, (Key, u64)> = BTreeMap::new();
            let mut now = 0;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(distance) => {
                        let key = wheel.insert(now + distance, number);
                        model.insert(number, (key, now + distance));
                    }
                    Step::Remove(place) => {
                        let known = model.keys().nth(place % model.len().max(1)).copied();
                        if let Some(known) = known {
                            let (key, _) = model.remove(&known).unwrap();
                            prop_assert_eq!(wheel.remove(key), Some(known));
                        }
                    }
                    Step::Pass(ticks) => now += ticks,
                    Step::Jump => now = wheel.next().unwrap_or(now).max(now),
                }
                let first = model.values().map(|&(_, at)| at).min();
                prop_assert_eq!(wheel.next().is_some(), first.is_some());
                prop_assert!(wheel.next() <= first, "the wheel is early or on time");
                let mut popped = Vec::new();
                while let Some(value) = wheel.pop(now) {
                    popped.push(value);
                }
                popped.sort_unstable();
                let due: Vec<usize> = model.iter().filter(|(_, timer)| timer.1 <= now).map(|(&number, _)| number).collect();
                prop_assert_eq!(&popped, &due);
                model.retain(|_, timer| timer.1 > now);
                prop_assert!(wheel.next().is_none_or(|next| next > now), "it would spin");
            }
        }
    }
}
