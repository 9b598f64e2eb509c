//! Lines that do not answer: full ones, whose answers wait, and those that are away for a while.

use std::time::Instant;

use super::{Bandwidth, CUT_INTERVAL_US, Carried, LATE_US, PROOF_US, STANDING_US, Trains};

/// What an unanswered line is still believed to carry each time it is looked at, in percent.
const UNANSWERED: u64 = 70;
/// A line that was silent for longer, and then has no queue, was away.
const AWAY_US: i64 = 500_000;

impl Bandwidth {
    /// Lets time pass: a line that does not answer carries less and less. `sent` is how many bytes the viewer has been sent.
    pub fn handle_time(&mut self, now: Instant, sent: u64) {
        let now = self.micros(now);
        if let Some(reported) = &mut self.reported {
            reported.look(now, sent);
        }
        let rested = self.last_cut.is_none_or(|at| now - at >= CUT_INTERVAL_US);
        if self.is_unanswered(now) && rested {
            self.last_cut = Some(now);
            self.before_silence.get_or_insert(self.rate.estimate());
            self.rate.set(self.rate.estimate() * UNANSWERED / 100);
        }
    }

    pub(super) fn is_unanswered(&self, now: i64) -> bool {
        let round_trip = self.round_trip.unwrap_or_default();
        self.has_transport_feedback && self.flight.age(now) > round_trip + LATE_US
    }

    /// The line has answered, after so many microseconds, for what was sent then. Where nothing came through for a while, and
    /// what comes now has waited for nothing, it was not full but away: what was lost tells nothing of what it carries now, and
    /// it is tried as one of which nothing is known yet.
    pub(super) fn end_silence(&mut self, now: i64, sent_at: i64, silence: i64) {
        let Some(before) = self.before_silence.take() else {
            return;
        };
        if silence < AWAY_US || self.queue.unusual() >= STANDING_US {
            return;
        }
        self.flight.judge(now, sent_at);
        self.carried = Carried::default();
        self.trains = Trains::default();
        self.last_cut = None;
        self.rate.set(before.min(self.initial));
        self.proven = now - PROOF_US;
        self.has_returned = true;
    }

    /// Whether the line was away and is there again, once.
    pub fn take_return(&mut self) -> bool {
        std::mem::take(&mut self.has_returned)
    }
}
