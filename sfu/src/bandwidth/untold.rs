//! Lines of viewers who send no transport-wide feedback, and how it is tried whether a line carries more.

use std::time::Instant;

use super::reported::{Report, Reported, Word};
use super::{Bandwidth, COLLAPSED, rate};
use crate::negotiation::MediaKind;

/// A receiver measures for a second, and so much longer a burst may be the reason for its own estimate's fall.
const BURST_US: i64 = 1_500_000;

/// How it can be tried whether a line carries more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Not at all: nobody would answer.
    None,
    /// By a few packets in a moment.
    Short,
    /// By what lasts for a moment, beside so many bits per second that are sent now: the sender report behind it is answered.
    Brief(u64),
    /// By what grows slowly from so many bits per second that are sent now: answers are rare.
    Long(u64),
}

impl Bandwidth {
    /// Takes the viewer's own estimate (REMB), bits per second. Where there is transport-wide feedback that knows better.
    pub fn handle_remb(&mut self, now: Instant, bitrate: u64) {
        let at = self.micros(now);
        if let Some(reported) = self.reported() {
            let word = reported.take_remb(at, bitrate.min(rate::MOST));
            // What a burst or a try has piled up must have time to drain.
            let has_burst = self.probed.is_some_and(|burst| at - burst < BURST_US);
            self.believe(at, if has_burst { word.mildly() } else { word });
        }
    }

    /// Takes a receiver report, when there is nothing better.
    pub fn handle_report(&mut self, now: Instant, report: Report) {
        let at = self.micros(now);
        let Some(reported) = self.reported() else { return };
        let words = reported.take_report(at, report);
        words.into_iter().for_each(|word| self.believe(at, word));
    }

    /// A packet of a stream has left, with which so much has.
    pub fn note(&mut self, now: Instant, kind: MediaKind, sequence: u16, bytes: u64) {
        if self.reported.is_none() {
            return;
        }
        let at = self.micros(now);
        if let Some(reported) = &mut self.reported {
            reported.note(at, kind, sequence, bytes);
        }
    }

    /// Takes what a report says of what is sent besides: repairs and padding, in 256ths.
    pub fn handle_padding_report(&mut self, now: Instant, lost: u8) {
        let at = self.micros(now);
        if let Some(reported) = self.reported() {
            let word = reported.take_padding_loss(f32::from(lost) / 256.0);
            self.believe(at, word);
        }
    }

    /// Takes how many packets of the picture were asked for that had not been before, and the newest of them.
    pub fn handle_missing(&mut self, now: Instant, newest: u16, missing: u64) {
        let at = self.micros(now);
        if let Some(reported) = self.reported() {
            let word = reported.take_missing(at, newest, missing);
            self.believe(at, word);
        }
    }

    fn reported(&mut self) -> Option<&mut Reported> {
        let is_needed = !self.has_transport_feedback;
        is_needed.then(|| &mut **self.reported.get_or_insert_default())
    }

    fn believe(&mut self, now: i64, word: Word) {
        let estimate = self.rate.estimate();
        match word {
            Word::Fine => {}
            Word::Busy => self.last_cut = Some(now),
            Word::Enough => (self.last_cut, self.probed) = (Some(now), Some(now)),
            Word::Full(rate) => {
                self.last_cut = Some(now);
                self.rate.set(estimate.min(rate));
            }
            Word::Reached(rate) => {
                (self.last_cut, self.probed) = (Some(now), Some(now));
                if rate > estimate || rate < estimate * COLLAPSED / 100 {
                    self.rate.set(rate);
                }
            }
            Word::Shown(rate) => {
                self.rate.set(estimate.max(rate));
                if let Some(reported) = &mut self.reported {
                    reported.has_room(now);
                }
            }
        }
    }

    /// How to try whether the line carries more.
    pub fn trial(&self, now: Instant) -> Trial {
        let (reported, at) = (self.reported.as_ref(), self.micros(now));
        match reported.filter(|reported| reported.is_heard(at)) {
            _ if self.has_transport_feedback => Trial::Short,
            Some(reported) if reported.answers_briefly(at) => {
                reported.sent().map_or(Trial::None, Trial::Brief)
            }
            Some(reported) => reported.sent().map_or(Trial::None, Trial::Long),
            None => Trial::None,
        }
    }

    /// Whether the last long or brief try was answered.
    pub fn has_answered_try(&self) -> bool {
        (self.reported.as_ref()).is_some_and(|reported| reported.has_answered())
    }

    /// Whether the viewer has told of what left since then, and since the last cut, and nothing spoke against it: some report each
    /// five seconds only, and silence says nothing.
    pub fn is_fine_since(&self, since: Option<Instant>) -> bool {
        let Some(since) = since.map(|since| self.micros(since)).max(self.last_cut) else {
            return true;
        };
        let reported = self.reported.as_ref();
        self.has_transport_feedback || reported.is_some_and(|reported| reported.is_fine_since(since))
    }

    /// Until `ends` up to `bitrate` is sent, to see what a viewer says who says little.
    pub fn begin_long_probe(&mut self, bitrate: u64, ends: Instant) {
        let ends = self.micros(ends);
        if let Some(reported) = &mut self.reported {
            reported.begin_try(bitrate, ends);
        }
    }

    /// For a moment `bitrate` is sent, with a sender report behind it; so many bytes have been before.
    pub fn begin_brief_probe(&mut self, now: Instant, bitrate: u64, bytes: u64) {
        let now = self.micros(now);
        if let Some(reported) = &mut self.reported {
            reported.begin_brief(now, bitrate, bytes);
        }
    }

    /// The moment is over, when so many bytes have been sent: whether a sender report is to follow at once.
    pub fn end_brief_probe(&mut self, now: Instant, bytes: u64) -> bool {
        let now = self.micros(now);
        (self.reported.as_mut()).is_some_and(|reported| reported.end_brief(now, bytes))
    }

    /// A line that cannot be tried with padding is believed to carry this until it shows that it does not.
    pub fn assume(&mut self, now: Instant, bitrate: u64) {
        self.proven = self.micros(now);
        self.rate.set(self.rate.estimate().max(bitrate));
    }
}
