//! Trying whether a line carries the next layer, by padding: what is not sent proves nothing.

use std::time::{Duration, Instant};

/// How long one try lasts on a line without jitter: the rate of a few packets can be told (libwebrtc's probes last 15 ms
/// and more, of larger packets).
const LENGTH: Duration = Duration::from_millis(50);
/// With jitter it must last longer than that blurs.
const LONGEST: Duration = Duration::from_millis(250);
/// And so many packets must leave, for fewer say nothing ([`crate::bandwidth`]): at 100 kbit/s they take a fifth of a second. But it
/// ends after this.
const LEAST_PACKETS: u64 = 6;
const SLOWEST: Duration = Duration::from_millis(400);
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

/// A try on a line of which little is told: so long it grows, so long it is then at its most, and answered so much later: reports
/// come once a second and tell of a second.
const GROWS: Duration = Duration::from_millis(1000);
const STAYS: Duration = Duration::from_millis(800);
const LATE_ANSWER: Duration = Duration::from_millis(1500);
/// Between two of them, and where the one before has shown nothing.
const LONG_PAUSE: Duration = Duration::from_secs(6);
const LONGEST_PAUSE: Duration = Duration::from_secs(24);
/// A try of which the sender report behind it tells: it takes long enough for a queue that is no jitter, and fills none.
const BRIEFLY: Duration = Duration::from_millis(150);
const BRIEF_PAUSE: Duration = Duration::from_secs(3);
/// A packet of padding is small: this part of what it takes of a line, in percent, is not below RTP.
const PADDINGS_PART: u64 = 80;
/// What one may reach of what is known, in percent: little at first, more while it goes well.
const LEAST_LONG_STEP: u64 = 150;
const MOST_LONG_STEP: u64 = 200;
const LONG_STEP: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
struct Running {
    /// Bytes per second as it begins and at its most, and how long it grows to that.
    from: u64,
    to: u64,
    grows: Duration,
    began: Instant,
    length: Duration,
    step: Duration,
    /// What the viewer had been sent when it began, and packets.
    bytes: u64,
    packets: u64,
    stepped: Instant,
}

impl Running {
    fn is_long(&self) -> bool {
        !self.grows.is_zero()
    }

    /// Bytes that are to be sent in so much of it.
    fn bytes_until(&self, passed: Duration) -> u64 {
        let passed = passed.min(self.length);
        let growing = passed.min(self.grows).as_micros() as u64;
        let grows = self.grows.as_micros().max(1) as u64;
        let at_most = passed.as_micros() as u64 - growing;
        let more = (self.to - self.from) * growing / grows * growing / 2;
        (self.from * growing + more + self.to * at_most) / 1_000_000
    }
}

/// A rate that was tried, bits per second, and when it is known what came of it.
#[derive(Clone, Copy, Debug)]
struct Tried {
    bitrate: u64,
    answered: Instant,
    is_long: bool,
}

impl Tried {
    /// Whether it is known what came of it: silence is no answer where answers are rare.
    fn is_known(&self, now: Instant, estimate: u64, has_answered: bool) -> bool {
        self.is_shown(estimate) || now >= self.answered && (has_answered || !self.is_long)
    }

    /// A slow try that has gone well is known before its time.
    fn is_shown(&self, estimate: u64) -> bool {
        self.is_long && estimate >= self.bitrate
    }
}

/// When to try, and how much padding a try wants now.
#[derive(Debug)]
pub(super) struct Probe {
    running: Option<Running>,
    next: Instant,
    /// The rate tried last and when it is known what came of it.
    tried: Option<Tried>,
    long_pause: Duration,
    /// What the slow try before this one has shown, if it went well.
    shown: Option<u64>,
}

impl Probe {
    pub(super) fn new(now: Instant) -> Probe {
        Probe {
            running: None,
            next: now + FIRST_PAUSE,
            tried: None,
            long_pause: LONG_PAUSE,
            shown: None,
        }
    }

    /// A layer was entered: what comes next is another question.
    pub(super) fn reset(&mut self, now: Instant) {
        self.running = None;
        self.next = now + FIRST_PAUSE;
        self.forget_long();
    }

    fn forget_long(&mut self) {
        self.shown = None;
        self.tried.take_if(|tried| tried.is_long);
    }

    /// Whether one runs that grows slowly.
    pub(super) fn is_long(&self) -> bool {
        self.running.as_ref().is_some_and(Running::is_long)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// `estimate` is what the line is believed to carry: one that has grown as tried is tried further soon. A slow try must have
    /// been answered for that.
    pub(super) fn may_start(&mut self, now: Instant, estimate: u64, has_answered: bool) -> bool {
        if self.running.is_none()
            && let Some(tried) = self
                .tried
                .take_if(|tried| tried.is_known(now, estimate, has_answered))
        {
            let is_success = tried.is_shown(estimate) || estimate * 100 >= tried.bitrate * SUCCESS;
            if is_success {
                self.next = now;
                self.long_pause = LONG_PAUSE;
            }
            if is_success && tried.is_long {
                self.shown = Some(tried.bitrate);
            } else {
                self.forget_long();
            }
        }
        self.running.is_none() && self.next <= now
    }

    /// From now on everything together is to be `bitrate` bits per second, for a while that grows with the line's
    /// jitter. `bytes` and `packets` are what the viewer has been sent so far.
    pub(super) fn start(
        &mut self,
        now: Instant,
        bitrate: u64,
        jitter: Duration,
        (bytes, packets): (u64, u64),
    ) {
        let length = (LENGTH + jitter * 2).min(LONGEST);
        let at_once = Running {
            from: bitrate / 8,
            to: bitrate / 8,
            grows: Duration::ZERO,
            began: now,
            length,
            step: STEP,
            bytes,
            packets,
            stepped: now,
        };
        self.run(at_once, bitrate, PAUSE.max(length * PAUSE_LENGTHS));
    }

    /// The same where answers are rare: from what is sent anyway, bits per second, it grows slowly to `bitrate`. When it ends.
    pub(super) fn start_slowly(&mut self, now: Instant, sent: u64, bitrate: u64, bytes: u64) -> Instant {
        let length = GROWS + STAYS;
        let from = sent.min(bitrate);
        let slowly = Running {
            from: from / 8,
            to: (from + (bitrate - from) * PADDINGS_PART / 100) / 8,
            grows: GROWS,
            began: now,
            length,
            step: LONG_STEP,
            bytes,
            packets: 0,
            stepped: now,
        };
        self.run(slowly, bitrate, self.long_pause);
        self.long_pause = (self.long_pause * 2).min(LONGEST_PAUSE);
        now + length
    }

    /// The same for a moment only, which the sender report behind it tells of.
    pub(super) fn start_briefly(&mut self, now: Instant, sent: u64, bitrate: u64, bytes: u64) {
        let from = sent.min(bitrate);
        let rate = (from + (bitrate - from) * PADDINGS_PART / 100) / 8;
        let briefly = Running {
            from: rate,
            to: rate,
            grows: Duration::ZERO,
            began: now,
            length: BRIEFLY,
            step: STEP,
            bytes,
            packets: 0,
            stepped: now,
        };
        self.run(briefly, bitrate, BRIEF_PAUSE);
        self.tried = Some(Tried {
            bitrate,
            answered: now + BRIEFLY + LATE_ANSWER,
            is_long: true,
        });
    }

    fn run(&mut self, running: Running, bitrate: u64, pause: Duration) {
        let (ends, is_long) = (running.began + running.length, running.is_long());
        self.running = Some(running);
        self.tried = Some(Tried {
            bitrate,
            answered: ends + if is_long { LATE_ANSWER } else { ANSWER },
            is_long,
        });
        self.next = ends + pause;
    }

    /// Bits per second that a slow try may reach where so many are sent.
    pub(super) fn may_reach(&self, sent: u64) -> u64 {
        match self.shown {
            Some(shown) => sent.max(shown) * MOST_LONG_STEP / 100,
            None => sent * LEAST_LONG_STEP / 100,
        }
    }

    /// There is nothing to try: that is not looked for with every packet.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.next = now + LOOK;
    }

    /// The line is full: no more of it.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }

    /// Bytes of padding to send now, when the viewer has been sent `bytes` in `packets` so far.
    pub(super) fn due(&mut self, now: Instant, (bytes, packets): (u64, u64)) -> u64 {
        let Some(running) = &mut self.running else {
            return 0;
        };
        let passed = now.saturating_duration_since(running.began);
        let says_nothing = running.grows.is_zero() && packets - running.packets < LEAST_PACKETS;
        if says_nothing && passed < SLOWEST {
            running.length = running.length.max(passed + STEP);
        }
        let wanted = running.bytes_until(passed);
        running.stepped = now;
        if passed >= running.length {
            self.running = None;
            return 0;
        }
        wanted.saturating_sub(bytes - running.bytes)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        Some((running.stepped + running.step).min(running.began + running.length))
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
        assert!(!probe.may_start(now, 0, true));
        let now = now + FIRST_PAUSE;
        assert!(probe.may_start(now, 0, true));
        probe.start(now, 800_000, Duration::ZERO, (1_000, 9));
        let (mut bytes, mut padding) = (1_000, 0);
        for step in 1..10 {
            let at = now + STEP * step;
            assert_eq!(probe.deadline(), Some(at));
            // A frame in the middle.
            bytes += if step == 6 { 4_000 } else { 0 };
            let due = probe.due(at, (bytes, 9 + u64::from(step)));
            (bytes, padding) = (bytes + due, padding + due);
        }
        assert_eq!((bytes - 1_000, padding), (6_500, 2_500));
        assert_eq!(probe.due(now + LENGTH, (bytes, 19)), 0);
        assert!(!probe.is_running() && probe.deadline().is_none());
        assert!(!probe.may_start(now + LENGTH + PAUSE - STEP, 0, true));
        assert!(probe.may_start(now + LENGTH + PAUSE, 0, true));
        probe.start(now, 800_000, Duration::ZERO, (0, 0));
        probe.stop();
        assert!(!probe.may_start(now + LENGTH, 800_000, true), "not answered yet");
        assert!(
            probe.may_start(now + LENGTH + ANSWER, 700_000, true),
            "it went well"
        );
    }

    #[test]
    fn a_slow_line_is_tried_for_longer_until_enough_packets_tell() {
        let now = begin();
        let mut probe = Probe::new(now);
        probe.start(now, 96_000, Duration::ZERO, (0, 3));
        assert!(probe.due(now + LENGTH, (0, 8)) == 600 && probe.is_running());
        assert_eq!(
            probe.due(now + 2 * LENGTH, (900, 8)),
            300,
            "it goes on as it began"
        );
        assert_eq!(probe.due(now + 2 * LENGTH + STEP, (1200, 9)), 0);
        assert!(!probe.is_running());
        probe.start(now, 96_000, Duration::ZERO, (0, 3));
        probe.due(now + LENGTH, (0, 3));
        probe.due(now + SLOWEST, (0, 3));
        assert!(!probe.is_running(), "where nothing can be sent it ends");
    }

    #[test]
    fn slow_tries_become_bolder_while_they_go_well_and_rarer_when_not() {
        let mut now = begin();
        let mut probe = Probe::new(now);
        now += FIRST_PAUSE;
        assert!(probe.may_start(now, 0, true));
        assert_eq!(probe.may_reach(200_000), 300_000);
        let ends = probe.start_slowly(now, 200_000, 300_000, 0);
        assert!(probe.is_long() && ends == now + GROWS + STAYS);
        // Half of the padding while it grows, all of it behind that: 80 kbit/s beside 200.
        assert_eq!(probe.due(now + GROWS, (25_000, 0)), 5_000);
        assert_eq!(
            probe.due(ends - LONG_STEP, (0, 0)),
            25_000 + 5_000 + 35_000 * 78 / 100
        );
        assert_eq!(probe.due(ends, (60_000, 0)), 0);
        assert!(!probe.is_long() && !probe.may_start(ends, 299_999, true));
        assert!(probe.may_start(ends, 300_000, true), "it went well");
        assert_eq!(probe.may_reach(200_000), 600_000);
        let ends = probe.start_slowly(ends, 200_000, 600_000, 0);
        probe.reset(ends);
        assert_eq!(
            probe.may_reach(400_000),
            600_000,
            "another layer is another question"
        );
        assert!(!probe.may_start(ends, 900_000, true) && probe.may_start(ends + FIRST_PAUSE, 0, true));
        for pause in [LONG_PAUSE * 2, LONGEST_PAUSE, LONGEST_PAUSE] {
            now = ends + FIRST_PAUSE;
            let ends = probe.start_slowly(now, 400_000, 600_000, 0);
            probe.stop();
            assert!(!probe.may_start(ends + pause - LONG_STEP, 0, true));
            assert!(probe.may_start(ends + pause, 0, true));
        }
    }

    #[test]
    fn a_slow_try_has_not_gone_well_before_somebody_says_so() {
        let now = begin();
        let mut probe = Probe::new(now);
        let ends = probe.start_slowly(now, 400_000, 600_000, 0);
        probe.due(ends, (0, 0));
        let answered = ends + LATE_ANSWER;
        assert!(!probe.may_start(answered, 550_000, false), "nobody has answered");
        assert!(probe.may_start(answered, 550_000, true));
    }
}
