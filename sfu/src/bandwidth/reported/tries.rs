//! Tries of a line of which the viewer tells little: slow ones, and short ones that the sender report behind them tells of.

use super::{Reported, STOOD_US, Word};
use crate::bandwidth::brief::{Brief, Found};
use crate::bandwidth::passage::Answer;

/// A try is answered by the first report this much after its end, microseconds, a round trip besides: it tells of a second.
const ANSWER_US: i64 = 300_000;
/// And not any more after this.
const PATIENCE_US: i64 = 6_000_000;
/// Who names no sender report that left within this, microseconds, has not heard the one behind a short try: they leave each two
/// seconds, and some players read none but the first.
pub(super) const NAMED_US: i64 = 6_000_000;
/// And who names none that left right behind a try, so many times, reports too seldom: the next one has left by then.
pub(super) const MOST_UNANSWERED: u8 = 3;

/// More that is sent slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) rate: u64,
    pub(super) ends: i64,
    /// The viewer's own estimate as it began.
    pub(super) remb: Option<u64>,
    /// The longest queue since, microseconds.
    pub(super) longest: i64,
}

impl Reported {
    /// From now until `ends` up to `rate` is sent to see what the viewer says.
    pub(in crate::bandwidth) fn begin_try(&mut self, rate: u64, ends: i64) {
        self.has_answered = false;
        self.running = Some(Try {
            rate,
            ends,
            remb: self.remb,
            longest: 0,
        });
    }

    pub(in crate::bandwidth) fn end_try(&mut self) {
        self.has_answered |= self.running.is_some() || self.brief.is_some();
        (self.running, self.brief) = (None, None);
    }

    /// Whether reports answer for each sender report, so that a short try tells. An estimate of the viewer's own tells of a longer one.
    pub(in crate::bandwidth) fn answers_briefly(&self, now: i64) -> bool {
        self.remb.is_none()
            && self.unanswered < MOST_UNANSWERED
            && self.named.is_some_and(|left| now - left < NAMED_US)
    }

    /// From now on this is sent for a moment; so many bytes were before.
    pub(in crate::bandwidth) fn begin_brief(&mut self, now: i64, rate: u64, bytes: u64) {
        self.has_answered = false;
        let before = self.brief.replace(Brief::new(now, rate, bytes));
        self.unanswered = self.unanswered.saturating_add(u8::from(before.is_some()));
    }

    /// The moment is over, when so many bytes were sent: whether a sender report is to follow at once.
    pub(in crate::bandwidth) fn end_brief(&mut self, now: i64, bytes: u64) -> bool {
        let ends = self.brief.as_mut().is_some_and(|brief| brief.end(now, bytes));
        if ends {
            self.tried = Some(now);
        }
        ends
    }

    /// What a sender report that left then has met, which has waited for so long.
    pub(super) fn take_brief(&mut self, now: i64, left: i64, waited: i64) -> Word {
        let found = self
            .brief
            .map_or(Found::Nothing, |brief| brief.judge(now, left, waited));
        self.end_brief_with(now, found)
    }

    fn end_brief_with(&mut self, now: i64, found: Found) -> Word {
        if found == Found::Nothing {
            return Word::Fine;
        }
        self.brief = None;
        self.has_answered = found != Found::Unanswered;
        self.tried = self.tried.max(Some(now));
        self.unanswered = match found {
            Found::Unanswered => self.unanswered.saturating_add(1),
            _ => 0,
        };
        match found {
            Found::Nothing | Found::Unanswered => Word::Fine,
            Found::Carries(rate, false) => Word::Shown(rate.min(self.cap.unwrap_or(rate))),
            Found::Carries(rate, true) => Word::Reached(rate),
        }
    }

    /// A try that makes a long queue need not be waited for.
    pub(super) fn take_amid(&mut self, now: i64, answer: Answer) -> Option<Word> {
        let found = self
            .brief?
            .judge_early(answer.left(), answer.bytes(), answer.queue);
        (found != Found::Nothing).then(|| self.end_brief_with(now, found))
    }

    /// Whether what left then was part of a try, or waited for one.
    pub(super) fn is_of_try(&self, left: i64) -> bool {
        self.brief.is_some() || self.tried.is_some_and(|at| left < at)
    }

    /// What came of a try.
    pub(super) fn judge(&mut self, now: i64) -> Word {
        let Some(tried) = self.running else {
            return Word::Fine;
        };
        if now < tried.ends + ANSWER_US + self.round_trip {
            return Word::Fine;
        }
        self.running = None;
        self.has_answered = now - tried.ends < PATIENCE_US;
        // One who tells of an estimate, and does not raise it, has not seen it or does not want more.
        let is_raised = match (tried.remb, self.remb) {
            (Some(before), Some(remb)) => remb > before || remb >= tried.rate,
            _ => true,
        };
        let is_short = tried.longest < STOOD_US;
        if is_raised && is_short && self.has_answered {
            Word::Shown(tried.rate)
        } else {
            Word::Fine
        }
    }
}
