//! What the line has carried: bytes the viewer has confirmed, by the time they came.

/// Length of a slot, in microseconds, as a power of two.
const SLOT_SHIFT: u32 = 14;
const SLOT_US: i64 = 1 << SLOT_SHIFT;
/// Half a second of slots (libwebrtc's robust throughput estimator looks at 500 ms to 1 s).
const SLOTS: usize = 32;
/// Slots that tell what a full line carries, and packets it takes to tell it: only as many as it has been full for when that is noticed. What came
/// before was less because less was sent, or more because it carried more.
const SHORT: usize = 4;
const LEAST_PACKETS: u16 = 8;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    /// Bytes and packets.
    slots: [(u32, u16); SLOTS],
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
            (1..=passed).for_each(|step| self.set(newest + step, (0, 0)));
            // A gap longer than the window is a new beginning.
            if slot - newest > SLOTS as i64 {
                self.slots = [(0, 0); SLOTS];
                self.first = arrival;
            }
        }
        self.newest = Some((newest.max(slot), last.max(arrival)));
        let (before, packets) = self.slot(slot);
        self.set(slot, (before.saturating_add(bytes), packets.saturating_add(1)));
    }

    fn slot(&self, slot: i64) -> (u32, u16) {
        self.slots.get(index(slot)).copied().unwrap_or_default()
    }

    fn set(&mut self, slot: i64, what: (u32, u16)) {
        if let Some(entry) = self.slots.get_mut(index(slot)) {
            *entry = what;
        }
    }

    /// Bits per second over the last half second; 0 before anything came.
    pub(super) fn rate(&self) -> u64 {
        self.over(SLOTS, u16::MAX)
    }

    /// Bits per second over the last moments: while a queue stands, what the line can carry.
    pub(super) fn latest(&self) -> u64 {
        self.over(SHORT, LEAST_PACKETS)
    }

    /// Over at least so many slots, and as many more as it takes to have so many packets.
    fn over(&self, least: usize, packets: u16) -> u64 {
        let Some((newest, last)) = self.newest else {
            return 0;
        };
        let (mut sum, mut slots, mut seen) = (0, 0, 0u16);
        while slots < SLOTS as i64 && (slots < least as i64 || seen < packets) {
            let (bytes, packets) = self.slot(newest - slots);
            sum += u64::from(bytes);
            seen = seen.saturating_add(packets);
            slots += 1;
        }
        let begin = ((newest - slots + 1) << SLOT_SHIFT).max(self.first);
        // The first packet of all stands for the time before it.
        let time = (last - begin).max(SLOT_US);
        sum * 8 * 1_000_000 / time.unsigned_abs()
    }
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
        for _ in 0..9 {
            at += 24_000;
            carried.add(at, 1200);
        }
        assert!(carried.latest() < 480_000, "{}", carried.latest());
        assert!(carried.rate() > 800_000, "{}", carried.rate());
        at += 3_000_000;
        carried.add(at, 1200);
        assert!(carried.rate() < 700_000, "{}", carried.rate());
    }
}
