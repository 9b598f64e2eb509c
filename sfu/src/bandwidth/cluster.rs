//! What a probe has shown: how fast the packets of a short, faster stretch came (libwebrtc `ProbeBitrateEstimator`).

/// Parts of a probe's packets and bytes that must have come, in percent (ibid.).
const LEAST_CAME: u64 = 80;
/// A line that brings less than this, in percent of what was sent, was full (ibid.: 0.9).
const FULL: u64 = 90;
/// What is believed then, in percent of what it brought (ibid.: 0.95).
const BELIEVED: u64 = 95;
/// Fewer packets say nothing (ibid.: kMinClusterSize 4).
const LEAST_PACKETS: u32 = 5;
/// Nothing comes twice as fast as it left but by having been held up (ibid.: kMaxValidRatio).
const MOST_RATIO: u64 = 2;

/// What a probe has shown, bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The line carries this and perhaps more.
    AtLeast(u64),
    /// The line was full: it carries no more than this.
    Limit(u64),
}

/// Packets between two times, the first of them not counted as bytes: it only starts the clock.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    first: i64,
    last: i64,
    first_bytes: u64,
    last_bytes: u64,
    bytes: u64,
    packets: u32,
}

impl Stretch {
    fn add(&mut self, at: i64, bytes: u64) {
        if self.packets == 0 || at < self.first {
            (self.first, self.first_bytes) = (at, bytes);
        }
        if self.packets == 0 || at >= self.last {
            (self.last, self.last_bytes) = (at, bytes);
        }
        self.bytes += bytes;
        self.packets += 1;
    }

    /// Bits per second, less some bytes, in its time less so many microseconds.
    fn rate(&self, without: u64, shorter: i64) -> Option<u64> {
        let time = u64::try_from(self.last - self.first - shorter)
            .ok()
            .filter(|time| *time > 0)?;
        Some((self.bytes - without) * 8 * 1_000_000 / time)
    }
}

/// The probe under way and what came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cluster {
    /// 0 when none was ever begun.
    id: u8,
    is_open: bool,
    is_judged: bool,
    sent: Stretch,
    came: Stretch,
}

impl Cluster {
    /// From now on packets belong to a new probe.
    pub(super) fn begin(&mut self) {
        *self = Cluster {
            id: if self.id == u8::MAX { 1 } else { self.id + 1 },
            is_open: true,
            ..Cluster::default()
        };
    }

    /// No more packets belong to it.
    pub(super) fn end(&mut self) {
        self.is_open = false;
    }

    /// Whether packets of a probe are on their way.
    pub(super) fn is_pending(&self) -> bool {
        self.id != 0 && !self.is_judged
    }

    /// A packet leaves; gives what it belongs to, 0 for nothing.
    pub(super) fn sent(&mut self, at: i64, bytes: usize) -> u8 {
        if !self.is_open {
            return 0;
        }
        self.sent.add(at, bytes as u64);
        self.id
    }

    /// A packet of a probe has come.
    pub(super) fn came(&mut self, id: u8, arrival: i64, bytes: u32) {
        if id == self.id && id != 0 {
            self.came.add(arrival, u64::from(bytes));
        }
    }

    /// What came of this probe, once all of it is answered for: it left before `answered`, so many microseconds before where
    /// packets overtake each other. There the first comes sooner and the last later than the line is to blame for, together
    /// by as much.
    pub(super) fn judge(&mut self, answered: i64, blur: i64) -> Option<Shown> {
        if self.id == 0 || self.is_open || self.is_judged || answered < self.sent.last + blur {
            return None;
        }
        self.is_judged = true;
        let came_enough = u64::from(self.came.packets) * 100 >= u64::from(self.sent.packets) * LEAST_CAME
            && self.came.bytes * 100 >= self.sent.bytes * LEAST_CAME;
        if self.sent.packets < LEAST_PACKETS || !came_enough {
            return None;
        }
        let sent = self.sent.rate(self.sent.last_bytes, 0)?;
        let came = self.came.rate(self.came.first_bytes, blur)?;
        if came > sent * MOST_RATIO {
            return None;
        }
        Some(if came * 100 < sent * FULL {
            Shown::Limit(came * BELIEVED / 100)
        } else {
            Shown::AtLeast(came.min(sent))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(bits_per_second: i64, lost: i64) -> Option<Shown> {
        let mut cluster = Cluster::default();
        cluster.begin();
        let mut free = 0;
        for packet in 0..20 {
            // 1000 bytes each 4 ms: 2 Mbps.
            let at = packet * 4_000;
            let id = cluster.sent(at, 1000);
            free = at.max(free) + 8_000_000_000 / bits_per_second;
            if packet >= lost {
                cluster.came(id, free, 1000);
            }
        }
        assert_eq!(cluster.judge(80_000, 0), None, "still open");
        cluster.end();
        assert_eq!(cluster.judge(70_000, 0), None, "not all answered");
        let judged = cluster.judge(76_000, 0);
        assert_eq!(cluster.judge(90_000, 0), None, "once");
        judged
    }

    #[test]
    fn a_wide_line_shows_what_was_sent_and_a_narrow_one_itself() {
        assert_eq!(probe(10_000_000, 0), Some(Shown::AtLeast(2_000_000)));
        let narrow = probe(1_000_000, 0);
        assert!(
            matches!(narrow, Some(Shown::Limit(930_000..960_000))),
            "{narrow:?}"
        );
        assert_eq!(probe(10_000_000, 6), None, "too much is missing");
    }
}
