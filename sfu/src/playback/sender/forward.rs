//! What of a stream leaves now, and how fast.

use std::time::{Duration, Instant};

use super::super::RtpSink;
use super::super::burst::{Appetite, Burst};
use super::super::cut::Passage;
use super::super::descriptor::Lead;
use super::super::header::Fields;
use super::super::pace::Pace;
use super::standstill::Course;
use super::writing::publishers_extensions;
use super::{Cursor, Line, Progress, Sender, find};
use crate::media::{Encoding, History, Publication, StoredPacket};
use crate::negotiation::MediaKind;

/// Packets of one stream sent in one go at most: a viewer that fell behind must not hold up the others.
const MAX_AT_ONCE: usize = 256;

/// On a full line, what nothing is built upon is left out where it would come later than this.
const LATE: Duration = Duration::from_millis(150);

/// Behind so much of a full line no more of a live keyframe leaves, where there is a smaller picture: the line is busy with what it
/// has, and drops what is too much.
const AHEAD: Duration = Duration::from_millis(200);

impl Sender {
    /// Sends what is there.
    pub(in crate::playback) fn forward<S: RtpSink>(
        &mut self,
        publication: &Publication,
        line: &mut Line<'_, S>,
    ) -> Progress {
        let Some(cursor) = self.cursor else {
            return Progress::Good;
        };
        let Some(encoding) = find(publication, cursor.encoding) else {
            return Progress::Lost;
        };
        if self.awaits_repairs(line) {
            return Progress::Good;
        }
        let paced = self.adjust_pace(encoding, line);
        if self.media.kind == MediaKind::Video && self.stands_still(publication, &encoding.history, line) {
            return paced;
        }
        match self.send_ready(publication, encoding, cursor, line) {
            Progress::Good => paced,
            other => other,
        }
    }

    /// Whether something is missing of a picture that others are built upon, on a full line: what follows is not shown
    /// before, and would fill the line.
    fn awaits_repairs<S: RtpSink>(&mut self, line: &Line<'_, S>) -> bool {
        let Some(limit) = line.limit.filter(|_| self.completion.is_busy()) else {
            return false;
        };
        let burst = || Burst::below(line.now, Pace::of_full_line(limit));
        self.burst.get_or_insert_with(burst).waits_on(line.now)
    }

    /// Who is behind goes as fast as the line brings it now.
    fn adjust_pace<S: RtpSink>(&mut self, encoding: &Encoding, line: &Line<'_, S>) -> Progress {
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
        let spatial = self.cut.wanted().spatial;
        if let Some(burst) = &mut self.burst
            && burst.limit(line.now, limit, line.room, encoding.history.group_bytes(spatial))
        {
            return Progress::NeedsKeyframe(encoding.id);
        }
        Progress::Good
    }

    /// Whether nothing of the picture leaves now: the line is full and there is nothing smaller, or a large picture is
    /// held up on its way.
    fn stands_still<S: RtpSink>(
        &mut self,
        publication: &Publication,
        history: &History,
        line: &mut Line<'_, S>,
    ) -> bool {
        let may_stop = || self.burst.as_ref().is_none_or(Burst::goes_on) && !self.is_amid_keyframe(history);
        if self.standstill.waits() || line.stop.is_some() && may_stop() {
            match (self.standstill).course(line.now, line.stop, self.is_of_several(publication)) {
                Course::Goes => {}
                Course::Waits => {
                    line.bandwidth.expect_less(line.now);
                    return true;
                }
                Course::GoesOn(bitrate) => self.burst = Some(Burst::go_on(line.now, bitrate)),
                Course::Stops(bitrate) => self.burst = Some(Burst::pause(line.now, bitrate)),
            }
        }
        line.holds && self.burst.as_ref().is_none_or(Burst::is_live)
    }

    /// Whether its track has other encodings, smaller or better ones.
    fn is_of_several(&self, publication: &Publication) -> bool {
        let track = publication.track(self.media.kind);
        track.is_some_and(|track| track.encodings.len() > 1)
    }

    /// Sends from the cursor on what has come and what its pace allows.
    fn send_ready<S: RtpSink>(
        &mut self,
        publication: &Publication,
        encoding: &Encoding,
        mut cursor: Cursor,
        line: &mut Line<'_, S>,
    ) -> Progress {
        let history = &encoding.history;
        let mut progress = Progress::Good;
        let is_deep = line.limit.is_some() && line.backlog > AHEAD && self.is_of_several(publication);
        let is_late = self.cut.is_layered() && line.limit.is_some() && line.backlog > LATE;
        for _ in 0..MAX_AT_ONCE {
            if self.burst.is_some() {
                self.skip(&mut cursor, history, line.now);
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
            let has_waited = || line.now.saturating_duration_since(packet.arrival) > LATE;
            if is_late || (self.burst.as_ref().is_some_and(Burst::is_below) && has_waited()) {
                self.cut.let_go();
            }
            self.slow_down_for(encoding, packet, line);
            if let Some(burst) = &self.burst
                && let Some(keyframe) = history.keyframe().and_then(|position| history.get(position))
                && burst.is_late(line.now, packet.arrival, keyframe.arrival)
            {
                progress = Progress::NeedsKeyframe(cursor.encoding);
            }
            if !self.may_leave(packet, is_deep, line) {
                break;
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

    /// Whoever is behind skips to the newest picture a decoder can start with, but ends the one it has begun: where
    /// others keep asking for new ones it would never have a whole one.
    fn skip(&mut self, cursor: &mut Cursor, history: &History, now: Instant) {
        let spatial = self.cut.wanted().spatial;
        if let Some(position) = history.keyframe().filter(|&position| position > cursor.position)
            && !self.is_amid(history.get(cursor.position))
            && let Some(keyframe) = history.get(position)
            && let Some(burst) = &mut self.burst
        {
            burst.begin(now, keyframe.timestamp, history.group_bytes(spatial));
            cursor.position = position;
            cursor.is_fresh = true;
        }
    }

    /// A live keyframe that is large for its line is spread out.
    fn slow_down_for<S: RtpSink>(&mut self, encoding: &Encoding, packet: &StoredPacket, line: &Line<'_, S>) {
        if packet.keyframe_start
            && self.burst.is_none()
            && let Some(pace) = self.keyframe_pace(encoding, line)
        {
            let group = encoding.history.group_bytes(self.cut.wanted().spatial);
            self.burst = Some(Burst::new(
                line.now,
                pace,
                Appetite::Live,
                packet.timestamp,
                group,
            ));
        }
    }

    /// Whether its pace lets the packet leave now; then it is counted as sent.
    fn may_leave<S: RtpSink>(&mut self, packet: &StoredPacket, is_deep: bool, line: &Line<'_, S>) -> bool {
        let Some(burst) = &mut self.burst else {
            return true;
        };
        let awaits_answer = line.awaits_answer && burst.may_wait(packet.timestamp);
        if awaits_answer || is_deep && burst.is_live() {
            burst.rest(line.now);
            return false;
        }
        burst.take(line.now, packet.timestamp, packet.bytes.len())
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
        // Where an encoder began anew the viewer's numbers and times go on.
        let current = self.segments.current();
        let of_it = current.filter(|current| current.encoding == cursor.encoding);
        let began = of_it
            .map(|current| current.epoch)
            .filter(|&epoch| epoch != packet.epoch);
        let is_anew = began.is_some_and(|epoch| epoch.numbers != packet.epoch.numbers);
        let is_first = std::mem::take(&mut cursor.is_fresh) || is_anew;
        if is_first || began.is_some() {
            let offset = (self.times).offset(publication, encoding, current, packet, line.now);
            if is_first {
                let pictures = self.pictures.follow_with(packet);
                self.segments
                    .begin((cursor.encoding, packet.epoch), packet.sequence, offset, pictures);
                self.cut.begin(packet.sequence);
            } else {
                self.segments.change_clock(packet.sequence, packet.epoch, offset);
            }
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
            (line.bandwidth).note(line.now, self.media.kind, sequence as u16, line.stats.bytes);
            self.packets = self.packets.wrapping_add(1);
            let octets = packet.payload().len() - self.left_behind(packet);
            self.octets = self.octets.wrapping_add(octets as u32);
        }
        sent
    }
}
