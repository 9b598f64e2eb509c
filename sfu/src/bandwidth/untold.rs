//! Lines of viewers who send no transport-wide feedback, and how it is tried whether a line carries more.

use std::time::{Duration, Instant};

use super::reported::{Reported, Word};
use super::{Bandwidth, rate};

/// A receiver measures for a second, and so much longer a burst may be the reason for its own estimate's fall.
const BURST_US: i64 = 1_500_000;

/// How it can be tried whether a line carries more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Not at all: nobody would answer.
    None,
    /// By a few packets in a moment.
    Short,
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

    /// Takes the loss of a receiver report, in 256ths, and the round trip that it shows, when there is nothing better.
    pub fn handle_report(&mut self, now: Instant, lost: u8, round_trip: Option<Duration>) {
        let at = self.micros(now);
        let Some(reported) = self.reported() else { return };
        let loss = reported.take_loss(at, f32::from(lost) / 256.0);
        let queue = round_trip.map_or(Word::Fine, |round_trip| {
            reported.take_round_trip(at, round_trip.as_micros() as i64)
        });
        self.believe(at, loss);
        self.believe(at, queue);
    }

    /// The same of what is sent besides: repairs and padding, in 256ths.
    pub fn handle_padding_report(&mut self, now: Instant, lost: u8) {
        let at = self.micros(now);
        if let Some(reported) = self.reported() {
            let word = reported.take_padding_loss(f32::from(lost) / 256.0);
            self.believe(at, word);
        }
    }

    /// Takes how many packets were asked for that had not been before, when so many packets and bytes had been sent.
    pub fn handle_missing(&mut self, now: Instant, missing: u64, packets: u64, bytes: u64) {
        let at = self.micros(now);
        if let Some(reported) = self.reported() {
            let word = reported.take_missing(at, missing, packets, bytes);
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
            Word::Shown(rate) => self.rate.set(estimate.max(rate)),
        }
    }

    /// How to try whether the line carries more.
    pub fn trial(&self, now: Instant) -> Trial {
        let reported = self.reported.as_ref();
        match reported.filter(|reported| reported.is_heard(self.micros(now))) {
            _ if self.has_transport_feedback => Trial::Short,
            Some(reported) => reported.sent().map_or(Trial::None, Trial::Long),
            None => Trial::None,
        }
    }

    /// Until `ends` up to `bitrate` is sent, to see what a viewer says who says little.
    pub fn begin_long_probe(&mut self, bitrate: u64, ends: Instant) {
        let ends = self.micros(ends);
        if let Some(reported) = &mut self.reported {
            reported.begin_try(bitrate, ends);
        }
    }

    /// A line that cannot be tried with padding is believed to carry this until it shows that it does not.
    pub fn assume(&mut self, now: Instant, bitrate: u64) {
        self.proven = self.micros(now);
        self.rate.set(self.rate.estimate().max(bitrate));
    }
}
