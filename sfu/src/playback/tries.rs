//! What a line is tried for, and when: the next layer, or the picture of which it shows but stills.

use std::time::{Duration, Instant};

use super::sender::{self, Line, Sender};
use super::{Playback, RtpSink, select};
use crate::bandwidth::Trial;
use crate::media::Publication;
use crate::negotiation::MediaKind;

/// What a probe sends, in percent of what the next layer needs: what it brings is to be enough, even rounded down.
const PROBE_MARGIN: u64 = 115;
/// And at most this of what the line is believed to carry: more would fill a queue only to fail.
const PROBE_STEP: u64 = 180;
/// A line that cannot be probed is believed to carry so much of it, in percent: rates creep while a keyframe is awaited.
const ASSUMED: u64 = 102;

impl Playback {
    /// Tries whether the line carries the next layer.
    pub(super) fn probe(&mut self, now: Instant, publication: &Publication, sink: &mut impl RtpSink) {
        let Some(place) = self.video() else { return };
        let is_calm = self.bandwidth.is_calm(now);
        if self.probe.is_running() {
            if !is_calm {
                self.probe.stop();
                if !self.end_brief_probe(now) {
                    self.bandwidth.abandon_probe();
                }
            }
        } else if is_calm && self.may_try(now) {
            self.begin_probe(now, place, publication);
        } else {
            return;
        }
        let mut due = self.probe.due(now, (self.stats.bytes, self.stats.packets));
        if !self.probe.is_running() {
            self.bandwidth.end_probe();
            self.end_brief_probe(now);
        }
        let Some(sender) = self.senders.get_mut(place) else {
            return;
        };
        let mut line = Line {
            now,
            sink,
            limit: None,
            room: 0,
            backlog: Duration::ZERO,
            stop: None,
            holds: false,
            awaits_answer: false,
            playout_delay: None,
            bandwidth: &mut self.bandwidth,
            stats: &mut self.stats,
        };
        while due > 0 {
            let sent = sender.pad(&mut line) as u64;
            if sent == 0 {
                return;
            }
            due = due.saturating_sub(sent);
        }
    }

    fn may_try(&mut self, now: Instant) -> bool {
        let has_answered = self.bandwidth.has_answered_try();
        (self.probe).may_start(now, self.bandwidth.estimate(), has_answered)
    }

    /// A sender report follows at once where a short try ends, for it waits for all that the try has made wait.
    fn end_brief_probe(&mut self, now: Instant) -> bool {
        let ends = self.bandwidth.end_brief_probe(now, self.stats.bytes);
        if ends {
            self.reports.next = Some(now);
        }
        ends
    }

    /// Another layer was entered: what is tried, and what comes of it, is another question.
    pub(super) fn abandon_probe(&mut self, now: Instant) {
        self.probe.reset(now);
        self.bandwidth.abandon_probe();
    }

    fn begin_probe(&mut self, now: Instant, video: usize, publication: &Publication) {
        let Some(wanted) = self.worth_trying(now, video, publication) else {
            return self.probe.put_off(now);
        };
        if !self.senders.get(video).is_some_and(Sender::can_pad) {
            // The layer itself is the try, and a rise that is taken back is not repeated soon.
            // One that is awaited is to be seen first.
            let is_told = self.awaited.is_none() && self.bandwidth.is_fine_since(self.climb.settled());
            if is_told && self.climb.may_rise(now, self.bandwidth.estimate()) {
                self.bandwidth.assume(now, wanted * ASSUMED / 100);
            }
            return self.probe.put_off(now);
        }
        let wanted = wanted * PROBE_MARGIN / 100;
        match self.bandwidth.trial(now) {
            Trial::None => self.probe.put_off(now),
            Trial::Short => {
                let bitrate = wanted.min(self.bandwidth.estimate() * PROBE_STEP / 100);
                let jitter = self.bandwidth.jitter();
                self.bandwidth.begin_probe();
                let sent = (self.stats.bytes, self.stats.packets);
                self.probe.start(now, bitrate, jitter, sent);
            }
            Trial::Brief(sent) => {
                let bitrate = wanted.min(self.probe.may_reach(self.bandwidth.estimate()));
                let bytes = self.stats.bytes;
                self.bandwidth.begin_brief_probe(now, bitrate, bytes);
                self.probe.start_briefly(now, sent, bitrate, bytes);
            }
            Trial::Long(sent) => {
                let bitrate = wanted.min(self.probe.may_reach(sent));
                let ends = self.probe.start_slowly(now, sent, bitrate, self.stats.bytes);
                self.bandwidth.begin_long_probe(bitrate, ends);
                self.reports.restart(now);
            }
        }
    }

    /// Bits per second that the layer above needs, where there is one for which the line has not shown the room, or the very
    /// picture of which only stills are shown.
    fn worth_trying(&self, now: Instant, video: usize, publication: &Publication) -> Option<u64> {
        let sender = self.senders.get(video)?;
        if self.bandwidth.trial(now) == Trial::None {
            return None;
        }
        if sender.is_behind() {
            // Where there is nothing smaller it shows stills, and the little that they are proves nothing. Who shares the line
            // would pay for tries that come soon.
            let wanted = self.beside(publication).with(self.rate(publication)?);
            return (self.bandwidth.is_idle(now) && wanted > self.bandwidth.estimate()).then_some(wanted);
        }
        // While a layer's keyframe is awaited, too: by then there may be room for one more.
        let track = publication.track(MediaKind::Video)?;
        let current = sender.encoding().and_then(|id| sender::find(publication, id))?;
        let line = self.line(now, publication);
        let had = (current, sender.cut.wanted());
        select::above(now, track, &sender.media, self.limit, had, line).1
    }
}
