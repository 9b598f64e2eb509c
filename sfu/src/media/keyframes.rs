//! Keyframe requests to a publisher, merged: a hundred viewers that join make one.

use std::time::{Duration, Instant};

/// One encoding's open request.
#[derive(Debug, Default)]
pub(super) struct KeyframeRequest {
    wanted: bool,
    last: Option<Instant>,
}

impl KeyframeRequest {
    /// Somebody needs a keyframe.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// One came.
    pub(super) fn satisfied(&mut self) {
        self.wanted = false;
    }

    /// Whether to ask now. Asked again after `interval` while none comes: the request may have been lost.
    pub(super) fn take_due(&mut self, now: Instant, interval: Duration) -> bool {
        let due = self
            .deadline(interval)
            .is_some_and(|at| at.is_none_or(|at| at <= now));
        if due {
            self.last = Some(now);
        }
        due
    }

    /// When to ask next: `None` for never, `Some(None)` for at once.
    pub(super) fn deadline(&self, interval: Duration) -> Option<Option<Instant>> {
        self.wanted.then(|| self.last.map(|last| last + interval))
    }
}
