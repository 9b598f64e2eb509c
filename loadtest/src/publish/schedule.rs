//! When each frame of a looped clip is due. No clock in here: time comes in.

use std::time::Duration;

/// A frame that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Which stream, by its place in [`Schedule::new`].
    pub(super) stream: usize,
    /// Which frame of the clip.
    pub(super) frame: usize,
    /// When it is due since the first frame ever; rises for good, over all loop seams and jumps.
    pub(super) at: Duration,
    /// How many passes of the clip came before.
    pub(super) pass: u32,
}

/// The endless timetable of several streams that loop together.
pub(super) struct Schedule {
    streams: Vec<Stream>,
    period: Duration,
    /// What jumps have left out so far.
    skipped: Duration,
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
            skipped: Duration::ZERO,
        }
    }

    /// When the next frame of any stream is due.
    pub(super) fn next(&self) -> Duration {
        let first = self.streams.iter().map(|s| s.due(self.period)).min();
        first.map_or(Duration::MAX, |due| due.saturating_sub(self.skipped))
    }

    /// Which pass of the clip the next frame belongs to.
    pub(super) fn pass(&self) -> u32 {
        let first = self.streams.iter().min_by_key(|s| s.due(self.period));
        first.map_or(0, |stream| stream.pass)
    }

    /// Leaves out what lies before the next of these places in the clip (sorted, the first at 0), which is then due
    /// at `now`. `now` must lie after every frame taken so far.
    pub(super) fn jump(&mut self, now: Duration, places: &[Duration]) {
        let content = now + self.skipped;
        let pass = (content.as_nanos() / self.period.as_nanos().max(1)) as u32;
        let start = self.period * pass;
        let later = places
            .iter()
            .map(|place| start + *place)
            .find(|at| *at >= content);
        let target = later.unwrap_or(start + self.period);
        for stream in &mut self.streams {
            while stream.due(self.period) < target {
                stream.advance();
            }
        }
        self.skipped += target - content;
    }

    /// Takes one frame that is due by `now`; frames due together come in the order of their streams.
    pub(super) fn take(&mut self, now: Duration) -> Option<Due> {
        let period = self.period;
        let (index, stream) = self
            .streams
            .iter_mut()
            .enumerate()
            .min_by_key(|(_, s)| s.due(period))?;
        let at = stream.due(period).saturating_sub(self.skipped);
        if at > now {
            return None;
        }
        let due = Due {
            stream: index,
            frame: stream.next,
            at,
            pass: stream.pass,
        };
        stream.advance();
        Some(due)
    }
}

impl Stream {
    fn due(&self, period: Duration) -> Duration {
        period * self.pass + self.times.get(self.next).copied().unwrap_or_default()
    }

    fn advance(&mut self) {
        self.next += 1;
        if self.next == self.times.len() {
            self.next = 0;
            self.pass += 1;
        }
    }
}

/// An RTP timestamp offset: `at` in ticks of `clock_hz`, wrapped as RTP wraps (RFC 3550 §5.1).
pub(super) fn rtp_ticks(at: Duration, clock_hz: u32) -> u32 {
    // To the nearest: a third of a second is not a whole number of nanoseconds.
    ((at.as_nanos() * u128::from(clock_hz) + 500_000_000) / 1_000_000_000) as u32
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
        for stream in [0, 1] {
            let due = schedule.take(ms(0)).unwrap();
            assert_eq!((due.stream, due.frame, due.at), (stream, 0, ms(0)));
        }
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
    fn a_jump_leads_to_the_next_place_and_time_runs_on() {
        let frames: Vec<_> = (0..10).map(|n| ms(n * 40)).collect();
        let sound: Vec<_> = (0..20).map(|n| ms(n * 20)).collect();
        let mut schedule = Schedule::new(vec![sound, frames], ms(400));
        while schedule.take(ms(40)).is_some() {}
        schedule.jump(ms(50), &[ms(0), ms(200)]);
        let mut next = |now| {
            schedule
                .take(ms(now))
                .map(|due| (due.stream, due.frame, due.at.as_millis(), due.pass))
        };
        assert_eq!(next(49), None);
        assert_eq!([next(50), next(50)], [Some((0, 10, 50, 0)), Some((1, 5, 50, 0))]);
        assert_eq!(
            next(70),
            Some((0, 11, 70, 0)),
            "the sound runs on with the picture"
        );
        schedule.jump(ms(75), &[ms(0), ms(200)]);
        assert_eq!(
            (schedule.next(), schedule.pass()),
            (ms(75), 1),
            "behind the last place lies the seam"
        );
        let due = schedule.take(ms(75)).unwrap();
        assert_eq!((due.frame, due.pass), (0, 1));
    }

    #[test]
    fn ticks_do_not_drift_over_days() {
        assert_eq!(rtp_ticks(ms(40), 90_000), 3_600);
        let week = Duration::from_secs(7 * 86_400);
        let frame = |n: u32| rtp_ticks(week + ms(40) * n, 90_000);
        assert!((0..100).all(|n| frame(n + 1).wrapping_sub(frame(n)) == 3_600));
    }
}
