//! The estimate itself: quickly down to what a full line has shown to carry, up by small steps or by what a probe has
//! shown (draft-ietf-rmcat-gcc-02 §5.5, libwebrtc `AimdRateControl` and `LinkCapacityEstimator`).

use super::cluster::Shown;

/// No line is believed to carry less (bits per second): sound and a thumbnail.
pub(super) const LEAST: u64 = 60_000;
/// Nor more than is of use.
pub(super) const MOST: u64 = 50_000_000;
/// A queue is to be gone within this time: so much less than the line carries is sent. Microseconds. The draft's
/// fixed 0.85 (§5.5) is what this gives for a queue of 300 ms.
const DRAIN_US: i64 = 2_000_000;
/// Always a little less, and never less than half.
const LEAST_CUT: i64 = DRAIN_US / 20;
const MOST_CUT: i64 = DRAIN_US / 2;
/// Growth per second far from any known capacity (draft §5.5: 1.08).
const GROWTH: f64 = 0.08;
/// Growth near it: one packet per response time (draft §5.5), in bits.
const STEP_BITS: f64 = 1200.0 * 8.0;
/// A response takes this much longer than a round trip (libwebrtc), in microseconds.
const RESPONSE_US: i64 = 100_000;
/// Up to what is carried and half of it again may be believed without a probe (draft §5.5: 1.5).
const BEYOND_CARRIED: (u64, u64) = (3, 2);
const BEYOND_CARRIED_BITS: u64 = 10_000;
/// Weight of the newest sample in the capacity (libwebrtc).
const CAPACITY_WEIGHT: f64 = 0.05;
/// Bounds of the capacity's variance, relative to it and per kbps (libwebrtc).
const VARIANCE: (f64, f64) = (0.4, 2.5);

/// What a full line carried, in kbps, and how much that varies.
#[derive(Clone, Copy, Debug)]
struct Capacity {
    kbps: f64,
    variance: f64,
}

impl Capacity {
    fn range(self) -> (f64, f64) {
        let deviation = (self.variance * self.kbps).sqrt();
        (self.kbps - 3.0 * deviation, self.kbps + 3.0 * deviation)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    estimate: u64,
    capacity: Option<Capacity>,
    increased: Option<i64>,
}

impl Rate {
    pub(super) fn new(initial: u64) -> Rate {
        Rate {
            estimate: initial.clamp(LEAST, MOST),
            capacity: None,
            increased: None,
        }
    }

    pub(super) fn estimate(&self) -> u64 {
        self.estimate
    }

    pub(super) fn set(&mut self, estimate: u64) {
        self.estimate = estimate.clamp(LEAST, MOST);
    }

    /// Whether what is carried says that the line carries the estimate, too.
    pub(super) fn is_supported_by(&self, carried: u64) -> bool {
        self.estimate <= most(carried)
    }

    /// The line is not full: a little more may be tried, as far as what is carried supports it. What is not sent
    /// proves nothing, so the estimate stays where it was when little is sent.
    pub(super) fn increase(&mut self, now: i64, carried: u64, round_trip: i64) {
        let passed = self
            .increased
            .map_or(0, |before| (now - before).clamp(0, 1_000_000)) as f64
            / 1e6;
        self.increased = Some(now);
        if self.estimate >= most(carried) {
            return;
        }
        let kbps = carried as f64 / 1000.0;
        if self.capacity.is_some_and(|capacity| kbps > capacity.range().1) {
            self.capacity = None;
        }
        let is_near = self.capacity.is_some_and(|capacity| kbps > capacity.range().0);
        let grown = if is_near {
            STEP_BITS / ((round_trip + RESPONSE_US) as f64 / 1e6) * passed
        } else {
            self.estimate as f64 * GROWTH * passed
        };
        self.set((self.estimate + grown as u64).min(most(carried)));
    }

    /// The line is full: it carries this much, and this many microseconds of it wait.
    pub(super) fn decrease(&mut self, now: i64, carried: u64, queue: i64) {
        self.increased = Some(now);
        let kbps = carried as f64 / 1000.0;
        let before = self.capacity.map_or(kbps, |capacity| capacity.kbps);
        let error = kbps - before;
        let variance = self.capacity.map_or(VARIANCE.0, |capacity| capacity.variance);
        let mean = before + CAPACITY_WEIGHT * error;
        let sample = error * error / mean.max(1.0);
        self.capacity = Some(Capacity {
            kbps: mean,
            variance: ((1.0 - CAPACITY_WEIGHT) * variance + CAPACITY_WEIGHT * sample)
                .clamp(VARIANCE.0, VARIANCE.1),
        });
        let keep = DRAIN_US - queue.clamp(LEAST_CUT, MOST_CUT);
        self.set(
            self.estimate
                .min(carried * keep.unsigned_abs() / DRAIN_US.unsigned_abs()),
        );
    }

    /// The line loses what is too much: it carries this.
    pub(super) fn limit(&mut self, now: i64, carried: u64) {
        self.increased = Some(now);
        self.set(self.estimate.min(carried));
    }

    /// A probe has shown what the line carries.
    pub(super) fn probed(&mut self, now: i64, shown: Shown) {
        self.increased = Some(now);
        let rate = match shown {
            Shown::AtLeast(rate) => rate.max(self.estimate),
            Shown::Limit(rate) => rate,
        };
        if let Some(capacity) = self.capacity
            && rate as f64 / 1000.0 > capacity.range().1
        {
            self.capacity = None;
        }
        self.set(rate);
    }
}

/// What may be believed of a line that carries so much.
fn most(carried: u64) -> u64 {
    carried * BEYOND_CARRIED.0 / BEYOND_CARRIED.1 + BEYOND_CARRIED_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn growth_needs_proof_and_is_careful_near_a_known_capacity() {
        let mut rate = Rate::new(1_000_000);
        for step in 0..20 {
            rate.increase(step * SECOND / 2, 400_000, 50_000);
        }
        assert_eq!(rate.estimate(), 1_000_000, "it stays without proof");
        for step in 20..40 {
            rate.increase(step * SECOND / 2, 900_000, 50_000);
        }
        assert_eq!(rate.estimate(), 1_360_000);
        rate.decrease(20 * SECOND, 1_200_000, 200_000);
        assert_eq!(rate.estimate(), 1_080_000, "a tenth less for 200 ms");
        rate.increase(21 * SECOND, 1_190_000, 50_000);
        assert_eq!(rate.estimate(), 1_144_000, "a packet per response");
        rate.decrease(22 * SECOND, 1_200_000, 20 * SECOND);
        assert_eq!(rate.estimate(), 600_000, "never less than half");
    }
}
