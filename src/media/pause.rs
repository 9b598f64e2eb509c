//! How soon a thread looks again at what came. A turn has a price of its own, whatever it finds: waking, asking the poll
//! and the socket. A thread that wakes for every datagram of a crowd pays it for each of them, so one that has had many
//! turns of late lets datagrams gather before the next, as network cards moderate their interrupts.

use std::time::{Duration, Instant};

/// From one turn to the next of a thread that always finds something: two thousand turns a second, whose price is one to
/// two hundredths of a core. As long as a turn may take that sends pictures to a room, so nobody waits for longer than
/// behind one of these.
pub const TURN_INTERVAL: Duration = Duration::from_micros(500);
/// Turns that follow one another at once after quieter moments: a frame that a publisher's pacer lets go of, with
/// sound and feedback between. A thread with fewer turns a second than the interval allows always has them, and delays
/// nothing.
const AT_ONCE: u32 = 16;

/// Turns as a bucket of tokens, told by the time at which it will be full again (the generic cell rate algorithm of
/// ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    interval: Duration,
    paid_until: Instant,
}

impl Pause {
    pub(super) fn new(interval: Duration, now: Instant) -> Pause {
        Pause {
            interval,
            paid_until: now,
        }
    }

    /// How long after a turn that ended now the next one may begin.
    pub(super) fn after_turn(&mut self, now: Instant) -> Duration {
        let credit = self.interval * (AT_ONCE - 1);
        // Whoever was quiet for longer has no more than this, and whoever had turns that could not wait, there being more
        // to read, owes no more than one pause: it would sleep while the socket fills.
        self.paid_until = self.paid_until.max(now) + self.interval;
        self.paid_until = self.paid_until.min(now + credit + self.interval);
        self.paid_until
            .saturating_duration_since(now)
            .saturating_sub(credit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    /// When turns begin that each take `turn` and end with work waiting for the next, or have it come `every` so often.
    fn turns(count: usize, turn: Duration, every: Duration) -> Vec<Duration> {
        let begin = Instant::now();
        let mut pause = Pause::new(TURN_INTERVAL, begin);
        let mut now = begin;
        (0..count)
            .map(|_| {
                let began = now;
                let wait = pause.after_turn(began + turn);
                now = (began + turn + wait).max(began + every);
                began - begin
            })
            .collect()
    }

    #[test]
    fn a_burst_is_met_at_once_and_a_steady_stream_is_gathered() {
        let begun = turns(100, 10 * US, Duration::ZERO);
        let waits: Vec<Duration> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits[..15].iter().all(|wait| *wait == 10 * US), "{waits:?}");
        assert!(waits[16..].iter().all(|wait| *wait == TURN_INTERVAL), "{waits:?}");
    }

    #[test]
    fn whoever_has_fewer_turns_than_the_interval_allows_never_waits() {
        let every = TURN_INTERVAL + US;
        let begun = turns(1000, 100 * US, every);
        assert!(begun.windows(2).all(|pair| pair[1] - pair[0] == every));
    }

    #[test]
    fn long_turns_are_pause_enough() {
        let turn = TURN_INTERVAL + US;
        let begun = turns(1000, turn, Duration::ZERO);
        assert!(begun.windows(2).all(|pair| pair[1] - pair[0] == turn));
    }

    #[test]
    fn a_long_quiet_time_is_worth_no_more_than_a_short_one() {
        let begin = Instant::now();
        for quiet in [8, 3_600_000].map(Duration::from_millis) {
            let mut pause = Pause::new(TURN_INTERVAL, begin);
            assert!(!(0..100).all(|_| pause.after_turn(begin).is_zero()));
            let later = begin + 100 * TURN_INTERVAL + quiet;
            let free = (0..100).take_while(|_| pause.after_turn(later).is_zero());
            assert_eq!(free.count(), 16 - 1);
        }
    }

    #[test]
    fn turns_that_could_not_wait_are_not_made_up_for_by_a_long_sleep() {
        let begin = Instant::now();
        let mut pause = Pause::new(TURN_INTERVAL, begin);
        // A flood: each turn finds more than it reads, and the next follows at once.
        let turns = 1000;
        let mut now = begin;
        for _ in 0..turns {
            now += 50 * US;
            pause.after_turn(now);
        }
        let longest = (0..AT_ONCE).map(|_| pause.after_turn(now)).max();
        assert_eq!(longest, Some(TURN_INTERVAL));
    }

    #[test]
    fn without_an_interval_nothing_waits() {
        let now = Instant::now();
        let mut pause = Pause::new(Duration::ZERO, now);
        assert!((0..100).all(|_| pause.after_turn(now).is_zero()));
    }
}
