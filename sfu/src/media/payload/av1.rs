//! AV1 payloads (RTP Payload Format For AV1, §4) and the size in a sequence header (AV1 Bitstream §5.5.1).

use super::bits::Bits;

/// The sequence header among OBU types (AV1 Bitstream §6.2.2).
const SEQUENCE_HEADER: u8 = 1;

/// What one packet brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Av1Units {
    /// Z: the first element continues one of the packet before.
    pub continues: bool,
    /// N: the first packet of a coded video sequence, so a decoder can begin.
    pub sequence_start: bool,
    /// The largest frame's width and height in pixels, from the sequence header.
    pub size: Option<(u16, u16)>,
}

impl Av1Units {
    /// Reads the aggregation header and, where a sequence starts, its header; `None` when cut short.
    pub fn parse(payload: &[u8]) -> Option<Av1Units> {
        let (&aggregation, mut rest) = payload.split_first()?;
        let mut units = Av1Units {
            continues: aggregation & 0x80 != 0,
            sequence_start: aggregation & 0x08 != 0,
            size: None,
        };
        // §4.4: a new sequence cannot begin with a continuation.
        if !units.sequence_start || units.continues {
            units.sequence_start = false;
            return (!rest.is_empty()).then_some(units);
        }
        // W: the number of elements, the last of which has no length; 0: all have one.
        let count = aggregation >> 4 & 0x03;
        let mut element = 1;
        while !rest.is_empty() && units.size.is_none() {
            let unit;
            if count != 0 && element == count {
                (unit, rest) = (rest, &[]);
            } else {
                let (len, tail) = leb128(rest)?;
                (unit, rest) = tail.split_at_checked(len)?;
            }
            units.size = size_in(unit);
            element += 1;
        }
        Some(units)
    }
}

fn size_in(unit: &[u8]) -> Option<(u16, u16)> {
    let (&head, mut rest) = unit.split_first()?;
    if head >> 3 & 0x0f != SEQUENCE_HEADER {
        return None;
    }
    if head & 0x04 != 0 {
        (_, rest) = rest.split_first()?;
    }
    if head & 0x02 != 0 {
        (_, rest) = leb128(rest)?;
    }
    frame_size(rest)
}

/// Width and height in a sequence header without its OBU header (AV1 Bitstream §5.5.1).
pub fn frame_size(sequence_header: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(sequence_header);
    bits.skip(4);
    let reduced = bits.flag()?;
    if reduced {
        bits.skip(5);
    } else {
        skip_operating_points(&mut bits)?;
    }
    let width_bits = bits.take(4)? + 1;
    let height_bits = bits.take(4)? + 1;
    let [width, height] = [bits.take(width_bits)?, bits.take(height_bits)?];
    Some((u16::try_from(width + 1).ok()?, u16::try_from(height + 1).ok()?))
}

fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        // timing_info: two 32-bit numbers, then whether pictures are evenly spaced.
        bits.skip(64);
        if bits.flag()? {
            bits.golomb()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.skip(32 + 5 + 5);
        }
    }
    let display_delays = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12);
        if bits.take(5)? > 7 {
            bits.skip(1);
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits as usize + 1);
        }
        if display_delays && bits.flag()? {
            bits.skip(4);
        }
    }
    Some(())
}

/// AV1 Bitstream §4.10.5; a length that fits no packet is refused.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    let mut rest = bytes;
    for group in 0..3 {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        value |= usize::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Profile 0, one operating point, 11 + 10 size bits: 1280x720.
    /// 000 0 0 | 0 | 0 | 00000 | 12 zeros | 00101 | 1010 | 1001 | 10011111111 | 1011001111
    const HEADER_720P: [u8; 8] = [
        0b0000_0000,
        0b0000_0000,
        0b0000_0000,
        0b0010_1101,
        0b0100_1100,
        0b1111_1111,
        0b1011_0011,
        0b1100_0000,
    ];

    #[test]
    fn a_sequence_header_tells_the_size() {
        assert_eq!(frame_size(&HEADER_720P), Some((1280, 720)));
        let mut payload = vec![0b0010_1000, 9, SEQUENCE_HEADER << 3];
        payload.extend(HEADER_720P);
        payload.extend([0x30, 1, 2, 3]);
        let units = Av1Units::parse(&payload).unwrap();
        assert!(units.sequence_start && !units.continues);
        assert_eq!(units.size, Some((1280, 720)));
    }

    #[test]
    fn elements_with_lengths_and_sizes_inside() {
        let mut payload = vec![0b0000_1000, 2, 0x12, 0x00, 11, SEQUENCE_HEADER << 3 | 0x06, 0, 8];
        payload.extend(HEADER_720P);
        assert_eq!(Av1Units::parse(&payload).unwrap().size, Some((1280, 720)));
    }

    #[test]
    fn later_packets_begin_nothing() {
        let units = Av1Units::parse(&[0b1001_0000, 1]).unwrap();
        assert!(units.continues && !units.sequence_start);
        assert!(
            !Av1Units::parse(&[0b1001_1000, 1]).unwrap().sequence_start,
            "Z and N exclude each other"
        );
        assert_eq!(Av1Units::parse(&[0b0001_0000]), None);
        assert_eq!(Av1Units::parse(&[0b0000_1000, 9, 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Av1Units::parse(&bytes);
            let _ = frame_size(&bytes);
        }
    }
}
