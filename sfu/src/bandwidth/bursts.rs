//! Probes and bursts: told of when they leave, so that what comes of them is understood.

use std::time::Instant;

use super::Bandwidth;

impl Bandwidth {
    /// What leaves from now on is a probe: how fast it comes tells what the line carries.
    pub fn begin_probe(&mut self) {
        self.cluster.begin();
    }

    /// The probe is over; its result shows in the estimate when it is answered.
    pub fn end_probe(&mut self) {
        self.cluster.end();
    }

    /// The probe was given up: what comes of it is of no interest.
    pub fn abandon_probe(&mut self) {
        self.cluster.end();
        if let Some(reported) = &mut self.reported {
            reported.end_try();
        }
    }

    /// A keyframe and more leave at once: the queue that this makes is no sign of a full line if it is gone soon.
    pub fn expect_burst(&mut self, now: Instant) {
        self.probed = Some(self.micros(now));
    }

    /// A picture waits for the queue.
    pub fn expect_less(&mut self, now: Instant) {
        self.waited = Some(self.micros(now));
    }
}
