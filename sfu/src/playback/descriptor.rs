//! Picture ids and frame numbers that go on where another encoding or publisher begins (RFC 7741 §4.2, RFC 9628 §4.2, RTP
//! Payload Format For AV1 §A.8.2).

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use crate::media::StoredPacket;
use crate::media::history::PayloadInfo;
use crate::media::payload::red::RedHeader;

/// What a viewer's picture ids are ahead of an encoding's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PictureOffsets {
    id: u16,
    tl0: u8,
    frame: u16,
}

/// The last picture a viewer got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pictures {
    id: Option<u16>,
    tl0: Option<u8>,
    frame: Option<u16>,
}

/// A dependency descriptor, rewritten: as long as a structure of nine targets.
pub(super) type Dependency = SmallVec<[u8; 64]>;

/// The start of a payload, rewritten, behind the number of a packet sent again; the rest follows untouched. Redundant
/// sound has the longest.
pub(super) type Lead = ArrayVec<u8, { 2 + RedHeader::MOST_BYTES }>;

/// Offset, width in bits and value of a picture id.
type Id = (u8, u8, u16);
/// Offset and value of a TL0PICIDX.
type Tl0 = (u8, u8);

fn fields(info: PayloadInfo) -> (Option<Id>, Option<Tl0>) {
    match info {
        PayloadInfo::Opaque | PayloadInfo::Red(_) => (None, None),
        PayloadInfo::Vp8 {
            picture_id,
            tl0_pic_idx,
            ..
        }
        | PayloadInfo::Vp9 {
            picture_id,
            tl0_pic_idx,
            ..
        } => (picture_id, tl0_pic_idx),
    }
}

impl Pictures {
    /// Offsets that make `first` the picture after the last one.
    pub(super) fn follow_with(&self, first: &StoredPacket) -> PictureOffsets {
        let (id, tl0) = fields(first.info);
        PictureOffsets {
            id: match (self.id, id) {
                (Some(last), Some((_, _, id))) => last.wrapping_add(1).wrapping_sub(id),
                _ => 0,
            },
            tl0: match (self.tl0, tl0) {
                (Some(last), Some((_, tl0))) => last.wrapping_add(1).wrapping_sub(tl0),
                _ => 0,
            },
            frame: match (self.frame, frame_number(first)) {
                (Some(last), Some(frame)) => last.wrapping_add(1).wrapping_sub(frame),
                _ => 0,
            },
        }
    }

    /// Notes a packet that was sent, if it is of a newer picture.
    pub(super) fn sent(&mut self, packet: &StoredPacket, offsets: PictureOffsets) {
        let (id, tl0) = fields(packet.info);
        if let Some((_, _, id)) = id {
            let id = id.wrapping_add(offsets.id);
            // Of 15 bits.
            if self.id.is_none_or(|last| id.wrapping_sub(last) & 0x7fff < 0x4000) {
                self.id = Some(id);
            }
        }
        if let Some((_, tl0)) = tl0 {
            let tl0 = tl0.wrapping_add(offsets.tl0);
            if self.tl0.is_none_or(|last| tl0.wrapping_sub(last) < 0x80) {
                self.tl0 = Some(tl0);
            }
        }
        if let Some(frame) = frame_number(packet) {
            let frame = frame.wrapping_add(offsets.frame);
            if self.frame.is_none_or(|last| frame.wrapping_sub(last) < 1 << 15) {
                self.frame = Some(frame);
            }
        }
    }
}

impl PictureOffsets {
    /// The same when so many pictures before were left out. Only VP8's ids must not jump for it: VP9's references are
    /// told by their distance (RFC 9628 §4.2).
    pub(super) fn without(self, pictures: u16, packet: &StoredPacket) -> PictureOffsets {
        match packet.info {
            PayloadInfo::Vp8 { .. } => PictureOffsets {
                id: self.id.wrapping_sub(pictures),
                ..self
            },
            _ => self,
        }
    }

    /// The packet's dependency descriptor with the viewer's frame number; `None` where it has none. That layers are left
    /// out needs no word: frames name what they need by distance.
    pub(super) fn dependency(self, packet: &StoredPacket) -> Option<Dependency> {
        let frame = frame_number(packet)?.wrapping_add(self.frame);
        let mut descriptor = Dependency::from_slice(packet.dependency());
        descriptor.get_mut(1..3)?.copy_from_slice(&frame.to_be_bytes());
        Some(descriptor)
    }

    /// Appends the changed start of a payload to `lead`; returns how many payload bytes it stands for.
    pub(super) fn rewrite(self, packet: &StoredPacket, lead: &mut Lead) -> usize {
        let (id, tl0) = fields(packet.info);
        let end_of_id = id.map_or(0, |(at, width, _)| {
            usize::from(at) + if width > 7 { 2 } else { 1 }
        });
        let end = end_of_id.max(tl0.map_or(0, |(at, _)| usize::from(at) + 1));
        let is_above = matches!(packet.info, PayloadInfo::Vp9 { .. }) && packet.has_below;
        let end = end.max(if is_above { end_of_id + 1 } else { 0 });
        let Some(start) = packet.payload().get(..end) else {
            return 0;
        };
        let base = lead.len();
        if lead.try_extend_from_slice(start).is_err() {
            return 0;
        }
        if let Some((at, width, id)) = id {
            let id = id.wrapping_add(self.id);
            let at = base + usize::from(at);
            if width > 7 {
                let [high, low] = (id & 0x7fff).to_be_bytes();
                set(lead, at, 0x80 | high);
                set(lead, at + 1, low);
            } else {
                set(lead, at, (id & 0x7f) as u8);
            }
        }
        // The layer below is sent with it. Who is not told to wait for it (D, RFC 9628 §4.2) shows the picture without what is
        // lost of that layer, and none that is built upon it afterwards. Where the encoder left it out, he would wait in vain.
        if is_above && let Some(layers) = lead.get_mut(base + end_of_id) {
            *layers |= 1;
        }
        if let Some((at, tl0)) = tl0 {
            set(lead, base + usize::from(at), tl0.wrapping_add(self.tl0));
        }
        end
    }
}

/// Of a packet with a dependency descriptor (A.8.2: behind the first byte).
fn frame_number(packet: &StoredPacket) -> Option<u16> {
    packet
        .dependency()
        .get(1..)?
        .first_chunk()
        .map(|number| u16::from_be_bytes(*number))
}

fn set(bytes: &mut Lead, at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::begin;
    use crate::media::history::Epoch;
    use crate::media::payload::dependency::LayerSet;
    use crate::negotiation::Codec;

    #[test]
    fn an_upper_layer_of_vp9_is_told_to_wait_for_the_one_below_where_there_is_one() {
        for (spatial, has_below, layers, told) in [
            (0, false, 0x10, 0x10),
            (1, true, 0x12, 0x13),
            (1, false, 0x12, 0x12),
            (2, true, 0x15, 0x15),
        ] {
            let info = PayloadInfo::Vp9 {
                picture_id: Some((1, 15, 258)),
                tl0_pic_idx: Some((4, 7)),
                spatial,
                switching_up: false,
                layer_end: false,
            };
            // I P L B, the picture's id, T U S D, TL0PICIDX.
            let payload = [0xe8, 0x81, 0x02, layers, 7, 1, 2, 3];
            let packet = StoredPacket {
                arrival: begin(),
                sequence: 1,
                timestamp: 1,
                epoch: Epoch::default(),
                marker: false,
                codec: Codec::Vp9 { profile: 0 },
                keyframe_start: false,
                frame_start: true,
                spatial,
                has_below,
                layer_end: false,
                temporal: 0,
                temporal_sync: false,
                opens: LayerSet::NONE,
                dependency: (0, 0),
                info,
                bytes: Bytes::copy_from_slice(&payload),
                payload_offset: 0,
                passes_extensions: false,
                padding: 0,
            };
            let offsets = PictureOffsets {
                id: 1,
                tl0: 1,
                frame: 0,
            };
            let mut lead = Lead::new();
            assert_eq!(offsets.rewrite(&packet, &mut lead), 5);
            assert_eq!(lead.as_slice(), [0xe8, 0x81, 0x03, told, 8]);
        }
    }
}
