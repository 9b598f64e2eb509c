//! H.264 as MP4 and Matroska keep it (ISO/IEC 14496-15): lengths in front of units, parameter sets beside the stream.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::Error;

const START: [u8; 4] = [0, 0, 0, 1];

/// `AVCDecoderConfigurationRecord` (§5.3.3.1): what is needed to make a stream of it.
#[derive(Debug, Clone)]
pub(super) struct Avc {
    /// Bytes of a unit's length: 1 to 4.
    length_bytes: usize,
    /// Sequence and picture parameter sets with start codes.
    parameters: Bytes,
}

impl Avc {
    /// Reads the record; none when it is damaged.
    pub(super) fn read(mut record: &[u8]) -> Option<Avc> {
        if record.len() < 6 {
            return None;
        }
        record.advance(4);
        let length_bytes = usize::from(record.get_u8() & 3) + 1;
        let mut parameters = BytesMut::new();
        for mask in [0x1f, 0xff] {
            let count = record.try_get_u8().ok()? & mask;
            for _ in 0..count {
                let length = usize::from(record.try_get_u16().ok()?);
                let (set, rest) = record.split_at_checked(length)?;
                parameters.put_slice(&START);
                parameters.put_slice(set);
                record = rest;
            }
        }
        Some(Avc {
            length_bytes,
            parameters: parameters.freeze(),
        })
    }

    /// A sample with start codes; parameter sets in front of an IDR picture that does not bring its own.
    pub(super) fn annex_b(&self, sample: &[u8]) -> Result<Bytes, Error> {
        let bad = || Error::Clip("H.264: a unit is cut off".into());
        let mut units = Vec::new();
        let mut rest = sample;
        while !rest.is_empty() {
            let (length, after) = rest.split_at_checked(self.length_bytes).ok_or_else(bad)?;
            let length = length
                .iter()
                .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
            let (unit, after) = after.split_at_checked(length).ok_or_else(bad)?;
            units.push(unit);
            rest = after;
        }
        let has = |kind: u8| {
            units
                .iter()
                .any(|unit| unit.first().is_some_and(|byte| byte & 0x1f == kind))
        };
        let mut frame = BytesMut::with_capacity(sample.len() + self.parameters.len() + 16);
        if has(5) && !has(7) {
            frame.put_slice(&self.parameters);
        }
        for unit in units {
            frame.put_slice(&START);
            frame.put_slice(unit);
        }
        Ok(frame.freeze())
    }
}
