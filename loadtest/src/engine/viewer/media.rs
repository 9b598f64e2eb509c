//! What a viewer does with media that arrives.

use std::time::{Duration, Instant};

use super::{FEEDBACK, Moment, SETTLED, Tools, Viewer, count_freeze};
use crate::clip::{keyframe, size};
use crate::engine::answer::Format;
use crate::engine::arrivals::{Arrival, unroll};
use crate::engine::rtcp::{self, SenderReport};
use crate::engine::rtp::{self, Head};
use crate::engine::stream::Stream;
use crate::measure::{Counter, Timing};
use crate::publish::stamp::Stamp;

impl Viewer {
    pub(super) fn rtcp(&mut self, now: Instant, datagram: &mut [u8], tools: &mut Tools<'_>) {
        let Some(keys) = &mut self.keys else {
            return;
        };
        let Some(compound) = keys.open_rtcp(datagram) else {
            return tools.tally.add(Counter::NotAuthentic, 1);
        };
        let streams = &mut self.streams;
        rtcp::read(compound, |SenderReport { ssrc, time }| {
            if let Some(stream) = streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
                stream.on_report(time, now);
            }
        });
    }

    /// Whether the viewer's next time may be another.
    pub(super) fn rtp(&mut self, moment: Moment, datagram: &mut [u8], tools: &mut Tools<'_>) -> bool {
        let Some(head) = Head::parse(datagram, self.transport_id) else {
            return false;
        };
        let Some(place) = self.stream(&head) else {
            return false;
        };
        let len = datagram.len() as u64;
        let Some(payload) = self.open(place, &head, datagram, tools) else {
            tools.tally.add(Counter::NotAuthentic, 1);
            return false;
        };
        tools.tally.add(Counter::Packets, 1);
        tools.tally.add(Counter::Bytes, len);
        self.story.packets += 1;
        self.story.bytes += len;
        let planned = self.feedback;
        if let Some(sequence) = head.transport_sequence {
            let is_full = self.arrivals.note(sequence, moment.at);
            let when = if is_full { moment.at } else { moment.at + FEEDBACK };
            self.feedback = Some(self.feedback.map_or(when, |planned| planned.min(when)));
        }
        if self.story.first_packet_ms.is_none() {
            self.story.first_packet_ms = self.milestone(Timing::FirstPacket, moment.at, tools);
        }
        let Some(stream) = self.streams.get_mut(place) else {
            return false;
        };
        let since_posted = moment.at.saturating_duration_since(self.posted);
        let arrival = stream.receive(&head, since_posted);
        if moment.is_held_back {
            // What came of it is ours: out of order, or too late because it was sent again meanwhile.
            let counts = &mut stream.arrivals.counts;
            match arrival {
                Arrival::Behind(_) => counts.reordered -= 1,
                Arrival::Duplicate => counts.duplicates -= 1,
                _ => {}
            }
            tools.tally.add(Counter::InjectedReordered, 1);
        }
        let is_sound = matches!(stream.format, Format::Sound(_));
        match (stream.format, arrival) {
            (_, Arrival::Duplicate | Arrival::Stray) => {}
            (Format::Sound(_), _) => self.stamp(payload, moment, tools),
            (Format::Picture(_), _) => {
                self.stamp(payload, moment, tools);
                self.picture(place, &head, arrival, payload, moment.at, tools);
            }
            (Format::Repair, _) => self.repair(&head, payload, moment, tools),
        }
        self.feedback != planned || (!is_sound && self.has_holes())
    }

    fn has_holes(&self) -> bool {
        let watched = self.streams.iter().filter_map(|stream| stream.watched.as_deref());
        watched
            .map(|watched| &watched.holes)
            .any(|holes| holes.first().is_some())
    }

    /// The time on the way, where the payload says when it left. What a server keeps for those who join is old by
    /// design: it does not count.
    fn stamp(&mut self, payload: Option<&[u8]>, moment: Moment, tools: &mut Tools<'_>) {
        let is_settled = self.watching.is_some_and(|since| moment.at > since + SETTLED);
        if let Some(stamp) = payload.filter(|_| is_settled).and_then(Stamp::read) {
            let took = Duration::from_micros(moment.unix_us.saturating_sub(stamp.sent_us));
            let at = tools.since_begin(moment.at);
            tools.tally.time(at, Timing::OneWay, took);
        }
    }

    /// The place of a packet's stream, which is new when the server began another.
    pub(super) fn stream(&mut self, head: &Head) -> Option<usize> {
        let ssrcs = self.ssrcs.iter().take(self.streams.len());
        let known = ssrcs.into_iter().position(|ssrc| *ssrc == head.ssrc);
        if let Some(place) = known
            && self.streams.get(place)?.payload_type == head.payload_type
        {
            return Some(place);
        }
        let format = *self.agreed.as_ref()?.formats.get(&head.payload_type)?;
        if let Some(place) = known {
            // Another codec on the same stream: the numbers go on.
            let stream = self.streams.get_mut(place)?;
            (stream.payload_type, stream.format) = (head.payload_type, format);
            return Some(place);
        }
        *self.ssrcs.get_mut(self.streams.len())? = head.ssrc;
        self.streams.push(Stream::new(head, format));
        Some(self.streams.len() - 1)
    }

    /// Authenticates and decrypts, where this packet is looked into: the first of each picture, all while a keyframe or
    /// anything missing is waited for, repairs, and everything when it inspects: the outer `None` when it is not authentic,
    /// the inner one when it was not looked into or holds nothing.
    fn open<'a>(
        &mut self,
        place: usize,
        head: &Head,
        datagram: &'a mut [u8],
        tools: &mut Tools<'_>,
    ) -> Option<Option<&'a [u8]>> {
        let (Some(keys), Some(stream)) = (&mut self.keys, self.streams.get_mut(place)) else {
            return Some(None);
        };
        let watched = stream.watched.as_deref();
        let number = stream
            .arrivals
            .highest()
            .map(|highest| unroll(highest, head.sequence));
        // With a hole open, the packet that would tell where a picture begins may be the missing one.
        let tells = watched.is_some_and(|watched| {
            watched.pictures.needs_keyframe()
                || watched.holes.first().is_some()
                || watched.pictures.begins_with(number)
        });
        if !(self.role.name.inspects || tells || stream.format == Format::Repair) {
            return Some(None);
        }
        let index = stream
            .opened
            .map_or(head.sequence.into(), |last| unroll(last, head.sequence));
        let opened = keys.open_rtp(head, (index >> 16) as u32, datagram)?;
        stream.opened = Some(stream.opened.map_or(index, |last| last.max(index)));
        tools.tally.add(Counter::Inspected, 1);
        let payload = rtp::without_padding(opened, head.has_padding);
        Some(payload.filter(|payload| !payload.is_empty()))
    }

    /// A retransmission (RFC 4588 §4): the number it repeats, then the payload. Probes repeat what nobody misses.
    fn repair(&mut self, head: &Head, payload: Option<&[u8]>, moment: Moment, tools: &mut Tools<'_>) {
        let Some([s0, s1, payload @ ..]) = payload else {
            return;
        };
        // The newest picture stream: one is played at a time.
        let Some(place) = self.streams.iter().rposition(|stream| stream.watched.is_some()) else {
            return;
        };
        let Some(stream) = self.streams.get_mut(place) else {
            return;
        };
        let Some(number) = stream.arrivals.repair(u16::from_be_bytes([*s0, *s1])) else {
            return;
        };
        if let Some(watched) = &mut stream.watched {
            watched.holes.close(number);
        }
        tools.tally.add(Counter::Repaired, 1);
        self.story.repaired += 1;
        self.stamp(Some(payload), moment, tools);
        self.show(place, number, head.marker, Some(payload), moment.at, tools);
    }

    fn picture(
        &mut self,
        place: usize,
        head: &Head,
        arrival: Arrival,
        payload: Option<&[u8]>,
        now: Instant,
        tools: &mut Tools<'_>,
    ) {
        let Some(stream) = self.streams.get_mut(place) else {
            return;
        };
        let Some(watched) = stream.watched.as_deref_mut() else {
            return;
        };
        let number = match arrival {
            Arrival::Begin(number) => {
                watched.pictures.restart();
                watched.holes.clear();
                number
            }
            Arrival::Ahead { number, expected } => {
                if number > expected && !watched.holes.open(expected..number, now) {
                    tracing::debug!(gap = number - expected, "too much is missing to ask for it");
                }
                number
            }
            Arrival::Behind(number) => {
                watched.holes.close(number);
                number
            }
            Arrival::Duplicate | Arrival::Stray => return,
        };
        self.show(place, number, head.marker, payload, now, tools);
    }

    /// A packet of the picture is there, one way or the other.
    fn show(
        &mut self,
        place: usize,
        number: u64,
        marker: bool,
        payload: Option<&[u8]>,
        now: Instant,
        tools: &mut Tools<'_>,
    ) {
        let Some(stream) = self.streams.get_mut(place) else {
            return;
        };
        let (Format::Picture(codec), Some(watched)) = (stream.format, stream.watched.as_deref_mut()) else {
            return;
        };
        watched.pictures.mark(number, marker);
        let begins = payload.filter(|payload| keyframe::in_payload(codec, payload));
        if let Some(payload) = begins {
            watched.pictures.keyframe(number);
            if let Some((_, height)) = size::of_keyframe(codec, payload) {
                if watched.height != 0 && watched.height != height {
                    tools.tally.add(Counter::LayerSwitches, 1);
                    self.story.layer_switches += 1;
                }
                watched.height = height;
            }
        }
        let progress = watched
            .pictures
            .advance(&stream.arrivals, &mut watched.holes, now);
        if begins.is_some() {
            tools.tally.add(Counter::Keyframes, 1);
            if self.story.first_keyframe_ms.is_none() {
                self.story.first_keyframe_ms = self.milestone(Timing::FirstKeyframe, now, tools);
            }
        }
        self.progressed(progress.frames, progress.froze, now, tools);
    }

    pub(super) fn progressed(
        &mut self,
        frames: u64,
        froze: Option<Duration>,
        now: Instant,
        tools: &mut Tools<'_>,
    ) {
        if frames == 0 {
            return;
        }
        tools.tally.add(Counter::Frames, frames);
        self.story.frames += frames;
        if let Some(still) = froze {
            count_freeze(&mut self.story, still, tools.begin, now, tools.tally);
        }
        if self.watching.is_none() {
            self.watching = Some(now);
            tools.tally.add(Counter::Watching, 1);
            self.story.first_picture_ms = self.milestone(Timing::FirstPicture, now, tools);
        }
    }
}
