//! Picture ids that go on where another encoding or publisher begins (RFC 7741 §4.2, RFC 9628 §4.2).

use smallvec::SmallVec;

use crate::media::StoredPacket;
use crate::media::history::PayloadInfo;

/// What a viewer's picture ids are ahead of an encoding's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PictureOffsets {
    id: u16,
    tl0: u8,
}

/// The last picture a viewer got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pictures {
    id: Option<u16>,
    tl0: Option<u8>,
}

/// The start of a payload, rewritten; the rest follows untouched.
pub(super) type Lead = SmallVec<[u8; 16]>;

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

    /// Appends the changed start of a payload to `lead`; returns how many payload bytes it stands for.
    pub(super) fn rewrite(self, packet: &StoredPacket, lead: &mut Lead) -> usize {
        let (id, tl0) = fields(packet.info);
        let end_of_id = id.map_or(0, |(at, width, _)| {
            usize::from(at) + if width > 7 { 2 } else { 1 }
        });
        let end = end_of_id.max(tl0.map_or(0, |(at, _)| usize::from(at) + 1));
        let Some(start) = packet.payload().get(..end) else {
            return 0;
        };
        let base = lead.len();
        lead.extend_from_slice(start);
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
        if let Some((at, tl0)) = tl0 {
            set(lead, base + usize::from(at), tl0.wrapping_add(self.tl0));
        }
        end
    }
}

fn set(bytes: &mut Lead, at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}
