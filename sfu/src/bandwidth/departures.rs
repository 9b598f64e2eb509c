//! How far each stream was when: what a viewer means who names one of its numbers.

use crate::negotiation::MediaKind;

/// Between two moments that are remembered, microseconds, and how many: a second and more, 4 KiB.
const STEP_US: i64 = 10_000;
const MOMENTS: usize = 128;

/// What had left with a packet, and when that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Departure {
    /// Microseconds, late by no more than the step.
    pub(super) at: i64,
    /// All that had left on the line by then, this packet included.
    pub(super) bytes: u64,
    /// Those of the picture only.
    pub(super) packets: u64,
}

/// The newest number of sound and of the picture, too.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    left: Departure,
    newest: [Option<u16>; 2],
}

/// The last moments in which something left, the newest last.
#[derive(Clone, Debug)]
pub(super) struct Departures {
    ring: [Moment; MOMENTS],
    noted: usize,
}

impl Default for Departures {
    fn default() -> Departures {
        Departures {
            ring: [Moment::default(); MOMENTS],
            noted: 0,
        }
    }
}

impl Departures {
    /// A packet of a stream left, with which so much had left.
    pub(super) fn note(&mut self, kind: MediaKind, sequence: u16, left: Departure) {
        let newest = self.newest();
        let is_new = newest.is_none_or(|moment| left.at - moment.left.at >= STEP_US);
        let mut moment = newest.unwrap_or_default();
        let at = if is_new { left.at } else { moment.left.at };
        moment.left = Departure { at, ..left };
        if let Some(number) = moment.newest.get_mut(place(kind)) {
            *number = Some(sequence);
        }
        self.noted += usize::from(is_new);
        if let Some(entry) = self.ring.get_mut((self.noted - 1) % MOMENTS) {
            *entry = moment;
        }
    }

    fn newest(&self) -> Option<Moment> {
        let place = self.noted.checked_sub(1)?;
        self.ring.get(place % MOMENTS).copied()
    }

    /// All that is known to have left.
    pub(super) fn all(&self) -> Departure {
        self.newest().unwrap_or_default().left
    }

    /// The moments since one, and how many bytes had left before each.
    pub(super) fn since(&self, at: i64) -> impl Iterator<Item = (i64, u64)> {
        let known = self.noted.min(MOMENTS);
        let moment = |place: usize| self.ring.get(place % MOMENTS).copied().unwrap_or_default();
        (self.noted - known + 1..self.noted.max(1))
            .map(move |place| (moment(place).left.at, moment(place - 1).left.bytes))
            .filter(move |(left, _)| *left >= at)
    }

    /// What had left with the packet of a number; `None` where that is forgotten or has not left yet.
    pub(super) fn find(&self, kind: MediaKind, sequence: u16) -> Option<Departure> {
        let known = self.noted.min(MOMENTS);
        let moments = (self.noted - known..self.noted).filter_map(|place| self.ring.get(place % MOMENTS));
        let mut before: Option<(&Moment, u16)> = None;
        for moment in moments {
            let Some(newest) = moment.newest.get(place(kind)).copied().flatten() else {
                continue;
            };
            let behind = newest.wrapping_sub(sequence);
            if behind >= 1 << 15 {
                before = Some((moment, newest));
                continue;
            }
            // Of what left in this moment a part was behind it.
            let (begin, first) = before?;
            let (of, part) = (u64::from(newest.wrapping_sub(first)), u64::from(behind));
            let less = |from: u64, to: u64| to - (to - from) * part / of.max(1);
            return Some(Departure {
                at: moment.left.at,
                bytes: less(begin.left.bytes, moment.left.bytes),
                packets: less(begin.left.packets, moment.left.packets),
            });
        }
        None
    }
}

fn place(kind: MediaKind) -> usize {
    match kind {
        MediaKind::Audio => 0,
        MediaKind::Video => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64, packets: u64) -> Departure {
        Departure {
            at: ms * 1000,
            bytes: packets * 100,
            packets,
        }
    }

    #[test]
    fn a_number_names_what_had_left_with_it() {
        let mut departures = Departures::default();
        assert_eq!(departures.all(), Departure::default());
        assert_eq!(departures.find(MediaKind::Video, 0), None);
        departures.note(MediaKind::Video, 65_533, at(0, 1));
        departures.note(MediaKind::Audio, 7, at(20, 2));
        // Ten at once, and one more within the step.
        departures.note(MediaKind::Video, 7, at(40, 12));
        departures.note(MediaKind::Video, 8, at(45, 13));
        let video = |number| departures.find(MediaKind::Video, number);
        assert_eq!(video(65_533), None, "what had left before is not known");
        assert_eq!(video(65_534), Some(at(40, 3)));
        assert_eq!(video(3), Some(at(40, 8)));
        assert_eq!(video(8), Some(at(40, 13)));
        assert_eq!((video(9), departures.all()), (None, at(40, 13)));
        assert_eq!(departures.find(MediaKind::Audio, 8), None);
    }

    #[test]
    fn moments_long_past_are_forgotten() {
        let mut departures = Departures::default();
        for packet in 0..1000u16 {
            departures.note(
                MediaKind::Video,
                packet,
                at(i64::from(packet) * 10, packet.into()),
            );
        }
        let oldest = 1000 - MOMENTS as u16;
        assert_eq!(departures.find(MediaKind::Video, oldest), None);
        let found = departures.find(MediaKind::Video, oldest + 1);
        assert_eq!(found.map(|left| left.at), Some(i64::from(oldest + 1) * 10_000));
    }
}
