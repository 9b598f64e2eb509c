//! One stream toward a viewer: where it is in which encoding, and how packets leave.

mod line;
mod redundancy;
mod rtx;
mod standstill;
mod times;
mod writing;

use std::time::{Duration, Instant};

use super::RtpSink;
use super::burst::{Appetite, Burst};
use super::clock::{SourceClock, live_edge};
use super::completion::Completion;
use super::cut::{Cut, Passage};
use super::descriptor::{Lead, Pictures};
use super::header::Fields;
use super::pace::Pace;
use super::repair::Repairs;
use super::segments::Segments;
use super::select::usual_rate_of;
use crate::media::{Encoding, History, Publication, StoredPacket};
use crate::negotiation::{Codec, ExtensionMap, MediaKind, Payload, SentMedia};
use crate::relay::EncodingId;
pub(super) use line::{Line, Progress};
use standstill::{Course, Standstill};
use times::Times;

/// Packets of one stream sent in one go at most: a viewer that fell behind must not hold up the others.
const MAX_AT_ONCE: usize = 256;

/// On a full line, what nothing is built upon is left out where it would come later than this.
const LATE: Duration = Duration::from_millis(150);

/// Where a stream is in an encoding's history.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    encoding: EncodingId,
    position: u64,
    /// The next packet begins a new segment.
    is_fresh: bool,
}

/// One stream toward a viewer.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) media: SentMedia,
    segments: Segments,
    cursor: Option<Cursor>,
    burst: Option<Burst>,
    standstill: Standstill,
    pub(super) cut: Cut,
    pictures: Pictures,
    times: Times,
    pub(super) repairs: Repairs,
    /// What is missing of pictures that others of several spatial layers are built upon.
    completion: Completion,
    rtx_sequence: u16,
    /// The viewer has our SSRC by now: no need to name its m-section.
    is_known: bool,
    /// The same for repairs, by themselves: Firefox drops an SSRC that never named its m-section when another one did.
    are_repairs_known: bool,
    /// What is agreed for the codec on the air.
    payload: Option<(Codec, Payload)>,
    /// Sound with redundancy is left as it is.
    wants_redundancy: bool,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Sender {
    pub(super) fn new(media: SentMedia, seed: u64, now: Instant) -> Sender {
        Sender {
            media,
            segments: Segments::new(seed as u16),
            cursor: None,
            burst: None,
            standstill: Standstill::default(),
            cut: Cut::new(),
            pictures: Pictures::default(),
            times: Times::new((seed >> 16) as u32),
            repairs: Repairs::new(now),
            completion: Completion::new(now),
            rtx_sequence: (seed >> 48) as u16,
            is_known: false,
            are_repairs_known: false,
            payload: None,
            wants_redundancy: false,
            packets: 0,
            octets: 0,
        }
    }

    /// The encoding it is in.
    pub(super) fn encoding(&self) -> Option<EncodingId> {
        self.cursor.map(|cursor| cursor.encoding)
    }

    /// The publication is gone; numbers and times go on with the next one.
    pub(super) fn detach(&mut self) {
        self.cursor = None;
        self.burst = None;
        self.completion.forget();
        self.segments.forget();
    }

    /// Goes on at the live edge of an encoding.
    pub(super) fn enter_live(&mut self, encoding: &Encoding) {
        self.enter(encoding, encoding.history.end());
        self.burst = None;
    }

    /// Goes on at the cached keyframe of an encoding, as far and as fast as it may. Nothing where there is none.
    pub(super) fn enter_cached(&mut self, now: Instant, encoding: &Encoding, pace: Pace, appetite: Appetite) {
        let history = &encoding.history;
        if let Some(position) = history.keyframe()
            && let Some(keyframe) = history.get(position)
        {
            // What is missing of the pictures before is not needed any more.
            self.repairs.forget();
            self.completion.forget();
            self.enter(encoding, position);
            // A stream that has only begun has no rate to pace by, and little to catch up with: who waited for it goes with
            // it as it comes. Paced by a guess he would fall behind a large first keyframe, and stand still until the next.
            let group = history.group_bytes(self.cut.wanted().spatial);
            let burst = || Burst::new(now, pace, appetite, keyframe.timestamp, group);
            self.burst = (encoding.bitrate() > 0).then(burst);
        }
    }

    fn enter(&mut self, encoding: &Encoding, position: u64) {
        self.standstill.forget_waiting();
        self.cursor = Some(Cursor {
            encoding: encoding.id,
            position,
            is_fresh: true,
        });
    }

    pub(super) fn is_behind(&self) -> bool {
        self.burst.is_some()
    }

    /// It shows a still, or soon will.
    pub(super) fn awaits_keyframe(&self) -> bool {
        self.burst.as_ref().is_some_and(Burst::awaits_keyframe)
    }

    /// Whether a new keyframe would help it on, and what it would take of a thin line is not too much.
    pub(super) fn hopes_for_keyframe(&self, now: Instant, history: &History) -> bool {
        let newest = history.keyframe().and_then(|position| history.get(position));
        self.burst.as_ref().is_some_and(|burst| {
            burst.awaits_keyframe() && newest.is_none_or(|newest| burst.may_ask(now, newest.arrival))
        })
    }

    /// When a viewer that is behind wants more.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let burst = self.burst.as_ref().and_then(Burst::next);
        [burst, self.completion.deadline()].into_iter().flatten().min()
    }

    /// The viewer reports on what comes under an SSRC; false when that is none of this stream.
    pub(super) fn confirm(&mut self, ssrc: u32) -> bool {
        let (is_media, is_repair) = (ssrc == self.media.ssrc, ssrc == self.media.rtx_ssrc);
        self.is_known |= is_media;
        self.are_repairs_known |= is_repair;
        is_media || is_repair
    }

    /// Sends what is there.
    pub(super) fn forward<S: RtpSink>(
        &mut self,
        publication: &Publication,
        line: &mut Line<'_, S>,
    ) -> Progress {
        let Some(mut cursor) = self.cursor else {
            return Progress::Good;
        };
        let Some(encoding) = find(publication, cursor.encoding) else {
            return Progress::Lost;
        };
        let history = &encoding.history;
        let wanted = self.cut.wanted();
        let group_bytes = || history.group_bytes(wanted.spatial);
        let mut progress = Progress::Good;
        if let Some(limit) = line.limit
            && self.completion.is_busy()
        {
            // What follows is not shown before, and would fill the line.
            let burst = || Burst::below(line.now, Pace::of_full_line(limit));
            if self.burst.get_or_insert_with(burst).waits_on(line.now) {
                return progress;
            }
        }
        if let Some(burst) = &mut self.burst {
            burst.wait(line.now, line.backlog);
            let pace = burst.is_live().then(|| self.keyframe_pace(encoding, line));
            if let Some(pace) = pace {
                // What the line brings, and what is sent of the encoding, may have changed since the keyframe began.
                self.burst = pace.and_then(|pace| self.burst.map(|burst| burst.at_pace(pace)));
            }
        }
        // Nor faster than a thin line brings it, once that is known.
        let limit = match (&self.burst, line.limit) {
            (Some(_), None) => self.keyframe_pace(encoding, line).and_then(|pace| pace.limit),
            (_, limit) => limit,
        };
        if let Some(burst) = &mut self.burst
            && burst.limit(line.now, limit, line.room, group_bytes())
        {
            progress = Progress::NeedsKeyframe(cursor.encoding);
        }
        let may_stop =
            || self.burst.as_ref().is_none_or(Burst::goes_on) && !self.is_amid(history.get(cursor.position));
        if self.media.kind == MediaKind::Video
            && (self.standstill.waits() || line.stop.is_some() && may_stop())
        {
            let track = publication.track(MediaKind::Video);
            let has_better = track.is_some_and(|track| track.encodings.len() > 1);
            match self.standstill.course(line.now, line.stop, has_better) {
                Course::Goes => {}
                Course::Waits => {
                    line.bandwidth.expect_less(line.now);
                    return progress;
                }
                Course::GoesOn(bitrate) => self.burst = Some(Burst::go_on(line.now, bitrate)),
                Course::Stops(bitrate) => self.burst = Some(Burst::pause(line.now, bitrate)),
            }
        }
        let is_live = self.burst.as_ref().is_none_or(Burst::is_live);
        if line.holds && is_live && self.media.kind == MediaKind::Video {
            return progress;
        }
        let is_late = self.cut.is_layered() && line.limit.is_some() && line.backlog > LATE;
        for _ in 0..MAX_AT_ONCE {
            // Whoever is behind skips to the newest picture a decoder can start with, but ends the one it has begun: where
            // others keep asking for new ones it would never have a whole one.
            if self.burst.is_some()
                && let Some(position) = history.keyframe().filter(|&position| position > cursor.position)
                && !self.is_amid(history.get(cursor.position))
                && let Some(keyframe) = history.get(position)
                && let Some(burst) = &mut self.burst
            {
                burst.begin(line.now, keyframe.timestamp, group_bytes());
                cursor.position = position;
                cursor.is_fresh = true;
            }
            if cursor.position < history.start() {
                if self.awaits_keyframe() {
                    break;
                }
                return Progress::Lost;
            }
            // A frame's first packets are on the way of a full line while the others still come.
            let packet = if line.limit.is_some() {
                history.get(cursor.position)
            } else {
                history.ready(cursor.position)
            };
            let Some(packet) = packet else {
                let is_over = |burst: &Burst| !burst.awaits_keyframe() && !burst.is_waiting(line.now);
                self.burst = self.burst.filter(|burst| !is_over(burst));
                break;
            };
            if self.cut.awaits_layer(packet) && history.is_newest(packet) {
                break;
            }
            let has_waited = line.now.saturating_duration_since(packet.arrival) > LATE;
            if is_late || (has_waited && self.burst.as_ref().is_some_and(Burst::is_below)) {
                self.cut.let_go();
            }
            if packet.keyframe_start
                && self.burst.is_none()
                && let Some(pace) = self.keyframe_pace(encoding, line)
            {
                let (picture, group) = (packet.timestamp, group_bytes());
                self.burst = Some(Burst::new(line.now, pace, Appetite::Live, picture, group));
            }
            if let Some(burst) = &self.burst
                && let Some(keyframe) = history.keyframe().and_then(|position| history.get(position))
                && burst.is_late(line.now, packet.arrival, keyframe.arrival)
            {
                progress = Progress::NeedsKeyframe(cursor.encoding);
            }
            if let Some(burst) = &mut self.burst {
                if line.awaits_answer && burst.may_wait(packet.timestamp) {
                    burst.rest(line.now);
                    break;
                }
                if !burst.take(line.now, packet.timestamp, packet.bytes.len()) {
                    break;
                }
            }
            let sent = line.stats.packets;
            if !self.send(publication, encoding, &mut cursor, packet, line) {
                line.stats.dropped += 1;
            }
            if line.stats.packets == sent
                && let Some(burst) = &mut self.burst
            {
                burst.give_back(packet.bytes.len());
            }
            cursor.position += 1;
        }
        self.cursor = Some(cursor);
        progress
    }

    /// Whether a keyframe has begun to leave, and what comes next is more of it.
    pub(super) fn is_amid_keyframe(&self, history: &History) -> bool {
        let next = self.cursor.and_then(|cursor| history.get(cursor.position));
        self.is_amid(next)
    }

    /// When the keyframe began to leave that is not through yet.
    pub(super) fn began_keyframe(&self, history: &History) -> Option<Instant> {
        let burst = self.burst.as_ref().filter(|_| self.is_amid_keyframe(history))?;
        Some(burst.began())
    }

    /// Bytes that are left of a keyframe that has begun to leave, as far as they have come.
    pub(super) fn left_of_keyframe(&self, history: &History) -> Option<u64> {
        let cursor = self.cursor.filter(|_| self.is_amid_keyframe(history))?;
        let timestamp = history.get(cursor.position)?.timestamp;
        let packets = (cursor.position..history.end()).map_while(|position| history.get(position));
        let rest = packets.take_while(|packet| packet.timestamp == timestamp);
        Some(rest.map(|packet| packet.bytes.len() as u64).sum())
    }

    fn is_amid(&self, next: Option<&StoredPacket>) -> bool {
        let burst = self.burst.as_ref();
        burst.is_some_and(|burst| next.is_some_and(|packet| burst.is_amid_keyframe(packet.timestamp)))
    }

    /// Its line was too thin for it, and it has not come to the live edge again.
    pub(super) fn is_thin(&self) -> bool {
        self.burst.as_ref().is_some_and(Burst::is_thin)
    }

    /// How fast a live keyframe may leave, on a line that is thin for it.
    fn keyframe_pace<S: RtpSink>(&self, encoding: &Encoding, line: &Line<'_, S>) -> Option<Pace> {
        Pace::of_keyframe(
            line.bandwidth.brings()?,
            usual_rate_of(encoding, self.cut.wanted()),
        )
    }

    fn send<S: RtpSink>(
        &mut self,
        publication: &Publication,
        encoding: &Encoding,
        cursor: &mut Cursor,
        packet: &StoredPacket,
        line: &mut Line<'_, S>,
    ) -> bool {
        let Some(payload) = self.payload_for(packet.codec) else {
            return false;
        };
        if std::mem::take(&mut cursor.is_fresh) {
            let before = self.segments.current();
            let offset = self.times.offset(publication, encoding, before, packet, line.now);
            let pictures = self.pictures.follow_with(packet);
            self.segments
                .begin(cursor.encoding, packet.sequence, offset, pictures);
            self.cut.begin(packet.sequence);
            self.times.go_on_with(packet);
        }
        if self.cut.pass(packet) == Passage::LeftOut {
            return true;
        }
        if let Some((packets, pictures)) = self.cut.take_left_out()
            && let Some(current) = self.segments.current()
        {
            let pictures = current.pictures.without(pictures, packet);
            self.segments.leave_out(packet.sequence, packets, pictures);
        }
        let Some(&segment) = self.segments.of(cursor.encoding, packet.sequence) else {
            // It belongs before the place where this viewer entered.
            return true;
        };
        let Some(sequence) = segment.out_sequence(packet.sequence) else {
            return true;
        };
        let is_behind = self.is_behind();
        let timestamp = (self.times).stamp(
            &mut self.segments,
            encoding,
            &segment,
            packet,
            is_behind,
            line.now,
        );
        self.segments.used(sequence);
        self.pictures.sent(packet, segment.pictures);
        let fields = Fields {
            payload_type: payload.payload_type,
            marker: self.cut.ends_picture(packet, &encoding.history),
            // A publisher's packet of padding only keeps its place: a hole would be asked for.
            padding: if packet.payload().is_empty() {
                1
            } else {
                packet.padding
            },
            sequence: sequence as u16,
            timestamp,
            ssrc: self.media.ssrc,
        };
        let publisher = publishers_extensions(publication, segment.encoding);
        let sent = self.write(fields, &segment, packet, publisher, Lead::new(), line);
        if self.cut.is_layered()
            && packet.temporal == 0
            && let Some(flight) = line.bandwidth.newest()
        {
            self.completion.leaves(line.now, sequence as u16, flight);
        }
        if sent {
            self.packets = self.packets.wrapping_add(1);
            let octets = packet.payload().len() - self.left_behind(packet);
            self.octets = self.octets.wrapping_add(octets as u32);
        }
        sent
    }

    fn payload_for(&mut self, codec: Codec) -> Option<Payload> {
        if let Some((known, payload)) = self.payload
            && known == codec
        {
            return Some(payload);
        }
        let payload = *self.media.payload_for(self.sound_as(codec))?;
        self.payload = Some((codec, payload));
        Some(payload)
    }

    /// Our timestamp of `now`, for a sender report; `None` before the first packet.
    pub(super) fn timestamp_now(
        &self,
        publication: &Publication,
        clock: Option<SourceClock>,
        now: Instant,
    ) -> Option<u32> {
        let segment = self.segments.current()?;
        let encoding = find(publication, segment.encoding)?;
        let source = match clock {
            Some(clock) => clock.rtp(encoding, now)?,
            None => live_edge(encoding, now)?,
        };
        Some(source.wrapping_add(segment.timestamp_offset))
    }

    /// Whether the publisher has told the wall clock of the encoding in use.
    pub(super) fn has_clock(&self, publication: &Publication) -> bool {
        let segment = self.segments.current();
        let encoding = segment.and_then(|segment| find(publication, segment.encoding));
        encoding.is_none_or(|encoding| encoding.report().is_some())
    }
}

/// An encoding of a publication.
pub(super) fn find(publication: &Publication, id: EncodingId) -> Option<&Encoding> {
    publication.encoding(id)
}

fn publishers_extensions(publication: &Publication, id: EncodingId) -> Option<&ExtensionMap> {
    Some(&publication.media().get(usize::from(id.section))?.extensions)
}
