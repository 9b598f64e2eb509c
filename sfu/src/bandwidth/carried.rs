//! What the line has carried: bytes the viewer has confirmed, by the time they came.

/// Length of a slot, in microseconds, as a power of two.
const SLOT_SHIFT: u32 = 14;
const SLOT_US: i64 = 1 << SLOT_SHIFT;
/// Half a second of slots (libwebrtc's robust throughput estimator looks at 500 ms to 1 s).
const SLOTS: usize = 32;
/// Slots that tell what a full line carries: only as many as it has been full for when that is noticed. What came before
/// was less because less was sent, or more because it carried more.
const SHORT: i64 = 4;
/// Packets it takes to tell it, and those that tell it where the line has been full since a moment only.
const LEAST_PACKETS: u16 = 8;
const FEWEST_PACKETS: u16 = 4;

/// What came in one slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    bytes: u32,
    packets: u16,
    /// Of the first packet: its bytes, and microseconds from the slot's begin. It only starts the clock.
    first_bytes: u16,
    first: u16,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    slots: [Slot; SLOTS],
    /// The newest slot's number and the newest arrival, in the viewer's clock; none before the first.
    newest: Option<(i64, i64)>,
    first: i64,
}

impl Carried {
    pub(super) fn add(&mut self, arrival: i64, bytes: u32) {
        let slot = arrival >> SLOT_SHIFT;
        let (newest, last) = *self.newest.get_or_insert_with(|| {
            self.first = arrival;
            (slot, arrival)
        });
        if newest - slot >= SLOTS as i64 {
            return;
        }
        if slot > newest {
            let passed = (slot - newest).min(SLOTS as i64);
            (1..=passed).for_each(|step| self.set(newest + step, Slot::default()));
            // A gap longer than the window is a new beginning.
            if slot - newest > SLOTS as i64 {
                self.slots = [Slot::default(); SLOTS];
                self.first = arrival;
            }
        }
        self.newest = Some((newest.max(slot), last.max(arrival)));
        let mut entry = self.slot(slot);
        let place = (arrival - (slot << SLOT_SHIFT)) as u16;
        if entry.packets == 0 || place < entry.first {
            (entry.first, entry.first_bytes) = (place, u16::try_from(bytes).unwrap_or(u16::MAX));
        }
        entry.bytes = entry.bytes.saturating_add(bytes);
        entry.packets = entry.packets.saturating_add(1);
        self.set(slot, entry);
    }

    fn slot(&self, slot: i64) -> Slot {
        self.slots.get(index(slot)).copied().unwrap_or_default()
    }

    fn set(&mut self, slot: i64, what: Slot) {
        if let Some(entry) = self.slots.get_mut(index(slot)) {
            *entry = what;
        }
    }

    /// Bits per second over the last half second; 0 before anything came.
    pub(super) fn rate(&self) -> u64 {
        let Some((newest, last)) = self.newest else {
            return 0;
        };
        let slots = (0..SLOTS as i64).map(|back| self.slot(newest - back));
        let sum = slots.map(|slot| u64::from(slot.bytes)).sum();
        // The first packet of all stands for the time before it.
        let begin = ((newest + 1 - SLOTS as i64) << SLOT_SHIFT).max(self.first);
        per_second(sum, last - begin)
    }

    /// Bits per second over the last moments: while a queue stands, what the line can carry. A line that is full since a
    /// moment only shows it in its last packets.
    pub(super) fn latest(&self) -> u64 {
        self.over_packets(LEAST_PACKETS)
            .max(self.over_packets(FEWEST_PACKETS))
    }

    /// Over [`SHORT`], and as much more as it takes to have so many packets: from the first of them, so that one more or
    /// less at the edge does not tell.
    fn over_packets(&self, least: u16) -> u64 {
        let Some((newest, last)) = self.newest else {
            return 0;
        };
        let (mut sum, mut packets, mut first) = (0, 0u16, (last, 0));
        for back in 0..SLOTS as i64 {
            if back >= SHORT && packets >= least {
                break;
            }
            let slot = self.slot(newest - back);
            if slot.packets > 0 {
                sum += u64::from(slot.bytes);
                packets = packets.saturating_add(slot.packets);
                let begin = (newest - back) << SLOT_SHIFT;
                first = (begin + i64::from(slot.first), u64::from(slot.first_bytes));
            }
        }
        if packets < least {
            return self.rate();
        }
        per_second(sum - first.1, last - first.0)
    }
}

fn per_second(bytes: u64, time: i64) -> u64 {
    bytes * 8 * 1_000_000 / time.max(SLOT_US).unsigned_abs()
}

fn index(slot: i64) -> usize {
    slot.rem_euclid(SLOTS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_reads_its_rate_and_a_change_shows_soon() {
        let mut carried = Carried::default();
        let mut at = -5_000_000;
        for _ in 0..200 {
            at += 4_800;
            carried.add(at, 1200);
        }
        assert!(carried.rate().abs_diff(2_000_000) < 80_000, "{}", carried.rate());
        let mut full = Vec::new();
        for _ in 0..20 {
            at += 24_000;
            carried.add(at, 1200);
            full.push(carried.latest());
        }
        let exact = full.iter().skip(8);
        assert!(exact.clone().all(|rate| *rate == 400_000), "{full:?}");
        at += 3_000_000;
        carried.add(at, 1200);
        assert!(carried.rate() < 700_000, "{}", carried.rate());
    }

    /// Each packet at so many milliseconds, of 1000 bytes.
    fn carried(arrivals: &[i64]) -> Carried {
        let mut carried = Carried::default();
        arrivals.iter().for_each(|at| carried.add(at * 1000, 1000));
        carried
    }

    #[test]
    fn a_gap_is_a_new_beginning_and_what_is_too_late_does_not_count() {
        let after_gap = carried(&[0, 5, 10, 2000, 2100]);
        assert_eq!(after_gap.rate(), 160_000, "of two packets in a tenth of a second");
        // Half of the window has passed: what is older than that counts no more.
        let half = carried(&[0, 100, 200, 300, 400, 700]);
        assert_eq!(
            half.rate(),
            4 * 8_000_000_000 / 519_776,
            "since the window's begin"
        );
        let late = carried(&[2000, 2100, 1000]);
        assert_eq!(late.rate(), 160_000, "of another window");
        let overtaken = carried(&[2000, 2110, 2100]);
        assert_eq!(overtaken.rate(), 24_000_000 / 110, "as if in order");
    }

    #[test]
    fn what_a_full_line_carries_is_told_by_its_last_packets_from_the_first_of_them() {
        let slow: Vec<i64> = (0..10).map(|n| n * 40).collect();
        assert_eq!(carried(&slow).latest(), 200_000, "a packet each 40 ms");
        let mut widens = slow.clone();
        widens.extend([364, 368, 372, 376]);
        let latest = carried(&widens).latest();
        assert_eq!(
            latest,
            5 * 8_000_000 / 56,
            "of four and those in the slots around them"
        );
        assert_eq!(carried(&[0, 100]).latest(), 160_000, "too few: all there is");
        // Two in one slot, the later one first.
        let disorder = carried(&[0, 446, 444, 480, 520]);
        assert_eq!(disorder.latest(), carried(&[0, 444, 446, 480, 520]).latest());
    }
}
