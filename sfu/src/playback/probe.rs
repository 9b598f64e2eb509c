//! Trying whether a line carries the next layer, by padding: what is not sent proves nothing.

use std::time::{Duration, Instant};

/// How long one try lasts on a line without jitter: the rate of a few packets can be told (libwebrtc's probes last 15 ms
/// and more, of larger packets).
const LENGTH: Duration = Duration::from_millis(50);
/// With jitter it must last longer than that blurs.
const LONGEST: Duration = Duration::from_millis(250);
/// From entering a layer to the first try.
const FIRST_PAUSE: Duration = Duration::from_millis(1500);
/// Between tries, and at least so many times as long as one: it decides how soon a line that has widened is noticed, and
/// what part of the time a line that has not has a queue.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_LENGTHS: u32 = 40;
/// Between looks for something to try.
const LOOK: Duration = Duration::from_millis(100);
/// What came of a try is known after this time, a round trip and feedback; and what part of the rate tried, in
/// percent, the estimate must have reached.
const ANSWER: Duration = Duration::from_millis(400);
const SUCCESS: u64 = 80;
/// Between packets of padding that go together.
const STEP: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
struct Running {
    bytes_per_second: u64,
    began: Instant,
    length: Duration,
    /// Bytes the viewer had been sent when it began.
    bytes: u64,
    stepped: Instant,
}

/// When to try, and how much padding a try wants now.
#[derive(Debug)]
pub(super) struct Probe {
    running: Option<Running>,
    next: Instant,
    /// The rate tried last and when that ended, until it is known what came of it.
    tried: Option<(u64, Instant)>,
}

impl Probe {
    pub(super) fn new(now: Instant) -> Probe {
        Probe {
            running: None,
            next: now + FIRST_PAUSE,
            tried: None,
        }
    }

    /// A layer was entered: what comes next is another question.
    pub(super) fn reset(&mut self, now: Instant) {
        self.running = None;
        self.next = now + FIRST_PAUSE;
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// `estimate` is what the line is believed to carry: one that has grown as tried is tried further soon.
    pub(super) fn may_start(&mut self, now: Instant, estimate: u64) -> bool {
        if self.running.is_none()
            && let Some((tried, ended)) = self.tried
            && now >= ended + ANSWER
        {
            self.tried = None;
            if estimate * 100 >= tried * SUCCESS {
                self.next = now;
            }
        }
        self.running.is_none() && self.next <= now
    }

    /// From now on everything together is to be `bitrate` bits per second, for a while that grows with the line's
    /// jitter. `bytes` is what the viewer has been sent so far.
    pub(super) fn start(&mut self, now: Instant, bitrate: u64, jitter: Duration, bytes: u64) {
        let length = (LENGTH + jitter * 2).min(LONGEST);
        self.running = Some(Running {
            bytes_per_second: bitrate / 8,
            began: now,
            length,
            bytes,
            stepped: now,
        });
        self.tried = Some((bitrate, now + length));
        self.next = now + length + PAUSE.max(length * PAUSE_LENGTHS);
    }

    /// There is nothing to try: that is not looked for with every packet.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.next = now + LOOK;
    }

    /// The line is full: no more of it.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }

    /// Bytes of padding to send now, when the viewer has been sent `bytes` so far.
    pub(super) fn due(&mut self, now: Instant, bytes: u64) -> u64 {
        let Some(running) = &mut self.running else {
            return 0;
        };
        let passed = now.saturating_duration_since(running.began);
        let wanted = running.bytes_per_second * passed.min(running.length).as_micros() as u64 / 1_000_000;
        running.stepped = now;
        if passed >= running.length {
            self.running = None;
            return 0;
        }
        wanted.saturating_sub(bytes - running.bytes)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        Some((running.stepped + STEP).min(running.began + running.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::begin;

    #[test]
    fn padding_fills_up_what_media_leaves_of_a_try() {
        let now = begin();
        let mut probe = Probe::new(now);
        assert!(!probe.may_start(now, 0));
        let now = now + FIRST_PAUSE;
        assert!(probe.may_start(now, 0));
        probe.start(now, 800_000, Duration::ZERO, 1_000);
        let (mut bytes, mut padding) = (1_000, 0);
        for step in 1..10 {
            let at = now + STEP * step;
            assert_eq!(probe.deadline(), Some(at));
            // A frame in the middle.
            bytes += if step == 6 { 4_000 } else { 0 };
            let due = probe.due(at, bytes);
            (bytes, padding) = (bytes + due, padding + due);
        }
        assert_eq!((bytes - 1_000, padding), (6_500, 2_500));
        assert_eq!(probe.due(now + LENGTH, bytes), 0);
        assert!(!probe.is_running() && probe.deadline().is_none());
        assert!(!probe.may_start(now + LENGTH + PAUSE - STEP, 0));
        assert!(probe.may_start(now + LENGTH + PAUSE, 0));
        probe.start(now, 800_000, Duration::ZERO, 0);
        probe.stop();
        assert!(!probe.may_start(now + LENGTH, 800_000), "not answered yet");
        assert!(probe.may_start(now + LENGTH + ANSWER, 700_000), "it went well");
    }
}
