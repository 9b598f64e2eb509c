//! Trying whether a line carries the next layer, by padding: without it an estimate never exceeds what is sent.

use std::time::{Duration, Instant};

/// How long one try lasts: the estimator's window and a round trip.
const LENGTH: Duration = Duration::from_millis(600);
/// Between tries, growing while they fail.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between packets of padding that go together.
const STEP: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Probe {
    /// Bytes per second of padding until when, and when padding was last counted.
    running: Option<(u64, Instant, Instant)>,
    next: Instant,
    pause: Duration,
    credit: u64,
}

impl Probe {
    pub(super) fn new(now: Instant) -> Probe {
        Probe {
            running: None,
            next: now + FIRST_PAUSE,
            pause: FIRST_PAUSE,
            credit: 0,
        }
    }

    /// A layer was entered: what comes next is another question.
    pub(super) fn reset(&mut self, now: Instant) {
        *self = Probe::new(now);
    }

    pub(super) fn may_start(&self, now: Instant) -> bool {
        self.running.is_none() && self.next <= now
    }

    /// Adds `bitrate` bits per second of padding for a while.
    pub(super) fn start(&mut self, now: Instant, bitrate: u64) {
        self.running = Some((bitrate / 8, now + LENGTH, now));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.next = now + LENGTH + self.pause;
        self.credit = 0;
    }

    /// The line is full: no more of it.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }

    /// Bytes of padding to send now.
    pub(super) fn due(&mut self, now: Instant) -> u64 {
        let Some((rate, until, counted)) = &mut self.running else {
            return 0;
        };
        let passed = now.min(*until).saturating_duration_since(*counted);
        self.credit += *rate * passed.as_micros() as u64 / 1_000_000;
        *counted = now;
        if now >= *until {
            self.running = None;
        }
        std::mem::take(&mut self.credit)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.map(|(_, _, counted)| counted + STEP)
    }
}
