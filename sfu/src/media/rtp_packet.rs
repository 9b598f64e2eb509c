//! A view of one RTP packet (RFC 3550 §5.1) and its header extensions (RFC 8285), without copying.

use std::ops::Range;

/// The fixed part of the header, in bytes.
pub const FIXED_HEADER: usize = 12;

/// A bounds-checked RTP packet.
#[derive(Clone, Debug)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
    extensions: Range<usize>,
    form: ExtensionForm,
    payload: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionForm {
    /// RFC 8285 §4.2, profile 0xBEDE.
    OneByte,
    /// RFC 8285 §4.3, profile 0x100x.
    TwoByte,
    /// None, or of a profile not known here: passed over.
    None,
}

impl<'a> RtpPacket<'a> {
    /// The packet, unless its lengths contradict each other.
    pub fn parse(bytes: &'a [u8]) -> Option<RtpPacket<'a>> {
        let &[first, ..] = bytes.first_chunk::<FIXED_HEADER>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut at = FIXED_HEADER + 4 * usize::from(first & 0x0f);
        let (mut extensions, mut form) = (0..0, ExtensionForm::None);
        if first & 0x10 != 0 {
            let profile = u16_at(bytes, at)?;
            let begin = at + 4;
            at = begin + 4 * usize::from(u16_at(bytes, at + 2)?);
            extensions = begin..at;
            form = match profile {
                0xbede => ExtensionForm::OneByte,
                0x1000..=0x100f => ExtensionForm::TwoByte,
                _ => ExtensionForm::None,
            };
        }
        let mut end = bytes.len();
        if first & 0x20 != 0 {
            let padding = usize::from(*bytes.last()?);
            // RFC 3550 §5.1: the count includes itself.
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        (at <= end).then_some(RtpPacket {
            bytes,
            extensions,
            form,
            payload: at..end,
        })
    }

    /// Payload type, 7 bits.
    pub fn payload_type(&self) -> u8 {
        self.bytes.get(1).map_or(0, |byte| byte & 0x7f)
    }

    /// The marker bit.
    pub fn marker(&self) -> bool {
        self.bytes.get(1).is_some_and(|byte| byte & 0x80 != 0)
    }

    /// Sequence number.
    pub fn sequence(&self) -> u16 {
        u16_at(self.bytes, 2).unwrap_or_default()
    }

    /// Timestamp, in the codec's clock.
    pub fn timestamp(&self) -> u32 {
        u32_at(self.bytes, 4).unwrap_or_default()
    }

    /// Synchronization source.
    pub fn ssrc(&self) -> u32 {
        u32_at(self.bytes, 8).unwrap_or_default()
    }

    /// The header with contributing sources and extensions.
    pub fn header(&self) -> &'a [u8] {
        self.bytes.get(..self.payload.start).unwrap_or_default()
    }

    /// The payload without padding.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.payload.clone()).unwrap_or_default()
    }

    /// Where the payload starts.
    pub fn payload_offset(&self) -> usize {
        self.payload.start
    }

    /// The whole packet, padding included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header extensions in order, as id and value.
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions {
            rest: self.bytes.get(self.extensions.clone()).unwrap_or_default(),
            form: self.form,
        }
    }

    /// Where in the packet the value of the extension with this id stands.
    pub fn extension_place(&self, id: u8) -> Option<Range<usize>> {
        let mut all = self.extensions();
        let (_, value) = all.find(|&(known, _)| known == id)?;
        let end = self.extensions.end.checked_sub(all.rest.len())?;
        Some(end.checked_sub(value.len())?..end)
    }

    /// The value of the extension with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions()
            .find(|&(known, _)| known == id)
            .map(|(_, value)| value)
    }
}

/// Iterates over header extensions; ends early where their lengths make no sense.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    form: ExtensionForm,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            self.rest = rest;
            // RFC 8285 §4.1.1: a zero byte is padding in both forms.
            if first == 0 {
                continue;
            }
            let (id, len) = match self.form {
                ExtensionForm::None => return None,
                // RFC 8285 §4.2: id 15 stops the processing; the length is one less.
                ExtensionForm::OneByte if first >> 4 == 15 => return None,
                ExtensionForm::OneByte => (first >> 4, usize::from(first & 0x0f) + 1),
                ExtensionForm::TwoByte => {
                    let (&len, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    (first, usize::from(len))
                }
            };
            let (value, rest) = self.rest.split_at_checked(len)?;
            self.rest = rest;
            return Some((id, value));
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIXED: [u8; 12] = [0x80, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef];

    fn with(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = FIXED.to_vec();
        packet[0] = first;
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn reads_the_fixed_header() {
        let bytes = with(0x80, b"hello");
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!((packet.payload_type(), packet.marker()), (0x60, true));
        assert_eq!(
            (packet.sequence(), packet.timestamp(), packet.ssrc()),
            (0x1234, 9, 0xdeadbeef)
        );
        assert_eq!(packet.payload(), b"hello");
        assert_eq!(packet.extensions().count(), 0);
    }

    #[test]
    fn passes_over_sources_and_padding() {
        let bytes = with(0xa2, &[0, 0, 0, 1, 0, 0, 0, 2, 7, 7, 0, 0, 3]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!((packet.payload(), packet.payload_offset()), (&[7, 7][..], 20));
        let only_padding = with(0xa0, &[0, 0, 3]);
        assert!(RtpPacket::parse(&only_padding).unwrap().payload().is_empty());
        assert!(
            RtpPacket::parse(&with(0xa0, &[0, 0, 4])).is_none(),
            "padding beyond the payload"
        );
        assert!(
            RtpPacket::parse(&with(0xa0, &[0])).is_none(),
            "padding of no length"
        );
    }

    #[test]
    fn reads_one_byte_extensions() {
        // id 1 of 1 byte, padding, id 2 of 3 bytes, then id 15 and what nobody may read.
        let bytes = with(
            0x90,
            &[
                0xbe, 0xde, 0, 3, 0x10, b'a', 0, 0x22, 1, 2, 3, 0xf0, 9, 0x30, 5, 0, 42,
            ],
        );
        let packet = RtpPacket::parse(&bytes).unwrap();
        let all: Vec<_> = packet.extensions().collect();
        assert_eq!(all, [(1, &b"a"[..]), (2, &[1, 2, 3][..])]);
        assert_eq!(packet.payload(), [42]);
    }

    #[test]
    fn reads_two_byte_extensions() {
        let bytes = with(0x90, &[0x10, 0, 0, 2, 20, 0, 0, 21, 2, 8, 9, 0, 42]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(packet.extension(20), Some(&[][..]));
        assert_eq!(packet.extension(21), Some(&[8, 9][..]));
        assert_eq!(packet.extension(22), None);
    }

    #[test]
    fn refuses_what_is_cut_short() {
        let bytes = with(0x91, &[0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0]);
        assert!(RtpPacket::parse(&bytes).is_some());
        for len in 0..bytes.len() {
            assert!(RtpPacket::parse(&bytes[..len]).is_none(), "{len}");
        }
        assert!(RtpPacket::parse(&with(0x40, &[])).is_none(), "version 1");
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(packet) = RtpPacket::parse(&bytes) {
                prop_assert!(packet.header().len() + packet.payload().len() <= bytes.len());
                prop_assert!(packet.extensions().count() <= bytes.len());
            }
        }
    }
}
