//! The VP9 payload descriptor (RFC 9628 §4.2).

use super::LayerSizes;

/// What the descriptor says. Offsets are into the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp9Descriptor {
    /// Offset, width (7 or 15 bits) and value of the picture id.
    pub picture_id: Option<(u8, u8, u16)>,
    /// Offset and value of TL0PICIDX (non-flexible mode).
    pub tl0_pic_idx: Option<(u8, u8)>,
    /// P: the frame depends on an earlier picture.
    pub inter_picture: bool,
    /// B: first packet of a layer's frame.
    pub layer_start: bool,
    /// E: last packet of a layer's frame.
    pub layer_end: bool,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// U: a receiver of lower temporal layers may go up here.
    pub switching_up: bool,
    /// Spatial layer, 0 is the lowest.
    pub spatial: u8,
    /// D: depends on the next lower spatial layer of the same picture.
    pub inter_layer: bool,
    /// The largest spatial layer's width and height in pixels, from the scalability structure.
    pub size: Option<(u16, u16)>,
    /// The same of each layer, from the lowest; 0 of both where there are no more.
    pub layer_sizes: Option<LayerSizes>,
    /// Length of the descriptor in bytes.
    pub len: u16,
}

impl Vp9Descriptor {
    /// Reads the descriptor; `None` when cut short.
    pub fn parse(payload: &[u8]) -> Option<Vp9Descriptor> {
        let mut rest = Cursor { payload, at: 0 };
        let first = rest.byte()?;
        let [
            has_id,
            inter_picture,
            has_layers,
            flexible,
            layer_start,
            layer_end,
            has_structure,
            _,
        ] = [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01].map(|bit| first & bit != 0);
        let mut descriptor = Vp9Descriptor {
            inter_picture,
            layer_start,
            layer_end,
            ..Vp9Descriptor::default()
        };
        if has_id {
            let at = rest.at as u8;
            let high = rest.byte()?;
            descriptor.picture_id = Some(match high & 0x80 {
                0 => (at, 7, u16::from(high)),
                _ => (at, 15, u16::from_be_bytes([high & 0x7f, rest.byte()?])),
            });
        }
        if has_layers {
            let layers = rest.byte()?;
            descriptor.temporal = layers >> 5;
            descriptor.switching_up = layers & 0x10 != 0;
            descriptor.spatial = layers >> 1 & 0x07;
            descriptor.inter_layer = layers & 0x01 != 0;
            if !flexible {
                descriptor.tl0_pic_idx = Some((rest.at as u8, rest.byte()?));
            }
        }
        if flexible && inter_picture {
            // RFC 9628 §4.2: at most three references, the last has N = 0.
            let mut references = 1;
            while rest.byte()? & 0x01 != 0 {
                references += 1;
                if references > 3 {
                    return None;
                }
            }
        }
        if has_structure {
            (descriptor.size, descriptor.layer_sizes) = structure(&mut rest)?;
        }
        descriptor.len = u16::try_from(rest.at).ok()?;
        Some(descriptor)
    }

    /// First packet of a picture.
    pub fn frame_start(&self) -> bool {
        self.layer_start && self.spatial == 0
    }

    /// First packet of a picture a decoder can begin with.
    pub fn keyframe_start(&self) -> bool {
        self.frame_start() && !self.inter_picture
    }
}

/// The largest layer's size, and each layer's.
type Sizes = (Option<(u16, u16)>, Option<LayerSizes>);

/// RFC 9628 §4.2.1: the scalability structure; the size of its last, largest layer and of each when sizes are given.
fn structure(rest: &mut Cursor<'_>) -> Option<Sizes> {
    let head = rest.byte()?;
    let (mut size, mut sizes) = (None, None);
    if head & 0x10 != 0 {
        for layer in 0..=head >> 5 {
            let read = (rest.short()?, rest.short()?);
            size = Some(read);
            let sizes = sizes.get_or_insert_with(LayerSizes::default);
            if let Some(place) = sizes.get_mut(usize::from(layer)) {
                *place = read;
            }
        }
    }
    if head & 0x08 != 0 {
        for _ in 0..rest.byte()? {
            let references = rest.byte()? >> 2 & 0x03;
            for _ in 0..references {
                rest.byte()?;
            }
        }
    }
    Some((size, sizes))
}

struct Cursor<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.payload.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_keyframe_of_two_spatial_layers() {
        let payload = [
            0b1010_1010,
            0x81,
            0x02,
            0b0001_0000,
            0x07, // I L B V; 15-bit id; U; TL0
            0b0011_1000,
            1,
            64,
            0,
            180,
            2,
            128,
            1,
            104, // two layers: 320x180, 640x360; G
            2,
            0b0000_0100,
            1,
            0b0011_1000,
            1,
            2, // two pictures, with one and two references
            0xaa,
        ];
        let d = Vp9Descriptor::parse(&payload).unwrap();
        assert_eq!(d.picture_id, Some((1, 15, 0x102)));
        assert_eq!(d.tl0_pic_idx, Some((4, 7)));
        assert_eq!((d.temporal, d.spatial, d.switching_up), (0, 0, true));
        assert!(d.frame_start() && d.keyframe_start());
        assert_eq!(d.size, Some((640, 360)));
        assert_eq!(d.layer_sizes, Some([(320, 180), (640, 360), (0, 0), (0, 0)]));
        assert_eq!(usize::from(d.len), payload.len() - 1);
    }

    #[test]
    fn later_frames_and_flexible_mode() {
        // I P L F B, 7-bit id, TID 2 SID 1 D, two references.
        let d = Vp9Descriptor::parse(&[0b1111_1000, 0x05, 0b0100_0011, 0x03, 0x04, 9]).unwrap();
        assert_eq!((d.picture_id, d.tl0_pic_idx, d.len), (Some((1, 7, 5)), None, 5));
        assert_eq!((d.temporal, d.spatial, d.inter_layer), (2, 1, true));
        assert!(!d.frame_start() && !d.keyframe_start());
        let four_references = [0b1101_1000, 0x05, 0x03, 0x03, 0x03, 0x02];
        assert_eq!(Vp9Descriptor::parse(&four_references), None);
        assert_eq!(Vp9Descriptor::parse(&[0x80]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Vp9Descriptor::parse(&bytes);
        }
    }
}
