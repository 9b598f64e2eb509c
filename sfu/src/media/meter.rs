//! The rate of a stream, over seconds: an encoder's burst or a network's clump must not look like another layer.

use std::time::{Duration, Instant};

const SLOT: Duration = Duration::from_millis(250);
const SLOTS: usize = 8;
/// With less than this nothing can be said.
const LEAST: Duration = Duration::from_millis(500);

/// Bytes of the last two seconds in quarters.
#[derive(Debug, Default)]
pub(super) struct Meter {
    slots: [u64; SLOTS],
    place: usize,
    /// When the current slot began, and when counting did.
    began: Option<(Instant, Instant)>,
    bitrate: u64,
}

impl Meter {
    pub(super) fn count(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        if self.began.is_none() {
            self.began = Some((now, now));
        }
        if let Some(slot) = self.slots.get_mut(self.place) {
            *slot += bytes as u64;
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
        let complete: u64 = self.slots.iter().sum();
        let covered = slot
            .saturating_duration_since(since)
            .min(SLOT * (SLOTS as u32 - 1))
            + SLOT;
        if covered >= LEAST {
            self.bitrate = complete * 8 * 1000 / covered.as_millis().max(1) as u64;
        }
        if now.saturating_duration_since(slot) > SLOT * SLOTS as u32 {
            *self = Meter::default();
            return;
        }
        while now.saturating_duration_since(slot) >= SLOT {
            slot += SLOT;
            self.place = (self.place + 1) % SLOTS;
            if let Some(oldest) = self.slots.get_mut(self.place) {
                *oldest = 0;
            }
        }
        self.began = Some((slot, since));
    }

    /// Bits per second as of the last quarter of a second; 0 while unknown.
    pub(super) fn bitrate(&self) -> u64 {
        self.bitrate
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
        meter.advance(now + Duration::from_secs(5));
        assert_eq!(meter.bitrate(), 0);
    }
}
