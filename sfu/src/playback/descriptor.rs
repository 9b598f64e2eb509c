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
    /// VP8's first picture has no id, and those behind it are sent without theirs: browsers look for what a numbered picture is
    /// built upon among numbered ones. Pion leaves out an id of 0, that of its first picture.
    unnumbered: bool,
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

/// VP8's bits for a byte of extensions, and in that for a picture's id (RFC 7741 §4.2).
const X: u8 = 0x80;
const I: u8 = 0x80;

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
            unnumbered: id.is_none() && matches!(first.info, PayloadInfo::Vp8 { .. }),
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
        let (_, tl0) = fields(packet.info);
        if let Some(id) = offsets.number(packet) {
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

    /// The picture's id toward the viewer, of which 15 bits are sent.
    fn number(self, packet: &StoredPacket) -> Option<u16> {
        let id = match (fields(packet.info).0, packet.info) {
            _ if self.unnumbered => None,
            (Some((_, _, id)), _) => Some(id),
            // Pictures before had ids: 0 was left out.
            (None, PayloadInfo::Vp8 { .. }) => Some(0),
            (None, _) => None,
        };
        id.map(|id| id.wrapping_add(self.id))
    }

    /// Appends the changed start of a payload to `lead`; returns how many payload bytes it stands for. Ids get 15 bits: what goes on
    /// from others does not fit into 7.
    pub(super) fn rewrite(self, packet: &StoredPacket, lead: &mut Lead) -> usize {
        let ((id, tl0), payload) = (fields(packet.info), packet.payload());
        let is_above = matches!(packet.info, PayloadInfo::Vp9 { .. }) && packet.has_below;
        let number = self.number(packet);
        let is_extended = payload.first().is_some_and(|first| first & X != 0);
        // What stands before the id, and with it.
        let (before, behind) = match (id, packet.info) {
            (Some((at, width, _)), _) => (at, at + if width > 7 { 2 } else { 1 }),
            (None, PayloadInfo::Vp8 { .. }) if number.is_some() && is_extended => (2, 2),
            (None, _) => (1, 1),
        };
        let (before, behind) = (usize::from(before), usize::from(behind));
        let end = match (id, number, tl0) {
            (_, _, Some((at, _))) => behind.max(usize::from(at) + 1),
            (None, None, None) if !is_above => return 0,
            _ => behind + usize::from(is_above),
        };
        let Some(start) = payload.get(..end) else {
            return 0;
        };
        let base = lead.len();
        let begin = match number {
            // Nearly always it is as long as it was.
            Some(number) if behind - before == 2 => {
                let fits = lead.try_extend_from_slice(start).is_ok();
                if let Some(place) = lead.get_mut(base + before..base + behind) {
                    place.copy_from_slice(&in_15_bits(number));
                }
                fits.then_some(base + behind)
            }
            _ => put_together(lead, start.split_at(before.min(end)), behind - before, number),
        };
        let Some(begin) = begin else {
            lead.truncate(base);
            return 0;
        };
        // The layer below is sent with it. Who is not told to wait for it (D, RFC 9628 §4.2) shows the picture without what is
        // lost of that layer, and none that is built upon it afterwards. Where the encoder left it out, he would wait in vain.
        if is_above {
            change(lead, begin, |layers| layers | 1);
        }
        if let Some((at, tl0)) = tl0 {
            let at = begin + usize::from(at) - behind;
            change(lead, at, |_| tl0.wrapping_add(self.tl0));
        }
        end
    }
}

fn in_15_bits(number: u16) -> [u8; 2] {
    let [high, low] = (number & 0x7fff).to_be_bytes();
    [0x80 | high, low]
}

/// Appends what stands before an id that had so many bytes, the one it has now, if any, and what follows: where that begins. `None`
/// where there is no room.
fn put_together(
    lead: &mut Lead,
    (head, rest): (&[u8], &[u8]),
    had: usize,
    number: Option<u16>,
) -> Option<usize> {
    let base = lead.len();
    lead.try_extend_from_slice(head).ok()?;
    match number {
        Some(number) => {
            if had == 0 {
                if head.len() == 1 {
                    lead.try_push(0).ok()?;
                }
                change(lead, base, |byte| byte | X);
                change(lead, base + 1, |byte| byte | I);
            }
            lead.try_extend_from_slice(&in_15_bits(number)).ok()?;
        }
        None if had > 0 => change(lead, base + 1, |byte| byte & !I),
        None => {}
    }
    let begin = lead.len();
    lead.try_extend_from_slice(rest.get(had..)?).ok()?;
    Some(begin)
}

/// Of a packet with a dependency descriptor (A.8.2: behind the first byte).
fn frame_number(packet: &StoredPacket) -> Option<u16> {
    packet
        .dependency()
        .get(1..)?
        .first_chunk()
        .map(|number| u16::from_be_bytes(*number))
}

fn change(bytes: &mut [u8], at: usize, to: impl Fn(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to(*byte);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::begin;
    use crate::media::history::Epoch;
    use crate::media::payload::dependency::LayerSet;
    use crate::media::payload::vp8::Vp8Descriptor;
    use crate::negotiation::Codec;

    fn packet(codec: Codec, info: PayloadInfo, payload: &[u8]) -> StoredPacket {
        StoredPacket {
            arrival: begin(),
            sequence: 1,
            timestamp: 1,
            epoch: Epoch::default(),
            marker: false,
            codec,
            keyframe_start: false,
            frame_start: true,
            spatial: 0,
            has_below: false,
            layer_end: false,
            temporal: 0,
            temporal_sync: false,
            opens: LayerSet::NONE,
            dependency: (0, 0),
            info,
            bytes: Bytes::copy_from_slice(payload),
            payload_offset: 0,
            passes_extensions: false,
            padding: 0,
        }
    }

    fn vp8(payload: &[u8]) -> StoredPacket {
        let descriptor = Vp8Descriptor::parse(payload).unwrap();
        let info = PayloadInfo::Vp8 {
            picture_id: descriptor.picture_id,
            tl0_pic_idx: descriptor.tl0_pic_idx,
            descriptor: descriptor.len,
        };
        packet(Codec::Vp8, info, payload)
    }

    #[test]
    fn an_upper_layer_of_vp9_is_told_to_wait_for_the_one_below_where_there_is_one() {
        for (spatial, has_below, layers, told) in [
            (0, false, 0x10, 0x10),
            (1, true, 0x12, 0x13),
            (1, false, 0x12, 0x12),
            (2, true, 0x15, 0x15),
        ] {
            let info = |picture_id, tl0_pic_idx| PayloadInfo::Vp9 {
                picture_id,
                tl0_pic_idx,
                spatial,
                switching_up: false,
                layer_end: false,
            };
            let offsets = PictureOffsets {
                id: 1,
                tl0: 1,
                ..PictureOffsets::default()
            };
            // I P L B, the picture's id, T U S D, TL0PICIDX; and without an id.
            for (info, payload, len, expected) in [
                (
                    info(Some((1, 15, 258)), Some((4, 7))),
                    &[0xe8, 0x81, 0x02, layers, 7, 1, 2, 3][..],
                    5,
                    &[0xe8, 0x81, 0x03, told, 8][..],
                ),
                (
                    info(None, Some((2, 7))),
                    &[0x68, layers, 7, 1, 2, 3],
                    3,
                    &[0x68, told, 8],
                ),
            ] {
                let packet = StoredPacket {
                    spatial,
                    has_below,
                    ..packet(Codec::Vp9 { profile: 0 }, info, payload)
                };
                let mut lead = Lead::new();
                assert_eq!(offsets.rewrite(&packet, &mut lead), len);
                assert_eq!(lead.as_slice(), expected);
            }
        }
    }

    #[test]
    fn ids_of_vp8_go_on_in_fifteen_bits_and_one_that_is_left_out_is_put_in() {
        let numbered = PictureOffsets {
            id: 300,
            tl0: 2,
            ..PictureOffsets::default()
        };
        let unnumbered = PictureOffsets {
            unnumbered: true,
            ..numbered
        };
        for (offsets, payload, len, expected) in [
            (
                numbered,
                &[0x90, 0x80, 0x05][..],
                3,
                &[0x90, 0x80, 0x81, 0x31][..],
            ),
            (numbered, &[0x90, 0x80, 0xff, 0xff], 4, &[0x90, 0x80, 0x81, 0x2b]),
            (
                numbered,
                &[0x90, 0xe0, 0x80, 0x05, 0xff, 0x40],
                5,
                &[0x90, 0xe0, 0x81, 0x31, 0x01],
            ),
            (numbered, &[0x10], 1, &[0x90, 0x80, 0x81, 0x2c]),
            (numbered, &[0x90, 0x20, 0x40], 2, &[0x90, 0xa0, 0x81, 0x2c]),
            (unnumbered, &[0x10], 0, &[]),
            (unnumbered, &[0x90, 0x80, 0x05], 3, &[0x90, 0x00]),
            (
                unnumbered,
                &[0x90, 0xc0, 0x80, 0x05, 0x09],
                5,
                &[0x90, 0x40, 0x0b],
            ),
        ] {
            let payload = [payload, &[1, 2, 3, 4]].concat();
            let mut lead = Lead::from_iter([7, 7]);
            assert_eq!(offsets.rewrite(&vp8(&payload), &mut lead), len, "{payload:x?}");
            assert_eq!(lead.as_slice(), [&[7, 7], expected].concat(), "{payload:x?}");
        }
    }
}
