//! The pace at which a viewer gets what it missed of the current group of pictures.

use std::time::{Duration, Instant};

/// Bytes that may leave at once: about a keyframe of a phone's picture, far below a browser's socket buffer.
const ALLOWANCE: u64 = 48 << 10;

/// A viewer that is behind the live edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    bytes_per_second: u64,
    credit: u64,
    at: Instant,
}

impl Burst {
    pub(super) fn new(now: Instant, bitrate: u64) -> Burst {
        Burst {
            bytes_per_second: (bitrate / 8).max(1),
            credit: ALLOWANCE,
            at: now,
        }
    }

    /// Whether a packet may leave now.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let passed = now.saturating_duration_since(self.at).as_micros() as u64;
        let earned = passed * self.bytes_per_second / 1_000_000;
        if earned > 0 {
            self.credit = (self.credit + earned).min(ALLOWANCE);
            self.at = now;
        }
        match self.credit.checked_sub(bytes as u64) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }

    /// When the next packets may leave: a few at a time, so that they make a run.
    pub(super) fn next(&self) -> Instant {
        self.at + Duration::from_millis(2)
    }
}
