//! What a viewer says about the media it gets.

use std::time::Instant;

use super::{KEYFRAME_REPEAT, REPORT, Tools, Viewer};
use crate::engine::rtcp;
use crate::measure::Counter;

impl Viewer {
    /// Receiver reports, transport-wide feedback, NACKs and PLIs: what is due, in one datagram.
    pub(super) fn feedback(&mut self, now: Instant, tools: &mut Tools<'_>) {
        let (Some(agreed), Some(server)) = (&self.agreed, self.ice.selected()) else {
            return;
        };
        let (has_nack, has_pli, may_be_alone) = (agreed.has_nack, agreed.has_pli, agreed.has_reduced_size);
        let mut compound = std::mem::take(tools.report);
        let is_report = self.report <= now;
        if is_report {
            self.report = now + REPORT;
            let blocks: Vec<_> = self.streams.iter_mut().map(|stream| stream.block(now)).collect();
            rtcp::receiver_report(self.ssrc, &blocks, &mut compound);
        } else if !may_be_alone {
            rtcp::receiver_report(self.ssrc, &[], &mut compound);
        }
        let without = if is_report { 0 } else { compound.len() };
        let about = self.streams.last().map_or(0, |stream| stream.ssrc);
        if self.feedback.is_some_and(|planned| planned <= now) {
            self.feedback = None;
            self.arrivals.write(self.ssrc, about, &mut compound);
        }
        let round_trip = self.ice.round_trip().unwrap_or_default();
        let mut due = Vec::new();
        for place in 0..self.streams.len() {
            let Some(stream) = self.streams.get_mut(place) else {
                break;
            };
            let (ssrc, arrivals) = (stream.ssrc, &stream.arrivals);
            let Some(watched) = stream.watched.as_deref_mut() else {
                continue;
            };
            let gave_up = watched.holes.give_up(now);
            watched.holes.due(now, round_trip, &mut due);
            if has_nack && !due.is_empty() {
                rtcp::nack(self.ssrc, ssrc, &due, &mut compound);
                tools.tally.add(Counter::Nacks, due.len() as u64);
            }
            let progress = if gave_up {
                watched.pictures.advance(arrivals, &mut watched.holes, now)
            } else {
                Default::default()
            };
            let is_stuck = watched.pictures.needs_keyframe() && arrivals.highest().is_some();
            let is_time = watched.asked.is_none_or(|asked| now >= asked + KEYFRAME_REPEAT);
            if has_pli && is_stuck && is_time && is_report {
                watched.asked = Some(now);
                rtcp::pli(self.ssrc, ssrc, &mut compound);
                tools.tally.add(Counter::Plis, 1);
            }
            self.progressed(progress.frames, progress.froze, now, tools);
        }
        let has_news = compound.len() > without;
        if has_news
            && self
                .keys
                .as_mut()
                .is_some_and(|keys| keys.seal_rtcp(&mut compound))
        {
            tools.outbox.push(self.id, server, &compound);
        }
        compound.clear();
        *tools.report = compound;
    }
}
