//! The dependency descriptor header extension (RTP Payload Format For AV1, appendix A): which layer a frame is of, and
//! which layers may be gone to from it. Frame differences and chains are read over: a viewer gets every frame of its
//! layers and of those below, so what they protect is there.

use super::bits::Bits;

/// At most this many templates can be told apart by a 6-bit id (A.8.2).
const MAX_TEMPLATES: usize = 64;
/// Extensions shorter than this have the mandatory fields only (A.8.2).
const MANDATORY: usize = 3;

/// Layers told apart in a [`LayerSet`]: browsers make three of each kind.
const MAX_LAYERS: u8 = 4;

/// A set of spatial and temporal layers, the highest each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSet(u16);

impl LayerSet {
    /// No layers.
    pub const NONE: LayerSet = LayerSet(0);

    /// All temporal layers of one spatial layer.
    pub fn temporal_of(spatial: u8) -> LayerSet {
        let mut set = LayerSet::NONE;
        (0..MAX_LAYERS).for_each(|temporal| set.insert(spatial, temporal));
        set
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == LayerSet::NONE
    }

    /// Whether these are among them.
    pub fn contains(self, spatial: u8, temporal: u8) -> bool {
        self.0 & Self::bit(spatial, temporal) != 0
    }

    fn insert(&mut self, spatial: u8, temporal: u8) {
        self.0 |= Self::bit(spatial, temporal);
    }

    fn bit(spatial: u8, temporal: u8) -> u16 {
        if spatial < MAX_LAYERS && temporal < MAX_LAYERS {
            1 << (spatial * MAX_LAYERS + temporal)
        } else {
            0
        }
    }
}

/// The part a frame plays for a decode target (A.8.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Indication {
    NotPresent,
    /// Whoever decodes the frame can decode all of the target from here on.
    Switch,
    /// Discardable or required.
    Present,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    opens: LayerSet,
}

/// What a structure tells, needed by the frames that follow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    offset: u8,
    list: Vec<Template>,
    /// The highest layers of each decode target.
    targets: Vec<(u8, u8)>,
    /// Width and height in pixels of each spatial layer, where told.
    pub sizes: Vec<(u16, u16)>,
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
    /// The layers that whoever decodes this frame may go to.
    pub opens: LayerSet,
}

impl DependencyDescriptor {
    /// Reads a descriptor, remembering a structure it brings; `None` when cut short.
    pub fn parse(value: &[u8], templates: &mut Templates) -> Option<DependencyDescriptor> {
        let (&[first, high, low], rest) = value.split_first_chunk::<MANDATORY>()?;
        let mut descriptor = DependencyDescriptor {
            frame_start: first & 0x80 != 0,
            frame_end: first & 0x40 != 0,
            frame: u16::from_be_bytes([high, low]),
            structure: false,
            spatial: 0,
            temporal: 0,
            opens: LayerSet::NONE,
        };
        let mut own_indications = None;
        if !rest.is_empty() {
            let mut bits = Bits::new(rest);
            descriptor.structure = bits.flag()?;
            let [has_targets, has_indications, _, _] =
                [bits.flag()?, bits.flag()?, bits.flag()?, bits.flag()?];
            if descriptor.structure {
                *templates = Templates::parse(&mut bits)?;
            }
            if has_targets {
                bits.skip(templates.targets.len());
            }
            if has_indications {
                own_indications = Some(templates.indications(&mut bits)?);
            }
        }
        if let Some(template) = templates.get(first & 0x3f) {
            (descriptor.spatial, descriptor.temporal) = (template.spatial, template.temporal);
            descriptor.opens = match own_indications {
                Some(indications) => templates.opened(&indications),
                None => template.opens,
            };
        }
        Some(descriptor)
    }
}

impl Templates {
    fn parse(bits: &mut Bits<'_>) -> Option<Templates> {
        let mut templates = Templates {
            offset: bits.take(6)? as u8,
            ..Templates::default()
        };
        let targets = bits.take(5)? as usize + 1;
        templates.targets = vec![(0, 0); targets];
        templates.layers(bits)?;
        // template_dtis, and from them what each target has (A.8.3.5).
        let mut indications = Vec::with_capacity(templates.list.len());
        for _ in 0..templates.list.len() {
            indications.push(templates.indications(bits)?);
        }
        for (template, indications) in templates.list.iter().zip(&indications) {
            for (target, indication) in templates.targets.iter_mut().zip(indications) {
                if *indication != Indication::NotPresent {
                    *target = (target.0.max(template.spatial), target.1.max(template.temporal));
                }
            }
        }
        let opens: Vec<LayerSet> = indications.iter().map(|list| templates.opened(list)).collect();
        for (template, opens) in templates.list.iter_mut().zip(opens) {
            template.opens = opens;
        }
        skip_frame_differences(bits, templates.list.len())?;
        skip_chains(bits, targets as u32, templates.list.len())?;
        if bits.flag()? {
            let spatial = templates.list.iter().map(|template| template.spatial).max();
            for _ in 0..=spatial.unwrap_or_default() {
                let [width, height] = [bits.take(16)?, bits.take(16)?];
                let side = |less_one: u32| u16::try_from(less_one + 1).unwrap_or(u16::MAX);
                templates.sizes.push((side(width), side(height)));
            }
        }
        Some(templates)
    }

    /// template_layers (A.8.2).
    fn layers(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let (mut spatial, mut temporal) = (0, 0);
        loop {
            self.list.push(Template {
                spatial,
                temporal,
                ..Template::default()
            });
            // next_layer_idc.
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Some(()),
            }
            if self.list.len() == MAX_TEMPLATES {
                return None;
            }
        }
    }

    /// One indication for each decode target.
    fn indications(&self, bits: &mut Bits<'_>) -> Option<Vec<Indication>> {
        let read = self.targets.iter().map(|_| {
            Some(match bits.take(2)? {
                0 => Indication::NotPresent,
                2 => Indication::Switch,
                _ => Indication::Present,
            })
        });
        read.collect()
    }

    fn opened(&self, indications: &[Indication]) -> LayerSet {
        let mut set = LayerSet::NONE;
        for (&(spatial, temporal), indication) in self.targets.iter().zip(indications) {
            if *indication == Indication::Switch {
                set.insert(spatial, temporal);
            }
        }
        set
    }

    fn get(&self, id: u8) -> Option<&Template> {
        self.list.get(usize::from(id.wrapping_sub(self.offset) & 0x3f))
    }
}

/// template_fdiffs (A.8.2).
fn skip_frame_differences(bits: &mut Bits<'_>, templates: usize) -> Option<()> {
    for _ in 0..templates {
        while bits.flag()? {
            bits.skip(4);
        }
    }
    Some(())
}

/// template_chains (A.8.2).
fn skip_chains(bits: &mut Bits<'_>, targets: u32, templates: usize) -> Option<()> {
    let chains = non_symmetric(bits, targets + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            non_symmetric(bits, chains)?;
        }
        bits.skip(4 * templates * chains as usize);
    }
    Some(())
}

/// ns(n) (A.8.2, AV1 Bitstream §4.10.7): a number below `count`, which is at least 1.
fn non_symmetric(bits: &mut Bits<'_>, count: u32) -> Option<u32> {
    let width = count.ilog2() + 1;
    let short = (1 << width) - count;
    let value = bits.take(width - 1)?;
    if value < short {
        return Some(value);
    }
    Some((value << 1) - short + u32::from(bits.flag()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of Chromium 156: a keyframe of AV1 in mode L2T3, with its structure.
    const L2T3: &str = "c10001800514853abfaaa18f04304302a02a006001001b934515e082704608c0c787004321651111543276809f8059813f80b380";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn a_browsers_structure_tells_layers_sizes_and_where_to_switch() {
        let mut templates = Templates::default();
        let read =
            |value: &[u8], templates: &mut Templates| DependencyDescriptor::parse(value, templates).unwrap();
        let first = read(&bytes(L2T3), &mut templates);
        assert!(first.frame_start && first.frame_end && first.structure);
        assert_eq!((first.frame, first.spatial, first.temporal), (1, 0, 0));
        assert_eq!(
            templates.targets,
            [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
        );
        assert_eq!(templates.sizes, [(320, 180), (640, 360)]);
        assert!(
            first.opens.contains(1, 2) && first.opens.contains(0, 0),
            "a keyframe opens all"
        );
        // The same keyframe's upper layer, then 2 1 2 0, as they came: template and frame number.
        let upper = read(&[0x86, 0, 2], &mut templates);
        assert!(upper.frame_start && !upper.frame_end && !upper.structure);
        assert_eq!((upper.frame, upper.spatial, upper.temporal), (2, 1, 0));
        let layers = |id: u8, templates: &mut Templates| {
            let read = read(&[id, 0, 9], templates);
            (read.spatial, read.temporal)
        };
        let later: Vec<_> = [3, 8, 2, 7, 4, 9].map(|id| layers(id, &mut templates)).into();
        assert_eq!(later, [(0, 2), (1, 2), (0, 1), (1, 1), (0, 2), (1, 2)]);
        // A base picture between keyframes: its own temporal layers open, the upper picture does not.
        let base = read(&[0, 0, 9], &mut templates);
        assert!(!base.frame_start && !base.frame_end);
        assert_eq!((base.spatial, base.temporal), (0, 0));
        assert!(base.opens.contains(0, 2) && !base.opens.contains(1, 0));
        let upper_base = read(&[5, 0, 9], &mut templates);
        assert!(upper_base.opens.contains(1, 2) && !upper_base.opens.contains(0, 2));
        assert_eq!(DependencyDescriptor::parse(&[0, 0], &mut templates), None);
    }

    #[test]
    fn a_frame_may_have_indications_of_its_own() {
        let mut templates = Templates::default();
        DependencyDescriptor::parse(&bytes(L2T3), &mut templates).unwrap();
        // No structure, six active targets, own indications: Switch for the second, Required for the others.
        let value = [0, 0, 9, 0b0110_0111, 0b1111_1101, 0b1111_1111];
        let own = DependencyDescriptor::parse(&value, &mut templates).unwrap();
        let mut only = LayerSet::NONE;
        only.insert(0, 1);
        assert_eq!(own.opens, only);
        assert_eq!(
            DependencyDescriptor::parse(&value[..5], &mut templates),
            None,
            "cut short"
        );
    }

    #[test]
    fn non_symmetric_numbers_of_the_standard() {
        // n = 5: 0 to 2 in two bits, 3 and 4 in three.
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        let read: Vec<_> = (0..5).map(|_| non_symmetric(&mut bits, 5).unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert_eq!(non_symmetric(&mut bits, 1), Some(0), "no bits");
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            let mut templates = Templates::default();
            let _ = DependencyDescriptor::parse(&bytes, &mut templates);
            prop_assert!(templates.list.len() <= MAX_TEMPLATES);
            let _ = DependencyDescriptor::parse(&bytes, &mut templates);
        }

        #[test]
        fn any_structure_is_safe(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            let mut templates = Templates::default();
            let value = [&[0xc0, 0, 1, 0x80 | bytes.first().unwrap_or(&0) & 7][..], &bytes].concat();
            let _ = DependencyDescriptor::parse(&value, &mut templates);
        }
    }
}
