//! When each frame of a looped clip is due. No clock in here: time comes in.

use std::time::Duration;

/// A frame that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Which stream, by its place in [`Schedule::new`].
    pub(super) stream: usize,
    /// Which frame of the clip.
    pub(super) frame: usize,
    /// When it is due since the first frame ever; rises for good, over all loop seams.
    pub(super) at: Duration,
}

/// The endless timetable of several streams that loop together.
pub(super) struct Schedule {
    streams: Vec<Stream>,
    period: Duration,
}

struct Stream {
    times: Vec<Duration>,
    next: usize,
    pass: u32,
}

impl Schedule {
    /// Frame times within the clip, one list per stream. What lies at or past `period` is never due.
    pub(super) fn new(times: Vec<Vec<Duration>>, period: Duration) -> Self {
        let within = |mut times: Vec<Duration>| {
            times.retain(|at| *at < period);
            Stream {
                times,
                next: 0,
                pass: 0,
            }
        };
        Self {
            streams: times
                .into_iter()
                .map(within)
                .filter(|s| !s.times.is_empty())
                .collect(),
            period,
        }
    }

    /// When the next frame of any stream is due.
    pub(super) fn next(&self) -> Duration {
        self.streams
            .iter()
            .map(|s| s.due(self.period))
            .min()
            .unwrap_or(Duration::MAX)
    }

    /// Takes one frame that is due by `now`; frames due together come in the order of their streams.
    pub(super) fn take(&mut self, now: Duration) -> Option<Due> {
        let period = self.period;
        let (index, stream) = self
            .streams
            .iter_mut()
            .enumerate()
            .min_by_key(|(_, s)| s.due(period))?;
        let at = stream.due(period);
        if at > now {
            return None;
        }
        let due = Due {
            stream: index,
            frame: stream.next,
            at,
        };
        stream.next += 1;
        if stream.next == stream.times.len() {
            stream.next = 0;
            stream.pass += 1;
        }
        Some(due)
    }
}

impl Stream {
    fn due(&self, period: Duration) -> Duration {
        period * self.pass + self.times.get(self.next).copied().unwrap_or_default()
    }
}

/// An RTP timestamp offset: `at` in ticks of `clock_hz`, wrapped as RTP wraps (RFC 3550 §5.1).
pub(super) fn rtp_ticks(at: Duration, clock_hz: u32) -> u32 {
    (at.as_nanos() * u128::from(clock_hz) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn streams_interleave_and_time_runs_on_over_the_seam() {
        let mut schedule = Schedule::new(
            vec![vec![ms(0), ms(20), ms(40), ms(60), ms(80)], vec![ms(0), ms(40)]],
            ms(80),
        );
        assert_eq!(
            schedule.take(ms(0)),
            Some(Due {
                stream: 0,
                frame: 0,
                at: ms(0)
            })
        );
        assert_eq!(
            schedule.take(ms(0)),
            Some(Due {
                stream: 1,
                frame: 0,
                at: ms(0)
            })
        );
        assert_eq!(schedule.take(ms(19)), None);
        assert_eq!(schedule.next(), ms(20));
        let mut seen = Vec::new();
        while let Some(due) = schedule.take(ms(120)) {
            seen.push((due.stream, due.frame, due.at.as_millis()));
        }
        let expected = [
            (0, 1, 20),
            (0, 2, 40),
            (1, 1, 40),
            (0, 3, 60),
            (0, 0, 80),
            (1, 0, 80),
            (0, 1, 100),
            (0, 2, 120),
        ];
        assert_eq!(seen[..8], expected);
    }

    #[test]
    fn ticks_do_not_drift_over_days() {
        assert_eq!(rtp_ticks(ms(40), 90_000), 3_600);
        let week = Duration::from_secs(7 * 86_400);
        let frame = |n: u32| rtp_ticks(week + ms(40) * n, 90_000);
        assert!((0..100).all(|n| frame(n + 1).wrapping_sub(frame(n)) == 3_600));
    }
}
