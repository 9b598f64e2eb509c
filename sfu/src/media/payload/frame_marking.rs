//! The frame marking header extension (RFC 9626 §3): which pictures may be left out, told beside a payload that does not
//! tell it itself (H.264).

/// What one packet's marking says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMarking {
    /// Temporal layer, 0 is the base. A stream without layers has its discardable pictures in layer 1.
    pub temporal: u8,
    /// Whether a viewer of lower temporal layers may go on with this picture.
    pub temporal_sync: bool,
}

impl FrameMarking {
    /// Reads a marking; `None` when it is empty.
    pub fn parse(value: &[u8]) -> Option<FrameMarking> {
        let (&first, rest) = value.split_first()?;
        let is_discardable = first & 0x10 != 0;
        // §3.1: B and TID; §3.2: one byte only, and zeros there.
        let is_scalable = !rest.is_empty();
        let temporal = if is_scalable { first & 0x07 } else { 0 };
        Some(FrameMarking {
            temporal: temporal.max(u8::from(is_discardable && !is_scalable)),
            temporal_sync: if is_scalable {
                first & 0x08 != 0
            } else {
                is_discardable
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_tell_what_may_be_left_out() {
        let read = |value: &[u8]| {
            let read = FrameMarking::parse(value).unwrap();
            (read.temporal, read.temporal_sync)
        };
        // S E I D B TID, then LID and TL0PICIDX.
        assert_eq!(read(&[0b1110_0000]), (0, false), "a keyframe");
        assert_eq!(read(&[0b1101_0000]), (1, true), "nothing needs it");
        assert_eq!(read(&[0b1100_0001]), (0, false), "no layers in the short form");
        assert_eq!(read(&[0b1100_1001, 0, 7]), (1, true));
        assert_eq!(read(&[0b1101_0010, 0, 7]), (2, false));
        assert_eq!(
            read(&[0b1001_0000, 0]),
            (0, false),
            "discardable in the base layer: it stays"
        );
        assert_eq!(FrameMarking::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..5)) {
            prop_assert!(FrameMarking::parse(&bytes).is_none_or(|read| read.temporal < 8));
        }
    }
}
