//! The rate of a stream, over seconds: an encoder's burst or a network's clump must not look like another layer.

use std::time::{Duration, Instant};

const SLOT: Duration = Duration::from_millis(250);
/// What a stream's rate is taken over, and what its usual rate is: groups of pictures end anywhere in the one, and a new
/// scene's first picture, which is as large as a second of others, weighs little in the other.
const SLOTS: usize = 8;
const USUAL_SLOTS: usize = 24;
/// With less than this nothing can be said.
const LEAST: Duration = Duration::from_millis(500);

/// Bytes of the last seconds in quarters.
#[derive(Debug, Default)]
pub(super) struct Meter {
    slots: [u32; USUAL_SLOTS],
    place: usize,
    /// When the current slot began, and when counting did.
    began: Option<(Instant, Instant)>,
    bitrate: u64,
    usual: u64,
}

impl Meter {
    pub(super) fn count(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        if self.began.is_none() {
            self.began = Some((now, now));
        }
        if let Some(slot) = self.slots.get_mut(self.place) {
            *slot = slot.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Instant) {
        let Some((mut slot, since)) = self.began else {
            return;
        };
        if now.saturating_duration_since(slot) < SLOT {
            return;
        }
        // Complete slots only: the running one would read low.
        let counted = slot.saturating_duration_since(since) + SLOT;
        if counted >= LEAST {
            self.bitrate = self.over(SLOTS, counted);
            self.usual = self.over(USUAL_SLOTS, counted);
        }
        if now.saturating_duration_since(slot) > SLOT * SLOTS as u32 {
            *self = Meter::default();
            return;
        }
        while now.saturating_duration_since(slot) >= SLOT {
            slot += SLOT;
            self.place = (self.place + 1) % USUAL_SLOTS;
            if let Some(oldest) = self.slots.get_mut(self.place) {
                *oldest = 0;
            }
        }
        self.began = Some((slot, since));
    }

    /// Bits per second over so many slots up to the running one, which is complete, where that long was counted.
    fn over(&self, slots: usize, counted: Duration) -> u64 {
        let places = (0..slots).map(|back| (self.place + USUAL_SLOTS - back) % USUAL_SLOTS);
        let bytes: u64 = places
            .filter_map(|place| self.slots.get(place))
            .map(|slot| u64::from(*slot))
            .sum();
        let covered = counted.min(SLOT * slots as u32);
        bytes * 8 * 1000 / covered.as_millis().max(1) as u64
    }

    /// Bits per second as of the last quarter of a second; 0 while unknown.
    pub(super) fn bitrate(&self) -> u64 {
        self.bitrate
    }

    /// The same over six seconds, or as long as there are.
    pub(super) fn usual(&self) -> u64 {
        self.usual
    }
}

#[cfg(test)]
mod tests {
    use super::super::begin;
    use super::*;

    #[test]
    fn a_steady_stream_reads_its_rate_and_a_burst_does_not_double_it() {
        let (begin, mut meter) = (begin(), Meter::default());
        for packet in 0..400u32 {
            meter.count(begin + Duration::from_millis(10) * packet, 1250);
            if packet > 60 {
                assert!(
                    (850_000..1_150_000).contains(&meter.bitrate()),
                    "{packet} {}",
                    meter.bitrate()
                );
            }
        }
        let now = begin + Duration::from_secs(4);
        (0..25).for_each(|_| meter.count(now, 1250));
        meter.advance(now + SLOT);
        assert!(meter.bitrate() < 1_300_000, "{}", meter.bitrate());
        assert!(meter.usual() < 1_100_000, "{}", meter.usual());
        meter.advance(now + Duration::from_secs(5));
        assert_eq!((meter.bitrate(), meter.usual()), (0, 0));
    }
}
