//! What viewers tell who are no browsers of today: without transport-wide feedback an estimate of their own (REMB) or only
//! receiver reports, with repairs (RTX) or without.

use std::collections::VecDeque;
use std::time::Duration;

/// What a viewer agrees to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tells {
    pub(crate) transport: bool,
    pub(crate) remb: bool,
    pub(crate) repairs: bool,
    /// Whether it asks again for what is missing.
    pub(crate) asks: bool,
    /// Whether it goes on checking once there are pictures.
    pub(crate) consent: bool,
    /// Whether its reports name the newest sender report, not the first for ever.
    pub(crate) names_newest: bool,
    /// Between two reports.
    pub(crate) interval: Duration,
}

impl Tells {
    /// What browsers do.
    pub(crate) const ALL: Tells = Tells {
        transport: true,
        remb: true,
        repairs: true,
        asks: true,
        consent: true,
        names_newest: true,
        interval: Duration::from_secs(1),
    };

    /// Whether a line of a browser's offer is this viewer's, too.
    pub(crate) fn keeps(self, line: &str) -> bool {
        let has = |what: &str| line.contains(what);
        (self.transport || !(has("transport-cc") || has("transport-wide-cc")))
            && (self.remb || !has("goog-remb"))
            && (self.repairs || !(has(" rtx/") || has(" apt=")))
    }
}

/// The window of what has come (libwebrtc and aiortc: a second).
const WINDOW: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two reports where nothing is wrong, and between two cuts.
const INTERVAL: Duration = Duration::from_millis(1000);
const CUTS: Duration = Duration::from_millis(300);
/// Until the first word the receiver only measures (libwebrtc `kInitializationTime` is 5 s, aiortc's, too).
const FIRST: Duration = Duration::from_secs(3);
/// So much later than the earliest, and still growing, is too late: milliseconds.
const LATE_MS: f64 = 40.0;

/// A receiver's own estimate, as the receive side of Google congestion control makes it (draft-ietf-rmcat-gcc-02 §5.5): up by
/// eight percent a second and to half again of what comes at most, to 85 % of what comes when the queue grows.
pub(crate) struct Remb {
    came: VecDeque<(Duration, usize)>,
    began: Option<Duration>,
    estimate: Option<f64>,
    least: f64,
    delay: f64,
    before: f64,
    next: Duration,
    told: Duration,
    cut: Duration,
}

impl Remb {
    pub(crate) fn new() -> Remb {
        Remb {
            came: VecDeque::new(),
            began: None,
            estimate: None,
            least: f64::MAX,
            delay: 0.0,
            before: 0.0,
            next: Duration::ZERO,
            told: Duration::ZERO,
            cut: Duration::ZERO,
        }
    }

    /// A packet with abs-send-time came: 24 bits of 1/262144 s.
    pub(crate) fn add(&mut self, now: Duration, bytes: usize, sent: [u8; 3]) {
        self.began.get_or_insert(now);
        self.came.push_back((now, bytes));
        let [a, b, c] = sent;
        let sent = f64::from(u32::from_be_bytes([0, a, b, c])) / 262.144;
        // It runs over after 64 s.
        let delay = (now.as_secs_f64() * 1000.0 - sent).rem_euclid(64_000.0);
        let since = |delay: f64, least: f64| (delay - least + 32_000.0).rem_euclid(64_000.0) - 32_000.0;
        if self.least > 64_000.0 || since(delay, self.least) < 0.0 {
            self.least = delay;
        }
        let late = since(delay, self.least);
        self.delay += (late - self.delay) / 8.0;
    }

    /// The packet that tells it, when it is due.
    pub(crate) fn packet(&mut self, now: Duration, ssrc: u32) -> Option<Vec<u8>> {
        if now < self.next || now < self.began? + FIRST {
            return None;
        }
        self.next = now + LOOK;
        self.came.retain(|(at, _)| *at + WINDOW >= now);
        let incoming = self
            .came
            .iter()
            .map(|(_, bytes)| *bytes as f64 * 8.0)
            .sum::<f64>();
        let estimate = self.estimate.unwrap_or(incoming);
        let is_over = self.delay > LATE_MS && self.delay > self.before + 2.0;
        self.before = self.delay;
        let (estimate, is_cut) = if is_over && now >= self.cut + CUTS {
            self.cut = now;
            (estimate.min(0.85 * incoming), true)
        } else if self.delay > LATE_MS {
            (estimate, false)
        } else {
            let grown = estimate * 1.08f64.powf(LOOK.as_secs_f64());
            (grown.min(1.5 * incoming + 10_000.0).max(estimate), false)
        };
        self.estimate = Some(estimate);
        if !is_cut && now < self.told + INTERVAL {
            return None;
        }
        self.told = now;
        Some(write(ssrc, estimate as u64))
    }
}

/// draft-alvestrand-rmcat-remb-03 §2.2.
fn write(ssrc: u32, bitrate: u64) -> Vec<u8> {
    let shift = (64 - bitrate.leading_zeros()).saturating_sub(18);
    let mantissa = (bitrate >> shift) as u32;
    let mut bytes = vec![0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend_from_slice(b"REMB");
    bytes.extend_from_slice(&(1 << 24 | shift << 18 | mantissa).to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes
}

/// What a receiver report says of losses (RFC 3550 §A.3).
#[derive(Default)]
pub(crate) struct Losses {
    first: Option<u64>,
    highest: u64,
    received: u64,
    /// Expected and received as of the last report.
    before: (u64, u64),
}

impl Losses {
    pub(crate) fn came(&mut self, number: u64) {
        self.first.get_or_insert(number);
        self.highest = self.highest.max(number);
        self.received += 1;
    }

    /// The highest number, as reports name it.
    pub(crate) fn highest(&self) -> u32 {
        self.highest as u32
    }

    /// The fraction since the last report in 256ths, and all of it.
    pub(crate) fn report(&mut self) -> (u8, u32) {
        let expected = self.first.map_or(0, |first| self.highest + 1 - first);
        let (expected_now, received_now) = (expected - self.before.0, self.received - self.before.1);
        self.before = (expected, self.received);
        let lost = expected_now.saturating_sub(received_now);
        let fraction = (lost * 256).checked_div(expected_now).unwrap_or(0).min(255);
        (fraction as u8, expected.saturating_sub(self.received) as u32)
    }
}
