//! The dependency descriptor header extension (RTP Payload Format For AV1, appendix A), as far as the mandatory
//! fields and the templates' layers go.

use super::bits::Bits;

/// At most this many templates can be told apart by a 6-bit id (A.8.2).
const MAX_TEMPLATES: usize = 64;

/// The layers of each template, told with a structure and needed by what follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    offset: u8,
    /// Spatial and temporal layer.
    layers: Vec<(u8, u8)>,
}

/// What one packet's descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// First packet of a frame.
    pub frame_start: bool,
    /// Last packet of a frame.
    pub frame_end: bool,
    /// Frame number, 16 bits.
    pub frame: u16,
    /// Whether a new template structure came with it, as with every keyframe.
    pub structure: bool,
    /// Spatial layer, 0 is the lowest; 0 when the template is not known.
    pub spatial: u8,
    /// Temporal layer, 0 is the base; 0 when the template is not known.
    pub temporal: u8,
}

impl DependencyDescriptor {
    /// Reads a descriptor, remembering a structure it brings; `None` when cut short.
    pub fn parse(value: &[u8], templates: &mut Templates) -> Option<DependencyDescriptor> {
        let mut bits = Bits::new(value);
        let frame_start = bits.flag()?;
        let frame_end = bits.flag()?;
        let template = bits.take(6)? as u8;
        let frame = bits.take(16)? as u16;
        let mut structure = false;
        if value.len() > 3 {
            structure = bits.flag()?;
            bits.skip(4);
            if structure {
                *templates = Templates::parse(&mut bits)?;
            }
        }
        let (spatial, temporal) = templates.layers(template).unwrap_or_default();
        Some(DependencyDescriptor {
            frame_start,
            frame_end,
            frame,
            structure,
            spatial,
            temporal,
        })
    }
}

impl Templates {
    fn parse(bits: &mut Bits<'_>) -> Option<Templates> {
        let offset = bits.take(6)? as u8;
        bits.skip(5);
        let (mut spatial, mut temporal) = (0, 0);
        let mut layers = Vec::new();
        loop {
            layers.push((spatial, temporal));
            // next_layer_idc (A.8.2).
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Some(Templates { offset, layers }),
            }
            if layers.len() == MAX_TEMPLATES {
                return None;
            }
        }
    }

    fn layers(&self, template: u8) -> Option<(u8, u8)> {
        let index = template.wrapping_sub(self.offset) & 0x3f;
        self.layers.get(usize::from(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn templates_give_later_packets_their_layers() {
        let mut templates = Templates::default();
        // start, template 2, frame 7 | structure, 4 flags, offset 2, 5 bits | same, next T, next T, end
        let value = [0b1000_0010, 0, 7, 0b1000_0000, 0b0100_0000, 0b0001_0111];
        let first = DependencyDescriptor::parse(&value, &mut templates).unwrap();
        assert!(first.frame_start && !first.frame_end && first.structure);
        assert_eq!((first.frame, first.spatial, first.temporal), (7, 0, 0));
        assert_eq!(templates.layers, [(0, 0), (0, 0), (0, 1), (0, 2)]);
        let later = DependencyDescriptor::parse(&[0b0100_0101, 0, 8], &mut templates).unwrap();
        assert!(!later.frame_start && later.frame_end && !later.structure);
        assert_eq!(later.temporal, 2);
        assert_eq!(DependencyDescriptor::parse(&[0, 0], &mut templates), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut templates = Templates::default();
            let _ = DependencyDescriptor::parse(&bytes, &mut templates);
            prop_assert!(templates.layers.len() <= MAX_TEMPLATES);
        }
    }
}
