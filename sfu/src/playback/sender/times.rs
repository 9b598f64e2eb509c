//! A stream's timestamps toward its viewer: over encodings, publishers and bursts they go on, and never back.

use std::time::{Duration, Instant};

use super::super::clock::{SourceClock, live_edge, shown_edge, ticks};
use super::super::segments::{Segment, Segments};
use super::{Sender, find};
use crate::media::{Encoding, Publication, StoredPacket};

/// Where a stream's clock is.
#[derive(Debug)]
pub(super) struct Times {
    /// The newest frame: the publisher's timestamp and ours.
    frame: Option<(u32, u32)>,
    /// Our clock at the live edge.
    anchor: Option<(Instant, u32)>,
    first: u32,
}

impl Times {
    pub(super) fn new(first: u32) -> Times {
        Times {
            frame: None,
            anchor: None,
            first,
        }
    }

    /// The next frame is this packet's, of whatever encoding.
    pub(super) fn go_on_with(&mut self, packet: &StoredPacket) {
        self.frame = self.frame.map(|(_, out)| (packet.timestamp.wrapping_sub(1), out));
    }

    /// The newest frame's timestamp.
    pub(super) fn newest(&self) -> Option<u32> {
        self.frame.map(|(_, out)| out)
    }

    /// What to add to an encoding's timestamps so that ours go on: over the publisher's wall clock where both
    /// encodings have told it, else by what arrives now.
    pub(super) fn offset(
        &self,
        publication: &Publication,
        encoding: &Encoding,
        before: Option<&Segment>,
        first: &StoredPacket,
        now: Instant,
    ) -> u32 {
        if let Some(before) = before
            && let Some(clock) = SourceClock::of(publication)
            && let Some(old) = find(publication, before.encoding).filter(|old| old.epoch() == before.epoch)
            && let Some(old) = clock.rtp(old, now)
            && let Some(new) = clock.rtp(encoding, now)
        {
            return old.wrapping_add(before.timestamp_offset).wrapping_sub(new);
        }
        let edge = live_edge(encoding, first.epoch, now).unwrap_or(first.timestamp);
        let ours = self.anchor.map_or(self.first, |(at, timestamp)| {
            let since = now.saturating_duration_since(at);
            timestamp.wrapping_add(ticks(since, first.codec.clock_rate()))
        });
        ours.wrapping_sub(edge)
    }

    /// The timestamp of a packet's frame. A frame that leaves late is stamped with the time it leaves, so that no
    /// player stays behind; nothing ever goes back.
    pub(super) fn stamp(
        &mut self,
        segments: &mut Segments,
        encoding: &Encoding,
        segment: &Segment,
        packet: &StoredPacket,
        is_behind: bool,
        now: Instant,
    ) -> u32 {
        let is_newer = |a: u32, b: u32| a != b && a.wrapping_sub(b) < 1 << 31;
        if let Some((newest, _)) = self.frame
            && !is_newer(packet.timestamp, newest)
        {
            return segments.stamp(segment, packet.timestamp);
        }
        let plain = packet.timestamp.wrapping_add(segment.timestamp_offset);
        let wanted = if is_behind {
            shown_edge(encoding, segment.epoch, now)
                .map_or(plain, |edge| edge.wrapping_add(segment.timestamp_offset))
        } else {
            plain
        };
        let out = match self.frame {
            // It was ahead: the clock goes slower until it is right again, for players take one that stands for another line's.
            Some((newest, last)) if !is_newer(wanted, last) => {
                let passed =
                    (self.anchor).map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(at));
                let passed = ticks(passed, packet.codec.clock_rate());
                let step = packet.timestamp.wrapping_sub(newest).min(passed) / 2;
                last.wrapping_add(step.max(1))
            }
            _ => wanted,
        };
        if out != plain {
            segments.set_stamp(segment, packet.timestamp, out);
        }
        self.frame = Some((packet.timestamp, out));
        let since = if is_behind { now } else { packet.arrival };
        self.anchor = Some((since, out));
        out
    }
}

impl Sender {
    /// Our timestamp of `now`, for a sender report; `None` before the first packet.
    pub(in crate::playback) fn timestamp_now(
        &self,
        publication: &Publication,
        clock: Option<SourceClock>,
        now: Instant,
    ) -> Option<u32> {
        let segment = self.segments.current()?;
        let encoding = find(publication, segment.encoding)?;
        let source = match clock.filter(|_| encoding.epoch() == segment.epoch) {
            Some(clock) => clock.rtp(encoding, now)?,
            None => live_edge(encoding, segment.epoch, now)?,
        };
        Some(source.wrapping_add(segment.timestamp_offset))
    }

    /// Whether the publisher's wall clock tells the time of the encoding in use.
    pub(in crate::playback) fn has_clock(
        &self,
        publication: &Publication,
        clock: SourceClock,
        now: Instant,
    ) -> bool {
        let segment = self.segments.current();
        let encoding = segment.and_then(|segment| find(publication, segment.encoding));
        encoding.is_none_or(|encoding| clock.rtp(encoding, now).is_some())
    }
}
