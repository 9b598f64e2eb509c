//! How long packets wait on their way: one-way delay above the shortest seen lately. The clocks of both ends differ,
//! their difference does not matter.

/// How long the shortest delay counts, in microseconds: longer than a queue of our own stands, shorter than it takes
/// a viewer to notice that its route has changed.
const BASE_WINDOW_US: i64 = 10_000_000;
/// Feedbacks over which waiting becomes usual, a few seconds of them, and how much of it may, microseconds.
const USUAL_FEEDBACKS: i64 = 64;
const MOST_USUAL_US: i64 = 30_000;
/// Less than this between two feedbacks is no growth, microseconds.
const LEAST_GROWTH_US: i64 = 2_000;
/// Weight of the newest feedback in the jitter, of 16.
const JITTER_WEIGHT: i64 = 2;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    /// Shortest delay in this window and in the one before, and when this one began.
    base: Option<(i64, i64)>,
    since: i64,
    standing: i64,
    /// What it was with the two feedbacks before, the newer one first.
    before: [i64; 2],
    usual: i64,
    jitter: i64,
    /// Of the feedback being read: shortest, sum and count.
    reading: Option<(i64, i64, i64)>,
}

impl Queue {
    /// A packet's arrival less its departure.
    pub(super) fn take(&mut self, delay: i64) {
        let (least, sum, count) = self.reading.unwrap_or((delay, 0, 0));
        // Sums of what is above the first stay small.
        self.reading = Some((least.min(delay), sum + delay, count + 1));
    }

    /// A feedback's packets are all taken.
    pub(super) fn finish(&mut self, now: i64) {
        let Some((least, sum, count)) = self.reading.take() else {
            return;
        };
        let (current, before) = self.base.unwrap_or((least, least));
        let (current, before) = if now - self.since > BASE_WINDOW_US {
            self.since = now;
            (least, current)
        } else {
            (current.min(least), before)
        };
        self.base = Some((current, before));
        self.before = [self.standing, self.before[0]];
        self.standing = least - current.min(before);
        self.usual += (self.standing.min(MOST_USUAL_US) - self.usual) / USUAL_FEEDBACKS;
        let spread = sum / count.max(1) - least;
        self.jitter += (spread - self.jitter) * JITTER_WEIGHT / 16;
    }

    /// Microseconds that every packet of the latest feedback waited: jitter delays some, a queue all.
    pub(super) fn standing(&self) -> i64 {
        self.standing
    }

    /// Microseconds more than usual that every packet of the latest feedback waited: where packets that are held up
    /// hold up those behind them, even the earliest of a few comes late now and then.
    pub(super) fn unusual(&self) -> i64 {
        self.standing - self.usual * 2
    }

    /// Microseconds by which the queue has grown over the last two feedbacks, where it grew with both.
    pub(super) fn growth(&self) -> i64 {
        let [newer, older] = self.before;
        if newer - older >= LEAST_GROWTH_US && self.standing - newer >= LEAST_GROWTH_US {
            self.standing - older
        } else {
            0
        }
    }

    /// Microseconds by which packets of one feedback come later than the earliest of them, averaged.
    pub(super) fn jitter(&self) -> i64 {
        self.jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_no_queue_and_a_queue_is() {
        let mut queue = Queue::default();
        let mut feedback = |now, delays: &[i64]| {
            delays.iter().for_each(|delay| queue.take(*delay));
            queue.finish(now);
            (queue.standing(), queue.jitter())
        };
        for round in 0..50 {
            let (standing, _) = feedback(round * 50_000, &[-700_000, -650_000, -690_000, -660_000]);
            assert_eq!(standing, 0);
        }
        let (standing, jitter) = feedback(2_600_000, &[-500_000, -480_000]);
        assert_eq!(standing, 200_000);
        assert!((20_000..30_000).contains(&jitter), "{jitter}");
        // A longer route is one in the end.
        feedback(13_000_000, &[-500_000]);
        let (standing, _) = feedback(24_000_000, &[-500_000]);
        assert_eq!(standing, 0);
    }

    #[test]
    fn growth_is_what_grew_twice() {
        let mut queue = Queue::default();
        let mut grown = |delay| {
            queue.take(delay);
            queue.finish(0);
            queue.growth()
        };
        let told = [0, 10_000, 25_000, 45_000, 40_000, 60_000, 61_000].map(&mut grown);
        assert_eq!(told, [0, 0, 25_000, 35_000, 0, 0, 0]);
    }
}
