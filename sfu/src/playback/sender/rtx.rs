//! The stream of repairs (RTX, RFC 4588): packets sent again, and padding that shows whether the line carries more.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::super::RtpSink;
use super::super::burst::Burst;
use super::super::descriptor::Lead;
use super::super::header::Fields;
use super::super::pace::Pace;
use super::writing::publishers_extensions;
use super::{Line, Sender, find};
use crate::media::{Encoding, Publication, StoredPacket};
use crate::negotiation::Payload;

/// From these on repairs leave twice: they are as many as the packets lost, a few percent of the rate.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(100);
const NOTABLE_LOSS: f32 = 0.01;
/// Bytes of padding in one probing packet; what one byte of count can say, less the count itself.
const PADDING: u8 = 224;

/// What a line's queue holds, as time: of a large picture the rest is lost, mostly.
const QUEUE: Duration = Duration::from_millis(300);
/// What is believed to be lost is sent again when there is some room again.
const ROOM_AFTER: Duration = Duration::from_millis(60);
/// Packets looked at, back from the newest that left: more than a line's queue holds.
const MOST_LOOKED_AT: usize = 128;
/// A keyframe that is not known takes this at least.
const LEAST_KEYFRAME: u64 = 4 << 10;

impl Sender {
    /// Sends again what the viewer asked for. True when something is missing to it that is not sent again: browsers build on
    /// whole pictures only, and of those that were cut down on their way too much is missing.
    pub(in crate::playback) fn repair<S: RtpSink>(
        &mut self,
        publication: &Publication,
        round_trip: Duration,
        line: &mut Line<'_, S>,
    ) -> bool {
        if self.repairs.is_empty() && self.completion.is_empty() {
            return false;
        }
        let bandwidth = &line.bandwidth;
        self.completion
            .settle(line.now, line.limit.is_some(), round_trip, |number| {
                bandwidth.fate(number)
            });
        // A repair that is lost, too, costs another round trip: where that is long, a second one is worth more.
        let twice =
            line.limit.is_none() && round_trip >= LONG_ROUND_TRIP && line.bandwidth.loss() >= NOTABLE_LOSS;
        let estimate = line.bandwidth.estimate();
        let is_full = line.limit.is_some();
        let is_too_much = is_full && self.complete(publication, line.now);
        for number in self.repairs.take(line.now, round_trip, estimate, is_full, twice) {
            self.send_again(publication, number, line);
        }
        let rate = is_full.then(|| estimate.max(line.bandwidth.carries()) / 8 * 7);
        while let Some(number) = self.completion.take(line.now, rate) {
            self.send_again(publication, number, line);
            if twice {
                self.repairs.echo(line.now, number);
            }
        }
        is_too_much
    }

    /// On a full line what is missing of pictures that others of several spatial layers are built upon goes before all else,
    /// and by itself. True where that is too much: a keyframe, the other way to go on, is less.
    fn complete(&mut self, publication: &Publication, now: Instant) -> bool {
        let encoding = self.encoding().and_then(|id| find(publication, id));
        let Some(encoding) = encoding.filter(|_| self.cut.is_layered()) else {
            return false;
        };
        let mut missing = 0;
        let asked = self.repairs.waiting().filter(|number| {
            let packet = self.find_sent(encoding, *number);
            let packet = packet.filter(|packet| is_built_upon(encoding, packet));
            missing += packet.map_or(0, |packet| packet.bytes.len() as u64);
            packet.is_some()
        });
        let asked: SmallVec<[u16; 16]> = asked.collect();
        self.repairs.withdraw(&asked);
        self.completion.ask(now, &asked);
        let keyframe = encoding.history.keyframe_bytes(self.cut.wanted().spatial);
        missing > 2 * keyframe.max(LEAST_KEYFRAME)
    }

    /// The packet that went out under that number, if it is of this encoding and there is still one.
    fn find_sent<'p>(&self, encoding: &'p Encoding, number: u16) -> Option<&'p StoredPacket> {
        let (segment, sequence) = self.segments.find(number)?;
        let position = (segment.encoding == encoding.id).then(|| encoding.history.find(sequence))?;
        encoding.history.get(position?)
    }

    /// Fewer spatial layers go on behind all that is in the line, and what is likely to be lost of the last picture that had
    /// more and that others are built upon: its end, by as much as would wait for longer than queues are.
    pub(in crate::playback) fn go_on_below(
        &mut self,
        now: Instant,
        encoding: &Encoding,
        pace: Pace,
        (backlog, rate): (Duration, u64),
    ) {
        self.burst.get_or_insert_with(|| Burst::below(now, pace));
        let Some(cursor) = self.cursor else { return };
        let bytes_in = |time: Duration| rate / 8 * time.as_millis() as u64 / 1000;
        let history = &encoding.history;
        let mut excess = bytes_in(backlog.saturating_sub(QUEUE));
        let mut picture = None;
        let mut numbers: SmallVec<[u16; 16]> = SmallVec::new();
        for position in (history.start()..cursor.position).rev().take(MOST_LOOKED_AT) {
            let Some(packet) = history.get(position) else {
                break;
            };
            let Some(number) = self.number_of(encoding, packet) else {
                continue;
            };
            let is_of_picture = is_built_upon(encoding, packet);
            let was_larger = packet.spatial > self.cut.wanted().spatial;
            match picture {
                Some(timestamp) if timestamp != packet.timestamp => break,
                None if is_of_picture && was_larger => picture = Some(packet.timestamp),
                _ => {}
            }
            // Where all that is above is lost, what is below is most likely, too.
            if excess == 0 && (picture.is_none() || was_larger) {
                break;
            }
            excess = excess.saturating_sub(packet.bytes.len() as u64);
            if picture.is_some() {
                numbers.push(number);
            }
        }
        self.completion.expect(now, now + ROOM_AFTER, &numbers);
    }

    /// The number a packet went out under.
    fn number_of(&self, encoding: &Encoding, packet: &StoredPacket) -> Option<u16> {
        let segment = self.segments.of(encoding.id, packet.sequence)?;
        let number = segment.out_sequence(packet.sequence)? as u16;
        let (_, sequence) = self.segments.find(number)?;
        (sequence == packet.sequence).then_some(number)
    }

    fn send_again<S: RtpSink>(&mut self, publication: &Publication, number: u16, line: &mut Line<'_, S>) {
        let Some((&segment, sequence)) = self.segments.find(number) else {
            return;
        };
        // A line that is full has nothing to spare for what is not needed any more.
        let is_current = self.cursor.is_some_and(|cursor| !cursor.is_fresh)
            && self
                .segments
                .current()
                .is_some_and(|now| now.encoding == segment.encoding);
        if line.limit.is_some() && !is_current {
            return;
        }
        let Some(encoding) = find(publication, segment.encoding) else {
            return;
        };
        let history = &encoding.history;
        let Some(packet) = history.find(sequence).and_then(|position| history.get(position)) else {
            return;
        };
        let is_built_upon = self.cut.is_layered() && is_built_upon(encoding, packet);
        // Of a layer that the line turned out too thin for, a repair would only delay what is left.
        if line.limit.is_some() && !self.cut.sends(packet) && !is_built_upon {
            return;
        }
        // Without RTX it cannot be sent again: the same number must never be sealed with another content.
        let rtx = self
            .media
            .payload_for(packet.codec)
            .and_then(|payload| payload.rtx);
        let Some(payload_type) = rtx else { return };
        let timestamp = self.segments.stamp(&segment, packet.timestamp);
        let fields = Fields {
            marker: self.ended_picture(number, packet, encoding),
            ..self.next_repair(payload_type, timestamp)
        };
        let publisher = publishers_extensions(publication, segment.encoding);
        let lead = Lead::from_iter(number.to_be_bytes());
        if self.write(fields, &segment, packet, publisher, lead, line) {
            line.stats.retransmitted += 1;
        }
        if is_built_upon && let Some(flight) = line.bandwidth.newest() {
            self.completion.left(line.now, number, flight);
        }
    }

    /// Whether the packet ended its picture when it went out under that number: what has been left out since, or sent
    /// again, makes no other picture of it.
    fn ended_picture(&self, number: u16, packet: &StoredPacket, encoding: &Encoding) -> bool {
        let Some((segment, sequence)) = self.segments.find_behind(number) else {
            return self.cut.ends_picture(packet, &encoding.history);
        };
        let is_of_picture = segment.encoding == encoding.id
            && (encoding.history.find(sequence))
                .and_then(|position| encoding.history.get(position))
                .is_some_and(|next| next.timestamp == packet.timestamp);
        packet.marker || (packet.layer_end && !is_of_picture)
    }

    /// Whether there is a stream for padding.
    pub(in crate::playback) fn can_pad(&self) -> bool {
        self.payload.is_some_and(|(_, payload)| payload.rtx.is_some())
    }

    /// Sends one packet of padding, to see whether the line carries more. Returns its bytes, 0 when there is no such
    /// stream.
    pub(in crate::playback) fn pad<S: RtpSink>(&mut self, line: &mut Line<'_, S>) -> usize {
        let Some((_, Payload { rtx: Some(rtx), .. })) = self.payload else {
            return 0;
        };
        let Some(timestamp) = self.times.newest() else {
            return 0;
        };
        let fields = Fields {
            padding: PADDING,
            ..self.next_repair(rtx, timestamp)
        };
        let sent = self.seal(fields, &[], &[], &[], line);
        if sent { usize::from(PADDING) } else { 0 }
    }

    /// The header of the next packet of this stream.
    fn next_repair(&mut self, payload_type: u8, timestamp: u32) -> Fields {
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        Fields {
            payload_type,
            marker: false,
            padding: 0,
            sequence: self.rtx_sequence,
            timestamp,
            ssrc: self.media.rtx_ssrc,
        }
    }
}

/// Whether others are built upon the packet's picture.
fn is_built_upon(encoding: &Encoding, packet: &StoredPacket) -> bool {
    let group = encoding.history.keyframe_sequence();
    packet.temporal == 0 && group.is_none_or(|first| first <= packet.sequence)
}
