//! The time of day by which the shop goes. Holds, turns, countdowns and slow mode are times of day, so that they outlive
//! the server and other servers know them; but whoever sets the machine's clock must neither end them all nor stretch
//! them. So the time here never goes back, and what the machine's clock is off is made up for slowly.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use overlay::UnixMillis;

/// Of the time that passes, at most this part is given or taken to come nearer to the machine's clock: a hold of ten
/// minutes lasts nine at least.
const PART: u32 = 10;
/// A clock that is set forward by more than this was wrong all the time, or the machine slept: it is believed at once.
const BELIEVED: Duration = Duration::from_secs(3600);
/// What is more than this is a step, of which the operator is told; below, NTP is at work.
const STEP: Duration = Duration::from_secs(1);

/// A clock for all of a process; its copies agree.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Steady>>);

#[derive(Debug)]
struct Steady {
    at: Instant,
    /// Since the beginning of 1970.
    time: Duration,
    is_off: bool,
}

impl Clock {
    /// A clock that begins with the machine's time.
    pub fn start() -> Clock {
        Clock(Arc::new(Mutex::new(Steady::new(Instant::now(), wall()))))
    }

    /// The time.
    pub fn now(&self) -> UnixMillis {
        // Nothing here panics half-way.
        let mut steady = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        millis(steady.read(Instant::now(), wall()))
    }
}

impl Steady {
    fn new(at: Instant, time: Duration) -> Steady {
        Steady {
            at,
            time,
            is_off: false,
        }
    }

    fn read(&mut self, now: Instant, wall: Duration) -> Duration {
        let passed = now.saturating_duration_since(self.at);
        self.at += passed;
        let steady = self.time + passed;
        let (ahead, behind) = (wall.saturating_sub(steady), steady.saturating_sub(wall));
        let most = passed / PART;
        self.time = if ahead > BELIEVED {
            tracing::warn!(
                ?ahead,
                "the machine's clock was set forward; the shop's time goes with it"
            );
            wall
        } else {
            steady + ahead.min(most) - behind.min(most)
        };
        let is_off = ahead.max(behind) > STEP && ahead <= BELIEVED;
        if is_off && !self.is_off {
            tracing::warn!(
                ?ahead,
                ?behind,
                "the machine's clock was set; the shop's time comes nearer to it by a tenth of what passes"
            );
        }
        self.is_off = is_off;
        self.time
    }
}

/// The machine's clock, which may be set at any moment.
pub fn unix_now() -> UnixMillis {
    millis(wall())
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(time: Duration) -> UnixMillis {
    UnixMillis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(86_400);

    /// What a clock shows each second while the machine's is set to `wall(second)`, from day one on.
    fn shown(seconds: u32, wall: impl Fn(u32) -> Duration) -> Vec<Duration> {
        let begin = Instant::now();
        let mut steady = Steady::new(begin, DAY);
        let times = (1..=seconds).map(|second| steady.read(begin + SECOND * second, wall(second)));
        times.map(|time| time - DAY).collect()
    }

    #[test]
    fn a_clock_that_is_set_back_is_met_slowly_and_time_goes_on() {
        let shown = shown(601, |second| DAY + SECOND * second - 60 * SECOND);
        assert!(shown.windows(2).all(|pair| pair[1] > pair[0]));
        assert_eq!(shown[99], 90 * SECOND);
        assert_eq!(shown[600], 541 * SECOND, "they agree");
    }

    #[test]
    fn a_clock_that_is_set_forward_ends_no_hold_early() {
        let shown = shown(600, |second| DAY + SECOND * second + 1800 * SECOND);
        assert_eq!(shown[599], 660 * SECOND, "ten minutes are eleven at most");
    }

    #[test]
    fn a_machine_that_slept_or_did_not_know_the_time_is_believed() {
        let shown = shown(2, |second| DAY + SECOND * second + 2 * BELIEVED);
        assert_eq!(shown[0], 2 * BELIEVED + SECOND);
    }

    #[test]
    fn however_often_it_is_read_the_same_time_passes() {
        let begin = Instant::now();
        let mut steady = Steady::new(begin, DAY);
        for step in 0..=1_000_000 {
            let passed = Duration::from_nanos(700) * step;
            assert_eq!(steady.read(begin + passed, DAY + passed), DAY + passed);
        }
    }
}
