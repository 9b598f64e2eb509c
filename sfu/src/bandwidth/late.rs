//! How what left since a moment comes through, by the newest packet that was told of: before a queue has shown itself.

use std::time::{Duration, Instant};

use super::Bandwidth;

/// So much later than a round trip, and so many times the line's jitter, is no chance.
const LATE: Duration = Duration::from_millis(8);
const JITTERS: u32 = 2;

impl Bandwidth {
    /// How long the line has taken for what left from `since` on, as far as it was told of, where it was late: from then until the
    /// newest of it left, and what that took longer than a round trip.
    pub fn late_since(&self, since: Instant) -> Option<Duration> {
        let left = u64::try_from(self.told - self.micros(since)).ok()?;
        let late = u64::try_from(self.answered - self.told - self.round_trip?).ok()?;
        let late = Duration::from_micros(late);
        (late > LATE.max(self.jitter() * JITTERS)).then(|| late + Duration::from_micros(left))
    }

    /// The line was seen to bring no more than so many bits per second.
    pub fn has_narrowed(&mut self, now: Instant, brought: u64) {
        let now = self.micros(now);
        self.last_cut = Some(now);
        self.trains.limit(now, brought);
        self.rate.decrease(now, brought, self.queue.standing());
    }

    /// Bytes that have left and were not told of yet.
    pub fn in_flight(&self) -> u64 {
        self.flight.bytes()
    }
}
