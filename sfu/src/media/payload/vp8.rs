//! The VP8 payload descriptor (RFC 7741 §4.2) and the first bytes of a keyframe (RFC 6386 §9.1).

/// What the descriptor says. Offsets are into the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// Offset, width (7 or 15 bits) and value of the picture id.
    pub picture_id: Option<(u8, u8, u16)>,
    /// Offset and value of TL0PICIDX.
    pub tl0_pic_idx: Option<(u8, u8)>,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// Y: only base-layer frames are referred to, so a receiver of lower layers may go up here.
    pub layer_sync: bool,
    /// N: no later frame refers to this one.
    pub non_reference: bool,
    /// First packet of a frame.
    pub frame_start: bool,
    /// A keyframe's first packet.
    pub keyframe_start: bool,
    /// Width and height in pixels, told by a keyframe's first packet.
    pub size: Option<(u16, u16)>,
    /// Length of the descriptor in bytes.
    pub len: u8,
}

impl Vp8Descriptor {
    /// Reads the descriptor and, behind it, the frame's header; `None` when cut short.
    pub fn parse(payload: &[u8]) -> Option<Vp8Descriptor> {
        let mut descriptor = Vp8Descriptor::default();
        let first = *payload.first()?;
        let mut at = 1;
        let [mut has_picture_id, mut has_tl0, mut has_temporal, mut has_key] = [false; 4];
        if first & 0x80 != 0 {
            let extended = *payload.get(at)?;
            [has_picture_id, has_tl0, has_temporal, has_key] =
                [0x80, 0x40, 0x20, 0x10].map(|bit| extended & bit != 0);
            at += 1;
        }
        if has_picture_id {
            let high = *payload.get(at)?;
            descriptor.picture_id = Some(if high & 0x80 == 0 {
                (at as u8, 7, u16::from(high))
            } else {
                let low = *payload.get(at + 1)?;
                (at as u8, 15, u16::from_be_bytes([high & 0x7f, low]))
            });
            at += if high & 0x80 == 0 { 1 } else { 2 };
        }
        if has_tl0 {
            descriptor.tl0_pic_idx = Some((at as u8, *payload.get(at)?));
            at += 1;
        }
        if has_temporal || has_key {
            let byte = *payload.get(at)?;
            if has_temporal {
                descriptor.temporal = byte >> 6;
                descriptor.layer_sync = byte & 0x20 != 0;
            }
            at += 1;
        }
        descriptor.len = at as u8;
        descriptor.non_reference = first & 0x20 != 0;
        // S, and partition 0.
        descriptor.frame_start = first & 0x1f == 0x10;
        let frame = payload.get(at..)?;
        let &tag = frame.first()?;
        if descriptor.frame_start && tag & 1 == 0 {
            descriptor.keyframe_start = true;
            descriptor.size = keyframe_size(frame);
        }
        Some(descriptor)
    }
}

/// RFC 6386 §9.1: three bytes of frame tag, the start code, then 14 bits of width and of height.
fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    match *frame.first_chunk::<10>()? {
        [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] => {
            let [width, height] = [[w0, w1], [h0, h1]].map(|side| u16::from_le_bytes(side) & 0x3fff);
            Some((width, height))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_keyframe_with_all_fields() {
        let payload = [
            0x90,
            0xf0,
            0x92,
            0x34,
            0x56,
            0b0110_0000, // X S; I L T K; 15-bit id; TL0; TID 1, Y
            0x10,
            0x02,
            0x00,
            0x9d,
            0x01,
            0x2a,
            0x00,
            0x45,
            0xd0,
            0x02, // scaling bits in the width
        ];
        let d = Vp8Descriptor::parse(&payload).unwrap();
        assert_eq!(d.picture_id, Some((2, 15, 0x1234)));
        assert_eq!(d.tl0_pic_idx, Some((4, 0x56)));
        assert_eq!((d.temporal, d.layer_sync, d.len), (1, true, 6));
        assert!(d.frame_start && d.keyframe_start);
        assert_eq!(d.size, Some((1280, 720)));
    }

    #[test]
    fn the_shortest_descriptors() {
        let d = Vp8Descriptor::parse(&[0x10, 0x01]).unwrap();
        assert!(d.frame_start && !d.keyframe_start);
        assert_eq!((d.picture_id, d.len), (None, 1));
        let d = Vp8Descriptor::parse(&[0x80, 0x80, 0x11, 0x00]).unwrap();
        assert_eq!((d.picture_id, d.len), (Some((2, 7, 0x11)), 3));
        assert!(!d.frame_start && !d.keyframe_start, "no S bit: a later packet");
        let d = Vp8Descriptor::parse(&[0x11, 0x00]).unwrap();
        assert!(!d.frame_start, "another partition");
        assert_eq!(Vp8Descriptor::parse(&[0x90, 0x80, 0x80]), None);
        assert_eq!(
            Vp8Descriptor::parse(&[0x10]),
            None,
            "nothing behind the descriptor"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = Vp8Descriptor::parse(&bytes);
        }
    }
}
