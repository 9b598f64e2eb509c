//! The stream of repairs (RTX, RFC 4588): packets sent again, and padding that shows whether the line carries more.

use std::time::Duration;

use super::super::RtpSink;
use super::super::descriptor::Lead;
use super::super::header::Fields;
use super::{Line, Sender, find, publishers_extensions};
use crate::media::{Encoding, Publication, StoredPacket};
use crate::negotiation::Payload;

/// From these on repairs leave twice: they are as many as the packets lost, a few percent of the rate.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(100);
const NOTABLE_LOSS: f32 = 0.01;
/// Bytes of padding in one probing packet; what one byte of count can say, less the count itself.
const PADDING: u8 = 224;

impl Sender {
    /// Sends again what the viewer asked for. True when something is missing to it that is not sent again: a picture cut
    /// down on its way can not be completed, and browsers build on whole pictures only.
    pub(in crate::playback) fn repair<S: RtpSink>(
        &mut self,
        publication: &Publication,
        round_trip: Duration,
        line: &mut Line<'_, S>,
    ) -> bool {
        if self.repairs.is_empty() {
            return false;
        }
        let mut is_broken = false;
        // A repair that is lost, too, costs another round trip: where that is long, a second one is worth more.
        let twice =
            line.limit.is_none() && round_trip >= LONG_ROUND_TRIP && line.bandwidth.loss() >= NOTABLE_LOSS;
        let estimate = line.bandwidth.estimate();
        let is_full = line.limit.is_some();
        let due = self.repairs.take(line.now, round_trip, estimate, is_full, twice);
        for number in due {
            let Some((&segment, sequence)) = self.segments.find(number) else {
                continue;
            };
            // A line that is full has nothing to spare for what is not needed any more.
            let is_current = self.cursor.is_some_and(|cursor| !cursor.is_fresh)
                && self
                    .segments
                    .current()
                    .is_some_and(|now| now.encoding == segment.encoding);
            if line.limit.is_some() && !is_current {
                continue;
            }
            let Some(encoding) = find(publication, segment.encoding) else {
                continue;
            };
            let history = &encoding.history;
            let Some(packet) = history.find(sequence).and_then(|position| history.get(position)) else {
                continue;
            };
            // Of a layer that the line turned out too thin for, a repair would only delay what is left.
            if line.limit.is_some() && !self.cut.sends(packet) {
                let keyframe = history.keyframe().and_then(|position| history.get(position));
                let is_of_this_group = keyframe.is_none_or(|first| first.sequence < packet.sequence);
                is_broken |= is_of_this_group && self.cut.is_above(packet);
                continue;
            }
            // Without RTX it cannot be sent again: the same number must never be sealed with another content.
            let rtx = self
                .media
                .payload_for(packet.codec)
                .and_then(|payload| payload.rtx);
            let Some(payload_type) = rtx else { continue };
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
        }
        is_broken
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
        let Some((_, timestamp)) = self.frame else {
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
