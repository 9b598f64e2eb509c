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
/// Weight of the newest feedback in jitter and overtaking, of 16.
const JITTER_WEIGHT: i64 = 2;
/// Packets that leave within this time of each other left together: microseconds.
const TOGETHER_US: i64 = 5_000;
/// Packets that come so many microseconds earlier, on average, than others that left before them have overtaken them: what is
/// less is the grain of the times that viewers tell.
const OVERTAKING_US: i64 = 1_000;

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
    unevenness: i64,
    overtaking: i64,
    reading: Option<Reading>,
}

/// Of the feedback being read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Shortest delay, and how much longer all are together.
    least: i64,
    sum: i64,
    count: i64,
    /// The delays together, and how many, of the first packets of those that left together; when the latest left.
    firsts: (i64, i64),
    last_sent: i64,
    /// The latest arrival so far, and by how much others that left later came earlier, together.
    latest: i64,
    overtaking: i64,
}

impl Queue {
    /// When a packet left and when it arrived, in the order they left.
    pub(super) fn take(&mut self, sent: i64, arrival: i64) {
        let delay = arrival - sent;
        let reading = self.reading.get_or_insert(Reading {
            least: delay,
            sum: 0,
            count: 0,
            firsts: (0, 0),
            last_sent: i64::MIN,
            latest: arrival,
            overtaking: 0,
        });
        reading.least = reading.least.min(delay);
        reading.sum += delay;
        reading.count += 1;
        if sent.saturating_sub(reading.last_sent) > TOGETHER_US {
            reading.firsts = (reading.firsts.0 + delay, reading.firsts.1 + 1);
        }
        reading.last_sent = sent;
        reading.latest = reading.latest.max(arrival);
        reading.overtaking += reading.latest - arrival;
    }

    /// A feedback's packets are all taken.
    pub(super) fn finish(&mut self, now: i64) {
        let Some(Reading {
            least,
            sum,
            count,
            firsts,
            overtaking,
            ..
        }) = self.reading.take()
        else {
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
        // Of a few packets that overtake each other even the earliest comes late.
        let waited = least - current.min(before);
        self.standing = (waited - self.blur() / 2).max(0);
        self.usual += (self.standing.min(MOST_USUAL_US) - self.usual) / USUAL_FEEDBACKS;
        let spread = sum / count.max(1) - least;
        self.jitter += (spread - self.jitter) * JITTER_WEIGHT / 16;
        let uneven = firsts.0 / firsts.1.max(1) - least;
        self.unevenness += (uneven - self.unevenness) * JITTER_WEIGHT / 16;
        self.overtaking += (overtaking / count.max(1) - self.overtaking) * JITTER_WEIGHT / 16;
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

    /// By how many microseconds a moment is blurred on a way where packets overtake each other: 0 where they do not, for a
    /// queue delays packets, too, and keeps their order.
    pub(super) fn blur(&self) -> i64 {
        if self.overtaking > OVERTAKING_US {
            self.jitter * 2
        } else {
            0
        }
    }

    /// Microseconds by which packets of one feedback come later than the earliest of them, averaged.
    pub(super) fn jitter(&self) -> i64 {
        self.jitter
    }

    /// The same of packets that did not leave right behind others, which wait for one another on a thin line.
    pub(super) fn unevenness(&self) -> i64 {
        self.unevenness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_no_queue_and_a_queue_is() {
        let mut queue = Queue::default();
        let mut feedback = |now, delays: &[i64]| {
            for (sent, delay) in (0..).step_by(100_000).zip(delays) {
                queue.take(sent, sent + delay);
            }
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
    fn where_packets_overtake_each_other_moments_are_blurred() {
        let feedbacks = |arrivals: [i64; 4]| {
            let mut queue = Queue::default();
            for _ in 0..50 {
                for (packet, arrival) in (0..).zip(arrivals) {
                    queue.take(packet * 10_000, arrival);
                }
                queue.finish(0);
            }
            queue
        };
        let in_order = feedbacks([50_000, 90_000, 91_000, 92_000]);
        assert_eq!((in_order.jitter() > 12_000, in_order.blur()), (true, 0));
        let mut overtaken = feedbacks([50_000, 90_000, 75_000, 80_000]);
        assert!(overtaken.blur() == 2 * overtaken.jitter() && overtaken.jitter() > 8_000);
        overtaken.take(0, 58_000);
        overtaken.finish(0);
        assert_eq!(overtaken.standing(), 0, "even the earliest may be late");
        overtaken.take(0, 350_000);
        overtaken.finish(0);
        assert!(overtaken.standing() > 290_000, "{}", overtaken.standing());
    }

    #[test]
    fn pictures_whose_packets_wait_for_one_another_come_evenly() {
        let feedbacks = |late: i64| {
            let mut queue = Queue::default();
            for _ in 0..50 {
                for picture in 0..3 {
                    let sent = picture * 33_000;
                    (0..4).for_each(|packet| queue.take(sent, sent + picture % 2 * late + packet * 9_000));
                }
                queue.finish(0);
            }
            (queue.jitter(), queue.unevenness())
        };
        let (thin, uneven) = (feedbacks(0), feedbacks(20_000));
        assert!(thin.0 > 13_000 && thin.1 == 0, "{thin:?}");
        assert!(uneven.0 > 19_000 && uneven.1 > 6_000, "{uneven:?}");
    }

    #[test]
    fn growth_is_what_grew_twice() {
        let mut queue = Queue::default();
        let mut grown = |delay| {
            queue.take(0, delay);
            queue.finish(0);
            queue.growth()
        };
        let told = [0, 10_000, 25_000, 45_000, 40_000, 60_000, 61_000].map(&mut grown);
        assert_eq!(told, [0, 0, 25_000, 35_000, 0, 0, 0]);
    }
}
