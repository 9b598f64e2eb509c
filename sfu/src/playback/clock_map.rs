//! What a viewer's picture clock means: which of our timestamps belongs to what was captured when. It is the line of the
//! sender reports, told to whoever shows things with the picture.

use std::time::{Duration, Instant};

use super::clock::ticks;

/// A line that moved by less is the same: a quarter of a frame.
const TOLERANCE: Duration = Duration::from_millis(5);
/// The same line is told again so often: the telling may get lost, and clocks drift apart by less meanwhile.
const INTERVAL: Duration = Duration::from_secs(10);

/// A point of a viewer's picture clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockMap {
    /// Our RTP timestamp toward the viewer.
    pub rtp: u32,
    /// Ticks a second.
    pub rate: u32,
    /// When what has this timestamp was captured, as far as the publisher's reports tell, without the time their way
    /// took; without reports, when it came.
    pub at: Instant,
}

/// What is told of one viewer's clock.
#[derive(Debug, Default)]
pub(super) struct ClockMaps {
    told: Option<ClockMap>,
    news: Option<ClockMap>,
}

impl ClockMaps {
    /// Takes the line as a report has it; keeps it when it is another one, or has not been told for long.
    pub(super) fn note(&mut self, map: ClockMap) {
        let is_known = self.told.is_some_and(|told| {
            let since = map.at.saturating_duration_since(told.at);
            let moved = map
                .rtp
                .wrapping_sub(told.rtp.wrapping_add(ticks(since, told.rate))) as i32;
            told.rate == map.rate && since < INTERVAL && moved.unsigned_abs() < ticks(TOLERANCE, map.rate)
        });
        if !is_known {
            self.told = Some(map);
            self.news = Some(map);
        }
    }

    /// What is to be told.
    pub(super) fn take(&mut self) -> Option<ClockMap> {
        self.news.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_then_when_it_moves_and_now_and_then() {
        let start = crate::media::begin();
        let mut maps = ClockMaps::default();
        let map = |ms: u64, off: u32| ClockMap {
            // It wraps within the first second.
            rtp: (u32::MAX - 45_000).wrapping_add(ms as u32 * 90).wrapping_add(off),
            rate: 90_000,
            at: start + Duration::from_millis(ms),
        };
        let mut told = |ms, off| {
            maps.note(map(ms, off));
            maps.take().is_some()
        };
        assert!(told(0, 0));
        assert!(!told(200, 0) && !told(2000, 449));
        assert!(told(4000, 450), "moved by 5 ms");
        assert!(!told(6000, 450) && !told(13_999, 450));
        assert!(told(14_000, 450), "ten seconds later");
        assert!(
            told(14_100, 450u32.wrapping_sub(90_000)),
            "moved back by a second"
        );
    }
}
